"""The leaves of a value: whatever the construct, they tile the bytes that it stands for."""

from __future__ import annotations

from typing import Any

from example_vectors import Examples, each
from helpers import hexed
from vector_files import Entry

from vmsc.inspect.byte_map import MARKS, Leaf, leaves
from vmsc.schema.ir import SCALARS
from vmsc.schema.ir.evaluate import member_of


def walked(examples: Examples, entry: Entry) -> tuple[Any, bytes, list[Leaf]]:
    value, wire = examples.value(entry), hexed(entry.wire)
    key = f"examples.{entry.file}:{entry.description}"
    given = examples.given(entry)
    given.pop("version", None)
    found = leaves(
        examples.schema.schema, key, value, given, entry.version,
        custom=lambda name, of: len(of) if isinstance(of, bytes) else 0,
    )  # fmt: skip
    return value, wire, list(found)


@each("vector")
def test_the_leaves_of_a_value_tile_its_bytes(examples: Examples, entry: Entry) -> None:
    _, wire, found = walked(examples, entry)
    end = 0
    for leaf in found:
        assert leaf.offset == end
        end += leaf.size
    assert end == len(wire)


@each("vector")
def test_a_leaf_holds_the_value_at_its_path(examples: Examples, entry: Entry) -> None:
    value, wire, found = walked(examples, entry)
    for leaf in found:
        raw = wire[leaf.offset : leaf.offset + leaf.size]
        if leaf.type in ("bytes", "padding", "opaque", "text"):
            assert at(value, leaf.path) == raw, leaf
        elif leaf.type in ("bool", "u8", "s8"):
            number = at(value, leaf.path)
            assert number is None or number % 256 == raw[0], leaf
        else:
            assert leaf.type in MARKS or leaf.size == SCALARS[leaf.type].size, leaf


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        if isinstance(part, int):
            value = value[part]
        elif part in type(value).__struct_encode_fields__:
            value = member_of(value, part)
        else:
            return None  # a word of which the value has the parts
    return value
