"""Work, counted in the functions that are called: a busy machine does not change it."""

from __future__ import annotations

import sys
import types
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["counted", "work"]


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """How often functions are called within the block, by kind."""
    calls: Counter[str] = Counter()

    def note(_frame: types.FrameType, event: str, _argument: object) -> None:
        calls[event] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def work(calls: Counter[str]) -> int:
    return calls["call"] + calls["c_call"]
