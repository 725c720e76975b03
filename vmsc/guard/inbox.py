"""The inbox: what a running guard is told, and where it waits to be taken, one at a time.

Law: a side's bytes wait for room, so that it is read no faster than it is dealt with; nothing else
that happens ever waits for them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from vmsc.guard.colo.session import Side

__all__ = ["Closed", "Exit", "Heard", "Input", "Inputs", "Second", "Stop"]

_ROOM = 4  # pieces


@dataclass(frozen=True)
class Heard:
    """A side's bytes."""

    side: Side
    data: bytes


@dataclass(frozen=True)
class Closed:
    """A side's connection has ended."""

    side: Side
    why: str


@dataclass(frozen=True)
class Exit:
    """COLO_EXIT of the secondary's QMP."""

    reason: str


@dataclass(frozen=True)
class Second:
    """A second connection of a primary: a channel of multifd."""


@dataclass(frozen=True)
class Stop:
    """SIGTERM."""


Input = Heard | Closed | Exit | Second | Stop


class Inputs:
    """What has happened and was not taken yet, in order."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Input] = asyncio.Queue()
        self._room = asyncio.Semaphore(_ROOM)

    @property
    def empty(self) -> bool:
        return self._waiting.empty()

    def put(self, found: Closed | Exit | Second | Stop) -> None:
        self._waiting.put_nowait(found)

    async def hear(self, found: Heard) -> None:
        """Put it, once there is room."""
        await self._room.acquire()
        self._waiting.put_nowait(found)

    async def get(self) -> Input:
        """The next one. Nothing is lost if this is cancelled."""
        found = await self._waiting.get()
        if isinstance(found, Heard):
            self._room.release()
        return found
