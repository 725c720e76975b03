"""Python text: indented lines, literals, and names. Knows nothing of the plan."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from vmsc import plain_text

__all__ = [
    "Code", "attribute", "comment", "docstring", "keyword_name", "param_name", "snake",
    "sticky_name", "struct_code", "wrapped",
]  # fmt: skip

_INDENT = "    "

# Words that the public functions use themselves.
_TAKEN_KEYWORDS = frozenset({
    "buf", "pos", "final", "version", "value", "end", "sub", "start", "out", "fault",
})  # fmt: skip

# What annotations and msgspec need unshadowed in a class body.
_TAKEN_FIELDS = frozenset({"int", "bytes", "list", "tuple", "float", "None", "Struct"})

_CODES = {(1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q",
          (1, True): "b", (2, True): "h", (4, True): "i", (8, True): "q"}  # fmt: skip


def struct_code(name: str, size: int, signed: bool) -> str:
    """The struct module's letter for a number."""
    return "d" if name == "f64" else _CODES[size, signed]


def attribute(name: str) -> str:
    """The attribute of a field: the name itself, but for what Python would misread."""
    if name.startswith("__"):
        return f"{name}__"  # else it would be private to the class
    taken = keyword.iskeyword(name) or name in _TAKEN_FIELDS
    return f"{name}_" if taken or re.fullmatch(r"[USF](8|16|32|64)|Bool|Text|Timer", name) else name


def keyword_name(name: str) -> str:
    """The keyword argument of a parameter in the public functions."""
    taken = keyword.iskeyword(name) or name in _TAKEN_KEYWORDS or name.startswith("_")
    return f"{name}_" if taken else name


def sticky_name(name: str) -> str:
    """What a sticky field last was, within a function: the only element of a list, which all
    functions that read or write a section share.
    """
    return f"{param_name(name)}[0]"


def param_name(name: str) -> str:
    """The local of a parameter within a function: like none of the function's own."""
    return f"p_{name}"


def snake(name: str) -> str:
    """A function's part of the name of class `name`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower()


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
