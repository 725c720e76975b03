"""Functions of bytes, and bytes from outside: what is refused, and what any bytes give."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from vmsc.runtime.peeks import little16, little32, pci_capability
from vmsc.schema.diagnostics import Diagnostic

Reported = Callable[[str], list[Diagnostic]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: u32 let x = little16(a, 0) b: u8 when x", "no-bytes"),
        ("a: bytes[4] b: u8 when little16(a, 0 - 1)", "not-a-number"),
        ('a: bytes[4] b: u8 when little32(a, "x")', "not-a-number"),
        ("a: bytes[4] b: u8 when pci_capability(a)", "arguments"),
        ("a: bytes[4] b: bytes[little32(a, 0) * 4]", "count-overflow"),
    ],
)
def test_a_function_of_bytes_refuses_what_it_cannot_read(
    text: str, code: str, report_of: Reported
) -> None:
    assert [d.code for d in report_of(f'device "d" {{ {text} }}')] == [code]


def test_outer_bytes_that_nothing_binds_are_an_error(report_of: Reported) -> None:
    own = "struct Own { outer config: bytes x: u8 when little16(config, 0) }"
    assert [d.code for d in report_of(f'{own} device "d" {{ own: Own }}')] == ["unbound-outer"]
    bound = f'{own} device "d" {{ config: bytes[2] own: Own }}'
    assert report_of(bound) == []


def test_outer_bytes_are_no_number(report_of: Reported) -> None:
    own = "struct Own { outer config: bytes x: u8 when little16(config, 0) }"
    found = report_of(f'{own} device "d" {{ config: u32 own: Own }}')
    assert [d.code for d in found] == ["param-type"]


def test_numbers_beyond_the_end_are_zero() -> None:
    assert little16(b"\x01\x02\x03", 1) == 0x0302
    assert little16(b"\x01\x02\x03", 2) == 3
    assert little16(b"\x01\x02\x03", 9) == 0
    assert little32(memoryview(b"\x01\x02\x03\x04\x05"), 1) == 0x05040302


def test_any_bytes_have_an_answer_for_every_capability() -> None:
    chance = random.Random(7)
    for size in (0, 7, 8, 0x35, 0x41, 0x100, 0x1000):
        for _ in range(300):
            space = bytearray(chance.randbytes(size))
            if size > 6:
                space[6] |= 0x10
            at = pci_capability(space, 0x11)
            assert at == 0 or (0x40 <= at <= 0xFC and at % 4 == 0 and space[at] == 0x11)
