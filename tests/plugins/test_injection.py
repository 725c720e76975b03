"""Text of a schema stays text: in generated code, on pages and on a terminal."""

from __future__ import annotations

import inspect

import pytest
from helpers import build_text, report_of

from vmsc.hooks.host import Host

CONTROLS = ["\0", "\a", "\b", "\v", "\f", "\r", "\x1b", "\x1c", "\x7f", "\x85", "\x9b", "\u2028",
            "\u2029", "\u202e", "\u2066"]  # fmt: skip

# Where a schema takes text, and the line and column of @ in it.
PLACES = {
    "the file's doc": ('/// a@b\n\n/// d\ndevice "x" { a: u8 }', 1, 6),
    "a device's doc": ('\n/// a@b\ndevice "x" { a: u8 }', 2, 6),
    "a field's doc": ('device "x" {\n /// a@b\n a: u8\n}', 2, 7),
    "a part's doc": ('device "x" { a: u8 split {\n /// a@b\n p: high 4; q: low 4 } }', 2, 7),
    "a parameter's doc": ('/// a@b\nparam p: u8\ndevice "x" { a: u8 when p == 1 }', 1, 6),
    "a subsection's doc": ('device "x" { a: u8\n/// a@b\nsubsection "x/y" { b: u8 } }', 2, 6),
    "a comment": ('device "x" {\n a: u8 // a@b\n}', 2, 12),
    "a device's name": ('device "x@y" { a: u8 }', 1, 10),
    "a field's wire name": ('device "x" { a: u8 as "a@" }', 1, 25),
    "a subsection's name": ('device "x" { a: u8 subsection "x/@" { b: u8 } }', 1, 34),
    "a law's reason": ('device "x" { a: u8 require a > 0 "a@b" }', 1, 36),
    "a target": ('device "x" target "@" { a: u8 }', 1, 20),
    "a word": ('param p: one of "a@"\ndevice "x" { a: u8 when p == "b" }', 1, 19),
    "a place": ('param p: one of "a" at "@"\ndevice "x" { a: u8 when p == "a" }', 1, 25),
    "between items": ('device "x" { a: u8 @ }', 1, 20),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_control_character_is_refused_by_name_where_it_stands(place: str, host: Host) -> None:
    text, line, column = PLACES[place]
    for char in CONTROLS:
        (found,) = report_of(text.replace("@", char), host)
        assert found.code == "control-character"
        assert f"U+{ord(char):04X}" in found.message
        assert (found.span.line, found.span.column) == (line, column)


def test_lines_may_end_with_lf_or_cr_lf(host: Host) -> None:
    text = '/// a\n/// b\n\n/// c\n\tdevice "x" { // d\n /// e\n a: u8\n}\n'
    made = build_text(text.replace("\n", "\r\n"), host)
    assert made.X.__doc__ == build_text(text, host).X.__doc__ == "c"


DOCS = [
    "ends with \\", '\\"""', 'a """; raise SystemExit; """ b', '"', '""', '"""', '""""', 'say ""',
    'three """ in it', 'three at the end """', 'back\\slash "', 'a\\"""b', "\\x41\\", "\\N{DASH}",
    "{a} %s {{ b }} {% c %} {# d #}", "<script>alert(1)</script>", "tab\tin it", "a\xa0b \u200f c",
    '"\n"', 'a\n\n  b"\n\n"""', "\\\n\\",
]  # fmt: skip


@pytest.mark.parametrize("doc", DOCS)
def test_a_doc_comment_is_the_docstring_to_the_letter(doc: str, host: Host) -> None:
    lines = "".join(f"/// {line}\n" for line in doc.split("\n"))
    text = f'device "x" {{\n{lines} a: u8\n}}\n{lines}struct S {{ b: u8 }}\n'
    made = build_text(f"{lines}\n{text}{lines}param p: u8\n", host)
    found = made.S.__doc__
    assert found is not None
    assert inspect.cleandoc(found) == doc.strip().expandtabs()
    assert made.decode_x(b"\1") == made.X(1)
