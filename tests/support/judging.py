"""A section as an independent judge sees it beside what vmsc makes of it: every value, its name,
type, place and bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import oracle
from streams_at_hand import library

from vmsc.inspect.byte_map import MARKS, Leaf, leaves
from vmsc.inspect.file_reader import Entry
from vmsc.params.solver import devices_by_name
from vmsc.runtime.codec import Codec
from vmsc.schema import ir
from vmsc.schema.ir.evaluate import member_of
from vmsc.stream.events import Section, SectionKind
from vmsc.stream.section_names import names_of
from vmsc.stream.targets import meant

__all__ = ["Judged", "blob", "judged", "unmatched", "value_at", "wire_bytes"]

# QEMU's word for a type, and ours.
TYPES = {
    **{f"uint{bits}{equal}": f"u{bits}" for bits in (8, 16, 32, 64) for equal in ("", " equal")},
    **{f"int{bits}{law}": f"s{bits}" for bits in (8, 16, 32, 64) for law in ("", " equal", " le")},
    "int64 equal": "u64",
    "bool": "bool",
    "timer": "timer",
    "buffer": "bytes",
    "unused_buffer": "padding",
    "pci config": "bytes",
    "cpsr": "u32",
    "fpscr": "u32",
    "powered_off": "bool",
    "pci irq state": "u32",  # four of them
}
# QEMU's words for what a device writes itself: many fields of ours, of any type.
OWN = ("bitmap", "msix state", "scsi-requests", "shpc", "virtio", "virtio-gpu")
# Sections that are one description of ours within another of the same name, of which QEMU may
# have registered the inner one alone.
HELD = ("cirrus_vga", "vga")


class Judged(NamedTuple):
    """A section: as the judge sees it, and as we do, offsets from the payload's start."""

    theirs: oracle.Section
    codec: Codec
    params: dict[str, Any]
    payload: bytes
    value: Any
    ours: tuple[Leaf, ...]


@cache
def devices() -> dict[str, list[ir.Description]]:
    return devices_by_name(library().schema)


def judged(theirs: list[oracle.Section], entries: list[Entry]) -> tuple[Judged, ...]:
    found = []
    ours = [e for e in entries if isinstance(e.event, Section) and e.event.kind == SectionKind.FULL]
    for section, entry in zip(theirs, ours, strict=True):
        assert entry.codec is not None and isinstance(entry.event, Section)
        named = next(devices()[n] for n in names_of(section.name) if n in devices())
        (device,) = meant(named, section.version, "")
        params = {**entry.params, "version": entry.event.version}
        value = entry.value()
        walked = leaves(library().schema, device.key, value, entry.params, section.version)
        found.append(Judged(section, entry.codec, params, bytes(entry.data), value, tuple(walked)))
    return tuple(found)


def value_at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        value = value[part] if isinstance(part, int) else member_of(value, part)
    return value


def wire_bytes(value: Any, size: int) -> bytes:
    return value if isinstance(value, bytes) else (value % (1 << 8 * size)).to_bytes(size, "big")


def unmatched(one: Judged) -> Iterator[str]:
    """What is not the same: the judge's leaf, and what we have in its place."""
    whole = {leaf.offset: leaf for leaf in one.ours if leaf.size}
    plain = {at: leaf for at, leaf in whole.items() if leaf.type not in MARKS}
    for theirs in filter(lambda leaf: leaf.size, one.theirs.leaves):
        fields = whole if theirs.type in OWN else plain
        at = theirs.offset - one.theirs.payload
        tiles, end = [], at
        while end < at + theirs.size and end in fields:
            tiles.append(fields[end])
            end += fields[end].size
        if not _same(one, theirs, tiles):
            yield f"{theirs.section}: {theirs.path} {theirs.type} at {at}: {tiles[:1]}"


def _same(one: Judged, theirs: oracle.Leaf, ours: list[Leaf]) -> bool:
    """Whether these leaves are that one; several are, where QEMU's is a device's own type."""
    if not all(_named(one, theirs, leaf) for leaf in ours):
        return False
    if theirs.type in OWN:
        return sum(leaf.size for leaf in ours) == theirs.size
    wanted = TYPES[theirs.type]
    raw = b"".join(wire_bytes(value_at(one.value, leaf.path), leaf.size) for leaf in ours)
    single = len(ours) == 1 or (theirs.type == "pci irq state" and len(ours) == 4)
    typed = all(leaf.type == wanted for leaf in ours)
    if not (single and typed and raw == theirs.raw):
        return False
    number = len(ours) == 1 and theirs.value is not None and theirs.type != "timer"
    return not number or value_at(one.value, ours[0].path) == theirs.value


def _named(one: Judged, theirs: oracle.Leaf, ours: Leaf) -> bool:
    """Whether it has this name, but for the index of an only element, which QEMU does not say."""
    path = ours.wire_path[one.theirs.name in HELD and ours.wire_path[0] != theirs.path[0] :]
    indices = iter(theirs.path)
    part = next(indices, None)
    for each in path:
        if each == part:
            part = next(indices, None)
        elif each != 0 and part is not None:
            return False
    return part is None


def blob(one: Judged) -> bool:
    """Written by open code: to QEMU it is one buffer, called data."""
    return [leaf.path for leaf in one.theirs.leaves] == [("data",)]
