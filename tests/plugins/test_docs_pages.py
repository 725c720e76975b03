"""The docs backend: what its pages say of a schema, and that every link in them leads somewhere."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import helpers
import pytest
from commands import run_vmsc

from vmsc.compiler.driver import compile_paths, generate
from vmsc.hooks.host import Host
from vmsc.schema.diagnostics import Report
from vmsc.schema.syntax.loader import load_text

TREE = Path(__file__).parents[2]
VOID = {"meta", "col", "br", "link", "img", "hr", "input"}

Pages = dict[str, str]


class Reader(HTMLParser):
    """A page's tags: open ones must be closed in order. Gathers ids, links and texts by row."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if (anchor := named.get("id")) is not None:
            self.ids.append(anchor)
        if (href := named.get("href")) is not None:
            self.links.append(href)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and "tr" in self.open:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data}".strip()


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    return reader


@pytest.fixture(scope="session")
def documented(host: Host) -> Callable[[str], Reader]:
    """documented(text): the page of a schema that is given as text."""

    def make(text: str) -> Reader:
        report = Report()
        compiled = helpers.compiled(load_text(text, report), host, report)
        pages = {a.path: a.text for a in generate(compiled, host.backends["docs"], host, report)}
        return read(pages["modules/schema.html"])

    return make


def fields(page: Reader) -> list[tuple[str, ...]]:
    """(offset, bytes, name, type, presence, limits and meaning) of each field."""
    rows = [tuple(" ".join(cell.split()) for cell in row) for row in page.rows]
    return [row for row in rows if len(row) == 6 and row[0] != "offset"]


@pytest.fixture(scope="session")
def shipped(host: Host) -> dict[str, Reader]:
    """The pages of all schemas that come with vmsc."""
    report = Report()
    compiled = compile_paths([TREE / "schemas"], host, report)
    assert compiled is not None
    made = generate(compiled, host.backends["docs"], host, report)
    return {artifact.path: read(artifact.text) for artifact in made}


# --- the pages as a whole -------------------------------------------------------------------------


def test_there_is_a_page_for_each_module_and_an_index(shipped: dict[str, Reader]) -> None:
    assert {"index.html", "modules/std.pci.html", "modules/qemu.e1000.html"} <= set(shipped)
    index = set(shipped["index.html"].links)
    assert {path for path in shipped if path != "index.html"} <= index


def test_every_link_leads_to_an_anchor_that_is_there(shipped: dict[str, Reader]) -> None:
    for path, page in shipped.items():
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            target, _, anchor = link.partition("#")
            where = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            found = shipped[where if target else path]
            assert not anchor or html.unescape(anchor) in found.ids, f"{path}: {link}"


def test_no_page_has_a_script_or_loads_anything(shipped: dict[str, Reader]) -> None:
    for page in shipped.values():
        assert not page.tags & {"script", "link", "img", "iframe", "object"}
        assert not [link for link in page.links if re.match(r"[a-z]+:|//", link)]


def test_the_title_is_an_option(tmp_path: Path) -> None:
    (tmp_path / "uart.vmsd").write_text('device "uart" { lsr: u8 }\n')
    options = ("--backend", "docs", "--option", "title=Our <devices>")
    assert run_vmsc("compile", "uart.vmsd", *options, cwd=tmp_path).status == 0
    assert "<h1>Our &lt;devices&gt;</h1>" in (tmp_path / "generated" / "index.html").read_text()


# --- what a page says of a field ------------------------------------------------------------------


def test_fields_at_a_fixed_place_have_their_offset_and_width(
    documented: Callable[[str], Reader],
) -> None:
    page = documented('device "x" { a: u64; b: u16[3]; c: bytes[6]; unused[2]; d: timer }')
    assert [(o, w, n) for o, w, n, *_ in fields(page)] == [
        ("0", "8", "a"), ("8", "6", "b"), ("14", "6", "c"), ("20", "2", "unused"), ("22", "8", "d"),
    ]  # fmt: skip


def test_behind_a_field_of_another_length_places_are_counted_from_its_end(
    documented: Callable[[str], Reader],
) -> None:
    page = documented("""
        struct Buffer { addr: u64; len: u32; flags: u8 }
        device "x" version 2 minimum 1 {
            n: u16 max 64
            buffers: Buffer[n]
            old: u8 when version < 2
            name: string8
            size: u32
            body: bytes[16 * n]
            map: bitmap[n]
        }
    """)
    assert [(o, w, n) for o, w, n, *_ in fields(page)[3:]] == [
        ("0", "2", "n"),
        ("2", "13 × n", "buffers"),
        ("after buffers", "1", "old"),
        ("after old", "1 + 0–255", "name"),
        ("after name", "4", "size"),
        ("after name + 4", "16 × n", "body"),
        ("after body", "8 × ceil_div(n, 64)", "map"),
    ]


def test_of_two_fields_that_exclude_each_other_both_begin_at_one_place(
    documented: Callable[[str], Reader],
) -> None:
    page = documented("""
        param wide: bool
        device "x" {
            a: u8
            small: u8[4] unless wide
            large: u8[32] when wide
            b: u8
        }
    """)
    places = [(row[0], row[2]) for row in fields(page)]
    assert places == [("0", "a"), ("1", "small"), ("1", "large"), ("after large", "b")]


def test_presence_limits_and_docs_stand_beside_the_field(
    documented: Callable[[str], Reader],
) -> None:
    page = documented("""
        device "x" version 3 minimum 1 {
            /// How many there are; never `0`.
            n: u8 as "count.n" min 1 max 8
            late: u8 since 3
            odd: u8 when n & 1
        }
    """)
    n, late, odd = fields(page)
    assert n[2:] == ("n count.n", "u8", "", "min 1, max 8 How many there are; never 0 .")
    assert late[4] == "since version 3" and odd[4] == "when n & 1"


def test_the_parts_of_a_word_stand_below_it_with_their_bits(
    documented: Callable[[str], Reader],
) -> None:
    page = documented("""
        device "x" {
            a: u8
            w: u64 split { addr: high 52; dirty: bits 0..0; flags: bits 1..11 }
        }
    """)
    assert [row[:3] for row in fields(page)[1:]] == [
        ("1", "8", "w"), ("", "bits 12–63", "addr"), ("", "bit 0", "dirty"),
        ("", "bits 1–11", "flags"),
    ]  # fmt: skip


def test_laws_and_the_ends_of_loops_stand_where_they_are_tested(
    documented: Callable[[str], Reader],
) -> None:
    page = documented("""
        loop Rounds { w: u8; break when w & 128; n: u8 sticky when w & 1 }
        device "x" { a: u8; require a > 2 "two is `too` few"; rounds: Rounds }
    """)
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert ["", "", "last round when w & 128", ""] in rows
    assert ["", "", "law a > 2", "two is too few"] in rows
    sticky = next(row for row in fields(page) if row[2] == "n")
    assert sticky[4] == "sent when w & 1, else as before"


def test_parameters_show_their_bounds_default_and_doc(
    documented: Callable[[str], Reader],
) -> None:
    page = documented("""
        /// The ring's size.
        param size: u32 max 65536 = 16
        param wire: one of "pci", "mmio"
        param cpus: bits max 4
        device "x" {
            ring: bytes[size]
            a: choice wire { "pci": u8; "mmio": u16 }
            b: nullable u8[4] present cpus
        }
    """)
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert ["size", "number", "0 to 65,536", "16", "The ring's size."] in rows
    assert ["wire", "words", "pci | mmio", "", ""] in rows
    assert ["cpus", "bits", "4 bits", "", ""] in rows


def test_subsections_are_shown_inside_their_owner(documented: Callable[[str], Reader]) -> None:
    page = documented("""
        device "x" {
            a: u8
            subsection "x/one" version 2 minimum 1 { b: u16; subsection "x/one/two" { c: u32 } }
        }
    """)
    assert [anchor for anchor in page.ids if "." not in anchor] == ["X", "XOne", "XOneTwo"]
    assert [row[2] for row in fields(page)] == ["a", "b", "c"]


def test_used_descriptions_are_linked_also_in_other_modules(
    documented: Callable[[str], Reader],
) -> None:
    page = documented("""
        use std.pci
        struct Own { a: u8 }
        device "x" { pci: PciDevice; own: list Own }
    """)
    assert "std.pci.html#PciDevice" in page.links and "#Own" in page.links
    assert "#X" in page.links  # Own is used by it


def test_names_and_docs_are_shown_as_they_are(documented: Callable[[str], Reader]) -> None:
    page = documented('/// a < b & "c"\ndevice "x<y>" { a: u8 as "<b>&" }')
    assert fields(page)[0][2] == "a <b>&"


def test_what_plugins_bring_is_explained_on_the_page(tmp_path: Path) -> None:
    examples = TREE / "docs" / "examples"
    for name in ("usb_redir", "registers"):
        done = run_vmsc(
            "compile", examples / f"{name}.vmsd", "-p", examples / f"{name}.py",
            "--backend", "docs", "-o", tmp_path,
        )  # fmt: skip
        assert done.status == 0, done.err
    usb = (tmp_path / "modules" / "usb_redir.html").read_text()
    assert "wire type: ids of packets under way" in usb
    registers = (tmp_path / "modules" / "registers.html").read_text()
    assert "u32 via q16" in registers
    assert "transform: a fraction, kept in 1/65536" in registers
