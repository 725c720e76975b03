"""An opened stream: all its bytes -> its entries. QEMU's streams and framed checkpoints alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from vmsc.binding import Binding
from vmsc.entry import ITEM_HEAD, Answers, Entry, Value, count_fields, last_sticky, located
from vmsc.entry import payload as payload
from vmsc.entry import stickies as stickies
from vmsc.library import Library
from vmsc.runtime.checkpoint import decode_checkpoint
from vmsc.runtime.codec import Buffer, Codec
from vmsc.runtime.errors import DecodeError
from vmsc.runtime.frame import MAGIC, Frame, Kind, frame_head, read_header
from vmsc.runtime.wire import STRUCT, item_header
from vmsc.stream.container import event_of
from vmsc.stream.events import Command, Eof, Event, Message, Pages, Section
from vmsc.stream.reader import read_stream
from vmsc.stream.state import Measure, State
from vmsc.stream.writer import event_bytes

__all__ = [
    "ITEM_HEAD", "Answers", "Entry", "Value", "bad_start", "count_fields", "entries", "is_framed",
    "last_sticky", "located", "payload", "stream_measure",
]  # fmt: skip

STREAM_MAGIC = b"QEVM"


def is_framed(data: Buffer) -> bool:
    return bytes(data[: len(MAGIC)]) == MAGIC


def bad_start(data: Buffer) -> DecodeError | None:
    """What is wrong with the beginning of an input that no framed checkpoint is."""
    start = bytes(data[: len(STREAM_MAGIC)])
    if start == STREAM_MAGIC[: len(start)]:
        return None
    message = f"neither a QEMU stream (QEVM) nor a framed checkpoint (VMSF): it begins {start!r}"
    return DecodeError(message, offset=0, code="bad-magic")


# --- QEMU's streams -------------------------------------------------------------------------------


def _stream_entries(data: Buffer, binding: Binding, measure: Measure, deep: bool,
                    room: int | None) -> Iterator[Entry]:  # fmt: skip
    view = memoryview(data)
    for event in read_stream(data, measure, State(room=room)):
        part: Buffer = b""
        if isinstance(event, Section):
            part = view[event.payload + event.taken : event.payload + event.length]
        elif isinstance(event, Pages):
            part = view[event.payload : event.payload + event.length]
        yield binding.entry(event, part, deep=deep)


def stream_measure(library: Library, answers: Answers) -> Measure:
    """A measure for one stream's sections, for a reader of `stream` that is fed piece by piece."""
    return Binding(library, answers).measure


# --- framed checkpoints ---------------------------------------------------------------------------


def _frame_entries(data: Buffer, library: Library) -> Iterator[Entry]:
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


def entries(
    data: Buffer,
    library: Library,
    answers: Answers,
    *,
    deep: bool = True,
    room: int | None = None,
    around: Callable[[Measure], Measure] = lambda measure: measure,
) -> Iterator[Entry]:
    """The entries of a stream or of a framed checkpoint, in order.

    `deep`: values will be asked for, so sticky state is followed from section to section. `room`:
    RAM comes in pieces of about so many bytes. `around` may put another measure in front.
    Raises DecodeError and ParamError, located in the file.
    """
    if is_framed(data):
        return _frame_entries(data, library)
    if (wrong := bad_start(data)) is not None:
        raise wrong
    binding = Binding(library, answers)
    return _stream_entries(data, binding, around(binding.measure), deep, room)
