"""Targets: which one a machine's name tells of, and which of several devices of one name is meant.

QEMU's targets have devices of one name and different forms: the `cpu` of x86_64 is not that of
aarch64. A stream does not name its target. Its machine type mostly tells, else the section's
version does, and where neither does it has to be given: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Protocol, TypeVar

__all__ = ["meant", "target_of"]

# Machine types by QEMU's target. `virt` without a version is RISC-V's, and `none` everybody's.
_MACHINES = {
    "aarch64": ("virt-[0-9]*", "sbsa-ref", "raspi*", "xlnx-zcu102", "xlnx-versal-virt"),
    "x86_64": ("pc-*", "isapc", "microvm", "xenfv*", "xenpv", "nitro*"),
}


class Described(Protocol):
    """What a device's description says about the sections that it is for."""

    @property
    def target(self) -> str: ...
    @property
    def minimum(self) -> int: ...
    @property
    def version(self) -> int: ...


_D = TypeVar("_D", bound=Described)


@lru_cache(maxsize=16)
def target_of(machine: str) -> str:
    """The target that has this machine type; empty where that is not known. Each section asks."""
    found = (
        target
        for target, names in _MACHINES.items()
        if any(fnmatchcase(machine, name) for name in names)
    )
    return next(found, "")


def meant(devices: Sequence[_D], version: int, target: str) -> tuple[_D, ...]:
    """Those of the devices of one name that a section of this version can be of.

    A device of another target is none of them. Of several, those that know the version.
    """
    fits = tuple(d for d in devices if not target or d.target in ("", target))
    if len(fits) < 2:
        return fits
    return tuple(d for d in fits if d.minimum <= version <= d.version) or fits
