"""JSON from outside -> structs whose fields are all known, or one message: where, what was found,
and what was expected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from vmsc import VmscError

__all__ = ["JsonError", "fitted", "parsed", "refusal"]

_T = TypeVar("_T")

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|(\[\.\.\.\])")
_FAULT = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(?P<kinds>[^`]*)`(?P<bound>.*?)(?:, got `(?P<got>[^`]*)`)?")
_KEY = re.compile(r"Object (?:missing required|contains unknown) field `(?P<key>.*)`", re.DOTALL)
_KINDS = {
    "array": "an array", "bool": "true or false", "float": "a number", "int": "a whole number",
    "null": "null", "object": "an object", "str": "a string",
}  # fmt: skip
_SHOWN = 40  # characters of a value


class JsonError(VmscError):
    """What is wrong with a JSON; the message says where."""


def parsed(data: bytes, errors: str = "strict") -> Any:
    """The value of a JSON text. `errors`: what becomes of bytes that are not UTF-8."""
    try:
        return json.loads(data.decode("utf-8", errors))
    except RecursionError:
        raise JsonError("it nests too deep") from None
    except ValueError as fault:
        raise JsonError(f"not JSON: {fault}") from None


def fitted(value: Any, type_: type[_T]) -> _T:
    """The value as a struct of this type. Raises JsonError."""
    try:
        return msgspec.convert(value, type_)
    except RecursionError:
        raise JsonError("it nests too deep") from None
    except UnicodeEncodeError as fault:
        raise JsonError(f"an unknown key that is not UTF-8: {fault.object!a}") from None
    except msgspec.ValidationError as fault:
        raise JsonError(refusal(fault, value, type_)) from None


def refusal(fault: msgspec.ValidationError, value: Any, type_: Any) -> str:
    """msgspec's complaint about a value, as vmsc words its messages."""
    match = _FAULT.fullmatch(str(fault))
    assert match is not None
    steps = [tuple(step) for step in _STEP.findall(match["path"] or "")]
    expected = _EXPECTED.fullmatch(match["what"])
    got = expected["got"] if expected else None
    places = list(_places(value, steps))
    place, found = next((p for p in places if got in (None, _kind(p[1]))), ("", None))
    key = _KEY.fullmatch(match["what"])
    if key is not None and "missing" in match["what"]:
        what = f"no '{key['key']}'"
    elif key is not None:
        structs = _structs_at(msgspec.inspect.type_info(type_), steps, value)
        known = next((_keys(each) for each in structs if _is_meant(each, found)), [])
        what = f"unknown key '{key['key']}'; there are {', '.join(known)}"
    elif expected is not None:
        what = f"{_shown(found)} found, expected {_words(expected)}"
    else:  # a tag that no struct has
        structs = _structs_at(msgspec.inspect.type_info(type_), steps[:-1], value)
        what = (
            f"{_shown(found)} found, expected one of {', '.join(str(each.tag) for each in structs)}"
        )
    return f"{place.removeprefix('.')}: {what}" if place else what


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _places(value: Any, steps: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, Any]]:
    """What the steps of a path lead to; msgspec does not say which key of a mapping it means."""
    if not steps:
        yield "", value
        return
    (name, index, _), rest = steps[0], steps[1:]
    inside: list[tuple[str, Any]]
    if name:
        inside = [(f".{name}", value[name])]
    elif index:
        inside = [(f"[{index}]", value[int(index)])]
    else:
        inside = [(f".{key}", each) for key, each in value.items()]
    for step, each in inside:
        if _reaches(each, rest):
            yield from ((step + place, found) for place, found in _places(each, rest))


def _reaches(value: Any, steps: Sequence[tuple[str, ...]]) -> bool:
    if not steps:
        return True
    name, index, _ = steps[0]
    if index:
        return isinstance(value, list) and int(index) < len(value)
    return isinstance(value, dict) and (not name or name in value)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return type(value).__name__


def _words(expected: re.Match[str]) -> str:
    kinds = [_KINDS.get(kind, kind) for kind in expected["kinds"].split(" | ")]
    bound = expected["bound"].replace(">=", "of at least").replace("<=", "of at most")
    return " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1]))) + bound


def _structs_at(
    type_: Any, steps: Sequence[tuple[str, ...]], value: Any
) -> Iterator[msgspec.inspect.StructType]:
    """The structs that the value at this place may be."""
    types = msgspec.inspect
    match type_:
        case types.Metadata(type=inner):
            yield from _structs_at(inner, steps, value)
        case types.UnionType(types=members):
            for member in members:
                yield from _structs_at(member, steps, value)
        case types.StructType(fields=fields) if steps and _is_meant(type_, value):
            name = steps[0][0]
            inner = next(f.type for f in fields if f.encode_name == name)
            yield from _structs_at(inner, steps[1:], value[name])
        case types.StructType() if not steps:
            yield type_
        case types.ListType(item_type=inner) | types.VarTupleType(item_type=inner) if steps:
            yield from _structs_at(inner, steps[1:], value[int(steps[0][1])])
        case types.DictType(value_type=inner) if steps:
            yield from _structs_at(inner, steps[1:], next(iter(value.values()), None))
        case _:
            return


def _keys(type_: msgspec.inspect.StructType) -> list[str]:
    tag = [type_.tag_field] if type_.tag_field else []
    return [*tag, *(field.encode_name for field in type_.fields)]


def _is_meant(type_: msgspec.inspect.StructType, value: Any) -> bool:
    """Whether the value is of this struct, if there are several that it may be."""
    if type_.tag_field is None:
        return True
    return isinstance(value, Mapping) and value.get(type_.tag_field) == type_.tag
