"""Evaluate expressions of ir: a value for every name in, a number (or bytes, a word) out.

Or, with some names known: the expression that is left. The meaning is that of generated code: an
absent field reads as 0, absent bytes as empty, and what stands behind `and` and `or` is read only
if it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from vmsc.runtime.errors import ParamError
from vmsc.runtime.peeks import PEEKS
from vmsc.schema import ir
from vmsc.schema.ir.arithmetic import evaluate

__all__ = [
    "Known",
    "hangs_on_fields",
    "member_of",
    "number_of",
    "substitute",
    "unknowns",
    "value_of",
]

_CONSTANT = (ir.Number, ir.Text)


def member_of(value: object, name: str) -> Any:
    """The field `name` of a generated class's value; None where the value itself is absent."""
    if value is None:
        return None
    kind = type(value)
    encoded: tuple[str, ...] = kind.__struct_encode_fields__  # type: ignore[attr-defined]
    fields: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    return getattr(value, fields[encoded.index(name)])


@dataclass(frozen=True)
class Known:
    """What names stand for at one place: the description's fields and lets, parameters, version."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    lets: Mapping[str, int] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0
    member: Callable[[object, str], Any] = member_of


def value_of(expr: ir.Expr, known: Known) -> Any:
    """The expression's value. Raises ParamError for a parameter without one, else as `evaluate`."""
    match expr:
        case ir.Number(value=number):
            return number
        case ir.Text(value=text):
            return text
        case ir.Version():
            return known.version
        case ir.Ref(kind="param", name=name):
            value = known.params.get(name)
            if value is None:
                raise ParamError(f"the parameter '{name}' is not given", name=name)
            return value
        case ir.Ref(kind="let", name=name):
            return known.lets[name]
        case ir.Ref(name=name, type=type_):
            value = known.fields.get(name)
            return ir.absent_value(type_) if value is None else value
        case ir.Member(of=of, name=name, type=type_):
            value = known.member(value_of(of, known), name)
            return ir.absent_value(type_) if value is None else value
        case ir.At(of=of, index=index):
            elements = value_of(of, known)
            return elements[value_of(index, known)] if elements else 0
        case ir.Operation(op=op, operands=operands):
            return evaluate(op, (value_of(o, known) for o in operands))
        case _:
            assert_never(expr)


def number_of(expr: ir.Expr, known: Known) -> int:
    """The value of an expression that is a number."""
    return int(value_of(expr, known))


def unknowns(expr: ir.Expr, kind: str) -> frozenset[str]:
    """The names of one kind that the expression reads."""
    return frozenset(name for found, name in ir.names_in(expr) if found == kind)


def hangs_on_fields(expr: ir.Expr) -> bool:
    """Whether the expression reads what is on the wire alone: fields, and words of them."""
    return any(kind in ("field", "let") for kind, _ in ir.names_in(expr))


def substitute(expr: ir.Expr, names: Mapping[tuple[str, str], ir.Expr]) -> ir.Expr:
    """The expression with (kind, name) replaced, and folded where nothing is left to know.

    The version goes by ('version', '').
    """
    match expr:
        case ir.Number() | ir.Text():
            return expr
        case ir.Version():
            return names.get(("version", ""), expr)
        case ir.Ref(kind=kind, name=name):
            return names.get((kind, name), expr)
        case ir.Member(of=of):
            whole = substitute(of, names)
            return whole if isinstance(whole, ir.Number) else expr
        case ir.At(of=of):
            whole = substitute(of, names)
            return ir.Number(0) if isinstance(whole, ir.Number | ir.Text) else expr
        case ir.Operation(op=op, operands=operands):
            left = tuple(substitute(o, names) for o in operands)
            return _fold(ir.Operation(op, left, expr.low, expr.high))
        case _:
            assert_never(expr)


def _fold(expr: ir.Operation) -> ir.Expr:
    known = [o.value for o in expr.operands if isinstance(o, ir.Number | ir.Text)]
    if expr.op in ("and", "or"):
        return _fold_truth(expr, known)
    if known and expr.op in (*PEEKS, "length") and isinstance(expr.operands[0], _CONSTANT):
        return ir.Number(0)  # the bytes are not there
    if len(known) != len(expr.operands):
        return expr
    try:
        return ir.Number(evaluate(expr.op, known))
    except (ArithmeticError, ValueError):
        return expr


def _fold_truth(expr: ir.Operation, known: Sequence[int | str]) -> ir.Expr:
    """What is left of a conjunction or disjunction."""
    decides = expr.op == "or"
    if any(bool(value) == decides for value in known):
        return ir.Number(int(decides))
    match tuple(o for o in expr.operands if not isinstance(o, ir.Number | ir.Text)):
        case ():
            return ir.Number(int(not decides))
        case (one,):
            return ir.Operation("!=", (one, ir.Number(0)), expr.low, expr.high)
        case left:
            return ir.Operation(expr.op, left, expr.low, expr.high)
