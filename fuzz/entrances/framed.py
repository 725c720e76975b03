"""A framed checkpoint: as it is, and with its checksums made right, so that damage gets further."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import crc32c
import stream
from streams_at_hand import DATA, frame, library

from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters
from vmsc.runtime.errors import CodecError
from vmsc.runtime.framed.collector import CheckpointCollector

REFUSALS = (CodecError,)
_HEADER, _COMMIT = 52, 2


def corpus() -> Iterator[bytes]:
    known = open_parameters(b"", library(), (), DATA / "usb.machine.json")
    for data in list(stream.corpus())[1:]:
        yield frame(data, known)


def enter(data: bytes) -> None:
    for each in (data, resealed(data)):
        collector = CheckpointCollector()
        half = len(each) // 2
        with contextlib.suppress(CodecError):
            done = collector.feed(each[:half]) or collector.feed(each[half:])
            while done is not None:
                done = collector.feed()
            collector.close()
        with contextlib.suppress(CodecError):
            stream.values(entries(each, library(), open_parameters(b"", library())))


def resealed(data: bytes) -> bytes:
    """The frames with checksums of what is in them, and a COMMIT that counts them."""
    out, pos, heads, count = bytearray(data), 0, b"", 0
    while pos + _HEADER <= len(out):
        length, name = int.from_bytes(out[pos + 8 : pos + 16]), out[pos + 41]
        body = pos + _HEADER + name
        end = body + length
        if end > len(out):
            break
        if out[pos + 5] == _COMMIT and length == 56:
            told = (count - 1).to_bytes(8), pos.to_bytes(8), hashlib.sha256(heads).digest()
            out[body + 8 : end] = b"".join(told)
        out[pos + 16 : pos + 20] = crc32c.crc32c(bytes(out[body:end])).to_bytes(4)
        out[pos + 44 : pos + 48] = crc32c.crc32c(bytes(out[pos + _HEADER : body])).to_bytes(4)
        out[pos + 48 : pos + 52] = crc32c.crc32c(bytes(out[pos : pos + 48])).to_bytes(4)
        heads += bytes(out[pos:body])
        count += 1
        pos = end
    return bytes(out)
