"""A stream -> one framed checkpoint, and back. The value of every section that a
description covers is in framed encoding; what none covers is OPAQUE, and says so.

Law: unframe(frame(x)) == x.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from vmsc.inspect.entry import Entry, payload
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import EncodeError
from vmsc.runtime.framed.checkpoint import CheckpointWriter
from vmsc.runtime.framed.context import Context, Setting
from vmsc.runtime.framed.frame import Frame
from vmsc.runtime.wire import ITEM_HEAD
from vmsc.stream.events import Configuration, Event, Section
from vmsc.stream.frames import frame_of

__all__ = ["Long", "framed", "frames", "unframed"]

_NO_CONTEXT = Context()


@dataclass(frozen=True)
class Long:
    """A section without a description, RAM above all, whose payload is here in pieces."""

    event: Section
    pieces: Sequence[Buffer]


def _frame(entry: Entry) -> Frame:
    event = entry.event
    match event:
        case Section() if entry.codec is not None:
            profile = entry.codec.framed
            item = profile.encode(entry.value(), version=event.version, **entry.params)
            return frame_of(event, memoryview(item)[ITEM_HEAD:], entry.codec.digest)
        case Section():
            return frame_of(event, entry.data)
        case _:
            return frame_of(event)


def _settings(entries: Iterable[Entry | Long]) -> tuple[Setting, ...]:
    """The parameters of all sections. Sections of one name and instance have them in common."""
    found: dict[tuple[str, int, str], Setting] = {}
    for entry in entries:
        if isinstance(entry, Long) or not isinstance(entry.event, Section) or entry.codec is None:
            continue
        event = entry.event
        sticky = {p.name for p in entry.codec.params if p.sticky}
        for name, value in entry.params.items():
            if name in sticky:
                continue
            setting = Setting(event.name, name, value, event.instance)
            other = found.setdefault((event.name, event.instance, name), setting)
            if other.value != value:
                message = (
                    f"two sections '{event.name}' instance {event.instance} with different"
                    f" '{name}' ({other.value!r}, {value!r}): a checkpoint cannot tell them apart"
                )
                raise EncodeError(message, code="params")
    return tuple(found.values())


def frames(entries: Iterable[Entry]) -> Iterator[Frame]:
    """One frame an entry."""
    return map(_frame, entries)


def framed(
    entries: Sequence[Entry | Long], epoch: int = 0, context: Context = _NO_CONTEXT
) -> Iterator[Buffer]:
    """A checkpoint's bytes, piece by piece. `context` is what the entries do not tell."""
    settings = (*context.settings, *_settings(entries))
    writer = CheckpointWriter(epoch, Context(context.started, settings))
    yield writer.begin()
    for entry in entries:
        match entry:
            case Long(event=event, pieces=pieces):
                yield from writer.add_pieces(frame_of(event), pieces)
            case Entry():
                yield from writer.add(_frame(entry))
            case _:
                assert_never(entry)
    yield writer.commit()


def unframed(entries: Iterable[Entry]) -> Iterator[tuple[Event, Buffer]]:
    """The stream's events and payloads, for `stream.writer.write_stream`."""
    for entry in entries:
        match entry.event:
            case Section():
                yield entry.event, payload(entry)
            case Configuration(body=body):
                yield entry.event, body
            case _:
                yield entry.event, b""
