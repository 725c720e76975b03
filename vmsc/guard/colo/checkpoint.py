"""Checkpoint: one whole proven state of a running machine, as a secondary takes it.

It stands by itself: its first page names its block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from vmsc.inspect.entry import Entry
from vmsc.stream.events import MESSAGES, Message
from vmsc.stream.reader import Piece
from vmsc.stream.writer import event_bytes

__all__ = ["Checkpoint", "Taken", "message"]


@dataclass(frozen=True)
class Taken:
    """A piece of a checkpoint as it goes to the secondary; `entry` is that of a device's section,
    and of a live one but RAM's.
    """

    piece: Piece
    entry: Entry | None = None


@dataclass(frozen=True)
class Checkpoint:
    """`live` ends with the end mark of the live sections, `devices` with that of the device
    state. `epoch` counts from 1, from the first migration on.
    """

    epoch: int
    live: tuple[Taken, ...]
    devices: tuple[Taken, ...]

    @cached_property
    def size(self) -> int:
        """Bytes, without the messages."""
        return sum(len(taken.piece.data) for taken in (*self.live, *self.devices))

    def wire(self) -> Iterator[bytes]:
        """What a secondary is sent once it has replied: from vmstate-send to the last byte."""
        yield message("vmstate-send")
        yield from (taken.piece.data for taken in self.live)
        yield message("vmstate-size", sum(len(taken.piece.data) for taken in self.devices))
        yield from (taken.piece.data for taken in self.devices)


def message(name: str, value: int | None = None) -> bytes:
    """A COLO message's bytes."""
    return b"".join(event_bytes(Message(0, MESSAGES.index(name), value)))
