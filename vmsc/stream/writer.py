"""The inverse of reading: events and payloads -> the stream's bytes.

Law: what `read_stream` made of a stream comes out as the same bytes. Offsets and lengths in events
are not looked at, so payloads may have changed: the sizes that a stream itself carries, of a
package and of COLO's device state, are those of what is written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TypeGuard, assert_never

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import EncodeError
from vmsc.stream.events import (
    MAGIC,
    PACKAGED,
    VMSTATE_SIZE,
    Command,
    Configuration,
    Description,
    Eof,
    Event,
    FileHeader,
    Gap,
    Mark,
    Message,
    Pages,
    Section,
    Trailing,
    footer,
)
from vmsc.stream.primitives import encode_name

__all__ = ["event_bytes", "write_stream"]


def event_bytes(event: Event, payload: Buffer = b"") -> tuple[bytes, Buffer, bytes]:
    """An event's bytes: before the payload, the payload, after it. A section alone has one."""
    try:
        return _event_bytes(event, payload)
    except (struct.error, OverflowError) as error:
        what = type(event).__name__.lower()
        raise EncodeError(f"a number of this {what} does not fit: {error}") from None


def _section_head(section: Section) -> bytes:
    """What stands before a section's payload; a part's and an end's is the id alone."""
    head = struct.pack(">BI", section.kind, section.id)
    if not section.kind.named:
        return head
    name = encode_name(section.name)
    if not 1 <= len(name) <= 255:
        raise EncodeError(f"a section name of 1 to 255 bytes expected, found {len(name)}")
    return head + bytes([len(name)]) + name + struct.pack(">II", section.instance, section.version)


def _event_bytes(event: Event, payload: Buffer) -> tuple[bytes, Buffer, bytes]:
    match event:
        case Section(id=id_, footer=footed):
            after = footer(id_) if footed else b""
            return _section_head(event), payload, after
        case FileHeader(version=version):
            return MAGIC + version.to_bytes(4, "big"), b"", b""
        case Configuration(body=body):
            return bytes([Mark.CONFIGURATION]), body, b""
        case Command(number=number, data=data):
            return struct.pack(">BHH", Mark.COMMAND, number, len(data)), data, b""
        case Message(number=number, value=value):
            size = b"" if value is None else value.to_bytes(8, "big")
            return number.to_bytes(4, "big") + size, b"", b""
        case Eof():
            return bytes([Mark.EOF]), b"", b""
        case Description(json=json):
            return struct.pack(">BI", Mark.DESCRIPTION, len(json)), json, b""
        case Trailing(data=data) | Gap(data=data):
            return b"", data, b""
        case Pages():
            raise AssertionError("a section is written whole, not in pieces")
        case _:
            assert_never(event)


def write_stream(pairs: Iterable[tuple[Event, Buffer]]) -> Iterator[Buffer]:
    """The stream's bytes, piece by piece. A package is put together before its size is written."""
    holder: Command | Message | None = None
    content: list[Buffer] = []
    for event, payload in pairs:
        if holder is not None and not _inside(event):
            yield from _package(holder, content)
            holder, content = None, []
        pieces = event_bytes(event, payload)
        if holder is not None:
            content.extend(pieces)
        elif _holds(event):
            holder = event
        else:
            yield from (piece for piece in pieces if len(piece))
    if holder is not None:
        yield from _package(holder, content)


def _inside(event: Event) -> bool:
    return isinstance(event, Section | Command | Eof) and event.inside


def _holds(event: Event) -> TypeGuard[Command | Message]:
    """Whether this event carries the size of those inside that follow it."""
    match event:
        case Command(number=number):
            return number == PACKAGED
        case Message(number=number):
            return number == VMSTATE_SIZE
    return False


def _package(holder: Command | Message, content: list[Buffer]) -> Iterator[Buffer]:
    size = sum(len(piece) for piece in content)
    match holder:
        case Command():
            if size > 0xFFFFFFFF:
                raise EncodeError(f"a package of {size} bytes does not fit in 32 bits")
            holder = msgspec.structs.replace(holder, data=size.to_bytes(4, "big"))
        case Message():
            holder = msgspec.structs.replace(holder, value=size)
        case _:
            assert_never(holder)
    yield b"".join(event_bytes(holder))
    yield from (piece for piece in content if len(piece))
