"""Every value of a device section, against QEMU's own description read by an independent judge."""

from __future__ import annotations

import lzma
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import live
import oracle
import pytest
from streams_at_hand import DATA, MACHINES, answers, library, opened, state

from vmsc.answers import open_answers
from vmsc.evaluation import member_of
from vmsc.opened import Entry
from vmsc.runtime.codec import Codec
from vmsc.runtime.errors import EncodeError
from vmsc.solve import device_keys
from vmsc.stream.events import Section, SectionKind
from vmsc.stream.lookup import names_of
from vmsc.walk import MARKS, Leaf, leaves

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
    "pci irq state": "u32",  # four of them
}


class Judged(NamedTuple):
    """A section: as the judge sees it, and as we do, offsets from the payload's start."""

    theirs: oracle.Section
    codec: Codec
    params: dict[str, Any]
    payload: bytes
    value: Any
    ours: tuple[Leaf, ...]


def like(name: str) -> bytes:
    """The end of a stream that has this machine's description."""
    text = lzma.decompress((DATA / f"{name}.vmdesc.xz").read_bytes())
    return b"\0\6" + len(text).to_bytes(4, "big") + text


@cache
def keys() -> dict[str, str]:
    return device_keys(library().schema)


def judged(theirs: list[oracle.Section], entries: list[Entry]) -> tuple[Judged, ...]:
    found = []
    ours = [e for e in entries if isinstance(e.event, Section) and e.event.kind == SectionKind.FULL]
    for section, entry in zip(theirs, ours, strict=True):
        assert entry.codec is not None and isinstance(entry.event, Section)
        key = next(keys()[n] for n in names_of(section.name) if n in keys())
        params = {**entry.params, "version": entry.event.version}
        value = entry.value()
        walked = leaves(library().schema, key, value, entry.params, section.version)
        found.append(Judged(section, entry.codec, params, bytes(entry.data), value, tuple(walked)))
    return tuple(found)


@cache
def machine(name: str) -> tuple[Judged, ...]:
    theirs = list(oracle.sections(state(name), like=like(name)))
    return judged(theirs, opened(state(name), answers(name)))


def value_at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        value = value[part] if isinstance(part, int) else member_of(value, part)
    return value


def wire_bytes(value: Any, size: int) -> bytes:
    return value if isinstance(value, bytes) else (value % (1 << 8 * size)).to_bytes(size, "big")


def unmatched(one: Judged) -> Iterator[str]:
    """What is not the same: the judge's leaf, and what we have in its place."""
    fields = {leaf.offset: leaf for leaf in one.ours if leaf.type not in MARKS and leaf.size}
    for theirs in one.theirs.leaves:
        at = theirs.offset - one.theirs.payload
        tiles, end = [], at
        while end < at + theirs.size and end in fields:
            tiles.append(fields[end])
            end += fields[end].size
        if not _same(one, theirs, tiles):
            yield f"{theirs.section}: {theirs.path} {theirs.type} at {at}: {tiles[:1]}"


def _same(one: Judged, theirs: oracle.Leaf, ours: list[Leaf]) -> bool:
    """Whether these leaves are that one; several are, where QEMU's is a device's own type."""
    wanted = TYPES[theirs.type]
    raw = b"".join(wire_bytes(value_at(one.value, leaf.path), leaf.size) for leaf in ours)
    named = all(leaf.wire_path[: len(theirs.path)] == theirs.path for leaf in ours)
    single = len(ours) == 1 or (theirs.type == "pci irq state" and len(ours) == 4)
    typed = all(leaf.type == wanted for leaf in ours)
    if not (single and named and typed and raw == theirs.raw):
        return False
    number = len(ours) == 1 and theirs.value is not None and theirs.type != "timer"
    return not number or value_at(one.value, ours[0].path) == theirs.value


def blob(one: Judged) -> bool:
    """Written by open code: to QEMU it is one buffer, called data."""
    return [leaf.path for leaf in one.theirs.leaves] == [("data",)]


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MACHINES)
def test_every_value_that_qemu_describes_is_a_field_of_the_same_name_type_and_place(
    name: str,
) -> None:
    sections = [one for one in machine(name) if not blob(one)]
    wrong = [text for one in sections for text in unmatched(one)]
    print(f"{name}: {sum(len(s.theirs.leaves) for s in sections)} values, {len(wrong)} unmatched")
    assert wrong == []


@pytest.mark.parametrize("name", MACHINES)
def test_every_field_is_a_value_that_qemu_describes(name: str) -> None:
    for one in machine(name):
        if not blob(one):
            fields = sum(leaf.size for leaf in one.ours if leaf.type not in MARKS)
            assert fields == sum(leaf.size for leaf in one.theirs.leaves)


@pytest.mark.parametrize("name", MACHINES)
def test_leaves_tile_the_payload(name: str) -> None:
    for one in machine(name):
        end = 0
        for leaf in one.ours:
            assert leaf.offset == end, one.theirs.name
            end += leaf.size
        assert end == len(one.payload) == one.codec.qemu.measure(one.value, **one.params)


def test_a_section_of_open_code_has_its_bytes_in_its_fields() -> None:
    slirps = [one for one in machine("usb") if blob(one)]
    assert [one.theirs.name for one in slirps] == ["slirp"] * 3
    for one in slirps:
        for leaf in editable(one):
            raw = one.payload[leaf.offset : leaf.offset + leaf.size]
            assert wire_bytes(value_at(one.value, leaf.path), leaf.size) == raw, leaf


@pytest.mark.live
def test_every_value_of_a_machine_that_runs_now_is_a_field(tmp_path: Path) -> None:
    config = live.MACHINES["pc"]
    with config.start(tmp_path) as qemu:
        config.settle(qemu)
        stream = qemu.save_stream()
    theirs = [s for s in oracle.sections(stream) if s.kind == "full"]
    found = judged(theirs, opened(stream, open_answers(stream, library())))
    assert [text for one in found if not blob(one) for text in unmatched(one)] == []


# --- editing --------------------------------------------------------------------------------------

# Fields of pc whose edit is refused: a law binds them, or another field's presence or length.
BOUND = {
    *((name, f"{pci}.version_id") for name, pci in (
        ("I440FX", "pci"), ("PIIX3", "pci"), ("vga", "dev"), ("e1000", "pci"), ("ide", "pci"),
        ("piix4_pm", "pci"),
    )),
    *(("ide", f"{bus}.{i}.identify_set") for bus in ("primary", "secondary") for i in (0, 1)),
    ("PCIBUS", "nirq"), ("cpu", "fpregs_format"), ("fdc", "state.num_floppies"),
    ("hpet", "num_timers"), ("vga", "vga.has_vbe"), ("vmmouse", "queue_size"),
}  # fmt: skip
MANY = 2000  # leaves of a section, of which the default run takes a tenth


def edited(one: Judged, leaf: Leaf) -> bytes:
    """The section's bytes with this leaf's last bit turned over; the value is left as it was."""
    *outer, last = leaf.path
    owner = value_at(one.value, tuple(outer))
    old = value_at(owner, (last,))
    new = old[:-1] + bytes([old[-1] ^ 1]) if isinstance(old, bytes) else old ^ 1
    _put(owner, last, new)
    try:
        return one.codec.qemu.encode(one.value, **one.params)
    finally:
        _put(owner, last, old)


def _put(owner: Any, part: str | int, value: Any) -> None:
    if isinstance(part, int):
        owner[part] = value
        return
    kind = type(owner)
    setattr(owner, kind.__struct_fields__[kind.__struct_encode_fields__.index(part)], value)


def check_edits(one: Judged, chosen: list[Leaf]) -> set[tuple[str, str]]:
    """Edit leaf after leaf; the (section, field) of those that are refused."""
    refused = set()
    for leaf in chosen:
        try:
            found = edited(one, leaf)
        except EncodeError:
            name = one.theirs.name.rpartition("/")[2]
            refused.add((name, ".".join(map(str, leaf.path))))
            continue
        end = leaf.offset + leaf.size
        assert len(found) == len(one.payload), leaf
        assert found[: leaf.offset] == one.payload[: leaf.offset], leaf
        assert found[end:] == one.payload[end:], leaf
        changed = found[leaf.offset : end]
        assert changed[:-1] == one.payload[leaf.offset : end - 1], leaf
        assert changed[-1] == one.payload[end - 1] ^ 1, leaf
    return refused


def editable(one: Judged) -> list[Leaf]:
    return [leaf for leaf in one.ours if leaf.type not in MARKS and leaf.size]


def test_editing_a_field_changes_its_bytes_and_no_others() -> None:
    seeded = random.Random(7)
    refused = set()
    for one in machine("pc"):
        chosen = editable(one)
        if len(chosen) > MANY:
            chosen = seeded.sample(chosen, len(chosen) // 10)
        refused |= check_edits(one, chosen)
    assert refused <= BOUND


@pytest.mark.soak
@pytest.mark.parametrize("name", MACHINES)
def test_editing_any_field_changes_its_bytes_and_no_others(name: str) -> None:
    refused = {each for one in machine(name) for each in check_edits(one, editable(one))}
    assert refused == BOUND if name == "pc" else refused
