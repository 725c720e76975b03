"""Checks: what the whole schema shows. The hazards of QEMU's subsections above all."""

from __future__ import annotations

import pytest

from vmsc.schema.diagnostics import Diagnostic, Report, as_text
from vmsc.schema.resolve import check, resolve
from vmsc.schema.syntax.loader import load_text


def checked(text: str) -> list[Diagnostic]:
    report = Report()
    schema = resolve(load_text(text, report).files, report)
    assert not report.failed, as_text(report)
    check(schema, report)
    return report.sorted()


def codes(text: str) -> list[str]:
    return [d.code for d in checked(text)]


# --- subsections that another would take ----------------------------------------------------------

CORE = 'vmsd Core as "uart" { lsr: u8 }\n'
SUB = 'subsection "uart-pci/msi" { n: u8 }'


@pytest.mark.parametrize(
    "body",
    [
        "core: Core",
        "n: u8; core: Core",
        "core: Core; n: u8 since 2",
        "m: u8; core: Core; n: u8 when m",
        "m: u8; core: Core; n: u8[m]",
        "m: u8; core: Core; n: bytes[m]; unused[m]",
        "core: Core[4]",
        "m: u8; core: Core[m]",
        "m: u8; core: choice m { 1: u8; 2: Core }",
        "m: u8; core: choice m { 1: u8; else: Core }",
        "m: u8; core: nullable Core[8] present m",
        "core: nullable Core[8] marked",
        "core: Holder",
        "core: Holder[3]",
        "m: u8; core: Core when m; last: Empty",
    ],
)
def test_a_nested_vmsd_takes_what_begins_with_its_name(body: str) -> None:
    text = CORE + "struct Empty {}\nstruct Holder { n: u8; core: Core }\n"
    text += f'device "uart-pci" version 2 minimum 1 {{ {body}; {SUB} }}'
    assert codes(text) == ["subsection-prefix"]


@pytest.mark.parametrize(
    "body",
    [
        "core: Core; n: u8",
        "core: Core; n: u8[1]",
        "core: list Core",
        "core: tree u8 => Core",
        "m: u8; core: within[m] Core",
        "core: Holder",
        "core: Other",
    ],
)
def test_one_that_something_follows_or_of_another_name_does_not(body: str) -> None:
    text = CORE + 'struct Holder { core: Core; n: u8 }\nvmsd Other as "serial" { a: u8 }\n'
    text += f'device "uart-pci" {{ {body}; {SUB} }}'
    assert codes(text) == []


def test_a_description_of_the_very_name_takes_none() -> None:
    """QEMU asks for at least one character more than the name."""
    nested = 'vmsd Core as "uart-pci/msi" { lsr: u8 }\n'
    assert codes(nested + f'device "uart-pci" {{ core: Core; {SUB} }}') == []


def test_one_that_has_a_subsection_of_that_name_takes_it_for_its_own() -> None:
    nested = 'vmsd Core as "uart" { lsr: u8; subsection "uart-pci/msi" { n: u8 } }\n'
    (found,) = checked(nested + f'device "uart-pci" {{ core: Core; {SUB} }}')
    assert "would take it for its own" in found.message


def test_a_sibling_before_it_takes_it_and_one_behind_it_does_not() -> None:
    short, long = 'subsection "uart/fifo" { n: u8 }', 'subsection "uart/fifo8" { n: u8 }'
    assert codes(f'device "uart" {{ a: u8; {short}; {long} }}') == ["subsection-prefix"]
    assert codes(f'device "uart" {{ a: u8; {long}; {short} }}') == []


def test_what_a_sibling_ends_with_takes_it_too() -> None:
    sibling = 'subsection "board/a" { core: Core }'
    text = (
        CORE + f'vmsd Board as "board" {{ n: u8; {sibling}; subsection "board/b" {{ n: u8 }} }}\n'
    )
    assert codes(text) == []
    text = text.replace('"uart"', '"board/"')
    assert codes(text) == ["subsection-prefix"]


def test_a_loop_ends_at_any_of_its_breaks() -> None:
    loop = "loop L { w: u8; core: Core; break when w; n: u8; break when n }\n"
    assert codes(CORE + loop + f'device "uart-pci" {{ l: L; {SUB} }}') == ["subsection-prefix"]
    loop = "loop L { core: Core; w: u8; break when w; core2: Core; n: u8; break when n }\n"
    assert codes(CORE + loop + f'device "uart-pci" {{ l: L; {SUB} }}') == []


def test_many_ways_to_an_end_cost_no_time() -> None:
    """Each level doubles the ways; they are not walked one by one."""
    levels = "".join(
        f"struct S{i} {{ m: u8; a: choice m {{ 1: S{i - 1}; else: S{i - 1} }} }}\n"
        for i in range(1, 18)
    )
    text = f'{CORE}struct S0 {{ core: Core }}\n{levels}device "uart-pci" {{ a: S17; {SUB} }}'
    assert codes(text) == ["subsection-prefix"]


# --- names ----------------------------------------------------------------------------------------


def test_a_subsections_name_begins_with_its_owners() -> None:
    assert codes('device "uart" { a: u8; subsection "uarts" { n: u8 } }') == []
    for name in ("uart", "art/x", "Uart/x", "ua"):
        text = f'device "uart" {{ a: u8; subsection "{name}" as x {{ n: u8 }} }}'
        assert codes(text) == ["subsection-name"], name


def test_a_class_name_is_there_once_in_a_module() -> None:
    text = 'device Uart as "uart" { a: u8; subsection "uart/rss" { n: u8 } }\n'
    assert codes(text + "struct UartRss { a: u8 }") == ["duplicate-name"]
    assert codes(text + "struct Uartrss { a: u8 }") == []


def test_a_device_may_be_described_anew_for_one_that_comes_with_vmsc() -> None:
    assert codes('use std.pci\ndevice "mine" { a: u8 }\ndevice Other as "mine" { a: u8 }') == [
        "duplicate-device"
    ]
    assert codes('use qemu.serial\ndevice Mine as "serial" { a: u8 }') == []


# --- open ends ------------------------------------------------------------------------------------

TAIL = "struct Tail { n: u8; rest: opaque }\n"


@pytest.mark.parametrize(
    "text",
    [
        'device "d" { a: opaque; b: u8 }',
        'device "d" { a: opaque; subsection "d/x" { b: u8 } }',
        TAIL + 'device "d" { a: Tail; b: u8 }',
        TAIL + 'device "d" { m: u8; a: choice m { 1: Tail; 2: u8 }; b: u8 }',
        TAIL + 'device "d" { a: Tail[2] }',
        TAIL + 'device "d" { a: list Tail }',
        TAIL + 'device "d" { a: tree u8 => Tail }',
        TAIL + 'device "d" { m: u8; a: list choice m { 1: Tail; 2: u8 } }',
        TAIL + 'device "d" { a: nullable Tail[2] marked }',
        'loop L { w: u8; a: opaque; break when w }\ndevice "d" { l: L }',
        'device "d" { a: u8; subsection "d/x" { r: opaque }; subsection "d/y" { b: u8 } }',
        'vmsd V as "v" { a: u8; subsection "v/x" { r: opaque } }\ndevice "d" { v: V; b: u8 }',
    ],
)
def test_nothing_follows_what_takes_all_that_is_left(text: str) -> None:
    assert set(codes(text)) == {"open-end"}


@pytest.mark.parametrize(
    "text",
    [
        'device "d" { b: u8; a: opaque }',
        'device "d" { b: u8; a: opaque when b }',
        'device "d" { n: u8; a: within[n] opaque; b: u8 }',
        TAIL + 'device "d" { n: u8; a: within[n] Tail; b: u8; c: Tail }',
        TAIL + 'device "d" { n: u8; a: list within[n] Tail }',
        'device "d" { n: u8; a: opaque[n]; b: u8 }',
        'device "d" { a: u8; subsection "d/x" { b: u8 }; subsection "d/y" { r: opaque } }',
    ],
)
def test_a_last_one_and_one_within_a_length_are_good(text: str) -> None:
    assert codes(text) == []
