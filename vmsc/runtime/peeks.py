"""Functions of the language that read numbers out of bytes: what a section tells of itself in its
earlier fields, where other descriptions need a parameter.

Law: every function has a value for any bytes; what lies beyond their end reads as 0.
"""

from __future__ import annotations

from collections.abc import Callable

from vmsc.runtime.codec import Buffer

__all__ = ["PEEKS", "little16", "little32", "pci_capability"]

# The configuration space's header, as PCI lays it out.
_STATUS, _HAS_LIST, _FIRST = 0x06, 0x10, 0x34
_LIST_START, _SPACE = 0x40, 0x100  # capabilities lie between; each is aligned to 4


def little16(data: Buffer, at: int) -> int:
    """The little-endian number in the two bytes from `at` on."""
    return int.from_bytes(data[at : at + 2], "little")


def little32(data: Buffer, at: int) -> int:
    """The little-endian number in the four bytes from `at` on."""
    return int.from_bytes(data[at : at + 4], "little")


def pci_capability(config: Buffer, wanted: int) -> int:
    """Where the capability with this number begins in a PCI configuration space; 0: it has none."""
    space = config[:_SPACE]
    if not little16(space, _STATUS) & _HAS_LIST:
        return 0
    at = little16(space, _FIRST) & 0xFC
    for _ in range((_SPACE - _LIST_START) // 4):  # a list of more leads round in a circle
        if not _LIST_START <= at < len(space) - 1:
            return 0
        if space[at] == wanted:
            return at
        at = space[at + 1] & 0xFC
    return 0


# By name: the function, and the bounds of its value.
PEEKS: dict[str, tuple[Callable[[Buffer, int], int], int, int]] = {
    "little16": (little16, 0, 0xFFFF),
    "little32": (little32, 0, 0xFFFF_FFFF),
    "pci_capability": (pci_capability, 0, 0xFC),
}
