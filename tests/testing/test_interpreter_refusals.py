"""What the interpreter refuses, with which code and where; when it takes bytes for a subsection."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import hexed

from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.testing.interpreter import Codec, load


def codec_of(text: str) -> Codec:
    return load(text).codec("d")


# --- refusals -------------------------------------------------------------------------------------

V = 'vmsd V as "v" { a: u8; subsection "v/s" { b: u8 } } '
REFUSED = (
    ("below", 'device "d" { n: u8; a: s8 min n }', "02 01", "law", "a", 1),
    ("above", 'device "d" { n: u8; a: u8 max n + 1 }', "02 04", "law", "a", 1),
    ("not equal", 'device "d" { a: u8; b: u8 equals a }', "02 04", "law", "b", 1),
    ("a law", 'struct S { a: u8; require a < 3 "why" } device "d" { s: S[2] }', "02 03", "law",
     "s[1]", 2),
    ("a sticky state", 'loop L { s: u8 min 1 sticky when false; break when true } device "d" {'
     ' l: L }', "", "law", "l[0].s", 0),
    ("a string", 'device "d" { n: u8; s: string8 max 2 }', '01 03"abc"', "limit", "s", 1),
    ("a long string", 'device "d" { s: string32 }', "00100001", "limit", "s", 0),
    ("a tag", 'device "d" { l: list u8 }', "01 07 02 08 00", "non-canonical", "l", 2),
    ("a count", 'device "d" { n: u8; t: tree u8 => u8 }', "00 00000001 00", "count", "t", 1),
    ("a tree's tag", 'device "d" { t: tree u8 => u8 }', "00000001 02 01 01 00", "non-canonical",
     "t", 4),
    ("a sum", 'struct S { n: u8 } device "d" { l: S[until sum(n) == 4] }', "03 02", "sum", "l", 0),
    ("a marker", 'device "d" { a: nullable u8[2] marked }', "30 32", "marker", "a[1]", 1),
    ("no NULL", 'device "d" { a: nullable u8[2] present 1 }', "30 31", "marker", "a[1]", 1),
    ("no arm", 'device "d" { k: u8; c: choice k { 1: u8 } }', "02 01", "choice", "c", 1),
    ("too short a window", 'device "d" { n: u8; w: within[n] u16; x: u8 }', "01 00 00", "overrun",
     "w", 2),
    ("too long a window", 'device "d" { w: within[3] u16 }', "00 00 00", "leftover", "w", 2),
    ("a window that is not there", 'device "d" { w: within[3] u16 }', "00 00", "truncated", "w", 2),
    ("a law in a window that is too short", 'struct S { a: u8 max 1; b: u8 } device "d" { w:'
     ' within[1] S }', "02", "law", "w.a", 0),
    ("rest", 'device "d" { a: u8 }', "01 02", "trailing", "", 1),
    ("an unknown subsection", V + 'device "d" { v: V }', '01 05 03"v/t" 00000001',
     "unknown-subsection", "v", 1),
    ("its slash is not looked at", V + 'device "d" { v: V }', '01 05 03"vv/" 00000001',
     "unknown-subsection", "v", 1),
    ("twice", V + 'device "d" { v: V }', '01 05 03"v/s" 00000001 02 05 03"v/s" 00000001 02',
     "non-canonical", "v", 11),
    ("a large version", V + 'device "d" { v: V }', '01 05 03"v/s" 00000101 02', "non-canonical",
     "v", 6),
    ("another version", V + 'device "d" { v: V }', '01 05 03"v/s" 00000002 02', "version", "v.s",
     1),
    ("a cut number in a loop", 'loop L { w: u16; break when w } device "d" { l: L }', "0000 00",
     "truncated", "l[1].w", 3),
    ("a cut key", 'device "d" { t: tree u16 => u8 }', "00000001 01 00", "truncated", "t[0]", 6),
)  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[c[0] for c in REFUSED])
def test_bad_wire_is_refused_with_its_place(case: tuple[str, str, str, str, str, int]) -> None:
    _, text, wire, code, field, offset = case
    with pytest.raises(DecodeError) as found:
        codec_of(text).decode(hexed(wire))
    error = found.value
    assert (error.code, error.field, error.offset) == (code, field, offset)


UNWRITABLE: tuple[tuple[str, Any, str, str], ...] = (
    ("u8", 256, "range", "a"), ("s8", -129, "range", "a"), ("u8", None, "range", "a"),
    ("u8 max 3", 4, "law", "a"), ("u8 min 3", 2, "law", "a"), ("u8 equals 3", 2, "law", "a"),
    ("bytes[2]", b"a", "length", "a"), ("unused[2]", b"a", "length", "a"), ("u8[2]", [1], "length",
     "a"),
    ("u8[2]", [1, -1], "range", "a[1]"), ("string8 max 2", b"abc", "limit", "a"), ("bitmap[65]",
     [0], "length", "a"),
    ("string8", [1], "type", "a"), ("f64", 1, "type", "a"), ("list u8", [1, 256], "range", "a[1]"),
    ("tree u8 => u8", [(256, 1)], "range", "a[0]"), ("nullable u8[1] present 0", [1], "mask",
     "a[0]"),
    ("nullable u8[1] present 1", [None], "mask", "a[0]"), ("within[2] u8", 1, "length", "a"),
    ("choice 3 { 1: u8 }", 1, "choice", "a"), ("u8 when false", 1, "presence", "a"),
    ("S[until x == 0]", [{"x": 0}], "stop", "a[0].x"), ("S[until sum(x) == 3]", [{"x": 2}], "sum",
     "a"),
    ("S[until sum(x) == 3]", [{"x": 3}, {"x": 0}], "sum", "a"), ("S", {"x": 1, "y": 1}, "type",
     "a"),
    ("L", [], "loop", "a"), ("L", [{"x": 1}], "loop", "a"), ("L", [{"x": 0}, {"x": 0}], "loop",
     "a[0]"),
)  # fmt: skip


@pytest.mark.parametrize("case", UNWRITABLE, ids=[f"{c[0]} of {c[1]!r}" for c in UNWRITABLE])
def test_value_that_has_no_wire_is_refused_with_its_field(case: tuple[str, Any, str, str]) -> None:
    type_, value, code, field = case
    text = f'struct S {{ x: u8 }} loop L {{ x: u8; break unless x }} device "d" {{ a: {type_} }}'
    with pytest.raises(EncodeError) as found:
        codec_of(text).encode({"a": value})
    assert (found.value.code, found.value.field) == (code, field)


def test_parts_stay_in_their_places_and_a_sticky_field_in_its_state() -> None:
    split = codec_of('device "d" { w: u8 split { x: low 4; y: high 4 } }')
    with pytest.raises(EncodeError, match="y: 1 is not in its place"):
        split.encode({"x": 1, "y": 1})
    loop = codec_of('loop L { k: u8; s: u8 sticky when k; break unless k } device "d" { l: L }')
    with pytest.raises(EncodeError) as found:
        loop.encode({"l": [{"k": 1, "s": 5}, {"k": 0, "s": 6}]})
    assert (found.value.code, found.value.field) == ("sticky", "l[1].s")


# --- the peek rule --------------------------------------------------------------------------------

PEEK: tuple[tuple[str, str, int | str], ...] = (
    # After `v`, nothing or one of its subsections.
    ("v: V", "01", 1),
    ("v: V", "01 05", "truncated"),
    ("v: V", "01 05 03", "truncated"),
    ("v: V", '01 05 03 "v"', "truncated"),
    ("v: V", '01 05 03 "v/s" 000000', "truncated"),
    ("v: V", '01 05 03 "v/s" 00000001 02', 11),
    # 05 is data where no length over that of the name follows, or another name.
    ("v: V; w: u8", "01 05", 2),
    ("v: V; w: u8; x: u8", "01 05 01", 3),
    ("v: V; w: u8; x: u8", '01 05 03 "w"', 3),
    ("v: V; l: list tag 5 u8", "01 05 02 05 02 00", 6),
    ("v: V", "01 05 01", 1),
    # What could be a header is data if fields take all of it, and refuse nothing.
    ("v: V; w: u8; x: u8", "01 05 03", 3),
    ("v: V; w: u8", "01 05 03", "truncated"),
    ("v: V; l: list u8", "01 05", "truncated"),
    ("v: V; w: u8 max 4; x: u8", "01 05 03", "truncated"),
    ("v: V; w: u8[3] when v.a", "01 05 03", "truncated"),
    # With a byte of the name, it is a header.
    ("v: V; w: u8[3]", '01 05 03 "v"', "truncated"),
    ("v: V; w: u8[5]", '01 05 03 "v/s"', "truncated"),
    # In a window, what lies behind its end is not looked at.
    ("w: within[1] V; x: u8[3]", "01 05 02 76", 4),
    ("w: within[2] V", "01 05", "overrun"),
    ("w: within[3] S", "01 05 03", 3),
    ("w: within[4] S", '01 05 03 "v"', "overrun"),
    ("w: within[3] S; x: u8", "01 05 03 05", 4),
)


@pytest.mark.parametrize("case", PEEK, ids=[f"{c[0]}, {c[1]}" for c in PEEK])
def test_a_subsection_is_peeked_for_at_the_end_of_an_input(
    case: tuple[str, str, int | str],
) -> None:
    fields, wire, wanted = case
    codec = codec_of(V + f'struct S {{ v: V; w: u8; x: u8 }} device "d" {{ {fields} }}')
    data = hexed(wire)
    if isinstance(wanted, int):
        assert codec.decode_from(data, final=True).end == wanted
    else:
        with pytest.raises(DecodeError) as found:
            codec.decode_from(data, final=True)
        assert (found.value.code, found.value.offset) == (wanted, len(data))


def test_an_end_that_is_not_final_asks_for_a_subsection() -> None:
    codec = codec_of(V + 'device "d" { v: V; w: u8; x: u8 }')
    for wire in ("01", "01 05", "01 05 03", '01 05 03 "v"', "01 02 03", "01 02 03 05"):
        with pytest.raises(Truncated) as found:
            codec.decode_from(hexed(wire), final=False)
        assert found.value.offset == len(hexed(wire))
    assert codec.decode_from(hexed("01 02 03 07"), final=False).end == 3
