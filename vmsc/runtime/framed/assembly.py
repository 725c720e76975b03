"""Assembly: proven frames of one channel or of several -> a checkpoint, when COMMIT and all the
parts are there and agree (docs/framed-format.md, section 3).

It sees frames, not bytes: `vmsc.runtime.framed.channel` takes those apart. What each channel
brought is its *share*: the main one's from BEGIN to COMMIT, a side one's from PART to PART-END.

Laws. What is not committed never existed: nothing is handed out before all of it is proven, and
what a channel has brought can be forgotten until then. A frame out of its place, and one over a
limit, is refused at its header, before its payload is waited for. The order in which the channels'
frames arrive makes no difference to the checkpoint.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError
from vmsc.runtime.framed.context import Context, unpack_context
from vmsc.runtime.framed.frame import Frame, Header, Kind, Limits, label

__all__ = [
    "COMMIT",
    "EPOCH",
    "MAIN",
    "NOTHING",
    "PART",
    "PART_END",
    "Assembly",
    "Delivered",
    "FramedCheckpoint",
    "Promise",
    "Tally",
]

MAIN = 0  # the main channel; the side ones have other numbers

EPOCH = struct.Struct(">Q")
COMMIT = struct.Struct(">QQQ32s")  # epoch, frames, bytes, digest
PART = struct.Struct(">QI")  # epoch, channel
PART_END = struct.Struct(">QIQQ32s")  # epoch, channel, frames, bytes, digest

_UNCOUNTED = (Kind.BEGIN, Kind.COMMIT)
_OF_MAIN = (Kind.BEGIN, Kind.COMMIT)
_OF_SIDE = (Kind.PART, Kind.PART_END)


class FramedCheckpoint(msgspec.Struct, frozen=True):
    """What was committed. Unknown frames that may be skipped are counted, and are not in `frames`.

    `size` is the checkpoint's length in bytes, BEGIN and COMMIT included. `parts`: the frames of
    the side channels, that of channel 1 first; they count in `skipped` and in `size`.
    """

    epoch: int
    context: Context
    frames: tuple[Frame, ...]
    skipped: int
    size: int
    parts: tuple[tuple[Frame, ...], ...] = ()


class Delivered(msgspec.Struct, frozen=True):
    """A chunked reader's answer when a checkpoint is whole and proven."""

    checkpoint: FramedCheckpoint


class Promise(NamedTuple):
    """Frames and bytes that were let in and are not whole yet: they count against the limits."""

    frames: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, header: Header, size: int) -> Promise:
        return cls(header.frame.kind not in _UNCOUNTED, size)

    def plus(self, other: Promise) -> Promise:
        return Promise(self.frames + other.frames, self.bytes + other.bytes)


NOTHING = Promise()


class Tally:
    """What the last frame of a share says of those before it."""

    def __init__(self) -> None:
        self.frames = -1  # the first one is not counted
        self.bytes = 0
        self._sha = hashlib.sha256()

    def add(self, head: Buffer, length: int) -> None:
        """Count a frame, of its header with its name, and of its payload's length."""
        self.frames += 1
        self.bytes += len(head) + length
        self._sha.update(head)

    def join(self, part: Tally, end: Buffer) -> None:
        """Count a part. `end` is its PART-END frame, which says what all its frames were."""
        self.frames += 1 + part.frames
        self.bytes += part.bytes
        self._sha.update(end)

    def digest(self) -> bytes:
        return self._sha.digest()


class _Share:
    """What one channel has brought. `first` and `last`: the offsets of its BEGIN's or PART's
    payload, and of its COMMIT's or PART-END's. `end`: COMMIT's payload; PART-END, all of it.
    """

    def __init__(self, number: int, epoch: int, first: int) -> None:
        self.number = number
        self.epoch = epoch
        self.first = first
        self.last = 0
        self.end: bytes | None = None
        self.tally = Tally()
        self.frames: list[Frame] = []
        self.skipped = 0
        self.size = 0


def _refuse(code: str, message: str, offset: int, channel: int) -> DecodeError:
    path = () if channel == MAIN else ("channel", channel)
    return DecodeError(message, code=code, offset=offset, path=path)


class Assembly:
    """A checkpoint in the making: `admit` looks at a header and changes nothing; `add` takes the
    frame. `channel`: `MAIN`, or any number that stands for one side connection; which channel of
    the checkpoint that is, its PART says. Offsets are those of the channel's input.

    `alone`: there are no side channels here, and a checkpoint that comes over some is refused.
    `after`: the epoch that those to come must be greater than.
    """

    def __init__(self, limits: Limits, *, alone: bool = False, after: int | None = None) -> None:
        self.limits = limits
        self._alone = alone
        self._after = after
        self._shares: dict[int, _Share] = {}
        self._context = Context()

    # --- what there is ----------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The bytes of all whole frames that are here."""
        return sum(share.size for share in self._shares.values())

    def begun(self, channel: int = MAIN) -> bool:
        """Whether the channel has brought its first frame."""
        return channel in self._shares

    def whole(self, channel: int = MAIN) -> bool:
        """Whether the channel has brought its last frame: what follows belongs to a later
        checkpoint.
        """
        share = self._shares.get(channel)
        return share is not None and share.end is not None

    def place(self, channel: int = MAIN) -> tuple[str | int, ...]:
        """Where an input that ends between two frames breaks off."""
        share = self._shares.get(channel)
        return ("header",) if share is None else ("frame", share.tally.frames)

    def lacking(self) -> int | None:
        """The first channel that is known to be missing and has not begun."""
        if self._shares and MAIN not in self._shares:
            return MAIN
        here = {share.number for share in self._shares.values()}
        return next((n for n in range(1, self._context.channels + 1) if n not in here), None)

    def forget(self, channel: int) -> None:
        """Nothing has come over this channel."""
        self._shares.pop(channel, None)
        if channel == MAIN:
            self._context = Context()

    # --- a header ---------------------------------------------------------------------------

    def admit(
        self,
        header: Header,
        size: int,
        offset: int,
        channel: int = MAIN,
        promised: Promise = NOTHING,
    ) -> None:
        """Refuse a frame of `size` bytes that is out of its place or over a limit. `promised`: the
        frames of other channels that were let in and are not here.
        """
        self._check_place(header.frame, offset, channel)
        total = promised.plus(Promise.of(header, size))
        count = total.frames + sum(s.tally.frames + (n != MAIN) for n, s in self._shares.items())
        found = self.size + total.bytes
        if found > self.limits.total:
            message = f"a checkpoint of {found} bytes or more is over the limit {self.limits.total}"
            raise _refuse("limit", message, offset, channel)
        if count > self.limits.frames:
            message = f"a checkpoint of more than {self.limits.frames} frames is over the limit"
            raise _refuse("limit", message, offset, channel)

    def _check_place(self, frame: Frame, offset: int, channel: int) -> None:
        kind, main = frame.kind, channel == MAIN
        first, last = _OF_MAIN if main else _OF_SIDE
        share = self._shares.get(channel)
        if kind in (_OF_SIDE if main else _OF_MAIN):
            where = "the main channel" if main else "a side channel"
            goes = f"which goes from {label(first)} to {label(last)}"
            message = f"a {label(kind)} frame on {where}, {goes}"
            raise _refuse("bad-channel", message, offset, channel)
        if share is None and kind != first:
            message = f"{label(first)} expected, found {label(kind)}"
            raise _refuse("no-begin" if main else "no-part", message, offset, channel)
        if share is not None and kind == first:
            what = f"{'checkpoint' if main else 'part'} {share.epoch}, which has no {label(last)}"
            message = f"{label(kind)} within {what}"
            raise _refuse("no-commit" if main else "no-end", message, offset, channel)

    # --- a whole frame ----------------------------------------------------------------------

    def add(
        self, frame: Frame, head: bytes, body: int, channel: int = MAIN
    ) -> FramedCheckpoint | None:
        """Take a proven frame that was let in; its payload starts at `body`. The last one of all
        gives the checkpoint.
        """
        payload = memoryview(frame.payload)
        if frame.kind == Kind.BEGIN:
            self._begin(payload, body)
        elif frame.kind == Kind.PART:
            self._begin_part(payload, body, channel)
        share = self._shares[channel]
        share.size += len(head) + payload.nbytes
        if frame.kind == Kind.COMMIT:
            share.end, share.last = bytes(payload), body
            self._check_epoch(share)
            return self._committed()
        if frame.kind == Kind.PART_END:
            self._check_end(share, payload, body, channel)
            share.end, share.last = head + payload, body
        elif not frame.known:
            share.skipped += 1
        elif frame.kind not in (Kind.BEGIN, Kind.PART):
            share.frames.append(frame)
        share.tally.add(head, payload.nbytes)
        return self._committed() if frame.kind == Kind.PART_END else None

    def _begin(self, payload: memoryview, body: int) -> None:
        (epoch,) = EPOCH.unpack_from(payload)
        self._check_after(epoch, body, MAIN)
        at = body + EPOCH.size
        context = unpack_context(payload[EPOCH.size :], at)
        channels = context.channels
        if channels and self._alone:
            message = (
                f"checkpoint {epoch} comes over {channels} side channels as well, and this reader"
                " has one channel: collect all of them with"
                " vmsc.runtime.framed.collector.CheckpointCollector,"
                " and store what it commits as one channel"
            )
            raise _refuse("channels", message, at, MAIN)
        if channels > self.limits.channels:
            message = f"{channels} side channels are over the limit {self.limits.channels}"
            raise _refuse("limit", message, at, MAIN)
        self._context = context
        self._shares[MAIN] = main = _Share(0, epoch, body)
        for channel, part in self._shares.items():
            if channel != MAIN:
                self._check_part(main, part, channel)

    def _begin_part(self, payload: memoryview, body: int, channel: int) -> None:
        epoch, number = PART.unpack(payload)
        self._check_after(epoch, body, channel)
        if number == 0:
            message = "channel 0 is the main one, and has no part: 1 or more expected"
            raise _refuse("bad-part", message, body + 8, channel)
        if any(share.number == number for share in self._shares.values()):
            message = f"a second part of channel {number}"
            raise _refuse("bad-part", message, body + 8, channel)
        self._shares[channel] = part = _Share(number, epoch, body)
        if MAIN in self._shares:
            self._check_part(self._shares[MAIN], part, channel)

    def _check_after(self, epoch: int, body: int, channel: int) -> None:
        if self._after is not None and epoch <= self._after:
            message = (
                f"epoch {epoch}, and epoch {self._after} is committed already: send what comes"
                " after it"
            )
            raise _refuse("old-epoch", message, body, channel)

    def _check_part(self, main: _Share, part: _Share, channel: int) -> None:
        """Hold a part against BEGIN, whichever of them was first."""
        if part.epoch != main.epoch:
            message = f"a part of epoch {part.epoch} for checkpoint {main.epoch}"
            raise _refuse("bad-part", message, part.first, channel)
        channels = self._context.channels
        if part.number > channels:
            message = f"a part of channel {part.number}, and BEGIN says that there are {channels}"
            raise _refuse("bad-part", message, part.first + 8, channel)

    def _check_end(self, part: _Share, payload: memoryview, body: int, channel: int) -> None:
        epoch, number, frames, size, digest = PART_END.unpack(payload)
        tally = part.tally
        for what, said, found, at in (
            ("epoch", epoch, part.epoch, body),
            ("channel", number, part.number, body + 8),
            ("frames", frames, tally.frames, body + 12),
            ("bytes", size, tally.bytes, body + 20),
            ("digest", digest.hex(), tally.digest().hex(), body + 28),
        ):
            if said != found:
                message = f"PART-END says {what} {said}, found {found}"
                raise _refuse("bad-part", message, at, channel)

    def _check_epoch(self, main: _Share) -> None:
        assert main.end is not None
        (epoch,) = EPOCH.unpack_from(main.end)
        if epoch != main.epoch:
            message = f"COMMIT of epoch {epoch} for checkpoint {main.epoch}"
            raise _refuse("bad-commit", message, main.last, MAIN)

    # --- all of it --------------------------------------------------------------------------

    def _committed(self) -> FramedCheckpoint | None:
        """The checkpoint, if this was the last frame of all."""
        parts = [share for channel, share in self._shares.items() if channel != MAIN]
        main = self._shares.get(MAIN)
        if main is None or len(parts) < self._context.channels:
            return None
        if any(share.end is None for share in (main, *parts)):
            return None
        parts.sort(key=lambda part: part.number)
        for part in parts:
            assert part.end is not None
            main.tally.join(part.tally, part.end)
        self._check_commit(main)
        return FramedCheckpoint(
            *(main.epoch, self._context, tuple(main.frames)),
            sum(share.skipped for share in (main, *parts)),
            sum(share.size for share in (main, *parts)),
            tuple(tuple(part.frames) for part in parts),
        )

    def _check_commit(self, main: _Share) -> None:
        assert main.end is not None
        _, frames, size, digest = COMMIT.unpack(main.end)
        tally, body = main.tally, main.last
        for what, said, found, at in (
            ("frames", frames, tally.frames, body + 8),
            ("bytes", size, tally.bytes, body + 16),
        ):
            if said != found:
                raise _refuse("bad-commit", f"COMMIT says {said} {what}, found {found}", at, MAIN)
        if digest != tally.digest():
            message = "the frames' headers do not give COMMIT's digest"
            raise _refuse("bad-commit", message, body + 24, MAIN)
