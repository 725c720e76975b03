"""The words for numbers: how many bytes, and whether they are signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SCALARS", "STRINGS", "Scalar"]


@dataclass(frozen=True)
class Scalar:
    size: int
    signed: bool

    @property
    def least(self) -> int:
        return -1 << 8 * self.size - 1 if self.signed else 0

    @property
    def most(self) -> int:
        return (1 << 8 * self.size - self.signed) - 1


# A timer's -1 says that it is not pending; any byte is a bool.
SCALARS: Mapping[str, Scalar] = {
    "u8": Scalar(1, False),
    "u16": Scalar(2, False),
    "u32": Scalar(4, False),
    "u64": Scalar(8, False),
    "s8": Scalar(1, True),
    "s16": Scalar(2, True),
    "s32": Scalar(4, True),
    "s64": Scalar(8, True),
    "bool": Scalar(1, False),
    "timer": Scalar(8, True),
}

# The size of the length, and the limit where none is given.
STRINGS: Mapping[str, tuple[int, int]] = {"string8": (1, 255), "string32": (4, 1 << 20)}
