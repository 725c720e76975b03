"""Progress: a line on a terminal, once the work has taken a second. Elsewhere nothing is shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmsc.inspect.entry import Entry

__all__ = ["watched"]

_PATIENCE = 1.0  # seconds before the line is shown
_PAUSE = 0.1  # seconds before it is shown anew


def watched(entries: Iterator[Entry], total: int | None) -> Iterator[Entry]:
    """The entries; how far in the input they reach is shown. `total`: its bytes, if known."""
    if not sys.stderr.isatty():
        yield from entries
        return
    begun = time.monotonic()
    due, width = begun + _PATIENCE, 0
    try:
        for entry in entries:
            now = time.monotonic()
            if now >= due:
                due = now + _PAUSE
                line = _line(entry.event.offset, total, now - begun)
                _show(line.ljust(width))
                width = len(line)
            yield entry
    finally:
        if width:
            _show(" " * width + "\r")


def _line(done: int, total: int | None, seconds: float) -> str:
    of = "" if total is None else f" of {total / 1e6:.1f}"
    share = f", {100 * done // total} %" if total else ""
    return f"{done / 1e6:.1f}{of} MB{share}, {done / 1e6 / seconds:.1f} MB/s"


def _show(text: str) -> None:
    print(f"\r{text}", end="", file=sys.stderr, flush=True)
