"""Read a QEMU migration stream by its own JSON description: bytes in, sections and leaves out.

An independent judge: it shares no code with vmsc and knows no schemas. It believes the description
that QEMU puts after the end of a stream, and checks it against the bytes: a section must end where
its fields end, with its footer, and a struct must be as long as the description says. It reads what
the test machines write (plain RAM pages, device sections), and raises OracleError on the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

__all__ = ["Leaf", "OracleError", "Section", "describe", "leaves", "machine", "sections"]

Path = tuple[str | int, ...]

_MAGIC = b"QEVM\0\0\0\3"
_KINDS = {1: "start", 2: "part", 3: "end", 4: "full", 8: "command"}
_LISTS = ("qtailq", "qlist")
_CONFIGURATION = {"configuration/target-page-bits": 4}  # its subsections' sizes
_SIGNED = {f"int{bits}{suffix}" for bits in (8, 16, 32, 64) for suffix in ("", " equal", " le")}
_SIGNED -= {"int64 equal"}  # QEMU's name for a uint64 that must match
_UNSIGNED = {f"uint{bits}{suffix}" for bits in (8, 16, 32, 64) for suffix in ("", " equal")}
_WIDTHS = {"bool": 1, "timer": 8, "int64 equal": 8}
_WIDTHS |= {n: int(n.split()[0].lstrip("uint")) // 8 for n in _SIGNED | _UNSIGNED}


class OracleError(Exception):
    """The stream and its description do not agree, or the oracle does not know such a stream."""


class Leaf(NamedTuple):
    """One value on the wire; `value` is None where the type is not a number that it knows."""

    section: str
    instance: int
    path: Path
    type: str
    offset: int
    size: int
    raw: bytes
    value: int | None


@dataclass(frozen=True)
class Section:
    """One section; `offset` is its first byte's, `payload`..`end` is what follows its header.

    `marks` are the spans (offset, size) of the payload that no leaf holds: subsection headers and
    list tags. A command has its number as `id` and no name.
    """

    kind: str
    offset: int
    id: int
    name: str
    instance: int
    version: int
    payload: int
    end: int
    footer: bool
    leaves: tuple[Leaf, ...] = ()
    marks: tuple[tuple[int, int], ...] = ()


class _Object(tuple[tuple[str, Any], ...]):
    """A JSON object with every pair it was written with: QEMU writes a list's elements as pairs."""

    def get(self, key: str, default: Any = None) -> Any:
        return next((value for name, value in self if name == key), default)

    def groups(self) -> list[_Object]:
        """The descriptions written straight into a field's object, one from each `vmsd_name` on."""
        starts = [i for i, (name, _) in enumerate(self) if name == "vmsd_name"]
        return [_Object(self[a:b]) for a, b in pairwise([*starts, len(self)])]


@dataclass
class _Body:
    """A section's payload while it is walked."""

    stream: bytes
    name: str
    instance: int
    leaves: list[Leaf] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    def mark(self, at: int, want: bytes) -> int:
        if (found := self.stream[at : at + len(want)]) != want:
            raise OracleError(f"{self.name}: at {at}: expected {want.hex()}, found {found.hex()}")
        self.marks.append((at, len(want)))
        return at + len(want)

    def description(self, desc: _Object, at: int, path: Path) -> int:
        for item in desc.get("fields", ()):
            at = self.item(item, at, path)
        for sub in desc.get("subsections", ()):
            name, version = sub.get("vmsd_name"), sub.get("version")
            header = bytes((5, len(name))) + name.encode() + version.to_bytes(4, "big")
            at = self.description(sub, self.mark(at, header), (*path, name))
        return at

    def item(self, item: _Object, at: int, path: Path) -> int:
        name = item.get("name")
        if (count := item.get("array_len")) is not None:
            for i in range(count):
                at = self.element(item, at, (*path, name, i))
            return at
        index = item.get("index")
        return self.element(item, at, (*path, name) if index is None else (*path, name, index))

    def element(self, item: _Object, at: int, path: Path) -> int:
        kind, size, inline = item.get("type"), item.get("size"), item.groups()
        struct = item.get("struct")
        if size == 1 and struct is not None and not struct:  # a null pointer among pointers
            struct = None
        if struct is not None:
            end = self.description(struct, at, path)
        elif kind in _LISTS:
            end = at
            for i, group in enumerate(inline):
                end = self.description(group, self.mark(end, b"\1"), (*path, i))
            end = self.mark(end, b"\0")
        elif inline and kind != "gtree":
            end = self.description(inline[0], at, path)
        else:
            end = self.leaf(kind, at, size, path)
        if end - at != size:
            raise OracleError(f"{self.name}: {path} at {at}: {end - at} bytes, described as {size}")
        return end

    def leaf(self, kind: str, at: int, size: int, path: Path) -> int:
        raw = self.stream[at : at + size]
        if len(raw) != size:
            raise OracleError(f"{self.name}: {path} at {at}: {size} bytes, only {len(raw)} left")
        value = None
        if _WIDTHS.get(kind) == size:
            value = int.from_bytes(raw, "big", signed=kind in _SIGNED)
        self.leaves.append(Leaf(self.name, self.instance, path, kind, at, size, raw, value))
        return at + size


def describe(stream: bytes) -> _Object:
    """The JSON description after the stream's end, with duplicate keys kept."""
    at = len(stream)
    while (at := stream.rfind(b"\0\6", 0, at)) >= 0:
        if at + 6 + int.from_bytes(stream[at + 2 : at + 6], "big") == len(stream):
            found: _Object = json.loads(stream[at + 6 :], object_pairs_hook=_Object)
            return found
    raise OracleError("no JSON description at the end")


def _int(stream: bytes, at: int, size: int) -> int:
    return int.from_bytes(stream[at : at + size], "big")


def machine(stream: bytes) -> tuple[str, int]:
    """The machine's name in the stream's header, and where the first section begins."""
    if stream[:9] != _MAGIC + b"\7":
        raise OracleError("not a version 3 stream with a configuration")
    end = 13 + _int(stream, 9, 4)
    name = stream[13:end].decode()
    while stream[end] == 5:  # a subsection; no section begins so
        start, end = end + 2, end + 2 + stream[end + 1]
        end += 4 + _CONFIGURATION[stream[start:end].decode()]
    return name, end


def _after_ram(stream: bytes, at: int, page: int) -> int:
    """Where a RAM section's items end."""
    while True:
        word = _int(stream, at, 8)
        flags, total, at = word % page, word - word % page, at + 8
        if flags == 0x10:
            return at
        if flags == 0x04:
            while total > 0:
                at += 1 + stream[at]
                total, at = total - _int(stream, at, 8), at + 8
        elif flags & ~0x20 in (0x02, 0x08):
            at += (0 if flags & 0x20 else 1 + stream[at]) + (1 if flags & 0x02 else page)
        else:
            raise OracleError(f"RAM flags {flags:#x} before {at}")


def sections(stream: bytes, like: bytes | None = None) -> Iterator[Section]:
    """Every section and command of a stream, in its order.

    With `like`, the description is that one's: for a device state, which has none of its own.
    """
    top = describe(stream if like is None else like)
    devices = list(top.get("devices"))
    at = machine(stream)[1] if like is None else len(_MAGIC)
    while (code := stream[at]) != 0:
        if code not in _KINDS:
            raise OracleError(f"section type {code} at {at}")
        section = _section(stream, at, top.get("page_size"), devices)
        yield section
        at = section.end + 5 * section.footer
    if devices or stream[at + 1 : at + 2] != (b"" if like is not None else b"\6"):
        raise OracleError(f"{len(devices)} devices described and not found, up to {at}")


def _section(stream: bytes, at: int, page: int, devices: list[_Object]) -> Section:
    kind = _KINDS[stream[at]]
    if kind == "command":
        end = at + 5 + _int(stream, at + 3, 2)
        return Section(kind, at, _int(stream, at + 1, 2), "", 0, 0, at + 5, end, False)
    number, payload, name, instance, version = _int(stream, at + 1, 4), at + 5, "ram", 0, 4
    if kind in ("start", "full"):
        payload += 9 + stream[at + 5]
        name = stream[at + 6 : payload - 8].decode()
        instance, version = _int(stream, payload - 8, 4), _int(stream, payload - 4, 4)
    body = _Body(stream, name, instance)
    if kind == "full":
        want = devices.pop(0)
        said = (want.get("name"), want.get("instance_id"), want.get("version", version))
        if (name, instance, version) != said:
            raise OracleError(f"section {name}, {instance}, {version} at {at}, described as {said}")
        end = body.description(want, payload, ())
    elif name == "ram":
        end = _after_ram(stream, payload, page)
    else:
        raise OracleError(f"live section {name} at {at}")
    footer = stream[end : end + 5] == b"\x7e" + number.to_bytes(4, "big")
    found = tuple(body.leaves), tuple(body.marks)
    return Section(kind, at, number, name, instance, version, payload, end, footer, *found)


def leaves(stream: bytes, like: bytes | None = None) -> Iterator[Leaf]:
    """Every leaf of every device section, in the order of the wire."""
    for section in sections(stream, like):
        yield from section.leaves
