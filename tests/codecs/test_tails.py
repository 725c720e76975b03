"""What follows a nested description: whether an 05 where it ends begins a subsection of its, or is
data of what follows. Only the whole tells, where the input is cut.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import partial

import pytest
from helpers import attempt, check_codec, hexed

from vmsc.runtime.errors import DecodeError, Truncated

Build = Callable[[str], types.ModuleType]

V = 'vmsd V as "v" { a: u8  subsection "v/s" { b: u8 } }\n'
SUB = '05 03 "v/s" 00000001'


def test_each_arm_of_a_choice_is_told_of_its_own_end(build: Build) -> None:
    made = build("""
        vmsd V as "v" { x: u8 }
        vmsd W as "w" { y: u16 }
        device "d" { k: u8 max 1; c: choice k { 0: V[2]; 1: W } }
    """)
    codec = made.CODECS["D"]
    check_codec(codec, made.D(1, made.W(3)), hexed("01 0003"))
    check_codec(codec, made.D(0, [made.V(1), made.V(5)]), hexed("00 01 05"))


def test_the_last_element_of_the_last_row_is_the_last(build: Build) -> None:
    made = build('vmsd V as "v" { x: u8 } device "g" { a: V[2][2] }')
    v = made.V
    check_codec(made.CODECS["G"], made.G([[v(1), v(2)], [v(3), v(5)]]), hexed("01 02 03 05"))
    check_codec(made.CODECS["G"], made.G([[v(5), v(5)], [v(5), v(5)]]), hexed("05 05 05 05"))


def test_elements_of_rows_have_subsections_of_their_own(build: Build) -> None:
    made = build(V + 'device "g" { a: V[2][2] }')
    with_s, without = made.V(1, made.VS(7)), made.V(5)
    rows = [[without, with_s], [with_s, without]]
    check_codec(made.CODECS["G"], made.G(rows), hexed(f"05 01 {SUB} 07 01 {SUB} 07 05"))


def test_a_scan_and_a_decode_are_told_alike(build: Build) -> None:
    made = build('vmsd V as "v" { n: u8 } device "s" { a: V; data: bytes[a.n] }')
    wire = hexed("02 05 09")
    check_codec(made.CODECS["S"], made.S(made.V(2), b"\5\x09"), wire)
    assert made.scan_s(wire) == 3


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ("l: list u8", "01 07 00"),
        ("t: tree u8 => u8", "00000000 00"),
        ("n: u8 equals 3", "03"),
        ("n: u16 max 4", "0004"),
        ("n: u8; data: bytes[n]", "00"),
        ("n: u16; data: bytes[n]", "0001 aa"),
        ("n: u8; require n != 5", "03"),
        ("c: choice v.a { 9: u8; 7: u16 }", "0001"),
        ("m: nullable u8[1] marked", "31 05"),
        ("w: within[1] u8", "05"),
        ("data: bytes[v.a - 7]", ""),
        ("x: V", "05"),
        ("x: V[2]", "05 05"),
    ],
)
def test_a_strict_prefix_that_ends_in_a_subsection_s_first_bytes_is_truncated(
    build: Build, body: str, rest: str
) -> None:
    """check_codec tries them all."""
    v = V if "v.a -" not in body else V.replace("a: u8", "a: u8 min 7")
    made = build(v + f'device "device" {{ v: V  {body} }}')
    codec = made.CODECS["Device"]
    for wire in (hexed(f"07 {rest}"), hexed(f"07 {SUB} 08 {rest}")):
        check_codec(codec, codec.qemu.decode(wire), wire)
    for cut in (hexed("07 05"), hexed("07 05 03")):
        for read in (codec.qemu.decode, codec.qemu.decode_from, codec.qemu.scan):
            found = attempt(partial(read, cut))
            assert isinstance(found, Truncated) or not isinstance(found, DecodeError)


def test_an_05_that_ends_the_input_is_data_if_it_can_be(build: Build) -> None:
    made = build(V + 'device "d" { v: V  n: u8 }')
    assert made.decode_d(b"\7\5") == made.D(made.V(7), 5)
    assert made.scan_d(b"\7\5") == 2
    assert isinstance(attempt(lambda: made.decode_d_from(b"\7\5", final=False)), Truncated)


def test_what_is_refused_is_so_for_its_own_reason(build: Build) -> None:
    """An 05 elsewhere is no header that was cut."""
    made = build(V + 'device "d" { v: V  l: list u8 }')
    for wire, code in (("07 01 03 05", "non-canonical"), ("07 00 06", "trailing")):
        assert attempt(partial(made.decode_d, hexed(wire))).code == code
    assert attempt(lambda: made.decode_d(hexed("05 06"))).code == "non-canonical"


def test_in_a_substream_nothing_is_cut(build: Build) -> None:
    made = build(
        V + "struct In { v: V; l: list u8 }\n" + 'device "d" { w: within[2] In  x: u8 max 2 }'
    )
    codec = made.CODECS["D"]
    check_codec(codec, made.D(made.In(made.V(7), []), 1), hexed("07 00 01"))
    assert attempt(lambda: made.decode_d(hexed("07 05 01"))).code == "non-canonical"


def test_elements_up_to_a_sum_are_followed_by_others(build: Build) -> None:
    made = build(V.replace("a: u8", "a: u8 max 9") + 'device "d" { l: V[until sum(a) == 6] }')
    codec, v = made.CODECS["D"], made.V
    check_codec(codec, made.D([v(1), v(5)]), hexed("01 05"))
    check_codec(codec, made.D([v(1), v(5, made.VS(5))]), hexed(f"01 05 {SUB} 05"))


def test_a_loop_s_rounds_are_followed_by_others(build: Build) -> None:
    made = build(V + 'loop R { v: V  break when v.a == 5 } device "d" { r: R  x: u8 }')
    codec, one, v = made.CODECS["D"], made.R, made.V
    check_codec(codec, made.D([one(v(1)), one(v(5))], 5), hexed("01 05 05"))
    check_codec(codec, made.D([one(v(1, made.VS(2))), one(v(5))], 0), hexed(f"01 {SUB} 02 05 00"))
    check_codec(made.CODECS["R"], [one(v(1)), one(v(5, made.VS(5)))], hexed(f"01 05 {SUB} 05"))


@pytest.mark.parametrize("wrong", ["abc", None, [1], 3, {}, b"".join])
def test_what_is_no_bytes_is_a_type_error(build: Build, wrong: object) -> None:
    made = build('struct Empty {} device "d" { a: u8  l: list u8 } vmsd V as "v" { d: bytes[0] }')
    for codec in made.CODECS.values():
        for profile in (codec.qemu, codec.framed):
            with pytest.raises(TypeError):
                profile.decode(wrong)
