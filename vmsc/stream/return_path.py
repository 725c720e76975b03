"""What the destination answers: the return path's messages and COLO's, bytes -> events.

The return path (capability return-path, postcopy): a type, a length, data; a received bitmap
follows its message. COLO's answers are plain numbers, from checkpoint-ready on; both may come on
one connection, in this order, and a type of 0 tells the one from the other.

Law: as in `step`: the events cover the bytes, and cutting makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.stream.events import MESSAGES, Message
from vmsc.stream.primitives import be16, be32, be64, refuse, take, want

__all__ = ["RETURNS", "Answer", "AnswerReader", "Return", "looks_like_answers", "read_answers"]

RETURNS: dict[int, tuple[str, tuple[int, int]]] = {
    1: ("shut", (4, 4)),
    2: ("pong", (4, 4)),
    3: ("request-pages-of", (13, 268)),
    4: ("request-pages", (12, 12)),
    5: ("received-bitmap", (1, 256)),
    6: ("resume-acknowledged", (4, 4)),
    7: ("switchover-acknowledged", (0, 0)),
}
_BITMAP = 5
_END = 0x0123456789ABCDEF
_MAX_BITMAP = 1 << 28


class Return(msgspec.Struct, frozen=True):
    """A message of the return path; `bitmap` is a received bitmap's, in little-endian words."""

    offset: int
    number: int
    data: bytes
    bitmap: bytes | None = None

    @property
    def name(self) -> str:
        return RETURNS[self.number][0]

    @property
    def size(self) -> int:
        return 4 + len(self.data) + (0 if self.bitmap is None else 16 + len(self.bitmap))

    @property
    def wire(self) -> bytes:
        """The message's bytes."""
        head = self.number.to_bytes(2, "big") + len(self.data).to_bytes(2, "big") + self.data
        if self.bitmap is None:
            return head
        size, end = len(self.bitmap).to_bytes(8, "big"), _END.to_bytes(8, "big")
        return b"".join((head, size, self.bitmap, end))


Answer = Return | Message


def looks_like_answers(start: Buffer) -> bool:
    """Whether an input that begins so may be what a destination answered."""
    return len(start) >= 2 and start[0] == 0 and (start[1] == 0 or start[1] in RETURNS)


def _step(buf: Buffer, pos: int, base: int, colo: bool) -> tuple[Answer, int]:
    if colo or be16(buf, pos, "type") == 0:
        message = be32(buf, pos, "message")
        if message >= len(MESSAGES):
            known = f"message 0 to {len(MESSAGES) - 1}"
            raise refuse("unknown-message", f"{known} expected, found {message}", pos)
        return Message(base + pos, message), pos + 4
    number = be16(buf, pos, "type")
    if number not in RETURNS:
        known = f"type 0 to {max(RETURNS)}"
        raise refuse("unknown-message", f"{known} of an answer expected, found {number}", pos)
    length = be16(buf, pos + 2, "length")
    name, (least, most) = RETURNS[number]
    if not least <= length <= most:
        bounds = str(least) if least == most else f"{least} to {most}"
        expected = f"{bounds} bytes of {name} expected, found {length}"
        raise refuse("bad-length", expected, pos + 2)
    data, end = take(buf, pos + 4, length, name)
    bitmap = None
    if number == _BITMAP:
        bitmap, end = _bitmap(buf, end)
    return Return(base + pos, number, data, bitmap), end


def _bitmap(buf: Buffer, pos: int) -> tuple[bytes, int]:
    size = be64(buf, pos, "bitmap")
    if size > _MAX_BITMAP:
        raise refuse("limit", f"a bitmap of {size} bytes is over the limit {_MAX_BITMAP}", pos)
    want(buf, pos + 8, size + 8, "bitmap")
    bits, end = take(buf, pos + 8, size, "bitmap")
    if (mark := be64(buf, end, "bitmap")) != _END:
        raise refuse("bad-bitmap", f"{_END:#x} expected after the bitmap, found {mark:#x}", end)
    return bits, end + 8


class AnswerReader:
    """Answers from bytes that come in pieces."""

    def __init__(self) -> None:
        self._buf = bytearray()
        self._base = 0
        self._colo = False

    def feed(self, data: Buffer) -> Iterator[Answer]:
        """What has become whole. Raises DecodeError."""
        self._buf += data
        pos = 0
        try:
            while True:
                answer, pos = _step(self._buf, pos, self._base, self._colo)
                self._colo = isinstance(answer, Message)
                yield answer
        except Truncated:
            del self._buf[:pos]
            self._base += pos
        except DecodeError as error:
            error.offset += self._base
            raise

    def close(self) -> None:
        """The connection ends here: refuse a part of an answer."""
        if self._buf:
            raise Truncated(1, offset=self._base + len(self._buf), path=("answer",))


def read_answers(data: Buffer) -> Iterator[Answer]:
    """The answers that are all of `data`."""
    reader = AnswerReader()
    yield from reader.feed(data)
    reader.close()
