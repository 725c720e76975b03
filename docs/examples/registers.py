"""A plugin in one file: two transforms, values that the wire holds in another form.

Each is a pair of functions that undo one another: every number that `to_value` takes comes back
from `to_wire` as it was. What has no counterpart is refused with ValueError.
"""

from __future__ import annotations

from vmsc.hooks import PythonName, Transform, hook

__all__ = ["vmsc_transforms"]


def power_from_exponent(exponent: int) -> int:
    if exponent > 63:
        raise ValueError("the exponent is over 63")
    return 1 << exponent


def exponent_from_power(power: int) -> int:
    exponent = power.bit_length() - 1
    if power <= 0 or power != 1 << exponent:
        raise ValueError("not a power of two")
    return exponent


def float_from_q16(number: int) -> float:
    return number / 65536


def q16_from_float(value: float) -> int:
    number = round(value * 65536)
    if number != value * 65536:
        raise ValueError("finer than 1/65536")
    return number


@hook
def vmsc_transforms() -> list[Transform]:
    return [
        Transform(
            "power_of_two",
            "a power of two, kept as its exponent",
            PythonName(__name__, "power_from_exponent"),
            PythonName(__name__, "exponent_from_power"),
            type=PythonName("vmsc.runtime.types", "U64"),
        ),
        Transform(
            "q16",
            "a fraction, kept in 1/65536",
            PythonName(__name__, "float_from_q16"),
            PythonName(__name__, "q16_from_float"),
            type=PythonName("vmsc.runtime.types", "F64"),
        ),
    ]
