"""A stored checkpoint: framed bytes -> entries. Only with its COMMIT does any of it count."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from vmsc.entry import Entry, payload, stickies
from vmsc.library import Library
from vmsc.runtime.checkpoint import decode_checkpoint
from vmsc.runtime.codec import Buffer, Codec
from vmsc.runtime.errors import DecodeError
from vmsc.runtime.frame import Frame, Kind, frame_head, read_header
from vmsc.runtime.wire import STRUCT, item_header
from vmsc.stream.container import event_of
from vmsc.stream.events import Command, Eof, Event, Message, Section
from vmsc.stream.writer import event_bytes

__all__ = ["frame_entries"]


def frame_entries(data: Buffer, library: Library) -> Iterator[Entry]:
    return map(_Package().marked, _frames_apart(data, library))


def _frames_apart(data: Buffer, library: Library) -> Iterator[Entry]:
    checkpoint = decode_checkpoint(data)
    settings: dict[tuple[str, int | None], dict[str, Any]] = {}
    for setting in checkpoint.context.settings:
        named = settings.setdefault((setting.section, setting.instance), {})
        named[setting.name] = setting.value
    sticky: dict[int, dict[str, Any]] = {}
    for frame, offset in _placed(checkpoint.frames, data):
        event = _moved(event_of(frame), offset, frame)
        if not isinstance(event, Section):
            body = library.vmsd("configuration") if frame.kind == Kind.CONFIGURATION else None
            yield Entry(event, frame.payload, body)
            continue
        if frame.kind != Kind.SECTION:
            yield Entry(event, frame.payload)
            continue
        codec = _framed_codec(frame, library)
        params = dict(settings.get((frame.name, None), {}))
        params |= settings.get((frame.name, frame.instance), {})
        entry = Entry(event, _item(frame), codec, params | sticky.get(frame.id, {}), framed=True)
        if any(p.sticky for p in codec.params):
            sticky.setdefault(frame.id, {}).update(stickies(codec, entry.value()))
        yield entry


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
