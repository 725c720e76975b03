"""Notes: how far a scan came in each list that the end of its input cut, so that the next try, when
more bytes are there, goes on from there.

Law: a scan that goes on from its notes ends where one from the start does, and raises the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Kept", "Notes"]

Kept = Mapping[int, tuple[Any, ...]]
"""By a list's number: (offset from the start, its state..., lists entered before)."""


class Notes:
    """The notes of one try, which begins at `base`: `kept` by the try before, `fresh` for the next.

    A list's number tells which it is: how many were entered since the scan began, those within
    elements that were passed over included.
    """

    __slots__ = ("_base", "_kept", "entered", "fresh")

    def __init__(self, base: int, kept: Kept) -> None:
        self.entered = 0
        self.fresh: dict[int, tuple[Any, ...]] = {}
        self._base = base
        self._kept = kept

    def enter(self, pos: int, *state: Any) -> tuple[Any, ...]:
        """A list begins at `pos`: its number, and the position and state to go on with."""
        self.entered += 1
        number = self.entered
        kept = self._kept.get(number)
        if kept is None:
            return number, pos, *state
        offset, *state_, self.entered = kept
        return number, self._base + offset, *state_

    def keep(self, number: int, pos: int, *state: Any) -> None:
        """The list was found whole up to `pos`; the last of `state` is what was entered then."""
        self.fresh[number] = (pos - self._base, *state)
