"""What a reader makes of events once they are written: each of them again, or it is of no use.

The check needs no payload. Where a payload ends is the business of its codec, which has written it;
without payloads, heads and footers lie side by side, and a reader that takes each for empty finds
them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError
from vmsc.runtime.framed.context import Started
from vmsc.stream.events import (
    PACKAGED,
    VMSTATE_SIZE,
    Command,
    Configuration,
    Description,
    Eof,
    Event,
    FileHeader,
    Gap,
    Message,
    Section,
    Trailing,
)
from vmsc.stream.reader import read_stream
from vmsc.stream.state import Phase, SectionHeader, State
from vmsc.stream.writer import write_stream

__all__ = ["unreadable"]


def unreadable(events: Sequence[Event]) -> tuple[int, str] | None:
    """The first event that no reader would find again in what is written of these, by its place
    among them, and why; None: each is found. After a gap nobody is asked to read on.
    """
    whole = tuple(takewhile(lambda event: not isinstance(event, Gap), events))
    last, cut = len(whole) - 1, len(whole) < len(events)
    if cut and not whole:
        return None
    if not whole or not isinstance(whole[0], FileHeader | Message):
        return 0, "a stream begins with its header, or a stored checkpoint with a message"
    written = b"".join(write_stream((event, b"") for event in whole))
    reader = read_stream(written, _empty, _before(whole))
    for place, event in enumerate(whole if cut else (*whole, None)):
        try:
            found = next(reader, None)
        except DecodeError as fault:
            return min(place, last), f"no reader gets past it: {fault.message} [{fault.code}]"
        if event is None and found is not None:
            return last, f"after it would be read {_words(found)}"
        if event is not None and (found is None or _content(found) != _content(event)):
            return place, f"it would be read as {_words(found)}"
    return None


def _empty(header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
    return pos


def _before(events: Sequence[Event]) -> State:
    """Where a reader is that comes upon the first event. A stored checkpoint goes on in sections
    that were started before it.
    """
    if isinstance(events[0], FileHeader):
        return State()
    sections = (event for event in events if isinstance(event, Section))
    started = {s.id: Started(s.id, s.name, s.instance, s.version) for s in sections}
    return State(phase=Phase.MESSAGES, colo=True, started=started)


def _content(event: Event) -> tuple[object, ...]:
    """What of an event counts: not its place, nor the sizes that are worked out in writing."""
    match event:
        case Section():
            numbers = (event.id, event.instance, event.version, event.footer, event.inside)
            return "section", event.kind, event.name, *numbers
        case Command(number=number, data=data, inside=inside):
            return "command", number, b"" if number == PACKAGED else data, inside
        case Message(number=number, value=value):
            return "message", number, number == VMSTATE_SIZE or value
        case FileHeader(version=version):
            return "header", version
        case Configuration(body=body):
            return "configuration", body
        case Eof(inside=inside):
            return "eof", inside
        case Description(json=json):
            return "description", json
        case Trailing(data=data):
            return "trailing", data
        case _:
            raise AssertionError(f"no reader gives {event!r} here")


def _words(event: Event | None) -> str:
    match event:
        case None:
            return "nothing"
        case Section(kind=kind, id=id_, name=name, instance=instance, version=version):
            inside = " in a package" if event.inside else ""
            footer = "with" if event.footer else "without"
            return (
                f"the {kind.name.lower()} of section '{name}' id {id_} instance {instance}"
                f" version {version}, {footer} a footer{inside}"
            )
        case Command(name=name) | Message(name=name):
            return f"the {type(event).__name__.lower()} '{name}'"
        case _:
            return f"a part '{_content(event)[0]}' of {event.size} bytes"
