"""Sticky fields: what one last was is known to every loop of the section that has it."""

from __future__ import annotations

import types
from collections.abc import Callable

import pytest
from helpers import attempt, check_codec, hexed

from vmsc.runtime.errors import EncodeError

Build = Callable[[str], types.ModuleType]

LOOP = """
    loop R {
        k: u8
        name: string8 sticky unless k & 1
        n: u8 sticky when k & 2
        break when k & 0x80
    }
"""


def test_a_loop_begins_with_what_the_loop_before_it_ended_with(build: Build) -> None:
    made = build(LOOP + 'device "d" { a: R  x: u8  b: R }')
    one = made.R
    first = [one(k=2, name=b"ab", n=7), one(k=0x81, name=b"ab", n=7)]
    second = [one(k=1, name=b"ab", n=7), one(k=0x82, name=b"c", n=8)]
    wire = hexed('02 02 "ab" 07  81  05  01  82 01 "c" 08')
    check_codec(made.CODECS["D"], made.D(first, 5, second), wire)
    later = [one(k=0x81, name=b"z", n=9)]
    given = {"name": b"z", "n": 9}
    check_codec(made.CODECS["D"], made.D(later, 5, later), hexed("81 05 81"), params=given)


def test_it_is_known_across_lists_structs_and_subsections(build: Build) -> None:
    made = build(
        LOOP
        + """
        struct S { l: list R }
        device "d" { s: S[2]  t: tree u8 => R  w: within[1] R  subsection "d/last" { r: R } }
        """
    )
    sent, kept = [made.R(0x82, b"ab", 7)], [made.R(0x81, b"ab", 7)]
    lists = [made.S([sent, kept]), made.S([kept])]
    value = made.D(s=lists, t=[(1, kept)], w=kept, last=made.DLast(kept))
    wire = hexed("""
        01 82 02 "ab" 07 01 81 00
        01 81 00
        00000001 01 01 81 00
        81
        05 06 "d/last" 00000001 81
    """)
    check_codec(made.CODECS["D"], value, wire)


def test_a_value_that_is_not_what_it_last_was_is_refused(build: Build) -> None:
    made = build(LOOP + 'device "d" { a: R  b: R }')
    value = made.D([made.R(0x82, b"ab", 7)], [made.R(0x81, b"ab", 8)])
    with pytest.raises(EncodeError, match=r"^b\[0\].n: 8 is not sent here and stays 7"):
        made.encode_d(value)
    assert attempt(lambda: made.decode_d(hexed('82 02 "ab" 07 81'))).b[0].n == 7
