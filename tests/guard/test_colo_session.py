"""A recorded COLO connection played by a fake primary, cut anywhere: the fake secondary has seen
exactly the committed checkpoints, always. And what taking a checkpoint costs of memory.
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from colo_recorded import Recorded, recorded
from colo_sessions import begun, cuts
from colo_talk import (
    LOADED,
    PAGE,
    READY,
    RECEIVED,
    REPLY,
    REQUEST,
    SEND,
    SIZE,
    TALK,
    Page,
    Sent,
    baseline,
    page,
    word,
)
from live import require_qemu
from streams_at_hand import library

from vmsc.guard.colo.session import (
    Action,
    Actions,
    Applied,
    Committed,
    Ended,
    Outcome,
    Play,
    Session,
    SessionLimits,
    ToPrimary,
    ToSecondary,
)
from vmsc.inspect.parameters import open_parameters

live = [pytest.mark.live, pytest.mark.xdist_group("recordings")]
TENTH = pytest.param(10, id="a tenth")
ALL = pytest.param(1, id="all", marks=pytest.mark.soak)
PLACES_IN_RAM = 2000


@pytest.fixture(scope="module")
def talk() -> Recorded:
    require_qemu()
    return recorded()


class Sides:
    """A session between a fake primary and a fake secondary, which answers at once.

    `seen` is all that the secondary was sent, `told` all that the primary was.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.seen, self.told = b"", b""
        self.others: list[Action] = []

    def sends(self, data: bytes) -> None:
        self.do(self.session.from_primary(data))

    def do(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case ToPrimary(data=data):
                    self.told += bytes(data)
                case ToSecondary(data=data):
                    self.seen += bytes(data)
                    if data == REQUEST:
                        self.do(self.session.from_secondary(REPLY))
                case Play(checkpoint=checkpoint):
                    self.seen += b"".join(checkpoint.wire())
                    self.do(self.session.from_secondary(RECEIVED))
                    self.do(self.session.from_secondary(LOADED))
                case _:
                    self.others.append(action)

    @property
    def ends(self) -> list[Ended]:
        return [action for action in self.others if isinstance(action, Ended)]

    @property
    def committed(self) -> list[int]:
        return [a.checkpoint.epoch for a in self.others if isinstance(a, Committed)]


def seen_of(checkpoints: Sequence[Sent]) -> bytes:
    """What a secondary has seen that holds these."""
    return b"".join(REQUEST + one.played for one in checkpoints)


# --- cuts -----------------------------------------------------------------------------------------


def places(one: Sent, part: int) -> list[int]:
    """Where the connection is cut in a request and its checkpoint: at every byte of the messages
    and of the device state, and in RAM at so many; of all of them the share `part`.
    """
    rng = random.Random(7)
    start, end = len(REQUEST + SEND), len(REQUEST + SEND + one.live)
    whole = len(REQUEST + one.wire)
    ram = rng.sample(range(start + 1, end), PLACES_IN_RAM // part)
    messages = [*range(start + 1), *range(end, end + len(one.size))]
    state = range(end + len(one.size), whole)
    return [*messages, *rng.sample(state, len(state) // part), *ram, whole - 1]


class TestRecorded:
    pytestmark = live

    def test_a_recording_is_taken_whole_and_every_checkpoint_stands_by_itself(
        self, talk: Recorded
    ) -> None:
        assert len(talk.checkpoints) >= 3
        sides = Sides(Session(open_parameters(None, library())))
        for piece in cuts(talk.first, 1, 100_000):
            sides.sends(piece)
        assert sides.seen == talk.first
        sides.do(sides.session.from_secondary(READY))
        for one in talk.checkpoints:
            sides.sends(REQUEST)
            for piece in cuts(one.wire, 2, 50_000):
                sides.sends(piece)
        assert sides.seen == talk.first + seen_of(talk.checkpoints)
        assert sides.told == READY + (REPLY + RECEIVED + LOADED) * len(talk.checkpoints)
        assert sides.committed == list(range(1, len(talk.checkpoints) + 1)) and not sides.ends

    @pytest.mark.parametrize("part", [TENTH, ALL])
    def test_cut_anywhere_the_secondary_has_seen_exactly_the_committed_checkpoints(
        self, talk: Recorded, part: int
    ) -> None:
        before, one = talk.checkpoints[:2]
        wire = REQUEST + one.wire
        for cut in places(one, part):
            sides = Sides(Session(baseline=talk.baseline))
            sides.sends(REQUEST + before.wire)
            sides.sends(wire[:cut])
            assert sides.seen == seen_of([before]), cut
            sides.do(sides.session.primary_lost("closed", "the connection was cut"))
            assert sides.seen == seen_of([before]), cut
            assert sides.told == REPLY + RECEIVED + LOADED + (REPLY if cut >= 4 else b""), cut
            assert sides.committed == [1]
            assert [(e.outcome, e.epoch) for e in sides.ends] == [(Outcome.PRIMARY_LOST, 1)], cut

    def test_cut_after_its_last_byte_the_secondary_gets_it(self, talk: Recorded) -> None:
        session = Session(baseline=talk.baseline)
        session.from_primary(REQUEST + talk.checkpoints[0].wire)
        assert session.primary_lost("closed", "the connection was cut") == ()
        (play,) = session.from_secondary(REPLY)
        assert isinstance(play, Play)
        assert b"".join(play.checkpoint.wire()) == talk.checkpoints[0].played
        committed, applied, end = session.from_secondary(RECEIVED + LOADED)
        assert isinstance(committed, Committed) and isinstance(applied, Applied)
        assert isinstance(end, Ended) and (end.outcome, end.epoch) == (Outcome.PRIMARY_LOST, 1)

    def test_cut_into_pieces_the_actions_are_the_same(self, talk: Recorded) -> None:
        one = talk.checkpoints[0]
        wire = REQUEST + one.wire
        device_part = len(REQUEST + SEND + one.live) - 200
        ways = [
            [wire],
            [wire[:device_part], *cuts(wire[device_part:], 0, 1)],
            cuts(wire, 0, 1),
            *(cuts(wire, seed, most) for seed in range(3) for most in (30, 3000, 70_000)),
        ]
        for pieces in ways:
            sides = Sides(Session(baseline=talk.baseline))
            for piece in pieces:
                sides.sends(piece)
            assert sides.seen == seen_of([one]) and sides.told == REPLY + RECEIVED + LOADED
            assert sides.committed == [1] and not sides.ends


# --- the secondary's side -------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(13))
def test_cut_in_its_answers_the_primary_has_heard_what_was_said_whole(cut: int) -> None:
    answers = (REPLY + RECEIVED + LOADED)[:cut]
    for pieces in ([answers], cuts(answers, 0, 1)):
        session = begun()
        session.from_primary(REQUEST + TALK[1].wire)
        found = [action for piece in pieces for action in session.from_secondary(piece)]
        told = b"".join(bytes(a.data) for a in found if isinstance(a, ToPrimary))
        assert told == (RECEIVED + LOADED)[: max(0, cut // 4 * 4 - 4)]
        assert sum(isinstance(a, Play) for a in found) == (cut >= 4)
        if cut == 12:
            assert session.epoch == 2 and not session.applying
        ended = session.secondary_failed("closed", "the connection was cut")
        outcome, epoch = {
            0: (Outcome.SECONDARY_LOST, 1), 1: (Outcome.APPLY_FAILED, None),
            2: (Outcome.APPLY_FAILED, None), 3: (Outcome.SECONDARY_LOST, 2),
        }[cut // 4]  # fmt: skip
        assert [(a.outcome, a.epoch) for a in ended if isinstance(a, Ended)] == [(outcome, epoch)]


@pytest.mark.parametrize("said", [READY, REQUEST, RECEIVED, LOADED, b"\0\0\0\x09", b"\xff" * 4])
def test_a_secondary_that_says_what_is_not_its_turn_is_given_up(said: bytes) -> None:
    between, replying = begun(), begun()
    replying.from_primary(REQUEST + TALK[1].wire)
    for session in (between, replying):
        found = session.from_secondary(said)
        assert [a.outcome for a in found if isinstance(a, Ended)] == [Outcome.SECONDARY_LOST]
        assert len(found) == 1 and session.from_secondary(REPLY) == ()
    loading = begun()
    loading.from_primary(REQUEST + TALK[1].wire)
    loading.from_secondary(REPLY)
    if said != RECEIVED:
        (end,) = loading.from_secondary(said)
        assert isinstance(end, Ended) and (end.outcome, end.epoch) == (Outcome.APPLY_FAILED, None)


def test_a_stop_waits_for_the_checkpoint_that_is_on_its_way() -> None:
    now = begun()
    (end,) = now.stop()
    assert isinstance(end, Ended) and (end.outcome, end.epoch) == (Outcome.STOPPED, 1)
    assert now.stop() == () and now.from_primary(REQUEST) == ()
    later = begun()
    later.from_primary(REQUEST)
    assert later.stop() == ()
    later.from_primary(TALK[1].wire)
    found = later.from_secondary(REPLY) + later.from_secondary(RECEIVED + LOADED)
    assert isinstance(found[-1], Ended) and found[-1].epoch == 2
    assert found[-3:-1] == (ToPrimary(LOADED), Applied(found[0].checkpoint))  # type: ignore[union-attr]


# --- memory ---------------------------------------------------------------------------------------

LARGE = 64 << 20
STEP = 256 << 10


def large() -> Iterator[bytes]:
    """A checkpoint of so many bytes, made piece by piece."""
    one = TALK[0]
    count = LARGE // (PAGE + 8)
    yield REQUEST + SEND + one.live[:5]
    item = b"".join(
        page(Page("pc.ram", n * PAGE, bytes([n]) * PAGE), named=False) for n in range(16)
    )
    for _ in range(count // 16):
        yield item
    yield word(0x10) + one.live[-6:]
    yield one.size + one.devices


def test_taking_a_checkpoint_needs_little_more_than_its_size() -> None:
    session = Session(baseline=baseline())
    tracemalloc.start()
    try:
        for data in large():
            found = session.from_primary(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found[-1] == ToSecondary(REQUEST)
    assert peak <= 1.5 * LARGE, f"{peak / LARGE:.2f} times its size"


@pytest.mark.parametrize("size", [1 << 30, 1 << 62])
def test_a_size_that_is_only_said_costs_no_memory(size: int) -> None:
    session = Session(baseline=baseline(), limits=SessionLimits(checkpoint=1 << 63))
    one = TALK[0]
    session.from_primary(REQUEST + SEND + one.live)
    tracemalloc.start()
    try:
        assert session.from_primary(SIZE + word(size) + one.devices[:-1]) == ()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20 and not session.ended
