"""A stream in pieces, as a pipe gives them -> its entries, in bounded memory.

Nothing needs to seek. A device section whose parameters are not known yet is held, with all that
comes after it, until the JSON description is there, the input ends, or the limit is reached; then
what is known must do.

Law: the entries are those of the same bytes in a file, however they are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vmsc.inspect.binder import SectionBinder, Unsettled
from vmsc.inspect.entry import Entry
from vmsc.inspect.file_reader import bad_start, unanswered
from vmsc.inspect.parameters import StreamParameters
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, ParamError
from vmsc.stream.events import Pages, Section
from vmsc.stream.reader import Piece, StreamReader
from vmsc.stream.state import Measure, State
from vmsc.stream.vmdesc_search import DescriptionWatch

__all__ = ["HOLD", "Arrivals", "arriving", "entry_of", "payload_in"]

HOLD = 64 << 20  # bytes


class Arrivals:
    """The pieces of a stream as they become whole; `binding` has what was learned on the way.

    `feed` and `close` raise DecodeError and ParamError, located in the stream. `settle` says that
    no JSON description will come any more.
    """

    def __init__(
        self,
        answers: StreamParameters,
        *,
        hold: int = HOLD,
        room: int | None = None,
        around: Callable[[Measure], Measure] = lambda measure: measure,
    ) -> None:
        self.binding = SectionBinder(answers.library, answers)
        self.reader = StreamReader(around(self.binding.measure), State(room=room))
        self._answers = answers
        self._hold = hold
        self._pending: Unsettled | None = None
        self._watch = DescriptionWatch()
        self._start = b""

    def feed(self, data: Buffer) -> Iterator[Piece]:
        """What is whole now, found as it is asked for; what is not asked for comes later."""
        if len(self._start) < 4:
            self._start += bytes(data[:4])
            if (wrong := bad_start(self._start)) is not None:
                raise wrong
        given = self.reader.feed(data)
        while True:
            if self._pending is not None:
                described = self._watch.found(self.reader.waiting)
                if described is None and self.reader.held <= self._hold:
                    return
                self._answers.take_in(described)
            try:
                yield from self._pieces(given)
                self._pending = None
                return
            except Unsettled as wanted:  # the description may be here already
                self._pending, self._watch = wanted.with_traceback(None), DescriptionWatch()
                given = self.reader.feed(b"")

    def settle(self) -> Iterator[Piece]:
        """What is whole with what is known now: the description is there, or will not come."""
        if self._pending is not None:
            self._answers.take_in(self._watch.found(self.reader.waiting, final=True))
            self._pending = None
        elif not self._answers.complete:
            self._answers.take_in(None)
        yield from self._pieces(self.reader.feed(b""))

    def close(self) -> Iterator[Piece]:
        """The rest: nothing comes any more. A stream cut short is Truncated."""
        yield from self.settle()
        yield from self._pieces(self.reader.close())

    def _pieces(self, given: Iterator[Piece]) -> Iterator[Piece]:
        try:
            yield from given
        except DecodeError as fault:
            raise self.binding.granted(fault) from None
        except ParamError as fault:
            raise _lacking(fault, self._answers, self.reader.held, self._hold) from None


def arriving(
    pieces: Iterable[Buffer],
    answers: StreamParameters,
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
    arrivals = Arrivals(answers, hold=hold, room=room, around=around)
    for data in pieces:
        yield from (entry_of(p, arrivals.binding, deep) for p in arrivals.feed(data))
    yield from (entry_of(p, arrivals.binding, deep) for p in arrivals.close())


def payload_in(piece: Piece) -> Buffer:
    """The bytes of a section's payload, or of a part of RAM, that the piece holds."""
    event, data = piece.event, memoryview(piece.data)
    match event:
        case Section():
            start = event.payload + event.taken - event.start
            return data[start : start + event.length - event.taken]
        case Pages():
            return data[event.payload - event.offset :]
        case _:
            return b""


def entry_of(piece: Piece, binding: SectionBinder, deep: bool) -> Entry:
    """The piece's entry."""
    return binding.entry(piece.event, payload_in(piece), deep=deep)


def _lacking(fault: ParamError, answers: StreamParameters, held: int, hold: int) -> ParamError:
    """The error, with why the stream's own description did not help."""
    if held > hold and answers.described is None:
        why = f"{held} bytes were held for the JSON description, and --hold is {hold}"
        return ParamError(f"{fault.message}; {why}", name=fault.name)
    return unanswered(fault, answers)
