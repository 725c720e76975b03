"""The checkpoint collector: the bytes of one channel or several -> whole proven checkpoints.

Sans-IO: what came over a connection is fed to it, and it answers with a checkpoint or with nothing.
The format is docs/framed-format.md; `vmsc.runtime.framed.assembly` says when a checkpoint is whole.

The law: **what is not committed never existed.** A checkpoint is handed out when its COMMIT and all
its parts are here and agree, or not at all; a refusal or a cut forgets what came of it, and reading
begins anew. Limits, over all channels together, are compared before bytes are waited for. No more
is held than the checkpoint, and one piece a channel of what follows it. However the bytes are cut,
and in whatever order the channels bring them, the checkpoints are the same.
"""

from __future__ import annotations

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.runtime.framed.assembly import (
    MAIN,
    NOTHING,
    Assembly,
    Delivered,
    FramedCheckpoint,
    Promise,
)
from vmsc.runtime.framed.channel import Incoming, advance
from vmsc.runtime.framed.checkpoint import DEFAULT_LIMITS
from vmsc.runtime.framed.frame import HEADER_SIZE, Limits

__all__ = ["CheckpointCollector", "Delivered"]


class CheckpointCollector:
    """Checkpoints from channels that bring them in pieces.

    `channel` is 0 for the main one, and any other number for a side connection: connections come
    in any order, and PART says which channel of the checkpoint one carries.

    A channel that has brought its share waits for the others: what follows belongs to a later
    checkpoint, and is not looked at before this one is committed. `need` is 0 then, and a caller
    who heeds that lets the connection push back; bytes that are fed all the same are held, up to
    the limit of one checkpoint for all channels.

    `epoch`: of the last checkpoint that was committed (None: none yet). Epochs rise, so that one
    that is sent again is told from a new one.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.epoch: int | None = None
        self._limits = limits
        self._incoming: dict[int, Incoming] = {}
        self._assembly = Assembly(limits)
        self._error: DecodeError | None = None

    @property
    def held(self) -> int:
        """Bytes that are here of what is not committed."""
        return self._assembly.size + sum(each.held for each in self._incoming.values())

    def need(self, channel: int = MAIN) -> int:
        """How many more bytes of this channel can be used at once. 0: none, for it waits for the
        others; or `feed` has not been called since it gave a checkpoint; or after a refusal.
        """
        incoming = self._incoming.get(channel)
        if self._error is not None or self._assembly.whole(channel):
            return 0
        if incoming is None:
            return HEADER_SIZE
        return 0 if incoming.unread else incoming.need

    def feed(self, data: Buffer = b"", channel: int = MAIN) -> Delivered | None:
        """Take bytes of a channel; a checkpoint, if one is whole. Call it again, without data,
        until it gives None: what follows a checkpoint may hold the next one.

        Raises DecodeError, located in the channel's input, and goes on raising it until `cut`:
        nothing is held of what was refused.
        """
        if self._error is not None:
            raise self._error.with_traceback(None)
        try:
            if len(data):
                self._take(data, channel)
            done = self._advance()
        except DecodeError as error:
            self.cut()
            self._error = error
            # The way that the error has come holds on to the payload in which it was found.
            raise error.with_traceback(None) from None
        if done is None:
            return None
        self.epoch = done.epoch
        self._assembly = self._fresh()
        return Delivered(done)

    def cut(self, channel: int | None = None) -> None:
        """A connection is gone: all that came over it and is not committed is forgotten, and its
        next bytes begin with PART, or with BEGIN on the main channel. None: all connections are,
        and a refusal is forgotten too.
        """
        if channel is None:
            self._incoming.clear()
            self._assembly = self._fresh()
            self._error = None
        else:
            self._incoming.pop(channel, None)
            self._assembly.forget(channel)

    def close(self) -> None:
        """The input ends here, on all channels. Raises Truncated, if a checkpoint is not whole,
        and forgets it; the error of a refusal, if there was one.
        """
        if self._error is not None:
            raise self._error.with_traceback(None)
        missing = self._missing()
        self.cut()
        if missing is not None:
            raise missing

    def _fresh(self) -> Assembly:
        return Assembly(self._limits, after=self.epoch)

    def _take(self, data: Buffer, channel: int) -> None:
        incoming = self._incoming.get(channel)
        if incoming is None:
            self._check_channels(channel)
            incoming = self._incoming[channel] = Incoming(channel)
        elif self.need(channel) == 0:
            self._check_waiting(incoming, len(data))
        incoming.feed(data)

    def _check_channels(self, channel: int) -> None:
        assert channel >= MAIN, f"a channel from {MAIN} on expected, found {channel}"
        sides = {*self._incoming, channel} - {MAIN}
        if len(sides) > self._limits.channels:
            message = f"{len(sides)} side channels are over the limit {self._limits.channels}"
            raise _refuse(message, channel, 0)

    def _check_waiting(self, incoming: Incoming, size: int) -> None:
        """Compare what is fed to channels that wait with the limit, before it is kept."""
        waiting = size + sum(each.unread for each in self._incoming.values())
        if waiting > self._limits.total:
            message = (
                f"{waiting} bytes after a checkpoint that is not whole are over the limit"
                f" {self._limits.total}: feed no more to a channel whose need is 0"
            )
            raise _refuse(message, incoming.channel, incoming.offset)

    def _advance(self) -> FramedCheckpoint | None:
        for channel in sorted(self._incoming):
            if self._incoming[channel].unread:
                done = advance(self._incoming[channel], self._assembly, lambda: self._promised)
                if done is not None:
                    return done
        return None

    @property
    def _promised(self) -> Promise:
        total = NOTHING
        for incoming in self._incoming.values():
            total = total.plus(incoming.promised)
        return total

    def _missing(self) -> DecodeError | None:
        assembly = self._assembly
        for channel, incoming in sorted(self._incoming.items()):
            if not assembly.whole(channel) and (incoming.held or assembly.begun(channel)):
                return incoming.missing(assembly.place(channel))
        lacking = assembly.lacking()
        if lacking is None:
            return None
        path = ("header",) if lacking == MAIN else ("part", lacking)
        return Truncated(HEADER_SIZE, offset=0, path=path)


def _refuse(message: str, channel: int, offset: int) -> DecodeError:
    path = () if channel == MAIN else ("channel", channel)
    return DecodeError(message, offset=offset, code="limit", path=path)
