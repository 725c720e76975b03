"""Going on where a payload cannot be read: its end is guessed from the footer after it.

A footer is 0x7e and the section's id; what follows must look like the next thing of a stream.
That is strong evidence and no proof: every guess is kept in `guesses`, for the user to be told.
"""

from __future__ import annotations

import re

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.stream.events import COMMANDS, Mark, SectionKind
from vmsc.stream.state import Measure, SectionHeader

__all__ = ["Guess", "Resync"]

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
        reason.base, reason.offset = header.payload, reason.offset - pos
        self._guesses[header.offset] = Guess(header, end - pos, reason)
        return end


def _find(section: int, buf: Buffer, pos: int, final: bool) -> int | None:
    """The payload's end, where the first footer is that something likely follows."""
    footer = bytes([Mark.FOOTER]) + section.to_bytes(4, "big")
    with memoryview(buf) as view:
        for found in re.compile(re.escape(footer)).finditer(view, pos):
            if _likely(view, found.end(), final):
                return found.start()
    if final:
        return None
    raise Truncated(len(footer), offset=len(buf))


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
