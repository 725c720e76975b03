"""Orders: how a session ended -> what is ordered, what the exit status is, what is reported.

Laws (design section 8). A secondary that is half loaded is quit, and never ordered to take over.
Never two: the secondary is ordered to take over only behind a fence that succeeded; the primary is
told to go on alone only where the secondary was not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from vmsc.guard.colo.session import Ended, Outcome

__all__ = ["GOOD", "WRONG", "Order", "Reach", "by_hand", "orders", "report", "status"]

GOOD, WRONG = 0, 1


class Order(Enum):
    """What the guard does, in order, once a session has ended."""

    CLOSE_PRIMARY = "close the primary's connection"
    QUIT_SECONDARY = "quit the secondary"
    PRIMARY_ALONE = "tell the primary to go on alone"
    TAKE_OVER = "fence the primary, and if that succeeds tell the secondary to take over"
    WAIT = "wait for an operator"


@dataclass(frozen=True)
class Reach:
    """Whom the guard can give orders: by QMP, and by a fence that it was allowed to use."""

    secondary: bool = False
    primary: bool = False
    fence: bool = False


def orders(ended: Ended, protected: bool, reach: Reach) -> tuple[Order, ...]:
    """`protected`: the first migration was loaded, so both sides are in COLO. Before, a secondary
    has nothing whole, and a primary is stopped, in COLO, as soon as it has sent all.
    """
    found = [Order.CLOSE_PRIMARY]
    alone = [Order.PRIMARY_ALONE] if reach.primary else []
    match ended.outcome:
        case Outcome.STOPPED | Outcome.REFUSED | Outcome.SECONDARY_LOST:
            found += alone
        case Outcome.APPLY_FAILED:
            found += [Order.QUIT_SECONDARY] if reach.secondary else []
            found += alone
        case Outcome.PRIMARY_LOST if protected:
            found += [Order.TAKE_OVER] if reach.fence and reach.secondary else []
            found += [Order.WAIT]
        case Outcome.PRIMARY_LOST:
            found += alone
        case Outcome.TAKEN_OVER:
            pass
        case _:
            assert_never(ended.outcome)
    return tuple(found)


def status(ended: Ended, protected: bool) -> int:
    """The exit status; where an operator is waited for, what he does decides."""
    match ended.outcome:
        case Outcome.STOPPED | Outcome.TAKEN_OVER:
            return GOOD
        case Outcome.PRIMARY_LOST:
            return GOOD if protected else WRONG
        case Outcome.REFUSED | Outcome.SECONDARY_LOST | Outcome.APPLY_FAILED:
            return WRONG
        case _:
            assert_never(ended.outcome)


_HEARTBEAT = '{"execute": "x-colo-lost-heartbeat"}'
_QUIT = '{"execute": "quit"}'


def by_hand(order: Order) -> str:
    """For an operator: what to do himself where this order could not be carried out."""
    match order:
        case Order.QUIT_SECONDARY:
            return f"end the half-loaded secondary: on its QMP, {_QUIT}"
        case Order.PRIMARY_ALONE:
            return f"the primary may be stopped: on its QMP, {_HEARTBEAT} lets it go on alone"
        case Order.TAKE_OVER:
            return (
                "make sure that the primary does not run, then on the secondary's QMP:"
                f" {_HEARTBEAT}"
            )
        case Order.CLOSE_PRIMARY | Order.WAIT:
            return "end the guard"
        case _:
            assert_never(order)


def report(ended: Ended, protected: bool, reach: Reach) -> tuple[str, ...]:
    """For an operator: what happened, where both sides are, and what to order. A line each."""
    lines = [f"{ended.outcome.value}: {ended.message} [{ended.code}]"]
    at = f"checkpoint {ended.epoch}" if ended.epoch else "the first migration"
    alone = "the primary is told to go on alone"
    if not reach.primary:
        alone = by_hand(Order.PRIMARY_ALONE)
    if not protected and ended.outcome is not Outcome.TAKEN_OVER:
        lines += ["nothing was protected yet: the secondary is of no use", alone]
        return tuple(lines)
    match ended.outcome:
        case Outcome.STOPPED | Outcome.REFUSED:
            lines += [
                f"the secondary is whole, at {at}",
                f"{alone}; then end the secondary: on its QMP, {_QUIT}",
                f"if the primary is dead: fence it, then on the secondary's QMP, {_HEARTBEAT}",
            ]
        case Outcome.SECONDARY_LOST:
            lines.append(alone)
        case Outcome.APPLY_FAILED:
            half = "the secondary is half loaded and must not take over"
            quits = "it is quit" if reach.secondary else by_hand(Order.QUIT_SECONDARY)
            lines += [f"{half}: {quits}", alone]
        case Outcome.PRIMARY_LOST:
            lines.append(f"the secondary is whole, at {at}")
            if not (reach.fence and reach.secondary):
                lines.append(f"no failover was ordered; {by_hand(Order.TAKE_OVER)}")
        case Outcome.TAKEN_OVER:
            lines.append("make sure that the primary does not run: it is not told anything")
        case _:
            assert_never(ended.outcome)
    return tuple(lines)
