"""The guard's laws under anything that may happen: hypothesis lets both sides speak, delivers their
bytes in pieces and in any order between the channels, cuts either side at any byte, lets time run
out, and asks for an end. `colo_pair` holds each step against the laws.
"""

from __future__ import annotations

import pytest
from colo_pair import Pair
from colo_talk import LOADED, READY, RECEIVED, REPLY, REQUEST
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from test_colo_hostile import BAD_DEVICES, BAD_LIVE, with_ram

from vmsc.guard.colo.protocol import ColoState
from vmsc.guard.colo.session import Outcome, Side

SIZES = st.one_of(st.just(1 << 20), st.integers(1, 5), st.integers(1, 3000))
BAD = [wire for wire, _ in (*BAD_DEVICES.values(), *BAD_LIVE.values())] + [with_ram(b"\0" * 8)]
BLURTS = (READY, REPLY, RECEIVED, LOADED, b"\0\0\0\7")


def trouble(machine: GuardedPair) -> bool:
    """Whether something may go wrong now."""
    return machine.peace < 0


class GuardedPair(RuleBasedStateMachine):
    pair: Pair
    peace = 0  # steps until something may go wrong

    @initialize(migrates=st.booleans(), peace=st.integers(0, 60))
    def begin(self, migrates: bool, peace: int) -> None:
        self.pair, self.peace = Pair(migrates), peace

    @invariant()
    def time_goes_by(self) -> None:
        self.peace -= 1

    # --- both sides speak ---

    @precondition(lambda self: self.pair.primary_can_send)
    @rule()
    def the_primary_sends(self) -> None:
        self.pair.primary_sends()

    @precondition(lambda self: self.pair.g_to_p.waiting >= 4)
    @rule()
    def the_primary_hears(self) -> None:
        self.pair.primary_hears()

    @precondition(lambda self: self.pair.g_to_s.waiting)
    @rule(size=SIZES)
    def the_secondary_is_delivered(self, size: int) -> None:
        self.pair.g_to_s.take(size)

    @precondition(lambda self: self.pair.secondary_can_say)
    @rule()
    def the_secondary_says(self) -> None:
        self.pair.secondary_says()

    @precondition(lambda self: self.pair.p_to_g.waiting)
    @rule(size=SIZES)
    def the_guard_hears_the_primary(self, size: int) -> None:
        self.pair.deliver_primary(size)

    @precondition(lambda self: self.pair.s_to_g.waiting)
    @rule(size=st.integers(1, 9))
    def the_guard_hears_the_secondary(self, size: int) -> None:
        self.pair.deliver_secondary(size)

    # --- what goes wrong ---

    @precondition(
        lambda self: (
            trouble(self) and self.pair.primary is ColoState.REPLIED and self.pair.primary_can_send
        )
    )
    @rule(wire=st.sampled_from(BAD))
    def the_primary_sends_a_bad_checkpoint(self, wire: bytes) -> None:
        self.pair.primary_errs(wire)

    @precondition(lambda self: trouble(self) and not (self.pair.wedged or self.pair.p_to_g.cut))
    @rule(data=st.sampled_from(BLURTS))
    def the_primary_blurts_out(self, data: bytes) -> None:
        self.pair.primary_errs(data)

    @precondition(lambda self: trouble(self) and not self.pair.s_to_g.cut)
    @rule(data=st.sampled_from((READY, REQUEST, b"\0\0\0\7", b"\xff" * 4)))
    def the_secondary_says_what_makes_no_sense(self, data: bytes) -> None:
        if data != READY or self.pair.said:
            self.pair.secondary_errs(data)

    @precondition(lambda self: trouble(self) and not self.pair.p_to_g.cut)
    @rule(keep=st.integers(0, 3000))
    def the_primary_is_cut_off(self, keep: int) -> None:
        self.pair.p_to_g.lose(keep)
        self.pair.g_to_p.lose(0)

    @precondition(
        lambda self: trouble(self) and self.pair.p_to_g.cut and not self.pair.p_to_g.waiting
    )
    @rule()
    def the_guard_sees_that_the_primary_is_gone(self) -> None:
        self.pair.faults.add(Outcome.PRIMARY_LOST)
        self.pair.do(self.pair.session.primary_lost("closed", "its connection is cut"))

    @precondition(lambda self: trouble(self) and not self.pair.s_to_g.cut)
    @rule(keep=st.integers(0, 12), got=st.integers(0, 3000))
    def the_secondary_is_cut_off(self, keep: int, got: int) -> None:
        self.pair.s_to_g.lose(keep)
        self.pair.g_to_s.lose(got)

    @precondition(
        lambda self: trouble(self) and self.pair.s_to_g.cut and not self.pair.s_to_g.waiting
    )
    @rule(gone=st.booleans())
    def the_guard_sees_that_the_secondary_is_gone(self, gone: bool) -> None:
        self.pair.faults |= {Outcome.SECONDARY_LOST, Outcome.APPLY_FAILED}
        session = self.pair.session
        lost = session.secondary_lost if gone else session.secondary_failed
        self.pair.do(lost("gone" if gone else "closed", "its connection is cut"))

    @precondition(lambda self: trouble(self) and self.pair.session.waits_for is Side.PRIMARY)
    @rule()
    def the_primary_is_silent_for_too_long(self) -> None:
        self.pair.faults.add(Outcome.PRIMARY_LOST)
        self.pair.do(self.pair.session.primary_lost("silent", "no word from it"))

    @precondition(lambda self: trouble(self) and self.pair.session.waits_for is Side.SECONDARY)
    @rule()
    def the_secondary_is_silent_for_too_long(self) -> None:
        self.pair.faults |= {Outcome.SECONDARY_LOST, Outcome.APPLY_FAILED}
        self.pair.do(self.pair.session.secondary_failed("silent", "no word from it"))

    @precondition(lambda self: trouble(self))
    @rule()
    def somebody_asks_for_an_end(self) -> None:
        self.pair.faults.add(Outcome.STOPPED)
        self.pair.do(self.pair.session.stop())

    @precondition(lambda self: trouble(self))
    @rule()
    def somebody_else_orders_the_failover(self) -> None:
        self.pair.faults.add(Outcome.TAKEN_OVER)
        self.pair.do(self.pair.session.taken_over("elsewhere", "by another's order"))

    @precondition(lambda self: trouble(self))
    @rule()
    def the_primary_does_what_cannot_be_had(self) -> None:
        self.pair.faults.add(Outcome.REFUSED)
        self.pair.do(self.pair.session.refuse("multifd", "a second connection"))

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            self.pair.settle()


MODEST = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(
    ("examples", "steps"),
    [
        pytest.param(150, 90, id="some"),
        pytest.param(4000, 120, id="many", marks=pytest.mark.soak),
    ],
)
def test_whatever_happens_the_laws_hold(examples: int, steps: int) -> None:
    amount = settings(MODEST, max_examples=examples, stateful_step_count=steps)
    run_state_machine_as_test(GuardedPair, settings=amount)


@pytest.mark.parametrize("migrates", [True, False])
@pytest.mark.parametrize("size", [1, 3, 1000, 1 << 20])
def test_without_a_fault_every_checkpoint_is_applied(migrates: bool, size: int) -> None:
    pair = Pair(migrates)
    while pair.primary_can_send:
        pair.primary_sends()
        while pair.p_to_g.waiting:
            pair.deliver_primary(size)
        pair.settle()
    assert pair.loaded == 8 and pair.sent == pair.expected
