"""Streams that come in pieces: cut in many ways, and what a reader has seen of them."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from streams_at_hand import DATA, library, state

from vmsc.inspect.entry import Entry
from vmsc.inspect.parameters import open_parameters
from vmsc.inspect.pipe_reader import arriving
from vmsc.runtime.errors import CodecError
from vmsc.stream.events import Event

__all__ = [
    "DESCRIBED",
    "DEVICE",
    "FIELD",
    "HELD",
    "OTHER",
    "PAGE",
    "STREAM",
    "TOLD",
    "Seen",
    "bytewise",
    "cuts",
    "devices",
    "fed",
    "machine_file",
    "ram",
    "seen",
    "word",
]


PAGE = 4096


Seen = tuple[list[tuple[Event, bytes]], str]


def machine_file(name: str) -> Path:
    return DATA / f"{name}.machine.json"


def seen(found: Iterator[Entry]) -> Seen:
    """Events, the bytes that go with them, and the error at the end."""
    events: list[tuple[Event, bytes]] = []
    try:
        for entry in found:
            events.append((entry.event, bytes(entry.data)))
    except CodecError as error:
        return events, f"{error.code}: {error}"
    return events, ""


def fed(
    pieces: Sequence[bytes], name: str = "", room: int | None = None, hold: int = 1 << 26
) -> Seen:
    known = open_parameters(None, library(), (), machine_file(name) if name else None)
    return seen(arriving(pieces, known, room=room, hold=hold))


def cuts(data: bytes, seed: int, most: int) -> list[bytes]:
    rng, pieces, pos = random.Random(seed), [], 0
    while pos < len(data):
        size = rng.randint(1, most)
        pieces.append(data[pos : pos + size])
        pos += size
    return pieces


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def word(number: int) -> bytes:
    return struct.pack(">Q", number)


def ram(pages: int, raw_every: int, parts: int = 3) -> Iterator[bytes]:
    """A stream's beginning: a guest of so many pages, of which one in `raw_every` is not zero."""
    eos, footer = word(0x10), b"\x7e\0\0\0\2"
    yield b"QEVM\0\0\0\3\x07\0\0\0\2pc"
    total = pages * PAGE
    yield (
        b"\1\0\0\0\2\3ram" + struct.pack(">II", 0, 4) + word(total | 4) + b"\6pc.ram" + word(total)
    )
    yield eos + footer
    body = bytes(range(256)) * 16
    for part in range(parts):
        yield (b"\3" if part == parts - 1 else b"\2") + b"\0\0\0\2" + word(2) + b"\6pc.ram\0"
        for first in range(0, pages // parts, 1024):
            items = []
            for page in range(first, first + 1024):
                raw = page % raw_every == 0
                items.append(
                    word(page * PAGE | 0x20 | (8 if raw else 2)) + (body if raw else b"\0")
                )
            yield b"".join(items)
        yield eos + footer


def devices() -> bytes:
    """The sections of a device state, without what stands before them."""
    return state("pc")[8:]


HELD = """
device "held" {
    param room: u32 max 4096
    data: bytes[room]
}
"""


DEVICE = b"\4\0\0\0\7\4held" + struct.pack(">II", 0, 1) + b"inside" + b"\x7e\0\0\0\7"


OTHER = DEVICE.replace(b"\4held\0\0\0\0", b"\4held\0\0\0\1").replace(b"\7", b"\x09")


FIELD = {"name": "data", "type": "buffer", "size": 6}


DESCRIBED = json.dumps(
    {
        "page_size": PAGE,
        "devices": [
            {"name": "held", "instance_id": i, "vmsd_name": "held", "version": 1, "fields": [FIELD]}
            for i in (0, 1)
        ],
    }
).encode()


STREAM = b"QEVM\0\0\0\3" + DEVICE + OTHER + b"\0"


TOLD = STREAM + b"\6" + struct.pack(">I", len(DESCRIBED)) + DESCRIBED
