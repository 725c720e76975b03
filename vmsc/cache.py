"""The cache: what compiling a folder of schemas gave, kept in a folder of its own under a digest
of all it is made from.

A cache that cannot be read or written does no harm: what it would hold is made again. What a
process has opened stays until that process ends: it holds a shared lock on the index, and only a
folder that nobody holds is forgotten.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import BinaryIO

import msgspec

import vmsc
from vmsc import ir
from vmsc.output import write_file

__all__ = ["Index", "cached", "digest_of", "load_schema", "store"]

_PARTS = ("*.py", "*.lark", "*.jinja", "*.vmsd")
_KEPT = 8  # folders; one is about 3 MB
_HELD: list[BinaryIO] = []  # the indexes that this process has opened, locked


class Index(msgspec.Struct, frozen=True):
    """Where each codec lies: section or vmsd name -> (module, class)."""

    devices: dict[str, tuple[str, str]]
    vmsds: dict[str, tuple[str, str]]


def _files(root: Path) -> Iterable[Path]:
    if not root.is_dir():
        return [root]
    return (path for pattern in _PARTS for path in root.rglob(pattern))


def digest_of(schemas: Sequence[Path], shipped: Path) -> str:
    """A digest of vmsc itself, of the schemas, and of the plugins that are installed."""
    whole = hashlib.sha256(f"{vmsc.__version__} {sys.version_info[:2]}".encode())
    for entry in sorted(entry_points(group="vmsc.plugins"), key=lambda e: e.name):
        dist = entry.dist
        whole.update(f"{entry.name}={entry.value} {dist.version if dist else ''}".encode())
    roots = [Path(vmsc.__file__).parent, shipped.parent / "plugins", shipped / "std", *schemas]
    for path in sorted({file for root in roots for file in _files(root)}):
        whole.update(str(path).encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:32]


def _home() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vmsc"


def cached(digest: str) -> tuple[Path, Index] | None:
    """The folder of this digest and its index, if all of it is there; it stays while we run."""
    folder = _home() / digest
    try:
        file = (folder / "index.json").open("rb")
        fcntl.flock(file, fcntl.LOCK_SH)
        index = msgspec.json.decode(file.read(), type=Index)
    except (OSError, msgspec.DecodeError):
        return None
    if not os.fstat(file.fileno()).st_nlink:
        return None  # forgotten while we waited for the lock
    _HELD.append(file)
    return folder, index


def load_schema(folder: Path) -> ir.Schema:
    """What the schemas mean, from the cache."""
    loaded = pickle.loads((folder / "schema.pickle").read_bytes())
    assert isinstance(loaded, ir.Schema)
    return loaded


def store(digest: str, index: Index, sources: Mapping[str, str], schema: ir.Schema) -> None:
    """Write all; the index comes last, and only with it does the folder count. Raises OSError."""
    folder = _home() / digest
    for path, text in sources.items():
        target = folder / f"codecs_{digest}" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, text.encode())
    write_file(folder / "schema.pickle", pickle.dumps(schema))
    write_file(folder / "index.json", msgspec.json.encode(index))
    _forget_old(folder.parent)


def _forget_old(home: Path) -> None:
    """Keep the newest few, and what is in use."""
    indexes = list(home.glob("*/index.json"))
    indexes.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in indexes[_KEPT:]:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path.parent, ignore_errors=True)
