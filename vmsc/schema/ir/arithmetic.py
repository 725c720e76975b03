"""Arithmetic: what the language's operations do to numbers; every backend means the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["COMPARE", "COMPUTE", "evaluate"]

COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

COMPUTE: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "ceil_div": lambda a, b: -(-a // b),
    "align": lambda a, b: -(-a // b) * b,
    "bit": lambda a, b: a >> b & 1,
}


def evaluate(op: str, values: Sequence[int]) -> int:
    """One operation on numbers; the meaning that every backend's code must have.

    Raises ZeroDivisionError, or ValueError for a negative shift: the compiler lets neither through.
    """
    match op:
        case "and":
            return int(all(values))
        case "or":
            return int(any(values))
        case "not":
            return int(not values[0])
        case "~":
            return ~values[0]
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "-" if len(values) == 1:
            return -values[0]
        case _ if op in COMPARE:
            return int(COMPARE[op](values[0], values[1]))
        case _:
            return COMPUTE[op](values[0], values[1])
