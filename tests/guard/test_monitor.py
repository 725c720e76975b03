"""The monitor: what a QEMU tells over QMP reaches the guard, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from pathlib import Path

from guard_sides import Qmp, qmp

from vmsc.guard.qmp import Monitor


def test_events_are_told_in_their_order_and_only_those_that_matter(tmp_path: Path) -> None:
    async def run() -> list[tuple[str, dict[str, object]]]:
        told: list[tuple[str, dict[str, object]]] = []
        async with asyncio.timeout(20), qmp(tmp_path / "qmp") as its:
            monitor = await Monitor.opened(its.path)
            monitor.watch(lambda name, data: told.append((name, dict(data))))
            its.event("STOP")
            its.event("MIGRATION", status="colo")
            its.event("RESUME")
            its.event("COLO_EXIT", mode="secondary", reason="request")
            await monitor.order("query-status")
            while len(told) < 3:
                await asyncio.sleep(0.01)
            await monitor.close()
        return told

    assert asyncio.run(run()) == [
        ("STOP", {}), ("RESUME", {}), ("COLO_EXIT", {"mode": "secondary", "reason": "request"}),
    ]  # fmt: skip


async def checkpoints(its: Qmp, monitor: Monitor, count: int) -> int:
    """The bytes in use after the events of so many checkpoints."""
    for _ in range(count):
        its.event("STOP")
        its.event("RESUME")
        its.event("MIGRATION_PASS", **{"pass": 1})
        await monitor.order("query-status")  # its answer comes after the events
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def grown(path: Path, *, watched: bool) -> int:
    """The bytes by which memory grows over 500 checkpoints."""
    async with asyncio.timeout(60), qmp(path) as its:
        monitor = await Monitor.opened(its.path)
        if watched:
            monitor.watch(lambda name, data: None)
        tracemalloc.start()
        try:
            before = await checkpoints(its, monitor, 100)
            return await checkpoints(its, monitor, 500) - before
        finally:
            tracemalloc.stop()
            await monitor.close()


def test_memory_does_not_grow_with_the_events_that_were_told(tmp_path: Path) -> None:
    assert asyncio.run(grown(tmp_path / "watched", watched=True)) < 50_000


def test_memory_does_not_grow_with_events_that_nobody_watches(tmp_path: Path) -> None:
    assert asyncio.run(grown(tmp_path / "alone", watched=False)) < 50_000
