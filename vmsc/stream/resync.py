"""Going on where a stream cannot be read: at the footer after a payload, or at the next header.

A footer is 0x7e and the section's id; what follows must look like the next thing of a stream.
That is strong evidence and no proof: every guess is kept in `guesses`, for the user to be told.
Where no footer is found, the bytes up to what looks like a section's header are a `Gap`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.stream.events import COMMANDS, Event, Gap, Mark, SectionKind, footer
from vmsc.stream.state import Measure, Phase, SectionHeader, State
from vmsc.stream.step import step

__all__ = ["Guess", "Resync", "read_resynced"]

_NAMED = (SectionKind.START, SectionKind.FULL)


class Guess(msgspec.Struct, frozen=True):
    """A section whose payload's length was guessed, and why it could not be read."""

    header: SectionHeader
    length: int
    reason: DecodeError


class Resync:
    """A measure that, where another one refuses a payload, looks for the footer instead."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._guesses: dict[int, Guess] = {}  # by offset: a payload may be asked for again

    @property
    def guesses(self) -> tuple[Guess, ...]:
        return tuple(self._guesses.values())

    def __call__(self, header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        try:
            return self._measure(header, buf, pos, final)
        except DecodeError as error:
            if isinstance(error, Truncated) and not final:
                raise
            reason = error
        end = _find(header.id, buf, pos, final)
        if end is None:
            raise reason
        reason.__traceback__ = None  # it holds the buffer
        reason.section, reason.instance = header.name, header.instance
        reason.base = header.payload
        reason.offset += header.taken - pos
        self._guesses[header.offset] = Guess(header, header.taken + end - pos, reason)
        return end


def _find(section: int, buf: Buffer, pos: int, final: bool) -> int | None:
    """The payload's end, where the first footer is that something likely follows."""
    end = footer(section)
    with memoryview(buf) as view:
        for found in re.compile(re.escape(end)).finditer(view, pos):
            if _likely(view, found.end(), final):
                return found.start()
    if final:
        return None
    raise Truncated(len(end), offset=len(buf))


def _likely(data: memoryview, pos: int, final: bool) -> bool:
    """Whether something of a stream may begin at `pos`; Truncated if only more bytes can tell."""
    if pos == len(data) and final:
        return True
    size = 1
    if pos < len(data) and data[pos] in _NAMED:
        size = 6 + (data[pos + 5] if pos + 5 < len(data) else 0)
    elif pos < len(data) and data[pos] == Mark.COMMAND:
        size = 3
    if len(data) - pos < size:
        if final:
            return False
        raise Truncated(pos + size - len(data), offset=len(data))
    if data[pos] in _NAMED:
        name = data[pos + 6 : pos + size]
        return len(name) > 0 and all(0x20 <= byte < 0x7F for byte in name)
    if data[pos] == Mark.COMMAND:
        return int.from_bytes(data[pos + 1 : pos + 3], "big") in COMMANDS
    return data[pos] in (Mark.EOF, SectionKind.PART, SectionKind.END)


# --- without a footer -----------------------------------------------------------------------------

# START or FULL: a section id below 4096, a name of 2 to 255 bytes, instance, version below 256.
_HEADER = re.compile(
    rb"[\x01\x04]\x00\x00[\x00-\x0f].(?P<size>[\x02-\xff])[\x20-\x7e]{2}", re.DOTALL
)
_PRINTABLE = re.compile(rb"[\x20-\x7e]+")
_GOING_ON = frozenset({Phase.SETUP, Phase.SECTIONS, Phase.LIVE, Phase.DEVICES})


def read_resynced(buf: Buffer, measure: Measure, state: State | None = None) -> Iterator[Event]:
    """The events of all of `buf`. What cannot be read is a Gap, up to the next section's header;
    where there is none, the error is raised.
    """
    pos, state = 0, state or State()
    while True:
        try:
            found = step(buf, pos, state, measure)
        except DecodeError as error:
            after = _next_header(buf, pos + 1) if state.phase in _GOING_ON else None
            if after is None:
                raise
            yield Gap(state.base + pos, bytes(buf[pos:after]), str(error))
            pos = after
            state = msgspec.structs.replace(state, bound=None, going=None, done=0)
            continue
        if found is None:
            return
        event, pos, state = found
        yield event


def _next_header(buf: Buffer, pos: int) -> int | None:
    """Where the next START or FULL section seems to begin."""
    with memoryview(buf) as view:
        for match in _HEADER.finditer(view, pos):
            start, end = match.start(), match.start() + 6 + match["size"][0]
            name, version = bytes(view[start + 6 : end]), bytes(view[end + 4 : end + 8])
            if len(version) == 4 and version[:3] == bytes(3) and _PRINTABLE.fullmatch(name):
                return start
    return None
