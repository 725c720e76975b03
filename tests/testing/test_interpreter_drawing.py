"""What the interpreter draws is good, of all sorts, and the same for the same seed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vmsc.runtime.errors import DecodeError
from vmsc.testing.interpreter import GiveUp, load, mutations

EVERYTHING = """
const STOP = 0x80
param ports: u8 max 4
vmsd V as "v" version 2 minimum 1 {
    a: u8; b: u8 since 2
    subsection "v/s" version 3 minimum 2 { c: u8 max 9 }
}
struct E { outer kind: u8; x: s8 min -2 max 2; y: u16 when kind & 1; require x != 1 "no" }
struct B { id: u16; len: u8 }
loop L {
    w: u16 split { flag: low 8; rest: high 8 }
    s: string8 sticky when flag & 1
    break when flag & STOP
    z: u8
}
device "d" version 3 minimum 1 {
    kind: u8; total: u8 max 20; size: u32
    v: V[ports]; e: list E; i: B[until id == 0xffff]; j: B[until sum(len) == total]
    t: tree u16 => string8; p: nullable V[ports] marked; q: nullable u32[3] present kind
    c: choice kind { 1: V; 2: E; else: f64 } since 2
    l: L; w: within[size] E; unused[3] when version == 1; o: bool; g: timer
    subsection "d/late" {
        k: u8 equals kind; n: bitmap[ports]
        subsection "d/late/r" as rest { m: host s64 }
    }
}
"""


def test_what_is_drawn_is_good_and_shows_all_sides() -> None:
    codec = load(EVERYTHING).codec("d")
    rng = random.Random(7)
    drawn = [codec.draw(rng) for _ in range(60)]
    for one in drawn:
        given: dict[str, Any] = {"version": one.version, "params": one.params}
        assert codec.decode(one.data, **given) == one.value
        assert codec.encode(one.value, **given) == one.data
    assert {one.version for one in drawn} == {1, 2, 3}
    values = [one.value for one in drawn]
    assert {v["late"] is None for v in values} == {True, False}
    assert {type(v["c"]).__name__ for v in values} == {"NoneType", "Body", "F64"}
    assert {len(v["l"]) > 1 for v in values} == {True, False}
    assert all(v["size"] == (3 if v["kind"] & 1 else 1) for v in values)


def test_drawing_depends_on_the_seed_alone() -> None:
    codec = load(EVERYTHING).codec("d")
    first, again, other = (codec.draw(random.Random(seed)) for seed in (3, 3, 4))
    assert first == again != other


def test_drawing_gives_up_where_nothing_can_be_good() -> None:
    with pytest.raises(GiveUp):
        load('device "d" { a: u64; require a != a }').codec("d").draw(random.Random(1), tries=3)


def test_damage_is_refused_or_means_something_else() -> None:
    codec = load(EVERYTHING).codec("d")
    rng = random.Random(11)
    outcomes = set()
    for _ in range(15):
        one = codec.draw(rng)
        given: dict[str, Any] = {"version": one.version, "params": one.params}
        for data in mutations(rng, one.data, 10):
            try:
                assert codec.encode(codec.decode(data, **given), **given) == data
                outcomes.add("good")
            except DecodeError as refusal:
                outcomes.add(refusal.code)
    assert outcomes >= {"good", "law", "truncated", "trailing", "non-canonical", "count", "marker"}
