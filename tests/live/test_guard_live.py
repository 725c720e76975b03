"""The guard between real QEMUs, and what goes wrong between them."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from live import eventually, require_qemu
from pairs import Count, Guard, Pair, Trouble, counted, guarded, kept_counts, linked, pair

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("guard")]

SOAK = pytest.mark.soak


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path) as found:
        yield found


def some(few: int, all_: int) -> list[object]:
    """Seeds: a few in `make test`, the others in `make soak`."""
    return [*range(few), *(pytest.param(seed, marks=SOAK) for seed in range(few, all_))]


def taken_over(both: Pair) -> Count:
    """Let the secondary take over; what it has counted, which keeps the law."""
    both.failover()
    count = counted(both.secondary)
    assert count.whole, f"a torn state: {count}"
    return count


def committed(both: Pair, guard: Guard) -> Count:
    """What the guest had counted in the last checkpoint that was committed."""
    epoch = guard.named("committed")[-1]["epoch"]
    eventually(lambda: epoch in kept_counts(both.folder / "keep"), f"checkpoint {epoch}")
    return kept_counts(both.folder / "keep")[epoch]


# --- what goes well -------------------------------------------------------------------------------


def test_a_hundred_checkpoints_without_a_complaint(both: Pair) -> None:
    with guarded(both, both.waits(), "--keep", both.folder / "keep", "--keep-last", 200) as (
        guard,
        port,
    ):
        both.protect(port)
        eventually(lambda: guard.applied >= 100, "100 checkpoints", 60)
        assert both.secondary.stderr() == ""
        assert guard.stop() == 0
        assert guard.named("ended")[0]["outcome"] == "stopped"
        assert [e["epoch"] for e in guard.named("applied")][:100] == list(range(1, 101))
        least = committed(both, guard)
    assert taken_over(both).a >= least.a


# --- who dies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", some(2, 30))
def test_a_killed_primary_leaves_the_last_committed_checkpoint(both: Pair, seed: int) -> None:
    keep = ("--keep", both.folder / "keep", "--keep-last", 100)
    with guarded(both, both.waits(), *keep) as (guard, port):
        both.protect(port)
        guard.wait("applied", 3)
        time.sleep(random.Random(seed).uniform(0, 0.5))
        both.primary.process.kill()
        ended = guard.wait("ended")
        assert ended["outcome"] == "primary-lost"
        least = committed(both, guard)
        assert guard.named("committed")[-1]["epoch"] == ended["epoch"]
        assert taken_over(both).a >= least.a
        assert guard.ends() == 0


@pytest.mark.parametrize("seed", some(1, 5))
def test_a_killed_secondary_lets_the_primary_carry_on(both: Pair, seed: int) -> None:
    with guarded(both, both.waits(), "--primary-qmp", both.qmp("primary")) as (guard, port):
        both.protect(port)
        guard.wait("applied", 3)
        time.sleep(random.Random(seed).uniform(0, 0.3))
        both.secondary.process.kill()
        assert guard.ends() == 1
        assert guard.named("ended")[0]["outcome"] in ("secondary-lost", "apply-failed")
    eventually(lambda: both.primary.status() == "running", "primary that runs")
    before = both.primary.counter()
    eventually(lambda: both.primary.counter() > before, "count that goes on")


def test_a_fence_that_succeeds_lets_the_secondary_take_over_by_itself(both: Pair) -> None:
    fence = both.folder / "fenced"
    options = (
        "--failover",
        "fence",
        "--fence",
        f"touch {fence}",
        "--keep",
        both.folder / "keep",
        "--keep-last",
        200,
    )
    with guarded(both, both.waits(), *options) as (guard, port):
        both.protect(port)
        guard.wait("applied", 3)
        both.primary.process.kill()
        assert guard.ends() == 0
        assert fence.exists() and guard.named("failover")
        least = committed(both, guard)
    assert both.secondary.status() == "running"
    count = counted(both.secondary)
    assert count.whole and count.a >= least.a


# --- what goes wrong between ----------------------------------------------------------------------

SIZE = b"\x7e\0\0\0\2\0\0\0\0\4"  # RAM's footer, the end of the live sections, vmstate-size
RTC = b"\x0bmc146818rtc\0\0\0\0\0\0\0"  # up to the low byte of the section's version

TROUBLES = {
    "cut in RAM": Trouble(4, "cut", 3000),
    "cut in the device state": Trouble(4, "cut", 3000, SIZE),
    "stall in RAM": Trouble(4, "stall", 3000),
    "stall in the device state": Trouble(4, "stall", 3000, SIZE),
    "a version that the secondary does not load": Trouble(4, "change", 0, RTC),
    "a size of terabytes": Trouble(4, "change", 2, SIZE),
}
OUTCOMES = {
    "cut in RAM": "primary-lost",
    "cut in the device state": "primary-lost",
    "stall in RAM": "primary-lost",
    "stall in the device state": "primary-lost",
    "a version that the secondary does not load": "refused",
    "a size of terabytes": "refused",
}


@pytest.mark.parametrize("name", TROUBLES)
def test_with_the_guard_trouble_leaves_the_secondary_whole(both: Pair, name: str) -> None:
    options = ("--timeout", 2, "--keep", both.folder / "keep", "--keep-last", 200)
    with ExitStack() as stack:
        guard, port = stack.enter_context(guarded(both, both.waits(), *options))
        link = stack.enter_context(linked(port))
        link.trouble = TROUBLES[name]
        both.protect(link.port)
        ended = guard.wait("ended")
        assert ended["outcome"] == OUTCOMES[name], ended
        assert ended["epoch"] == 3
        assert both.secondary.status() == "running"
        least = committed(both, guard)
        assert taken_over(both).a >= least.a


# --- the third outcome ----------------------------------------------------------------------------


def test_a_whole_checkpoint_that_the_secondary_does_not_load_is_apply_failed(both: Pair) -> None:
    """The damage is done behind the guard, so that nothing before the secondary can see it."""
    with ExitStack() as stack:
        link = stack.enter_context(linked(both.waits()))
        link.trouble = TROUBLES["a version that the secondary does not load"]
        log = both.secondary.folder / "stderr"
        options = ("--primary-qmp", both.qmp("primary"), "--secondary-log", log)
        guard, port = stack.enter_context(guarded(both, link.port, *options))
        both.protect(port)
        assert guard.ends() == 1
        ended = guard.named("ended")[0]
        assert (ended["outcome"], ended["reason"], ended["epoch"]) == (
            "apply-failed", "colo-exit", None,
        )  # fmt: skip
        assert "the secondary says: qemu-system-x86_64: savevm: unsupported version" in guard.said
    assert both.secondary.process.wait(10) == 0  # it was quit
    eventually(lambda: both.primary.status() == "running", "primary that goes on alone")


def test_without_qmp_a_failed_load_is_found_by_the_timeout(both: Pair) -> None:
    with ExitStack() as stack:
        link = stack.enter_context(linked(both.waits()))
        link.trouble = TROUBLES["a version that the secondary does not load"]
        options = ("--timeout", 1)
        guard, port = stack.enter_context(guarded(both, link.port, *options, qmp=False))
        both.protect(port)
        assert guard.ends() == 1
        ended = guard.named("ended")[0]
        assert (ended["outcome"], ended["reason"]) == ("apply-failed", "silent")
        assert "must not take over" in guard.said and "may be stopped" in guard.said
    assert both.secondary.process.poll() is None


# --- what cannot be protected ---------------------------------------------------------------------


def test_multifd_is_refused_by_its_name(both: Pair) -> None:
    """What becomes of the primary is not looked at: with multifd in COLO, QEMU 7.2's now and then
    hangs with its QMP when its connection ends.
    """
    for qemu in (both.primary, both.secondary):
        qemu.allow(["multifd"])
    with guarded(both, both.waits()) as (guard, port):
        both.primary.allow(["x-colo"])
        both.primary.command("migrate", uri=f"tcp:127.0.0.1:{port}")
        assert guard.ends() == 1
        assert guard.named("ended")[0]["reason"] == "multifd"


def test_a_primary_whose_secondary_ends_before_it_is_ready_is_let_go_on(both: Pair) -> None:
    """It has sent all, and is stopped, in COLO."""
    options = ("--primary-qmp", both.qmp("primary"), "--timeout", 5)
    with socket.create_server(("127.0.0.1", 0)) as other:
        waits = other.getsockname()[1]
        with guarded(both, waits, *options, qmp=False) as (guard, port):
            both.primary.allow(["x-colo"])
            both.primary.command("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
            both.primary.command("migrate", uri=f"tcp:127.0.0.1:{port}")
            caller, _ = other.accept()
            caller.settimeout(1)
            with caller, suppress(TimeoutError):
                while caller.recv(1 << 20):
                    pass
            assert both.primary.command("query-migrate")["status"] == "colo"
            caller.close()
            assert guard.ends() == 1
            assert guard.named("ended")[0]["outcome"] == "secondary-lost"
    eventually(lambda: both.primary.status() == "running", "primary that goes on alone")


def test_a_migration_that_is_not_colo_is_refused(both: Pair) -> None:
    both.primary.command("migrate-set-parameters", **{"max-bandwidth": 1 << 18})
    with guarded(both, both.waits()) as (guard, port):
        both.primary.command("migrate", uri=f"tcp:127.0.0.1:{port}")
        assert guard.ends() == 1
        assert guard.named("ended")[0]["reason"] == "no-colo"
    eventually(lambda: both.primary.status() == "running", "primary that runs on")


def test_xbzrle_is_refused_by_its_name(both: Pair) -> None:
    for qemu in (both.primary, both.secondary):
        qemu.allow(["xbzrle"])
    with guarded(both, both.waits()) as (guard, port):
        both.primary.allow(["x-colo"])
        limits = {"max-bandwidth": 1 << 22, "downtime-limit": 50, "x-checkpoint-delay": 100}
        both.primary.command("migrate-set-parameters", **limits)
        both.primary.command("migrate", uri=f"tcp:127.0.0.1:{port}")
        assert guard.ends(60) == 1
        assert guard.named("ended")[0]["reason"] == "xbzrle"
