"""Frames: bytes <-> Frame. A header that is proven before it is believed, a name, a payload.

The format is docs/framed-format.md; `vmsc.runtime.framed.checkpoint` makes checkpoints of frames.

Laws. A strict prefix of a good frame raises `Truncated`, whose `need` reaches just to the end of
the header, the name or the payload; any other bad input raises `DecodeError`. Any flipped bit is
found: every byte is compared with a constant (magic, format) or lies under one of three checksums,
of the header, the name and the payload, and no length is used before the checksum over it is good.
Limits are checked before a payload is waited for, so a hostile length costs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum

import msgspec
from crc32c import crc32c

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.runtime.framed import MAGIC

__all__ = [
    "FORMAT",
    "HEADER_SIZE",
    "NAME_SIZE_AT",
    "NO_DIGEST",
    "NO_LIMITS",
    "Frame",
    "Header",
    "Kind",
    "Limits",
    "NeedMore",
    "frame_head",
    "label",
    "prove_payload",
    "read_frame",
    "read_header",
    "read_payload",
    "write_frame",
]

FORMAT = 1
NO_DIGEST = bytes(8)
MAX_NAME = 255
MAX_PAYLOAD = (1 << 64) - 1

SKIPPABLE = 1 << 0
FOOTER = 1 << 1
FLAGS = SKIPPABLE | FOOTER

# magic, format, kind, flags; payload length and checksum; instance, version, section id, digest;
# type, name length, reserved, name checksum. The header's own checksum follows.
_FIELDS = struct.Struct(">4sBBHQIIII8sBBHI")
_CRC = struct.Struct(">I")
HEADER_SIZE = _FIELDS.size + _CRC.size
NAME_SIZE_AT = 41


class Kind(IntEnum):
    """What a frame is. Any other kind is refused, unless its frame says that it may be skipped."""

    BEGIN = 1
    COMMIT = 2
    SECTION = 3
    OPAQUE = 4
    RAM = 5
    HEADER = 6
    CONFIGURATION = 7
    COMMAND = 8
    EOF = 9
    DESCRIPTION = 10
    TRAILING = 11
    MESSAGE = 12
    PART = 13
    PART_END = 14


_KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}
_OF_SECTIONS = frozenset({Kind.SECTION, Kind.OPAQUE, Kind.RAM})
_ANY_LENGTH: Sequence[int] = range(MAX_PAYLOAD + 1)
_LENGTHS: dict[Kind, Sequence[int]] = {
    Kind.BEGIN: range(8, MAX_PAYLOAD + 1),
    Kind.COMMIT: (56,),
    Kind.HEADER: (8,),
    Kind.COMMAND: range(2, 2 + 0xFFFF + 1),
    Kind.EOF: (0,),
    Kind.DESCRIPTION: range(0xFFFFFFFF + 1),
    Kind.MESSAGE: (4, 12),
    Kind.PART: (12,),
    Kind.PART_END: (60,),
}


class Limits(msgspec.Struct, frozen=True):
    """How much a reader takes: bytes of one payload; bytes, frames and side channels of one
    checkpoint, all its channels together.
    """

    payload: int = 1 << 30
    total: int = 1 << 40
    frames: int = 1 << 20
    channels: int = 255


NO_LIMITS = Limits(MAX_PAYLOAD, MAX_PAYLOAD, MAX_PAYLOAD, MAX_PAYLOAD)


class NeedMore(msgspec.Struct, frozen=True):
    """A chunked reader's answer while it waits: so many more bytes can be used at once."""

    bytes: int


class Frame(msgspec.Struct, frozen=True):
    """One frame.

    The fields after `payload` belong to frames of sections alone: QEMU's name, instance, version
    (a part's and an end's are those of its start), section id, section type (1 start, 2 part,
    3 end, 4 full), whether a footer follows, and, of a SECTION, the digest of its layout.
    """

    kind: int
    payload: Buffer = b""
    name: str = ""
    instance: int = 0
    version: int = 0
    id: int = 0
    type: int = 0
    footer: bool = False
    digest: bytes = NO_DIGEST
    skippable: bool = False

    @property
    def known(self) -> bool:
        return self.kind in _KINDS


class Header(msgspec.Struct, frozen=True):
    """A frame's header with its name, proven; `frame` is the frame, its payload still empty."""

    frame: Frame
    length: int
    checksum: int


def _text(name: bytes | bytearray | memoryview) -> str:
    return bytes(name).decode("utf-8", "surrogateescape")


def label(kind: int) -> str:
    """What messages call a frame of this kind."""
    return _KINDS[kind].name.replace("_", "-") if kind in _KINDS else f"kind {kind}"


def _unfit(frame: Frame, length: int) -> tuple[str, str] | None:
    """(code, message) of the rule that a header breaks: the same rules for reading and writing."""
    kind = _KINDS.get(frame.kind)
    if kind is None:
        if frame.skippable:
            return None
        return "unknown-frame", f"unknown frame kind {frame.kind}, which may not be skipped"
    if frame.skippable:
        return "bad-frame", f"a {label(kind)} frame says that it may be skipped"
    lengths = _LENGTHS.get(kind, _ANY_LENGTH)
    if length not in lengths:
        between = " to " if isinstance(lengths, range) else " or "
        wanted = between.join(map(str, dict.fromkeys((lengths[0], lengths[-1]))))
        return "bad-frame", f"{wanted} bytes of {label(kind)} payload expected, found {length}"
    if kind in _OF_SECTIONS:
        if not 1 <= frame.type <= 4:
            return "bad-frame", f"section type 1 to 4 expected, found {frame.type}"
        if not frame.name:
            return "bad-frame", f"a {label(kind)} frame without a name"
        if kind is not Kind.SECTION and frame.digest != NO_DIGEST:
            return "bad-frame", f"a {label(kind)} frame has no digest, found {frame.digest.hex()}"
    elif frame != Frame(frame.kind, frame.payload):
        return "bad-frame", f"a {label(kind)} frame with the name or the numbers of a section"
    return None


def frame_head(frame: Frame, pieces: Sequence[Buffer] | None = None) -> bytes:
    """Header and name: with the payload after it, the frame's bytes. `pieces`: the payload, where
    it is not the frame's own; so nothing large is put together.
    """
    name = frame.name.encode("utf-8", "surrogateescape")
    length, checksum = 0, 0
    for piece in (frame.payload,) if pieces is None else pieces:
        length += memoryview(piece).nbytes
        checksum = crc32c(piece, checksum)
    broken = _unfit(frame, length)
    if broken is not None:
        raise EncodeError(broken[1], code=broken[0])
    if len(name) > MAX_NAME:
        raise EncodeError(f"a name of {len(name)} bytes is over the limit {MAX_NAME}", code="limit")
    if len(frame.digest) != len(NO_DIGEST):
        raise EncodeError(f"a digest of 8 bytes expected, found {len(frame.digest)}")
    flags = SKIPPABLE * frame.skippable | FOOTER * frame.footer
    try:
        fields = _FIELDS.pack(
            *(MAGIC, FORMAT, frame.kind, flags, length, checksum),
            *(frame.instance, frame.version, frame.id, frame.digest),
            *(frame.type, len(name), 0, crc32c(name)),
        )
    except struct.error as error:
        raise EncodeError(f"a number of the header does not fit: {error}") from None
    return fields + _CRC.pack(crc32c(fields)) + name


def write_frame(frame: Frame) -> bytes:
    return b"".join((frame_head(frame), frame.payload))


def _check_start(buf: Buffer, pos: int) -> None:
    """Refuse what cannot become a frame, however little of it is here; ask for the whole header."""
    have = len(buf) - pos
    for at, expected in enumerate(MAGIC[:have], pos):
        if buf[at] != expected:
            raise DecodeError(
                f"byte {expected:02x} of the magic VMSF expected, found {buf[at]:02x}",
                offset=at,
                code="bad-magic",
            )
    if have > 4 and buf[pos + 4] != FORMAT:
        raise DecodeError(
            f"frame format {FORMAT} expected, found {buf[pos + 4]}",
            offset=pos + 4,
            code="bad-format",
        )
    if have < HEADER_SIZE:
        raise Truncated(HEADER_SIZE - have, offset=len(buf), path=("header",))


def _check_sum(what: str, found: int, computed: int, offset: int) -> None:
    if found != computed:
        raise DecodeError(
            f"the {what}'s checksum is {found:08x}, its bytes give {computed:08x}",
            offset=offset,
            code="bad-checksum",
        )


def read_header(buf: Buffer, pos: int = 0, limits: Limits = NO_LIMITS) -> tuple[Header, int]:
    """The header at `pos` and the offset of the payload."""
    _check_start(buf, pos)
    end = pos + HEADER_SIZE
    (crc,) = _CRC.unpack_from(buf, end - _CRC.size)
    _check_sum("header", crc, crc32c(bytes(buf[pos : end - _CRC.size])), end - _CRC.size)
    (_, _, kind, flags, length, checksum, instance, version, section, digest, type_, size, spare,
     name_crc) = _FIELDS.unpack_from(buf, pos)  # fmt: skip
    if flags & ~FLAGS:
        raise DecodeError(
            f"unknown flag bits {flags & ~FLAGS:#x}", offset=pos + 6, code="unknown-flag"
        )
    if spare:
        raise DecodeError(f"reserved bytes are {spare:#x}", offset=pos + 42, code="reserved")
    if length > limits.payload:
        raise DecodeError(
            f"a {label(kind)} payload of {length} bytes is over the limit {limits.payload}",
            offset=pos + 8,
            code="limit",
        )
    if len(buf) < end + size:
        raise Truncated(end + size - len(buf), offset=len(buf), path=("name",))
    name = bytes(buf[end : end + size])
    _check_sum("name", name_crc, crc32c(name), pos + 44)
    frame = Frame(
        *(kind, b"", _text(name), instance, version, section, type_),
        *(bool(flags & FOOTER), digest, bool(flags & SKIPPABLE)),
    )
    broken = _unfit(frame, length)
    if broken is not None:
        raise DecodeError(broken[1], offset=pos, code=broken[0])
    return Header(frame, length, checksum), end + size


def prove_payload(header: Header, payload: Buffer, offset: int) -> Frame:
    """The whole frame, of its header and its payload, which stands at `offset` of the input."""
    _check_sum("payload", header.checksum, crc32c(payload), offset)
    return msgspec.structs.replace(header.frame, payload=payload)


def read_payload(header: Header, buf: Buffer, pos: int) -> tuple[Frame, int]:
    """The whole frame, from its header and the offset of its payload, which is a view of `buf`."""
    end = pos + header.length
    if len(buf) < end:
        raise Truncated(end - len(buf), offset=len(buf), path=("payload",))
    return prove_payload(header, memoryview(buf)[pos:end], pos), end


def read_frame(buf: Buffer, pos: int = 0, limits: Limits = NO_LIMITS) -> tuple[Frame, int]:
    """The frame at `pos` and the offset after it."""
    header, body = read_header(buf, pos, limits)
    return read_payload(header, buf, body)
