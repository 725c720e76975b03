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
    Event,
    Mark,
    ProtocolError,
    State,
    Table,
    after,
    heard,
    said,
)

MESSAGES = (
    "checkpoint-ready", "checkpoint-request", "checkpoint-reply", "vmstate-send", "vmstate-size",
    "vmstate-received", "vmstate-loaded",
)  # fmt: skip
EVENTS: tuple[Event, ...] = (*Mark, *map(heard, MESSAGES), *map(said, MESSAGES))

# The whole way round of each side: in this state, this alone may come, and leads there.
PRIMARY_WAY: Mapping[State, tuple[Event, State]] = {
    State.MIGRATING: (Mark.MIGRATED, State.LOADING),
    State.LOADING: ("<checkpoint-ready", State.RUNNING),
    State.RUNNING: (">checkpoint-request", State.REQUESTED),
    State.REQUESTED: ("<checkpoint-reply", State.REPLIED),
    State.REPLIED: (">vmstate-send", State.LIVE),
    State.LIVE: (Mark.LIVE_ENDED, State.SIZING),
    State.SIZING: (">vmstate-size", State.DEVICES),
    State.DEVICES: (Mark.DEVICES_ENDED, State.WHOLE),
    State.WHOLE: ("<vmstate-received", State.RECEIVED),
    State.RECEIVED: ("<vmstate-loaded", State.RUNNING),
}
SECONDARY_WAY: Mapping[State, tuple[Event, State]] = {
    State.MIGRATING: (Mark.MIGRATED, State.LOADING),
    State.LOADING: (">checkpoint-ready", State.RUNNING),
    State.RUNNING: ("<checkpoint-request", State.REQUESTED),
    State.REQUESTED: (">checkpoint-reply", State.REPLIED),
    State.REPLIED: ("<vmstate-send", State.LIVE),
    State.LIVE: (Mark.LIVE_ENDED, State.SIZING),
    State.SIZING: ("<vmstate-size", State.DEVICES),
    State.DEVICES: (Mark.DEVICES_ENDED, State.WHOLE),
    State.WHOLE: (">vmstate-received", State.RECEIVED),
    State.RECEIVED: (">vmstate-loaded", State.RUNNING),
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


def refused(table: Table, state: State, event: Event) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        after(table, state, event)
    return caught.value


@each_side
def test_every_event_in_every_state_has_its_transition_or_its_one_error(
    table: Table, way: Mapping[State, tuple[Event, State]], foreign: tuple[Event, ...]
) -> None:
    assert len(EVENTS) == 18 and set(way) == set(State) - {State.LOST}
    for state, event in product(State, EVENTS):
        if state is State.LOST:
            assert refused(table, state, event).code == "after-the-end"
        elif event is Mark.CLOSED:
            assert after(table, state, event) is State.LOST
        elif event == way[state][0]:
            assert after(table, state, event) is way[state][1]
        else:
            code = "wrong-side" if event in foreign else "out-of-turn"
            assert refused(table, state, event).code == code, (state, event)


@each_side
def test_a_table_has_nothing_but_the_way_round_and_the_end(
    table: Table, way: Mapping[State, tuple[Event, State]], foreign: tuple[Event, ...]
) -> None:
    expected = {(state, event): next_ for state, (event, next_) in way.items()}
    expected |= {(state, Mark.CLOSED): State.LOST for state in way}
    assert dict(table) == expected


@each_side
def test_an_error_says_what_was_found_and_what_its_state_has_a_place_for(
    table: Table, way: Mapping[State, tuple[Event, State]], foreign: tuple[Event, ...]
) -> None:
    for state, event in product(State, EVENTS):
        if (state, event) in table:
            continue
        error = refused(table, state, event)
        found = event.value if isinstance(event, Mark) else event[1:]
        assert found in error.message
        if state is State.LOST:
            assert error.expected == ()
            continue
        wanted = way[state][0]
        word = wanted.value if isinstance(wanted, Mark) else wanted[1:]
        assert error.expected == (word,)
        assert error.message == f"{word} expected {state.value}, found {found}"


@pytest.mark.parametrize("table", [PRIMARY, SECONDARY], ids=["primary", "secondary"])
def test_what_is_no_message_is_a_fault_of_the_caller(table: Table) -> None:
    for state in set(State) - {State.LOST}:
        with pytest.raises(AssertionError):
            after(table, state, heard("checkpoint-maybe"))


# --- each against the other -----------------------------------------------------------------------


class Joint(NamedTuple):
    """Both sides, and what is on its way to each. The marks are read out of the primary's bytes:
    they travel like its messages.
    """

    primary: State
    secondary: State
    to_secondary: tuple[Event, ...] = ()
    to_primary: tuple[Event, ...] = ()


def says(table: Table, state: State) -> Iterator[tuple[Event, State]]:
    """What a side may send now by itself, and its state after."""
    for (at, event), next_ in table.items():
        own = isinstance(event, str) and event[0] == ">"
        if at is state and (own or (isinstance(event, Mark) and event is not Mark.CLOSED)):
            yield event, next_


def hears(event: Event) -> Event:
    return event if isinstance(event, Mark) else "<" + event[1:]


def steps(now: Joint, ends: bool) -> Iterator[Joint]:
    """All that may happen next; with `ends`, the end of either side's connection, too, after which
    the other hears what was on its way, and then the end.
    """
    to_s, to_p = now.to_secondary, now.to_primary
    for event, next_ in says(PRIMARY, now.primary):
        yield now._replace(primary=next_, to_secondary=(*to_s, event))
    for event, next_ in says(SECONDARY, now.secondary):
        if not isinstance(event, Mark):
            yield now._replace(secondary=next_, to_primary=(*to_p, event))
    if to_s and now.secondary is not State.LOST:
        next_ = after(SECONDARY, now.secondary, hears(to_s[0]))
        yield now._replace(secondary=next_, to_secondary=to_s[1:])
    if to_p and now.primary is not State.LOST:
        next_ = after(PRIMARY, now.primary, hears(to_p[0]))
        yield now._replace(primary=next_, to_primary=to_p[1:])
    if ends and now.primary is not State.LOST and to_s[-1:] != (Mark.CLOSED,):
        yield now._replace(primary=State.LOST, to_secondary=(*to_s, Mark.CLOSED))
    if ends and now.secondary is not State.LOST and to_p[-1:] != (Mark.CLOSED,):
        yield now._replace(secondary=State.LOST, to_primary=(*to_p, Mark.CLOSED))


def reached(ends: bool) -> dict[Joint, list[Joint]]:
    """Every joint state that can come about, in any order of sending and hearing. An event that
    its hearer has no place for is raised.
    """
    start = Joint(State.MIGRATING, State.MIGRATING)
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
    assert {joint.primary for joint in found} == set(State) - {State.LOST}
    assert {joint.secondary for joint in found} == set(State) - {State.LOST}
    assert all(found.values()), "a joint state from which nothing can happen"


def test_from_every_joint_state_both_sides_come_back_between_checkpoints() -> None:
    found = reached(ends=False)
    home = Joint(State.RUNNING, State.RUNNING)
    back = {home}
    while more := {now for now, next_ in found.items() if back & set(next_)} - back:
        back |= more
    assert back == set(found)


def test_an_end_of_either_side_at_any_time_is_heard_and_nothing_follows_it() -> None:
    found = reached(ends=True)
    stuck = [now for now, next_ in found.items() if not next_]
    assert stuck and all(now.primary is now.secondary is State.LOST for now in stuck)
