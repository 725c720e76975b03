"""A channel: one channel's bytes, cut anywhere -> proven frames, one at a time.

Laws. No byte is kept twice: a payload is put together as its bytes arrive, and grows with them, so
that a length that is said and does not come costs nothing. Bytes that no one has asked for yet are
not looked at. Offsets are those of the channel's input; cutting makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.runtime.framed.assembly import MAIN, NOTHING, Assembly, FramedCheckpoint, Promise
from vmsc.runtime.framed.frame import (
    HEADER_SIZE,
    NAME_SIZE_AT,
    Frame,
    Header,
    Limits,
    prove_payload,
    read_header,
)

__all__ = ["Arrived", "Incoming", "advance"]

_NONE = memoryview(b"")
_SMALL = 1 << 16  # bytes of a payload that is rather copied than kept as it grew


class Arrived(NamedTuple):
    """A frame, its header with its name, and the offset of its payload."""

    frame: Frame
    head: bytes
    body: int


class Incoming:
    """One channel. `feed` gives it bytes, `next` takes a frame out of them.

    `need`: how many more bytes it could use at once when it was last asked.
    """

    def __init__(self, channel: int = MAIN) -> None:
        self.channel = channel
        self.need = HEADER_SIZE
        self._start = 0  # the input's offset of the frame that is being read
        self._piece = _NONE  # not looked at, and neither is what came later
        self._later = bytearray()
        self._head = bytearray()
        self._header: Header | None = None
        self._body = bytearray()

    @property
    def unread(self) -> int:
        """Bytes that were not looked at."""
        return len(self._piece) + len(self._later)

    @property
    def held(self) -> int:
        """Bytes that are here and no frame's yet."""
        return len(self._head) + len(self._body) + self.unread

    @property
    def offset(self) -> int:
        """How many bytes came over it."""
        return self._start + self.held

    @property
    def promised(self) -> Promise:
        """The frame that was let in and is not whole."""
        if self._header is None:
            return NOTHING
        return Promise.of(self._header, len(self._head) + self._header.length)

    def feed(self, data: Buffer) -> None:
        """More bytes. They are copied, unless they are `bytes`, which no one can change."""
        if self.unread:
            self._later += data
        else:
            self._piece = memoryview(bytes(data))

    def next(self, limits: Limits, admit: Callable[[Header, int, int], None]) -> Arrived | None:
        """The next frame, if all of it is here. `admit` gets its header, its size and its offset
        before its payload is waited for. Raises DecodeError, of which this object is of no more
        use.
        """
        if self._header is None:
            header = self._next_header(limits)
            if header is None:
                return None
            admit(header, len(self._head) + header.length, self._start)
            self._header = header
        if not self._fill(self._body, self._header.length):
            return None
        head, body = bytes(self._head), self._start + len(self._head)
        try:
            frame = prove_payload(self._header, memoryview(self._body).toreadonly(), body)
        except DecodeError as error:
            raise self._located(error) from None
        if len(self._body) <= _SMALL:
            frame = msgspec.structs.replace(frame, payload=bytes(self._body))
        self._start = body + self._header.length
        self._head, self._header, self._body = bytearray(), None, bytearray()
        return Arrived(frame, head, body)

    def missing(self, place: tuple[str | int, ...]) -> DecodeError:
        """The error of an input that ends here; `place` is where, if that is between frames."""
        if self._header is not None:
            place = ("payload",)
        elif self._head:
            place = ("header",) if len(self._head) < HEADER_SIZE else ("name",)
        return self._located(Truncated(self.need, offset=self.offset, path=place))

    def _next_header(self, limits: Limits) -> Header | None:
        # What is here of the header and of the name, as far as an unproven header says how long
        # that is: to be read at once, or found too short by the reader, which believes nothing.
        if self._fill(self._head, HEADER_SIZE):
            self._fill(self._head, HEADER_SIZE + self._head[NAME_SIZE_AT])
        try:
            return read_header(self._head, 0, limits)[0]
        except Truncated as error:
            self.need = error.need
            return None
        except DecodeError as error:
            error.offset += self._start
            raise self._located(error) from None

    def _fill(self, into: bytearray, size: int) -> bool:
        """Move unread bytes until there are `size` of them; whether there are."""
        while (missing := size - len(into)) > 0 and self.unread:
            if not self._piece:
                self._piece, self._later = memoryview(self._later), bytearray()
            into += self._piece[:missing]
            # An empty view would hold on to the piece.
            self._piece = self._piece[missing:] if len(self._piece) > missing else _NONE
        self.need = missing if missing > 0 else HEADER_SIZE
        return missing <= 0

    def _located(self, error: DecodeError) -> DecodeError:
        if self.channel != MAIN:
            error.within("channel", self.channel)
        return error


def advance(
    incoming: Incoming, assembly: Assembly, promised: Callable[[], Promise] = lambda: NOTHING
) -> FramedCheckpoint | None:
    """Take frames off a channel until its share is whole or bytes are missing; the checkpoint,
    when its last frame is among them. `promised`: what other channels have let in.
    """
    channel = incoming.channel

    def admit(header: Header, size: int, offset: int) -> None:
        assembly.admit(header, size, offset, channel, promised())

    while not assembly.whole(channel):
        arrived = incoming.next(assembly.limits, admit)
        if arrived is None:
            return None
        done = assembly.add(*arrived, channel)
        if done is not None:
            return done
    return None
