"""Split words: their parts belong to the word that they are of, and an absent word reads as 0."""

from __future__ import annotations

import types
from collections.abc import Callable

import pytest
from helpers import check_codec, hexed

from vmsc.runtime.errors import DecodeError

Build = Callable[[str], types.ModuleType]

ENTRY = "struct Entry { bits: u8 split { valid: low 4; kind: high 4 } }\n"


def test_a_word_in_a_struct_that_is_laid_out_in_a_run_keeps_its_parts(build: Build) -> None:
    made = build(ENTRY + 'device "one" { e: Entry }')
    value = made.One(made.Entry(valid=5, kind=0x20))
    check_codec(made.CODECS["One"], value, b"\x25", framed=hexed("05 00000006  01 00000001 25"))


def test_parts_are_no_fields_of_the_struct_s_user(build: Build) -> None:
    made = build(ENTRY + 'device "two" { kind: u8  e: Entry  f: u8 when kind == 7 }')
    value = made.Two(kind=7, e=made.Entry(valid=5, kind=0x20), f=9)
    check_codec(
        made.CODECS["Two"],
        value,
        hexed("07 25 09"),
        framed=hexed("05 0000000d  01 00000002 07 25  01 00000001 09"),
    )
    other = made.Two(kind=2, e=made.Entry(valid=0, kind=0x70), f=None)
    check_codec(made.CODECS["Two"], other, hexed("02 70"))


def test_a_word_lies_in_a_struct_in_a_struct_in_a_gate(build: Build) -> None:
    made = build(
        ENTRY
        + "struct Pair { kind: u8; a: Entry; b: Entry }\n"
        + 'device "deep" { kind: u8  p: Pair when kind  f: u8 when kind == 2 }'
    )
    pair = made.Pair(kind=3, a=made.Entry(valid=1, kind=0x10), b=made.Entry(valid=2, kind=0xF0))
    check_codec(made.CODECS["Deep"], made.Deep(kind=2, p=pair, f=9), hexed("02 03 11 f2 09"))
    check_codec(made.CODECS["Deep"], made.Deep(kind=0, p=None, f=None), b"\0")


def test_fields_of_groups_whose_paths_spell_alike_are_apart(build: Build) -> None:
    made = build("""
        struct One { b__c: u8 }
        struct Two { c: u8 }
        struct Both { a: One; a__b: Two; b: One }
    """)
    value = made.Both(made.One(1), made.Two(2), made.One(3))
    check_codec(made.CODECS["Both"], value, hexed("01 02 03"))


def test_a_scan_takes_parts_of_a_nested_word_for_no_fields_of_its_own(build: Build) -> None:
    """`valid` is asked for, but not that of the word in `e`."""
    made = build(ENTRY + 'device "d" { valid: u8 max 4  e: Entry  data: bytes[valid] }')
    value = made.D(valid=2, e=made.Entry(valid=15, kind=0xF0), data=b"ab")
    check_codec(made.CODECS["D"], value, hexed('02 ff "ab"'))


# --- absent words ---------------------------------------------------------------------------------


def test_an_absent_word_reads_as_0(build: Build) -> None:
    made = build("""
        device "optional" {
            a: u8
            w: u8 split { x: low 4; y: high 4 } when a
            f: u8 when w & 1
            g: u8 when w == 0
        }""")
    codec, cls = made.CODECS["Optional"], made.Optional
    check_codec(codec, cls(a=0, x=None, y=None, f=None, g=7), hexed("00 07"))
    check_codec(codec, cls(a=1, x=1, y=0x20, f=9, g=None), hexed("01 21 09"))
    check_codec(codec, cls(a=1, x=0, y=0, f=None, g=7), hexed("01 00 07"))


def test_an_absent_word_reads_as_0_to_lets_laws_and_counts(build: Build) -> None:
    made = build("""
        device "read" {
            a: u8
            w: u8 split { x: low 4; y: high 4 } when a
            let twice = 2 * w
            require w != 3 "three is not a word"
            data: bytes[twice]
        }""")
    codec, cls = made.CODECS["Read"], made.Read
    check_codec(codec, cls(a=0, x=None, y=None, data=b""), hexed("00"))
    check_codec(codec, cls(a=1, x=2, y=0, data=b"abcd"), hexed('01 02 "abcd"'))
    with pytest.raises(DecodeError, match=r"three is not a word"):
        codec.qemu.decode(hexed('01 03 "abcdef"'))


def test_an_absent_word_reads_as_0_to_a_nested_description_and_a_subsection(build: Build) -> None:
    made = build("""
        struct Tail { param n: u8; data: bytes[n] }
        device "given" version 2 minimum 1 {
            w: u8 split { x: low 4; y: high 4 } since 2
            tail: Tail(n = w)
            subsection "given/more" { more: bytes[w] }
        }""")
    codec, more = made.CODECS["Given"], made.GivenMore
    new = made.Given(x=2, y=0, tail=made.Tail(b"ab"), more=more(b"cd"))
    header = '05 0a "given/more" 00000001'
    check_codec(codec, new, hexed(f'02 "ab" {header} "cd"'))
    old = made.Given(x=None, y=None, tail=made.Tail(b""), more=more(b""))
    check_codec(codec, old, hexed(header), version=1)


def test_a_word_of_an_outer_parameter_is_absent_by_it(build: Build) -> None:
    made = build("""
        struct Inner {
            outer kind: u8
            bits: u8 split { valid: low 4; part: high 4 } when kind
            f: u8 when bits & 1
        }
        device "d" { kind: u8  e: Inner }
    """)
    check_codec(made.CODECS["D"], made.D(0, made.Inner(None, None, None)), b"\0")
    check_codec(made.CODECS["D"], made.D(1, made.Inner(3, 0x10, 8)), hexed("01 13 08"))


def test_in_a_loop_an_absent_word_is_not_the_former_round_s(build: Build) -> None:
    made = build("""
        loop Rounds {
            kind: u8
            word: u8 split { low_part: low 4; high_part: high 4 } when kind & 1
            extra: u8 when word & 0x10
            break when kind & 0x80
            tail: u8 when word & 0x20
        }
        device "stale" { rounds: Rounds }
    """)
    one = made.Rounds
    rounds = [
        one(kind=1, low_part=0, high_part=0x30, extra=7, tail=8),
        one(kind=0, low_part=None, high_part=None, extra=None, tail=None),
        one(kind=0x81, low_part=0, high_part=0x20, extra=None, tail=None),
    ]
    wire = hexed("01 30 07 08  00  81 20")
    check_codec(made.CODECS["Stale"], made.Stale(rounds), wire)
    check_codec(made.CODECS["Rounds"], rounds, wire)


def test_in_a_loop_an_absent_field_is_not_the_former_round_s(build: Build) -> None:
    made = build("""
        loop Rounds {
            kind: u8
            n: u8 max 4 when kind & 1
            data: bytes[n]
            break when kind & 0x80
            late: u8 when kind & 2
            last: bytes[late]
        }
    """)
    one = made.Rounds
    rounds = [
        one(kind=3, n=2, data=b"ab", late=1, last=b"c"),
        one(kind=0, n=None, data=b"", late=None, last=b""),
        one(kind=0x80, n=None, data=b"", late=None, last=None),
    ]
    check_codec(made.CODECS["Rounds"], rounds, hexed('03 02 "ab" 01 "c"  00  80'))
