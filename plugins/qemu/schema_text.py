"""Schema text: names that the language takes, and the layout of a description's lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import chain, count

from vmsc.hooks import ImporterError

__all__ = [
    "SchemaLine", "UsedNames", "block", "class_name", "class_names", "comment", "field_name",
    "laid_out", "module_name", "quoted", "snake", "subsection_name", "version_words",
]  # fmt: skip

INDENT = "    "
# Names that generated modules use themselves.
_TAKEN = {"codec", "param", "profile", "struct", "annotated", "timer", "bool", "bytes", "text",
          "bitmap", "padding", "opaque", "oneof", "codecs"}  # fmt: skip


@dataclass(frozen=True)
class SchemaLine:
    """One item of a body. Without a type it stands as it is."""

    name: str
    type: str = ""
    wire: str = ""
    when: str = ""
    note: str = ""
    since: int = 0


@cache
def _words() -> frozenset[str]:
    """The language's words, which are no names without back-quotes."""
    grammar = (files("vmsc.grammars") / "vmsd.lark").read_text()
    return frozenset(re.findall(r'"([a-z]\w*)"', grammar))


def quoted(wire: str) -> str:
    """QEMU's name as a string of the language. Raises ImporterError if it cannot be one."""
    if not wire.isprintable() or '"' in wire:
        raise ImporterError(f"the name {wire!r} holds what no name of a schema can hold")
    return f'"{wire}"'


def comment(text: str) -> str:
    """Text that stays on its line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def field_name(wire: str) -> str:
    """An identifier for a field."""
    name = re.sub(r"\W+", "_", wire, flags=re.ASCII).strip("_") or "field"
    return f"_{name}" if name[0].isdigit() else name


def written(name: str) -> str:
    """The identifier as it is written."""
    return f"`{name}`" if name in _words() else name


def class_name(wire: str) -> str:
    """A name for a description."""
    words = [w for w in re.split(r"[^A-Za-z0-9]+", wire) if w]
    name = "".join(w[0].upper() + w[1:] for w in words) or "Description"
    return name if name[0].isalpha() else f"Device{name}"


def subsection_name(wire: str) -> str:
    """What the language calls a subsection that is given no name."""
    name = re.sub(r"\W", "_", wire.rsplit("/", 1)[-1], flags=re.ASCII) or "subsection"
    return name if not name[0].isdigit() else f"_{name}"


def version_words(versions: Sequence[int]) -> str:
    """`version` and `minimum`, of which 1 and the same need not be said; lowest first."""
    version = "" if versions[-1] == 1 else f" version {versions[-1]}"
    return version + (f" minimum {versions[0]}" if versions[0] != versions[-1] else "")


def snake(name: str) -> str:
    """A class's name as the beginning of a parameter's."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def module_name(wire: str) -> str:
    """A file's name, which Python can import too."""
    name = re.sub(r"[^a-z0-9]+", "_", wire.lower()).strip("_") or "device"
    return name if name[0].isalpha() else f"device_{name}"


@dataclass
class UsedNames:
    """Gives every name once; a second one gets a number. Case alone makes no difference."""

    used: set[str] = field(default_factory=set)

    def take(self, wanted: str) -> str:
        """The name, with a number if it is not free."""
        numbered = (f"{wanted}{n}" for n in count(2))
        found = next(n for n in chain((wanted,), numbered) if _plain(n) not in self.used)
        self.used.add(_plain(found))
        return found


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def class_names() -> UsedNames:
    """Names for descriptions: what generated modules need is taken already."""
    return UsedNames(set(_TAKEN) | {f"{sign}{bits}" for sign in "usf" for bits in (8, 16, 32, 64)})


def laid_out(lines: Sequence[SchemaLine], depth: int = 1) -> list[str]:
    """The lines of a body, in columns."""
    rows = [(f"{written(line.name)}:", line.type, *_tail(line)) for line in lines if line.type]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    result = []
    for line in lines:
        if not line.type:
            presence = _tail(line)[1]
            text = f"{line.name}  {presence}" if presence else line.name
            result.append(f"{INDENT * depth}{text}" if line.name else "")
            continue
        row = (f"{written(line.name)}:", line.type, *_tail(line))
        text = " ".join(cell.ljust(width) for cell, width in zip(row, widths))
        result.append(f"{INDENT * depth}{text} {row[3]}".rstrip())
    return result


def _tail(line: SchemaLine) -> tuple[str, str]:
    wire = "" if not line.wire or line.wire == line.name else f"as {quoted(line.wire)}"
    when = f"when {line.when}" if line.when else f"since {line.since}" if line.since else ""
    note = f"// {comment(line.note)}" if line.note else ""
    return wire, "  ".join(part for part in (when, note) if part)


def block(head: str, body: Iterable[str], depth: int = 0) -> list[str]:
    """`head { body }`."""
    lines = list(body)
    indent = INDENT * depth
    return [f"{indent}{head} {{", *lines, f"{indent}}}"] if lines else [f"{indent}{head} {{}}"]
