"""Diagnostics: how they are ordered and shown, and that showing them is safe and soon."""

from __future__ import annotations

import time

import pytest

from vmsc.schema.diagnostics import LIMIT, Note, Report, as_json, as_text
from vmsc.schema.resolve import resolve
from vmsc.schema.source import Source, Span
from vmsc.schema.syntax.loader import load_text

SOURCE = Source("a.vmsd", "a", "struct A {\n\tlsr: u12\n}\n")


def at(line: int, column: int, length: int = 1, source: Source = SOURCE) -> Span:
    return Span(source, line, column, length)


def test_an_error_is_shown_with_its_line_and_a_caret() -> None:
    report = Report()
    report.error("unknown-type", "unknown type 'u12'", at(2, 7, 3), Note("did it", at(1, 8, 1)))
    assert as_text(report).splitlines() == [
        "a.vmsd:2:7: error: unknown type 'u12' [unknown-type]",
        "    \tlsr: u12",
        "    \t     ^~~",
        "a.vmsd:1:8: note: did it",
        "    struct A {",
        "           ^",
    ]


def test_errors_are_sorted_by_place_and_shown_once() -> None:
    report = Report()
    other = Source("0.vmsd", "0", "x")
    for span in (at(2, 2), at(1, 5), at(1, 5), at(1, 1, source=other), at(1, 2)):
        report.error("code", "words", span)
    assert [str(d.span) for d in report.sorted()] == [
        "0.vmsd:1:1", "a.vmsd:1:2", "a.vmsd:1:5", "a.vmsd:2:2",
    ]  # fmt: skip


def test_warnings_do_not_fail_and_do_not_hide_errors() -> None:
    report = Report()
    for column in range(LIMIT + 5):
        report.warning("odd", f"warning {column}", at(1, column + 1))
    assert not report.failed
    assert as_text(report).count("warning:") == LIMIT
    report.error("bad", "at last", at(3, 1))
    assert report.failed
    text = as_text(report)
    assert "a.vmsd:3:1: error: at last [bad]" in text and "warning:" not in text
    assert text.endswith(f"too many errors: {LIMIT + 5} more are not shown")


def test_text_stops_at_a_number_of_errors_and_json_does_not() -> None:
    report = Report()
    for column in range(LIMIT + 3):
        report.error("code", "words", at(1, column + 1))
    assert as_text(report).count(" error: ") == LIMIT
    assert as_text(report).endswith("too many errors: 3 more are not shown")
    assert len(as_json(report)) == LIMIT + 3


def test_json_holds_all_that_text_shows() -> None:
    report = Report()
    report.error("code", "words", at(2, 2, 3), Note("more", at(1, 1)))
    place = {"path": "a.vmsd", "line": 1, "column": 1, "length": 1}
    assert as_json(report) == [
        {
            "severity": "error", "code": "code", "message": "words",
            "path": "a.vmsd", "line": 2, "column": 2, "length": 3,
            "notes": [{"message": "more", **place}],
        }
    ]  # fmt: skip


@pytest.mark.parametrize("column", [1, 80, 5000, 99_991])
def test_of_a_long_line_the_piece_that_matters_is_shown(column: int) -> None:
    text = "".join(chr(ord("a") + i % 26) for i in range(100_000))
    report = Report()
    report.error("code", "words", at(1, column, 10, Source("a.vmsd", "a", text)))
    _, shown, caret = as_text(report).splitlines()
    assert len(shown) <= 104
    start = caret.index("^")
    assert shown[start : start + 10] == text[column - 1 : column + 9]
    assert caret[start:] == "^~~~~~~~~~"


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    report = Report()
    source = Source("a.vmsd", "a", "\x1b[31mred\x07\x00\x85\u202e end")
    report.error("code", "found '\x1b[2J'", at(1, 1, 3, source), Note("\x08", at(1, 2, 1, source)))
    assert all(c.isprintable() or c in "\n" for c in as_text(report))


def test_what_speaks_of_a_whole_file_shows_no_line() -> None:
    report = Report()
    report.error("code", "words", Span.whole(SOURCE))
    assert as_text(report) == "a.vmsd:1:1: error: words [code]"


def test_a_near_name_is_pointed_out_and_never_the_name_itself() -> None:
    report = Report()
    (note,) = report.did_you_mean("cuont", at(1, 1), {"count": 1}, ["mount", "size"])
    assert note.message == "did you mean 'count'?"
    assert report.did_you_mean("count", at(1, 1), ["count"]) == ()
    assert report.did_you_mean("zzz", at(1, 1), ["count"]) == ()


def test_hints_for_very_many_errors_cost_no_time() -> None:
    fields = "\n".join(f"field_{i}: Type{i}x[size_{i}]" for i in range(3_000))
    structs = "\n".join(f"struct Type{i} {{ a: u8 }}" for i in range(3_000))
    report = Report()
    files = load_text(f"{structs}\nstruct A {{\n{fields}\n}}", report).files
    start = time.monotonic()
    resolve(files, report)
    shown = as_text(report)
    assert time.monotonic() - start < 10
    assert "did you mean 'Type" in shown and len(report.found) == 6_000
