"""The cache folder: files that can be made again, and that nobody but their owner had a hand in.

Laws:
1. What is read was written by this user: the folder and its files are his, nobody else may write
   to them, and no folder above them belongs to a third or lets one replace what is in it. What is
   read is executed (codecs) or trusted (parameters), so root in another user's home has no cache.
2. A file is replaced as a whole. A process that is killed leaves at most the file `new` in each
   folder, which the next writer overwrites: writers take turns by a lock.
3. Readers take no lock. What they have opened stays theirs when its name is gone.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vmsc import VmscError

__all__ = ["CacheError", "Usage", "cache_folder", "clear", "keep", "open_kept", "usage"]

KINDS = ("codecs", "parameters")  # a folder each
_NEW = "new"  # what is being written
_LOCK = "lock"
_FORMER = re.compile(r"[0-9a-f]{32}|stamps|solved|new-\w+")  # the folders of vmsc 0.1
_TAG = "CACHEDIR.TAG"  # https://bford.info/cachedir: backups leave such a folder out
_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of vmsc: it may be removed.\n"
_PATIENCE = 2.0  # seconds to wait for another writer, who needs milliseconds
_USED = 24 * 3600  # seconds after which a use is noted anew
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_BINARY: int = getattr(os, "O_BINARY", 0)


class CacheError(VmscError):
    """There is no cache, and why."""


@dataclass(frozen=True)
class Usage:
    """How many files of a kind there are, and how many bytes they take."""

    kind: str
    files: int
    size: int


# --- where it is, and whether it can be trusted ---------------------------------------------------


def cache_folder() -> Path:
    """The folder, which may not be there yet. Raises CacheError."""
    folder = _location()
    if problem := _problem(folder):
        raise CacheError(problem)
    return folder


def _location() -> Path:
    """By the XDG Base Directory Specification, which has a relative path ignored."""
    if sys.platform in ("win32", "darwin"):
        from platformdirs import user_cache_path  # costs 10 ms, and is not needed elsewhere

        return user_cache_path("vmsc", appauthor=False)
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "vmsc"
    try:
        home = Path.home()
    except RuntimeError:
        raise CacheError("neither HOME nor XDG_CACHE_HOME names a folder") from None
    if not home.is_absolute() or not os.path.isdir(home):
        raise CacheError(f"HOME is '{home}', which is not a folder")
    return home / ".cache" / "vmsc"


def _problem(folder: Path) -> str:
    """Why the folder cannot be trusted; empty if it can, or is not there yet."""
    if sys.platform == "win32":
        return ""  # a profile is its user's by access lists, which modes do not show
    user = os.geteuid()
    real = Path(os.path.realpath(folder))
    for path in dict.fromkeys((*_from_root(folder), *_from_root(real))):
        try:
            found = path.lstat()
        except FileNotFoundError:
            return ""
        except OSError as fault:
            return f"'{path}': {fault.strerror}"
        last = path in (folder, real)
        if found.st_uid != user and (last or found.st_uid != 0):
            return f"'{path}' belongs to another user ({found.st_uid})"
        if stat.S_ISLNK(found.st_mode):
            continue
        if not stat.S_ISDIR(found.st_mode):
            return f"'{path}' is not a folder"
        sticky = found.st_mode & stat.S_ISVTX and not last
        if found.st_mode & 0o022 and not sticky:
            return f"others may write to '{path}' (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""


def _from_root(path: Path) -> Iterator[Path]:
    yield from reversed(path.parents)
    yield path


def _is_ours(found: os.stat_result) -> bool:
    """Whether what was found is this user's, and nobody else may write to it."""
    if sys.platform == "win32":
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


# --- reading --------------------------------------------------------------------------------------


def open_kept(kind: str, name: str) -> IO[bytes] | None:
    """The file of this name, open; None if there is none that can be trusted."""
    try:
        folder = cache_folder() / kind
        around = folder.lstat()
        if not stat.S_ISDIR(around.st_mode) or not _is_ours(around):
            return None
        handle = os.open(folder / name, os.O_RDONLY | _NOFOLLOW | _BINARY)
    except (CacheError, OSError):
        return None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or not _is_ours(found):
        os.close(handle)
        return None
    if time.time() - found.st_mtime > _USED:
        with suppress(OSError):
            os.utime(folder / name)  # those that are used longest ago are forgotten first
    return os.fdopen(handle, "rb")


# --- writing --------------------------------------------------------------------------------------


def keep(kind: str, name: str, pieces: Iterable[bytes], most: int) -> None:
    """Keep a file, and of its kind `most` files, those used last. Raises CacheError."""
    try:
        folder = _made(kind)
        with _turn(folder.parent):
            _replace(folder, name, pieces)
            _forget(folder, name, most)
    except (OSError, NotImplementedError) as fault:  # the latter: no locks on this file system
        raise CacheError(str(fault)) from fault


def _made(kind: str) -> Path:
    """The folder of a kind, this user's alone. Raises CacheError and OSError."""
    folder = cache_folder() / kind
    for path in _from_root(folder):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)
    for path in (folder.parent, folder):
        if (path == folder and path.is_symlink()) or not _is_ours(path.stat()):
            raise CacheError(f"'{path}' is not this user's alone")
        path.chmod(0o700)
    tag = folder.parent / _TAG
    if not tag.exists():
        tag.write_bytes(_SIGNATURE)
    return folder


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    from filelock import FileLock  # here, as it costs 20 ms

    with FileLock(folder / _LOCK, timeout=_PATIENCE, mode=0o600):
        yield


def _replace(folder: Path, name: str, pieces: Iterable[bytes]) -> None:
    new = folder / _NEW
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NOFOLLOW | _BINARY
    try:
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.writelines(pieces)
        os.replace(new, folder / name)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def _forget(folder: Path, newest: str, most: int) -> None:
    with os.scandir(folder) as entries:
        times = {e.name: e.stat(follow_symlinks=False).st_mtime for e in entries}
    others = sorted(times.keys() - {newest}, key=lambda name: (-times[name], name))
    for name in others[most - 1 :]:
        with suppress(OSError):  # Windows keeps what is open
            (folder / name).unlink()


# --- what `vmsc cache` does -----------------------------------------------------------------------


def usage() -> tuple[Usage, ...]:
    """What is kept, by kind. Raises CacheError."""
    return tuple(_usage(cache_folder() / kind) for kind in KINDS)


def _usage(folder: Path) -> Usage:
    sizes = [p.lstat().st_size for p in folder.iterdir()] if folder.is_dir() else []
    return Usage(folder.name, len(sizes), sum(sizes))


def clear() -> int:
    """Remove all that is kept; how many bytes that were. Raises CacheError and OSError.

    What else lies in the folder stays: XDG_CACHE_HOME may be any folder, and hold any `vmsc`.
    """
    import shutil

    folder, before = cache_folder(), sum(one.size for one in usage())
    if not folder.is_dir():
        return before
    with _turn(folder):
        for path in folder.iterdir():
            if path.name in KINDS or _FORMER.fullmatch(path.name):
                shutil.rmtree(path)
        (folder / _TAG).unlink(missing_ok=True)
        with suppress(OSError):  # Windows keeps what is open
            (folder / _LOCK).unlink()
    with suppress(OSError):  # not empty
        folder.rmdir()
    return before
