"""Output: artifacts -> files. Written beside and renamed, and only where something changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from vmsc.backend import Artifact


__all__ = [
    "OutputError", "beside", "check_paths", "stale", "write_artifacts", "write_file",
    "write_pieces",
]  # fmt: skip


class OutputError(Exception):
    """An artifact that cannot be written where it wants to be."""


def check_paths(artifacts: Sequence[Artifact]) -> None:
    """Refuse paths that leave the folder or are not plain, and two artifacts that need one place.

    Raises OutputError.
    """
    files: set[str] = set()
    folders: dict[str, str] = {}
    for artifact in artifacts:
        path = PurePosixPath(artifact.path)
        shown = f"the artifact {artifact.path!r}"
        if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in artifact.path:
            raise OutputError(f"{shown} is not within the output folder")
        if str(path) != artifact.path or not artifact.path.isprintable():
            raise OutputError(f"{shown} has no plain path, such as '{_plain(path)}'")
        if artifact.path in files:
            raise OutputError(f"two artifacts are called '{artifact.path}'")
        files.add(artifact.path)
        folders |= {str(parent): artifact.path for parent in path.parents}
    for name in sorted(files & folders.keys()):
        raise OutputError(f"'{name}' is an artifact, and the folder of '{folders[name]}'")


def _plain(path: PurePosixPath) -> str:
    return "".join(c if c.isprintable() else "_" for c in str(path))


@contextmanager
def beside(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """A file beside `path`, renamed over it when the block ends well; else `path` stays as it
    was. Of a link, what it leads to is written. `durable`: it is on the disk before it has its
    name, and the name when this ends.

    A device or a pipe is written to as it is: a rename would put a file into its place.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    handle, name = _new_file(target, path)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    if durable:
        _flush_folder(target.parent)


def _new_file(target: Path, asked: Path) -> tuple[int, str]:
    """An open file in the folder of `target`, and its name. An error names what was asked for."""
    try:
        return tempfile.mkstemp(prefix=f".{target.name[:200]}.", dir=target.parent)
    except OSError as fault:
        raise type(fault)(fault.errno, fault.strerror, str(asked)) from None


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_pieces(
    path: Path, pieces: Iterable[bytes | bytearray | memoryview], *, durable: bool = False
) -> int:
    """Write all pieces, or leave the file as it was; how many bytes they are."""
    size = 0
    with beside(path, durable=durable) as file:
        for piece in pieces:
            size += file.write(piece)
    return size


def write_file(path: Path, data: bytes) -> None:
    """Write all of `data`, or leave the file as it was."""
    write_pieces(path, (data,))


def stale(artifacts: Iterable[Artifact], folder: Path) -> list[str]:
    """The artifacts whose file is missing or differs, by path."""
    found = []
    for artifact in artifacts:
        path = folder / artifact.path
        if not path.is_file() or path.read_bytes() != artifact.text.encode():
            found.append(artifact.path)
    return found


def write_artifacts(artifacts: Sequence[Artifact], folder: Path) -> list[str]:
    """Write what is missing or differs; the paths written."""
    changed = stale(artifacts, folder)
    texts = {a.path: a.text for a in artifacts}
    for path in changed:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, texts[path].encode())
    return changed
