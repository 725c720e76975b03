"""Windows and macOS: vmsc is imported, and keeps its files, where the system lacks what Unix has.

`make types` runs mypy as on each of them. The guard alone needs a Unix: COLO's QEMUs run on Linux.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What only a Unix has: modules, and names of modules that all have. The standard library is
# imported first, as it chooses its own way; third-party packages by what vmsc imports at once.
_MASKED = """
import asyncio, contextlib, importlib.abc, multiprocessing, os, signal, socket, subprocess
import sys, tempfile
import click, jinja2, lark, msgspec, pluggy, filelock, platformdirs, prometheus_client, qemu.qmp

ABSENT = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "readline")
NAMES = {
    os: "getuid geteuid getgid getegid chown fchown lchown fchmod O_NOFOLLOW O_DIRECTORY killpg"
        " fork setsid mkfifo sync fdatasync posix_fallocate statvfs getpgid",
    signal: "SIGHUP SIGKILL SIGUSR1 SIGUSR2 SIGPIPE SIGALRM alarm pause",
    socket: "AF_UNIX TCP_QUICKACK TCP_USER_TIMEOUT TCP_NOTSENT_LOWAT TCP_KEEPIDLE",
}

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

filelock.FileLock = lambda *args, **options: contextlib.nullcontext()  # it has taken Unix's
for name in ABSENT:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
for module, names in NAMES.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""

_IMPORTED = """
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""

_KEPT = """
import pathlib
from vmsc.compiler.cache_folder import cache_folder, clear, usage
from vmsc.compiler.library import open_shelf
from vmsc.files import write_file
sys.platform = "win32"
folder = pathlib.Path(sys.argv[1])
for _ in range(2):
    shelf = open_shelf([folder], (), print)
    print(type(shelf.codec(shelf.index.devices["uart"][0])).__name__, shelf.package)
print([(one.kind, one.files) for one in usage()], clear() > 0)
for text in (b"first", b"second"):
    write_file(folder / "file", text)
print((folder / "file").read_bytes(), sorted(path.name for path in folder.iterdir()))
"""


def masked(code: str, *arguments: str, **environment: str) -> str:
    """What the code prints where a Unix's own is absent."""
    done = subprocess.run(
        [sys.executable, "-c", _MASKED + code, *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules() -> list[str]:
    """All modules of vmsc and its plugins, by dotted name."""
    found = []
    for folder, package in (("vmsc", "vmsc"), ("plugins", "vmsc.plugins")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found.append(".".join((package, *parts)).removesuffix(".__init__"))
    return found


def test_every_module_is_imported_without_what_only_a_unix_has() -> None:
    names = modules()
    assert len(names) > 150
    masked(_IMPORTED, *names)


def test_codecs_and_files_are_kept_without_what_only_a_unix_has(tmp_path: Path) -> None:
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    (schemas / "uart.vmsd").write_text('device "uart" { lsr: u8 }\n')
    shown = masked(_KEPT, str(schemas), XDG_CACHE_HOME=str(tmp_path))
    made, found, *rest = shown.splitlines()
    assert made == "Codec _vmsc_codecs_0"  # in memory, as it has just been compiled
    assert found.startswith("Codec _vmsc_codecs_") and found != made
    assert rest == [
        "[('codecs', 1), ('parameters', 0)] True",
        "b'second' ['file', 'uart.vmsd']",
    ]
