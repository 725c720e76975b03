"""The oracle and the harness that other tests trust, against streams of a real QEMU."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from live import MACHINES, ROOM, QemuError, eventually, require_qemu, running
from oracle import Leaf, OracleError, Section, describe, leaves, machine, sections

Taken = tuple[str, bytes, bytes, str]


@pytest.fixture(scope="module", params=MACHINES)
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """A machine's name, device state, stream of the same moment, and registers."""
    config = MACHINES[request.param]
    with config.start(tmp_path_factory.mktemp("disk")) as qemu:
        config.settle(qemu)
        registers = qemu.hmp("info registers")
        return request.param, qemu.save_device_state(), qemu.save_stream(), registers


def spans(section: Section) -> list[tuple[int, int]]:
    """Where each leaf and each mark of a section begins and ends, in order."""
    leaves = ((leaf.offset, leaf.offset + leaf.size) for leaf in section.leaves)
    return sorted([*leaves, *((at, at + size) for at, size in section.marks)])


def find(stream: bytes, section: str, *path: str | int) -> Leaf:
    """The one leaf of this section whose path ends so."""
    size = len(path)
    (leaf,) = (x for x in leaves(stream) if x.section == section and x.path[-size:] == path)
    return leaf


@pytest.mark.live
def test_every_byte_of_a_device_section_is_in_one_leaf_or_mark(taken: Taken) -> None:
    _, _, stream, _ = taken
    for section in sections(stream):
        if section.kind == "full":
            found = spans(section)
            assert (found[0][0], found[-1][1]) == (section.payload, section.end)
            assert all(left[1] == right[0] for left, right in pairwise(found)), section.name


@pytest.mark.live
def test_a_stream_is_ram_then_the_described_devices_each_with_its_footer(taken: Taken) -> None:
    _, _, stream, _ = taken
    found = list(sections(stream))
    ram = [section.kind for section in found if section.name == "ram"]
    assert machine(stream)[0].startswith("pc-i440fx-")
    assert (ram[0], set(ram[1:-1]), ram[-1]) == ("start", {"part"}, "end")
    assert [section.kind for section in found[len(ram) :]] == ["full"] * (len(found) - len(ram))
    described = [device.get("name") for device in describe(stream).get("devices")]
    assert [section.name for section in found[len(ram) :]] == described
    assert all(section.footer for section in found)
    assert found[-1].name == "globalstate"


@pytest.mark.live
def test_the_device_state_holds_the_sections_of_the_stream(taken: Taken) -> None:
    _, state, stream, _ = taken
    theirs = [section for section in sections(stream) if section.kind == "full"]
    ours = list(sections(state, like=stream))
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        if mine.name != "globalstate":  # it says 'running' in the one and 'paused' in the other
            assert state[mine.offset : mine.end] == stream[other.offset : other.end]


@pytest.mark.live
def test_the_value_of_a_leaf_is_what_the_monitor_shows(taken: Taken) -> None:
    _, _, stream, registers = taken
    shown = re.search(r"\b[ER]IP=([0-9a-f]+)", registers)
    eip = next(leaf for leaf in leaves(stream) if leaf.path == ("env.eip",))
    assert shown is not None and eip.value == int(shown[1], 16)


@pytest.mark.live
def test_a_busy_machine_sends_subsections_that_an_idle_one_leaves_out(taken: Taken) -> None:
    name, _, stream, _ = taken
    fifo = [leaf for leaf in leaves(stream) if "serial/recv_fifo" in leaf.path]
    if name == "busy":
        data, _, count = fifo
        assert (data.raw[:2], data.size, count.value) == (b"AB", 16, 2)
    else:
        assert fifo == []


@pytest.mark.live
def test_without_footers_no_section_has_one() -> None:
    args = ("-nodefaults", "-S", "-global", "migration.send-section-footer=off")
    with running(args) as qemu:
        stream = qemu.save_stream()
    assert not any(section.footer for section in sections(stream))


@pytest.mark.live
def test_a_counting_guest_goes_on_from_its_count_in_a_loaded_stream(tmp_path: Path) -> None:
    config = MACHINES["full"]
    with config.start(tmp_path) as qemu:
        config.settle(qemu)
        before, stream = qemu.counter(), qemu.save_stream()
    with config.start(tmp_path, incoming=True) as qemu:
        qemu.load_stream(stream)
        assert (qemu.status(), qemu.counter()) == ("paused", before)
        qemu.command("cont")
        eventually(lambda: qemu.counter() > before, "further count")


@pytest.mark.live
def test_a_guest_reads_the_cmos_byte_that_was_edited_in_its_stream(tmp_path: Path) -> None:
    config = MACHINES["usb"]
    with config.start(tmp_path) as qemu:
        config.settle(qemu)
        stream = bytearray(qemu.save_stream())
    leaf = find(bytes(stream), "mc146818rtc", "cmos_data")
    old = stream[leaf.offset + 0x45]
    stream[leaf.offset + 0x45] = old ^ 0x5A
    with config.start(tmp_path, incoming=True) as qemu:
        qemu.load_stream(bytes(stream))
        qemu.command("cont")
        begun = qemu.counter()
        eventually(lambda: qemu.counter() > begun + 1, "whole round")
        assert qemu.memory(ROOM + 5, 1) == bytes([old ^ 0x5A])


@pytest.mark.live
def test_a_stream_that_qemu_refuses_is_an_error_with_its_words() -> None:
    args = ("-nodefaults", "-S")
    with running(args) as qemu:
        stream = bytearray(qemu.save_stream())
    pit = next(section for section in sections(bytes(stream)) if section.name == "i8254")
    stream[pit.end] ^= 1
    with running(args, incoming=True) as qemu, pytest.raises(QemuError, match="footer for i8254"):
        qemu.load_stream(bytes(stream))


def test_without_qemu_a_test_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QEMU_SYSTEM", "no-such-program")
    with pytest.raises(pytest.skip.Exception, match="qemu-system-x86_64 is not installed"):
        require_qemu()


# A stream by hand: what the machines above do not write, from QEMU's rules for the description.

LIST = (
    '{"name":"queue","type":"qtailq",'
    '"vmsd_name":"element","version":1,"fields":[{"name":"a","type":"uint8","size":1}],'
    '"vmsd_name":"element","version":1,"fields":[{"name":"a","type":"uint8","size":1}],'
    '"subsections":[{"vmsd_name":"element/x","version":2,'
    '"fields":[{"name":"b","type":"int16","size":2}]}],"size":22}'
)
NULLS = (
    '{"name":"ptr","index":0,"type":"struct","struct":{},"size":1},'
    '{"name":"ptr","index":1,"type":"struct","struct":{"vmsd_name":"p","version":1,'
    '"fields":[{"name":"c","array_len":2,"type":"uint16","size":2}]},"size":4}'
)
BODY = b"\1\7" + b"\1\x08" + b"\5\x09element/x\0\0\0\2\xff\xfe" + b"\0" + b"0" + b"\0\1\0\2"


def by_hand(body: bytes, fields: str) -> bytes:
    """A stream of one section, 'dev', and its description."""
    desc = (
        '{"page_size":4096,"devices":[{"name":"dev","instance_id":3,"vmsd_name":"dev",'
        f'"version":5,"fields":[{fields}]}}]}}'
    ).encode()
    json.loads(desc)
    head = b"QEVM\0\0\0\3" + b"\7\0\0\0\2pc"
    section = b"\4\0\0\0\x09\3dev\0\0\0\3\0\0\0\5" + body + b"\x7e\0\0\0\x09"
    return head + section + b"\0" + b"\6" + len(desc).to_bytes(4, "big") + desc


def test_lists_subsections_and_null_pointers_are_walked() -> None:
    found = list(leaves(by_hand(BODY, f"{LIST},{NULLS}")))
    assert [(leaf.path, leaf.type, leaf.value) for leaf in found] == [
        (("queue", 0, "a"), "uint8", 7),
        (("queue", 1, "a"), "uint8", 8),
        (("queue", 1, "element/x", "b"), "int16", -2),
        (("ptr", 0), "struct", None),
        (("ptr", 1, "c", 0), "uint16", 1),
        (("ptr", 1, "c", 1), "uint16", 2),
    ]


def test_a_description_that_does_not_fit_the_bytes_is_refused() -> None:
    wrong_size = '{"name":"s","type":"struct","struct":{"vmsd_name":"s","version":1,"fields":[]},'
    with pytest.raises(OracleError, match="0 bytes, described as 2"):
        list(leaves(by_hand(b"\0\0", wrong_size + '"size":2}')))
    with pytest.raises(OracleError, match="section type 9"):
        list(leaves(by_hand(b"\0\x09\0", '{"name":"a","type":"uint8","size":1}')))
    with pytest.raises(OracleError, match="no JSON description"):
        list(leaves(by_hand(BODY, f"{LIST},{NULLS}")[:-1]))
