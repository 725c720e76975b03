"""The COLO protocol as tables: (state, event) -> state, one table for each side. No IO in it.

QEMU's order (migration/colo.c): after the first migration the secondary says that it is ready;
then, checkpoint by checkpoint, the primary requests and the secondary replies, the primary sends
its live sections and its device state, and the secondary says that it has received it, and at last
that it has loaded it.

Law: every event in every state has a transition here or raises `ProtocolError` with a name.
`LOST` is the end of a side: nothing follows it, and nothing leads out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import assert_never

from vmsc import VmscError
from vmsc.stream.events import MESSAGES

__all__ = [
    "PRIMARY",
    "SECONDARY",
    "ColoEvent",
    "ColoMark",
    "ColoState",
    "ProtocolError",
    "Table",
    "after",
    "heard",
    "said",
]  # fmt: skip


class ColoState(Enum):
    """Where a side is. A table names the states of its own side; both sides share the words."""

    MIGRATING = "in the first migration"
    LOADING = "waiting for the secondary to be ready"
    RUNNING = "between checkpoints"
    REQUESTED = "after a request"
    REPLIED = "before the live sections"
    LIVE = "in the live sections"
    SIZING = "after the live sections"
    DEVICES = "in the device state"
    WHOLE = "after a whole checkpoint"
    RECEIVED = "while the checkpoint is loaded"
    LOST = "lost"


class ColoMark(Enum):
    """What is no message: the ends of what the stream holds, and of the connection."""

    MIGRATED = "the end of the first migration"
    LIVE_ENDED = "the end of the live sections"
    DEVICES_ENDED = "the end of the device state"
    CLOSED = "the end of the connection"


ColoEvent = ColoMark | str
"""A mark, or a message that is `heard` or `said`."""

Table = Mapping[tuple[ColoState, ColoEvent], ColoState]


def heard(message: str) -> ColoEvent:
    """The other side's message of this name."""
    return "<" + message


def said(message: str) -> ColoEvent:
    """This side's own message of this name."""
    return ">" + message


_TO_SECONDARY = ("checkpoint-request", "vmstate-send", "vmstate-size")

# The protocol's one way round. A message is said by one side and heard by the other.
_ROUND: tuple[tuple[ColoState, ColoMark | str, ColoState], ...] = (
    (ColoState.MIGRATING, ColoMark.MIGRATED, ColoState.LOADING),
    (ColoState.LOADING, "checkpoint-ready", ColoState.RUNNING),
    (ColoState.RUNNING, "checkpoint-request", ColoState.REQUESTED),
    (ColoState.REQUESTED, "checkpoint-reply", ColoState.REPLIED),
    (ColoState.REPLIED, "vmstate-send", ColoState.LIVE),
    (ColoState.LIVE, ColoMark.LIVE_ENDED, ColoState.SIZING),
    (ColoState.SIZING, "vmstate-size", ColoState.DEVICES),
    (ColoState.DEVICES, ColoMark.DEVICES_ENDED, ColoState.WHOLE),
    (ColoState.WHOLE, "vmstate-received", ColoState.RECEIVED),
    (ColoState.RECEIVED, "vmstate-loaded", ColoState.RUNNING),
)


class ProtocolError(VmscError):
    """An event that its state has no place for. `code`: wrong-side, out-of-turn or after-the-end.

    `expected` is what the state has a place for, in the order of the table.
    """

    def __init__(self, code: str, message: str, expected: tuple[str, ...]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.expected = expected


def _table(primary: bool) -> Table:
    found: dict[tuple[ColoState, ColoEvent], ColoState] = {}
    for state, what, next_ in _ROUND:
        match what:
            case ColoMark():
                found[state, what] = next_
            case str():
                own = (what in _TO_SECONDARY) is primary
                found[state, said(what) if own else heard(what)] = next_
            case _:
                assert_never(what)
    for state in ColoState:
        if state is not ColoState.LOST:
            found[state, ColoMark.CLOSED] = ColoState.LOST
    return found


PRIMARY = _table(primary=True)
SECONDARY = _table(primary=False)


def after(table: Table, state: ColoState, event: ColoEvent) -> ColoState:
    """The state after this event. Raises ProtocolError."""
    next_ = table.get((state, event))
    if next_ is None:
        raise _error(table, state, event)
    return next_


def _error(table: Table, state: ColoState, event: ColoEvent) -> ProtocolError:
    expected = tuple(_words(e) for at, e in table if at is state and e is not ColoMark.CLOSED)
    if state is ColoState.LOST:
        return ProtocolError("after-the-end", f"{_words(event)} after the end", expected)
    known = {e for _, e in table}
    if isinstance(event, str) and event[1:] not in MESSAGES:
        raise AssertionError(f"no message is called {event}")
    code = "out-of-turn" if event in known else "wrong-side"
    wanted = " or ".join(expected)
    return ProtocolError(code, f"{wanted} expected {state.value}, found {_words(event)}", expected)


def _words(event: ColoEvent) -> str:
    return event.value if isinstance(event, ColoMark) else event[1:]
