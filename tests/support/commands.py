"""Running vmsc as its users do: a process, its exit status and what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Result", "run_vmsc"]

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str


def run_vmsc(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Result:
    """`vmsc ARGUMENTS`, with more environment variables."""
    done = subprocess.run(
        [BIN / "vmsc", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Result(done.returncode, done.stdout, done.stderr)
