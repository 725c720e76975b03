"""Live QEMUs: what they write is opened and comes back, and what vmsc wrote they load and run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from live import MACHINES, ROOM, boot, cmos_guest, eventually, require_qemu, running
from streams_at_hand import frame, library, opened, unframe

from vmsc.inspect.file_reader import Entry, ParameterSource
from vmsc.inspect.json_document import SideFile, from_document, to_part
from vmsc.inspect.parameters import open_parameters
from vmsc.stream.events import Event, Section
from vmsc.stream.writer import write_stream

pytestmark = pytest.mark.live


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


def known(stream: bytes) -> ParameterSource:
    """What the stream's own JSON description tells."""
    return open_parameters(stream, library())


def reencoded(stream: bytes, edit: Callable[[Entry, Any], None] | None = None) -> bytes:
    """The stream, every section of it decoded, perhaps edited, and encoded again."""

    def pairs() -> list[tuple[Event, Any]]:
        found: list[tuple[Event, Any]] = []
        for entry in opened(stream, known(stream)):
            if not isinstance(entry.event, Section):
                found.append((entry.event, entry.data))
                continue
            assert entry.codec is not None, f"{entry.event.name} is opaque"
            value = entry.value()
            if edit is not None:
                edit(entry, value)
            version = entry.event.version
            data = entry.codec.qemu.encode(value, version=version, **entry.params)
            found.append((entry.event, data))
        return found

    return b"".join(write_stream(pairs()))


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_a_live_stream_comes_back(name: str, tmp_path: Path) -> None:
    machine = MACHINES[name]
    with machine.start(tmp_path) as source:
        machine.settle(source)
        stream = source.save_stream()
    answers = known(stream)
    entries = opened(stream, answers)
    assert [e.event for e in entries if isinstance(e.event, Section) and e.codec is None] == []
    parts = [to_part(entry, SideFile()) for entry in entries]
    document = msgspec.json.encode({"vmsc-stream": 1, "parts": parts})
    assert b"".join(write_stream(from_document(document, library(), SideFile()))) == stream
    whole = frame(stream, answers)
    assert unframe(whole, answers) == stream


@pytest.mark.parametrize("memory", [17, 100])
def test_another_size_of_memory_makes_no_difference(memory: int) -> None:
    with running(["-nodefaults", "-vga", "std", "-device", "rtl8139"], memory_mb=memory) as source:
        source.command("stop")
        stream = source.save_stream()
    assert reencoded(stream) == stream
    assert unframe(frame(stream, known(stream)), known(stream)) == stream


def test_qemu_loads_what_was_encoded_and_the_guest_runs_on(tmp_path: Path) -> None:
    machine = MACHINES["full"]
    with machine.start(tmp_path) as source:
        machine.settle(source)
        before = source.counter()
        stream = source.save_stream()
    written = reencoded(stream)
    assert written == stream
    with machine.start(tmp_path, incoming=True) as target:
        target.load_stream(written)
        loaded = target.counter()
        assert loaded >= before
        target.command("cont")
        eventually(lambda: target.counter() > loaded, "count beyond the one that was loaded")


def test_an_edited_cmos_byte_is_what_the_guest_reads(tmp_path: Path) -> None:
    at, marker = 0x44, 0xA7
    arguments = ["-nodefaults", *boot(tmp_path, cmos_guest(at & ~3, 16))]

    def edit(entry: Entry, value: Any) -> None:
        if isinstance(entry.event, Section) and entry.event.name == "mc146818rtc":
            cmos = value.cmos_data
            assert cmos[at] != marker
            value.cmos_data = cmos[:at] + bytes([marker]) + cmos[at + 1 :]

    with running(arguments) as source:
        eventually(lambda: source.counter() > 100, "guest")
        source.command("stop")
        assert source.memory(ROOM, 16)[at - (at & ~3)] != marker
        stream = source.save_stream()
    with running(arguments, incoming=True) as target:
        target.load_stream(reencoded(stream, edit))
        target.command("cont")
        start = target.counter()
        eventually(lambda: target.counter() > start + 100, "guest")
        assert target.memory(ROOM, 16)[at - (at & ~3)] == marker
