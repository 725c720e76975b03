"""Every example schema against the bytes that its vectors promise."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from example_vectors import EXAMPLES, Examples, each
from helpers import attempt, check_codec, hexed
from vector_files import FOLDER, Entry, entries

from vmsc import plan
from vmsc.runtime.errors import DecodeError, EncodeError, ParamError, Truncated
from vmsc.runtime.types import OneOf
from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Report
from vmsc.schema.ir.functions import FUNCTIONS
from vmsc.schema.syntax.loader import load

# --- the bytes ------------------------------------------------------------------------------------


@each("vector")
def test_value_and_wire_stand_for_each_other(examples: Examples, entry: Entry) -> None:
    codec = examples.codec(entry)
    check_codec(
        codec,
        examples.value(entry),
        hexed(entry.wire),
        params=examples.given(entry),
        framed=None if entry.framed is None else hexed(entry.framed),
    )


@each("vector")
def test_wire_lies_within_the_size_that_the_compiler_promises(
    examples: Examples, entry: Entry
) -> None:
    one = examples.schema.program.plans[f"examples.{entry.file}:{entry.description}"]
    size = len(hexed(entry.wire))
    assert one.least <= size
    assert one.most is None or size <= one.most
    assert one.size_class != "constant" or one.least == size == one.most


@each("bad")
def test_bad_wire_is_refused_with_its_place(examples: Examples, entry: Entry) -> None:
    codec = examples.codec(entry)
    given = examples.given(entry)
    wire = hexed(entry.wire)
    if entry.code == "param":
        with pytest.raises(ParamError):
            codec.qemu.decode(wire, **given)
        return
    found = attempt(lambda: codec.qemu.decode(wire, **given))
    assert isinstance(found, DecodeError), f"it is {found!r}"
    assert (found.code, found.field, found.offset) == (entry.code, entry.field, entry.offset)
    if entry.need is not None:
        assert isinstance(found, Truncated) and found.need == entry.need


@each("refused")
def test_value_that_has_no_wire_is_refused_with_its_field(examples: Examples, entry: Entry) -> None:
    codec = examples.codec(entry)
    given = examples.given(entry)
    value = examples.value(entry)
    for profile in (codec.qemu,) if entry.qemu_only else (codec.qemu, codec.framed):
        with pytest.raises(ParamError if entry.code == "param" else EncodeError) as found:
            profile.encode(value, **given)
        assert (found.value.code, found.value.field) == (entry.code, entry.field)


# --- that nothing is left out ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vector", "bad", "refused"])
def test_every_entry_says_where_it_comes_from(kind: str) -> None:
    found = entries(kind)
    assert all(e.source and e.title for e in found)
    assert [n for n, times in Counter(e.name for e in found).items() if times > 1] == []


def test_every_byte_has_a_word_beside_it() -> None:
    for entry in (*entries("vector"), *entries("bad")):
        lines = [*entry.wire.splitlines(), *(entry.framed or "").splitlines()]
        bare = [line for line in lines if line.strip() and not line.partition("#")[2].strip()]
        assert not bare, f"{entry.name}: {bare}"


def test_every_example_has_vectors_and_every_vector_file_an_example() -> None:
    assert {p.stem for p in FOLDER.iterdir()} == {p.stem for p in EXAMPLES.glob("*.vmsd")}


def test_every_device_has_a_vector(examples: Examples) -> None:
    devices = {
        (d.module, d.name)
        for d in examples.schema.schema.descriptions.values()
        if d.kind == "device" and d.module.startswith("examples.")
    }
    shown = {(f"examples.{e.file}", e.description) for e in entries("vector")}
    assert devices - shown == set()


def test_every_optional_field_is_present_in_one_vector_and_absent_in_another(
    examples: Examples,
) -> None:
    seen: Counter[tuple[str, str, str, bool]] = Counter()
    for entry in entries("vector"):
        for value in _structs(examples.value(entry)):
            for field in msgspec.structs.fields(type(value)):
                there = getattr(value, field.name) is not None
                key = type(value).__module__.partition(".")[2]
                seen[key, type(value).__name__, field.encode_name, there] += 1
    missing = [
        f"{one.module}.{one.name}.{member.name} {'present' if there else 'absent'}"
        for one in examples.schema.program.plans.values()
        if one.module.startswith("examples.")
        for member in one.members
        for there in ((True, False) if member.optional else (True,))
        if not seen[one.module, one.name, member.name, there]
    ]
    assert missing == []


def _structs(value: Any) -> Iterator[Any]:
    """The descriptions' values within a value."""
    if isinstance(value, msgspec.Struct):
        yield value
        value = [getattr(value, f.name) for f in msgspec.structs.fields(type(value))]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _structs(inner)


def _nodes(thing: Any) -> Iterator[Any]:
    """All dataclasses of a tree."""
    if dataclasses.is_dataclass(thing):
        yield thing
        for field in dataclasses.fields(thing):
            if field.name != "span":
                yield from _nodes(getattr(thing, field.name))
    elif isinstance(thing, tuple):
        for inner in thing:
            yield from _nodes(inner)


@pytest.fixture(scope="session")
def used(examples: Examples) -> list[Any]:
    """Every node of the examples' syntax, meaning and plans."""
    loaded = load([EXAMPLES], Report())
    files = [f for f in loaded.files if f.source.module in loaded.asked]
    schema, program = examples.schema.schema, examples.schema.program
    mine = [d for d in schema.descriptions.values() if d.module in loaded.asked]
    plans = [p for p in program.plans.values() if p.module in loaded.asked]
    return [node for root in (*files, *mine, *plans) for node in _nodes(root)]


# What plugins add has examples of its own, and what is wrong has none.
NOT_HERE = {ir.External, ir.Invalid, plan.Custom}

OPERATORS = set("+ - * / % << >> & | ^ ~ == != < <= > >= and or not".split())  # noqa: SIM905


@pytest.mark.parametrize("module", [syntax, ir, plan], ids=["syntax", "ir", "plan"])
def test_every_kind_of_node_is_used_by_an_example(
    module: types.ModuleType, used: list[Any]
) -> None:
    wanted = {
        thing
        for thing in vars(module).values()
        if dataclasses.is_dataclass(thing)
        and isinstance(thing, type)
        and thing.__module__ == module.__name__
    }
    whole = {ir.Schema, ir.Module, plan.Program}
    missing = wanted - {type(node) for node in used} - NOT_HERE - whole
    assert {m.__name__ for m in missing} == set()


def test_every_word_of_the_language_is_used_by_an_example(used: list[Any]) -> None:
    numbers = {(n.name, n.order) for n in used if isinstance(n, ir.Scalar)}
    assert {name for name, _ in numbers} == set(ir.SCALARS)
    assert {order for _, order in numbers} == {"big", "little"}
    operators = {n.op for n in used if isinstance(n, ir.Operation)}
    assert operators >= set(FUNCTIONS) | OPERATORS
    assert {n.kind for n in used if isinstance(n, ir.Description)} == {
        "device", "vmsd", "struct", "loop", "subsection",
    }  # fmt: skip
    params = [n for n in used if isinstance(n, ir.Param)]
    assert {p.kind for p in params} == {"number", "bool", "bits", "words", "bytes"}
    assert {p.outer for p in params} == {p.sticky for p in params} == {True, False}
    assert any(p.default is not None and not p.sticky for p in params)
    words = {n.word for n in used if isinstance(n, syntax.Modifier)}
    assert words >= {"since", "when", "unless", "min", "max", "equals", "sticky", "as"}


def test_every_arm_of_every_choice_is_taken_by_a_vector(examples: Examples) -> None:
    taken = {
        (type(value), field.name, _kind(getattr(value, field.name)))
        for entry in entries("vector")
        for value in _structs(examples.value(entry))
        for field in msgspec.structs.fields(type(value))
    }
    for choice, name, arm in _choices(examples):
        assert (choice, name, arm) in taken, f"no vector: {choice.__name__}.{name} as {arm}"


def _kind(value: Any) -> str:
    return type(value).__name__


def _choices(examples: Examples) -> Iterator[tuple[type, str, str]]:
    """(class, field, Python type) of each arm."""
    for module in examples.modules.values():
        for thing in vars(module).values():
            if not (isinstance(thing, type) and issubclass(thing, msgspec.Struct)):
                continue
            for name, hint in typing.get_type_hints(thing, include_extras=True).items():
                if any(isinstance(extra, OneOf) for extra in getattr(hint, "__metadata__", ())):
                    for arm in typing.get_args(typing.get_args(hint)[0]):
                        plain = typing.get_origin(arm) or arm
                        plain = typing.get_args(arm)[0] if plain is typing.Annotated else plain
                        yield thing, name, plain.__name__
