"""Values and their JSON: the form that `vmsc decode` writes and `vmsc encode` reads. Keeps every
value.

64-bit integers are decimal strings (numbers are taken back), bytes are hex, a bool is true or
false (another byte is a number), a float that JSON cannot say is its 16 hex digits, a choice is
{"kind of arm": value}. The form is found from the types of the generated classes;
docs/decode.schema.json describes it.
"""

from __future__ import annotations

import math
import struct
import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from vmsc.runtime.errors import EncodeError
from vmsc.runtime.types import OneOf, Wire

__all__ = ["from_json", "to_json"]

_LONG = ("u64", "s64", "timer")
_HEX = ("bytes", "padding", "opaque", "text")


def to_json(type_: Any, value: Any) -> Any:
    """The JSON form of a value of this type."""
    return _form(type_)[0](value)


def from_json(type_: Any, data: Any) -> Any:
    """The value of a JSON form. Raises EncodeError with the path of what does not fit."""
    return _form(type_)[1](data)


_Pair = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def _unfit(data: object, wanted: str) -> EncodeError:
    shown = repr(data)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return EncodeError(f"{shown} found, expected {wanted}", code="json")


def _number(data: Any) -> int:
    if isinstance(data, bool) or not isinstance(data, int | str):
        raise _unfit(data, "a number")
    if isinstance(data, int):
        return data
    try:
        return int(data, 0 if data[:2].lower() == "0x" else 10)
    except ValueError:
        raise _unfit(data, "a number, or a string that is one") from None


def _bool_out(value: int) -> bool | int:
    return bool(value) if value in (0, 1) else value


def _bool_in(data: Any) -> int:
    return int(data) if isinstance(data, bool) else _number(data)


def _float_out(value: float) -> float | str:
    return value if math.isfinite(value) else struct.pack(">d", value).hex()


def _float_in(data: Any) -> float:
    if isinstance(data, str):
        raw = _hex_in(data)
        if len(raw) == 8:
            return float(struct.unpack(">d", raw)[0])
    elif isinstance(data, int | float) and not isinstance(data, bool):
        return float(data)
    raise _unfit(data, "a number, or the 16 hex digits of one")


def _hex_in(data: Any) -> bytes:
    if not isinstance(data, str):
        raise _unfit(data, "hex digits")
    try:
        return bytes.fromhex(data)
    except ValueError:
        raise _unfit(data, "hex digits, two a byte") from None


def _wire(name: str) -> _Pair:
    if name in _LONG:
        return str, _number
    if name in _HEX:
        return bytes.hex, _hex_in
    match name:
        case "bool":
            return _bool_out, _bool_in
        case "f64":
            return _float_out, _float_in
        case "bitmap":
            return lambda words: [str(w) for w in words], _list_of((str, _number))[1]
        case _:
            return lambda value: value, _number


def _list_of(element: _Pair) -> _Pair:
    out, into = element

    def read(data: Any) -> list[Any]:
        if not isinstance(data, list):
            raise _unfit(data, "a list")
        found = []
        for index, each in enumerate(data):
            try:
                found.append(into(each))
            except EncodeError as fault:
                fault.within(index)
                raise
        return found

    return lambda values: [out(v) for v in values], read


def _tuple_of(elements: list[_Pair]) -> _Pair:
    def read(data: Any) -> tuple[Any, ...]:
        if not isinstance(data, list) or len(data) != len(elements):
            raise _unfit(data, f"a list of {len(elements)}")
        return tuple(into(each) for (_, into), each in zip(elements, data, strict=True))

    return lambda values: [out(v) for (out, _), v in zip(elements, values, strict=True)], read


def _optional(inner: _Pair) -> _Pair:
    out, into = inner
    return (
        lambda value: None if value is None else out(value),
        lambda data: None if data is None else into(data),
    )


def _arm_name(type_: Any) -> str:
    """What a choice's JSON calls an arm: a wire type's word, or a class's name."""
    if get_origin(type_) is Annotated:
        for mark in get_args(type_)[1:]:
            if isinstance(mark, Wire):
                return mark.name
    if get_origin(type_) is list:
        return f"list of {_arm_name(get_args(type_)[0])}"
    return str(getattr(type_, "__name__", type_))


def _python_type(type_: Any) -> Any:
    if get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    return get_origin(type_) or type_


def _choice(union: Any) -> _Pair:
    members = get_args(union) if get_origin(union) in (Union, types.UnionType) else (union,)
    arms = [(_arm_name(m), _python_type(m), _form(m)) for m in members]

    def write(value: Any) -> Any:
        for name, kind, (out, _) in arms:
            if isinstance(value, kind):
                return {name: out(value)}
        raise _unfit(value, " or ".join(name for name, _, _ in arms))

    def read(data: Any) -> Any:
        wanted = " or ".join(f'{{"{name}": ...}}' for name, _, _ in arms)
        if not isinstance(data, dict) or len(data) != 1:
            raise _unfit(data, wanted)
        ((tag, inner),) = data.items()
        for name, _, (_, into) in arms:
            if name == tag:
                return into(inner)
        raise _unfit(data, wanted)

    return write, read


def _hints(type_: type) -> dict[str, Any]:
    """The types of a generated class's fields; all of them are read at once, as they are text."""
    texts = type_.__annotations__
    if not all(isinstance(text, str) for text in texts.values()):
        return get_type_hints(type_, include_extras=True)
    whole = "".join(f"{text}, " for text in texts.values())
    found = eval(f"({whole})", vars(sys.modules[type_.__module__]))
    return dict(zip(texts, found, strict=True))


def _struct(type_: type) -> _Pair:
    hints = _hints(type_)
    fields = [(f.encode_name, f.name, f) for f in msgspec.structs.fields(type_)]
    parts = [(name, attr, *_form(hints[attr])) for name, attr, _ in fields]
    known = {name for name, *_ in parts}
    optional = {name for name, attr, _ in fields if type(None) in get_args(hints[attr])}

    def write(value: Any) -> dict[str, Any]:
        found = {}
        for name, attribute, out, _ in parts:
            one = out(getattr(value, attribute))
            if one is not None or name not in optional:
                found[name] = one
        return found

    def read(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _unfit(data, f"an object of {type_.__name__}")
        for name in data:
            if name not in known:
                message = f"unknown field '{name}' of {type_.__name__}"
                raise EncodeError(message, code="json")
        values: dict[str, Any] = {}
        for name, attribute, _, into in parts:
            if name not in data:
                if name not in optional:
                    raise EncodeError(f"no field '{name}'", code="json")
                values[attribute] = None
                continue
            try:
                values[attribute] = into(data[name])
            except EncodeError as fault:
                fault.within(name)
                raise
        return type_(**values)

    return write, read


@cache
def _form(type_: Any) -> _Pair:
    """The writer and reader of a type's JSON."""
    origin, args = get_origin(type_), get_args(type_)
    if origin is Annotated:
        for mark in args[1:]:
            if isinstance(mark, Wire):
                return _wire(mark.name)
            if isinstance(mark, OneOf):
                return _choice(args[0])
        return _form(args[0])
    if origin in (Union, types.UnionType):
        (inner,) = (a for a in args if a is not type(None))
        return _optional(_form(inner))
    if origin is list:
        return _list_of(_form(args[0]))
    if origin is tuple:
        return _tuple_of([_form(a) for a in args])
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return _struct(type_)
    if type_ is int:
        return (lambda value: value), _number
    if type_ is bytes:
        return bytes.hex, _hex_in
    raise AssertionError(f"no JSON form for {type_!r}")
