"""Texts and places in them: what every later stage points at when it has something to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["NOWHERE", "Source", "Span"]


@dataclass(frozen=True)
class Source:
    """A schema's text. `path` is what messages show; `module` is its dotted name (`std.pci`).

    `shipped`: it comes with vmsc; a schema that is given may describe the same and counts first.
    """

    path: str
    module: str
    text: str = field(repr=False)
    shipped: bool = False

    def line(self, number: int) -> str:
        """The line with this 1-based number, without its end."""
        return self._lines[number - 1].rstrip("\r") if 0 < number <= len(self._lines) else ""

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")


@dataclass(frozen=True)
class Span:
    """A piece of a source: 1-based line and column, and a length, in characters (a tab is one).

    A length of 0 is all of the source.
    """

    source: Source = field(repr=False)
    line: int
    column: int
    length: int = 1

    @classmethod
    def whole(cls, source: Source) -> Span:
        return cls(source, 1, 1, 0)

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.column}"


NOWHERE = Span(Source("<built in>", "", ""), 1, 1)
