"""What the guard decides without IO, case by case: what is ordered and said when a session has
ended, and who is late when.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsc.guard.colo.orders import GOOD, WRONG, Order, Reach, by_hand, orders, report, status
from vmsc.guard.colo.session import Ended, Outcome, Side
from vmsc.guard.colo.timeouts import SLOWEST, Late, Pace, due

HEARTBEAT = '{"execute": "x-colo-lost-heartbeat"}'
QUIT = '{"execute": "quit"}'
REACHES = [Reach(*given) for given in itertools.product((False, True), repeat=3)]

Case = tuple[Outcome, bool, Reach]


CASES: list[Case] = list(itertools.product(Outcome, (False, True), REACHES))


def ended(outcome: Outcome, epoch: int | None = 7) -> Ended:
    return Ended(outcome, "code", "what happened", epoch)


# --- what is ordered ------------------------------------------------------------------------------

CLOSE, QUITS, ALONE, TAKE, WAIT = Order

# Protected; what is ordered behind the closing of the primary's connection, by who can be reached:
# the secondary, the primary, a fence.
TABLE: dict[Outcome, dict[str, tuple[Order, ...]]] = {
    Outcome.STOPPED: {
        "---": (), "s--": (), "-p-": (ALONE,), "sp-": (ALONE,),
        "--f": (), "s-f": (), "-pf": (ALONE,), "spf": (ALONE,),
    },
    Outcome.REFUSED: {
        "---": (), "s--": (), "-p-": (ALONE,), "sp-": (ALONE,),
        "--f": (), "s-f": (), "-pf": (ALONE,), "spf": (ALONE,),
    },
    Outcome.SECONDARY_LOST: {
        "---": (), "s--": (), "-p-": (ALONE,), "sp-": (ALONE,),
        "--f": (), "s-f": (), "-pf": (ALONE,), "spf": (ALONE,),
    },
    Outcome.APPLY_FAILED: {
        "---": (), "s--": (QUITS,), "-p-": (ALONE,), "sp-": (QUITS, ALONE),
        "--f": (), "s-f": (QUITS,), "-pf": (ALONE,), "spf": (QUITS, ALONE),
    },
    Outcome.PRIMARY_LOST: {
        "---": (WAIT,), "s--": (WAIT,), "-p-": (WAIT,), "sp-": (WAIT,),
        "--f": (WAIT,), "s-f": (TAKE, WAIT), "-pf": (WAIT,), "spf": (TAKE, WAIT),
    },
    Outcome.TAKEN_OVER: {
        "---": (), "s--": (), "-p-": (), "sp-": (),
        "--f": (), "s-f": (), "-pf": (), "spf": (),
    },
}  # fmt: skip


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("reach", REACHES)
def test_what_is_ordered_is_what_the_table_has(outcome: Outcome, reach: Reach) -> None:
    letters = zip("spf", (reach.secondary, reach.primary, reach.fence))
    key = "".join(letter if there else "-" for letter, there in letters)
    assert orders(ended(outcome), True, reach) == (CLOSE, *TABLE[outcome][key])
    # Before anything is protected there is nothing to wait for: the primary is the only one.
    before = TABLE[Outcome.STOPPED if outcome is Outcome.PRIMARY_LOST else outcome][key]
    assert orders(ended(outcome), False, reach) == (CLOSE, *before)


@pytest.mark.parametrize("case", CASES)
def test_the_laws_of_what_is_ordered(case: Case) -> None:
    outcome, protected, reach = case
    found = orders(ended(outcome), protected, reach)
    # A half-loaded secondary never takes over.
    if outcome is Outcome.APPLY_FAILED:
        assert TAKE not in found and WAIT not in found
        assert (QUITS in found) == reach.secondary
    # Never two: there is no takeover without a fence, and who is to go on alone was not left to
    # a secondary that takes over.
    if TAKE in found:
        assert reach.fence and outcome is Outcome.PRIMARY_LOST
    assert not {TAKE, ALONE} <= set(found)
    if outcome is Outcome.TAKEN_OVER or (outcome is Outcome.PRIMARY_LOST and protected):
        assert ALONE not in found
    # Nobody is given an order that he cannot hear; the primary is let go of first, and waiting is
    # the last.
    assert ALONE not in found or reach.primary
    assert not {QUITS, TAKE} & set(found) or reach.secondary
    assert found[0] is CLOSE and len(set(found)) == len(found)
    assert WAIT not in found or found[-1] is WAIT


@pytest.mark.parametrize("protected", [False, True])
def test_the_status_is_good_where_nothing_is_wrong(protected: bool) -> None:
    good = {Outcome.STOPPED, Outcome.TAKEN_OVER} | ({Outcome.PRIMARY_LOST} if protected else set())
    for outcome in Outcome:
        assert status(ended(outcome), protected) == (GOOD if outcome in good else WRONG)


# --- what is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_the_report_says_what_happened_and_what_the_guard_cannot_do_itself(case: Case) -> None:
    outcome, protected, reach = case
    lines = report(ended(outcome), protected, reach)
    text = "\n".join(lines)
    assert lines[0] == f"{outcome.value}: what happened [code]"
    assert all(line and line[0] not in " A" and not line.endswith(".") for line in lines)
    if not protected and outcome is not Outcome.TAKEN_OVER:
        assert lines[1] == "nothing was protected yet: the secondary is of no use"
        alone = "the primary is told to go on alone" if reach.primary else by_hand(ALONE)
        assert lines[2:] == (alone,)
        return
    match outcome:
        case Outcome.STOPPED | Outcome.REFUSED:
            assert "whole, at checkpoint 7" in text and QUIT in text and HEARTBEAT in text
            assert "fence it" in text
        case Outcome.SECONDARY_LOST:
            assert (by_hand(ALONE) in lines) == (not reach.primary)
        case Outcome.APPLY_FAILED:
            assert "must not take over" in text and (QUIT in text) == (not reach.secondary)
            assert (by_hand(ALONE) in lines) == (not reach.primary)
        case Outcome.PRIMARY_LOST:
            assert "whole, at checkpoint 7" in text
            assert (by_hand(TAKE) in text) == (not (reach.fence and reach.secondary))
        case Outcome.TAKEN_OVER:
            assert "make sure that the primary does not run" in text


def test_the_first_migration_is_a_place_to_be_at() -> None:
    found = report(ended(Outcome.REFUSED, 0), True, Reach())
    assert found[1] == "the secondary is whole, at the first migration"


def test_every_order_has_words_for_who_must_do_it_by_hand() -> None:
    found = {order: by_hand(order) for order in Order}
    assert all(words and words[0].islower() for words in found.values())
    assert QUIT in found[QUITS] and HEARTBEAT in found[ALONE] and HEARTBEAT in found[TAKE]
    assert "does not run" in found[TAKE]


# --- who is late ----------------------------------------------------------------------------------

P, S = Side.PRIMARY, Side.SECONDARY


def late(side: Side | None, **more: float) -> Late | None:
    """With a timeout of 10 s, everything at 100 s unless it is said."""
    given = {"since": 100.0, "primary": 100.0, "secondary": 100.0, "taken": 0, **more}
    pace = Pace(last=100.0, longest=more.pop("longest", 0.0), count=int(more.pop("count", 0)))
    numbers = {key: given[key] for key in ("since", "primary", "secondary")}
    return due(side, 10.0, taken=int(given["taken"]), pace=pace, **numbers)


@pytest.mark.parametrize(
    "side, more, at, code",
    [
        (P, {}, 110, "silent"),
        (P, {"primary": 105}, 115, "silent"),
        (P, {"primary": 50}, 110, "silent"),  # before it was its turn, it had nothing to say
        (P, {"primary": 119}, 120, "slow"),
        (P, {"primary": 119, "taken": 10 * SLOWEST}, 129, "silent"),
        (P, {"primary": 129, "taken": 10 * SLOWEST}, 130, "slow"),
        (P, {"secondary": 500}, 110, "silent"),
        (S, {}, 110, "silent"),
        (S, {"secondary": 105}, 115, "silent"),
        (S, {"secondary": 50}, 110, "silent"),
        (S, {"primary": 500}, 110, "silent"),
        (S, {"secondary": 1000}, 1010, "silent"),  # it may take as long as it likes, while it moves
        (None, {"count": 3, "longest": 2}, 110, "out-of-pace"),
        (None, {"count": 3, "longest": 5}, 115, "out-of-pace"),
        (None, {"count": 9, "longest": 5, "since": 160}, 175, "out-of-pace"),
        (None, {"count": 9, "longest": 5, "since": 90}, 115, "out-of-pace"),
    ],
)
def test_who_is_late_when(side: Side | None, more: dict[str, float], at: float, code: str) -> None:
    found = late(side, **more)
    assert found is not None
    assert (found.at, found.side, found.code) == (at, side or P, code)


def test_without_a_pace_nobody_is_late_between_checkpoints() -> None:
    assert late(None) is None
    assert late(None, count=2, longest=5) is None
    assert due(None, 10, since=0, primary=0, secondary=0, taken=0, pace=Pace()) is None


def test_a_pace_is_the_longest_of_the_intervals() -> None:
    pace = Pace()
    for now in (1.0, 2.0, 5.0, 6.0):
        pace.asked(now)
    assert (pace.last, pace.longest, pace.count) == (6.0, 3.0, 3)
    found = pace.due(1.0, 6.0)
    assert found is not None and found.at == 15.0
    assert found.words == "no checkpoint-request for 9 s, they came every 3 s"


times = st.floats(0, 1e6)


@given(st.sampled_from([P, S]), times, times, times, st.integers(0, 1 << 40), st.floats(0.1, 3600))
def test_nobody_is_late_before_the_timeout_or_never(
    side: Side, since: float, primary: float, secondary: float, taken: int, timeout: float
) -> None:
    found = due(
        side, timeout, since=since, primary=primary, secondary=secondary, taken=taken, pace=Pace()
    )
    assert found is not None and found.side is side
    assert found.at >= since + timeout
    if side is S:
        assert found.at >= secondary + timeout
    else:
        # Even one that sends a byte now and then.
        assert found.at <= since + 2 * timeout + taken / SLOWEST
