"""Arithmetic: what each of the language's operations does to values, and to bounds of them.

The one place that computes: constant folding, the solver of parameters, readers of values and the
bounds of every expression go through `evaluate` and `bounds_of`, and what a backend prints must
mean the same. The law of bounds: whatever the operands are, within theirs, the result is within
its.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from vmsc.runtime.peeks import PEEKS

__all__ = ["bounds_of", "evaluate"]

Bounds = tuple[int, int]

# Of two operands. Numbers have no end here; that results fit 64 bits is the bounds' to say.
_BINARY: Mapping[str, Callable[[int, int], int]] = MappingProxyType({
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
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "ceil_div": lambda a, b: -(-a // b),
    "align": lambda a, b: -(-a // b) * b,
    "bit": lambda a, b: a >> b & 1,
})  # fmt: skip


def evaluate(op: str, operands: Iterable[Any]) -> int:
    """The operation's value; the meaning that every backend's code must have. `and` and `or` take
    no more of the operands than they need.

    Raises ZeroDivisionError, or ValueError for a negative shift: the compiler lets neither through.
    """
    if op == "and":
        return int(all(operands))
    if op == "or":
        return int(any(operands))
    values = [_comparable(each) for each in operands]
    result: int
    match op:
        case "not":
            result = int(not values[0])
        case "~":
            result = ~values[0]
        case "-" if len(values) == 1:
            result = -values[0]
        case "min":
            result = min(values)
        case "max":
            result = max(values)
        case "length":
            result = len(values[0])
        case _ if op in PEEKS:
            result = PEEKS[op][0](values[0], values[1])
        case _:
            result = _BINARY[op](values[0], values[1])
    return result


def _comparable(value: Any) -> Any:
    """Words are text as parameters and bytes on the wire."""
    return value.encode() if isinstance(value, str) else value


def bounds_of(op: str, bounds: Sequence[Bounds]) -> Bounds:
    """The bounds of an operation on numbers within these bounds; for masks, remainders and
    alignment simple ones that are surely wide enough. A divisor is 1 or more, a shift 0 or more.
    """
    a = bounds[0]
    b = bounds[1] if len(bounds) > 1 else (0, 0)
    match op:
        case "-" if len(bounds) == 1:
            return -a[1], -a[0]
        case "~":
            return ~a[1], ~a[0]
        case "not" | "and" | "or":
            return _truth_bounds(op, bounds)
        case "==" | "!=":
            apart = a[1] < b[0] or b[1] < a[0]
            same = a == b and a[0] == a[1]
            low, high = int(same), int(not apart)
            return (low, high) if op == "==" else (1 - high, 1 - low)
        case "min" | "max":
            pick = min if op == "min" else max
            return pick(lo for lo, _ in bounds), pick(hi for _, hi in bounds)
        case "&" if a[0] >= 0 or b[0] >= 0:
            return 0, min(hi for lo, hi in (a, b) if lo >= 0)
        case "|" | "^" if a[0] >= 0 and b[0] >= 0:
            return 0, (1 << max(a[1], b[1]).bit_length()) - 1
        case "&" | "|" | "^":
            size = max(x.bit_length() for x in (*a, *b))
            return -(1 << size), (1 << size) - 1
        case "%":
            return 0, min(b[1] - 1, a[1]) if a[0] >= 0 else b[1] - 1
        case "align" if b[0] != b[1]:
            return a[0], a[1] + b[1] - 1
        case "bit":
            return 0, 1
        case _:  # monotonous in each operand: the extremes are at the corners
            corners = [_BINARY[op](x, y) for x in a for y in b]
            return min(corners), max(corners)


def _truth_bounds(op: str, bounds: Sequence[Bounds]) -> Bounds:
    sure = [lo > 0 or hi < 0 for lo, hi in bounds]
    never = [bound == (0, 0) for bound in bounds]
    match op:
        case "not":
            return int(never[0]), int(not sure[0])
        case "and":
            return int(all(sure)), int(not any(never))
        case _:
            return int(any(sure)), int(not all(never))
