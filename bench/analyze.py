"""Whole streams of a real QEMU: vmsc against QEMU's own analyze-migration.py, on the same files.

vmsc opens each file as if for the first time: what it keeps of a machine's parameters is removed
before every run, and a side file is a new one. The generated codecs stay: they are made once, when
schemas change, and how long that takes is said. The gates are for the largest guest; of a smaller
one's stream vmsc's start is most of the time, and the figures are there to see.

The script is taken from Debian's source package of qemu, or from where the one argument says.
Without it, or without QEMU, nothing is measured, and a line says so.
"""

from __future__ import annotations

import os
import re
import shutil
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
MEMORY = (256, 1024, 4096)  # MiB; idle guests, nearly all of it zero
GATES = {"info": 5, "decode": 3}


def script(folder: Path) -> Path | None:
    """QEMU's script, out of the source package."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    if not (_apt("source", "--download-only", "qemu", folder=folder) or _apt_sources(folder)):
        return None
    for package in sorted(folder.glob("qemu_*.orig.tar.*")):
        with tarfile.open(package) as archive:
            for member in archive:
                if member.name.endswith(NAME) and (found := archive.extractfile(member)):
                    target = folder / "analyze-migration.py"
                    target.write_bytes(found.read())
                    return target
    return None


def _apt(*words: str, folder: Path, config: Path | None = None) -> bool:
    own = {} if config is None else {"APT_CONFIG": str(config)}
    command = ["apt-get", "-qq", *words]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, timeout=300,
            env={**os.environ, **own},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _apt_sources(folder: Path) -> bool:
    """Fetch the package where APT is not told to know sources, as Debian's images are not: with
    lists of our own, which leave those of the machine alone.
    """
    parts = folder / "apt" / "parts"
    for made in (parts, folder / "apt" / "lists" / "partial", folder / "apt" / "archives/partial"):
        made.mkdir(parents=True)
    etc = Path("/etc/apt")
    for file in (*etc.glob("sources.list"), *etc.glob("sources.list.d/*.list")):
        text = re.sub(r"^deb\s", "deb-src ", file.read_text(), flags=re.MULTILINE)
        (parts / file.with_suffix(".list").name).write_text(text)
    for file in etc.glob("sources.list.d/*.sources"):
        text = re.sub(r"^Types:.*", "Types: deb-src", file.read_text(), flags=re.MULTILINE)
        (parts / file.name).write_text(text)
    config = folder / "apt" / "apt.conf"
    config.write_text(
        'Dir::Etc::sourcelist "/dev/null";\n'
        f'Dir::Etc::sourceparts "{parts}";\n'
        f'Dir::State::lists "{parts.parent / "lists"}";\n'
        f'Dir::Cache "{parts.parent}";\n'
    )
    return _apt("update", folder=folder, config=config) and _apt(
        "source", "--download-only", "qemu", folder=folder, config=config
    )


def streams(folder: Path) -> dict[int, Path]:
    """Streams of guests that wait in their firmware, by MiB; none without QEMU."""
    sys.path.append(str(ROOT / "tests" / "support"))
    from live import qemu_binary, running

    found: dict[int, Path] = {}
    for memory in MEMORY if qemu_binary() is not None else ():
        found[memory] = folder / f"stream-{memory}"
        with running(memory_mb=memory) as qemu:
            time.sleep(3)
            qemu.command("stop")
            found[memory].write_bytes(qemu.save_stream())
    return found


def environment(folder: Path) -> dict[str, str]:
    """A cache of our own, and bytecode kept, as where vmsc is installed."""
    own = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**own, "XDG_CACHE_HOME": str(folder / "cache")}


def runs(arguments: Sequence[object], folder: Path) -> Callable[[], object]:
    """A task that runs a command and wants it to end well."""

    def task() -> object:
        words, env = [str(a) for a in arguments], environment(folder)
        return subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=120, env=env)

    return task


def first(folder: Path) -> None:
    """Let the next run be the first one that sees its file."""
    shutil.rmtree(folder / "cache" / "vmsc" / "parameters", ignore_errors=True)
    (folder / "ram").unlink(missing_ok=True)


def compared(analyze: Path, memory: int, file: Path, folder: Path) -> list[bool]:
    """Measure one file; whether its gates hold."""
    tasks = {
        "analyze": runs([sys.executable, analyze, "-f", file], folder),
        "info": runs([VMSC, "info", file], folder),
        "decode": runs([VMSC, "decode", file, "--ram-to", folder / "ram"], folder),
    }
    found = medians(tasks, rounds=9, before=lambda: first(folder))
    size = file.stat().st_size / 1e6
    print(f"a guest of {memory} MiB, {size:.1f} MB: analyze-migration.py {found['analyze']:.2f} s")
    good = []
    for name, gate in GATES.items():
        what, times = f"  vmsc {name} is faster by", found["analyze"] / found[name]
        if memory == max(MEMORY):
            good.append(row(what, times, gate, "times", at_least=True))
        else:
            print(f"{what}: {times:.2f} times")
    return good


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="vmsc-bench-") as name:
        folder = Path(name)
        analyze, files = script(folder), streams(folder)
        if analyze is None or not files:
            what = "QEMU's script (give its path)" if analyze is None else "QEMU"
            print(f"streams: not measured, {what} could not be had")
            return 0
        start = time.perf_counter()
        runs([VMSC, "info", "--fields", files[min(files)]], folder)()
        print(f"the first run of all, which makes the codecs: {time.perf_counter() - start:.1f} s")
        good = [
            g for memory, file in files.items() for g in compared(analyze, memory, file, folder)
        ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
