"""Arriving: a stream in pieces, as a pipe gives them -> its entries, in bounded memory.

Nothing needs to seek. A device section whose parameters are not known yet is held, with all that
comes after it, until the JSON description is there, the input ends, or the limit is reached; then
what is known must do.

Law: the entries are those of the same bytes in a file, however they are cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from vmsc.answers import StreamAnswers
from vmsc.binding import Binding, Unsettled
from vmsc.entry import Entry
from vmsc.opened import bad_start
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, ParamError
from vmsc.stream.events import Pages, Section
from vmsc.stream.reader import Piece, StreamReader
from vmsc.stream.state import Measure, State
from vmsc.vmdesc import MAX_SIZE, VmdescError, read_vmdesc

__all__ = ["HOLD", "arriving"]

HOLD = 64 << 20  # bytes

_START = re.compile(rb'\x00\x06(....)\{\s{0,8}"page_size"', re.DOTALL)
_REACH = 32  # bytes that a start has at most


class _Watch:
    """Looks for the JSON description in what is held; each byte is looked at once."""

    def __init__(self) -> None:
        self._seen = 0
        self._found: tuple[int, int] | None = None  # where the JSON lies, or will

    def found(self, held: bytes | bytearray) -> bytes | None:
        """The description, once it is whole. `held` only ever grows."""
        while True:
            if self._found is None:
                match = _START.search(held, self._seen)
                if match is None:
                    self._seen = max(self._seen, len(held) - _REACH)
                    return None
                size = int.from_bytes(match[1], "big")
                self._seen = match.start() + 1
                if size > MAX_SIZE:
                    continue
                self._found = match.end(1), match.end(1) + size
            start, end = self._found
            if end > len(held):
                return None
            self._found = None
            text = bytes(held[start:end])
            try:
                read_vmdesc(text)
            except VmdescError:
                continue
            return text


def arriving(
    pieces: Iterable[Buffer],
    answers: StreamAnswers,
    *,
    hold: int = HOLD,
    deep: bool = True,
    room: int | None = None,
    around: Callable[[Measure], Measure] = lambda measure: measure,
) -> Iterator[Entry]:
    """The entries of the stream that the pieces make, each as soon as it is whole.

    `room`: RAM comes in pieces of about so many bytes, so that no section of it is held whole.
    Raises DecodeError and ParamError, located in the stream.
    """
    binding = Binding(answers.library, answers)
    reader = StreamReader(around(binding.measure), State(room=room))
    pending: Unsettled | None = None
    watch = _Watch()
    start = b""
    for data in pieces:
        if len(start) < 4:
            start += bytes(data[:4])
            if (wrong := bad_start(start)) is not None:
                raise wrong
        given = reader.feed(data)
        if pending is not None:
            described = watch.found(reader.waiting)
            if described is None and reader.held <= hold:
                continue
            answers.take_in(described)
        try:
            yield from _entries(given, binding, deep)
            pending = None
        except Unsettled as wanted:
            pending, watch = wanted.with_traceback(None), _Watch()
        except ParamError as fault:
            raise _lacking(fault, answers, reader.held, hold) from None
    if pending is not None:
        answers.take_in(watch.found(reader.waiting))
    elif not answers.complete:
        answers.take_in(None)
    try:
        yield from _entries(reader.feed(b""), binding, deep)
        yield from _entries(reader.close(), binding, deep)
    except ParamError as fault:
        raise _lacking(fault, answers, reader.held, hold) from None


def _pieces(given: Iterator[Piece], binding: Binding) -> Iterator[Piece]:
    try:
        yield from given
    except DecodeError as fault:
        raise binding.granted(fault) from None


def _entries(given: Iterator[Piece], binding: Binding, deep: bool) -> Iterator[Entry]:
    for piece in _pieces(given, binding):
        event, data = piece.event, memoryview(piece.data)
        payload: Buffer = b""
        if isinstance(event, Section):
            start = event.payload + event.taken - event.start
            payload = data[start : start + event.length - event.taken]
        elif isinstance(event, Pages):
            payload = data[event.payload - event.offset :]
        yield binding.entry(event, payload, deep=deep)


def _lacking(fault: ParamError, answers: StreamAnswers, held: int, hold: int) -> ParamError:
    """The error, with why the stream's own description did not help."""
    if answers.described is not None:
        return fault
    why = "the stream has no JSON description that would tell"
    if held > hold:
        why = f"{held} bytes were held for the JSON description, and --hold is {hold}"
    return ParamError(f"{fault.message}; {why}", name=fault.name)
