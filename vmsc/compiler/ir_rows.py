"""What schemas mean, as rows of plain values, and back: what the cache keeps of an ir.

A row is a list: the name of a class and its fields, or "" and a tuple's items, or "{}" and a
mapping's keys and values in turn. A field is a plain value, or a list of one number: the row, above
this one, that holds it. What is used twice is one row, as all of a file's spans use its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

from vmsc.schema import ir
from vmsc.schema.source import Source, Span

__all__ = ["schema_from_rows", "schema_to_rows"]

_TUPLE, _MAPPING, _BIG = "", "{}", "int"
_CLASSES: dict[str, type[Any]] = {
    found.__name__: found
    for found in (*vars(ir).values(), Source, Span)
    if isinstance(found, type) and is_dataclass(found)
}
_FIELDS = {found: tuple(f.name for f in fields(found)) for found in _CLASSES.values()}
_RANGE = range(-(1 << 63), 1 << 64)  # what MessagePack has integers for


def schema_to_rows(schema: ir.Schema) -> bytes:
    """The schema as MessagePack."""
    rows: list[list[Any]] = []
    known: dict[int, int] = {}
    _place(schema, rows, known)
    return msgspec.msgpack.encode(rows)


def _place(node: Any, rows: list[list[Any]], known: dict[int, int]) -> Any:
    """What stands for the node in a row: itself or the number of its row."""
    match node:
        case None | bool() | str() | bytes():
            return node
        case int() if node in _RANGE:
            return node
        case int():
            row = [_BIG, str(node)]
        case _ if id(node) in known:
            return [known[id(node)]]
        case tuple():
            row = [_TUPLE, *(_place(item, rows, known) for item in node)]
        case Mapping():
            pairs = (part for pair in node.items() for part in pair)
            row = [_MAPPING, *(_place(part, rows, known) for part in pairs)]
        case _:
            names = _FIELDS[type(node)]
            values = (_place(getattr(node, name), rows, known) for name in names)
            row = [type(node).__name__, *values]
    rows.append(row)
    known[id(node)] = len(rows) - 1
    return [len(rows) - 1]


def schema_from_rows(data: bytes) -> ir.Schema:
    """The schema of these rows, which `schema_to_rows` made."""
    nodes: list[Any] = []
    for kind, *values in msgspec.msgpack.decode(data, type=list[list[Any]]):
        found = [nodes[value[0]] if type(value) is list else value for value in values]
        if kind == _TUPLE:
            nodes.append(tuple(found))
        elif kind == _MAPPING:
            nodes.append(dict(zip(found[::2], found[1::2])))
        elif kind == _BIG:
            nodes.append(int(found[0]))
        else:
            nodes.append(_CLASSES[kind](*found))
    schema = nodes[-1]
    assert isinstance(schema, ir.Schema)
    return schema
