"""Frames and checkpoints for the tests: good ones, and any that the page alone can put together."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import framed_reader
import pytest
from framed_reader import Refused, crc32c

from vmsc.runtime.errors import DecodeError
from vmsc.runtime.framed.checkpoint import (
    CheckpointReader,
    Delivered,
    FramedCheckpoint,
    decode_checkpoint,
    write_checkpoint,
)
from vmsc.runtime.framed.context import Context, Setting, Started
from vmsc.runtime.framed.frame import Frame, Kind

__all__ = [
    "BEGIN",
    "BLOB",
    "CONTEXT",
    "EOF",
    "MIXED",
    "ONE",
    "RAM",
    "RTC",
    "SMALL",
    "TWO",
    "chunked",
    "commit",
    "forge",
    "item",
    "outcome",
    "refusal",
]


def item(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(4, "big") + content


CONTEXT = Context(
    (Started(2, "ram", 0, 4),),
    (Setting("ram", "page_size", 4096),),
)
WORDS = struct.pack(">II4B", 2, 2, 1, 2, 3, 4)
ALARM = item(6, b"\x09rtc/alarm" + (1).to_bytes(4, "big") + item(3, WORDS))
RTC = Frame(
    Kind.SECTION,
    item(1, b"\x26\x02\x17") + ALARM,
    name="rtc",
    version=2,
    id=5,
    type=4,
    footer=True,
    digest=bytes.fromhex("0123456789abcdef"),
)
BLOB = Frame(Kind.OPAQUE, b"\x01\x02", name="0000:00:02.0/vga", instance=1, id=9, type=4)
RAM = Frame(Kind.RAM, bytes(8), name="ram", version=4, id=2, type=3, footer=True)
EOF = Frame(Kind.EOF)
SMALL = write_checkpoint(7, CONTEXT, [RTC])
MIXED = write_checkpoint(8, CONTEXT, [Frame(Kind.HEADER, b"QEVM\0\0\0\3"), RAM, RTC, BLOB, EOF])


def forge(kind: int, payload: bytes = b"", *, name: bytes = b"", **fields: int | bytes) -> bytes:
    """A frame put together by the page alone, with any field wrong that a test wants wrong."""
    said = {"flags": 0, "instance": 0, "version": 0, "id": 0, "digest": bytes(8), "type": 0}
    said |= {"length": len(payload), "reserved": 0, **fields}
    head = struct.pack(">4sBBHQI", b"VMSF", 1, kind, said["flags"], said["length"], crc32c(payload))
    head += struct.pack(">III8s", *(said[key] for key in ("instance", "version", "id", "digest")))
    head += struct.pack(">BBHI", said["type"], len(name), said["reserved"], crc32c(name))
    return head + crc32c(head).to_bytes(4, "big") + name + payload


def commit(epoch: int, frames: Sequence[bytes], **wrong: int | bytes) -> bytes:
    """A COMMIT frame for whole frames, BEGIN the first of them."""
    sha = hashlib.sha256(b"".join(frame[: 52 + frame[41]] for frame in frames)).digest()
    said = {"epoch": epoch, "count": len(frames) - 1, "bytes": sum(map(len, frames)), "sha": sha}
    said |= wrong
    return forge(2, struct.pack(">QQQ32s", *said.values()))


BEGIN = forge(1, (7).to_bytes(8, "big"))
ONE = forge(4, b"one", name=b"one", type=4)
TWO = forge(4, b"two", name=b"two", type=4)


def outcome(data: bytes) -> FramedCheckpoint | tuple[str, int]:
    """What the codec makes of a whole input: a checkpoint, or the error's code and offset."""
    try:
        return decode_checkpoint(data)
    except DecodeError as error:
        return error.code, error.offset


def chunked(pieces: Sequence[bytes]) -> FramedCheckpoint | tuple[str, int]:
    """The same for an input in pieces."""
    reader = CheckpointReader()
    found: list[FramedCheckpoint] = []
    try:
        for piece in pieces:
            answer = reader.feed(piece)
            if isinstance(answer, Delivered):
                found.append(answer.checkpoint)
        reader.close()
    except DecodeError as error:
        return error.code, error.offset
    (checkpoint,) = found
    return checkpoint


def refusal(data: bytes) -> str:
    """The code that both readers refuse an input with."""
    code = outcome(data)
    assert isinstance(code, tuple), "the codec took it"
    with pytest.raises(Refused) as caught:
        framed_reader.read_file(data)
    if code[0] != "trailing":  # a file may hold several checkpoints: a matter of the caller
        assert caught.value.code == code[0]
    return code[0]
