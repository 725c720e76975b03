"""Operators: what a schema's expressions compute, whatever brackets stand in them."""

from __future__ import annotations

import pytest
from helpers import build_text

from vmsc.hooks.host import Host

# (a condition on four bytes, the bytes for which it holds, the bytes for which it does not)
CONDITIONS = [
    ("c == 1 and (a == 2 or b == 3)", ["02 00 01 00", "00 03 01 00"], ["00 03 00 00"]),
    ("not (a == 1 or b == 1)", ["00 00 00 00"], ["01 00 00 00", "00 01 00 00"]),
    ("a - (b - (c - 1)) == 5", ["06 02 02 00"], ["06 02 00 00", "05 02 02 00"]),
    ("a / (max(1, b) * max(1, c)) == 2", ["08 02 02 00"], ["08 01 02 00"]),
    ("(a < b) == c", ["01 02 01 00", "02 01 00 00"], ["01 02 02 00", "02 02 02 00"]),
    ("(a < b) < c", ["02 01 01 00", "01 02 02 00"], ["01 02 01 00"]),
    ("a == (b == (c == d))", ["01 01 02 02", "00 00 01 01"], ["00 01 02 02"]),
    ("(not (a + b)) & 1 == 1", ["00 00 00 00"], ["01 00 00 00"]),
    ("not a == b", ["01 00 00 00"], ["01 01 00 00"]),
    ("~(a < b) == -2", ["01 02 00 00"], ["02 01 00 00"]),
    ("-(a - b) == -(c) - -d", ["02 01 01 00"], ["01 02 01 00"]),
    ("(a | b) & (c ^ d) == 4", ["04 01 05 01"], ["04 01 05 05"]),
    ("1 << (a + b & 3) == 4", ["01 01 00 00", "03 03 00 00"], ["01 02 00 00"]),
    ("align(a - (b - c), max(1, d)) == 8", ["08 04 01 04"], ["08 00 01 04"]),
    ("ceil_div(a - (b - c), max(1, d)) == 2", ["08 04 01 04"], ["08 00 01 04"]),
    ("bit(a | b, c & 7) == d", ["04 01 02 01", "04 01 01 00"], ["04 01 00 00"]),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "holds", "fails"), CONDITIONS)
def test_a_condition_means_what_its_brackets_say(
    condition: str, holds: list[str], fails: list[str], host: Host
) -> None:
    text = f'device "x" {{ a: u8  b: u8  c: u8  d: u8  then: u8 when {condition} }}'
    made = build_text(text, host)
    for hexed in holds:
        value = made.decode_x(bytes.fromhex(hexed) + b"\x77")
        assert value.then == 0x77
        assert made.encode_x(value) == bytes.fromhex(hexed) + b"\x77"
    for hexed in fails:
        value = made.decode_x(bytes.fromhex(hexed))
        assert value.then is None
        assert made.encode_x(value) == bytes.fromhex(hexed)


def test_a_count_means_what_its_brackets_say(host: Host) -> None:
    text = 'device "x" { n: u8 max 40  m: u8 max 8  data: bytes[4 * (n + max(1, m))] }'
    made = build_text(text, host)
    assert made.decode_x(b"\1\0" + bytes(8)).data == bytes(8)
    assert made.decode_x(b"\1\2" + bytes(12)).data == bytes(12)


@pytest.mark.parametrize("count", ["a < b", "a != 0 and b != 0", "not (a >= b)", "(a < b) | 0"])
def test_a_comparison_can_be_a_count(count: str, host: Host) -> None:
    text = f"""
        device "x" {{
            a: u8  b: u8  n: u8 when a == 2 and b == 2
            data: bytes[{count}]  words: u16[{count}]  bits: bitmap[{count}]
        }}"""
    made = build_text(text, host)
    for wire in (b"\0\0", b"\1\2" + b"d" + b"\0\7" + bytes(7) + b"\1"):
        value = made.decode_x(wire)
        assert value.words == ([7] if len(wire) > 2 else [])
        assert made.scan_x(wire) == len(wire)
        assert made.encode_x(value) == wire
        assert made.decode_x_framed(made.encode_x_framed(value)) == value


DEEP = 12


def test_nested_operations_are_written_as_long_as_they_are(host: Host) -> None:
    """Some read an operand twice; nested in each other those must not double with each level."""
    count = "n"
    for _ in range(DEEP):
        count = f"align(3, max(1, {count}))"
    made = build_text(f'device "x" {{ n: u8 max 9 a: bytes[{count}] }}', host)
    # n = 2: 4, of that 4, and so on; n = 7: 7, 7, ...
    assert made.decode_x(b"\2" + bytes(4)).a == bytes(4)
    assert made.decode_x(b"\7" + bytes(7)).a == bytes(7)


def test_a_field_of_what_is_absent_at_any_depth_reads_as_0(host: Host) -> None:
    inner = "struct S0 { v: u8 }\n" + "".join(
        f"struct S{i} {{ has: u8  s: S{i - 1} when has }}\n" for i in range(1, DEEP)
    )
    path = ".".join(["s"] * DEEP)
    text = f'{inner} device "x" {{ s: S{DEEP - 1} then: u8 when {path}.v == 0 }}'
    made = build_text(text, host)
    for there in range(DEEP - 1):
        wire = b"\1" * there + b"\0" + b"\x77"
        value = made.decode_x(wire)
        assert value.then == 0x77
        assert made.encode_x(value) == wire
    whole = b"\1" * (DEEP - 1)
    assert made.decode_x(whole + b"\0\x77").then == 0x77
    assert made.decode_x(whole + b"\5").then is None
