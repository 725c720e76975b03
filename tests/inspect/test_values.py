"""Every value of a device section, against QEMU's own description read by an independent judge."""

from __future__ import annotations

import lzma
import random
from functools import cache
from pathlib import Path
from typing import Any

import live
import oracle
import pytest
from judging import Judged, blob, judged, unmatched, value_at, wire_bytes
from streams_at_hand import DATA, MACHINES, answers, library, opened, state

from vmsc.inspect.byte_map import MARKS, Leaf
from vmsc.inspect.parameters import open_parameters
from vmsc.runtime.errors import EncodeError


def like(name: str) -> bytes:
    """The end of a stream that has this machine's description."""
    text = lzma.decompress((DATA / f"{name}.vmdesc.xz").read_bytes())
    return b"\0\6" + len(text).to_bytes(4, "big") + text


@cache
def machine(name: str) -> tuple[Judged, ...]:
    theirs = list(oracle.sections(state(name), like=like(name)))
    return judged(theirs, opened(state(name), answers(name)))


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
    found = judged(theirs, opened(stream, open_parameters(stream, library())))
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
