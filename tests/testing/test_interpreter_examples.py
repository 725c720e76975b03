"""The interpreter against the vectors of the example schemas: the wire promise, typed by hand.

The vectors' values are read by the interpreter's own types: nothing of the compiler is asked. A
vector's field names what a codec checks at once, so a truncated one may name what encloses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers import hexed
from vector_files import Entry, entries

from vmsc.runtime.errors import CodecError, DecodeError, EncodeError, ParamError, Truncated
from vmsc.testing.interpreter import F64, Codec, Value, load
from vmsc.testing.interpreter.modules import Definition
from vmsc.testing.interpreter.scalars import SCALARS, STRINGS
from vmsc.testing.interpreter.syntax import (
    Array,
    Choice,
    Description,
    Field,
    ListOf,
    Name,
    Named,
    Nullable,
    Opaque,
    Ordered,
    Padding,
    Param,
    Subsection,
    Tree,
    Type,
    Until,
    UntilSum,
    Within,
)

SCHEMAS = Path(__file__).parents[2] / "schemas"
OTHERS = {f"std.{path.stem}": path.read_text() for path in (SCHEMAS / "std").glob("*.vmsd")}


@pytest.fixture(scope="session")
def codecs() -> Mapping[tuple[str, str], Codec]:
    """By file and class; the class of a device without a name is made of its wire name."""
    found = {}
    for path in sorted((SCHEMAS / "examples").glob("*.vmsd")):
        for name, codec in load(path.read_text(), modules=OTHERS).codecs.items():
            words = re.split(r"[^A-Za-z0-9]+", name)
            found[path.stem, "".join(word[:1].upper() + word[1:] for word in words)] = codec
    return found


# --- values ---------------------------------------------------------------------------------------

Bound = Mapping[str, Definition]


def value_of(definition: Definition, raw: Any, bound: Bound) -> Value:
    """A table's value; what it leaves out is absent."""
    description = definition.description
    if description.kind == "loop":
        return [fields_of(definition, each, bound) for each in raw]
    return fields_of(definition, raw, bound)


def fields_of(definition: Definition, raw: Mapping[str, Any], bound: Bound) -> Value:
    description = definition.description
    assert set(raw) <= {*keys_of(description), "@version"}
    value: dict[str, Value] = {}
    for item in description.items:
        match item:
            case Field(parts=()) if item.name in raw:
                value[item.name] = typed(item.type, raw[item.name], definition, bound)
            case Field():
                value |= {part.name: raw.get(part.name) for part in item.parts}
                value |= {} if item.parts else {item.name: None}
            case Subsection(name=name, body=body):
                inner = Definition(definition.module, body)
                value[name] = value_of(inner, raw[name], bound) if name in raw else None
    if description.kind == "subsection":
        value["@version"] = raw.get("@version", description.version)
    return value


def keys_of(description: Description) -> set[str]:
    found: set[str] = set()
    for item in description.items:
        if isinstance(item, Field):
            found |= {part.name for part in item.parts} or {item.name}
        elif isinstance(item, Subsection):
            found.add(item.name)
    return found


def typed(type_: Type, raw: Any, definition: Definition, bound: Bound) -> Value:
    match type_:
        case Named(name="f64") | Ordered(name="f64"):
            return F64(int.from_bytes(hexed(raw), "big")) if isinstance(raw, str) else F64.of(raw)
        case Named(name=name) if name in STRINGS:
            return raw.encode() if isinstance(raw, str) else hexed(raw["hex"])
        case Array(element=Named(name="bytes")) | Padding() | Opaque():
            return hexed(raw)
        case Named(name=name) if name not in SCALARS:
            return nested(type_, raw, definition, bound)
        case Array(element=Named(name="bitmap")) | Named() | Ordered():
            return raw
        case Array() | Until() | UntilSum() | ListOf():
            return [typed(type_.element, each, definition, bound) for each in raw]
        case Nullable(element=element):
            return [None if e == "absent" else typed(element, e, definition, bound) for e in raw]
        case Tree():
            return [
                (typed(type_.key, k, definition, bound), typed(type_.value, v, definition, bound))
                for k, v in raw
            ]
        case Choice(arms=arms):
            ((word, chosen),) = raw.items()
            arm = next(arm.type for arm in arms if word_of(arm.type) == word)
            return typed(arm, chosen, definition, bound)
        case Within(inner=inner):
            return typed(inner, raw, definition, bound)


def word_of(type_: Type) -> str:
    match type_:
        case Array(element=Named(name="bytes")):
            return "bytes"
        case Array():
            return "list"
        case Named(name=name):
            return "text" if name in STRINGS else name
        case _:
            raise AssertionError(f"no vector has a choice of {type_}")


def nested(use: Named, raw: Any, definition: Definition, bound: Bound) -> Value:
    inner = bound.get(use.name) or definition.module.description(use.name)
    assert inner is not None
    given = {}
    for item in inner.description.items:
        if isinstance(item, Param) and item.domain.kind == "description":
            argument = use.arguments[item.name]
            assert isinstance(argument, Name)
            one = bound.get(argument.name) or definition.module.description(argument.name)
            assert one is not None
            given[item.name] = one
    return value_of(inner, raw, given)


# --- tests ----------------------------------------------------------------------------------------


def each(kind: str) -> pytest.MarkDecorator:
    found = entries(kind)
    return pytest.mark.parametrize("entry", found, ids=[e.name for e in found])


def case(codecs: Mapping[tuple[str, str], Codec], entry: Entry) -> tuple[Codec, dict[str, Any]]:
    """The codec and what it is given; what a loop carries on is text in the file."""
    codec = codecs[entry.file, entry.description]
    texts = {name for name, one in codec.parameters.items() if one.kind == "bytes"}
    params = {n: v.encode() if n in texts else v for n, v in entry.params.items()}
    return codec, {"version": entry.version, "params": params}


@each("vector")
def test_value_and_wire_stand_for_each_other(
    codecs: Mapping[tuple[str, str], Codec], entry: Entry
) -> None:
    codec, given = case(codecs, entry)
    wire, value = hexed(entry.wire), value_of(codec.definition, entry.value, {})
    assert codec.decode(wire, **given) == value
    assert codec.encode(value, **given) == wire


@each("bad")
def test_bad_wire_is_refused_with_its_place(
    codecs: Mapping[tuple[str, str], Codec], entry: Entry
) -> None:
    codec, given = case(codecs, entry)
    with pytest.raises(CodecError) as found:
        codec.decode(hexed(entry.wire), **given)
    error = found.value
    assert error.code == entry.code
    if isinstance(error, ParamError):
        return
    assert isinstance(error, DecodeError) and error.offset == entry.offset
    if isinstance(error, Truncated):
        assert entry.need is not None and 1 <= error.need <= entry.need
        assert error.field.startswith(entry.field)
    else:
        assert error.field == entry.field


@each("refused")
def test_value_that_has_no_wire_is_refused_with_its_field(
    codecs: Mapping[tuple[str, str], Codec], entry: Entry
) -> None:
    codec, given = case(codecs, entry)
    value = value_of(codec.definition, entry.value, {})
    with pytest.raises(ParamError if entry.code == "param" else EncodeError) as found:
        codec.encode(value, **given)
    assert found.value.code == entry.code
    assert found.value.field.startswith(entry.field)
