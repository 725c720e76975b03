"""Functions of the language: how many operands each takes, and what those of bytes and lists give.

Law: a function of bytes has a value for any bytes, so no stream makes it fail.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmsc.runtime.peeks import PEEKS
from vmsc.schema import ir

__all__ = ["ARITHMETIC", "FUNCTIONS", "Complaint", "apply", "is_bytes"]

# How many operands each takes (0: two or more).
ARITHMETIC = {"min": 0, "max": 0, "ceil_div": 2, "align": 2, "bit": 2}
FUNCTIONS = {**ARITHMETIC, "length": 1, **dict.fromkeys(PEEKS, 2)}

Complaint = tuple[str, str, int]  # code, message, and which operand it is about


def is_bytes(expr: ir.Expr) -> bool:
    """Whether the expression names bytes."""
    return isinstance(expr, ir.Ref | ir.Member) and isinstance(expr.type, ir.Bytes | ir.String)


def apply(name: str, operands: Sequence[ir.Expr], written: Sequence[str]) -> ir.Expr | Complaint:
    """What a function that is not arithmetic gives, or what is wrong with its operands."""
    if name in PEEKS:
        return _peek(name, operands, written)
    (of,) = operands
    bounds = _length_bounds(of)
    if bounds is None:
        return "no-length", f"'{written[0]}' has no length: it is no bytes, string or list", 0
    return ir.Operation("length", (of,), *bounds)


def _peek(name: str, operands: Sequence[ir.Expr], written: Sequence[str]) -> ir.Expr | Complaint:
    of, at = operands
    if not is_bytes(of):
        return "no-bytes", f"'{name}' reads bytes; '{written[0]}' is none", 0
    bounds = ir.expr_bounds(at)
    if bounds is None or bounds[0] < 0:
        return "not-a-number", f"'{written[1]}' is no number from 0 on", 1
    _, low, high = PEEKS[name]
    return ir.Operation(name, (of, at), low, high)


def _length_bounds(of: ir.Expr) -> tuple[int, int] | None:
    """How many elements there may be; None for what has none."""
    if not isinstance(of, ir.Ref | ir.Member):
        return None
    match of.type:
        case ir.Bytes(length=count) | ir.Array(count=count):
            low, high = ir.expr_bounds(count) or (0, 0)
            return 0 if of.optional else low, high
        case ir.String(limit=limit):
            return 0, limit
        case ir.ListOf() | ir.Until() | ir.UntilSum():
            return 0, (1 << 32) - 1
        case _:
            return None
