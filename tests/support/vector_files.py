"""Read tests/vectors/*.toml: the wire promise, a file for each of schemas/examples.

The bytes are worked out by hand from QEMU's format rules, or taken from a program that is named; no
tool writes them, and a vector of an old version stays. Three kinds of entries:

    [[vector]]  value and wire stand for each other
    [[bad]]     wire is refused: `code`, `field` (as `rx[3].len`) and `offset` of the DecodeError;
                with `need`, it is Truncated, and asks for as many bytes (code `param`:
                a ParamError)
    [[refused]] value cannot be written: `code` and `field` of the EncodeError (code `param`:
                a ParamError); `qemu_only`: the framed profile has no such law

Each has `title`, `description` (the class), `from` (where the bytes come from) and, where they are
needed, `version` and `params`. `wire` and `framed` are hex (and "ASCII") with a word beside every
group of bytes:

    wire = '''
    00 00 01 02   # rx_count = 258
    00 x16        # sixteen zeros
    '''

A value is written as its type wants it:

    numbers, bool, timer, bitmap words    numbers
    f64                                   a number; hex of its bytes where a number does not do
    bytes, unused, opaque                 hex as above
    string8, string32                     text, or {hex = "ff"}
    a description                         a table; a field that is absent is left out
    a subsection's own version            the key "@version"
    lists, arrays, rounds of a loop       an array; "absent" for an absent element of a nullable one
    a tree                                an array of [key, value]
    a choice                              {NAME = value}: the class, or the type's word (u8, ...)
"""

from __future__ import annotations

import struct
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from helpers import hexed

from vmsc.runtime.types import OneOf, Wire

__all__ = ["FOLDER", "Entry", "entries", "value_of"]

FOLDER = Path(__file__).parents[1] / "vectors"

_KINDS = ("vector", "bad", "refused")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """One entry of a file; `kind` is vector, bad or refused."""

    description: str
    source: str
    file: str = ""
    kind: str = ""
    title: str = ""
    version: int | None = None
    params: dict[str, Any] = {}
    value: Any = None
    wire: str = ""
    framed: str | None = None
    code: str = ""
    field: str = ""
    offset: int | None = None
    need: int | None = None
    qemu_only: bool = False

    @property
    def name(self) -> str:
        return f"{self.file}: {self.description}: {self.title}"


def entries(kind: str) -> list[Entry]:
    """All entries of a kind, in the order of files."""
    found: list[Entry] = []
    for path in sorted(FOLDER.glob("*.toml")):
        data = tomllib.loads(path.read_text())
        assert set(data) <= set(_KINDS), f"{path.name}: {set(data) - set(_KINDS)}"
        for raw in data.get(kind, ()):
            found.append(msgspec.convert({**raw, "file": path.stem, "kind": kind}, Entry))
    return found


def value_of(hint: Any, raw: Any) -> Any:
    """The Python value of an annotation's type."""
    inner, extra = _unwrapped(hint)
    match extra:
        case OneOf():
            ((word, chosen),) = raw.items()
            (arm,) = (a for a in _arms(inner) if _word(a) == word)
            return value_of(arm, chosen)
        case Wire(name=name):
            return _plain(name, raw)
    if isinstance(inner, types.UnionType) or typing.get_origin(inner) is typing.Union:
        (there,) = (a for a in typing.get_args(inner) if a is not type(None))
        return None if raw is None or raw == "absent" else value_of(there, raw)
    if typing.get_origin(inner) is list:
        (element,) = typing.get_args(inner)
        return [value_of(element, each) for each in raw]
    if typing.get_origin(inner) is tuple:
        return tuple(value_of(h, each) for h, each in zip(typing.get_args(inner), raw, strict=True))
    return raw if inner is int else _struct(inner, raw)


def _unwrapped(hint: Any) -> tuple[Any, object]:
    """An annotation's type, and what is said of it."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, extra = typing.get_args(hint)
        return inner, extra
    return hint, None


def _arms(union: Any) -> tuple[Any, ...]:
    return typing.get_args(union) or (union,)


def _word(hint: Any) -> str:
    inner, extra = _unwrapped(hint)
    if isinstance(extra, Wire):
        return extra.name
    return str((typing.get_origin(inner) or inner).__name__)


def _plain(name: str, raw: Any) -> Any:
    match name:
        case "bytes" | "padding" | "opaque":
            return hexed(raw)
        case "text":
            return raw.encode() if isinstance(raw, str) else hexed(raw["hex"])
        case "bitmap":
            return list(raw)
        case "f64":
            return struct.unpack(">d", hexed(raw))[0] if isinstance(raw, str) else float(raw)
        case _:
            return raw


def _struct(cls: type, raw: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {f.encode_name: f for f in msgspec.structs.fields(cls)}
    assert set(raw) <= set(fields), f"{cls.__name__} has no {set(raw) - set(fields)}"
    given = {}
    for name, one in fields.items():
        hint = hints.get(one.name, one.type)
        if name in raw:
            given[one.name] = value_of(hint, raw[name])
        elif name != "@version":
            assert type(None) in _arms(hint), f"{cls.__name__}.{name} is missing"
            given[one.name] = None
    return cls(**given)
