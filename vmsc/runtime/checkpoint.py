"""Checkpoints: frames <-> Checkpoint. BEGIN(epoch, context), frames..., COMMIT(what they were).

Laws. Nothing counts before its COMMIT: a reader hands out a whole proven checkpoint or nothing.
COMMIT's SHA-256 runs over the headers (with names) of BEGIN and of every frame after it, which hold
each payload's length and checksum; so a frame that is lost, doubled, moved or of another checkpoint
is found, as any flipped bit is. A frame out of its place, and one over a limit, is refused at its
header, before its payload is waited for. Cutting the input makes no difference to the result.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from itertools import chain

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.context import Context, pack_context, unpack_context
from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.runtime.frame import (
    HEADER_SIZE,
    Frame,
    Header,
    Kind,
    Limits,
    NeedMore,
    frame_head,
    read_header,
    read_payload,
)

__all__ = [
    "DEFAULT_LIMITS",
    "Checkpoint",
    "CheckpointReader",
    "CheckpointWriter",
    "Committed",
    "decode_checkpoint",
    "read_checkpoint",
    "write_checkpoint",
]

DEFAULT_LIMITS = Limits()

_EPOCH = struct.Struct(">Q")
_COMMIT = struct.Struct(">QQQ32s")  # epoch, frames, bytes, digest
_MAX_EPOCH = (1 << 64) - 1


class Checkpoint(msgspec.Struct, frozen=True):
    """What was committed. Unknown frames that may be skipped are counted, and are not in `frames`.

    `size` is the checkpoint's length in bytes, BEGIN and COMMIT included.
    """

    epoch: int
    context: Context
    frames: tuple[Frame, ...]
    skipped: int
    size: int


class Committed(msgspec.Struct, frozen=True):
    """A chunked reader's answer when a checkpoint is whole and proven."""

    checkpoint: Checkpoint


class _Tally:
    """What COMMIT says of the frames before it."""

    def __init__(self) -> None:
        self.frames = -1  # BEGIN is not counted
        self.bytes = 0
        self._sha = hashlib.sha256()

    def add(self, head: Buffer, length: int) -> None:
        self.frames += 1
        self.bytes += len(head) + length
        self._sha.update(head)

    def digest(self) -> bytes:
        return self._sha.digest()


def _refuse(code: str, message: str, offset: int) -> DecodeError:
    return DecodeError(message, code=code, offset=offset)


class _Assembly:
    """A checkpoint in the making: `admit` looks at a header and changes nothing; `add` takes it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tally = _Tally()
        self._frames: list[Frame] = []
        self._skipped = 0
        self._epoch: int | None = None
        self._context = Context()

    @property
    def place(self) -> tuple[str, int]:
        """Where an input that ends between two frames breaks off."""
        return "frame", self._tally.frames

    @property
    def begun(self) -> bool:
        return self._epoch is not None

    def admit(self, header: Header, size: int, offset: int) -> None:
        kind = header.frame.kind
        if self._epoch is None:
            if kind != Kind.BEGIN:
                raise _refuse("no-begin", f"BEGIN expected, found {_name(header.frame)}", offset)
        elif kind == Kind.BEGIN:
            raise _refuse(
                "no-commit", f"BEGIN within checkpoint {self._epoch}, which has no COMMIT", offset
            )
        total = self._tally.bytes + size
        if total > self._limits.total:
            raise _refuse(
                "limit",
                f"a checkpoint of {total} bytes or more is over the limit {self._limits.total}",
                offset,
            )
        if kind != Kind.COMMIT and self._tally.frames >= self._limits.frames:
            raise _refuse(
                "limit",
                f"a checkpoint of more than {self._limits.frames} frames is over the limit",
                offset,
            )

    def add(self, frame: Frame, head: Buffer, body: int) -> Checkpoint | None:
        """Take a proven frame whose payload starts at `body`; COMMIT gives the checkpoint."""
        payload = memoryview(frame.payload)
        if frame.kind == Kind.COMMIT:
            self._check_commit(payload, body)
            size = self._tally.bytes + len(head) + payload.nbytes
            assert self._epoch is not None
            frames = tuple(self._frames)
            return Checkpoint(self._epoch, self._context, frames, self._skipped, size)
        if frame.kind == Kind.BEGIN:
            (self._epoch,) = _EPOCH.unpack_from(payload)
            self._context = unpack_context(payload[_EPOCH.size :], body + _EPOCH.size)
        elif frame.known:
            self._frames.append(frame)
        else:
            self._skipped += 1
        self._tally.add(head, payload.nbytes)
        return None

    def _check_commit(self, payload: memoryview, body: int) -> None:
        epoch, frames, size, digest = _COMMIT.unpack(payload)
        if epoch != self._epoch:
            raise _refuse(
                "bad-commit", f"COMMIT of epoch {epoch} for checkpoint {self._epoch}", body
            )
        tally = self._tally
        for what, said, found, at in (
            ("frames", frames, tally.frames, body + 8),
            ("bytes", size, tally.bytes, body + 16),
        ):
            if said != found:
                raise _refuse("bad-commit", f"COMMIT says {said} {what}, found {found}", at)
        if digest != tally.digest():
            raise _refuse(
                "bad-commit", "the frames' headers do not give COMMIT's digest", body + 24
            )


def _name(frame: Frame) -> str:
    return Kind(frame.kind).name if frame.known else f"kind {frame.kind}"


def _take(
    assembly: _Assembly, buf: Buffer, pos: int, limits: Limits
) -> tuple[Frame, bytes, int, int]:
    """One frame that fits the place: the frame, its header and name, its payload's place."""
    if pos == len(buf) and assembly.begun:
        raise Truncated(HEADER_SIZE, offset=pos, path=assembly.place)
    header, body = read_header(buf, pos, limits)
    assembly.admit(header, body - pos + header.length, pos)
    frame, end = read_payload(header, buf, body)
    return frame, bytes(buf[pos:body]), body, end


def read_checkpoint(
    buf: Buffer, pos: int = 0, limits: Limits = DEFAULT_LIMITS
) -> tuple[Checkpoint, int]:
    """The checkpoint at `pos` and the offset after it. Payloads are views of `buf`."""
    assembly = _Assembly(limits)
    while True:
        frame, head, body, pos = _take(assembly, buf, pos, limits)
        done = assembly.add(frame, head, body)
        if done is not None:
            return done, pos


def decode_checkpoint(buf: Buffer, limits: Limits = DEFAULT_LIMITS) -> Checkpoint:
    """The checkpoint that is all of `buf`."""
    checkpoint, end = read_checkpoint(buf, 0, limits)
    if end != len(buf):
        left = len(buf) - end
        what = "COMMIT twice" if _is_commit(buf, end) else f"{left} bytes after COMMIT"
        raise _refuse("trailing", what, end)
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
        self._buf = bytearray()
        self._base = 0  # the input's offset of the buffer's first byte
        self._assembly = _Assembly(limits)
        self._error: DecodeError | None = None
        self._missing = Truncated(HEADER_SIZE, offset=0, path=("header",))

    def feed(self, data: Buffer = b"") -> Committed | NeedMore:
        if self._error is not None:
            raise self._error
        self._buf += data
        try:
            while (done := self._step()) is None:
                pass
        except Truncated as error:
            error.offset += self._base
            self._missing = error
            self._missing.__traceback__ = None
            return NeedMore(error.need)
        except DecodeError as error:
            error.offset += self._base
            self._error = error
            raise
        return Committed(done)

    def close(self) -> None:
        """The input ends here: refuse a checkpoint that is not whole."""
        if self._error is not None:
            raise self._error
        if self._buf or self._assembly.begun:
            raise self._missing

    def _step(self) -> Checkpoint | None:
        """Take one frame off the buffer, the payload copied out of it."""
        frame, head, body, end = _take(self._assembly, self._buf, 0, self._limits)
        frame = msgspec.structs.replace(frame, payload=bytes(frame.payload))
        done = self._assembly.add(frame, head, body)
        del self._buf[:end]
        self._base += end
        if done is not None:
            self._assembly = _Assembly(self._limits)
        return done


class CheckpointWriter:
    """A checkpoint piece by piece: `begin`, `add` for each frame, `commit` give the bytes to send.

    `add` gives the payload apart, so that nothing large is copied.
    """

    def __init__(self, epoch: int, context: Context | None = None) -> None:
        if not 0 <= epoch <= _MAX_EPOCH:
            raise EncodeError(f"epoch {epoch} does not fit in 64 bits")
        self._epoch = epoch
        self._context = context or Context()
        self._tally = _Tally()
        self._state = "new"

    def begin(self) -> bytes:
        self._enter("new", "open")
        payload = _EPOCH.pack(self._epoch) + pack_context(self._context)
        return b"".join(self._write(Frame(Kind.BEGIN, payload)))

    def add(self, frame: Frame) -> tuple[bytes, Buffer]:
        self._enter("open", "open")
        if frame.kind in (Kind.BEGIN, Kind.COMMIT):
            raise EncodeError(f"{_name(frame)} within a checkpoint", code="bad-frame")
        return self._write(frame)

    def commit(self) -> bytes:
        self._enter("open", "done")
        tally = self._tally
        payload = _COMMIT.pack(self._epoch, tally.frames, tally.bytes, tally.digest())
        return b"".join(self._write(Frame(Kind.COMMIT, payload)))

    def _enter(self, expected: str, state: str) -> None:
        assert self._state == expected, f"the writer is {self._state}, not {expected}"
        self._state = state

    def _write(self, frame: Frame) -> tuple[bytes, Buffer]:
        head = frame_head(frame)
        self._tally.add(head, memoryview(frame.payload).nbytes)
        return head, frame.payload


def write_checkpoint(epoch: int, context: Context | None, frames: Iterable[Frame]) -> bytes:
    writer = CheckpointWriter(epoch, context)
    pieces: list[Buffer] = [writer.begin()]
    pieces.extend(chain.from_iterable(writer.add(frame) for frame in frames))
    pieces.append(writer.commit())
    return b"".join(pieces)
