"""Progress: a bar on a terminal, once the work has taken a second. Elsewhere nothing is shown."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from vmsc.inspect.entry import Entry

__all__ = ["watched"]

_PATIENCE = 1.0  # seconds


def watched(entries: Iterator[Entry], total: int | None) -> Iterator[Entry]:
    """The entries; how far in the input they reach is shown. `total`: its bytes, if known."""
    if not sys.stderr.isatty():
        yield from entries
        return
    begun = time.monotonic()
    bar: Progress | None = None
    task: TaskID | None = None
    try:
        for entry in entries:
            if bar is None and time.monotonic() - begun > _PATIENCE:
                bar = _bar()
                task = bar.add_task("", total=total)
            if bar is not None and task is not None:
                bar.update(task, completed=entry.event.offset)
            yield entry
    finally:
        if bar is not None:
            bar.stop()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    plain = bool(os.environ.get("NO_COLOR"))
    console = Console(stderr=True, no_color=plain)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=console, transient=True)
    bar.start()
    return bar
