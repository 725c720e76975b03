"""Lowering: which wire steps a schema becomes, how long it is, and what its digest stands for."""

from __future__ import annotations

import pytest

from vmsc import plan
from vmsc.plan.lower import MAX_ROW, MAX_RUN_BYTES, lower
from vmsc.plan.text import plan_text
from vmsc.schema.diagnostics import Report, as_text
from vmsc.schema.resolve import check, resolve
from vmsc.schema.syntax.loader import load_text


def program(text: str, name: str = "a") -> plan.Program:
    report = Report()
    schema = resolve(load_text(text, report, name).files, report)
    assert not report.failed, as_text(report)
    check(schema, report)
    assert not report.failed, as_text(report)
    return lower(schema)


def of(text: str, name: str = "A") -> plan.Plan:
    plans = program(text).plans
    return next(one for one in plans.values() if one.name == name)


def steps(body: str) -> list[str]:
    """The steps of a body, in the words of the dump."""
    lines = plan_text(of(f"struct A {{ {body} }}")).splitlines()[2:]
    return [line[4:] for line in lines]


# --- runs -----------------------------------------------------------------------------------------


def test_fixed_fields_become_one_run_with_static_offsets() -> None:
    assert steps("a: u8; b: u32; c: bytes[3]; unused[2]; d: bool") == [
        "run 11 bytes big",
        "    +0 a: u8",
        "    +1 b: u32",
        "    +5 c: bytes[3] limit 3",
        "    +8 unused: padding[2] limit 2",
        "    +10 d: bool",
    ]


def test_a_run_has_one_byte_order() -> None:
    heads = [s for s in steps("a: u16; b: u8; c: little u16; d: u8; e: u16") if s[0] != " "]
    assert heads == ["run 3 bytes big", "run 3 bytes little", "run 2 bytes big"]


def test_bytes_go_with_any_order() -> None:
    assert len([s for s in steps("a: u8; b: bytes[2]; c: little u16") if s[0] != " "]) == 1


def test_short_rows_and_plain_structs_are_set_out_in_the_run() -> None:
    text = "struct P { x: u16; y: u16 }\nstruct A { a: u8; p: P; q: u16[2] }"
    assert plan_text(of(text)).splitlines()[2:] == [
        "    run 9 bytes big",
        "        +0 a: u8",
        "        +1 p: a:P",
        "        +5 q: 2 x u16",
    ]


@pytest.mark.parametrize(
    ("field", "alone"),
    [
        (f"f: u8[{MAX_ROW}]", False),
        (f"f: u8[{MAX_ROW + 1}]", True),
        (f"f: bytes[{MAX_RUN_BYTES}]", False),
        (f"f: bytes[{MAX_RUN_BYTES + 1}]", True),
        ("f: u8[a]", True),
        ("f: list u8", True),
        ("f: P[2]", True),
        ("f: P", False),
        ("f: Q", True),
    ],
)
def test_what_is_long_or_not_fixed_is_a_step_of_its_own(field: str, alone: bool) -> None:
    text = f"struct P {{ x: u8 }}\nstruct Q {{ x: u8 max 3 }}\nstruct A {{ a: u8; {field}; b: u8 }}"
    assert sum(isinstance(s, plan.Run) for s in of(text).steps) == (2 if alone else 1)


def test_laws_and_lets_stand_behind_the_run_and_know_how_far_back_their_field_is() -> None:
    assert steps("a: u8 max 3; let b = a + 1; c: u16; d: u8[b]") == [
        "run 3 bytes big",
        "    +0 a: u8",
        "    +1 c: u16",
        "assert a <= 3 of a -3",
        "let b = a + 1",
        "d: repeat b limit 4 of (u8)",
    ]


# --- presence -------------------------------------------------------------------------------------


def test_neighbours_under_one_condition_share_a_gate() -> None:
    assert steps("n: u8; a: u8 when n > 1; b: u16 max 9 when n > 1; c: u8 when n > 2; d: u8") == [
        "run 1 bytes big",
        "    +0 n: u8",
        "gate n > 1: a, b",
        "    run 3 bytes big",
        "        +0 a: u8",
        "        +1 b: u16",
        "    assert b <= 9 of b -2",
        "gate n > 2: c",
        "    run 1 bytes big",
        "        +0 c: u8",
        "run 1 bytes big",
        "    +0 d: u8",
    ]


def test_since_is_a_gate_on_the_version() -> None:
    one = of('device A as "a" version 3 minimum 1 { a: u8 since 2; b: u8 since 2; c: u8 since 3 }')
    gates = [s for s in one.steps if isinstance(s, plan.Gate)]
    assert [g.names for g in gates] == [("a", "b"), ("c",)]


def test_a_sticky_field_is_kept() -> None:
    one = of("loop A { w: u8; n: u8 max 9 sticky when w & 1; break when w & 2 }")
    kinds = [type(s).__name__ for s in one.steps]
    assert kinds == ["Run", "Keep", "Assert", "Break"]


# --- sizes ----------------------------------------------------------------------------------------

MORE = "struct P { x: u16 }\nstruct V { n: u8 max 9; d: u8[n] }\n"


@pytest.mark.parametrize(
    ("text", "size_class", "least", "most"),
    [
        ("struct A {}", "constant", 0, 0),
        ("struct A { a: u32; b: P[3] }", "constant", 10, 10),
        ("struct A { n: u8 max 9; b: P[n] }", "computed", 1, 19),
        ("struct A { n: u8; b: u16 when n }", "computed", 1, 3),
        ("struct A { param n: u8; b: bytes[n] }", "computed", 0, 255),
        ("struct A { a: string8 max 9 }", "computed", 1, 10),
        ("struct A { n: u8 max 130; b: bitmap[n] }", "computed", 1, 25),
        ("struct A { a: V[2] }", "bounded", 2, 20),
        ("struct A { a: nullable P[2] marked }", "bounded", 2, 6),
        ("struct A { a: nullable P[2] present 1 }", "bounded", 2, 4),
        ("struct A { n: u8; a: choice n { 1: u8; 2: P } }", "computed", 2, 3),
        ("struct A { n: u8; a: choice n { 1: u16; 2: P } }", "constant", 3, 3),
        ("struct A { n: u8; a: within[n] list u8 }", "computed", 1, 256),
        ("struct A { a: list P }", "measured", 1, None),
        ("struct A { a: list tag 3 V }", "measured", 1, None),
        ("struct A { a: tree u8 => u8 }", "measured", 5, None),
        ("struct A { a: P[until x == 0] }", "measured", 2, None),
        ("struct A { n: u8; a: P[until sum(x) == n] }", "measured", 1, None),
        ("struct A { a: opaque }", "opaque", 0, None),
        ("struct A { a: opaque[4] }", "constant", 4, 4),
        ("struct A { a: list opaque[4] }", "measured", 1, None),
        ("loop A { a: u16; break when a; b: u32 }", "measured", 2, None),
        ("loop A { a: u16; b: u32; break when a; break when b }", "measured", 6, None),
        ('vmsd A as "a" { a: u8; subsection "a/b" { n: u16 } }', "bounded", 1, 12),
        ('vmsd A as "a" { a: u8; subsection "a/b" { n: list P } }', "measured", 1, None),
        ("struct A { n: u32 min 1; a: u64[n][n] }", "computed", 12, None),
        ("struct A { n: u8 max 9; a: u64[n][n] }", "computed", 1, 649),
        ("struct A { n: u8 max 9; a: bytes[3][n] }", "computed", 1, 28),
        ("struct A { n: u8 max 9; a: V[n][2] }", "bounded", 1, 181),
        ("struct A { a: string8[2] }", "bounded", 2, 512),
        ("struct A { n: u32; a: V[n] }", "bounded", 4, 10 * ((1 << 32) - 1) + 4),
    ],
)
def test_sizes_are_bounded_from_both_sides(
    text: str, size_class: str, least: int, most: int | None
) -> None:
    one = of(MORE + text)
    assert (one.size_class, one.least, one.most) == (size_class, least, most)


def test_a_limit_that_no_memory_has_is_none() -> None:
    wide = "struct S0 { n: u32 min 1; a: u64[n] }\n"
    wide += "".join(f"struct S{i} {{ n: u32 min 1; a: S{i - 1}[n][n] }}\n" for i in range(1, 15))
    one = of(wide, "S14")
    assert one.most is None and one.size_class == "measured" and len(plan_text(one)) < 1000


# --- digests --------------------------------------------------------------------------------------


def digest(text: str, wire: str = "a", module: str = "a") -> bytes:
    return next(one.digest for one in program(text, module).plans.values() if one.wire == wire)


LAYOUT = (
    'struct P { x: u16 }\nvmsd V as "v" { p: P }\n'
    'device A as "a" version 2 minimum 1 { n: u8; v: V; d: u8[n]; e: u8 since 2'
    '; subsection "a/b" { m: u8 } }'
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("struct P", "/// A point.\nstruct P"),
        ("n: u8;", "/// How many.\nn: u8;"),
        ("n: u8;", "n: u8 max 9;"),
        ("n: u8;", 'n: u8; require n < 9 "room"'),
        ("n: u8;", "n: u8 equals 3;"),
        ("device A", "device Card"),
        ("v: V;", 'v: V as "core";'),
    ],
)
def test_names_docs_and_laws_are_no_part_of_the_layout(old: str, new: str) -> None:
    assert digest(LAYOUT.replace(old, new)) == digest(LAYOUT)


def test_where_a_description_stands_and_what_its_class_is_called_is_not_either() -> None:
    assert digest(LAYOUT, module="elsewhere") == digest(LAYOUT)
    assert digest(LAYOUT.replace("P ", "Point ")) == digest(LAYOUT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x: u16", "x: u32"),
        ("x: u16", "x: little u16"),
        ("x: u16", "x: s16"),
        ("n: u8;", "n: u8; k: u8;"),
        ("d: u8[n]", "d: u8[n + 1]"),
        ("since 2", "when n"),
        ("version 2 minimum 1", "version 3 minimum 1"),
        ('"a/b"', '"a/c"'),
        ("m: u8", "m: u16"),
        ("v: V;", "v: list V;"),
        ('vmsd V as "v"', "struct V"),
    ],
)
def test_what_changes_a_byte_changes_the_digest(old: str, new: str) -> None:
    assert digest(LAYOUT.replace(old, new)) != digest(LAYOUT)
