"""Readers of QEMU streams over `step.step`: all of a buffer at once, or bytes as they come.

Laws. The pieces of a stream, put together, are the stream. The same bytes give the same pieces, and
the same error, however they are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.stream.configuration import configuration_end
from vmsc.stream.events import Event, Section
from vmsc.stream.state import Measure, Paused, State
from vmsc.stream.step import step

__all__ = ["Piece", "StreamReader", "payload_of", "read_stream"]

_COMPACT = 1 << 16


class Piece(msgspec.Struct, frozen=True):
    """An event and its bytes, all `event.size` of them."""

    event: Event
    data: bytes


def payload_of(section: Section, data: Buffer, base: int | None = None) -> memoryview:
    """The section's payload in `data`: the section's own bytes, or a file that begins at `base`."""
    start = section.payload - (section.offset if base is None else base)
    return memoryview(data)[start : start + section.length]


def read_stream(
    buf: Buffer,
    measure: Measure,
    state: State | None = None,
    *,
    configuration: Callable[[Buffer, int, bool], int] = configuration_end,
) -> Iterator[Event]:
    """The events of a stream that is all of `buf`."""
    pos = 0
    state = state or State()
    while (found := step(buf, pos, state, measure, configuration=configuration)) is not None:
        event, pos, state = found
        yield event


class StreamReader:
    """Events from bytes that come in pieces.

    `feed` gives what has become whole; `need` says how many more bytes can be used at once, `held`
    how many wait for them, and `state` where the reader is. `close` says that there is no more. An
    event of more than `limit` bytes is refused, if it can be before it is here. After an error the
    reader is of no more use: it raises the same error again.
    """

    def __init__(
        self,
        measure: Measure,
        state: State | None = None,
        *,
        limit: int | None = None,
        configuration: Callable[[Buffer, int, bool], int] = configuration_end,
    ) -> None:
        self.state = state or State()
        self.need = 1
        self._measure = measure
        self._configuration = configuration
        self._limit = limit
        self._buf = bytearray()
        self._pos = 0
        self._wanted = 0  # the length of buffer without which the next step is in vain
        self._error: DecodeError | None = None

    @property
    def held(self) -> int:
        return len(self._buf) - self._pos

    @property
    def waiting(self) -> bytes | bytearray:
        """What waits, from the event that is not whole on; not to be kept or changed."""
        if self._pos:
            self._drop()
        return self._buf

    def feed(self, data: Buffer) -> Iterator[Piece]:
        """The pieces that are whole now, found as they are asked for. None is lost: those that
        are not asked for come with the next ones."""
        self._append(data)
        return self._pieces(final=False)

    def close(self) -> Iterator[Piece]:
        """The pieces that are whole because nothing follows. A stream cut short is Truncated."""
        return self._pieces(final=True)

    def _append(self, data: Buffer) -> None:
        if self._pos > _COMPACT and self._pos > len(self._buf) // 2:
            self._drop()
        try:
            self._buf += data
        except BufferError:  # someone still holds a view
            self._buf = self._buf + data

    def _drop(self) -> None:
        """Forget the bytes that were given out."""
        self._buf = self._buf[self._pos :]
        base = self.state.base + self._pos
        self.state = msgspec.structs.replace(self.state, base=base)
        self._wanted -= self._pos
        self._pos = 0

    def _pieces(self, final: bool) -> Iterator[Piece]:
        while True:
            if self._error is not None:
                raise self._error
            try:
                found = self._step(final)
            except DecodeError as error:
                self._error = error
                raise
            if found is None:
                return
            event, end, self.state = found
            with memoryview(self._buf) as view:
                piece = Piece(event, bytes(view[self._pos : end]))
            self._pos = end
            yield piece

    def _step(self, final: bool) -> tuple[Event, int, State] | None:
        missing = self._wanted - len(self._buf)
        if missing > 0 and not final:
            self.need = missing
            return None
        try:
            found = step(
                *(self._buf, self._pos, self.state, self._measure),
                final=final,
                configuration=self._configuration,
            )
        except Truncated as error:
            if final:
                raise
            self._check_limit(self.held + error.need)
            if isinstance(error, Paused):
                self.state = msgspec.structs.replace(self.state, done=error.done, notes=error.notes)
            self.need = error.need
            self._wanted = len(self._buf) + error.need
            return None
        if found is not None:
            self._check_limit(found[0].size)
        return found

    def _check_limit(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise DecodeError(
                f"what begins here is over the limit of {self._limit} bytes",
                offset=self.state.base + self._pos,
                code="limit",
            )
