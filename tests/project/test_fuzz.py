"""The entrances of fuzz/: each keeps its invariant for a second; and what breaks it is found."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"
ENTRANCES = (
    "colo_primary", "colo_secondary", "framed", "machine_file", "schema_text", "stream", "vmdesc",
)  # fmt: skip
SEED = "1"


def run(entrance: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FUZZ / "run.py"), entrance, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_an_entrance_keeps_its_invariant_for_a_second(entrance: str, tmp_path: Path) -> None:
    print(f"seed {SEED}")
    done = run(entrance, "--seconds", "1", "--seed", SEED, "--keep", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 10, done.stdout


def test_every_entrance_is_tried_here() -> None:
    assert tuple(sorted(p.stem for p in (FUZZ / "entrances").glob("[a-z]*.py"))) == ENTRANCES


# --- that it can fail -----------------------------------------------------------------------------


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FUZZ))
    import harness

    return harness


@dataclass
class Planted:
    """An entrance that does this to every input."""

    enter: Callable[[bytes], None]
    REFUSALS: tuple[type[Exception], ...] = (LookupError,)

    def corpus(self) -> Iterable[bytes]:
        return [b"abc"]


def refuse(data: bytes) -> None:
    raise KeyError("documented")


def fault(data: bytes) -> None:
    raise TypeError("a fault")


def dawdle(data: bytes) -> None:
    time.sleep(60)


def swallow(data: bytes) -> None:
    try:
        time.sleep(60)
    except Exception:
        time.sleep(60)


def devour(data: bytes) -> None:
    raise MemoryError


def test_a_documented_refusal_breaks_nothing(harness: ModuleType) -> None:
    harness.tried(Planted(refuse), b"abc", 1)


@pytest.mark.parametrize(
    ("enter", "message"),
    [
        (fault, "raises TypeError: a fault"),
        (dawdle, "takes more than 1 seconds"),
        (swallow, "takes more than 1 seconds"),
        (devour, "takes more memory than any input may"),
    ],
)
def test_what_breaks_the_invariant_is_found(
    harness: ModuleType, enter: Callable[[bytes], None], message: str
) -> None:
    with pytest.raises(harness.Broken, match=message) as found:
        harness.tried(Planted(enter), b"abc", 1)
    assert found.value.data == b"abc"


def test_an_input_that_breaks_it_is_kept_and_can_be_tried_again(tmp_path: Path) -> None:
    entrances = tmp_path / "fuzz" / "entrances"
    entrances.mkdir(parents=True)
    for name in ("run.py", "harness.py"):
        (entrances.parent / name).write_text((FUZZ / name).read_text())
    (entrances / "planted.py").write_text(
        "REFUSALS = (ValueError,)\n"
        "def corpus():\n    yield b'a good one'\n"
        "def enter(data):\n    assert data[:1] != b'\\xff'\n"
    )
    command = [sys.executable, str(entrances.parent / "run.py"), "planted", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    (kept,) = tmp_path.glob("planted-*.bin")
    assert done.returncode == 1 and "raises AssertionError" in done.stderr
    assert kept.read_bytes()[:1] == b"\xff"
    again = subprocess.run(
        [*command, "--input", str(kept)], capture_output=True, text=True, timeout=60
    )
    assert again.returncode == 1


def test_damage_comes_of_its_seed(harness: ModuleType) -> None:
    def drawn(seed: int) -> Sequence[bytes]:
        rng = random.Random(seed)
        return [harness.damaged(rng, [b"one of them", b"another"]) for _ in range(50)]

    assert drawn(1) == drawn(1) != drawn(2)
