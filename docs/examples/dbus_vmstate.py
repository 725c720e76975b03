"""A plugin in one file: a section handler, for a section that no description covers.

`dbus-vmstate` carries the state of helper processes: a be32 length and as many bytes, which are the
helpers' own business. A handler is asked by name, instance and version, and answers with a codec.
"""

from __future__ import annotations

import hashlib
import struct

import msgspec

from vmsc.hooks import SectionHandler, hook
from vmsc.runtime import wire
from vmsc.runtime.codec import Buffer, Codec, Profile
from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.runtime.types import Bytes

__all__ = ["vmsc_sections"]

LIMIT = 1 << 20  # QEMU's own, DBUS_VMSTATE_SIZE_LIMIT

_U32 = struct.Struct(">I")


class DbusVmstate(msgspec.Struct, gc=False):
    """What the helpers want kept."""

    data: Bytes


def scan(buf: Buffer, pos: int = 0, *, final: bool = True, version: int = 0) -> int:
    start = wire.place(buf, pos, 4)
    (length,) = _U32.unpack_from(buf, pos)
    if length > LIMIT:
        message = f"length {length} is over the limit {LIMIT}"
        raise DecodeError(message, offset=pos, code="limit", path=("data",))
    return wire.place(buf, start, length)


def decode_from(
    buf: Buffer, pos: int = 0, *, final: bool = True, version: int = 0
) -> tuple[DbusVmstate, int]:
    end = scan(buf, pos)
    return DbusVmstate(bytes(buf[pos + 4 : end])), end


def decode(buf: Buffer, *, version: int = 0) -> DbusVmstate:
    value, end = decode_from(buf)
    wire.finished(end, len(buf))
    return value


def encode(value: DbusVmstate, *, version: int = 0) -> bytes:
    if len(value.data) > LIMIT:
        message = f"length {len(value.data)} is over the limit {LIMIT}"
        raise EncodeError(message, code="limit", path=("data",))
    return _U32.pack(len(value.data)) + value.data


def measure(value: DbusVmstate, *, version: int = 0) -> int:
    return 4 + len(value.data)


# In the framed profile the same value is a STRUCT of one BYTES item.


def scan_framed(buf: Buffer, pos: int = 0, *, final: bool = True, version: int = 0) -> int:
    return wire.item(buf, pos, wire.STRUCT)[1]


def decode_framed_from(
    buf: Buffer, pos: int = 0, *, final: bool = True, version: int = 0
) -> tuple[DbusVmstate, int]:
    inside, start, end = wire.closed(buf, pos, wire.STRUCT)
    try:
        first, last = wire.item(inside, start, wire.BYTES)
    except Truncated as fault:  # all of the value is there, so more input would not help
        raise wire.overrun(fault, end, "the description") from None
    if last != end:
        wire.leftover(last, end, "the description")
    return DbusVmstate(bytes(inside[first:last])), end


def decode_framed(buf: Buffer, *, version: int = 0) -> DbusVmstate:
    value, end = decode_framed_from(buf)
    wire.finished(end, len(buf))
    return value


def encode_framed(value: DbusVmstate, *, version: int = 0) -> bytes:
    return wire.struct_item([wire.bytes_item(value.data, LIMIT)])


def measure_framed(value: DbusVmstate, *, version: int = 0) -> int:
    return 10 + len(value.data)


CODEC = Codec(
    "dbus-vmstate", "device", 0, 0, DbusVmstate, "bounded",
    hashlib.sha256(b"dbus-vmstate: be32 length, bytes").digest()[:8], (),
    Profile(encode, decode, decode_from, measure, scan),
    Profile(encode_framed, decode_framed, decode_framed_from, measure_framed, scan_framed),
)  # fmt: skip


def find(name: str, instance: int, version: int) -> Codec | None:
    """The codec of a section, or None where it is not ours. A device's path may stand in front."""
    return CODEC if name.split("/")[-1] == "dbus-vmstate" and version == 0 else None


@hook
def vmsc_sections() -> list[SectionHandler]:
    return [SectionHandler("dbus-vmstate", "the state of helper processes", find)]
