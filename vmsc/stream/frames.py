"""A QEMU stream in frames, and back: event <-> Frame (docs/framed-format.md, "A stream in frames").

Law: the frames of a stream's events, turned back and put together, are the stream. A SECTION's
payload is the framed encoding of its value: the caller, who has the codecs, turns it from and into
QEMU's bytes; every other payload is QEMU's bytes unchanged.
"""

from __future__ import annotations

from typing import assert_never

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError
from vmsc.runtime.framed.context import Context, Setting
from vmsc.runtime.framed.frame import NO_DIGEST, Frame, Kind
from vmsc.stream.events import (
    MAGIC,
    MESSAGES,
    RAM,
    VMSTATE_SIZE,
    Command,
    Configuration,
    Description,
    Eof,
    Event,
    FileHeader,
    Gap,
    Message,
    Pages,
    Section,
    SectionKind,
    Trailing,
)
from vmsc.stream.state import State
from vmsc.stream.writer import event_bytes

__all__ = ["context_of", "event_of", "frame_of", "is_ram", "wire_of"]

_SECTIONS = (Kind.SECTION, Kind.OPAQUE, Kind.RAM)


def is_ram(name: str) -> bool:
    """Whether a section's payload is RAM in QEMU's own encoding, which needs no description."""
    return name == RAM


def frame_of(event: Event, payload: Buffer = b"", digest: bytes | None = None) -> Frame:
    """An event's frame. `payload` is a section's: framed, with `digest`, or QEMU's, without."""
    match event:
        case Section():
            raw = Kind.RAM if is_ram(event.name) else Kind.OPAQUE
            return Frame(
                raw if digest is None else Kind.SECTION,
                payload,
                name=event.name,
                instance=event.instance,
                version=event.version,
                id=event.id,
                type=int(event.kind),
                footer=event.footer,
                digest=NO_DIGEST if digest is None else digest,
            )
        case FileHeader():
            return Frame(Kind.HEADER, event_bytes(event)[0])
        case Configuration(body=body):
            return Frame(Kind.CONFIGURATION, body)
        case Command(number=number, data=data):
            return Frame(Kind.COMMAND, number.to_bytes(2, "big") + data)
        case Message():
            return Frame(Kind.MESSAGE, event_bytes(event)[0])
        case Eof():
            return Frame(Kind.EOF)
        case Description(json=json):
            return Frame(Kind.DESCRIPTION, json)
        case Trailing(data=data) | Gap(data=data):
            return Frame(Kind.TRAILING, data)
        case Pages():
            raise AssertionError("a section is framed whole, not in pieces")
        case _:
            assert_never(event)


def wire_of(frame: Frame, payload: Buffer | None = None) -> tuple[bytes, Buffer, bytes]:
    """QEMU's bytes of a frame: before the payload, the payload, after it.

    `payload` is a SECTION's value in QEMU's encoding; the other kinds have it in the frame.
    """
    assert (payload is not None) == (frame.kind == Kind.SECTION)
    return event_bytes(event_of(frame), frame.payload if payload is None else payload)


def event_of(frame: Frame) -> Event:
    """The frame's event, at no particular place."""
    data = b"" if frame.kind in _SECTIONS else bytes(frame.payload)
    match frame.kind:
        case Kind.SECTION | Kind.OPAQUE | Kind.RAM:
            kind, numbers = SectionKind(frame.type), (frame.instance, frame.version)
            return Section(0, kind, frame.id, frame.name, *numbers, 0, 0, frame.footer)
        case Kind.HEADER:
            if data[:4] != MAGIC:
                raise _refuse(f"QEVM expected in a HEADER frame, found {data[:4].hex()}")
            return FileHeader(0, int.from_bytes(data[4:], "big"))
        case Kind.CONFIGURATION:
            return Configuration(0, data)
        case Kind.COMMAND:
            return Command(0, int.from_bytes(data[:2], "big"), data[2:])
        case Kind.MESSAGE:
            return _message(data)
        case Kind.EOF:
            return Eof(0)
        case Kind.DESCRIPTION:
            return Description(0, data)
        case Kind.TRAILING:
            return Trailing(0, data)
    raise AssertionError(f"frame kind {frame.kind} is no part of a stream")


def _message(data: bytes) -> Message:
    number = int.from_bytes(data[:4], "big")
    if number >= len(MESSAGES) or len(data) != (12 if number == VMSTATE_SIZE else 4):
        raise _refuse(f"a COLO message expected in a MESSAGE frame, found {data.hex()}")
    return Message(0, number, int.from_bytes(data[4:], "big") if len(data) == 12 else None)


def _refuse(message: str) -> DecodeError:
    return DecodeError(message, offset=0, code="bad-frame")


def context_of(state: State, settings: tuple[Setting, ...] = ()) -> Context:
    """The context of a checkpoint whose first frame is what a reader in `state` reads next."""
    return Context(tuple(state.started.values()), settings)
