"""Checkpoints: bytes <-> Checkpoint. BEGIN(epoch, context), frames..., COMMIT(what they were).

Here are the readers of one channel and the writers; `vmsc.runtime.framed.collector` reads several
channels. All readers share one assembly (`vmsc.runtime.framed.assembly`).

Laws. Nothing counts before its COMMIT: a reader hands out a whole proven checkpoint or nothing.
COMMIT's SHA-256 runs over the headers (with names) of BEGIN and of every frame after it, which hold
each payload's length and checksum; so a frame that is lost, doubled, moved or of another checkpoint
is found, as any flipped bit is. A frame out of its place, and one over a limit, is refused at its
header, before its payload is waited for. Cutting the input makes no difference to the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.runtime.framed.assembly import (
    COMMIT,
    EPOCH,
    PART,
    PART_END,
    Assembly,
    Delivered,
    FramedCheckpoint,
    Tally,
)
from vmsc.runtime.framed.channel import Arrived, Incoming, advance
from vmsc.runtime.framed.context import Context, pack_context
from vmsc.runtime.framed.frame import (
    HEADER_SIZE,
    Frame,
    Kind,
    Limits,
    NeedMore,
    frame_head,
    label,
    read_header,
    read_payload,
)

__all__ = [
    "DEFAULT_LIMITS",
    "CheckpointReader",
    "CheckpointWriter",
    "Delivered",
    "FramedCheckpoint",
    "PartWriter",
    "decode_checkpoint",
    "read_checkpoint",
    "write_channels",
    "write_checkpoint",
]

DEFAULT_LIMITS = Limits()

_MAX_EPOCH = (1 << 64) - 1
_MAX_CHANNEL = (1 << 32) - 1
_FRAMES_OF_OURS = (Kind.BEGIN, Kind.COMMIT, Kind.PART, Kind.PART_END)


# --- reading ----------------------------------------------------------------------------------


def _take(assembly: Assembly, buf: Buffer, pos: int) -> tuple[Arrived, int]:
    """One frame that fits the place, and the offset after it."""
    if pos == len(buf) and assembly.begun():
        raise Truncated(HEADER_SIZE, offset=pos, path=assembly.place())
    header, body = read_header(buf, pos, assembly.limits)
    assembly.admit(header, body - pos + header.length, pos)
    frame, end = read_payload(header, buf, body)
    return Arrived(frame, bytes(buf[pos:body]), body), end


def read_checkpoint(
    buf: Buffer, pos: int = 0, limits: Limits = DEFAULT_LIMITS
) -> tuple[FramedCheckpoint, int]:
    """The checkpoint at `pos` and the offset after it. Payloads are views of `buf`."""
    assembly = Assembly(limits, alone=True)
    while True:
        arrived, pos = _take(assembly, buf, pos)
        done = assembly.add(*arrived)
        if done is not None:
            return done, pos


def decode_checkpoint(buf: Buffer, limits: Limits = DEFAULT_LIMITS) -> FramedCheckpoint:
    """The checkpoint that is all of `buf`."""
    checkpoint, end = read_checkpoint(buf, 0, limits)
    if end != len(buf):
        left = len(buf) - end
        what = "COMMIT twice" if _is_commit(buf, end) else f"{left} bytes after COMMIT"
        raise DecodeError(what, code="trailing", offset=end)
    return checkpoint


def _is_commit(buf: Buffer, pos: int) -> bool:
    try:
        return read_header(buf, pos)[0].frame.kind == Kind.COMMIT
    except DecodeError:
        return False


class CheckpointReader:
    """Checkpoints from bytes that come in pieces; what follows a COMMIT is kept for the next one.

    After an error the reader is of no more use and raises the same error again.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._incoming = Incoming()
        self._assembly = Assembly(limits, alone=True)
        self._error: DecodeError | None = None

    def feed(self, data: Buffer = b"") -> Delivered | NeedMore:
        if self._error is not None:
            raise self._error
        self._incoming.feed(data)
        try:
            done = advance(self._incoming, self._assembly)
        except DecodeError as error:
            self._error = error
            raise
        if done is None:
            return NeedMore(self._incoming.need)
        self._assembly = Assembly(self._limits, alone=True)
        return Delivered(done)

    def close(self) -> None:
        """The input ends here: refuse a checkpoint that is not whole."""
        if self._error is not None:
            raise self._error
        if self._incoming.held or self._assembly.begun():
            raise self._incoming.missing(self._assembly.place())


# --- writing ----------------------------------------------------------------------------------


class _Row:
    """The frames of one channel as they are written: opened once, closed once."""

    def __init__(self, what: str, epoch: int) -> None:
        if not 0 <= epoch <= _MAX_EPOCH:
            raise EncodeError(f"epoch {epoch} does not fit in 64 bits")
        self.tally = Tally()
        self.state = "new"
        self._what = what

    def enter(self, expected: str, state: str) -> None:
        assert self.state == expected, f"the writer is {self.state}, not {expected}"
        self.state = state

    def add(self, frame: Frame) -> tuple[bytes, Buffer]:
        return self.head(frame, (frame.payload,)), frame.payload

    def head(self, frame: Frame, pieces: Sequence[Buffer]) -> bytes:
        """What stands before the pieces that are the frame's payload."""
        self.enter("open", "open")
        if frame.kind in _FRAMES_OF_OURS:
            message = f"{label(frame.kind)} within a {self._what}"
            raise EncodeError(message, code="bad-frame")
        return self._counted(frame, pieces)

    def write(self, frame: Frame) -> tuple[bytes, Buffer]:
        return self._counted(frame, (frame.payload,)), frame.payload

    def _counted(self, frame: Frame, pieces: Sequence[Buffer]) -> bytes:
        head = frame_head(frame, pieces)
        self.tally.add(head, sum(memoryview(piece).nbytes for piece in pieces))
        return head


class PartWriter:
    """One side channel's part, piece by piece: `begin`, `add` for each frame, `end` give the bytes
    to send over it. `CheckpointWriter.part` makes it.

    `add` gives the payload apart, so that nothing large is copied.
    """

    def __init__(self, epoch: int, channel: int) -> None:
        if not 1 <= channel <= _MAX_CHANNEL:
            raise EncodeError(f"a side channel from 1 to {_MAX_CHANNEL} expected, found {channel}")
        self._place = epoch, channel
        self._row = _Row("part", epoch)
        self._ended: bytes | None = None

    @property
    def tally(self) -> Tally:
        """What was written. It is COMMIT's to look at once the part has ended."""
        return self._row.tally

    @property
    def ended(self) -> bytes | None:
        """The PART-END frame, once it was written."""
        return self._ended

    def begin(self) -> bytes:
        self._row.enter("new", "open")
        return b"".join(self._row.write(Frame(Kind.PART, PART.pack(*self._place))))

    def add(self, frame: Frame) -> tuple[bytes, Buffer]:
        return self._row.add(frame)

    def end(self) -> bytes:
        self._row.enter("open", "done")
        tally = self._row.tally
        payload = PART_END.pack(*self._place, tally.frames, tally.bytes, tally.digest())
        self._ended = b"".join(self._row.write(Frame(Kind.PART_END, payload)))
        return self._ended


class CheckpointWriter:
    """A checkpoint piece by piece: `begin`, `add` for each frame, `commit` give the bytes to send.

    `add` gives the payload apart, so that nothing large is copied; `add_pieces` takes it in pieces,
    so that nothing large is put together. Where the context says that there are side channels,
    `part` gives the writer of each; `commit` comes when all have ended.
    """

    def __init__(self, epoch: int, context: Context | None = None) -> None:
        self._row = _Row("checkpoint", epoch)
        self._epoch = epoch
        self._context = context or Context()
        self._parts: dict[int, PartWriter] = {}

    def begin(self) -> bytes:
        payload = EPOCH.pack(self._epoch) + pack_context(self._context)
        self._row.enter("new", "open")
        return b"".join(self._row.write(Frame(Kind.BEGIN, payload)))

    def add(self, frame: Frame) -> tuple[bytes, Buffer]:
        return self._row.add(frame)

    def add_pieces(self, frame: Frame, pieces: Sequence[Buffer]) -> tuple[Buffer, ...]:
        """As `add`, of a frame whose payload these are."""
        return self._row.head(frame, pieces), *pieces

    def part(self, channel: int) -> PartWriter:
        """The writer of a side channel's part, from 1 to the context's `channels`. Each is its
        own: they may be used in any order, and before `begin`.
        """
        if not 1 <= channel <= self._context.channels or channel in self._parts:
            message = f"a side channel from 1 to {self._context.channels}, once each, expected"
            raise EncodeError(f"{message}, found {channel}")
        self._parts[channel] = part = PartWriter(self._epoch, channel)
        return part

    def commit(self) -> bytes:
        self._row.enter("open", "done")
        tally = self._row.tally
        for channel in range(1, self._context.channels + 1):
            part = self._parts.get(channel)
            if part is None or part.ended is None:
                message = f"COMMIT, and the part of channel {channel} has not ended"
                raise EncodeError(message, code="bad-commit")
            tally.join(part.tally, part.ended)
        payload = COMMIT.pack(self._epoch, tally.frames, tally.bytes, tally.digest())
        return b"".join(self._row.write(Frame(Kind.COMMIT, payload)))


def write_checkpoint(epoch: int, context: Context | None, frames: Iterable[Frame]) -> bytes:
    """A checkpoint of one channel. Raises EncodeError, as for a context with side channels."""
    writer = CheckpointWriter(epoch, context)
    pieces: list[Buffer] = [writer.begin()]
    pieces.extend(chain.from_iterable(writer.add(frame) for frame in frames))
    pieces.append(writer.commit())
    return b"".join(pieces)


def write_channels(
    epoch: int, context: Context | None, frames: Iterable[Frame], parts: Sequence[Iterable[Frame]]
) -> tuple[bytes, ...]:
    """A checkpoint over one side channel for each of `parts`: the bytes of each channel, those of
    the main one first.
    """
    context = msgspec.structs.replace(context or Context(), channels=len(parts))
    writer = CheckpointWriter(epoch, context)
    sides = []
    for channel, part in enumerate(parts, 1):
        side = writer.part(channel)
        pieces = [side.begin(), *chain.from_iterable(map(side.add, part)), side.end()]
        sides.append(b"".join(pieces))
    main = [writer.begin(), *chain.from_iterable(map(writer.add, frames)), writer.commit()]
    return b"".join(main), *sides
