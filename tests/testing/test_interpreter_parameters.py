"""What the interpreter is given beside the bytes: parameters, versions, state, plugins, files."""

from __future__ import annotations

import pytest
from helpers import hexed

from vmsc.runtime.errors import DecodeError, EncodeError, ParamError, Truncated
from vmsc.testing.interpreter import F64, Codec, SchemaError, Transform, WireType, load


def codec_of(text: str) -> Codec:
    return load(text).codec("d")


def test_parameters_are_asked_for_when_they_are_needed_and_held_to_their_domains() -> None:
    codec = codec_of('param n: u8 min 1 max 4 device "d" { k: u8; a: u8[n] when k }')
    assert codec.decode(b"\0") == {"k": 0, "a": None}
    with pytest.raises(ParamError):
        codec.decode(b"\1\2")
    mask = codec_of('param m: bits max 9 device "d" { n: u8; a: nullable u8[n] present m }')
    assert mask.decode(b"\0") == {"n": 0, "a": []}
    for unfit in (0, 5, "x"):
        with pytest.raises(ParamError):
            codec.decode(b"\0", params={"n": unfit})


def test_known_parameters_are_those_that_nothing_binds() -> None:
    text = (
        "param lines: u8 max 9 param unasked: u8"
        " struct S { param n: u8; param m: u16 = 1; outer k: u8; outer j: u8; a: u8[n] }"
        " loop L { w: u8; s: string8 sticky when w; break when w }"
        ' device "d" { k: u8; s: S(n = lines); l: L }'
    )
    found = codec_of(text).parameters
    assert {n: (p.kind, p.most, p.has_default, p.sticky, p.outer) for n, p in found.items()} == {
        "lines": ("number", 9, False, False, False),
        "m": ("number", 0xFFFF, True, False, False),
        "j": ("number", 255, False, False, True),
        "s": ("bytes", 255, False, True, False),
    }


def test_versions_are_held_to_the_descriptions() -> None:
    codec = codec_of('device "d" version 3 minimum 2 { a: u8 }')
    for version in (1, 4):
        with pytest.raises(DecodeError) as found:
            codec.decode_from(b"xx\0", 2, version=version)
        assert (found.value.code, found.value.offset) == ("version", 2)
        with pytest.raises(EncodeError):
            codec.encode({"a": 0}, version=version)


def test_sticky_state_is_carried_from_section_to_section() -> None:
    codec = codec_of(
        'loop L { k: u8; s: string8 sticky when k & 1; break when k & 2 } device "d" { l: L }'
    )
    assert codec.decode(b"\2") == {"l": [{"k": 2, "s": b""}]}
    first = codec.decode_from(b"\1\1a\3\1b", final=True)
    assert first.carried == {"s": b"b"}
    assert codec.decode(b"\2", params=first.carried) == {"l": [{"k": 2, "s": b"b"}]}
    assert codec.encode({"l": [{"k": 2, "s": b"b"}]}, params=first.carried) == b"\2"


def test_transforms_keep_a_number_in_another_form() -> None:
    def to_value(exponent: int) -> int:
        if exponent > 31:
            raise ValueError("the exponent is over 31")
        return 1 << exponent

    power = Transform(to_value, lambda value: value.bit_length() - 1)
    codec = load('device "d" { a: u8; p: u8 max 64 via power }', transforms={"power": power}).codec(
        "d"
    )
    assert codec.decode(b"\0\6") == {"a": 0, "p": 64}
    assert codec.encode({"a": 0, "p": 64}) == b"\0\6"
    for wire, code in ((b"\0\7", "law"), (b"\0\x20", "transform")):
        with pytest.raises(DecodeError) as found:
            codec.decode(wire)
        assert (found.value.code, found.value.field, found.value.offset) == (code, "p", 1)


def test_other_files_lend_descriptions_constants_and_parameters() -> None:
    others = {
        "std.fifo": "use std.base param size: u8 max LIMIT"
        " struct Fifo { param room: u8; a: bytes[room]; b: Base }",
        "std.base": "const LIMIT = 3 struct Base { x: u8 }",
    }
    text = 'use std.fifo device "d" { f: Fifo(room = size) }'
    codec = load(text, modules=others).codec("d")
    assert codec.parameters["size"].most == 3
    assert codec.decode(b"xy\7", params={"size": 2}) == {"f": {"a": b"xy", "b": {"x": 7}}}
    with pytest.raises(SchemaError):
        load(text)


def test_a_plugins_type_reads_up_to_the_end_of_what_is_around_it() -> None:
    def decode(data: bytes, pos: int) -> tuple[int, int]:
        if len(data) - pos < 3:
            raise Truncated(3 - (len(data) - pos), offset=len(data))
        return int.from_bytes(data[pos : pos + 3], "big"), pos + 3

    three = WireType(decode, lambda value: value.to_bytes(3, "big"), lambda rng: rng.randrange(99))
    text = 'device "d" { a: u24[2]; n: u8; w: within[n] u24; b: u8 when a[0] == 1 }'
    codec = load(text, types={"u24": three}).codec("d")
    value = {"a": [1, 0x020304], "n": 3, "w": 5, "b": 7}
    wire = hexed("000001 020304 03 000005 07")
    assert codec.decode(wire) == value
    assert codec.encode(value) == wire
    with pytest.raises(DecodeError) as found:
        codec.decode(hexed("000001 020304 02 000005 07"))
    assert (found.value.code, found.value.field, found.value.offset) == ("overrun", "w", 9)


def test_a_sticky_double_is_zero_before_it_is_sent() -> None:
    codec = codec_of("loop d { k: u8; s: f64 sticky when k & 1; break when k & 2 }")
    assert codec.decode(b"\2") == [{"k": 2, "s": F64(0)}]
    one = hexed("03 3ff0000000000000")
    carried = codec.decode_from(one, final=True).carried
    assert codec.decode(b"\2", params=carried) == [{"k": 2, "s": F64.of(1.0)}]


def test_an_outer_name_is_never_bound_to_a_let() -> None:
    inner = "struct In { outer k: u8; a: u8[k] }"
    codec = codec_of(inner + ' struct Mid { let k = 2 i: In } device "d" { k: u8; m: Mid }')
    assert codec.parameters == {}
    assert codec.decode(b"\1\7") == {"k": 1, "m": {"i": {"a": [7]}}}
    lone = load(inner + " struct Mid { let k = 2 i: In }").codec("Mid")
    assert list(lone.parameters) == ["k"]
    assert lone.decode(b"\7", params={"k": 1}) == {"i": {"a": [7]}}
