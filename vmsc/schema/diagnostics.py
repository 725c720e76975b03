"""What is wrong with a schema: diagnostics, gathered in a Report, shown as text or JSON.

Every stage reports the user's mistakes here and goes on with a stand-in, so that one run shows
them all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from vmsc.plain_text import one_line
from vmsc.schema.source import Span

__all__ = ["LIMIT", "Diagnostic", "Note", "Report", "as_json", "as_text"]

LIMIT = 20  # diagnostics shown as text
MAX_COMPARED = 20_000  # names compared for hints in one run: a hint must not cost a second

_WIDTH = 100  # characters of a line that are shown


@dataclass(frozen=True)
class Note:
    message: str
    span: Span


@dataclass(frozen=True)
class Diagnostic:
    """`severity` is error or warning, `code` a word that stays the same from release to release."""

    code: str
    message: str
    span: Span
    notes: tuple[Note, ...] = ()
    severity: str = "error"


@dataclass
class Report:
    """The diagnostics of one run, in the order they were found; shown sorted, without doubles."""

    found: list[Diagnostic] = field(default_factory=list)
    compared: int = 0

    def error(self, code: str, message: str, span: Span, *notes: Note) -> None:
        self._add(Diagnostic(code, message, span, notes))

    def warning(self, code: str, message: str, span: Span, *notes: Note) -> None:
        self._add(Diagnostic(code, message, span, notes, "warning"))

    def _add(self, one: Diagnostic) -> None:
        """Raises TypeError for what has no place: a plugin's check may be written without types,
        and is to learn it where it reports, not where the report is shown.
        """
        for span in (one.span, *(note.span for note in one.notes)):
            if not isinstance(span, Span):
                raise TypeError(f"'{one.code}' is reported at {span!r}, not at a Span")
        self.found.append(one)

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.found)

    def sorted(self) -> list[Diagnostic]:
        unique = dict.fromkeys(self.found)
        return sorted(
            unique, key=lambda d: (d.span.source.path, d.span.line, d.span.column, d.code)
        )

    def did_you_mean(self, name: str, span: Span, *known: Collection[str]) -> tuple[Note, ...]:
        """A note with the nearest known name, or none."""
        self.compared += sum(map(len, known))
        if self.compared > MAX_COMPARED:
            return ()
        names = sorted({each for names in known for each in names} - {name})
        import difflib

        near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        return (Note(f"did you mean '{near[0]}'?", span),) if near else ()


# --- text -----------------------------------------------------------------------------------------


def _shown(text: str) -> str:
    """A line as a terminal may have it, each character in its place."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)


def _excerpt(span: Span) -> list[str]:
    """The line, or the piece of a long one that matters, and a caret under its place.

    What speaks of a whole file has a length of 0, and no line.
    """
    line = span.source.line(span.line)
    if not line.strip() or span.length == 0:
        return []
    first = max(0, span.column - 1 - _WIDTH // 2) if len(line) > _WIDTH else 0
    shown = _shown(line[first : first + _WIDTH])
    before = span.column - 1 - first
    width = max(1, min(span.length, len(shown) - before))
    pad = "".join("\t" if c == "\t" else " " for c in shown[:before])
    return [f"    {shown}", f"    {pad}^{'~' * (width - 1)}"]


def _one(diagnostic: Diagnostic) -> list[str]:
    d = diagnostic
    lines = [
        f"{one_line(str(d.span))}: {d.severity}: {one_line(d.message)} [{d.code}]",
        *_excerpt(d.span),
    ]
    for note in d.notes:
        lines.append(f"{one_line(str(note.span))}: note: {one_line(note.message)}")
        if note.span != d.span:
            lines.extend(_excerpt(note.span))
    return lines


def as_text(report: Report) -> str:
    """One block a diagnostic, at most LIMIT of them, errors before warnings where not all fit."""
    found = report.sorted()
    errors = [d for d in found if d.severity == "error"]
    shown = found if len(found) <= LIMIT else (errors or found)[:LIMIT]
    lines = [line for d in shown for line in _one(d)]
    if rest := len(found) - len(shown):
        lines.append(f"too many errors: {rest} more are not shown")
    return "\n".join(lines)


# --- JSON -----------------------------------------------------------------------------------------


def _place(span: Span) -> dict[str, Any]:
    return {
        "path": span.source.path,
        "line": span.line,
        "column": span.column,
        "length": span.length,
    }


def as_json(report: Report) -> list[dict[str, Any]]:
    """The same as plain objects, all of them."""
    return [
        {
            "severity": d.severity,
            "code": d.code,
            "message": d.message,
            **_place(d.span),
            "notes": [{"message": n.message, **_place(n.span)} for n in d.notes],
        }
        for d in report.sorted()
    ]
