"""The secondary's own -dump-vmstate, held against what a primary sends: dumps made by hand, and
those of real machines.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from colo_recorded import recorded
from colo_talk import REQUEST, SEND, SIZE, Sent, baseline, clock, live, nic, ram_payload, uart, word
from live import require_qemu, running
from streams_at_hand import MACHINES, answers, library, opened, state

from vmsc.guard.colo.checkpoint import Checkpoint
from vmsc.guard.colo.peer_versions import (
    MAX_SIZE,
    DumpError,
    Expected,
    load_expected,
    subsections_in,
)
from vmsc.guard.colo.refusal import Refusal
from vmsc.guard.colo.session import Checks, Ended, Proven, Session
from vmsc.inspect.entry import Entry
from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters
from vmsc.stream.events import Section

# --- dumps made by hand ---------------------------------------------------------------------------

Json = dict[str, Any]


def described(name: str, newest: int, oldest: int, *subsections: Json, **fields: Json) -> Json:
    found: Json = {"name": name, "version_id": newest, "minimum_version_id": oldest}
    found["Fields"] = [
        {"field": field, "version_id": 0, "field_exists": False, "size": 4, "Description": of}
        for field, of in fields.items()
    ]
    return found | ({"Subsections": list(subsections)} if subsections else {})


def dumped(folder: Path, **devices: Json) -> Expected:
    """What is loaded of a dump with these devices, by type."""
    top: Json = {"vmschkmachine": {"Name": "talk"}}
    for type_, of in devices.items():
        versions = {key: of[key] for key in ("version_id", "minimum_version_id")}
        top[type_] = {"Name": type_, **versions, "Description": of}
    (folder / "dump").write_text(json.dumps(top))
    return load_expected(folder / "dump")


def sent(fifo: bytes = b"") -> Checkpoint:
    """The machine's checkpoint, the second uart with this FIFO."""
    state = (clock(1), uart(0, 1), uart(1, 7, fifo=fifo), nic([1]))
    found = Sent(live(ram_payload((), None)), b"".join(state) + b"\0")
    session = Session(baseline=baseline())
    actions = session.from_primary(REQUEST) + session.from_primary(found.wire)
    return next(action.checkpoint for action in actions if isinstance(action, Proven))


FIFO, OTHER = (described(f"talk-uart/{name}", 1, 1) for name in ("fifo", "other"))


@pytest.mark.parametrize("newest, oldest", [(3, 3), (3, 1), (9, 2)])
def test_a_version_that_the_secondary_loads_is_taken(
    tmp_path: Path, newest: int, oldest: int
) -> None:
    dumped(tmp_path, uart=described("talk-uart", newest, oldest)).baseline(baseline())


@pytest.mark.parametrize(
    "newest, oldest, words",
    [(2, 1, "versions 1 to 2"), (2, 2, "version 2"), (5, 4, "versions 4 to 5")],
)
def test_a_version_too_new_or_too_old_is_refused(
    tmp_path: Path, newest: int, oldest: int, words: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        dumped(tmp_path, uart=described("talk-uart", newest, oldest)).baseline(baseline())
    assert refusal.value.code == "expect-version"
    assert refusal.value.message == (
        f"section 'talk-uart' instance 0 has version 3, and the secondary loads {words}"
    )


def test_a_device_behind_a_path_is_found_by_its_description(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"section '0000:00:03.0/talk-nic' instance 0 has version 1"):
        dumped(tmp_path, card=described("talk-nic", 3, 2)).baseline(baseline())


def test_what_is_no_device_of_the_dump_is_not_held_against_it(tmp_path: Path) -> None:
    expected = dumped(tmp_path, other=described("another", 1, 1))
    expected.baseline(baseline())
    expected.checkpoint(sent(b"ab"))


def test_of_several_types_of_one_description_one_that_fits_is_enough(tmp_path: Path) -> None:
    old, new = described("talk-uart", 2, 1), described("talk-uart", 3, 3, FIFO)
    both = dumped(tmp_path, a=old, b=new)
    both.baseline(baseline())
    both.checkpoint(sent(b"ab"))
    with pytest.raises(Refusal, match=r"loads versions 1 to 2 or version 1$"):
        dumped(tmp_path, a=old, b=described("talk-uart", 1, 1), c=old).baseline(baseline())


def test_a_subsection_that_the_secondary_loads_is_taken(tmp_path: Path) -> None:
    expected = dumped(tmp_path, uart=described("talk-uart", 3, 2, FIFO))
    expected.checkpoint(sent(b"ab"))


def test_one_that_it_does_not_know_is_refused_where_it_is_sent(tmp_path: Path) -> None:
    expected = dumped(tmp_path, uart=described("talk-uart", 3, 2, OTHER))
    expected.checkpoint(sent())
    with pytest.raises(Refusal) as refusal:
        expected.checkpoint(sent(b"ab"))
    assert refusal.value.code == "expect-subsection"
    assert refusal.value.message == (
        "section 'talk-uart' instance 1 has subsection 'talk-uart/fifo' version 1, and the"
        " secondary loads no such subsection"
    )


def test_one_of_what_the_dump_does_not_describe_is_not_held_against_it(tmp_path: Path) -> None:
    """It would be refused wherever virtio is: its state is in no dump, and its subsections are
    called virtio/..., not virtio-net/...
    """
    expected = Expected({"talk-uart": dumped(tmp_path, x=described("a", 3, 2)).devices["a"]})
    expected.checkpoint(sent(b"ab"))


def test_one_of_another_version_is_refused(tmp_path: Path) -> None:
    newer = described("talk-uart/fifo", 3, 2)
    with pytest.raises(Refusal, match="loads versions 2 to 3"):
        dumped(tmp_path, uart=described("talk-uart", 3, 2, newer)).checkpoint(sent(b"ab"))


def test_subsections_are_found_wherever_they_lie_in_a_description(tmp_path: Path) -> None:
    inner = described("inner", 1, 1, described("between", 1, 1, FIFO))
    dumped(tmp_path, uart=described("talk-uart", 3, 2, state=inner)).checkpoint(sent(b"ab"))


def test_one_name_twice_in_a_description_is_loaded_in_both_versions(tmp_path: Path) -> None:
    newer = described("inner", 1, 1, described("talk-uart/fifo", 3, 3))
    for order in ({"a": described("inner", 1, 1, FIFO), "b": newer}, {"b": newer}):
        expected = dumped(tmp_path, uart=described("talk-uart", 3, 2, **order))
        if "a" in order:
            expected.checkpoint(sent(b"ab"))
        else:
            with pytest.raises(Refusal, match="loads version 3"):
                expected.checkpoint(sent(b"ab"))


def test_the_guard_refuses_it_before_the_secondary_sees_a_byte(tmp_path: Path) -> None:
    expected = dumped(tmp_path, uart=described("talk-uart", 3, 2))
    session = Session(baseline=baseline(), checks=Checks(expected.baseline, expected.checkpoint))
    state = clock(1) + uart(0, 1) + uart(1, 7, fifo=b"a") + nic([1]) + b"\0"
    wire = REQUEST + SEND + live(ram_payload((), None)) + SIZE + word(len(state)) + state
    found = session.from_primary(wire)
    assert isinstance(found[-1], Ended) and found[-1].code == "expect-subsection"
    assert not any(isinstance(action, Proven) for action in found)


def one(description: str) -> str:
    return '{"vmschkmachine": {"Name": "pc"}, "a": {"Description": ' + description + "}}"


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "it nests too deep"),
        ("[]", "it has no 'vmschkmachine'"),
        ("{}", "it has no 'vmschkmachine'"),
        ('{"devices": []}', "it has no 'vmschkmachine'"),
        ('{"vmschkmachine": {}}', "'vmschkmachine': no 'Name'"),
        ('{"vmschkmachine": {"Name": "pc"}, "a": 5}', "'a': 5 found, expected an object"),
        (one("{}"), "'a': Description: no 'name'"),
        (one('{"name": "a", "version_id": "x", "minimum_version_id": 1}'),
         """'a': Description.version_id: "x" found, expected a whole number"""),
        (one('{"name": "a", "version_id": 1, "minimum_version_id": 1, "Subsections": [[]]}'),
         "'a': Description.Subsections[0]: [] found, expected an object"),
        (one('{"name": "a", "version_id": 1, "minimum_version_id": 1, "fields": []}'),
         "'a': Description: unknown key 'fields'; there are name, version_id,"
         " minimum_version_id, Fields, Subsections"),
    ],
)  # fmt: skip
def test_what_is_no_dump_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DumpError) as error:
        load_expected(path)
    assert str(error.value).startswith(f"{path}: ") and words in str(error.value)


def test_a_dump_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    with path.open("wb") as file:
        file.truncate(MAX_SIZE + 1)
    with pytest.raises(DumpError, match=f"more than {MAX_SIZE} bytes"):
        load_expected(path)


# --- subsections in a framed value, the bytes by hand from docs/framed-format.md ------------------


def item(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(4, "big") + content


def subsection(name: str, version: int, content: bytes = b"") -> bytes:
    head = bytes([len(name)]) + name.encode() + version.to_bytes(4, "big")
    return item(6, head + content)


FIXED = item(1, b"\x06\x06\x00\x00")  # bytes that are no items


def test_subsections_are_found_in_structs_in_lists_and_in_each_other() -> None:
    inner = item(5, FIXED + subsection("in a struct", 2, subsection("in that", 3)))
    rows = item(4, (2).to_bytes(4, "big") + item(5, subsection("in a list", 4)) + item(5, b""))
    value = item(5, FIXED + inner + rows + item(7, b"") + subsection("last", 5, FIXED))
    assert list(subsections_in(value)) == [
        ("in a struct", 2), ("in that", 3), ("in a list", 4), ("last", 5),
    ]  # fmt: skip
    assert list(subsections_in(item(5, FIXED))) == []


# --- real machines --------------------------------------------------------------------------------


@cache
def own_dump(*args: str) -> Expected:
    """What this QEMU says of itself."""
    folder = Path(tempfile.mkdtemp(prefix="vmsc-dump-"))
    command = [require_qemu(), *args, "-display", "none", "-dump-vmstate", str(folder / "dump")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return load_expected(folder / "dump")


def devices_of(found: Iterable[Entry]) -> tuple[list[tuple[int, str, int, int]], Sequence[Entry]]:
    """The sections of devices, as the first migration tells them, and their entries."""
    kept = [entry for entry in found if isinstance(entry.event, Section) and entry.codec]
    sections = [entry.event for entry in kept if isinstance(entry.event, Section)]
    return [(e.id, e.name, e.instance, e.version) for e in sections], kept


def hold(expected: Expected, found: Iterable[Entry]) -> int:
    """Hold these sections against a dump; how many devices of the dump are among them."""
    devices, kept = devices_of(found)
    expected.baseline(replace(baseline(), devices=tuple(devices)))
    known = 0
    for entry in kept:
        assert isinstance(entry.event, Section)
        loaded = expected._of(entry.event.name)
        known += bool(loaded)
        if loaded:
            expected._subsections(entry, entry.event, loaded)
    return known


@pytest.mark.live
def test_nothing_of_a_recorded_connection_is_refused_by_its_own_qemu() -> None:
    talk, expected = recorded(), own_dump("-M", "pc")
    expected.baseline(talk.baseline)
    session = Session(baseline=talk.baseline, checks=Checks(expected.baseline, expected.checkpoint))
    found = session.from_primary(REQUEST + talk.checkpoints[0].wire)
    assert any(isinstance(action, Proven) for action in found)
    assert session.ended is None


@pytest.mark.live
@pytest.mark.parametrize("name", MACHINES)
def test_nothing_of_a_machines_device_state_is_refused_by_its_own_qemu(name: str) -> None:
    expected = own_dump("-M", "pc")
    assert hold(expected, opened(state(name), answers(name))) >= 15


VIRTIO = (
    "virtio-net-pci", "virtio-rng-pci", "virtio-serial-pci", "virtio-balloon-pci",
    "virtio-scsi-pci", "virtio-keyboard-pci", "virtio-gpu-pci",
)  # fmt: skip


@pytest.mark.live
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_nor_is_anything_of_virtio_devices(machine: str) -> None:
    args = ["-nodefaults", *(word for name in VIRTIO for word in ("-device", name))]
    with running(args, machine=machine) as qemu:
        stream = qemu.save_stream()
    found = entries(stream, library(), open_parameters(stream, library()))
    assert hold(own_dump("-M", machine), found) >= 15
