"""A whole stream of a real QEMU: vmsc against QEMU's own analyze-migration.py, on the same file.

The script is taken from Debian's source package of qemu, or from where the one argument says.
Without it, or without QEMU, nothing is measured, and a line says so.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import medians, row

ROOT = Path(__file__).resolve().parent.parent
VMSC = Path(sys.executable).parent / "vmsc"
NAME = "scripts/analyze-migration.py"
MEMORY = 4096  # MiB; an idle guest, nearly all of it zero


def script(folder: Path) -> Path | None:
    """QEMU's script, out of the source package."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    command = ["apt-get", "source", "--download-only", "-qq", "qemu"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return None
    for package in sorted(folder.glob("qemu_*.orig.tar.*")):
        with tarfile.open(package) as archive:
            for member in archive:
                if member.name.endswith(NAME) and (found := archive.extractfile(member)):
                    target = folder / "analyze-migration.py"
                    target.write_bytes(found.read())
                    return target
    return None


def stream(folder: Path) -> Path | None:
    """A stream of a guest that waits in its firmware."""
    sys.path.append(str(ROOT / "tests"))
    from live import qemu_binary, running

    if qemu_binary() is None:
        return None
    file = folder / "stream"
    with running(memory_mb=MEMORY) as qemu:
        time.sleep(3)
        qemu.command("stop")
        file.write_bytes(qemu.save_stream())
    return file


def runs(arguments: Sequence[object]) -> Callable[[], object]:
    """A task that runs a command and wants it to end well."""

    def task() -> object:
        words = [str(a) for a in arguments]
        return subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=120)

    return task


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="vmsc-bench-") as name:
        folder = Path(name)
        analyze, file = script(folder), stream(folder)
        if analyze is None or file is None:
            what = "QEMU's script" if analyze is None else "QEMU"
            print(f"streams: not measured, {what} could not be had")
            return 0
        tasks = {
            "analyze": runs([sys.executable, analyze, "-f", file]),
            "info": runs([VMSC, "info", file]),
            "decode": runs([VMSC, "decode", file, "--ram-to", folder / "ram"]),
        }
        found = medians(tasks, rounds=9)
        size = file.stat().st_size / 1e6
    print(f"a stream of {size:.1f} MB; analyze-migration.py takes {found['analyze']:.2f} s")
    good = [
        row("vmsc info is faster by", found["analyze"] / found["info"], 5, "times", at_least=True),
        row(
            "vmsc decode is faster by",
            found["analyze"] / found["decode"],
            3,
            "times",
            at_least=True,
        ),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
