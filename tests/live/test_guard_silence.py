"""Sides that fall silent without closing their connection, live: a network that is cut in a
namespace, a process that is stopped.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from live import eventually, require_qemu
from pairs import Pair, counted, guarded, kept_counts, pair
from spaces import HERE, ip, require_spaces, two_spaces

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("guard")]

TIMEOUT = 2.0


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


def test_a_primary_whose_network_is_cut_is_noticed_within_the_timeout(tmp_path: Path) -> None:
    require_spaces()
    with two_spaces() as (ours, theirs), pair(tmp_path, spaces=(ours, theirs)) as both:
        options = (
            "--timeout",
            TIMEOUT,
            "--insecure",
            "--keep",
            tmp_path / "keep",
            "--keep-last",
            200,
        )
        inside = ("ip", "netns", "exec", theirs)
        with guarded(both, both.waits(), *options, host=HERE, before=inside) as (guard, port):
            both.protect(port, HERE)
            guard.wait("applied", 5)
            ip("-n", ours, "link", "set", "cable", "down")
            ended = guard.wait("ended", timeout=TIMEOUT + 10)
            assert ended["outcome"] == "primary-lost"
            assert ended["reason"] in ("silent", "out-of-pace", "closed")
            assert both.secondary.status() == "running"
            # The primary is only cut off: it is why a failover wants a fence.
            assert both.primary.process.poll() is None
            both.primary.process.kill()
            both.failover()
            count = counted(both.secondary)
            assert count.whole and count.a >= kept_counts(tmp_path / "keep")[ended["epoch"]].a


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path) as found:
        yield found
        for qemu in (found.primary, found.secondary):
            with suppress(ProcessLookupError):
                qemu.process.send_signal(signal.SIGCONT)


def test_a_primary_that_is_stopped_is_noticed_by_its_pace(both: Pair) -> None:
    with guarded(both, both.waits(), "--timeout", TIMEOUT) as (guard, port):
        both.protect(port)
        guard.wait("applied", 5)
        both.primary.process.send_signal(signal.SIGSTOP)
        ended = guard.wait("ended")
        assert ended["outcome"] == "primary-lost"
        assert ended["reason"] in ("silent", "out-of-pace")


def test_a_secondary_that_is_stopped_is_noticed_and_the_primary_carries_on(both: Pair) -> None:
    options = ("--timeout", TIMEOUT, "--primary-qmp", both.qmp("primary"))
    with guarded(both, both.waits(), *options) as (guard, port):
        both.protect(port)
        guard.wait("applied", 5)
        both.secondary.process.send_signal(signal.SIGSTOP)
        assert guard.ends() == 1
        ended = guard.named("ended")[0]
        assert ended["outcome"] in ("secondary-lost", "apply-failed")
        assert ended["reason"] == "silent"
    eventually(lambda: both.primary.status() == "running", "primary that runs")
    before = both.primary.counter()
    eventually(lambda: both.primary.counter() > before, "count that goes on")
