"""Resolving: what names mean, what bounds follow, and that one slip gives one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmsc.schema import ir
from vmsc.schema.diagnostics import Diagnostic, Report, as_text
from vmsc.schema.ir.expression_text import expr_text
from vmsc.schema.ir.text import type_text
from vmsc.schema.resolve import resolve
from vmsc.schema.syntax.loader import load, load_text


def outcome(text: str) -> tuple[ir.Schema, list[Diagnostic]]:
    report = Report()
    loaded = load_text(text, report, "a")
    assert not report.failed, as_text(report)
    return resolve(loaded.files, report), report.sorted()


def schema_of(text: str) -> ir.Schema:
    schema, found = outcome(text)
    assert not found, [d.message for d in found]
    return schema


def codes(text: str) -> list[str]:
    return [d.code for d in outcome(text)[1]]


def field(schema: ir.Schema, path: str) -> ir.Field:
    key, name = path.split(".")
    items = schema.descriptions[f"a:{key}"].items
    return next(i for i in items if isinstance(i, ir.Field) and i.name == name)


def param(schema: ir.Schema, path: str) -> ir.Param:
    key, name = path.split(".")
    return next(p for p in schema.descriptions[f"a:{key}"].params if p.name == name)


def bounds_of(text: str, expr: str) -> tuple[int, int] | None:
    """The bounds of an expression over the fields of a body."""
    schema = schema_of(f"struct A {{ {text}; let found = {expr}; last: u8 when found }}")
    found = next(i for i in schema.descriptions["a:A"].items if isinstance(i, ir.Let))
    return ir.expr_bounds(found.value)


# --- order ----------------------------------------------------------------------------------------


def test_what_is_used_comes_before_its_user_wherever_it_stands() -> None:
    schema = schema_of("struct A { b: B; c: C }\nstruct B { c: C[2] }\nstruct C { a: u8 }")
    assert list(schema.descriptions) == ["a:C", "a:B", "a:A"]


def test_subsections_see_all_fields_of_the_body_wherever_they_stand() -> None:
    schema = schema_of(
        'vmsd A as "a" { one: u8; subsection "a/x" { data: u8[one + two] }; two: u8 }'
    )
    (sub,) = schema.descriptions["a:A"].subsections
    assert [name for name, _ in sub.use.arguments] == ["one", "two"]


# --- one slip, one message ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "let x = nothing; a: u8[x - 5]; b: bytes[8 / x]; c: u8 when x == 300",
        "x: Nothing; a: u8[x]; b: u8 when x.y.z[3]; c: u8[length(x)]",
        "x: Nothing[4]; a: u8 when x[9]; b: u8[length(x)]",
        "x: u8[nothing]; a: u8 when x[9]",
        "x: u8 split { lo: low 4; hi: nothing }; a: u8[hi - 300]".replace("nothing", "high 9"),
        "x: s8 split { lo: low 8 }; a: u8[lo - 300]",
        "param x: u9; a: u8[x - 300]",
        "param x: u8 max nothing; a: u8[x - 300]",
        "outer x: Nothing; a: u8[x - 300]",
        "a: choice nothing { 1: u8; 900: u8 }",
        "a: nullable u8[nothing] present nothing",
        "a: B(size = nothing)",
        "a: u8 max nothing; b: u8[a]",
    ],
)
def test_what_is_made_of_a_wrong_thing_is_not_wrong_again(body: str) -> None:
    found = outcome(f"struct A {{ {body} }}\nstruct B {{ param size: u8 max 3; d: u8[size] }}")[1]
    assert len({(d.span.line, d.span.column) for d in found if d.code != "unknown-name"}) <= 1
    assert 1 <= len(found) <= body.count("nothing") + 1, [d.message for d in found]


def test_a_wrong_constant_is_not_wrong_again() -> None:
    assert codes("const A = B + 1\nconst C = A / 0\nstruct S { a: u8[A - 9]; b: u8[C] }") == [
        "not-constant"
    ]


def test_what_a_broken_file_might_have_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "b.vmsd").write_text("struct B { a: }")
    (tmp_path / "a.vmsd").write_text("use b\nstruct A { a: B; c: u8[SIZE]; d: C(x = SIZE) }")
    report = Report()
    loaded = load([tmp_path / "a.vmsd"], report)
    resolve(loaded.files, report)
    assert [d.code for d in report.found] == ["syntax"]


def test_unused_names_are_worth_a_word_only_in_a_sound_schema() -> None:
    assert codes("struct A { let x = 1; param p: u8; outer o: u8; a: u8 }") == ["unused"] * 3
    assert codes("struct A { let x = 1; a: u9 }") == ["unknown-type"]


def test_what_a_nested_description_or_a_subsection_takes_is_used() -> None:
    text = """
        struct B { param size: u8; outer n: u8; data: u8[size + n] }
        vmsd A as "a" {
            param size: u8
            let n = 3
            let m = 4
            b: B(size = size)
            subsection "a/x" { data: u8[m] }
        }
    """
    assert codes(text) == []


# --- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expr", "bounds"),
    [
        ("n: u8", "n", (0, 255)),
        ("n: s16", "n", (-32768, 32767)),
        ("n: u32 max 9", "n", (0, 9)),
        ("n: u32 min 3 max 9", "n", (3, 9)),
        ("n: u32 equals 9", "n", (9, 9)),
        ("m: u8 max 4; n: u32 max m", "n", (0, 4)),
        ("m: u8; n: u32 min 3 max 9 when m", "n", (0, 9)),
        ("m: u8; n: s32 min -9 max -3 when m", "n", (-9, 0)),
        ("n: bool", "n", (0, 255)),
        ("n: u16 split { a: low 4; b: high 12 }", "a", (0, 15)),
        ("n: u16 split { a: low 4; b: high 12 }", "b", (0, 0xFFF0)),
        ("n: u16 split { a: low 4; b: high 12 }", "n", (0, 0xFFFF)),
        ("b: bytes[6]", "length(b)", (6, 6)),
        ("n: u8; b: u16[n]", "length(b)", (0, 255)),
        ("n: u8; b: bytes[6] when n", "length(b)", (0, 6)),
        ("b: string8 max 9", "length(b)", (0, 9)),
        ("b: list u8", "length(b)", (0, (1 << 32) - 1)),
        ("b: bytes[6]", "b[5]", (0, 255)),
        ("b: s16[6]", "b[5]", (-32768, 32767)),
        ("b: B", "b.n", (2, 9)),
        ("m: u8; b: B when m", "b.n", (0, 9)),
        ("b: B", "b.c.m", (0, 3)),
        ("param n: s8 min 0", "n", (0, 127)),
        ("param n: s8 min -3 max 0", "n", (-3, 0)),
        ("param n: bool", "n", (0, 1)),
        ("param n: bits max 70", "n", (0, (1 << 70) - 1)),
    ],
)
def test_bounds_follow_from_types_laws_and_presence(
    fields: str, expr: str, bounds: tuple[int, int]
) -> None:
    more = "struct B { n: u8 min 2 max 9; c: C }; struct C { m: u8 max 3 }; "
    text = f"{more}struct A {{ {fields}; let found = {expr}; last: u8 when found }}"
    schema, found = outcome(text)
    assert not found, [d.message for d in found]
    let = next(i for i in schema.descriptions["a:A"].items if isinstance(i, ir.Let))
    assert ir.expr_bounds(let.value) == bounds


def test_a_member_of_what_may_be_absent_is_no_divisor() -> None:
    text = "struct B { n: u8 min 1 }\nstruct A { m: u8; b: B when m; c: u8[8 / b.n] }"
    assert codes(text) == ["division-by-zero"]


# --- parameters -----------------------------------------------------------------------------------


def test_an_unbound_parameter_becomes_one_of_all_that_enclose_it() -> None:
    schema = schema_of(
        "struct C { param size: u8 max 9; d: u8[size] }\nstruct B { c: C }\n"
        'device A as "a" { b: B; subsection "a/x" { c: C } }'
    )
    for key in ("C", "B", "A", "A/x"):
        assert param(schema, f"{key}.size").high == 9


def test_only_parameters_that_are_asked_for_are_there() -> None:
    schema = schema_of("param one: u8\nparam two: u8\nstruct A { a: u8[one] }")
    assert [p.name for p in schema.descriptions["a:A"].params] == ["one"]


def test_a_bound_parameter_is_none_of_ours() -> None:
    schema = schema_of(
        "struct B { param size: u8; d: u8[size] }\nstruct A { n: u8; b: B(size = n / 2) }"
    )
    assert schema.descriptions["a:A"].params == ()
    assert type_text(field(schema, "A.b").type) == "a:B(size = n / 2)"


def test_outer_is_the_field_let_parameter_or_constant_of_that_name() -> None:
    inner = "struct B { outer n: u8; d: u8[n] }\n"
    for place in ("n: u8", "let n = 3", "param n: u8 max 9", "b: u8 max 2; let n = b"):
        schema = schema_of(inner + f"struct A {{ {place}; i: B }}")
        (argument,) = field(schema, "A.i").type.arguments  # type: ignore[union-attr]
        assert argument[0] == "n" and expr_text(argument[1]) == "n"
    schema = schema_of(inner + "const n = 7\nstruct A { i: B }")
    assert type_text(field(schema, "A.i").type) == "a:B(n = 7)"


def test_outer_passes_through_those_between() -> None:
    schema = schema_of(
        "struct C { outer n: u8; d: u8[n] }\nstruct B { c: C }\nstruct A { n: u8; b: B }"
    )
    assert param(schema, "B.n").outer
    assert schema.descriptions["a:A"].params == ()


@pytest.mark.parametrize(
    ("inner", "given", "code"),
    [
        ("outer n: u8; d: u8[n]", "n: u16", "param-range"),
        ("outer n: u8; d: u8[n]", "n: s8", "param-range"),
        ("outer n: u8; d: u8[n]", "n: bytes[3]", "not-a-number"),
        ("param n: u8; d: u8[n]", "n: u8", "param-clash"),
        ("param n: u8; d: u8[n]", "param n: u16; x: u8 when n", "param-clash"),
        ("param n: u8; d: u8[n]", "param n: u16", "param-clash"),
    ],
)
def test_what_is_bound_by_itself_must_fit(inner: str, given: str, code: str) -> None:
    assert codes(f"struct B {{ {inner} }}\nstruct A {{ {given}; b: B }}") == [code]


def test_a_parameter_of_the_same_form_is_one_whatever_its_docs_say() -> None:
    one = "struct B {\n/// Here.\nparam n: u8\nd: u8[n] }\n"
    other = "struct C {\n/// There.\nparam n: u8\nd: u8[n] }\n"
    schema = schema_of(one + other + "struct A { b: B; c: C }")
    assert [p.name for p in schema.descriptions["a:A"].params] == ["n"]


def test_a_sticky_field_is_state_that_the_caller_carries() -> None:
    schema = schema_of(
        'loop L { w: u8; name: string8 sticky when w & 1; break when w & 2 }\ndevice "d" { l: L }'
    )
    found = param(schema, "D.name")
    assert found.sticky and found.kind == "bytes" and found.default == b""


# --- description parameters -----------------------------------------------------------------------

GENERIC = 'vmsd T as "t" { param device: description; n: u8; inner: device }\n'


def test_a_description_is_made_for_each_thing_it_is_bound_to() -> None:
    schema = schema_of(
        GENERIC + "struct B { a: u8 }\nstruct C { a: u16 }\n"
        "struct A { x: T(device = B); y: T(device = C); z: T(device = B)[2] }"
    )
    assert list(schema.descriptions) == ["a:B", "a:C", "a:T[device=a:B]", "a:T[device=a:C]", "a:A"]
    assert schema.descriptions["a:T[device=a:B]"].name == "TB"


def test_one_that_nobody_uses_is_not_made() -> None:
    assert list(schema_of(GENERIC + "struct A { a: u8 }").descriptions) == ["a:A"]


def test_it_belongs_to_the_module_that_asked_for_it_so_that_imports_run_one_way(
    tmp_path: Path,
) -> None:
    (tmp_path / "t.vmsd").write_text(GENERIC)
    (tmp_path / "a.vmsd").write_text("use t\nstruct B { a: u8 }\nstruct A { x: T(device = B) }")
    report = Report()
    schema = resolve(load([tmp_path], report).files, report)
    assert not report.found
    made = {m.name: m.descriptions for m in schema.modules}
    assert made == {"t": (), "a": ("a:B", "t:T[device=a:B]", "a:A")}


# --- names of other files -------------------------------------------------------------------------


def of_files(folder: Path, **texts: str) -> list[str]:
    for name, text in texts.items():
        (folder / f"{name}.vmsd").write_text(text)
    report = Report()
    resolve(load([folder / "a.vmsd"], report).files, report)
    return [d.code for d in report.sorted()]


def test_used_files_give_their_own_names_and_not_those_they_use(tmp_path: Path) -> None:
    used = {"b": "use c\nconst B = C\nstruct SB { s: SC }", "c": "const C = 1\nstruct SC { a: u8 }"}
    assert of_files(tmp_path, a="use b\nstruct A { s: SB; t: u8[B] }", **used) == []
    assert of_files(tmp_path, a="use b\nstruct A { s: SC; t: u8[C] }", **used) == [
        "unknown-type", "unknown-name",
    ]  # fmt: skip


def test_a_name_of_two_used_files_is_wrong_only_where_it_is_used(tmp_path: Path) -> None:
    used = {"b": "const N = 1\nstruct S { a: u8 }", "c": "const N = 2\nstruct S { a: u16 }"}
    assert of_files(tmp_path, a="use b\nuse c\nstruct A { a: u8 }", **used) == []
    assert of_files(tmp_path, a="use b\nuse c\nstruct A { a: S; b: u8[N] }", **used) == [
        "ambiguous-name", "ambiguous-name",
    ]  # fmt: skip
    own = "use b\nuse c\nconst N = 3\nstruct S { a: u8 }\nstruct A { a: S; b: u8[N] }"
    assert of_files(tmp_path, a=own, **used) == []


# --- presence and padding -------------------------------------------------------------------------


def test_since_the_minimum_version_is_always() -> None:
    schema = schema_of('device "d" version 3 minimum 2 { a: u8 since 2; b: u8 since 3 }')
    assert field(schema, "D.a").since is None and field(schema, "D.b").since == 3


def test_padding_gets_names_that_are_free() -> None:
    schema = schema_of("struct A { unused[1]; unused2: u8; unused[2]; `unused`: u8; unused[3] }")
    names = [i.name for i in schema.descriptions["a:A"].items if isinstance(i, ir.Field)]
    assert len(set(names)) == 5 and {"unused2", "unused"} <= set(names)


def test_strings_take_max_as_their_limit() -> None:
    schema = schema_of("struct A { a: string8 max 9; b: string32 }")
    assert type_text(field(schema, "A.a").type) == "string8 max 9"
    assert type_text(field(schema, "A.b").type) == "string32 max 1048576"


def test_the_left_dimension_is_the_outer_one() -> None:
    schema = schema_of("struct A { a: u8[2][3]; b: bytes[2][3] }")
    assert type_text(field(schema, "A.a").type) == "u8[2][3]"
    assert field(schema, "A.b").type == ir.Array(ir.Bytes(ir.Number(3)), ir.Number(2))


def test_host_order_is_little() -> None:
    schema = schema_of("struct A { a: host u16; b: little u16; c: u16 }")
    orders = [field(schema, f"A.{n}").type.order for n in "abc"]  # type: ignore[union-attr]
    assert orders == ["little", "little", "big"]
