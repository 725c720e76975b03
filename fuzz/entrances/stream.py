"""A stream as QEMU sends it: read whole and in pieces, every section's value decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from streams_at_hand import DATA, library, state

from vmsc.inspect.file_reader import Entry, entries
from vmsc.inspect.parameters import open_parameters
from vmsc.inspect.pipe_reader import arriving
from vmsc.params.machine_file import MachineError
from vmsc.runtime.errors import CodecError
from vmsc.stream.events import Pages, Section
from vmsc.stream.vmdesc import VmdescError

REFUSALS = (CodecError, VmdescError, MachineError)
_MACHINE = "usb"
_HEAD = 8  # bytes before the first section


def corpus() -> Iterator[bytes]:
    """A small machine's state, and each section of a larger one's in a stream of its own."""
    yield state("minimal")
    data = state(_MACHINE)
    known = open_parameters(b"", library(), (), DATA / f"{_MACHINE}.machine.json")
    for entry in entries(data, library(), known):
        event = entry.event
        if event.offset >= _HEAD and event.size < 1 << 14:
            yield data[:_HEAD] + data[event.offset : event.offset + event.size] + b"\0"


def enter(data: bytes) -> None:
    machine = DATA / f"{_MACHINE}.machine.json"
    with contextlib.suppress(*REFUSALS):  # read again in pieces, whatever it is
        values(entries(data, library(), open_parameters(data, library(), (), machine)))
    half = len(data) // 2
    pieces = (data[:half], data[half:])
    values(arriving(pieces, open_parameters(None, library(), (), machine)))


def values(found: Iterator[Entry]) -> None:
    """Decode all that is described."""
    for entry in found:
        if entry.codec is not None and isinstance(entry.event, Section | Pages):
            entry.value()
