"""Misfits: where a description and QEMU's record of a section disagree."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Misfit"]


@dataclass(frozen=True)
class Misfit:
    """Where description and record disagree: `code` is a word for how.

    name, type: the bytes would be read all the same. size, missing, extra, version, subsection,
    null, parameter: they would not, or not as they were meant.
    """

    path: str
    code: str
    expected: str
    found: str

    @property
    def harmless(self) -> bool:
        """Whether everything lies where it would without it."""
        return self.code in ("name", "type")

    def __str__(self) -> str:
        return f"{self.path}: {self.expected} expected, found {self.found} [{self.code}]"
