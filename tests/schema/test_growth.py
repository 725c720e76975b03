"""What it takes to check a schema grows with what is written, and what no schema may exceed is
said, whatever the order of the text.

Counted are the functions that are called, not the time that they take; bench/growth.py takes that.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from counting import counted, work
from growth_shapes import SHAPES

from vmsc import plan
from vmsc.compiler.driver import Compiled, analyse
from vmsc.hooks.host import Host
from vmsc.plan.lower import MAX_GROUP, MAX_GROUP_DEPTH
from vmsc.schema.diagnostics import Diagnostic, Report
from vmsc.schema.resolve.resolver import MAX_MADE, MAX_NESTING
from vmsc.schema.resolve.types import MAX_COUNT, MAX_FREE_COUNT, MAX_LAYERS
from vmsc.schema.syntax.loader import MAX_USES, load_text
from vmsc.schema.syntax.parser import MAX_DEPTH, MAX_SIZE

GROWTH = 4


def checked(text: str, host: Host) -> tuple[Compiled | None, list[Diagnostic]]:
    report = Report()
    loaded = load_text(text, report)
    return (None if report.failed else analyse(loaded, host, report)), report.sorted()


@pytest.mark.parametrize("name", [n for n in SHAPES if not n.startswith("elements")])
def test_a_schema_four_times_as_large_takes_four_times_the_work(name: str, host: Host) -> None:
    shape = SHAPES[name]
    checked(shape.text(1), host)  # loads the grammar

    def calls(size: int) -> int:
        text = shape.text(size)
        with counted() as found:
            compiled, faults = checked(text, host)
        assert compiled is not None, faults[:1]
        return work(found)

    size = max(3, shape.small // 8)
    assert calls(size * GROWTH) < calls(size) * GROWTH * 1.2


def test_the_page_of_the_language_has_the_limits() -> None:
    page = (Path(__file__).parents[2] / "docs" / "language.md").read_text()
    rows = page.partition("## Limits")[2].partition("\n## ")[0].splitlines()
    assert [re.findall(r"[0-9]+", row)[0] for row in rows if "`" in row and "|" in row] == [
        str(limit)
        for limit in (MAX_SIZE, MAX_DEPTH, MAX_LAYERS, MAX_NESTING, MAX_USES, MAX_MADE, MAX_COUNT,
                      MAX_FREE_COUNT, 64)
    ]  # fmt: skip


# --- depth ----------------------------------------------------------------------------------------


def chain(count: int, bottom: str = "a: u8; b: bytes[a]") -> list[str]:
    """Structs of which each holds the one before it."""
    return [f"struct S0 {{ {bottom} }}"] + [
        f"struct S{i} {{ a: u8; x: S{i - 1} }}" for i in range(1, count)
    ]


def shuffles(lines: list[str]) -> list[str]:
    """The lines as they are, from the end, and in a few orders by chance."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    others = [chance.sample(lines, len(lines)) for _ in range(3)]
    return ["\n".join(each) for each in (lines, lines[::-1], *others)]


def test_descriptions_nest_as_deep_as_the_limit_in_any_order_of_the_text(host: Host) -> None:
    for text in shuffles(chain(MAX_NESTING)):
        compiled, faults = checked(text, host)
        assert compiled is not None and not faults


def test_one_level_more_is_said_once_in_any_order_of_the_text(host: Host) -> None:
    for count in (MAX_NESTING + 1, MAX_NESTING + 2, 5 * MAX_NESTING):
        for text in shuffles(chain(count)):
            _, faults = checked(text, host)
            assert [f.code for f in faults] == ["too-deep"]
            assert f"'S{MAX_NESTING}'" in faults[0].message
            assert str(MAX_NESTING) in faults[0].message


def test_a_subsection_is_a_level_as_well(host: Host) -> None:
    inner = chain(MAX_NESTING - 2)
    device = 'device "d" { a: u8; subsection "d/s" { x: S%d } }'
    assert checked("\n".join([*inner, device % (MAX_NESTING - 3)]), host)[0] is not None
    deeper = chain(MAX_NESTING - 1)
    _, faults = checked("\n".join([*deeper, device % (MAX_NESTING - 2)]), host)
    assert [f.code for f in faults] == ["too-deep"]


def test_a_circle_is_found_in_any_order_of_the_text(host: Host) -> None:
    lines = [f"struct S{i} {{ a: u8; x: list S{(i + 1) % 9} }}" for i in range(9)]
    for text in shuffles(lines):
        _, faults = checked(text, host)
        assert [f.code for f in faults] == ["recursive"]
        assert len(faults[0].notes) == 8


# --- structs that are set out in their users' runs ------------------------------------------------


def groups(one: plan.Plan) -> list[plan.Group]:
    return [
        field.form
        for step in one.steps
        if isinstance(step, plan.Run)
        for field in step.fields
        if isinstance(field.form, plan.Group)
    ]


@pytest.mark.parametrize(
    ("bottom", "is_set_out"),
    [
        ("; ".join(f"a{i}: u8" for i in range(MAX_GROUP)), True),
        ("; ".join(f"a{i}: u8" for i in range(MAX_GROUP + 1)), False),
        ("; ".join(f"a{i}: u8[16]" for i in range(MAX_GROUP // 16)), True),
        ("; ".join(f"a{i}: u8[16]" for i in range(MAX_GROUP // 16)) + "; b: u8", False),
    ],
)
def test_a_struct_of_more_numbers_than_the_limit_is_called(
    bottom: str, is_set_out: bool, host: Host
) -> None:
    compiled, _ = checked("\n".join(chain(2, bottom)), host)
    assert compiled is not None
    assert bool(groups(compiled.program.plans["schema:S1"])) is is_set_out


def test_structs_are_set_out_a_few_deep(host: Host) -> None:
    compiled, _ = checked("\n".join(chain(2 * MAX_GROUP_DEPTH, "a: u8")), host)
    assert compiled is not None
    deep = [i for i in range(1, 2 * MAX_GROUP_DEPTH)
            if groups(compiled.program.plans[f"schema:S{i}"])]  # fmt: skip
    assert deep == list(range(1, MAX_GROUP_DEPTH + 1))


def test_a_struct_that_is_called_has_the_wire_of_one_that_is_set_out(host: Host) -> None:
    from helpers import build_text

    few = "; ".join(f"a{i}: u16" for i in range(MAX_GROUP))
    for bottom in (few, few + "; last: u16"):
        module = build_text("\n".join(chain(2, bottom)), host)
        count = bottom.count(":")
        wire = b"\7" + b"".join(i.to_bytes(2, "big") for i in range(count))
        for profile in (module.CODECS["S1"].qemu, module.CODECS["S1"].framed):
            value = module.CODECS["S1"].qemu.decode(wire)
            assert profile.decode(profile.encode(value)) == value
        assert module.CODECS["S1"].qemu.encode(value) == wire
        assert module.CODECS["S1"].qemu.scan(wire) == len(wire)
