"""Progress is a line on a terminal, and gone when the work is done."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from vmsc.cli import progress
from vmsc.cli.progress import watched
from vmsc.inspect.entry import Entry
from vmsc.stream.events import Eof


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def entries(*offsets: int) -> Iterator[Entry]:
    return (Entry(Eof(offset)) for offset in offsets)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal, and a clock that goes on by half a second whenever it is read."""
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock) / 2)
    shown = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=shown))
    return shown


def test_after_a_second_it_says_how_far_it_is(terminal: Terminal) -> None:
    offsets = (1_000_000, 12_000_000, 30_000_000)
    assert len(list(watched(entries(*offsets), 40_000_000))) == 3
    lines = ["12.0 of 40.0 MB, 30 %, 12.0 MB/s", "30.0 of 40.0 MB, 75 %, 20.0 MB/s"]
    assert terminal.getvalue() == "".join(f"\r{line}" for line in lines) + f"\r{' ' * 32}\r"


def test_of_a_pipe_it_says_what_has_come(terminal: Terminal) -> None:
    list(watched(entries(0, 5_000_000), None))
    assert terminal.getvalue() == "\r5.0 MB, 5.0 MB/s\r                \r"


def test_what_is_done_within_a_second_shows_nothing(terminal: Terminal) -> None:
    list(watched(entries(1), 10))
    assert terminal.getvalue() == ""


def test_where_there_is_no_terminal_nothing_is_shown(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = io.StringIO()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=plain))
    assert len(list(watched(entries(*range(100)), 100))) == 100
    assert plain.getvalue() == ""
