"""Python text: indented lines and literals. Knows nothing of the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from vmsc import plain_text

__all__ = ["Code", "comment", "docstring", "struct_code", "wrapped"]

_INDENT = "    "

_CODES = {(1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q",
          (1, True): "b", (2, True): "h", (4, True): "i", (8, True): "q"}  # fmt: skip


def struct_code(name: str, size: int, signed: bool) -> str:
    """The struct module's letter for a number."""
    return "d" if name == "f64" else _CODES[size, signed]


def docstring(text: str) -> list[str]:
    """The lines of a literal that holds the text, whatever that is."""
    lines = text.strip().replace("\\", "\\\\").replace('"', '\\"').split("\n")
    # Quotes need no escape in front of anything but another quote and the literal's end.
    lines = [re.sub(r'\\"(?!\\"|$)', '"', plain_text.lines(line)) for line in lines]
    return [f'"""{lines[0]}"""'] if len(lines) == 1 else [f'"""{lines[0]}', *lines[1:], '"""']


def comment(text: str) -> list[str]:
    """The text as comments for documentation."""
    return [f"#: {plain_text.lines(line)}".rstrip() for line in text.split("\n")] if text else []


@dataclass
class Code:
    """Lines being written."""

    lines: list[str] = field(default_factory=list)
    depth: int = 0
    temporaries: int = 0

    def __call__(self, text: str) -> None:
        self.lines.append(_INDENT * self.depth + text if text else "")

    def extend(self, texts: Sequence[str]) -> None:
        for text in texts:
            self(text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self(head)
        before = len(self.lines)
        self.depth += 1
        yield
        if len(self.lines) == before:
            self("pass")
        self.depth -= 1

    @contextmanager
    def guard(self, error: str, *parts: str) -> Iterator[None]:
        """Errors of the block learn that they happened within the field (or index) `parts`."""
        before = len(self.lines)
        with self.block("try:"):
            yield
        if len(self.lines) == before + 1:
            self.lines.pop()
            return
        with self.block(f"except {error} as fault:"):
            self(f"fault.within({', '.join(parts)})")
            self("raise")

    def temporary(self, stem: str = "t") -> str:
        self.temporaries += 1
        return f"{stem}_{self.temporaries}"


def wrapped(items: Sequence[str], head: str, tail: str, depth: int = 0) -> list[str]:
    """`head item, item, ... tail` in lines of at most 100 columns; a comma that `tail` begins
    with is not doubled.
    """
    width = 98 - 4 * depth
    one = head + ", ".join(items) + tail
    if len(one) <= width:
        return [one]
    lines, row = [head], ""
    for each in items:
        if row and len(row) + len(each) + 2 > width - 4:
            lines.append(_INDENT + row.rstrip())
            row = ""
        row += f"{each}, "
    return [*lines, _INDENT + row.rstrip(), tail.removeprefix(",")]
