"""The few fixed fields of a stream's own frame: numbers and counted names, or Truncated."""

from __future__ import annotations

import struct

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated

__all__ = [
    "be16",
    "be32",
    "be64",
    "decode_name",
    "encode_name",
    "refuse",
    "string8",
    "take",
    "want",
]

_BE16 = struct.Struct(">H")
_BE32 = struct.Struct(">I")
_BE64 = struct.Struct(">Q")


def want(buf: Buffer, pos: int, size: int, *path: str) -> None:
    """Raise Truncated unless `size` bytes stand at `pos`."""
    if len(buf) - pos < size:
        raise Truncated(pos + size - len(buf), offset=len(buf), path=path)


def refuse(code: str, message: str, offset: int) -> DecodeError:
    return DecodeError(message, code=code, offset=offset)


def be16(buf: Buffer, pos: int, what: str) -> int:
    want(buf, pos, 2, what)
    return int(_BE16.unpack_from(buf, pos)[0])


def be32(buf: Buffer, pos: int, what: str) -> int:
    want(buf, pos, 4, what)
    return int(_BE32.unpack_from(buf, pos)[0])


def be64(buf: Buffer, pos: int, what: str) -> int:
    want(buf, pos, 8, what)
    return int(_BE64.unpack_from(buf, pos)[0])


def take(buf: Buffer, pos: int, size: int, what: str) -> tuple[bytes, int]:
    want(buf, pos, size, what)
    return bytes(buf[pos : pos + size]), pos + size


def string8(buf: Buffer, pos: int, what: str) -> tuple[str, int]:
    want(buf, pos, 1, what)
    name, end = take(buf, pos + 1, buf[pos], what)
    return decode_name(name), end


def decode_name(name: bytes) -> str:
    """A name as text; bytes that are not UTF-8 survive the way there and back."""
    return name.decode("utf-8", "surrogateescape")


def encode_name(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
