"""Shapes that are large or deep: whatever a schema may say, Python can import and run."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable
from functools import partial

import pytest
from helpers import attempt, check_codec, check_resumed, hexed

from vmsc.plan.lower import MAX_GROUP

Build = Callable[[str], types.ModuleType]


# --- choices of many arms -------------------------------------------------------------------------


def test_a_choice_of_thousands_of_arms_takes_its_arm_from_a_table(build: Build) -> None:
    arms = "; ".join(f"{3 * n}: bytes[{n % 7}]" for n in range(3000))
    made = build(f'device "d" {{ a: u16; c: choice a {{ {arms} }} }}')
    codec = made.CODECS["D"]
    for n in (0, 1, 6, 7, 1500, 2999):
        check_codec(codec, made.D(3 * n, b"x" * (n % 7)), (3 * n).to_bytes(2) + b"x" * (n % 7))
    refusal = attempt(lambda: made.decode_d(b"\0\1"))
    assert (refusal.code, refusal.offset) == ("choice", 2)
    assert str(refusal).endswith("1 is none of 0, 3, 6, 9, 12, 15, 18, 21, ... (3000 labels)")


def test_arms_that_differ_are_found_by_halves(build: Build) -> None:
    arms = "; ".join(f"{n}: u8[{n}]" for n in range(100))
    made = build(f'device "d" {{ a: u8; c: choice a {{ {arms}; else: u16 }} }}')
    for n in range(100):
        assert made.decode_d(bytes([n, *range(n)])) == made.D(n, list(range(n)))
    check_codec(made.CODECS["D"], made.D(37, list(range(37))), bytes([37, *range(37)]))
    check_codec(made.CODECS["D"], made.D(100, 0x1234), hexed("64 1234"))


def test_strings_choose_among_many_arms_too(build: Build) -> None:
    arms = "; ".join(f'"kind-{n}": K{n}' for n in range(40))
    structs = "\n".join(f"struct K{n} {{ f{n}: u8[{n + 1}] }}" for n in range(40))
    made = build(f'{structs}\ndevice "d" {{ s: string8; c: choice s {{ {arms} }} }}')
    for n in (0, 17, 39):
        word = f"kind-{n}".encode()
        value = made.D(word, getattr(made, f"K{n}")(list(range(n + 1))))
        check_codec(made.CODECS["D"], value, bytes([len(word)]) + word + bytes(range(n + 1)))
    assert attempt(lambda: made.decode_d(b"\1x")).code == "choice"


def test_a_parameter_chooses_among_many_arms(build: Build) -> None:
    words = [f"w{n}" for n in range(30)]
    listed = ", ".join(f'"{word}"' for word in words)
    arms = "; ".join(f'"{word}": bytes[{n}]' for n, word in enumerate(words))
    made = build(f'device "d" {{ param p: one of {listed}; c: choice p {{ {arms} }} }}')
    check_codec(made.CODECS["D"], made.D(b"abc"), b"abc", params={"p": "w3"})


def test_many_subsections_come_in_their_order(build: Build) -> None:
    subs = "\n".join(f'subsection "d/s{n:02}" {{ a: u8 }}' for n in range(30))
    made = build(f'device "d" {{ a: u8  {subs} }}')
    codec = made.CODECS["D"]

    def wire(*numbers: int) -> bytes:
        return b"\1" + b"".join(hexed(f'05 05 "d/s{n:02}" 00000001 {n:02x}') for n in numbers)

    value = made.D(1, **{f"s{n:02}": getattr(made, f"DS{n:02}")(n) for n in (0, 7, 29)})
    check_codec(codec, value, wire(0, 7, 29))
    for wrong in (wire(7, 0), wire(7, 7), wire(29, 28)):
        assert attempt(partial(made.decode_d, wrong)).code == "non-canonical"


# --- deep and large -------------------------------------------------------------------------------

NESTED = {
    "list {}": "01 {} 00",
    "tree u8 => {}": "00000001 01 09 {} 00",
    "choice k {{ 1: {} }}": "{}",
}


LAST = {"u8": "07", "nullable u8[2] marked": "31 07 30", "nullable u8[1] present k": "07"}


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("forms", list(itertools.product(["list", "tree", "choice"], repeat=2)))
def test_types_lie_in_types_as_deep_as_the_language_lets_them(
    build: Build, forms: tuple[str, str], last: str
) -> None:
    """Python's blocks nest 20 deep."""
    type_, wire = last, LAST[last]
    for form in (forms * 3)[: 6 - (last != "u8")]:
        written = next(each for each in NESTED if each.startswith(form))
        type_, wire = written.format(type_), NESTED[written].format(wire)
    made = build(f"loop R {{ k: u8; x: {type_} when k; break when k != 1; y: {type_} }}")
    data = hexed(f"01 {wire} {wire} 00")
    codec = made.CODECS["R"]
    value = codec.qemu.decode(data)
    assert codec.qemu.encode(value) == data and codec.qemu.scan(data) == len(data)
    assert codec.framed.decode(codec.framed.encode(value)) == value
    check_resumed(codec, data, {})


def test_structs_of_two_structs_each_do_not_double_the_code(build: Build) -> None:
    levels = "\n".join(f"struct S{n} {{ x: S{n - 1} y: S{n - 1} }}" for n in range(1, 17))
    made = build(f'struct S0 {{ a: u8 b: u16 }}\n{levels}\ndevice "d" {{ x: S16 }}')
    data = bytes(range(250)) * 800
    data = data[: 3 << 16]
    value = made.decode_d(data)
    assert made.scan_d(data) == made.measure_d(value) == len(data)
    assert made.encode_d(value) == data


def test_a_struct_too_large_to_be_laid_out_is_called(build: Build) -> None:
    fields = "\n".join(f"f{n}: u8" for n in range(MAX_GROUP + 1))
    made = build(f'struct Large {{ {fields} }} device "d" {{ a: u8 x: Large y: Large b: u8 }}')
    data = bytes(n % 256 for n in range(2 * (MAX_GROUP + 1) + 2))
    value = made.decode_d(data)
    assert (value.a, value.x.f1, value.y.f0, value.b) == (0, 2, 2, data[-1])
    check_codec(made.CODECS["D"], value, data)
