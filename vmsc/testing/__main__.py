"""python -m vmsc.testing: random schemas, compiled and compared with the interpreter.

Prints the seeds, the rate of schemas that `vmsc check` refuses, and how often each production of
the grammar and each form of the plan was drawn. Exit status 1: a codec is wrong; the smallest
schema that shows it lies in the folder given. Exit status 1, too, where a run of 1,000 schemas or
more has never drawn a production or a form, or more than one schema in a hundred was refused.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from vmsc.testing.campaign import Failure, Outcome, keep, run, shrunk, try_seed
from vmsc.testing.schemas import seeded_schema

__all__ = ["main"]

_ENOUGH = 1000  # schemas in which everything must have been drawn


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m vmsc.testing", description=__doc__)
    parser.add_argument("--schemas", type=int, default=60, help="how many (60)")
    parser.add_argument("--seed", default="1", help="of the run (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep", type=Path, default=Path("random-failures"), help="for failures")
    parser.add_argument("--only", metavar="SEED", help="the schema of one seed, printed and tried")
    parser.add_argument("--plain", action="store_true", help="names that collide with nothing")
    parser.add_argument("--all", action="store_true", help="go on after ten kinds of failure")
    parser.add_argument("--quick", action="store_true", help="do not shrink")
    return parser.parse_args(given)


def _told(outcome: Outcome, seconds: float) -> None:
    refused = sum(outcome.refused.values())
    rate = 100 * refused / max(1, outcome.schemas)
    print(f"{outcome.schemas} schemas, {outcome.inputs} inputs, {seconds:.0f} s")
    print(f"refused by check: {refused} ({rate:.2f} %) {dict(outcome.refused)}")
    for line in outcome.coverage.lines():
        print(line)


def _failed(failures: tuple[Failure, ...], folder: Path, quick: bool) -> None:
    """One failure of each kind, shrunk, kept and shown."""
    kinds = Counter(failure.label for failure in failures)
    for label, count in kinds.most_common():
        first = next(failure for failure in failures if failure.label == label)
        small = first if quick else shrunk(first)
        home = keep(small, folder)
        print(f"\n{count} times: {label}\n  seed {first.seed}, kept in {home}")
        for text in small.texts.files.values():
            print("    " + text.rstrip().replace("\n", "\n    "))
        print("  " + small.detail[:1500].replace("\n", "\n  "))


def _one(asked: argparse.Namespace) -> int:
    for module, text in seeded_schema(asked.only, asked.plain).files.items():
        print(f"// {module}\n{text}")
    outcome = try_seed(asked.only, asked.plain)
    _failed(outcome.failures, asked.keep, asked.quick)
    return bool(outcome.failures)


def main(given: list[str] | None = None) -> int:
    asked = _arguments(given)
    if asked.only:
        return _one(asked)
    start = time.monotonic()
    print(f"seeds {asked.seed}:0 to {asked.seed}:{asked.schemas - 1}")
    total = Outcome()
    seeds = [f"{asked.seed}:{number}" for number in range(asked.schemas)]
    for found in run(seeds, asked.jobs, asked.plain):
        total += found
        kinds = {failure.label for failure in total.failures}
        if len(kinds) >= 10 and not asked.all:
            print("stopped at ten kinds of failure")
            break
    _told(total, time.monotonic() - start)
    _failed(total.failures, asked.keep, asked.quick)
    missing = total.coverage.missing() if total.schemas >= _ENOUGH else []
    for name in missing:
        print(f"never drawn: {name}")
    often = total.schemas >= _ENOUGH and sum(total.refused.values()) * 100 > total.schemas
    return bool(total.failures or missing or often)


if __name__ == "__main__":
    sys.exit(main())
