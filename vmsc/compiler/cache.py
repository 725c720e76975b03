"""The cache: what compiling a folder of schemas gave, kept in a folder of its own under a digest
of all it is made from.

A cache that cannot be read or written does no harm: what it would hold is made again. What a
process has opened stays until that process ends: it holds a shared lock on the index, and only a
folder that nobody holds is forgotten.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

import vmsc

if TYPE_CHECKING:
    from vmsc.schema import ir

__all__ = [
    "Index", "Place", "cached", "digest_of", "forget", "home_folder", "load_schema", "store",
]  # fmt: skip

_ENDS = (".py", ".lark", ".jinja", ".vmsd")
_PARTS = tuple(f"*{end}" for end in _ENDS)
_KEPT = 8  # folders; one is about 3 MB
_HELD: list[BinaryIO] = []  # the indexes that this process has opened, locked


class Place(msgspec.Struct, frozen=True):
    """Where a codec lies; its size class, and which sections it is for."""

    module: str
    name: str
    size: str
    target: str
    minimum: int
    version: int


class Index(msgspec.Struct, frozen=True):
    """Where each codec lies, by the name of its section or vmsd."""

    devices: dict[str, list[Place]]
    vmsds: dict[str, Place]


def _files(root: Path) -> Iterable[Path]:
    if not root.is_dir():
        return [root]
    return (path for pattern in _PARTS for path in root.rglob(pattern))


def digest_of(schemas: Sequence[Path], shipped: Path) -> str:
    """A digest of vmsc itself, of the schemas, and of the plugins that are installed.

    Where no file has changed since, it is what it was then: they are not read again.
    """
    roots = [Path(vmsc.__file__).parent, shipped.parent / "plugins", shipped / "std", *schemas]
    stamp = home_folder() / "stamps" / _stamp(roots)
    try:
        known = stamp.read_text()
        if len(known) == 32:
            return known
    except OSError:
        pass
    digest = _digest(roots)
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        forget(stamp.parent.iterdir(), 64)
        stamp.write_text(digest)
    except OSError:
        pass
    return digest


def _stamp(roots: Sequence[Path]) -> str:
    """What changes with any of the files, or with what is installed."""
    whole = hashlib.sha256(f"{vmsc.__version__} {sys.version_info[:2]}".encode())
    for root in roots:
        for path, size, changed in sorted(_stats(str(root))):
            whole.update(f"{path} {size} {changed}\n".encode())
    for place in sys.path:
        if os.path.isdir(place):
            whole.update(f"{place} {os.stat(place).st_mtime_ns}\n".encode())
    return whole.hexdigest()[:32]


def _stats(root: str) -> Iterator[tuple[str, int, int]]:
    if not os.path.isdir(root):
        found = os.stat(root)
        yield root, found.st_size, found.st_mtime_ns
        return
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _stats(entry.path)
            elif entry.name.endswith(_ENDS):
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns


def _digest(roots: Sequence[Path]) -> str:
    whole = hashlib.sha256(f"{vmsc.__version__} {sys.version_info[:2]}".encode())

    from importlib.metadata import entry_points

    for entry in sorted(entry_points(group="vmsc.plugins"), key=lambda e: e.name):
        dist = entry.dist
        whole.update(f"{entry.name}={entry.value} {dist.version if dist else ''}".encode())
    for path in sorted({file for root in roots for file in _files(root)}):
        whole.update(str(path).encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:32]


def home_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vmsc"


def cached(digest: str) -> tuple[Path, Index] | None:
    """The folder of this digest and its index, if all of it is there; it stays while we run."""
    folder = home_folder() / digest
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
    import pickle

    from vmsc.schema import ir

    loaded = pickle.loads((folder / "schema.pickle").read_bytes())
    assert isinstance(loaded, ir.Schema)
    return loaded


def store(digest: str, index: Index, sources: Mapping[str, str], schema: ir.Schema) -> None:
    """Write all beside, then rename it as a whole: the folder is there complete or not at all.

    The codecs are compiled here: where Python may not write bytecode, reading would begin with it.
    Raises OSError.
    """
    import shutil
    import tempfile

    home = home_folder()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=home, ignore_cleanup_errors=True) as beside:
        _write(Path(beside) / digest, digest, index, sources, schema)
        if (home / digest).exists() and cached(digest) is None:
            shutil.rmtree(home / digest, ignore_errors=True)  # spoiled
        try:
            os.rename(Path(beside) / digest, home / digest)
        except OSError as fault:
            if fault.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise  # otherwise another process was first, with the same
    _forget_old(home)


def _write(
    folder: Path, digest: str, index: Index, sources: Mapping[str, str], schema: ir.Schema
) -> None:
    import pickle
    import py_compile

    for path, text in sources.items():
        target = folder / f"codecs_{digest}" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        py_compile.compile(str(target), quiet=2)
    (folder / "schema.pickle").write_bytes(pickle.dumps(schema))
    (folder / "index.json").write_bytes(msgspec.json.encode(index))


def _forget_old(home: Path) -> None:
    """Keep the newest few, and what is in use."""
    import shutil

    indexes = list(home.glob("*/index.json"))
    indexes.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in indexes[_KEPT:]:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path.parent, ignore_errors=True)


def forget(files: Iterable[Path], kept: int) -> None:
    """Remove all of these, once they are more than that."""
    found = list(files)
    for file in found if len(found) > kept else ():
        file.unlink(missing_ok=True)
