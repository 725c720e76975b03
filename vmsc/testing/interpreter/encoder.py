"""Values to bytes: the same walk as the decoder's, over the value."""

from __future__ import annotations

from typing import assert_never

from vmsc.runtime.errors import EncodeError
from vmsc.testing.interpreter.arithmetic import number
from vmsc.testing.interpreter.decoder import NULL, VALID
from vmsc.testing.interpreter.scalars import SCALARS, Scalar
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
from vmsc.testing.interpreter.syntax import (
    Array,
    Break,
    Choice,
    Description,
    Field,
    Let,
    ListOf,
    Nullable,
    Outer,
    Padding,
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

__all__ = ["write_description"]

_BITS = SCALARS["u64"]


def write_description(value: Value, scope: Scope, out: bytearray) -> Value:
    """Append the bytes; what expressions may read of the value is given back."""
    if scope.definition.description.kind == "loop":
        return _rounds(_list_of(value), scope, out)
    return _body(value, scope.again(), out)[0]


def _rounds(value: list[Value], scope: Scope, out: bytearray) -> list[Value]:
    written = []
    broke = False
    for index, one in enumerate(value):
        with at(index):
            body, broke = _body(one, scope.again(), out)
            if broke and index < len(value) - 1:
                raise EncodeError("rounds after the last one", code="loop")
        written.append(body)
    if not broke:
        raise EncodeError("the last round does not end the loop", code="loop")
    return written


def _body(value: Value, scope: Scope, out: bytearray) -> tuple[Body, bool]:
    description = scope.definition.description
    _check_keys(value, description)
    written = Body()
    broke = False
    for item in description.items:
        match item:
            case Field() if broke:
                _refuse_given(item, value)
            case Field():
                _field(item, value, scope, out, written)
            case Let(name=name, value=expr):
                scope.lets[name] = expr
            case Require(law=law, why=why):
                if not broke and not holds(law, scope):
                    raise EncodeError(why or "a law is broken", code="law")
            case Break(condition=condition):
                broke = broke or holds(condition, scope)
            case Subsection() | Param() | Outer():
                pass
            case _:
                assert_never(item)
    for sub in description.subsections:
        if value.get(sub.name) is not None:
            with at(sub.name):
                written[sub.name] = _subsection(sub, value[sub.name], scope, out)
    return written, broke


def _check_keys(value: Value, description: Description) -> None:
    """A value has all fields, None for absent ones. Padding may be left out: it is zeros then."""
    if not isinstance(value, dict):
        raise _ill(value, "a description's fields")
    wanted, optional = set(), {VERSION} if description.kind == "subsection" else set()
    for item in description.items:
        match item:
            case Field(type=Padding()):
                optional.add(item.name)
            case Field():
                wanted |= _names(item)
            case Subsection(name=name):
                wanted.add(name)
            case _:
                pass
    wrong = (wanted - value.keys()) | (value.keys() - wanted - optional)
    if wrong:
        raise EncodeError(f"{min(wrong)!r} is missing, or is not a field", code="type")


def _names(field: Field) -> set[str]:
    return {part.name for part in field.parts} or {field.name}


def _refuse_given(field: Field, value: Value) -> None:
    for name in _names(field):
        if value.get(name) is not None:
            with at(name):
                raise EncodeError("it is not on the wire here", code="presence")


def _field(field: Field, value: Value, scope: Scope, out: bytearray, written: Body) -> None:
    if not is_present(field, scope):
        _absent(field, value, scope, written)
        return
    if field.parts:
        _split(field, value, scope, out, written)
        return
    given = value.get(field.name)
    with at(field.name):
        if (broken := _broken(field, given, scope)) is not None:
            raise EncodeError(broken, code="law")
        if field.via is not None:
            found = _write(field.type, _transformed(field.via, given, scope), scope, out, field)
            scope.fields[field.name] = written[field.name] = given
            return
        if given is None and isinstance(field.type, Padding) and field.name not in value:
            given = bytes(count(field.type.length, scope))
        found = _write(field.type, given, scope, out, field)
    scope.fields[field.name] = written[field.name] = found
    if field.sticky:
        scope.run.sticky[field.name] = found


def _broken(field: Field, given: Value, scope: Scope) -> str | None:
    """An ill-typed number breaks no law: it is refused where it is written."""
    return broken_law(field, given, scope) if isinstance(given, int) else None


def _absent(field: Field, value: Value, scope: Scope, written: Body) -> None:
    if field.sticky:
        state = sticky_state(field, scope)
        with at(field.name):
            if value.get(field.name) != state:
                raise EncodeError(f"it is not sent, and was {state!r}", code="sticky")
            if (broken := broken_law(field, state, scope)) is not None:
                raise EncodeError(broken, code="law")
        scope.fields[field.name] = written[field.name] = state
        return
    _refuse_given(field, value)
    for name in {field.name, *_names(field)}:
        scope.fields[name] = None
    written.update(dict.fromkeys(_names(field)))


def _split(field: Field, value: Value, scope: Scope, out: bytearray, written: Body) -> None:
    word = shape_of(field.type, scope, field)
    if not isinstance(word, Word):
        raise SchemaError(f"'{field.name}' is not a word that can be split")
    whole = 0
    for part in field.parts:
        given = value.get(part.name)
        with at(part.name):
            if not isinstance(given, int) or given & ~bits_of(part, word.scalar):
                raise EncodeError(f"{given!r} is not in its place", code="range")
        whole |= given
        scope.fields[part.name] = written[part.name] = given
    with at(field.name):
        if (broken := broken_law(field, whole, scope)) is not None:
            raise EncodeError(broken, code="law")
    out += whole.to_bytes(word.scalar.size, "little" if word.little else "big")
    scope.fields[field.name] = written.words[field.name] = whole


def _transformed(name: str, value: Value, scope: Scope) -> Value:
    try:
        return scope.run.transforms[name].to_wire(value)
    except TypeError:
        raise _ill(value, "what the transform takes") from None
    except ValueError as fault:
        raise EncodeError(f"{value}: {fault}", code="transform") from None


def _external(wire: WireType, value: Value) -> bytes:
    try:
        return wire.encode(value)
    except TypeError:
        raise _ill(value, "what the plugin's type takes") from None


def _subsection(sub: Subsection, value: Value, scope: Scope, out: bytearray) -> Value:
    if not isinstance(value, dict):
        raise _ill(value, "a subsection's fields")
    version = value.get(VERSION, sub.body.version)
    if not sub.body.minimum <= version <= sub.body.version:
        raise EncodeError(f"version {version}", code="version")
    name = sub.body.wire.encode()
    out += bytes((5, len(name))) + name + version.to_bytes(4, "big")
    return write_description(value, subsection_scope(sub, scope, version), out)


# --- types ----------------------------------------------------------------------------------------


def _ill(value: Value, wanted: str) -> EncodeError:
    return EncodeError(f"{type(value).__name__}, {wanted} expected", code="type")


def _list_of(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise _ill(value, "a list")
    return value


def _bytes_of(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise _ill(value, "bytes")
    return value


def _number(value: Value, scalar: Scalar, little: bool, out: bytearray) -> None:
    if not isinstance(value, int) or not scalar.least <= value <= scalar.most:
        raise EncodeError(f"{value!r} does not fit", code="range")
    out += value.to_bytes(scalar.size, "little" if little else "big", signed=scalar.signed)


def _text(value: bytes, prefix: int, limit: int) -> bytes:
    if len(value) > limit:
        raise EncodeError(f"{len(value)} bytes, at most {limit}", code="limit")
    return len(value).to_bytes(prefix, "big") + value


def _write(
    type_: Type, value: Value, scope: Scope, out: bytearray, field: Field | None = None
) -> Value:
    shape = shape_of(type_, scope, field)
    match shape:
        case Word(scalar=scalar, little=little):
            _number(value, scalar, little, out)
        case Double(little=little):
            if not isinstance(value, F64):
                raise _ill(value, "a double")
            _number(value.bits, _BITS, little, out)
        case String(prefix=prefix, limit=limit):
            out += _text(_bytes_of(value), prefix, limit)
        case Octets(size=size):
            if len(_bytes_of(value)) != size:
                raise EncodeError(f"{len(value)} bytes, not {size}", code="length")
            out += value
        case Rest():
            out += _bytes_of(value)
        case Bitmap(words=words):
            for word in _sized(value, words):
                _number(word, _BITS, False, out)
        case Nested():
            return write_description(value, scope_of(shape, scope), out)
        case WireType():
            out += _external(shape, value)
        case Array(element=element, count=length):
            given = _sized(value, count(length, scope))
            return [_element(i, element, each, scope, out) for i, each in enumerate(given)]
        case Until():
            return _until(shape, value, scope, out)
        case UntilSum():
            return _until_sum(shape, value, scope, out)
        case ListOf():
            return _list(shape, value, scope, out)
        case Tree():
            return _tree(shape, value, scope, out)
        case Nullable():
            return _nullable(shape, value, scope, out)
        case Choice():
            arm = arm_of(shape, scope)
            if arm is None:
                raise EncodeError("no arm for this", code="choice")
            return _write(arm.type, value, scope, out)
        case Within():
            return _within(shape, value, scope, out)
        case _:
            assert_never(shape)
    return value


def _sized(value: Value, size: int) -> list[Value]:
    if len(_list_of(value)) != size:
        raise EncodeError(f"{len(value)} elements, not {size}", code="length")
    return _list_of(value)


def _element(index: int, type_: Type, value: Value, scope: Scope, out: bytearray) -> Value:
    with at(index):
        return _write(type_, value, scope, out)


def _until(shape: Until, value: Value, scope: Scope, out: bytearray) -> Value:
    first = first_of(shape.element, shape.first, scope)
    stop = number(evaluate(shape.stop, scope))
    written = []
    for index, each in enumerate(_list_of(value)):
        with at(index):
            if isinstance(each, dict) and each.get(shape.first) == stop:
                with at(shape.first):
                    raise EncodeError(f"{stop} ends the list", code="stop")
            written.append(_write(shape.element, each, scope, out))
    _number(stop, first.scalar, first.little, out)
    return written


def _until_sum(shape: UntilSum, value: Value, scope: Scope, out: bytearray) -> Value:
    left = number(evaluate(shape.total, scope))
    written = []
    for index, each in enumerate(_list_of(value)):
        if left <= 0:
            raise EncodeError("more elements than the sum", code="sum")
        written.append(_element(index, shape.element, each, scope, out))
        left -= number(written[-1][shape.part])
    if left:
        raise EncodeError(f"the sum is off by {left}", code="sum")
    return written


def _list(shape: ListOf, value: Value, scope: Scope, out: bytearray) -> Value:
    written = []
    for index, each in enumerate(_list_of(value)):
        out.append(shape.tag)
        written.append(_element(index, shape.element, each, scope, out))
    out.append(0)
    return written


def _tree(shape: Tree, value: Value, scope: Scope, out: bytearray) -> Value:
    pairs = _list_of(value)
    out += len(pairs).to_bytes(4, "big")
    written = []
    for index, each in enumerate(pairs):
        if not isinstance(each, tuple) or len(each) != 2:
            raise _ill(each, "a key and a value")
        out.append(1)
        with at(index):
            key = _write(shape.key, each[0], scope, out)
            written.append((key, _write(shape.value, each[1], scope, out)))
    out.append(0)
    return written


def _nullable(shape: Nullable, value: Value, scope: Scope, out: bytearray) -> Value:
    given = _sized(value, count(shape.count, scope))
    mask = mask_of(shape, len(given), scope)
    written = []
    for index, each in enumerate(given):
        if mask is not None and (each is not None) != bool(mask >> index & 1):
            with at(index):
                raise EncodeError("the mask says otherwise", code="mask")
        if each is None:
            out.append(NULL)
        elif mask is None:
            out.append(VALID)
        written.append(None if each is None else _element(index, shape.element, each, scope, out))
    return written


def _within(shape: Within, value: Value, scope: Scope, out: bytearray) -> Value:
    size = count(shape.length, scope)
    start = len(out)
    written = _write(shape.inner, value, scope, out)
    if len(out) - start != size:
        raise EncodeError(f"{len(out) - start} bytes, not {size}", code="length")
    return written
