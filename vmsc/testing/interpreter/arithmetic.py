"""Operators and functions on numbers and bytes. A comparison is 0 or 1; what is absent is 0 or b"".

`/` and `%` round towards minus infinity, as in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vmsc.testing.interpreter.values import Value

__all__ = ["FUNCTIONS", "binary", "is_true", "number", "octets", "unary"]


def number(value: Value) -> int:
    match value:
        case None:
            return 0
        case int():
            return int(value)
        case _:
            raise TypeError(f"{value!r} is not a number")


def octets(value: Value) -> bytes:
    match value:
        case None:
            return b""
        case bytes():
            return value
        case _:
            raise TypeError(f"{value!r} is not bytes")


def is_true(value: Value) -> bool:
    return number(value) != 0


_NUMBERS: Mapping[str, Callable[[int, int], int]] = {
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
}


def binary(op: str, left: Value, right: Value) -> int:
    match op:
        case "==":
            return int(_equal(left, right))
        case "!=":
            return int(not _equal(left, right))
        case _:
            return _NUMBERS[op](number(left), number(right))


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, bytes) or isinstance(right, bytes):
        return octets(left) == octets(right)
    return number(left) == number(right)


def unary(op: str, value: Value) -> int:
    match op:
        case "-":
            return -number(value)
        case "~":
            return ~number(value)
        case _:
            return int(not is_true(value))


# --- functions ------------------------------------------------------------------------------------


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _length(value: Value) -> int:
    match value:
        case None:
            return 0
        case bytes() | list():
            return len(value)
        case _:
            raise TypeError(f"{value!r} has no length")


def _little(data: bytes, at: int, size: int) -> int:
    """What lies beyond the end reads as 0."""
    found = bytes(data[i] if 0 <= i < len(data) else 0 for i in range(at, at + size))
    return int.from_bytes(found, "little")


def _pci_capability(config: bytes, wanted: int) -> int:
    """PCI 3.0, 6.7: bit 4 of the status register says that there is a list; the byte at 34 says
    where it begins; an entry is its id and the place of the next, whose low two bits are reserved;
    none lies within the header, the first 40 bytes (hex).
    """
    if not _little(config, 0x06, 1) & 0x10:
        return 0
    seen: set[int] = set()
    at = _little(config, 0x34, 1) & 0xFC
    while at >= 0x40 and at not in seen:
        if _little(config, at, 1) == wanted:
            return at
        seen.add(at)
        at = _little(config, at + 1, 1) & 0xFC
    return 0


FUNCTIONS: Mapping[str, Callable[[Sequence[Value]], int]] = {
    "min": lambda given: min(map(number, given)),
    "max": lambda given: max(map(number, given)),
    "ceil_div": lambda given: _ceil_div(number(given[0]), number(given[1])),
    "align": lambda given: _ceil_div(number(given[0]), number(given[1])) * number(given[1]),
    "bit": lambda given: number(given[0]) >> number(given[1]) & 1,
    "length": lambda given: _length(given[0]),
    "little16": lambda given: _little(octets(given[0]), number(given[1]), 2),
    "little32": lambda given: _little(octets(given[0]), number(given[1]), 4),
    "pci_capability": lambda given: _pci_capability(octets(given[0]), number(given[1])),
}
