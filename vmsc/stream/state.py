"""Where a reader of streams is, and what it asks of a measure: the data of `step.step`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import Truncated
from vmsc.runtime.framed.context import Started
from vmsc.runtime.notes import Kept
from vmsc.stream.events import SectionKind

__all__ = ["Full", "Measure", "Paused", "Phase", "SectionHeader", "State"]


class SectionHeader(msgspec.Struct, frozen=True):
    """What is known of a section before its payload; `offset` is the header's, in the file.

    `taken` bytes of the payload were given out in pieces: what is measured begins after them. Of
    that, `done` bytes were found whole by an earlier try (`Paused`), which also left `notes`; and
    after `room` bytes, if it is said, another piece may end (`Full`).
    """

    kind: SectionKind
    id: int
    name: str
    instance: int
    version: int
    offset: int
    payload: int
    done: int = 0
    taken: int = 0
    room: int | None = None
    notes: Kept = {}


Measure = Callable[[SectionHeader, Buffer, int, bool], int]
"""measure(header, buf, pos, final) -> the end of the payload that begins at `pos` of `buf`.

`final`: nothing comes after the buffer's end. It raises Truncated when the payload goes on after
the buffer's end, DecodeError with offsets in the buffer for anything else that is wrong.
"""


class Paused(Truncated):
    """Truncated, and `done` bytes of the payload need not be looked at again, nor what `notes`
    tell of.
    """

    def __init__(
        self,
        need: int,
        *,
        offset: int,
        done: int = 0,
        path: Sequence[str | int] = (),
        notes: Kept | None = None,
    ) -> None:
        super().__init__(need, offset=offset, path=path)
        self.done = done
        self.notes: Kept = notes or {}


class Full(Exception):
    """A measure's way to say that a piece of `size` bytes may be given out before the rest."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Phase(Enum):
    HEADER = "header"
    SETUP = "setup"  # a configuration may stand here
    SECTIONS = "sections"
    TAIL = "tail"  # a description may stand here
    MESSAGES = "messages"  # COLO
    LIVE = "live"  # COLO's sections after vmstate-send
    DEVICES = "devices"  # COLO's device state, of a size that is known
    REST = "rest"


class State(msgspec.Struct, frozen=True):
    """Where a reader is. `base` is the file offset of the buffer's first byte.

    `bound` is the file offset where a package or COLO's device state ends; `footers` whether the
    sections so far had footers; `last` the name of the section before; `done` how much of the
    payload that is being read was found whole, and `notes` of it. `going`: the section of which
    pieces were given out, whose payload goes on here. `room`: RAM is given out in pieces of about
    so many bytes.
    """

    phase: Phase = Phase.HEADER
    base: int = 0
    started: Mapping[int, Started] = {}
    bound: int | None = None
    footers: bool | None = None
    colo: bool = False
    last: str = ""
    done: int = 0
    going: SectionHeader | None = None
    room: int | None = None
    notes: Kept = {}

    @property
    def inside(self) -> bool:
        return self.bound is not None
