"""Two QEMUs in COLO with nothing between them: what an operator finds after each trouble, live.

Facts about QEMU 7.2 that the guard is measured against, and only those that are always so. The same
experiments run with a guard in front of the secondary.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from colo_recorded import continues, pages, whole_checkpoints
from experiments import DEAF, EXPERIMENTS, GONE, Found, experiment, vanished
from live import require_qemu
from recordings import record_checkpoints
from spaces import require_spaces

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("colo")]

SOAK = pytest.mark.soak


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


# The primary's run state and what its COLO_EXIT said, the same of the secondary, and what became of
# the guest in this one, once it was ordered to take over. "colo" is stopped, in a checkpoint; an
# empty reason: there was no event.
FOUND = {
    "cut in RAM": ("colo", "error", "colo", "error", "kept"),
    "cut in the device state": ("colo", "error", "colo", "error", "kept"),
    "cut between checkpoints": ("running", "error", "running", "error", "kept"),
    "stall in RAM": ("colo", "", DEAF, "", "-"),
    "stall in RAM, then the end": ("colo", "error", "colo", "error", "kept"),
    "stall in the device state": ("colo", "", "colo", "", "kept"),
    "a section's version changed": ("colo", "", "colo", "error", "torn"),
    "a section's name changed": ("colo", "", "colo", "error", "torn"),
    "a byte of the CMOS changed": ("running", "error", "running", "error", "torn"),
    "a page's address changed": ("running", "error", "running", "error", "torn"),
    "a size of 0": ("colo", "", "colo", "error", "torn"),
    "a size of 2^40": ("colo", "error", GONE, "", "-"),
    "a size of 2^63": ("colo", "error", GONE, "", "-"),
    "a size 4 MiB too large": ("colo", "", "colo", "", "kept"),
    "a value that the secondary refuses": ("colo", "", "colo", "error", "torn"),
}
QUICK = (
    "cut in RAM", "stall in RAM", "a section's version changed",
    "a value that the secondary refuses",
)  # fmt: skip


def quick(name: str) -> object:
    return pytest.param(name, marks=() if name in QUICK else SOAK)


@pytest.mark.parametrize("name", [quick(name) for name in FOUND])
def test_what_two_qemus_make_of_a_trouble(tmp_path: Path, name: str) -> None:
    found = experiment(name, tmp_path)
    sides = found.primary, found.secondary
    said = [word for side in sides for word in (side.state, side.colo_exit)]
    assert (*said, found.law) == FOUND[name], sides
    assert found.primary_counts, "the primary did not go on alone"


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=SOAK) for n in range(1, 10))])
def test_a_killed_primary_leaves_a_whole_secondary_that_waits_for_an_order(
    tmp_path: Path, seed: int
) -> None:
    found = experiment("the primary killed", tmp_path, after=0.023 * seed)
    assert (found.primary.state, found.secondary.colo_exit, found.law) == (GONE, "error", "kept")
    assert found.secondary.state in ("running", "colo")


@pytest.mark.parametrize("seed", [pytest.param(n, marks=SOAK) for n in range(5)])
def test_a_killed_secondary_lets_the_primary_go_on_behind_an_order_or_without(
    tmp_path: Path, seed: int
) -> None:
    found = experiment("the secondary killed", tmp_path, after=0.047 * seed)
    assert (found.secondary.state, found.primary.colo_exit) == (GONE, "error")
    assert found.primary.state in ("running", "colo")
    assert found.primary_counts


@SOAK
@pytest.mark.parametrize("who", ["primary", "secondary"])
def test_a_process_that_is_stopped_is_noticed_by_nobody(tmp_path: Path, who: str) -> None:
    found = experiment(f"the {who} stopped", tmp_path)
    assert getattr(found, who).state == DEAF
    assert found.primary.colo_exit == found.secondary.colo_exit == ""


@SOAK
def test_a_primary_whose_network_goes_is_noticed_by_nobody_and_two_of_it_run(
    tmp_path: Path,
) -> None:
    require_spaces()
    found = vanished(tmp_path, midway=False)
    assert found.primary.state == found.secondary.state == "running"
    assert unnoticed(found) and found.law == "kept"


@SOAK
def test_a_primary_whose_network_goes_in_a_checkpoint_leaves_a_deaf_secondary(
    tmp_path: Path,
) -> None:
    require_spaces()
    found = vanished(tmp_path, midway=True)
    assert (found.secondary.state, found.secondary.ordered) == (DEAF, DEAF)
    assert unnoticed(found)


def unnoticed(found: Found) -> bool:
    return found.primary.colo_exit == found.secondary.colo_exit == ""


def test_every_experiment_is_tried() -> None:
    sides = {f"the {side} {what}" for side in ("primary", "secondary") for what in DONE}
    assert set(EXPERIMENTS) == set(FOUND) | sides


DONE = ("killed", "stopped")


def test_a_first_page_goes_on_in_the_block_of_the_checkpoint_before() -> None:
    """So no checkpoint stands by itself; one of a guest that did not run has no pages at all."""
    found = whole_checkpoints(record_checkpoints(6).stream)
    assert len(found) >= 6
    some = [sent for sent in found if pages(sent)]
    assert all(map(continues, some[1:])) and len(some) > 3
