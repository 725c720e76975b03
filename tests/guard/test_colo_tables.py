"""COLO's tables, against tables that were written out by hand from the protocol, and each against
the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

import pytest

from vmsc.guard.colo.protocol import (
    PRIMARY,
    SECONDARY,
    ColoEvent,
    ColoMark,
    ColoState,
    ProtocolError,
    Table,
    after,
    heard,
    said,
)

MESSAGES = (
    "checkpoint-ready", "checkpoint-request", "checkpoint-reply", "vmstate-send", "vmstate-size",
    "vmstate-received", "vmstate-loaded",
)  # fmt: skip
EVENTS: tuple[ColoEvent, ...] = (*ColoMark, *map(heard, MESSAGES), *map(said, MESSAGES))

# The whole way round of each side: in this state, this alone may come, and leads there.
PRIMARY_WAY: Mapping[ColoState, tuple[ColoEvent, ColoState]] = {
    ColoState.MIGRATING: (ColoMark.MIGRATED, ColoState.LOADING),
    ColoState.LOADING: ("<checkpoint-ready", ColoState.RUNNING),
    ColoState.RUNNING: (">checkpoint-request", ColoState.REQUESTED),
    ColoState.REQUESTED: ("<checkpoint-reply", ColoState.REPLIED),
    ColoState.REPLIED: (">vmstate-send", ColoState.LIVE),
    ColoState.LIVE: (ColoMark.LIVE_ENDED, ColoState.SIZING),
    ColoState.SIZING: (">vmstate-size", ColoState.DEVICES),
    ColoState.DEVICES: (ColoMark.DEVICES_ENDED, ColoState.WHOLE),
    ColoState.WHOLE: ("<vmstate-received", ColoState.RECEIVED),
    ColoState.RECEIVED: ("<vmstate-loaded", ColoState.RUNNING),
}
SECONDARY_WAY: Mapping[ColoState, tuple[ColoEvent, ColoState]] = {
    ColoState.MIGRATING: (ColoMark.MIGRATED, ColoState.LOADING),
    ColoState.LOADING: (">checkpoint-ready", ColoState.RUNNING),
    ColoState.RUNNING: ("<checkpoint-request", ColoState.REQUESTED),
    ColoState.REQUESTED: (">checkpoint-reply", ColoState.REPLIED),
    ColoState.REPLIED: ("<vmstate-send", ColoState.LIVE),
    ColoState.LIVE: (ColoMark.LIVE_ENDED, ColoState.SIZING),
    ColoState.SIZING: ("<vmstate-size", ColoState.DEVICES),
    ColoState.DEVICES: (ColoMark.DEVICES_ENDED, ColoState.WHOLE),
    ColoState.WHOLE: (">vmstate-received", ColoState.RECEIVED),
    ColoState.RECEIVED: (">vmstate-loaded", ColoState.RUNNING),
}
# What a side never says, and never hears: the other side's part.
NOT_THE_PRIMARYS = (
    ">checkpoint-ready", ">checkpoint-reply", ">vmstate-received", ">vmstate-loaded",
    "<checkpoint-request", "<vmstate-send", "<vmstate-size",
)  # fmt: skip
NOT_THE_SECONDARYS = (
    "<checkpoint-ready", "<checkpoint-reply", "<vmstate-received", "<vmstate-loaded",
    ">checkpoint-request", ">vmstate-send", ">vmstate-size",
)  # fmt: skip

each_side = pytest.mark.parametrize(
    ("table", "way", "foreign"),
    [(PRIMARY, PRIMARY_WAY, NOT_THE_PRIMARYS), (SECONDARY, SECONDARY_WAY, NOT_THE_SECONDARYS)],
    ids=["primary", "secondary"],
)


def refused(table: Table, state: ColoState, event: ColoEvent) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        after(table, state, event)
    return caught.value


@each_side
def test_every_event_in_every_state_has_its_transition_or_its_one_error(
    table: Table,
    way: Mapping[ColoState, tuple[ColoEvent, ColoState]],
    foreign: tuple[ColoEvent, ...],
) -> None:
    assert len(EVENTS) == 18 and set(way) == set(ColoState) - {ColoState.LOST}
    for state, event in product(ColoState, EVENTS):
        if state is ColoState.LOST:
            assert refused(table, state, event).code == "after-the-end"
        elif event is ColoMark.CLOSED:
            assert after(table, state, event) is ColoState.LOST
        elif event == way[state][0]:
            assert after(table, state, event) is way[state][1]
        else:
            code = "wrong-side" if event in foreign else "out-of-turn"
            assert refused(table, state, event).code == code, (state, event)


@each_side
def test_a_table_has_nothing_but_the_way_round_and_the_end(
    table: Table,
    way: Mapping[ColoState, tuple[ColoEvent, ColoState]],
    foreign: tuple[ColoEvent, ...],
) -> None:
    expected = {(state, event): next_ for state, (event, next_) in way.items()}
    expected |= {(state, ColoMark.CLOSED): ColoState.LOST for state in way}
    assert dict(table) == expected


@each_side
def test_an_error_says_what_was_found_and_what_its_state_has_a_place_for(
    table: Table,
    way: Mapping[ColoState, tuple[ColoEvent, ColoState]],
    foreign: tuple[ColoEvent, ...],
) -> None:
    for state, event in product(ColoState, EVENTS):
        if (state, event) in table:
            continue
        error = refused(table, state, event)
        found = event.value if isinstance(event, ColoMark) else event[1:]
        assert found in error.message
        if state is ColoState.LOST:
            assert error.expected == ()
            continue
        wanted = way[state][0]
        word = wanted.value if isinstance(wanted, ColoMark) else wanted[1:]
        assert error.expected == (word,)
        assert error.message == f"{word} expected {state.value}, found {found}"


@pytest.mark.parametrize("table", [PRIMARY, SECONDARY], ids=["primary", "secondary"])
def test_what_is_no_message_is_a_fault_of_the_caller(table: Table) -> None:
    for state in set(ColoState) - {ColoState.LOST}:
        with pytest.raises(AssertionError):
            after(table, state, heard("checkpoint-maybe"))


# --- each against the other -----------------------------------------------------------------------


class Joint(NamedTuple):
    """Both sides, and what is on its way to each. The marks are read out of the primary's bytes:
    they travel like its messages.
    """

    primary: ColoState
    secondary: ColoState
    to_secondary: tuple[ColoEvent, ...] = ()
    to_primary: tuple[ColoEvent, ...] = ()


def says(table: Table, state: ColoState) -> Iterator[tuple[ColoEvent, ColoState]]:
    """What a side may send now by itself, and its state after."""
    for (at, event), next_ in table.items():
        own = isinstance(event, str) and event[0] == ">"
        if at is state and (own or (isinstance(event, ColoMark) and event is not ColoMark.CLOSED)):
            yield event, next_


def hears(event: ColoEvent) -> ColoEvent:
    return event if isinstance(event, ColoMark) else "<" + event[1:]


def steps(now: Joint, ends: bool) -> Iterator[Joint]:
    """All that may happen next; with `ends`, the end of either side's connection, too, after which
    the other hears what was on its way, and then the end.
    """
    to_s, to_p = now.to_secondary, now.to_primary
    for event, next_ in says(PRIMARY, now.primary):
        yield now._replace(primary=next_, to_secondary=(*to_s, event))
    for event, next_ in says(SECONDARY, now.secondary):
        if not isinstance(event, ColoMark):
            yield now._replace(secondary=next_, to_primary=(*to_p, event))
    if to_s and now.secondary is not ColoState.LOST:
        next_ = after(SECONDARY, now.secondary, hears(to_s[0]))
        yield now._replace(secondary=next_, to_secondary=to_s[1:])
    if to_p and now.primary is not ColoState.LOST:
        next_ = after(PRIMARY, now.primary, hears(to_p[0]))
        yield now._replace(primary=next_, to_primary=to_p[1:])
    if ends and now.primary is not ColoState.LOST and to_s[-1:] != (ColoMark.CLOSED,):
        yield now._replace(primary=ColoState.LOST, to_secondary=(*to_s, ColoMark.CLOSED))
    if ends and now.secondary is not ColoState.LOST and to_p[-1:] != (ColoMark.CLOSED,):
        yield now._replace(secondary=ColoState.LOST, to_primary=(*to_p, ColoMark.CLOSED))


def reached(ends: bool) -> dict[Joint, list[Joint]]:
    """Every joint state that can come about, in any order of sending and hearing. An event that
    its hearer has no place for is raised.
    """
    start = Joint(ColoState.MIGRATING, ColoState.MIGRATING)
    found: dict[Joint, list[Joint]] = {}
    left = deque([start])
    while left:
        now = left.popleft()
        if now not in found:
            found[now] = list(steps(now, ends))
            left.extend(found[now])
            assert len(found) < 10_000 and len(now.to_secondary) + len(now.to_primary) < 8
    return found


def test_whatever_one_side_can_say_the_other_can_hear_and_both_go_on() -> None:
    found = reached(ends=False)
    assert {joint.primary for joint in found} == set(ColoState) - {ColoState.LOST}
    assert {joint.secondary for joint in found} == set(ColoState) - {ColoState.LOST}
    assert all(found.values()), "a joint state from which nothing can happen"


def test_from_every_joint_state_both_sides_come_back_between_checkpoints() -> None:
    found = reached(ends=False)
    home = Joint(ColoState.RUNNING, ColoState.RUNNING)
    back = {home}
    while more := {now for now, next_ in found.items() if back & set(next_)} - back:
        back |= more
    assert back == set(found)


def test_an_end_of_either_side_at_any_time_is_heard_and_nothing_follows_it() -> None:
    found = reached(ends=True)
    stuck = [now for now, next_ in found.items() if not next_]
    assert stuck and all(now.primary is now.secondary is ColoState.LOST for now in stuck)
