"""Bytes to values, item by item, in the order of the wire."""

from __future__ import annotations

from typing import assert_never

from vmsc.runtime.errors import DecodeError
from vmsc.testing.interpreter.arithmetic import number
from vmsc.testing.interpreter.scalars import SCALARS
from vmsc.testing.interpreter.scope import Scope, WireType, count, evaluate, holds
from vmsc.testing.interpreter.shapes import (
    Bitmap,
    Double,
    Nested,
    Octets,
    Rest,
    String,
    Word,
    arm_of,
    at,
    bits_of,
    broken_law,
    first_of,
    is_present,
    mask_of,
    scope_of,
    shape_of,
    sticky_state,
    subsection_scope,
)
from vmsc.testing.interpreter.source import NO_WISH, Source
from vmsc.testing.interpreter.syntax import (
    Array,
    Break,
    Choice,
    Field,
    Let,
    ListOf,
    Nullable,
    Outer,
    Param,
    Require,
    SchemaError,
    Subsection,
    Tree,
    Type,
    Until,
    UntilSum,
    Within,
)
from vmsc.testing.interpreter.values import F64, VERSION, Body, Value
from vmsc.testing.interpreter.wishes import wish_of

__all__ = ["read_description"]

NULL, VALID = 0x30, 0x31
_BITS = SCALARS["u64"]


def read_description(scope: Scope, source: Source) -> Value:
    """A description's body, its rounds if it is a loop; then its subsections."""
    if scope.definition.description.kind == "loop":
        return _rounds(scope, source)
    return source.attempt(lambda: _body(scope.again(), source)[0])


def _rounds(scope: Scope, source: Source) -> list[Value]:
    rounds: list[Value] = []
    broke = False
    while not broke:
        with at(len(rounds)):
            one, broke = source.attempt(lambda: _body(scope.again(), source))
        rounds.append(one)
    return rounds


def _body(scope: Scope, source: Source) -> tuple[Body, bool]:
    """The body, and whether it ended at a `break`."""
    value = Body()
    broke = False
    for item in scope.definition.description.items:
        match item:
            case Field() if broke:
                _leave_out(item, value)
            case Field():
                _field(item, scope, source, value)
            case Let(name=name, value=expr):
                scope.lets[name] = expr
            case Require(law=law, why=why):
                if not broke and not holds(law, scope):
                    raise DecodeError(why or "a law is broken", offset=source.pos, code="law")
            case Break(condition=condition):
                broke = broke or holds(condition, scope)
            case Subsection(name=name):
                value[name] = None
            case Param() | Outer():
                pass
            case _:
                assert_never(item)
    if scope.definition.description.peeks:
        _subsections(scope, source, value)
    return value, broke


def _leave_out(field: Field, value: Body) -> None:
    for name in [part.name for part in field.parts] or [field.name]:
        value[name] = None


def _field(field: Field, scope: Scope, source: Source, value: Body) -> None:
    if not is_present(field, scope):
        _leave_out(field, value)
        if field.sticky:
            value[field.name] = state = sticky_state(field, scope)
            if (broken := broken_law(field, state, scope)) is not None:
                with at(field.name):
                    raise DecodeError(broken, offset=source.pos, code="law")
        scope.fields[field.name] = None
        scope.fields.update(value)
        return
    start = source.pos
    with at(field.name):
        found = _read(field.type, scope, source, field)
        if field.via is not None:
            found = _transformed(field.via, found, scope, start)
        if (broken := broken_law(field, found, scope)) is not None:
            raise DecodeError(broken, offset=start, code="law")
    scope.fields[field.name] = found
    if field.sticky:
        scope.run.sticky[field.name] = found
    if not field.parts:
        value[field.name] = found
        return
    word = shape_of(field.type, scope)
    if not isinstance(word, Word):
        raise SchemaError(f"'{field.name}' is not a word that can be split")
    value.words[field.name] = found
    for part in field.parts:
        scope.fields[part.name] = value[part.name] = found & bits_of(part, word.scalar)


def _transformed(name: str, raw: Value, scope: Scope, start: int) -> Value:
    try:
        return scope.run.transforms[name].to_value(raw)
    except ValueError as fault:
        raise DecodeError(f"{raw}: {fault}", offset=start, code="transform") from None


def _subsections(scope: Scope, source: Source, value: Body) -> None:
    description = scope.definition.description
    last = -1
    start = source.pos
    while (found := source.subsection(description, last)) is not None:
        last, version = found
        sub = description.subsections[last]
        with at(sub.name):
            if not sub.body.minimum <= version <= sub.body.version:
                raise DecodeError(f"version {version}", offset=start, code="version")
            inner = read_description(subsection_scope(sub, scope, version), source)
        inner[VERSION] = version
        value[sub.name] = inner
        start = source.pos


# --- types ----------------------------------------------------------------------------------------


def _read(type_: Type, scope: Scope, source: Source, field: Field | None = None) -> Value:
    shape = shape_of(type_, scope, field)
    match shape:
        case Word(scalar=scalar, little=little):
            return source.number(scalar, little, lambda: wish_of(field, scope))
        case Double(little=little):
            return F64(source.number(_BITS, little, lambda: wish_of(None, scope)))
        case String(prefix=prefix, limit=limit):
            return source.text(prefix, limit)
        case Octets(size=size):
            return source.octets(size)
        case Rest():
            return source.rest()
        case Bitmap(words=words):
            return [source.number(_BITS, False, lambda: wish_of(None, scope)) for _ in range(words)]
        case Nested():
            return read_description(scope_of(shape, scope), source)
        case WireType():
            return source.external(shape)
        case Array(element=element, count=length):
            return _elements(element, count(length, scope), scope, source)
        case Until():
            return _until(shape, scope, source)
        case UntilSum():
            return _until_sum(shape, scope, source)
        case ListOf():
            return _list(shape, scope, source)
        case Tree():
            return _tree(shape, scope, source)
        case Nullable():
            return _nullable(shape, scope, source)
        case Choice():
            arm = arm_of(shape, scope)
            if arm is None:
                raise DecodeError("no arm for this", offset=source.pos, code="choice")
            return _read(arm.type, scope, source)
        case Within(length=length, inner=inner):
            size = count(length, scope)
            return source.window(size, length, lambda window: _read(inner, scope, window))
        case _:
            assert_never(shape)


def _elements(element: Type, length: int, scope: Scope, source: Source) -> list[Value]:
    found: list[Value] = []
    shape = shape_of(element, scope) if length else None
    for index in range(length):
        with at(index):
            if isinstance(shape, Word):
                found.append(source.number(shape.scalar, shape.little, lambda: NO_WISH))
            else:
                found.append(_read(element, scope, source))
    return found


def _until(shape: Until, scope: Scope, source: Source) -> list[Value]:
    first = first_of(shape.element, shape.first, scope)
    stop = number(evaluate(shape.stop, scope))
    found: list[Value] = []
    while not source.stops(first.scalar, first.little, stop):
        with at(len(found)):
            found.append(_read(shape.element, scope, source))
    return found


def _until_sum(shape: UntilSum, scope: Scope, source: Source) -> list[Value]:
    start = source.pos
    total = number(evaluate(shape.total, scope))
    nested = shape_of(shape.element, scope)
    if not isinstance(nested, Nested):
        raise SchemaError("a sum over what has no fields")
    found: list[Value] = []
    left = total
    while left > 0:
        with at(len(found)):
            element = read_description(scope_of(nested, scope, {shape.part: left}), source)
        found.append(element)
        left -= number(element[shape.part])
    if left < 0:
        raise DecodeError(f"{-left} over {total}", offset=start, code="sum")
    return found


def _list(shape: ListOf, scope: Scope, source: Source) -> list[Value]:
    found: list[Value] = []
    while _goes_on(source, shape.tag, (0, shape.tag)):
        with at(len(found)):
            found.append(_read(shape.element, scope, source))
    return found


def _goes_on(source: Source, tag: int, likely: tuple[int, ...]) -> bool:
    start = source.pos
    given = source.byte(*likely)
    if given not in (0, tag):
        raise DecodeError(f"tag {given}, not {tag}", offset=start, code="non-canonical")
    return given != 0


def _tree(shape: Tree, scope: Scope, source: Source) -> list[Value]:
    start = source.pos
    size = source.number(SCALARS["u32"], False, lambda: wish_of(None, scope, is_count=True))
    found: list[Value] = []
    while _goes_on(source, 1, (int(len(found) < size),)):
        with at(len(found)):
            key = _read(shape.key, scope, source)
            found.append((key, _read(shape.value, scope, source)))
    if len(found) != size:
        raise DecodeError(f"{len(found)} pairs, not {size}", offset=start, code="count")
    return found


def _nullable(shape: Nullable, scope: Scope, source: Source) -> list[Value]:
    length = count(shape.count, scope)
    mask = mask_of(shape, length, scope)
    found: list[Value] = []
    for index in range(length):
        with at(index):
            found.append(
                _read(shape.element, scope, source) if _is_there(mask, index, source) else None
            )
    return found


def _is_there(mask: int | None, index: int, source: Source) -> bool:
    """By the mask; where there is none, by the marker."""
    if mask is not None and mask >> index & 1:
        return True
    start = source.pos
    allowed = (NULL, VALID) if mask is None else (NULL,)
    marker = source.byte(*allowed)
    if marker not in allowed:
        raise DecodeError(f"{marker:02x} is no marker", offset=start, code="marker")
    return marker == VALID
