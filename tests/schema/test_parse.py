"""Parsing: what a text says, and where each piece of it stands."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from vmsc.schema import syntax
from vmsc.schema.diagnostics import Diagnostic, Report, as_text
from vmsc.schema.resolve.expressions import as_written
from vmsc.schema.source import Source, Span
from vmsc.schema.syntax.parser import MAX_DEPTH, MAX_SIZE, parse


def parsed(text: str) -> syntax.File:
    report = Report()
    file = parse(Source("a.vmsd", "a", text), report)
    assert file is not None, as_text(report)
    return file


def fault(text: str) -> Diagnostic:
    """The one error of the text."""
    report = Report()
    assert parse(Source("a.vmsd", "a", text), report) is None
    (found,) = report.found
    return found


def items(body: str) -> tuple[syntax.Item, ...]:
    (description,) = parsed(f"struct A {{\n{body}\n}}").descriptions
    return description.items


def expression(text: str) -> syntax.Expr:
    (const,) = parsed(f"const A = {text}").consts
    return const.value


def placeless(expr: syntax.Expr) -> str:
    """The tree without its places in the text."""
    return re.sub(r", span=Span\([^)]*\)", "", repr(expr))


def place(span: Span) -> tuple[int, int, int]:
    return span.line, span.column, span.length


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("10", 10), ("0x1f", 31), ("0XFF_FF", 65535), ("0b101", 5), ("1_000", 1000),
        ("4K", 4096), ("3M", 3 << 20), ("2G", 2 << 30), ("0x10K", 16384), ("0x1_F", 31),
        ("18446744073709551615", (1 << 64) - 1), ("0xffffffffffffffff", (1 << 64) - 1),
    ],
)  # fmt: skip
def test_numbers_are_decimal_or_have_a_prefix_and_a_unit(text: str, value: int) -> None:
    number = expression(text)
    assert isinstance(number, syntax.Number) and number.value == value


@pytest.mark.parametrize(
    "text", ["0x", "0b", "0x_", "01", "00", "1_", "1__K_", "4T", "4k", "0b2", "0xg", "9a", "1KK"]
)
def test_what_looks_like_a_number_and_is_none_is_one_wrong_word(text: str) -> None:
    found = fault(f"const A = {text}")
    assert found.code == "syntax" and f"'{text}' is no number" in found.message
    assert place(found.span) == (1, 11, len(text))


@pytest.mark.parametrize(
    "text", ["18446744073709551616", "0x10000000000000000", "16G", "9" * 5000, "0x" + "f" * 5000]
)
def test_a_number_fits_64_bits(text: str) -> None:
    if text == "16G":
        text = "17179869184G"
    assert fault(f"const A = {text}").code == "overflow"


def test_a_word_of_the_language_is_a_name_in_back_quotes() -> None:
    fields = items("`version`: u8; `struct`: u8 when `version`; plain: `list`")
    assert [f.name.text for f in fields if isinstance(f, syntax.Field)] == [
        "version", "struct", "plain",
    ]  # fmt: skip


def test_line_ends_and_semicolons_mean_nothing() -> None:
    one = "struct A { a: u8; b: u16 when a > 2; }; const B = 3"
    other = "struct A\n{\n\na\n:\nu8\nb: u16 when\na\n> 2 }\nconst\nB\n=\n3"
    shapes = []
    for file in (parsed(one), parsed(other), parsed(other.replace("\n", "\r\n"))):
        (description,) = file.descriptions
        shapes.append([(i.name.text, i.name.span.length) for i in description.items])  # type: ignore[union-attr]
    assert shapes[0] == shapes[1] == shapes[2]


def test_comments_are_left_out_and_doc_comments_are_kept() -> None:
    file = parsed(
        "// plain\n/// A ring.\n//\n///   Of bytes.\nstruct A { // not this\n/// one\na: u8 }"
    )
    (description,) = file.descriptions
    assert description.doc == "A ring.\n  Of bytes."
    (field,) = description.items
    assert isinstance(field, syntax.Field) and field.doc == "one"


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ("a: u8", syntax.Field), ("unused[4]", syntax.Field), ("let b = 1", syntax.Let),
        ("a: u8 split { b: low 8 }", syntax.Split), ("outer a: u8", syntax.Outer),
        ("param a: u8", syntax.Param), ('subsection "x" {}', syntax.Subsection),
    ],
)  # fmt: skip
def test_what_a_doc_comment_stands_before_has_it(item: str, kind: type) -> None:
    (found,) = items(f"/// words\n{item}")
    assert isinstance(found, kind) and found.doc == "words"  # type: ignore[union-attr]


def test_the_doc_comment_of_a_law_says_why() -> None:
    laws = items('/// A ring\n/// has room.\nrequire 1\n/// kept\nrequire 1 "said"')
    assert [i.why for i in laws if isinstance(i, syntax.Require)] == ["A ring has room.", "said"]


# --- the file's own doc ---------------------------------------------------------------------------


def test_a_doc_comment_at_the_head_with_an_empty_line_behind_it_is_the_files() -> None:
    file = parsed("// A licence.\n\n/// Cards.\n/// Of networks.\n\n/// One card.\nstruct A {}\n")
    assert file.doc == "Cards.\nOf networks."
    assert file.descriptions[0].doc == "One card."


def test_it_may_stand_before_use() -> None:
    file = parsed("/// Cards.\r\n\r\nuse std.pci\r\nstruct A { a: u12 }")
    assert file.doc == "Cards." and file.uses[0].module == "std.pci"
    assert place(file.uses[0].span) == (3, 1, 11)


def test_without_an_empty_line_it_is_the_descriptions() -> None:
    file = parsed("/// One card.\nstruct A {}\n\n/// Another.\n\nstruct B {}")
    assert file.doc == ""
    assert [d.doc for d in file.descriptions] == ["One card.", "Another."]


def test_a_file_may_be_nothing_but_its_doc() -> None:
    assert parsed("/// Nothing yet.\n").doc == "Nothing yet."


# --- words as names -------------------------------------------------------------------------------

WORDS = sorted(set(re.findall(r'"([a-z]\w*)"', (files("vmsc.grammars") / "vmsd.lark").read_text())))
# What may stand in front of a field, each with another way to go on.
BEFORE = [
    "", "a: u8", "a: u8;", "a: u8[3]", "a: A", "a: A(b = 3) version 2", "a: A[until x == 3]",
    "a: list A", "a: tree u8 => A", "a: nullable A[3] marked", "a: opaque", "break when x",
    "a: choice x { 1: u8 true: A else: A }", "a: u8 when x", "a: u8 when x.y",
    "a: u8 max min(3, 4)", 'a: u8 when x == "y"', "a: u8 since 3", "a: u8 sticky", "a: u8 via x",
    'a: u8 as "x"',
    "a: u8 split { b: high 3 }", "unused[3]", "let b = 3", "require x", 'require x "y"',
    'subsection "x" { a: u8 }', "param x: u8", "param x: u8 = 3",
    'param x: one of "a", "b"', "param x: description", "outer b: u8", "/// doc\n",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_before_a_colon_every_word_is_a_name(word: str) -> None:
    for before in BEFORE:
        for gap in (" ", "\n"):
            *_, found, last = items(f"{before}{gap}{word}{gap.strip(chr(10))}: u8 max 3 z: u8")
            assert isinstance(found, syntax.Field)
            assert found.name.text == word
            assert isinstance(last, syntax.Field)
    (split,) = items(f"a: u8 split {{ {word}: high 4 {word}: low 4 }}")
    assert isinstance(split, syntax.Split)
    assert [part.name.text for part in split.parts] == [word, word]
    param, outer = items(f"param {word}: u8 outer {word}: u8")
    assert isinstance(param, syntax.Param) and isinstance(outer, syntax.Outer)
    assert param.name.text == outer.name.text == word


def test_a_label_of_a_choice_may_be_called_like_a_word() -> None:
    (found,) = items("a: choice x { tag: A low: A true: A false: A version: A else: A }")
    assert isinstance(found, syntax.Field) and isinstance(found.type, syntax.Choice)
    labels = [arm.label and as_written(arm.label) for arm in found.type.arms]
    assert labels == ["tag", "low", "true", "false", "version", None]


# --- expressions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("1 - 2 - 3", "(1 - 2) - 3"),
        ("8 / 4 % 3", "(8 / 4) % 3"),
        ("1 << 2 + 3", "1 << (2 + 3)"),
        ("1 & 2 == 3", "(1 & 2) == 3"),
        ("1 | 2 ^ 3 & 4", "1 | (2 ^ (3 & 4))"),
        ("1 & 2 << 3", "1 & (2 << 3)"),
        ("1 or 2 and 3", "1 or (2 and 3)"),
        ("not 1 == 2", "not (1 == 2)"),
        ("not 1 and 2", "(not 1) and 2"),
        ("-1 + ~2", "(-1) + (~2)"),
        ("- -1", "-(-1)"),
        ("-a.b[1].c", "-a.b[1].c"),
        ("(1 + 2) * 3", "(1 + 2) * 3"),
        ("min(1, 2 + 3)", "min(1, 2 + 3)"),
        ('"x" == a', '"x" == a'),
        ("version < true", "version < true"),
    ],
)
def test_operators_bind_as_the_page_says(text: str, means: str) -> None:
    assert placeless(expression(text)) == placeless(expression(means))


def test_what_an_expression_reads_as_a_word_is_shown_in_back_quotes() -> None:
    text = "`version` + version + `true` * `not` - a.version[min] & `false`"
    assert as_written(expression(text)) == text


def test_an_expression_is_shown_with_the_brackets_that_it_needs() -> None:
    assert as_written(expression("(a + ((b * 3))) * -(1) == (2 == (x))")) == (
        "(a + b * 3) * -1 == (2 == x)"
    )
    assert as_written(expression("not (a.b[(1 + 2)]) or (not (a < 3))")) == (
        "not a.b[1 + 2] or not (a < 3)"
    )


# --- types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("u8", syntax.Named), ("little u32", syntax.Named), ("A(b = 3) version 2", syntax.Named),
        ("u8[3]", syntax.Array), ("A[until id == 0]", syntax.Until),
        ("A[until sum(len) == 4]", syntax.UntilSum), ("list A", syntax.ListOf),
        ("list tag 7 A", syntax.ListOf), ("tree u8 => A", syntax.Tree),
        ("nullable A[3] marked", syntax.Nullable), ("nullable A[3] present 7", syntax.Nullable),
        ("choice 1 { 1: u8; else: A }", syntax.Choice), ("within[3] A", syntax.Within),
        ("opaque", syntax.Opaque), ("opaque[3]", syntax.Opaque), ("unused[3]", syntax.Padding),
        ("list u8[3]", syntax.Array), ("within[3] list u8", syntax.Within),
    ],
)  # fmt: skip
def test_every_form_of_type_has_its_node(text: str, kind: type) -> None:
    (field,) = items(f"a: {text}")
    assert isinstance(field, syntax.Field) and isinstance(field.type, kind)


def test_parts_of_a_split_word_are_counted_from_either_end() -> None:
    (split,) = items("w: u64 split { a: high 52; b: bits 3..11; c: low 3 }")
    assert isinstance(split, syntax.Split)
    assert [(p.name.text, p.low, p.width) for p in split.parts] == [
        ("a", -1, 52), ("b", 3, 9), ("c", 0, 3),
    ]  # fmt: skip


# --- places ---------------------------------------------------------------------------------------


def test_spans_count_characters_and_a_tab_is_one() -> None:
    file = parsed('use  std.pci // é\n\tdevice\t"naïve" {\n\t\tä_: u8 }'.replace("ä_", "a_"))
    assert place(file.uses[0].span) == (1, 1, 12)
    (device,) = file.descriptions
    assert place(device.span) == (2, 9, 7)
    (field,) = device.items
    assert isinstance(field, syntax.Field)
    assert place(field.span) == (3, 3, 2) and place(field.type.span) == (3, 7, 2)


def test_a_span_ends_with_its_first_line() -> None:
    (field,) = items("a: choice 1 {\n  1: u8\n}")
    assert isinstance(field, syntax.Field) and place(field.type.span) == (2, 4, 10)


def test_expressions_and_modifiers_have_their_own_places() -> None:
    (field,) = items("a: u8  when (b + 1)  max 3")
    assert isinstance(field, syntax.Field)
    when, most = field.modifiers
    assert (place(when.span), place(most.span)) == ((2, 8, 12), (2, 22, 5))


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "const A = " + "(" * MAX_DEPTH * 2 + "1" + ")" * MAX_DEPTH * 2,
        "const A = " + "-" * MAX_DEPTH * 2 + "1",
        "const A = " + "- " * MAX_DEPTH * 2 + "1",
        "const A = " + "~" * MAX_DEPTH * 2 + "1",
        "const A = " + "not " * MAX_DEPTH * 2 + "1",
        "const A = 1" + " + 1" * MAX_DEPTH * 2,
        "const A = 1" + " and 1" * MAX_DEPTH * 2,
        "const A = 1" + " + (1" * MAX_DEPTH + ")" * MAX_DEPTH,
        "const A = " + "min(1, " * MAX_DEPTH + "1" + ")" * MAX_DEPTH,
        "const A = a" + ".b" * MAX_DEPTH * 2,
        "const A = a" + "[0]" * MAX_DEPTH * 2,
        "struct A { a: " + "list " * MAX_DEPTH * 2 + "u8 }",
        "struct A { a: u8" + "[2]" * MAX_DEPTH * 2 + " }",
        "struct A { a: " + "within[1] " * MAX_DEPTH * 2 + "u8 }",
        "struct A { a: " + "choice 1 { 1: " * MAX_DEPTH + "u8" + " }" * MAX_DEPTH + " }",
        'vmsd A as "a" {' + 'subsection "a" {' * MAX_DEPTH + "}" * MAX_DEPTH + "}",
    ],
    ids=lambda text: text[:24],
)
def test_what_nests_too_deep_is_refused(text: str) -> None:
    assert fault(text).code == "too-deep"


def test_many_expressions_of_a_fair_depth_are_good() -> None:
    laws = "\n".join("require a + b * (c - 1) < 9 and not d" for _ in range(500))
    assert len(items(laws)) == 500


def test_a_file_has_a_limit_that_is_checked_first() -> None:
    found = fault("(" * (MAX_SIZE + 1))
    assert found.code == "too-large" and str(MAX_SIZE) in found.message
