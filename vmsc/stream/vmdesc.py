"""QEMU's own description of a stream, the JSON after its end: bytes -> frozen data.

It names every field that was written, with its wire type and size. Reading it needs care: equal
keys follow each other in one object (lists, and nested descriptions that are written inline),
an array is one entry with `array_len` or one entry an element with `index`, one of a single element
looks like none, and equal names of a description get a suffix `[k]`.

Law: whatever the bytes are, reading them gives data or one VmdescError that says where and what.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any, TypeVar

from vmsc import VmscError
from vmsc.runtime.codec import Buffer
from vmsc.stream.vmdesc_search import MAX_DESCRIPTION, find_vmdesc

__all__ = [
    "Body", "Device", "Entries", "Field", "Vmdesc", "VmdescError", "entries", "find_vmdesc",
    "read_device", "read_vmdesc",
]  # fmt: skip

MAX_DEPTH = 64  # the language's own limit
MAX_NUMBER = (1 << 63) - 1

_T = TypeVar("_T")
# Words for what is wider than the one byte of a null pointer's marker, and for that marker itself.
_NOT_BYTES = {
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (16, 32, 64)), "timer", "CPU_Double_U",
    "vstruct", "nullptr", "ptr-marker",
}  # fmt: skip
_LISTS = ("qtailq", "qlist", "gtree")


class VmdescError(VmscError):
    """No description is there, or none that QEMU would write."""


@dataclass(frozen=True)
class Body:
    """What one VMStateDescription wrote: `vmsd_name` is its name."""

    vmsd_name: str
    version: int
    fields: tuple[Field, ...] = ()
    subsections: tuple[Body, ...] = ()


@dataclass(frozen=True)
class Field:
    """One entry; `size` is the bytes of one element.

    `array_len`: as many elements, of which only the first was looked at; `index`: it is one element
    of an array. `struct`: the nested description's, also where QEMU has it inline (vstruct, tmp).
    `elements`: a list's, with a tree's keys where they are descriptions. `null`: a null pointer's
    marker stands there.
    """

    name: str
    type: str
    size: int
    array_len: int | None = None
    index: int | None = None
    struct: Body | None = None
    elements: tuple[Body, ...] = ()
    null: bool = False

    @property
    def count(self) -> int:
        return 1 if self.array_len is None else self.array_len


@dataclass(frozen=True)
class Device:
    """One section. `vmsd_name` is empty where QEMU saved it by open code: one field has it all."""

    name: str
    instance: int
    version: int | None
    vmsd_name: str
    fields: tuple[Field, ...] = ()
    subsections: tuple[Body, ...] = ()

    @property
    def size(self) -> int:
        """The payload's bytes, if the elements of an `array_len` are of one size."""
        return _size(self.fields, self.subsections)


def _size(fields: Iterable[Field], subsections: Iterable[Body]) -> int:
    headers = sum(6 + len(s.vmsd_name.encode("utf-8", "surrogateescape")) for s in subsections)
    inner = sum(_size(s.fields, s.subsections) for s in subsections)
    return sum(f.count * f.size for f in fields) + headers + inner


@dataclass(frozen=True)
class Vmdesc:
    """All of it; `configuration` is there from QEMU 8.2 on."""

    page_size: int | None
    devices: tuple[Device, ...]
    configuration: Body | None = None


@dataclass(frozen=True)
class Entries:
    """The entries of one field: one, or one an element, or one a row of like pointers."""

    name: str
    fields: tuple[Field, ...]

    @property
    def count(self) -> int:
        return sum(f.count for f in self.fields)

    @property
    def size(self) -> int:
        """All bytes, if the elements of an `array_len` are of one size."""
        return sum(f.count * f.size for f in self.fields)

    @property
    def first(self) -> Field:
        return self.fields[0]

    @property
    def single(self) -> bool:
        """Whether it says nothing of an array. One of one element does not, either."""
        return len(self.fields) == 1 and self.first.array_len is None and self.first.index is None


def entries(fields: Iterable[Field]) -> tuple[Entries, ...]:
    """The fields that the entries stand for. QEMU gives no two fields of a description one name."""
    return tuple(Entries(name, tuple(g)) for name, g in groupby(fields, key=lambda f: f.name))


# --- reading it -----------------------------------------------------------------------------------


class _Object(tuple[tuple[str, Any], ...]):
    """A JSON object with all pairs that it was written with."""

    def get(self, key: str) -> Any:
        return next((value for name, value in self if name == key), None)

    def inline(self) -> list[_Object]:
        """The descriptions written straight into this object, each from a `vmsd_name` on."""
        starts = [i for i, (name, _) in enumerate(self) if name == "vmsd_name"]
        return [_Object(self[a:b]) for a, b in pairwise([*starts, len(self)])]


def read_vmdesc(data: Buffer) -> Vmdesc:
    """The description: the JSON itself, or a whole stream that has one. Raises VmdescError."""
    text = bytes(data) if bytes(data[:64]).lstrip()[:1] == b"{" else find_vmdesc(data)
    if text is None:
        raise VmdescError("the stream has no JSON description: QEMU wrote none, or it is cut off")
    if len(text) > MAX_DESCRIPTION:
        raise VmdescError(f"a description of {len(text)} bytes; the limit is {MAX_DESCRIPTION}")
    top = _object(_parse(text), "")
    devices = _each(top, "devices", "", _device)
    configuration = top.get("configuration")
    return Vmdesc(
        None if top.get("page_size") is None else _number(top, "page_size", ""),
        devices,
        None
        if configuration is None
        else _body(_object(configuration, "configuration"), "configuration", 0),
    )


def read_device(text: bytes, name: str, instance: int, occurrence: int) -> Device | None:
    """One section of the description, without reading the others; there may be several of a name
    and instance, and a checkpoint begins with the first again. Raises VmdescError.
    """
    same = _places(text).get((name, instance))
    return _device(*same[occurrence % len(same)]) if same else None


@lru_cache(maxsize=1)
def _places(text: bytes) -> dict[tuple[str, int], list[tuple[_Object, str]]]:
    """The devices that have a name and an instance, each with where it stands."""
    found: dict[tuple[str, int], list[tuple[_Object, str]]] = {}
    devices = _value(_object(_parse(text), ""), "devices", "")
    for i, at in enumerate(devices if isinstance(devices, list) else ()):
        if isinstance(at, _Object):
            name, instance = at.get("name"), at.get("instance_id")
            if isinstance(name, str) and isinstance(instance, int):
                found.setdefault((name, instance), []).append((at, f"devices[{i}]"))
    return found


def _parse(text: bytes) -> Any:
    """The JSON, with all pairs of its objects. What is wrong with it is raised afresh each time."""
    parsed = _parsed(text)
    if isinstance(parsed, str):
        raise VmdescError(parsed)
    return parsed[0]


@lru_cache(maxsize=1)
def _parsed(text: bytes) -> tuple[Any] | str:
    """The JSON, or what is wrong with it: each section asks, and it is read once."""

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is no number of JSON")

    try:
        decoded = text.decode("utf-8", "surrogateescape")
        return (json.loads(decoded, object_pairs_hook=_Object, parse_constant=constant),)
    except RecursionError:
        return "the description nests too deep"
    except ValueError as fault:
        return f"the description is no JSON: {fault}"


def _refuse(place: str, message: str) -> VmdescError:
    return VmdescError(f"the description, {place}: {message}" if place else message)


def _shown(value: object) -> str:
    if isinstance(value, _Object):
        return "an object"
    return "an array" if isinstance(value, list) else json.dumps(value)[:40]


def _object(value: object, place: str) -> _Object:
    if not isinstance(value, _Object):
        raise _refuse(place or "top", f"an object expected, found {_shown(value)}")
    return value


def _value(at: _Object, key: str, place: str) -> Any:
    value = at.get(key)
    if value is None:
        raise _refuse(place or "top", f"no '{key}'")
    return value


def _text(at: _Object, key: str, place: str) -> str:
    value = _value(at, key, place)
    if not isinstance(value, str):
        raise _refuse(f"{place}.{key}", f"a string expected, found {_shown(value)}")
    return value


def _number(at: _Object, key: str, place: str) -> int:
    value = _value(at, key, place)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
        where = f"{place}.{key}".removeprefix(".")
        raise _refuse(where, f"a number from 0 on expected, found {_shown(value)}")
    return value


def _optional(at: _Object, key: str, place: str) -> int | None:
    return None if at.get(key) is None else _number(at, key, place)


def _each(at: _Object, key: str, place: str, make: Callable[[_Object, str], _T]) -> tuple[_T, ...]:
    value = _value(at, key, place)
    where = f"{place}.{key}".removeprefix(".")
    if not isinstance(value, list):
        raise _refuse(where, f"an array expected, found {_shown(value)}")
    return tuple(
        make(_object(item, f"{where}[{i}]"), f"{where}[{i}]") for i, item in enumerate(value)
    )


def _device(at: _Object, place: str) -> Device:
    name = _text(at, "name", place)
    instance = _number(at, "instance_id", place)
    if at.get("vmsd_name") is None:
        fields = _fields(at, place, 0) if at.get("fields") is not None else ()
        return Device(name, instance, None, "", fields)
    body = _body(at, place, 0)
    return Device(name, instance, body.version, body.vmsd_name, body.fields, body.subsections)


def _body(at: _Object, place: str, depth: int) -> Body:
    if depth > MAX_DEPTH:
        raise VmdescError(f"the description nests deeper than {MAX_DEPTH}")
    subsections: tuple[Body, ...] = ()
    if at.get("subsections") is not None:
        subsections = _each(at, "subsections", place, lambda o, p: _body(o, p, depth + 1))
    name, version = _text(at, "vmsd_name", place), _number(at, "version", place)
    return Body(name, version, _fields(at, place, depth), subsections)


def _fields(at: _Object, place: str, depth: int) -> tuple[Field, ...]:
    return _each(at, "fields", place, lambda o, p: _field(o, p, depth + 1))


def _field(at: _Object, place: str, depth: int) -> Field:
    name, type_ = _text(at, "name", place), _text(at, "type", place)
    place = f"{place} '{name}'"
    size = _number(at, "size", place)
    array_len, index = _optional(at, "array_len", place), _optional(at, "index", place)
    inline = _inline(at.inline(), place, depth)
    struct: Body | None = None
    null = size == 1 and type_ in _NOT_BYTES and not inline
    if (written := at.get("struct")) is not None:
        nested = _object(written, f"{place}.struct")
        null = not nested and size == 1
        struct = None if not nested else _body(nested, f"{place}.struct", depth + 1)
        if not nested and not null:
            raise _refuse(place, f"an empty 'struct' of {size} bytes")
    elif inline and type_ not in _LISTS:
        # Elements of an array that QEMU did not tell apart follow the first one.
        struct, inline = inline[0], ()
    return Field(name, type_, size, array_len, index, struct, inline, null)


def _inline(groups: Sequence[_Object], place: str, depth: int) -> tuple[Body, ...]:
    return tuple(_body(group, place, depth + 1) for group in groups)
