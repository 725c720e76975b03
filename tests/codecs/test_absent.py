"""What an absent field reads as, and strings that are words here and bytes there."""

from __future__ import annotations

import types
from collections.abc import Callable

import pytest
from helpers import check_codec, hexed

Build = Callable[[str], types.ModuleType]


@pytest.mark.parametrize(
    ("type_", "wire", "value"),
    [
        ("bytes[2]", '"ab"', b"ab"),
        ("string8", '02 "ab"', b"ab"),
        ("u8[2]", "07 08", [7, 8]),
        ("list u8", "01 07 01 08 00", [7, 8]),
    ],
)
def test_an_absent_field_has_no_length(
    build: Build, type_: str, wire: str, value: bytes | list[int]
) -> None:
    made = build(f"""
        struct S {{ k: u8; l: {type_} when k }}
        device "d" {{
            k: u8; l: {type_} when k; s: S
            data: bytes[min(9, length(l) + length(s.l))]
        }}
    """)
    codec, d, s = made.CODECS["D"], made.D, made.S
    check_codec(codec, d(0, None, s(0, None), b""), hexed("00 00"))
    check_codec(codec, d(1, value, s(0, None), b"xy"), hexed(f'01 {wire} 00 "xy"'))
    check_codec(codec, d(1, value, s(1, value), b"wxyz"), hexed(f'01 {wire} 01 {wire} "wxyz"'))


def test_records_up_to_an_end_or_a_sum_have_no_length_where_they_are_absent(build: Build) -> None:
    made = build("""
        struct R { n: u8 }
        device "d" {
            k: u8
            a: R[until n == 0] when k
            b: R[until sum(n) == 4] when k
            data: bytes[min(9, length(a) + length(b))]
        }""")
    codec, d, r = made.CODECS["D"], made.D, made.R
    check_codec(codec, d(0, None, None, b""), b"\0")
    check_codec(codec, d(1, [r(2)], [r(1), r(3)], b"xyz"), hexed('01 02 00 01 03 "xyz"'))


def test_a_string_of_an_enclosing_description_is_bytes(build: Build) -> None:
    made = build("""
        struct Inner {
            outer kind: bytes
            c: choice kind { "tcp": u16; else: u8 }
            d: u8 when kind == "tcp"
        }
        device "d" {
            kind: string8
            inner: Inner
            subsection "d/s" { c: choice kind { "": u32; "tcp": u16 }; d: u8 unless kind == "" }
        }""")
    codec, inner, sub = made.CODECS["D"], made.Inner, made.DS
    header = '05 03 "d/s" 00000001'
    value = made.D(b"tcp", inner(0x102, 7), sub(0x304, 8))
    check_codec(codec, value, hexed(f'03 "tcp" 0102 07 {header} 0304 08'))
    value = made.D(b"", inner(1, None), sub(0x01020304, None))
    check_codec(codec, value, hexed(f"00 01 {header} 01020304"))


def test_a_word_chooses_among_words(build: Build) -> None:
    made = build("""
        device "d" {
            param wire: one of "pci", "mmio"
            c: choice wire { "pci": u16; "mmio": u8 }
            e: choice "b" { "a": u8; "b": u16 }
            f: u8 when wire == "mmio"
        }""")
    codec = made.CODECS["D"]
    check_codec(codec, made.D(1, 2, None), hexed("0001 0002"), params={"wire": "pci"})
    check_codec(codec, made.D(1, 2, 3), hexed("01 0002 03"), params={"wire": "mmio"})
