"""What backends ask of plans: each question against a table of schemas and answers."""

from __future__ import annotations

import pytest

from vmsc import plan
from vmsc.plan import analysis
from vmsc.plan.lower import lower
from vmsc.schema.diagnostics import Report, as_text
from vmsc.schema.resolve.resolver import resolve
from vmsc.schema.syntax.loader import load_text


def program(text: str) -> plan.Program:
    report = Report()
    externals = {"u24": None}
    schema = resolve(load_text(text, report, "a").files, report, externals, {"power": None})
    assert not report.failed, as_text(report)
    return lower(schema)


def of(text: str, name: str = "A") -> plan.Plan:
    return next(one for one in program(text).plans.values() if one.name == name)


def keys(found: frozenset[str]) -> list[str]:
    return sorted(key.partition(":")[2] for key in found)


@pytest.mark.parametrize(
    ("body", "with_laws", "without"),
    [
        ("a: u8; b: bytes[a]", "field a", "field a"),
        ("a: u8; require a < 3", "field a", ""),
        ("a: u8; m: u8 max a", "field a, field m", ""),
        ("param p: u8; a: u8 when p", "param p", "param p"),
        ("a: u8; let l = a + 1; b: u8[l]", "field a, let l", "field a, let l"),
        (
            "w: u8 split { x: low 4; y: high 4 }; b: u8 when w & x",
            "field x, let w",
            "field x, let w",
        ),
        ("a: u8; b: u8; c: list nullable u8[a] present b", "field a, field b", "field a, field b"),
        (
            "a: u8; b: u8; c: choice a { 0: u8[b]; else: u8 }",
            "field a, field b",
            "field a, field b",
        ),
        ("a: u8; b: within[a] list u8; c: bitmap[a]", "field a", "field a"),
    ],
)
def test_what_steps_read(body: str, with_laws: str, without: str) -> None:
    steps = of(f"struct A {{ {body} }}").steps
    for laws, names in ((True, with_laws), (False, without)):
        found = sorted(f"{kind} {name}" for kind, name in analysis.reads(steps, laws=laws))
        assert ", ".join(found) == names


@pytest.mark.parametrize(
    ("text", "reads", "kept"),
    [
        ('vmsd A as "a" version 2 { a: u8 }', False, False),
        ('vmsd A as "a" version 2 minimum 1 { a: u8 since 2 }', True, False),
        ('vmsd A as "a" version 2 minimum 1 { a: u8 since 1 }', False, False),
        ('vmsd A as "a" version 2 { let v = version; a: u8[v] }', True, False),
        ('vmsd A as "a" version 2 { param n: u8; a: u8[n]; subsection "a/b" { c: u8[n] } }',
         False, False),
        ('device A as "a" version 2 { a: u8; require version == 2 }', True, False),
    ],
)  # fmt: skip
def test_who_depends_on_its_version(text: str, reads: bool, kept: bool) -> None:
    one = of(text)
    assert (analysis.reads_version(one), analysis.versioned(one)) == (reads, kept)
    assert analysis.takes_version(one) is (reads or kept)


def test_a_subsection_of_several_versions_keeps_its_own() -> None:
    sub = 'device A as "a" { a: u8; subsection "a/b" version 2 minimum 1 { c: u8 } }'
    one = of(sub, "AB")
    assert not analysis.reads_version(one)
    assert analysis.versioned(one) and analysis.takes_version(one)


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        ("a: u8; b: u8[a]", "a"),
        ("a: u8; b: u8 max a", ""),
        ("a: u8; b: u8; require a < b", ""),
        ("a: u8; let l = a; b: bytes[l]", "a l"),
        ("w: u8 split { x: low 4; y: high 4 }; b: bytes[y]", "y"),
        ("w: u8 split { x: low 4; y: high 4 }; b: bytes[w]", "w"),
        ("p: P; b: bytes[p.x]", "p"),
        ("n: u8; q: Q(n = n)", "n"),
    ],
)
def test_what_a_scan_has_to_read(body: str, needed: str) -> None:
    more = "struct P { x: u8 } struct Q { param n: u8; b: bytes[n] }\n"
    one = of(f"{more} struct A {{ {body} }}")
    assert " ".join(sorted(analysis.needed_by_scan(one))) == needed


def test_a_scan_holds_the_laws_of_what_it_reads() -> None:
    one = of("struct A { a: u8 max 4; m: u8; b: u8 max m; c: bytes[a]; require a != 3 }")
    needed = analysis.needed_by_scan(one)
    laws = [step for step in one.steps if isinstance(step, plan.Assert)]
    assert [(law.field, analysis.checked_by_scan(law, needed)) for law in laws] == [
        ("a", True), ("b", False), ("", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "resumable"),
    [
        ("a: u8[9]", False),
        ("a: list u8", True),
        ("a: P[9]", True),
        ("a: tree u8 => u8", True),
        ("a: nullable u8[9] marked", True),
        ("a: P", False),
        ("a: L", True),
        ("n: u8; a: choice n { 1: u8; 2: L }", True),
        ("a: within[9] L", False),
        ("n: u8; a: choice n { 1: u8; 2: within[9] L }", False),
        ("a: R", True),
    ],
)
def test_which_scans_can_go_on(body: str, resumable: bool) -> None:
    text = "struct P { x: u8 } struct L { l: list u8 } loop R { x: u8; break when x }\n"
    found = analysis.resumable(program(f"{text} struct A {{ {body} }}"))
    assert keys(found) == sorted(["L", "R", *(["A"] if resumable else [])])


def test_a_scan_that_can_go_on_in_a_subsection_can_go_on() -> None:
    text = 'device A as "a" { x: u8; subsection "a/b" { l: list u8 } }'
    assert keys(analysis.resumable(program(text))) == ["A", "A/b"]


def test_a_program_is_looked_at_once_however_often_its_descriptions_are_called() -> None:
    lines = ['vmsd A0 as "a0" { l: list u8 }']
    lines += [f'vmsd A{n} as "a{n}" {{ l: A{n - 1}; r: A{n - 1} }}' for n in range(1, 20)]
    whole = program("\n".join(lines))
    assert len(analysis.resumable(whole)) == len(analysis.peeked_within(whole)) + 1 == 20


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("struct A { a: u8; b: u32 }", 5),
        ("struct A { a: u8; b: bytes[3] }", 4),
        ("struct A { a: u8[3] }", None),
        ("struct A { a: u8; b: P }", None),
        ("struct A { w: u8 split { x: low 4; y: high 4 } }", None),
        ("struct A { a: u8 via power }", None),
        ("struct A { a: u8 max 3 }", None),
        ("struct A { a: little u16; b: bytes[1] }", 3),
        ('vmsd A as "a" { a: u8 }', None),
    ],
)
def test_which_structs_are_one_flat_run(text: str, size: int | None) -> None:
    run = analysis.flat_run(of("struct P { x: u8 }\n" + text))
    assert (run and run.size) == size


def test_what_a_loop_s_last_round_may_lack() -> None:
    one = of("loop A { a: u8; break when a; b: u8 when a; break when b; w: u8 split "
             "{ x: low 4; y: high 4 }; c: list u8 }")  # fmt: skip
    assert analysis.after_break(one) == {"b", "x", "y", "c"}
    assert analysis.after_break(of("struct A { a: u8 }")) == frozenset()


def test_which_plugins_are_named() -> None:
    one = of("""
        struct A {
            n: u8
            a: u8 via power
            b: list u24
            d: u8 via power when n
            e: choice n { 0: u8; 1: within[4] u24 }
        }""")
    found = analysis.customs(one)
    assert found.types == {"u24"}
    assert found.transforms == {"a": "power", "d": "power"}


@pytest.mark.parametrize(
    ("type_", "size"),
    [
        ("u32[40]", 160),
        ("bytes[5000]", 5000),
        ("bitmap[65]", 16),
        ("P[3]", 6),
        ("P[3][2]", 12),
        ("V", None),
        ("u8[n]", None),
        ("list u8", None),
    ],
)
def test_which_nodes_always_have_as_many_bytes(type_: str, size: int | None) -> None:
    whole = program(
        f'struct P {{ x: u16 max 3 }} vmsd V as "v" {{ x: u8 }} struct A {{ n: u8; a: {type_} }}'
    )
    (value,) = (s for s in whole.plans["a:A"].steps if isinstance(s, plan.Value))
    assert analysis.fixed_size(value.node, whole.plans) == size


# --- tails ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "tails"),
    [
        ("a: V", "last"),
        ("a: V; b: u8", "more"),
        ("a: V; b: V", "more last"),
        ("n: u8; a: V; b: V when n", "more last"),
        ("a: V; let x = a.x; require x > 2", "last"),
        ("a: V[2][2]", "last"),
        ("a: V[2]; b: V[2]", "more last"),
        ("n: u8; a: choice n { 0: V; 1: V[2]; else: list V }", "last last more"),
        ("a: list V", "more"),
        ("a: tree V => V", "more more"),
        ("a: V[until x == 0]", "more"),
        ("a: V[until sum(x) == 3]", "more"),
        ("a: nullable V[2] marked", "last"),
        ("a: within[4] V; b: u8", "last"),
    ],
)
def test_what_may_follow_a_call(body: str, tails: str) -> None:
    one = of(f'vmsd V as "v" {{ x: u8 }} vmsd A as "a" {{ {body}; subsection "a/s" {{ s: u8 }} }}')
    found = [call.tail.value for step in one.steps for call in _calls(step)]
    assert " ".join(found) == tails


def test_rounds_follow_a_call_in_a_loop() -> None:
    one = of('vmsd V as "v" { x: u8 } loop A { a: V; break when a.x }')
    assert [call.tail for step in one.steps for call in _calls(step)] == [plan.Tail.MORE]


def _calls(step: plan.Step) -> tuple[plan.Call, ...]:
    match step:
        case plan.Value(node=node):
            return analysis.calls(node)
        case plan.Gate(steps=steps):
            return tuple(call for each in steps for call in _calls(each))
        case _:
            return ()


@pytest.mark.parametrize(
    ("text", "peeked"),
    [
        ('struct A { v: V; b: u8 }', ["A"]),
        ('struct A { b: u8; n: N }', ["A", "N"]),
        ('struct A { v: within[4] V; b: u8 }', []),
        ('struct A { v: list V }', ["A"]),
        ('struct A { p: P }', []),
    ],
)  # fmt: skip
def test_in_which_descriptions_another_peeks(text: str, peeked: list[str]) -> None:
    more = 'struct P { x: u8 } vmsd V as "v" { x: u8 }'
    more += " struct N { v: V; b: u8 }" if "N" in peeked else ""
    assert keys(analysis.peeked_within(program(f"{more}\n{text}"))) == peeked
