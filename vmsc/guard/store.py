"""Store: committed checkpoints as framed files, the last few of them.

Law: a file of this name is a whole checkpoint, on the disk, or it is not there: it is written
beside, flushed to the disk, and renamed. What a killed guard left beside is removed by the next: a
folder is one guard's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from vmsc.files import write_pieces
from vmsc.guard.colo.checkpoint import Checkpoint, Taken
from vmsc.guard.colo.first_migration import Baseline
from vmsc.inspect.entry import Entry
from vmsc.inspect.framed_writer import Long, framed
from vmsc.inspect.pipe_reader import payload_in
from vmsc.runtime.codec import Buffer
from vmsc.runtime.framed.context import Context, Setting
from vmsc.stream.events import MESSAGES, RAM, VMSTATE_SIZE, Message, Pages, Section

__all__ = ["Store", "stored"]

_PATTERN = "checkpoint-*.vmsf"


class Store:
    """Keeps the last `last` checkpoints of all sessions in `folder`; `session` is a word that
    rises from session to session, as a time does.
    """

    def __init__(self, folder: Path, last: int, session: str) -> None:
        """Raises OSError if the folder cannot be had, or written to."""
        self._folder, self._last, self._session = folder, last, session
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for left in folder.glob(f".{_PATTERN}.*"):
            left.unlink(missing_ok=True)

    def keep(self, checkpoint: Checkpoint, baseline: Baseline) -> Path:
        """Write the checkpoint, and forget those that are one too many. Raises OSError and
        EncodeError.
        """
        path = self._folder / f"checkpoint-{self._session}-{checkpoint.epoch:08}.vmsf"
        write_pieces(path, stored(checkpoint, baseline), durable=True, private=True)
        # A clock that was set back makes this one's name no later than those before it.
        others = sorted(other for other in self._folder.glob(_PATTERN) if other != path)
        for old in others[: len(others) + 1 - self._last]:
            old.unlink(missing_ok=True)
        return path


def stored(checkpoint: Checkpoint, baseline: Baseline) -> Iterator[Buffer]:
    """The checkpoint in the framed format, piece by piece; it stands by itself."""
    form = baseline.form
    settings = (
        Setting(RAM, "page_size", form.page_size),
        Setting(RAM, "ignore_shared", int(form.ignore_shared)),
    )
    context = Context(tuple(baseline.started.values()), settings)
    return framed(tuple(_entries(checkpoint)), checkpoint.epoch, context)


def _entries(checkpoint: Checkpoint) -> Iterator[Entry | Long]:
    size = sum(len(taken.piece.data) for taken in checkpoint.devices)
    yield Entry(Message(0, MESSAGES.index("vmstate-send")))
    yield from _whole(checkpoint.live)
    yield Entry(Message(0, VMSTATE_SIZE, size))
    yield from _whole(checkpoint.devices)


def _whole(pieces: tuple[Taken, ...]) -> Iterator[Entry | Long]:
    """The entries of the pieces. Those of RAM, which may be most of a checkpoint, are not put
    together: they are in memory once.
    """
    parts: list[Buffer] = []
    for taken in pieces:
        event = taken.piece.event
        if taken.entry is not None:
            yield taken.entry
            continue
        if isinstance(event, Section | Pages):
            parts.append(payload_in(taken.piece))
        if isinstance(event, Section):
            yield Long(event, parts)
            parts = []
        elif not isinstance(event, Pages):
            yield Entry(event)
