"""What is wrong with a schema: diagnostics, gathered in a Report, shown as text or JSON.

Every stage reports the user's mistakes here and goes on with a stand-in, so that one run shows them all.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from vmsc.source import Span

__all__ = ["LIMIT", "Diagnostic", "Note", "Report", "as_json", "as_text", "did_you_mean"]

LIMIT = 20  # errors shown as text


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
    """The diagnostics of one run, in the order they were found; shown sorted and without doubles."""

    found: list[Diagnostic] = field(default_factory=list)

    def error(self, code: str, message: str, span: Span, *notes: Note) -> None:
        self.found.append(Diagnostic(code, message, span, notes))

    def warning(self, code: str, message: str, span: Span, *notes: Note) -> None:
        self.found.append(Diagnostic(code, message, span, notes, "warning"))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.found)

    def sorted(self) -> list[Diagnostic]:
        unique = dict.fromkeys(self.found)
        return sorted(unique, key=lambda d: (d.span.source.path, d.span.line, d.span.column, d.code))


def _excerpt(span: Span) -> list[str]:
    line = span.source.line(span.line)
    if not line.strip():
        return []
    shown = line[:200]
    width = max(1, min(span.length, len(shown) - span.column + 1))
    pad = "".join("\t" if c == "\t" else " " for c in shown[: span.column - 1])
    return [f"    {shown}", f"    {pad}^{'~' * (width - 1)}"]


def _one(diagnostic: Diagnostic) -> list[str]:
    d = diagnostic
    lines = [f"{d.span}: {d.severity}: {d.message} [{d.code}]", *_excerpt(d.span)]
    for note in d.notes:
        lines.append(f"{note.span}: note: {note.message}")
        if note.span != d.span:
            lines.extend(_excerpt(note.span))
    return lines


def as_text(report: Report) -> str:
    """One block a diagnostic, at most LIMIT of them."""
    all_found = report.sorted()
    lines = [line for d in all_found[:LIMIT] for line in _one(d)]
    if len(all_found) > LIMIT:
        lines.append(f"too many errors: {len(all_found) - LIMIT} more are not shown")
    return "\n".join(lines)


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


def did_you_mean(name: str, known: Iterable[str], span: Span) -> tuple[Note, ...]:
    """A note with the nearest known name, or none."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return (Note(f"did you mean '{near[0]}'?", span),) if near else ()
