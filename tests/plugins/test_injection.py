"""Text of a schema stays text: in generated code, on pages and on a terminal."""

from __future__ import annotations

import inspect
from html.parser import HTMLParser

import pytest
from helpers import build_text, report_of

from vmsc.compiler.driver import analyse, generate
from vmsc.hooks.host import Host
from vmsc.runtime.errors import DecodeError
from vmsc.schema.diagnostics import Report, as_text
from vmsc.schema.syntax.loader import load_text

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


# --- strings --------------------------------------------------------------------------------------

# What a string or a doc comment may hold, and what other languages would read into it.
TEXTS = [
    "'+str(1/0)+'", "\\", "\\x41\\", "\\N{DASH}", "'''", "it's", "{x} {0} {}", "%s %(x)s", "#",
    "${x}",
    "{{ 7 * 7 }}", "{% raw %}", "<script>alert(1)</script>", "</code></td><b onclick='x'>", "&lt;",
    "'><img src=x onerror=alert(1)>", "javascript:alert(1)", "*/ -->", "a b\u00a0c",
    "\u00e9\u4e2d\U0001f600",
]  # fmt: skip


def hostile(text: str) -> str:
    """A schema with the text in every place that takes one."""
    return f"""
/// {text}

/// {text}
param word: one of "{text}" at "{text}", "b" under "{text}"
/// {text}
device Hostile as "{text}" version 1 target "{text}" {{
    /// {text}
    kind: string8
    /// {text}
    parts: u8 split {{
        /// {text}
        high_part: high 4
        low_part: low 4
    }}
    field: u8 as "{text}" when word == "{text}"
    chosen: choice kind {{ "{text}": u8; else: u16 }}
    picked: choice word {{ "{text}": u8; "b": u16 }}
    law: u8
    require law != 7 and kind != "" "{text}"
    /// {text}
    subsection "{text}/sub" as sub {{ s: u8 }}
}}
"""


@pytest.mark.parametrize("text", TEXTS)
def test_a_string_is_itself_in_generated_code(text: str, host: Host) -> None:
    codec = build_text(hostile(text), host).CODECS["Hostile"]
    raw, name = text.encode(), f"{text}/sub".encode()
    assert codec.name == text
    assert codec.type.__doc__ == text.strip()
    (word,) = codec.params
    assert (word.doc, word.words) == (text.strip(), (text, "b"))
    assert word.places == ((text, "at", text), ("b", "under", text))
    body = bytes([len(raw)]) + raw + b"\x12\1\2\3"
    wire = body + b"\4" + b"\5" + bytes([len(name)]) + name + b"\0\0\0\1\x09"
    value = codec.qemu.decode(wire, word=text)
    assert (value.kind, value.field, value.chosen, value.sub.s) == (raw, 1, 2, 9)
    assert codec.qemu.encode(value, word=text) == wire
    assert codec.framed.decode(codec.framed.encode(value, word=text), word=text) == value
    with pytest.raises(DecodeError) as refusal:
        codec.qemu.decode(body + b"\7", word=text)
    assert str(refusal.value).endswith(f": {text}")


class Page(HTMLParser):
    """A page's text, and the tags, with their attributes' names, that it stands in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(text: str, host: Host) -> list[Page]:
    report = Report()
    compiled = analyse(load_text(text, report), host, report)
    assert compiled is not None, as_text(report)
    return [Page(a.text) for a in generate(compiled, host.backends["docs"], host, report)]


@pytest.mark.parametrize("text", TEXTS)
def test_a_string_is_itself_on_a_page(text: str, host: Host) -> None:
    found, harmless = pages(hostile(text), host), pages(hostile("word"), host)
    assert [page.tags for page in found] == [page.tags for page in harmless]
    assert " ".join(found[-1].text.split()).count(" ".join(text.split())) >= 8
