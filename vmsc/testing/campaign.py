"""A campaign: many random schemas, compared; what fails is shrunk and kept.

A schema is drawn from its own seed, `SEED:NUMBER`, and so are the inputs that its codecs get: one
of them is tried again by `python -m vmsc.testing --only SEED:NUMBER`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import sys
import time
import traceback
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vmsc.testing.comparison import NORMAL, Effort, compare
from vmsc.testing.compilation import Refused, analysed
from vmsc.testing.coverage import Coverage, covered
from vmsc.testing.reduction import reduced
from vmsc.testing.schemas import Texts, seeded_schema
from vmsc.testing.verdict import Mismatch

__all__ = ["Failure", "Outcome", "keep", "run", "shrunk", "try_seed", "tried"]

SECONDS = 30  # that one schema and its inputs may take


@dataclass(frozen=True)
class Failure:
    """`label` is the kind of the difference, `detail` the input and both answers."""

    seed: str
    texts: Texts
    label: str
    detail: str


@dataclass(frozen=True)
class Outcome:
    """What came of some schemas: `refused` are the codes of those that are not good."""

    schemas: int = 0
    inputs: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=Coverage)
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.schemas + other.schemas,
            self.inputs + other.inputs,
            self.refused + other.refused,
            self.coverage + other.coverage,
            self.failures + other.failures,
        )


def tried(texts: Texts, seed: str, effort: Effort = NORMAL) -> Outcome:
    """One schema, compared."""
    try:
        found = analysed(texts)
    except Exception as fault:
        label = f"check raised {type(fault).__name__}"
        return Outcome(1, failures=(Failure(seed, texts, label, str(fault)),))
    if isinstance(found, Refused):
        return Outcome(1, refused=Counter(found.codes[:1]))
    coverage = covered(texts, found.program)
    try:
        with _limited(SECONDS):
            inputs = compare(texts, found, random.Random(seed), effort)
    except Mismatch as fault:
        failure = Failure(seed, texts, fault.label, fault.detail)
    except Exception as fault:  # neither side may raise what is not documented
        last = traceback.extract_tb(fault.__traceback__)[-1]
        label = f"{type(fault).__name__} in {Path(last.filename).stem}"
        failure = Failure(seed, texts, label, "".join(traceback.format_exception(fault)[-4:]))
    else:
        return Outcome(1, inputs, Counter(), coverage)
    return Outcome(1, 0, Counter(), coverage, (failure,))


class Overdue(Exception):
    """A schema took longer than any may."""


@contextlib.contextmanager
def _limited(seconds: int) -> Iterator[None]:
    """Raise Overdue after so many seconds, where the system has alarms."""
    if sys.platform == "win32":
        yield
        return

    def late(number: int, frame: types.FrameType | None) -> None:
        raise Overdue(f"over {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def try_seed(seed: str, plain: bool = False, effort: Effort = NORMAL) -> Outcome:
    """The schema that a seed stands for."""
    return tried(seeded_schema(seed, plain), seed, effort)


def run(
    seeds: Sequence[str], jobs: int, plain: bool = False, effort: Effort = NORMAL
) -> Iterator[Outcome]:
    """The outcomes of all seeds, in their order; `jobs` processes share them."""
    work = partial(try_seed, plain=plain, effort=effort)
    if jobs == 1:
        yield from map(work, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, maxtasksperchild=200) as pool:
        yield from pool.imap(work, seeds, chunksize=5)


# --- what failed ----------------------------------------------------------------------------------


def shrunk(failure: Failure, seconds: float = 120) -> Failure:
    """The same failure of a smaller schema, with other inputs where need be."""
    deadline = time.monotonic() + seconds
    best = failure

    def fails(texts: Texts) -> bool:
        nonlocal best
        if time.monotonic() > deadline:
            return False
        for failed in _again(texts, failure):
            best = failed
            return True
        return False

    reduced(failure.texts, fails)
    return best


def _again(texts: Texts, failure: Failure) -> Iterator[Failure]:
    """Failures of this kind, with a few inputs of these texts."""
    for number in range(3):
        for failed in tried(texts, f"{failure.seed}/{number}" if number else failure.seed).failures:
            if failed.label == failure.label:
                yield failed


def keep(failure: Failure, folder: Path) -> Path:
    """Write the schema into a folder of its own, with what is wrong in a comment."""
    name = "".join(c if c.isalnum() else "-" for c in f"{failure.label}-{failure.seed}")
    home = folder / "-".join(filter(None, name.split("-")))
    for module, text in failure.texts.files.items():
        path = home.joinpath(*module.split(".")).with_suffix(".vmsd")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    words = f"seed {failure.seed}\n{failure.label}\n{failure.detail}\n"
    (home / "why.txt").write_text(words, encoding="utf-8")
    return home
