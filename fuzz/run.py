"""Feed an entrance of vmsc with damaged inputs, until one breaks the invariant or the time is over.

    python fuzz/run.py stream --seconds 60 --seed 1
    python fuzz/run.py stream --seconds 600 --atheris
    python fuzz/run.py stream --input fuzz/failures/stream-1f2e3d4c.bin

The invariant: whatever the bytes are, an entrance raises nothing but the exceptions that are
documented for it, takes no longer than SECONDS_EACH, and no more memory than MEMORY. Inputs are the
entrance's corpus, first as it is, then damaged by a seeded generator; with --atheris, by libFuzzer,
which follows the code's branches (`pip install vmsc[fuzz]`). What breaks it is kept as a file, and
the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from harness import MEMORY, Broken, Entrance, damaged, limit_memory, tried

__all__ = ["ENTRANCES", "main"]

HERE = Path(__file__).parent
ENTRANCES = tuple(sorted(p.stem for p in (HERE / "entrances").glob("[a-z]*.py")))


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("entrance", choices=ENTRANCES)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--input", type=Path, help="try this one input alone")
    parser.add_argument("--keep", type=Path, default=HERE / "failures", help="for what breaks it")
    parser.add_argument("--atheris", action="store_true")
    return parser.parse_args(given)


def _loaded(name: str) -> Entrance:
    for folder in (HERE / "entrances", HERE.parent / "tests" / "support"):
        sys.path.insert(0, str(folder))
    module: Any = importlib.import_module(name)
    return cast(Entrance, module)


def _kept(name: str, broken: Broken, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(broken.data).hexdigest()[:8]}.bin"
    path.write_bytes(broken.data)
    print(f"{name}: {broken}\n  kept in {path}", file=sys.stderr)
    if broken.__cause__ is not None:
        traceback.print_exception(broken.__cause__, file=sys.stderr)


def _run(name: str, entrance: Entrance, asked: argparse.Namespace) -> int:
    """How many inputs were tried: the corpus, and what was damaged in the time that is given."""
    corpus = list(entrance.corpus())
    assert corpus, "an empty corpus"
    for data in corpus:
        tried(entrance, data)
    rng, end = random.Random(f"{name}:{asked.seed}"), time.monotonic() + asked.seconds
    count = len(corpus)
    while time.monotonic() < end:
        tried(entrance, damaged(rng, corpus))
        count += 1
    return count


def _with_atheris(name: str, asked: argparse.Namespace) -> None:
    """Hand over to libFuzzer, which does not come back."""
    atheris: Any = importlib.import_module("atheris")

    with atheris.instrument_imports(include=["vmsc"]):
        entrance = _loaded(name)
    folder = tempfile.mkdtemp(prefix=f"fuzz-{name}-")
    for number, data in enumerate(entrance.corpus()):
        (Path(folder) / str(number)).write_bytes(data)
    asked.keep.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={int(asked.seconds)}", f"-rss_limit_mb={MEMORY >> 20}"]
    options += ["-timeout=10", f"-artifact_prefix={asked.keep}/{name}-", "-max_len=262144"]

    def enter(data: bytes) -> None:
        with contextlib.suppress(*entrance.REFUSALS):
            entrance.enter(data)

    atheris.Setup([sys.argv[0], *options, folder], enter)
    atheris.Fuzz()


def main(given: Sequence[str] | None = None) -> int:
    asked = _arguments(given)
    if asked.atheris:
        _with_atheris(asked.entrance, asked)
    entrance = _loaded(asked.entrance)
    limit_memory()
    try:
        if asked.input is not None:
            tried(entrance, asked.input.read_bytes())
            count = 1
        else:
            count = _run(asked.entrance, entrance, asked)
    except Broken as broken:
        _kept(asked.entrance, broken, asked.keep)
        return 1
    print(f"{asked.entrance}: {count} inputs from seed {asked.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
