"""The experiments of test_colo_plain with a guard in front of the secondary, live: how it ends, and
what becomes of the guest in the secondary. What the guard cannot see is said, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from experiments import DEAF, EXPERIMENTS, GONE, Found, experiment
from live import require_qemu
from pairs import Pair, guarded

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("guard")]

SOAK = pytest.mark.soak
TIMEOUT = 2.0
SETTLED = 8.0  # seconds, in which the guard's own waits end


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


# How the guard ended and why, the secondary's run state, and what became of the guest in it once it
# was ordered to take over; some depend on the moment. A content that changed and is sound is
# applied: nothing tells it.
FOUND = {
    "cut in RAM": ("primary-lost", "closed", "running", "kept"),
    "cut in the device state": ("primary-lost", "closed", "running", "kept"),
    "cut between checkpoints": ("primary-lost", "closed", "running", "kept"),
    "stall in RAM": ("primary-lost", "silent", "running", "kept"),
    "stall in RAM, then the end": ("primary-lost", "closed", "running", "kept"),
    "stall in the device state": ("primary-lost", "silent", "running", "kept"),
    "a section's version changed": ("refused", "other-devices", "running", "kept"),
    "a section's name changed": ("refused", "other-devices", "running", "kept"),
    "a byte of the CMOS changed": ("primary-lost", "closed", "running", "torn"),
    "a page's address changed": ("primary-lost", "closed", "running", "torn"),
    "a size of 0": ("refused", "past-end", "running", "kept"),
    "a size of 2^40": ("refused", "max-checkpoint", "running", "kept"),
    "a size of 2^63": ("refused", "max-checkpoint", "running", "kept"),
    "a size 4 MiB too large": ("refused", "trailing", "running", "kept"),
    "a value that the secondary refuses": ("apply-failed", "colo-exit", GONE, "-"),
    "the primary killed": ("primary-lost", "closed", "running", "kept"),
    "the primary stopped": ("primary-lost", "out-of-pace or silent", "running", "kept"),
    "the secondary killed": ("secondary-lost or apply-failed", "closed", GONE, "-"),
    "the secondary stopped": ("secondary-lost", "silent", DEAF, "-"),
}
QUICK = ("a value that the secondary refuses",)


def guarded_experiment(name: str, folder: Path) -> tuple[Found, str, str]:
    """What was found, and how the guard ended and why."""
    ends: list[tuple[str, str]] = []

    @contextmanager
    def front(both: Pair, port: int) -> Iterator[int]:
        options = ("--timeout", TIMEOUT, "--primary-qmp", both.qmp("primary"))
        with guarded(both, port, *options) as (guard, at):
            yield at
            ends.extend((end["outcome"], end["reason"]) for end in guard.named("ended"))

    found = experiment(name, folder, front, settled=SETTLED)
    assert len(ends) == 1
    return found, *ends[0]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else SOAK) for name in FOUND]
)
def test_what_the_guard_makes_of_a_trouble(tmp_path: Path, name: str) -> None:
    found, outcome, reason = guarded_experiment(name, tmp_path)
    ends, reasons, state, law = FOUND[name]
    assert outcome in ends.split(" or ") and reason in reasons.split(" or "), (outcome, reason)
    assert (found.secondary.state, found.law) == (state, law)
    if found.primary.state not in (DEAF, GONE):
        assert found.primary_counts, "the primary did not go on alone"


def test_every_experiment_is_tried() -> None:
    assert set(EXPERIMENTS) == set(FOUND)
