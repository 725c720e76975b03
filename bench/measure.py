"""Side-by-side measurement: rounds interleaved, medians compared. Ratios, never absolute times
between runs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["medians", "row"]


def medians(
    tasks: Mapping[str, Callable[[], object]],
    rounds: int,
    before: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """The median seconds of each task, the tasks taking turns; `before` each run is not counted."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            before()
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def row(what: str, found: float, gate: float, unit: str, *, at_least: bool = False) -> bool:
    """Print one line of the report; whether the gate holds."""
    good = found >= gate if at_least else found <= gate
    relation = "at least" if at_least else "at most"
    print(f"{what}: {found:.2f} {unit}, {relation} {gate:g} wanted: {'good' if good else 'MISSED'}")
    return good
