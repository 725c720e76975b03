"""A plugin in one file: the three wire types of a redirected USB device (QEMU, hw/usb/redirect.c).

QEMU writes them with open-coded put() functions. Each is described here by the pair of functions
that decode and encode it:

    usb_redir_parser        be32 length, then as many bytes
    usb_redir_bufpq         be32 count, then for each packet be32 length, be32 status, the bytes
    usb_redir_packet_id_q   be32 count, then a be64 for each id

Use it with `-p usb_redir.py`; the schema that names the types is usb_redir.vmsd.
"""

from __future__ import annotations

import struct
from typing import Annotated

import msgspec

from vmsc.hooks import PythonName, WireType, hook
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, EncodeError
from vmsc.runtime.types import S32, U64, Bytes, Wire
from vmsc.runtime.wire import numbers, place

__all__ = ["Ids", "Packet", "Packets", "Parser", "vmsc_types"]

# Counts and lengths come from the wire: each has a limit, and is refused before it costs memory.
MAX_STATE = 64 << 20  # bytes of the parser's state
MAX_PACKETS = 1 << 16
MAX_PACKET = 16 << 20  # bytes
MAX_IDS = 1 << 16

_U32 = struct.Struct(">I")
_PACKET = struct.Struct(">Ii")


class Packet(msgspec.Struct, gc=False):
    """One buffered packet."""

    status: S32
    data: Bytes


Parser = Annotated[bytes, Wire("bytes")]
Packets = list[Packet]
Ids = list[U64]


# --- what all three share -------------------------------------------------------------------------


def _within(found: int, limit: int, what: str, offset: int) -> int:
    if found > limit:
        message = f"{what} {found} is over the limit {limit}"
        raise DecodeError(message, offset=offset, code="limit")
    return found


def _head(buf: Buffer, pos: int, limit: int, what: str) -> tuple[int, int]:
    """The be32 at `pos`, within its limit, and where it ends. `place` raises Truncated."""
    end = place(buf, pos, 4)
    (found,) = _U32.unpack_from(buf, pos)
    return _within(found, limit, what, pos), end


def _fit(found: int, limit: int, what: str) -> int:
    if found > limit:
        raise EncodeError(f"{what} {found} is over the limit {limit}", code="limit")
    return found


# --- usb_redir_parser -----------------------------------------------------------------------------


def decode_parser(buf: Buffer, pos: int) -> tuple[bytes, int]:
    length, start = _head(buf, pos, MAX_STATE, "length")
    end = place(buf, start, length)
    return bytes(buf[start:end]), end


def encode_parser(value: bytes) -> bytes:
    return _U32.pack(_fit(len(value), MAX_STATE, "length")) + value


# --- usb_redir_bufpq ------------------------------------------------------------------------------


def _packet(buf: Buffer, pos: int) -> tuple[Packet, int]:
    start = place(buf, pos, _PACKET.size)
    length, status = _PACKET.unpack_from(buf, pos)
    end = place(buf, start, _within(length, MAX_PACKET, "length", pos))
    return Packet(status, bytes(buf[start:end])), end


def decode_packets(buf: Buffer, pos: int) -> tuple[list[Packet], int]:
    count, pos = _head(buf, pos, MAX_PACKETS, "count")
    packets = []
    for index in range(count):
        try:
            packet, pos = _packet(buf, pos)
        except DecodeError as fault:
            fault.within(index)  # the error then says `bufpq[3]`
            raise
        packets.append(packet)
    return packets, pos


def encode_packets(value: list[Packet]) -> bytes:
    parts = [_U32.pack(_fit(len(value), MAX_PACKETS, "count"))]
    for index, packet in enumerate(value):
        try:
            length = _fit(len(packet.data), MAX_PACKET, "length")
            parts += [_PACKET.pack(length, packet.status), packet.data]
        except struct.error:
            message = f"status {packet.status!r} does not fit into 32 bits"
            raise EncodeError(message, code="range", path=(index, "status")) from None
        except EncodeError as fault:
            fault.within(index)
            raise
    return b"".join(parts)


# --- usb_redir_packet_id_q ------------------------------------------------------------------------


def decode_ids(buf: Buffer, pos: int) -> tuple[list[int], int]:
    count, pos = _head(buf, pos, MAX_IDS, "count")
    return numbers(buf, pos, count, ">Q", 8)


def encode_ids(value: list[int]) -> bytes:
    count = _fit(len(value), MAX_IDS, "count")
    try:
        return struct.pack(f">I{count}Q", count, *value)
    except struct.error as fault:
        raise EncodeError(f"an id does not fit into 64 bits: {fault}", code="range") from None


# --- the hook -------------------------------------------------------------------------------------


def _type(name: str, summary: str, decode: str, encode: str, type_: str) -> WireType:
    functions = {"decode": decode, "encode": encode, "type": type_}
    return WireType(name, summary, {k: PythonName(__name__, f) for k, f in functions.items()})


@hook
def vmsc_types() -> list[WireType]:
    return [
        _type("usb_redir_parser", "libusbredirparser's own state",
              "decode_parser", "encode_parser", "Parser"),
        _type("usb_redir_bufpq", "packets that the guest has not asked for yet",
              "decode_packets", "encode_packets", "Packets"),
        _type("usb_redir_packet_id_q", "ids of packets under way",
              "decode_ids", "encode_ids", "Ids"),
    ]  # fmt: skip
