"""What a section's place in the machine says of its parameters.

QEMU puts a device's path before its description's name: 0000:00:03.0/virtio-net is the virtio-net
of the PCI function 00:03.0, and 0000:00:04.0/0:1:0/scsi-disk hangs under what is at 0000:00:04.0.
A word of a `one of` parameter may say by which path (`at`), or under which section (`under`), it is
known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

__all__ = ["Earlier", "Places", "path_of", "placed"]

Places = Sequence[tuple[str, str, str]]  # word, "at" or "under", pattern


def path_of(section: str, name: str) -> str:
    """What stands before a description's name in a section's."""
    return section.removesuffix(name).removesuffix("/")


@dataclass
class Earlier:
    """The names of the sections so far by what stands before them, so that finding those that a
    path leads through takes no longer where there are many. It grows by `add`.
    """

    names: dict[str, dict[str, int]] = field(default_factory=dict)  # how many there are of each

    def add(self, section: str) -> None:
        place, _, name = section.rpartition("/")
        if place:
            own = self.names.setdefault(place, {})
            own[name] = own.get(name, 0) + 1

    def copy(self) -> Earlier:
        """The same, to go on from without changing this one."""
        return Earlier({place: dict(own) for place, own in self.names.items()})

    def holders(self, path: str, section: str) -> tuple[str, ...]:
        """The names of the sections that this path leads through, the nearest place's alone.
        `section`, whose path it is, does not count.
        """
        own_place, _, own_name = section.rpartition("/")
        while "/" in path:
            path = path.rpartition("/")[0]
            found = self.names.get(path, {})
            own = own_name if path == own_place else None
            if names := tuple(n for n, count in found.items() if n != own or count > 1):
                return names
        return ()


def placed(places: Places, section: str, name: str, earlier: Earlier) -> str | None:
    """The first word of a parameter whose place is that of the section; None where no word's is.

    `name` is the description's in the section's name; `earlier` may have this section, too.
    """
    path = path_of(section, name)
    holders = earlier.holders(path, section) if any(r == "under" for _, r, _ in places) else ()
    for word, relation, pattern in places:
        candidates = (path,) if relation == "at" else holders
        if any(fnmatchcase(each, pattern) for each in candidates):
            return word
    return None
