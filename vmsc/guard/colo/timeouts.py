"""Timeouts: who is late, and since when. Pure: the clock's readings come in.

A side is late that has to say something and has been silent for the timeout; a primary also if it
is slower than `SLOWEST` over more than twice the timeout. Between checkpoints the protocol's own
pace counts: a primary is late that has asked at intervals, and does not for three times the longest
of them; the time that its last checkpoint took is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vmsc.guard.colo.session import Side

__all__ = ["SLOWEST", "Late", "Pace", "due"]

SLOWEST = 1 << 16  # bytes a second
_ENOUGH = 3  # intervals that make a pace
_TIMES = 3


@dataclass(frozen=True)
class Late:
    """At `at` this side is late. `code` and `words` say how."""

    at: float
    side: Side
    code: str
    words: str


@dataclass
class Pace:
    """When the primary has asked for checkpoints."""

    last: float | None = None
    longest: float = 0.0
    count: int = field(default=0)

    def asked(self, now: float) -> None:
        if self.last is not None:
            self.longest = max(self.longest, now - self.last)
            self.count += 1
        self.last = now

    def due(self, timeout: float, since: float) -> Late | None:
        """When a primary that asks no more is late, that could ask since then; None while its pace
        is not known.
        """
        if self.last is None or self.count < _ENOUGH:
            return None
        wait = max(timeout, _TIMES * self.longest)
        words = f"no checkpoint-request for {wait:g} s, they came every {self.longest:.3g} s"
        return Late(max(self.last, since) + wait, Side.PRIMARY, "out-of-pace", words)


def due(
    side: Side | None,
    timeout: float,
    *,
    since: float,
    primary: float,
    secondary: float,
    taken: int,
    pace: Pace,
) -> Late | None:
    """Who is late when, if nothing comes.

    `since`: when the wait began; `primary` and `secondary`: when their bytes last moved; `taken`:
    bytes that came of what is waited for.
    """
    silent = f"silent for {timeout:g} s, and it is its turn"
    match side:
        case Side.PRIMARY:
            slow = f"slower than {SLOWEST} bytes a second for over {2 * timeout:g} s"
            return min(
                Late(max(since, primary) + timeout, side, "silent", silent),
                Late(since + 2 * timeout + taken / SLOWEST, side, "slow", slow),
                key=lambda late: late.at,
            )
        case Side.SECONDARY:
            return Late(max(since, secondary) + timeout, side, "silent", silent)
        case None:
            return pace.due(timeout, since)
