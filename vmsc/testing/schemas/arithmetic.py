"""The bounds of a random expression, so that what is drawn is within the language's rules.

Says of every operation whether the language takes it for operands within these bounds (a divisor
is at least 1, a shift from 0 to 63, a result fits 64 bits), and between which numbers the result
lies. Written from docs/language.md, not from the compiler: where the compiler refuses what is
drawn here, the two do not agree.
"""

from __future__ import annotations

__all__ = [
    "HIGHEST", "LOWEST", "Bounds", "binary_bounds", "constant_value", "function_bounds",
    "unary_bounds",
]  # fmt: skip

LOWEST, HIGHEST = -(1 << 63), (1 << 64) - 1

Bounds = tuple[int, int]


def _fitting(low: int, high: int) -> Bounds | None:
    return (low, high) if low >= LOWEST and high <= HIGHEST else None


def _corners(op: str, a: Bounds, b: Bounds) -> Bounds:
    """The extremes of what rises or falls with each operand."""
    found = []
    for x in a:
        for y in b:
            match op:
                case "+":
                    found.append(x + y)
                case "-":
                    found.append(x - y)
                case "*":
                    found.append(x * y)
                case "/":
                    found.append(x // y)
                case "<<":
                    found.append(x << y)
                case ">>":
                    found.append(x >> y)
                case "ceil_div":
                    found.append(-(-x // y))
                case _:
                    raise AssertionError(op)
    return min(found), max(found)


def _bitwise(op: str, a: Bounds, b: Bounds) -> Bounds:
    if op == "&" and max(a[0], b[0]) >= 0:
        return 0, min(high for low, high in (a, b) if low >= 0)
    if op != "&" and min(a[0], b[0]) >= 0:
        return 0, (1 << max(a[1], b[1]).bit_length()) - 1
    size = max(number.bit_length() for number in (*a, *b))
    return -(1 << size), (1 << size) - 1


def _compared(op: str, a: Bounds, b: Bounds) -> Bounds:
    """0 or 1; only one of them where there is no doubt."""
    apart, same = a[1] < b[0] or b[1] < a[0], a == b and a[0] == a[1]
    match op:
        case "==":
            return int(same), int(not apart)
        case "!=":
            return int(apart), int(not same)
        case "<":
            return int(a[1] < b[0]), int(a[0] < b[1])
        case "<=":
            return int(a[1] <= b[0]), int(a[0] <= b[1])
        case ">":
            return int(a[0] > b[1]), int(a[1] > b[0])
        case _:
            return int(a[0] >= b[1]), int(a[1] >= b[0])


def _joined(op: str, a: Bounds, b: Bounds) -> Bounds:
    sure = [low > 0 or high < 0 for low, high in (a, b)]
    never = [bounds == (0, 0) for bounds in (a, b)]
    if op == "and":
        return int(all(sure)), int(not any(never))
    return int(any(sure)), int(not all(never))


def binary_bounds(op: str, a: Bounds, b: Bounds) -> Bounds | None:
    """The bounds of `a op b`; None where the language does not take it."""
    match op:
        case "and" | "or":
            return _joined(op, a, b)
        case "==" | "!=" | "<" | "<=" | ">" | ">=":
            return _compared(op, a, b)
        case "&" | "|" | "^":
            return _fitting(*_bitwise(op, a, b))
        case "/" | "%" if b[0] < 1:
            return None
        case "<<" | ">>" if b[0] < 0 or b[1] > 63:
            return None
        case "%":
            return 0, min(b[1] - 1, a[1]) if a[0] >= 0 else b[1] - 1
        case _:
            return _fitting(*_corners(op, a, b))


def unary_bounds(op: str, a: Bounds) -> Bounds | None:
    """The bounds of `op a`; None where the language does not take it."""
    match op:
        case "not":
            return int(a == (0, 0)), int(a[0] <= 0 <= a[1])
        case "-":
            return _fitting(-a[1], -a[0])
        case _:
            return _fitting(~a[1], ~a[0])


def _aligned(a: Bounds, b: Bounds) -> Bounds | None:
    if b[0] != b[1]:
        return _fitting(a[0], a[1] + b[1] - 1)
    return _fitting(-(-a[0] // b[0]) * b[0], -(-a[1] // b[0]) * b[0])


def function_bounds(name: str, a: Bounds, b: Bounds) -> Bounds | None:
    """The bounds of `name(a, b)`; None where the language does not take it."""
    match name:
        case "min":
            return min(a[0], b[0]), min(a[1], b[1])
        case "max":
            return max(a[0], b[0]), max(a[1], b[1])
        case "ceil_div":
            return None if b[0] < 1 else _fitting(*_corners(name, a, b))
        case "align":
            return None if b[0] < 1 else _aligned(a, b)
        case "bit":
            return (0, 1) if b[0] >= 0 and b[1] <= 63 else None
        case _:
            raise AssertionError(name)


def constant_value(name: str, a: int, b: int) -> int | None:
    """What an operation on two constants gives, where its bounds alone do not tell."""
    match name:
        case "&":
            return a & b
        case "|":
            return a | b
        case "^":
            return a ^ b
        case "%":
            return a % b
        case "bit":
            return a >> b & 1
        case _:
            return None
