"""The interpreter against bytes that were worked out by hand from docs/language.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from helpers import hexed

from vmsc.runtime.errors import Truncated
from vmsc.testing.interpreter import F64, Codec, load


@dataclass(frozen=True)
class Case:
    """The bytes of a value, of the first description of a text or the one that is named `d`."""

    title: str
    text: str
    wire: str
    value: Any
    version: int | None = None
    params: Mapping[str, Any] | None = None

    @property
    def given(self) -> dict[str, Any]:
        return {"version": self.version, "params": self.params or {}}


def codec_of(text: str) -> Codec:
    return load(text).codec("d")


CASES = (
    # --- numbers, bytes ---------------------------------------------------------------------------
    Case(
        "numbers of every kind",
        'device "d" { a: s8; b: u16; c: little u16; d: host u32; e: bool; f: f64; g: timer }',
        "ff 1234 3412 78563412 07 7ff0000000000001 ffffffffffffffff",
        {
            "a": -1, "b": 0x1234, "c": 0x1234, "d": 0x12345678, "e": 7,
            "f": F64(0x7FF0000000000001), "g": -1,
        },
    ),
    Case(
        "bytes, strings, bitmaps, padding",
        'device "d" { a: bytes[2]; b: string8; c: string32 max 9; d: bitmap[65]; unused[1]'
        " e: unused[2]; unused[1]; f: opaque[2]; g: opaque }",
        'aabb 02"hi" 00000001"x" 0000000000000001 0000000000000002 c0 c1c2 c3 d1d2 eeef',
        {
            "a": b"\xaa\xbb", "b": b"hi", "c": b"x", "d": [1, 2], "unused": b"\xc0",
            "e": b"\xc1\xc2", "unused2": b"\xc3", "f": b"\xd1\xd2", "g": b"\xee\xef",
        },
    ),
    Case(
        "the left dimension is the outer one; of bytes, the right one is the length",
        'device "d" { a: u8[2][3]; b: bytes[2][3]; c: bitmap[2][1] }',
        '01 02 03 04 05 06 "abcdef" 0000000000000007 0000000000000008',
        {"a": [[1, 2, 3], [4, 5, 6]], "b": [b"abc", b"def"], "c": [[7], [8]]},
    ),
    Case(
        "brackets behind a prefix are of the whole: two lists, not a list of pairs",
        'device "d" { a: list u8[2]; b: little u16[2] }',
        "01 05 01 06 00 00 0100 0200",
        {"a": [[5, 6], []], "b": [1, 2]},
    ),
    Case(
        "a comparison is a count of 0 or 1",
        'device "d" { n: u8; a: u8[n > 3]; b: bytes[n == 4]; c: bitmap[n != 4] }',
        "04 09 aa",
        {"n": 4, "a": [9], "b": b"\xaa", "c": []},
    ),
    # --- presence ---------------------------------------------------------------------------------
    Case(
        "since a version",
        'device "d" version 3 minimum 1 { a: u8; b: u8 since 2; c: u8 since 3; d: u8 when'
        ' version < 3 }',
        "01 02 04",
        {"a": 1, "b": 2, "c": None, "d": 4},
        version=2,
    ),
    Case(
        "what is absent reads as 0, or as no bytes",
        'struct S { x: u8; y: u8[2]; z: bytes[2] } device "d" { n: u8; s: S when n'
        " a: u8 when s.x == 0 and s.y[1] == 0 and length(s.z) == 0 and not s.z[0] }",
        "00 07",
        {"n": 0, "s": None, "a": 7},
    ),
    Case(
        "a word that is split, and can be read as a whole",
        'device "d" { w: u16 split { low_one: low 4; mid: bits 4..11; top: high 4 } a: u8 when w'
        ' == 0x1234'
        " b: u8 when top + mid + low_one == w }",
        "1234 01 02",
        {"low_one": 4, "mid": 0x230, "top": 0x1000, "a": 1, "b": 2},
    ),
    Case(
        "an absent word reads as 0",
        'device "d" { n: u8; w: u8 split { x: low 4; y: high 4 } when n; a: u8 when w & 1; b: u8'
        ' unless y }',
        "00 07",
        {"n": 0, "x": None, "y": None, "a": None, "b": 7},
    ),
    Case(
        "a part belongs to the description that its word is in",
        "struct E { w: u8 split { kind: low 4; rest: high 4 } x: u8 when kind == 1 }"
        ' device "d" { kind: u8; e: E; a: u8 when kind == 3 }',
        "03 21 05 06",
        {"kind": 3, "e": {"kind": 1, "rest": 0x20, "x": 5}, "a": 6},
    ),
    # --- lists ------------------------------------------------------------------------------------
    Case(
        "lists by tags, trees",
        'device "d" { a: list u8; b: list tag 42 u8; c: tree u8 => string8; e: tree u8 => u8 }',
        '01 07 01 08 00 2a 09 00 00000002 01 01 01"x" 01 02 00 00 00000000 00',
        {"a": [7, 8], "b": [9], "c": [(1, b"x"), (2, b"")], "e": []},
    ),
    Case(
        "until a number, until a sum",
        'struct S { id: s16; n: u8 } struct R { len: u8; x: u8 }'
        ' device "d" { a: S[until id == -1]; total: u8; b: R[until sum(len) == total] }',
        "0001 09 fffe 08 ffff 05 00 0a 05 0b",
        {
            "a": [{"id": 1, "n": 9}, {"id": -2, "n": 8}], "total": 5,
            "b": [{"len": 0, "x": 10}, {"len": 5, "x": 11}],
        },
    ),
    Case(
        "what is before `until` is its element: two lists",
        'struct S { id: u8; n: u8 } device "d" { a: S[until id == 0][2]; b: S[until sum(n) =='
        ' 1][1] }',
        "01 02 03 04 00 00 05 01",
        {
            "a": [[{"id": 1, "n": 2}, {"id": 3, "n": 4}], []],
            "b": [[{"id": 5, "n": 1}]],
        },
    ),
    Case(
        "pointers that may be NULL: by a mask, by markers",
        'device "d" { param m: bits max 9; a: nullable u8[3] present m << 1; b: nullable u16[2]'
        ' marked }',
        "30 30 31 30 31 0102",
        {"a": [None, 0x30, 0x31], "b": [None, 0x0102]},
        params={"m": 3},
    ),
    Case(
        "an element that is there has no marker",
        'device "d" { a: nullable u8[2] present 1 }',
        "30 30",
        {"a": [0x30, None]},
    ),
    Case(
        "choices by numbers, expressions, strings",
        'struct A { x: u8 } device "d" { k: u8; a: choice k { 1: A; 2: u16[2]; else: bytes[1] }'
        ' s: string8; b: choice s { "a": u8; else: A }; c: choice k & 1 { 0: u8; 1: u16 } }',
        '02 0001 0002 01"b" 07 08',
        {"k": 2, "a": [1, 2], "s": b"b", "b": {"x": 7}, "c": 8},
    ),
    Case(
        "a length that binds",
        'struct S { n: u8; b: bytes[n] } device "d" { len: u8; s: within[len] S; t: within[2]'
        ' u16 }',
        "03 02 aa bb 0102",
        {"len": 3, "s": {"n": 2, "b": b"\xaa\xbb"}, "t": 0x0102},
    ),
    # --- loops ------------------------------------------------------------------------------------
    Case(
        "rounds; a sticky field is what it last was; a round knows nothing of the one before",
        'loop L { k: u8; s: u8 sticky when k & 1; w: u8 when k & 2; x: u8 when w == 0'
        ' break when k & 0x80; y: u8 } device "d" { l: L; end: u8 }',
        "03 07 05 01  00 06 02  82 09  0a",
        {
            "l": [
                {"k": 3, "s": 7, "w": 5, "x": None, "y": 1},
                {"k": 0, "s": 7, "w": None, "x": 6, "y": 2},
                {"k": 0x82, "s": 7, "w": 9, "x": None, "y": None},
            ],
            "end": 10,
        },
    ),
    Case(
        "a loop ends unless; sticky state goes on in the next loop",
        'loop L { k: u8; s: string8 sticky unless k & 1; break unless k & 2 } device "d" { a: L;'
        ' b: L[2] }',
        '02 01"x" 01  03 00 01"y" 01',
        {
            "a": [{"k": 2, "s": b"x"}, {"k": 1, "s": b"x"}],
            "b": [[{"k": 3, "s": b"x"}, {"k": 0, "s": b"y"}], [{"k": 1, "s": b"y"}]],
        },
    ),
    # --- descriptions -----------------------------------------------------------------------------
    Case(
        "a nested description is at its own version, or at the one that is named",
        'vmsd V as "v" version 3 minimum 1 { a: u8; b: u8 since 2; c: u8 since 3 }'
        ' device "d" version 2 minimum 1 { x: V; y: V version 1; z: V version 2[2] }',
        "01 02 03 04 05 06 07 08",
        {
            "x": {"a": 1, "b": 2, "c": 3}, "y": {"a": 4, "b": None, "c": None},
            "z": [{"a": 5, "b": 6, "c": None}, {"a": 7, "b": 8, "c": None}],
        },
        version=1,
    ),
    Case(
        "subsections: within the midst, nested, with versions of their own",
        'vmsd V as "v" { a: u8; subsection "v/s" as extra { b: u8 } } device "d" { v: V; w: V;'
        ' n: u8'
        ' subsection "d/one" version 3 minimum 2 { a: u8 when version == 2; b: u8[n]'
        ' subsection "d/one/in" { c: u8 } } subsection "d/two" {} }',
        '01 05 03"v/s" 00000001 02  03  01  05 05"d/one" 00000002 09 0a 05 08"d/one/in" 00000001 0b'
        ' 05 05"d/two" 00000001',
        {
            "v": {"a": 1, "extra": {"b": 2, "@version": 1}}, "w": {"a": 3, "extra": None}, "n": 1,
            "one": {"a": 9, "b": [10], "in": {"c": 11, "@version": 1}, "@version": 2},
            "two": {"@version": 1},
        },
    ),
    Case(
        "names that are words of the language, in quotes and before a colon",
        'device "d" { min: u8; max: u8; `version`: u8; unused: u8; low: u8 when `version` == 3'
        " since: u8 min 1 max 9; choice: u8 when min == 1 and version == 1 }",
        "01 02 03 04 06 07 08",
        {"min": 1, "max": 2, "version": 3, "unused": 4, "low": 6, "since": 7, "choice": 8},
    ),
    # --- parameters -------------------------------------------------------------------------------
    Case(
        "a parameter that nothing binds is one of all that holds it; one that is bound is not",
        "struct S { param n: u8; param m: u8 = 2; a: u8[n]; b: u8[m] }"
        ' device "d" { k: u8 max 9; s: S(n = k + 1); t: S(m = 0) }',
        "00 01 02 03 04",
        {"k": 0, "s": {"a": [1], "b": [2, 3]}, "t": {"a": [4], "b": []}},
        params={"n": 1},
    ),
    Case(
        "outer names are of the nearest that has one by then",
        "struct In { outer k: u8; outer c: bytes; a: u8[k]; b: u8 when little16(c, 0) == 0x0201 }"
        ' struct Far { i: In } struct Near { k: u8; i: In }'
        ' device "d" { k: u8; c: bytes[2]; f: Far; n: Near }',
        "02 0102 0a0b 0c 01 0d 0e",
        {
            "k": 2, "c": b"\1\2", "f": {"i": {"a": [10, 11], "b": 12}},
            "n": {"k": 1, "i": {"a": [13], "b": 14}},
        },
    ),
    Case(
        "a description for a parameter, handed on",
        "struct A { x: u8 } struct B { x: u16 } struct In { param t: description; v: t }"
        ' struct Mid { param t: description; i: In(t = t) } device "d" { a: Mid(t = A); b: Mid(t'
        ' = B) }',
        "01 0002",
        {"a": {"i": {"v": {"x": 1}}}, "b": {"i": {"v": {"x": 2}}}},
    ),
    Case(
        "words, sets, booleans",
        'param bus: one of "pci" at "*:*", "isa" device "d" { param c: bits max 100; param b: bool'
        ' a: u8 when bus == "isa"; x: u8 when bit(c, 99); y: u8 unless b; z: u8[b] }',
        "01 02 03",
        {"a": 1, "x": 2, "y": None, "z": [3]},
        params={"bus": "isa", "c": 1 << 99, "b": True},
    ),
    Case(
        "functions of bytes: what lies beyond their end reads as 0",
        'device "d" { c: bytes[3]; a: u8 when little16(c, 1) == 0x0302; b: u8 when little16(c,'
        ' 2) == 3'
        " e: u8 when little32(c, 0) == 0x030201; f: u8 when little16(c, 3) == 0 and length(c) =="
        " 3 }",
        "010203 0a 0b 0c 0d",
        {"c": b"\1\2\3", "a": 10, "b": 11, "e": 12, "f": 13},
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[c.title for c in CASES])
def test_value_and_wire_stand_for_each_other(case: Case) -> None:
    codec = codec_of(case.text)
    wire = hexed(case.wire)
    assert codec.decode(wire, **case.given) == case.value
    assert codec.encode(case.value, **case.given) == wire
    if "opaque }" not in case.text:
        found = codec.decode_from(b"\5\5" + wire + b"\xaa\5", 2, **case.given)
        assert found.value == case.value and found.end == 2 + len(wire)


@pytest.mark.parametrize("case", CASES, ids=[c.title for c in CASES])
def test_every_prefix_asks_for_more(case: Case) -> None:
    codec = codec_of(case.text)
    wire = hexed(case.wire)
    for size in range(len(wire)):
        with pytest.raises(Truncated) as found:
            codec.decode_from(wire[:size], final=False, **case.given)
        assert 1 <= found.value.need <= len(wire) - size or "opaque }" in case.text
        assert found.value.offset == size


# --- expressions ----------------------------------------------------------------------------------

EXPRESSIONS = (
    ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("10 - 4 - 3", 3), ("10 - (4 - 3)", 9),
    ("x / y", -4), ("x % y", 1), ("7 / -2", -4), ("7 % -2", -1), ("2 * 7 / 4", 3), ("7 / 4 * 2", 2),
    ("2 << 1 + 1", 8), ("1 << 3 >> 2", 2), ("-8 >> 1", -4), ("6 & 3 == 2", 1), ("6 & (3 == 2)", 0),
    ("1 | 2 ^ 3 & 2", 1), ("4 | 3 ^ 1", 6), ("(4 | 3) ^ 1", 6), ("5 ^ 1 == 4", 1), ("3 | 4 < 8", 1),
    ("not 0 == 1", 1), ("not (0 or 3)", 0), ("1 or 0 and 0", 1), ("(1 or 0) and 0", 0),
    ("7 and 4", 1), ("0 or 3", 1), ("not 5 + 1", 0), ("1 < 2 and 2 < 1 or 4 >= 4", 1),
    ("-2 + 5", 3), ("~0", -1), ("-~6", 7), ("~x & 0xf", 6), ("-x * 2", 14), ("2 - -3", 5),
    ("(1 < 2) + (2 <= 2) + (2 != 2)", 2), ("true + true - false", 2), ("(1 < 2) == (5 > 4)", 1),
    ("ceil_div(7, 2)", 4), ("ceil_div(-7, 2)", -3), ("align(5, 4)", 8), ("align(8, 4)", 8),
    ("bit(10, 3)", 1), ("bit(10, 2)", 0), ("min(3, 1, 2)", 1), ("max(3, 1, 2)", 3),
    ("4 * (y + max(1, x))", 12), ("2K", 2048), ("0x1_0", 16), ("0b101", 5), ("1M / 1K", 1024),
     ("1_0", 10),
    ("SUM", 12), ("version", 1),
)  # fmt: skip


@pytest.mark.parametrize(("text", "value"), EXPRESSIONS, ids=[e[0] for e in EXPRESSIONS])
def test_expressions_mean_what_the_page_says(text: str, value: int) -> None:
    schema = (
        "const FOUR = 4 const SUM = FOUR + 2 * FOUR param x: s32 param y: s32"
        f' device "d" {{ a: u8 when ({text}) == {value}'
        f" let known = {text} b: u8 when known == {value} }}"
    )
    codec = codec_of(schema)
    params = {name: {"x": -7, "y": 2}[name] for name in codec.parameters}
    assert codec.decode(b"\x09\x0a", params=params) == {"a": 9, "b": 10}


def test_lets_that_double_each_other_are_reckoned_once() -> None:
    lets = " ".join(f"let x{i + 1} = x{i} + x{i}" for i in range(60))
    codec = codec_of(f'device "d" {{ x0: u8; {lets} a: u8 when x60 == 1 << 60 }}')
    assert codec.decode(b"\1\7") == {"x0": 1, "a": 7}
