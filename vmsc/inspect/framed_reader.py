"""A framed checkpoint: framed bytes -> entries. Only with its COMMIT does any of it count.

What QEMU's bytes do not say is in the context: a section's parameters, and of RAM, whose frames
hold QEMU's own encoding, the block that its first page goes on with. A RAM frame of which the
context does not say how it is to be read (its page size) stays opaque.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from vmsc.compiler.library import Library
from vmsc.inspect.binder import ram_form
from vmsc.inspect.entry import Entry, located, payload
from vmsc.inspect.values import stickies
from vmsc.runtime.codec import Buffer, Codec, Param
from vmsc.runtime.errors import CodecError, DecodeError
from vmsc.runtime.framed.checkpoint import decode_checkpoint
from vmsc.runtime.framed.context import Context
from vmsc.runtime.framed.frame import Frame, Kind, frame_head, read_header
from vmsc.runtime.wire import STRUCT, item_header
from vmsc.stream.events import Command, Eof, Event, Message, Section
from vmsc.stream.frames import event_of, is_ram
from vmsc.stream.primitives import encode_name
from vmsc.stream.ram import Page, ram_measure
from vmsc.stream.state import SectionHeader
from vmsc.stream.writer import event_bytes

__all__ = ["frame_entries"]


def frame_entries(data: Buffer, library: Library) -> Iterator[Entry]:
    return map(_Package().marked, _frames_apart(data, library))


def _frames_apart(data: Buffer, library: Library) -> Iterator[Entry]:
    checkpoint = decode_checkpoint(data)
    sections = _Sections(library, checkpoint.context)
    for frame, offset in _placed(checkpoint.frames, data):
        event = _moved(event_of(frame), offset, frame)
        if isinstance(event, Section):
            yield sections.entry(event, frame)
        else:
            body = library.vmsd("configuration") if frame.kind == Kind.CONFIGURATION else None
            yield Entry(event, frame.payload, body)


class _Sections:
    """The entries of sections, in order: each with the parameters that the context has for it, and
    with what the section before it of the same id leaves behind.
    """

    def __init__(self, library: Library, context: Context) -> None:
        self._library = library
        self._settings: dict[tuple[str, int | None], dict[str, Any]] = {}
        self._sticky: dict[int, dict[str, Any]] = {}
        self._before: dict[int, Entry] = {}  # RAM, which is walked only if more of it follows
        for setting in context.settings:
            named = self._settings.setdefault((setting.section, setting.instance), {})
            named[setting.name] = setting.value

    def entry(self, event: Section, frame: Frame) -> Entry:
        match frame.kind:
            case Kind.SECTION:
                codec = _framed_codec(frame, self._library)
                found = self._bound(event, frame, codec, _item(frame), framed=True)
                if any(p.sticky for p in codec.params):
                    self._sticky[frame.id] |= stickies(codec, found.value())
                return found
            case Kind.RAM:
                return self._ram(event, frame)
            case _:
                return Entry(event, frame.payload)

    def _ram(self, event: Section, frame: Frame) -> Entry:
        codec = self._library.device(frame.name, frame.instance, frame.version)
        if codec is None or not is_ram(frame.name):
            return Entry(event, frame.payload)
        said = self._params(frame, codec)
        if any(p.name not in said for p in codec.params if p.default is None):
            return Entry(event, frame.payload)
        before = self._before.get(frame.id)
        if before is not None:
            self._sticky[frame.id] |= _left_behind(before)
        found = self._bound(event, frame, codec, frame.payload)
        self._before[frame.id] = found
        return found

    def _bound(
        self, event: Section, frame: Frame, codec: Codec, data: Buffer, *, framed: bool = False
    ) -> Entry:
        left = self._sticky.setdefault(frame.id, {})
        params = self._params(frame, codec) | left
        return Entry(event, data, codec, params, framed=framed, inherited=not left)

    def _params(self, frame: Frame, codec: Codec) -> dict[str, Any]:
        """What the context says of the parameters that this section has."""
        said = dict(self._settings.get((frame.name, None), {}))
        said |= self._settings.get((frame.name, frame.instance), {})
        return {p.name: _fit(p, said[p.name], frame) for p in codec.params if p.name in said}


def _fit(param: Param, value: int | str | bytes, frame: Frame) -> int | str | bytes:
    """A parameter's value as the codec takes it. RAM's block may be said as a word."""
    match param.kind, value:
        case ("bytes", bytes()) | ("words", str()):
            return value
        case "bytes", str():
            return encode_name(value)
        case "number" | "bool" | "bits", int():
            return value
    kind = {"bytes": "bytes", "words": "a word"}.get(param.kind, "a number")
    message = f"{kind} expected for '{param.name}' of section '{frame.name}', found {value!r}"
    raise DecodeError(message, offset=0, code="bad-context", path=("context",))


def _left_behind(entry: Entry) -> dict[str, Any]:
    """The block that the next part of RAM goes on with, if this one names any."""
    event, names = entry.event, list[str]()
    assert isinstance(event, Section)

    def told(page: Page) -> None:
        if page.block is not None:
            names[:] = [page.block]

    numbers = event.kind, event.id, event.name, event.instance, event.version
    header = SectionHeader(*numbers, offset=event.offset, payload=event.payload)
    try:
        ram_measure(ram_form(entry.params), told)(header, entry.data, 0, True)
    except CodecError as fault:
        raise located(fault, event) from None
    return {"block": encode_name(names[0])} if names else {}


class _Package:
    """Which of a checkpoint's entries lie in a package: its size tells, the frames do not."""

    def __init__(self) -> None:
        self._left = 0

    def marked(self, entry: Entry) -> Entry:
        event = entry.event
        match event:
            case Section() | Command() | Eof() if self._left > 0:
                event = msgspec.structs.replace(event, inside=True)
                self._left -= sum(map(len, event_bytes(event, payload(entry))))
                return dataclasses.replace(entry, event=event)
            case Command():
                self._left = event.package
            case Message():
                self._left = event.value or 0
        return entry


def _placed(frames: Sequence[Frame], data: Buffer) -> Iterator[tuple[Frame, int]]:
    """The frames with their offsets in the file, those between that are passed over left out."""
    pos, rest = 0, iter(frames)
    frame = next(rest, None)
    while frame is not None:
        header, start = read_header(data, pos)
        if header.frame.kind == frame.kind:
            yield frame, pos
            frame = next(rest, None)
        pos = start + header.length


def _moved(event: Event, offset: int, frame: Frame) -> Event:
    """The event with the places that its frame has in the file."""
    if isinstance(event, Section):
        start = offset + len(frame_head(frame))
        places = {"offset": offset, "payload": start, "length": len(frame.payload)}
        return msgspec.structs.replace(event, **places)
    return msgspec.structs.replace(event, offset=offset)


def _item(frame: Frame) -> bytes:
    """A frame's payload as the STRUCT item that a codec reads: a frame has the length itself."""
    return item_header(STRUCT, len(frame.payload)) + frame.payload


def _framed_codec(frame: Frame, library: Library) -> Codec:
    """The codec that a frame was made with: of the same layout, or none."""
    codec = library.of_layout(frame.name, frame.digest)
    if codec is not None:
        return codec
    codec = library.device(frame.name, frame.instance, frame.version)
    where = f"section '{frame.name}' instance {frame.instance}"
    if codec is None:
        message = f"{where}: no description; give its schema with -s DIR or a plugin with -p FILE"
        raise DecodeError(message, offset=0, code="unknown-section")
    if codec.digest != frame.digest:
        message = (
            f"{where}: framed with layout {frame.digest.hex()}, the schemas here have"
            f" {codec.digest.hex()}: give the schemas that it was framed with (-s DIR)"
        )
        raise DecodeError(message, offset=0, code="layout")
    return codec
