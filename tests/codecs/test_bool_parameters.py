"""A boolean parameter as a count: True is 1, as the language has it."""

from __future__ import annotations

import types
from collections.abc import Callable

import pytest


@pytest.mark.parametrize(("given", "wire", "value"), [(True, b"\xeb", [0xEB]), (False, b"", [])])
def test_a_boolean_parameter_may_be_a_count(
    build: Callable[[str], types.ModuleType], given: bool, wire: bytes, value: list[int]
) -> None:
    made = build("param wide: bool\nstruct D { a: u8[wide] }")
    assert made.decode_d(wire, wide=given) == made.D(value)
    assert made.encode_d(made.D(value), wide=given) == wire
    assert made.scan_d(wire, wide=given) == len(wire)
    framed = made.encode_d_framed(made.D(value), wide=given)
    assert made.decode_d_framed(framed, wide=given) == made.D(value)
