"""Files: a file has its former content, or all of its new content, whenever someone looks.

It is written beside, under a name of its own, and renamed. A full disk, an error or a signal leaves
the former file. Guest memory is written for its owner alone: it holds the guest's keys and mail.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["beside", "write_file", "write_pieces"]

_SHOWN = (
    60  # characters of a name in that of the file beside it: 255 bytes are a limit of most disks
)


@contextmanager
def beside(path: Path, *, durable: bool = False, private: bool = False) -> Iterator[IO[bytes]]:
    """A file beside `path`, renamed over it when the block ends without an exception.

    A file that is replaced passes its permissions on, and its owner where the system lets us. A
    new one has those that the umask leaves, or, if `private`, those that let only its owner read.
    `durable`: content, then name, are on the disk when this ends. Of a link, what it leads to is
    written. A device or a pipe is written to as it is: a rename would put a file in its place.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    former = target.stat() if target.exists() else None
    handle, name = _create(target, path, 0o666 if former is None and not private else 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if former is not None:
            _pass_on(former, name)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    if durable:
        _flush_folder(target.parent)


def _create(target: Path, asked: Path, mode: int) -> tuple[int, str]:
    """A new file in the folder of `target`, and its name. An error names what was asked for."""
    name = str(target.parent / f".{target.name[:_SHOWN]}.{os.urandom(6).hex()}")
    binary: int = getattr(os, "O_BINARY", 0)  # Windows
    try:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | binary, mode), name
    except OSError as fault:
        raise type(fault)(fault.errno, fault.strerror, str(asked)) from None


def _pass_on(former: os.stat_result, name: str) -> None:
    """Owner, group and permissions of the former file; not setuid and the like, which were given
    to its content. If the group cannot be had, ours may do no more than everyone.
    """
    mode = stat.S_IMODE(former.st_mode) & 0o777
    if sys.platform != "win32":
        for user, group in ((former.st_uid, former.st_gid), (-1, former.st_gid)):
            with suppress(OSError):
                os.chown(name, user, group)
                break
        if os.stat(name).st_gid != former.st_gid:
            mode &= 0o707 | (mode & 0o007) << 3
    os.chmod(name, mode)


def _flush_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return  # a folder cannot be opened there
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_pieces(
    path: Path,
    pieces: Iterable[bytes | bytearray | memoryview],
    *,
    durable: bool = False,
    private: bool = False,
) -> int:
    """Write all pieces, or leave the file as it was; how many bytes they are."""
    size = 0
    with beside(path, durable=durable, private=private) as file:
        for piece in pieces:
            size += file.write(piece)
    return size


def write_file(path: Path, data: bytes) -> None:
    """Write all of `data`, or leave the file as it was."""
    write_pieces(path, (data,))
