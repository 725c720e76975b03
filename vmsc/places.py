"""Places: what a section's place in the machine says of its parameters.

QEMU puts a device's path before its description's name: 0000:00:03.0/virtio-net is the virtio-net
of the PCI function 00:03.0, and 0000:00:04.0/0:1:0/scsi-disk hangs under what is at 0000:00:04.0.
A word of a `one of` parameter may say by which path (`at`), or under which section (`under`), it is
known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

__all__ = ["Places", "path_of", "placed"]

Places = Sequence[tuple[str, str, str]]  # word, "at" or "under", pattern


def path_of(section: str, name: str) -> str:
    """What stands before a description's name in a section's."""
    return section.removesuffix(name).removesuffix("/")


def _holders(path: str, before: Iterable[str]) -> tuple[str, ...]:
    """The names of the sections that this path leads through, the nearest place's alone."""
    nearest = ""
    found: list[str] = []
    for section in before:
        place, _, name = section.rpartition("/")
        if not place or not path.startswith(f"{place}/") or len(place) < len(nearest):
            continue
        if place != nearest:
            nearest, found = place, []
        found.append(name)
    return tuple(found)


def placed(places: Places, section: str, name: str, before: Iterable[str]) -> str | None:
    """The first word of a parameter whose place is that of the section; None where no word's is.

    `name` is the description's in the section's name, `before` the sections that came earlier.
    """
    path = path_of(section, name)
    holders = _holders(path, before)
    for word, relation, pattern in places:
        candidates = (path,) if relation == "at" else holders
        if any(fnmatchcase(each, pattern) for each in candidates):
            return word
    return None
