"""Artifacts: what backends and importers give -> files, written only where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vmsc import VmscError
from vmsc.files import write_file

if TYPE_CHECKING:
    from vmsc.hooks.records import Artifact


__all__ = ["OutputError", "check_paths", "stale", "write_artifacts"]


class OutputError(VmscError):
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
