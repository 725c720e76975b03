"""A recorded COLO connection, taken apart by hand: the first migration, and checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from colo_talk import REQUEST, SEND, SIZE, Page, Sent, name, walk_ram
from recordings import record
from streams_at_hand import library

from vmsc.guard.colo.first_migration import Baseline, FirstMigration
from vmsc.inspect.parameters import open_parameters

__all__ = ["Recorded", "continues", "pages", "recorded", "whole_checkpoints"]

_PAGE = 4096
_CONTINUE = 0x20
_RAM_END = 5 + 1  # a footer, and the end mark of the live sections


@dataclass(frozen=True)
class Recorded:
    """`checkpoints` are those that are whole; `baseline` is what vmsc learns of `first`."""

    first: bytes
    checkpoints: tuple[Sent, ...]
    baseline: Baseline


def _first(stream: bytes) -> int:
    """Where the first migration ends: after the JSON description."""
    found = re.search(rb'\x00\x06(....)\{"(page_size|configuration)"', stream, re.DOTALL)
    assert found is not None
    return found.end(1) + int.from_bytes(found[1], "big")


def _sent(stream: bytes, pos: int, block: str) -> tuple[Sent, int, str] | None:
    """The checkpoint whose request is at `pos`, its end and its last block; None: it is cut."""
    start = pos + 8
    if len(stream) < start + 5:
        return None
    assert stream[pos : start + 1] == REQUEST + SEND + b"\3"
    try:
        found, end = walk_ram(stream, start + 5, _PAGE, block)
    except (IndexError, KeyError):  # cut within the pages
        return None
    end += _RAM_END
    if stream[end : end + 4] != SIZE:
        return None
    live, devices = stream[start:end], end + 12
    size = int.from_bytes(stream[end + 4 : devices], "big")
    if len(stream) < devices + size:
        return None
    word = int.from_bytes(live[5:13], "big")
    standing = live
    if word & _CONTINUE:
        named = (word & ~_CONTINUE).to_bytes(8, "big") + name(found[0].block)
        standing = live[:5] + named + live[13:]
    sent = Sent(live, stream[devices : devices + size], standing)
    return sent, devices + size, found[-1].block if found else block


def _checkpoints(stream: bytes, pos: int) -> Iterator[Sent]:
    # Where the last page of the first migration lay is known by its name: all guests here have it.
    block = "pc.ram"
    while (found := _sent(stream, pos, block)) is not None:
        sent, pos, block = found
        yield sent


def whole_checkpoints(stream: bytes) -> tuple[Sent, ...]:
    """Those of a primary's connection, which may end anywhere."""
    return tuple(_checkpoints(stream, _first(stream)))


def pages(sent: Sent) -> list[Page]:
    """A guest that did not run between two checkpoints has changed none."""
    return walk_ram(sent.standing, 5, _PAGE)[0]


def continues(sent: Sent) -> bool:
    """Whether its first page lies in the block of the last page before it, and does not name it.
    The first checkpoint's may name one: a migration whose guest stood still ends in another.
    """
    return sent.standing != sent.live


@cache
def recorded() -> Recorded:
    stream = record("colo").stream
    end = _first(stream)
    first = FirstMigration(open_parameters(None, library()))
    assert b"".join(first.feed(stream[:end])) == stream[:end]
    baseline = first.ready()
    return Recorded(stream[:end], tuple(_checkpoints(stream, end)), baseline)
