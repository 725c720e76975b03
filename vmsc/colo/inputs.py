"""Inputs: what a running guard is told, one at a time."""

from __future__ import annotations

from dataclasses import dataclass

from vmsc.colo.session import Side

__all__ = ["Closed", "Exit", "Heard", "Input", "Second", "Stop"]


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


class Stop:
    """SIGTERM."""


Input = Heard | Closed | Exit | Second | Stop
