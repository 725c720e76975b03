"""Texts and places in them: what every later stage points at when it has something to say."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["NOWHERE", "Source", "Span"]


@dataclass(frozen=True)
class Source:
    """A schema's text. `path` is what messages show; `module` is its dotted name (`std.pci`)."""

    path: str
    module: str
    text: str = field(repr=False)

    def line(self, number: int) -> str:
        """The line with this 1-based number, without its end."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""


@dataclass(frozen=True)
class Span:
    """A piece of a source: 1-based line and column (in characters, a tab counts one) and a length in characters."""

    source: Source = field(repr=False)
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.column}"


NOWHERE = Span(Source("<built in>", "", ""), 1, 1)
