"""How long commands take: `vmsc --help` against a bare interpreter, `vmsc check schemas/` in
seconds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import medians, row

ROOT = Path(__file__).resolve().parent.parent
VMSC = Path(sys.executable).parent / "vmsc"


def runs(arguments: Sequence[str]) -> Callable[[], object]:
    """A task that runs a command and wants it to end well."""

    def task() -> object:
        return subprocess.run(arguments, check=True, capture_output=True, cwd=ROOT, timeout=60)

    return task


def main() -> int:
    tasks = {
        "bare": runs([sys.executable, "-c", "pass"]),
        "help": runs([str(VMSC), "--help"]),
        "check": runs([str(VMSC), "check", "schemas/"]),
    }
    found = medians(tasks, rounds=9)
    ratio = found["help"] / found["bare"]
    good = [
        row("vmsc --help against a bare interpreter's start", ratio, 8, "times"),
        row("vmsc check schemas/", found["check"], 3, "seconds"),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
