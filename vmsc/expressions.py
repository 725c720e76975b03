"""Resolve expressions: syntax -> ir, folded where they are constant, bounded where they are not.

The bounds are what makes a count safe: one that could be negative or outgrow 64 bits never reaches a codec.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

from vmsc import ir, syntax
from vmsc.diag import Report, did_you_mean
from vmsc.source import Span

__all__ = ["FUNCTIONS", "Scope", "as_written", "evaluate", "resolve_expr"]

LOWEST, HIGHEST = -(1 << 63), (1 << 64) - 1

# Function names and how many operands each takes (0: two or more).
FUNCTIONS = {"min": 0, "max": 0, "ceil_div": 2, "align": 2, "bit": 2, "length": 1}

_INVALID = ir.Number(1)  # stands for what was reported; harmless as count, divisor and condition


class Scope(Protocol):
    """What an expression may name. Each reports what it does not find and gives None."""

    report: Report

    def lookup(self, name: str, span: Span) -> ir.Expr | None: ...
    def member(self, of: ir.Expr, name: syntax.Name) -> ir.Expr | None: ...
    def version(self, span: Span) -> ir.Expr | None: ...


def _floordiv(a: int, b: int) -> int:
    return a // b


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _align(a: int, b: int) -> int:
    return -(-a // b) * b


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

_COMPUTE: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _floordiv,
    "%": lambda a, b: a % b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "ceil_div": _ceil_div,
    "align": _align,
    "bit": lambda a, b: a >> b & 1,
}


def evaluate(op: str, values: Sequence[int]) -> int:
    """One operation on numbers; the meaning that every backend's code must have.

    Raises ZeroDivisionError, or ValueError for a negative shift, where the compiler had no constant to see.
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
        case _ if op in _COMPARE:
            return int(_COMPARE[op](values[0], values[1]))
        case _:
            return _COMPUTE[op](values[0], values[1])


def as_written(expr: syntax.Expr) -> str:
    """The expression's text, for messages and dumps."""
    match expr:
        case syntax.Number(value=value):
            return str(value)
        case syntax.Text(value=text):
            return f'"{text}"'
        case syntax.Truth(value=truth):
            return "true" if truth else "false"
        case syntax.Version():
            return "version"
        case syntax.Reference(name=name):
            return name
        case syntax.Member(of=of, name=member):
            return f"{as_written(of)}.{member.text}"
        case syntax.Index(of=of, at=at):
            return f"{as_written(of)}[{as_written(at)}]"
        case syntax.Call(name=function, arguments=arguments):
            return f"{function.text}({', '.join(map(as_written, arguments))})"
        case syntax.Operation(op=op, operands=(one,)):
            return f"{op}{' ' if op == 'not' else ''}{_bracketed(one)}"
        case syntax.Operation(op=op, operands=(left, right)):
            return f"{_bracketed(left)} {op} {_bracketed(right)}"
        case _:
            raise AssertionError(expr)


def _bracketed(expr: syntax.Expr) -> str:
    text = as_written(expr)
    return f"({text})" if isinstance(expr, syntax.Operation) else text


def resolve_expr(expr: syntax.Expr, scope: Scope) -> ir.Expr:
    """The expression's meaning; a stand-in after reporting what is wrong with it."""
    match expr:
        case syntax.Number(value=value):
            if value > HIGHEST:
                scope.report.error("overflow", f"{value} does not fit 64 bits", expr.span)
            return ir.Number(min(value, HIGHEST))
        case syntax.Text(value=text):
            return ir.Text(text)
        case syntax.Truth(value=truth):
            return ir.Number(int(truth))
        case syntax.Version():
            return scope.version(expr.span) or _INVALID
        case syntax.Reference(name=name):
            return scope.lookup(name, expr.span) or _INVALID
        case syntax.Member(of=of, name=member):
            return scope.member(resolve_expr(of, scope), member) or _INVALID
        case syntax.Index():
            return _index(expr, scope)
        case syntax.Operation(op=op, operands=operands):
            return _operation(op, operands, expr.span, scope)
        case syntax.Call(name=function, arguments=arguments):
            return _call(function, arguments, expr.span, scope)
        case _:
            assert_never(expr)


def _index(expr: syntax.Index, scope: Scope) -> ir.Expr:
    of, at = resolve_expr(expr.of, scope), resolve_expr(expr.at, scope)
    type_ = of.type if isinstance(of, ir.Ref | ir.Member) else None
    match type_:
        case ir.Bytes(length=length):
            count, bounds = length, (0, 255)
        case ir.Array(element=ir.Scalar() as element, count=n) if element.name != "f64":
            count, bounds = n, ir.scalar_bounds(element)
        case _:
            what = as_written(expr.of)
            message = f"'{what}' is neither bytes nor an array of numbers: it has no [ ]"
            scope.report.error("no-index", message, expr.span)
            return _INVALID
    have, want = ir.expr_bounds(count), ir.expr_bounds(at)
    if have and want and (want[0] < 0 or want[1] >= have[0]):
        message = (
            f"the index of '{as_written(expr.of)}' may be {want[1] if want[0] >= 0 else want[0]};"
            f" at least {have[0]} elements are there"
        )
        scope.report.error("index-range", message, expr.span)
    return ir.At(of, at, *bounds)


def _call(
    function: syntax.Name, arguments: tuple[syntax.Expr, ...], span: Span, scope: Scope
) -> ir.Expr:
    if function.text not in FUNCTIONS:
        hint = did_you_mean(function.text, FUNCTIONS, function.span)
        message = f"unknown function '{function.text}'; there are {', '.join(FUNCTIONS)}"
        scope.report.error("unknown-function", message, function.span, *hint)
        return _INVALID
    want = FUNCTIONS[function.text]
    if len(arguments) != want and (want or len(arguments) < 2):
        message = f"'{function.text}' takes {want or 'two or more'} operands, not {len(arguments)}"
        scope.report.error("arguments", message, span)
        return _INVALID
    if function.text != "length":
        return _operation(function.text, arguments, span, scope)
    of = resolve_expr(arguments[0], scope)
    type_ = of.type if isinstance(of, ir.Ref | ir.Member) else None
    if not isinstance(type_, ir.Bytes | ir.String | ir.Array | ir.ListOf | ir.Until | ir.UntilSum):
        message = f"'{as_written(arguments[0])}' has no length: it is no bytes, string or list"
        scope.report.error("no-length", message, span)
        return _INVALID
    high = type_.limit if isinstance(type_, ir.String) else (1 << 32) - 1
    return ir.Operation("length", (of,), 0, high)


def _operation(
    op: str, written: tuple[syntax.Expr, ...], span: Span, scope: Scope
) -> ir.Expr:
    operands = tuple(resolve_expr(e, scope) for e in written)
    texts = [_is_text(e) for e in operands]
    if any(texts):
        if op in ("==", "!=") and all(texts):
            return ir.Operation(op, operands, 0, 1)
        message = f"'{op}' on a string; strings are compared with == and != to strings only"
        scope.report.error("string-operand", message, span)
        return _INVALID
    bounds = []
    for each, source in zip(operands, written, strict=True):
        bound = ir.expr_bounds(each)
        if bound is None:
            message = f"'{as_written(source)}' is no number"
            scope.report.error("not-a-number", message, source.span)
            return _INVALID
        bounds.append(bound)
    return _bounded(op, operands, bounds, span, scope)


def _is_text(expr: ir.Expr) -> bool:
    match expr:
        case ir.Text():
            return True
        case ir.Ref(type=ir.String() | ir.Bytes()) | ir.Member(type=ir.String() | ir.Bytes()):
            return True
        case ir.Ref(kind="param", low=None):
            return True
        case _:
            return False


def _bounded(
    op: str,
    operands: tuple[ir.Expr, ...],
    bounds: list[tuple[int, int]],
    span: Span,
    scope: Scope,
) -> ir.Expr:
    if op in ("/", "%", "ceil_div", "align") and bounds[1][0] <= 0:
        message = f"the divisor may be {max(bounds[1][0], -1) if bounds[1][0] < 0 else 0}"
        scope.report.error("division-by-zero", message, span)
        return _INVALID
    if op in ("<<", ">>", "bit") and (bounds[1][0] < 0 or bounds[1][1] > 63):
        wide = op == "bit" and isinstance(operands[0], ir.Ref)  # a `bits` parameter may be longer
        if bounds[1][0] < 0 or not wide:
            message = f"the shift may be {bounds[1][1] if bounds[1][0] >= 0 else bounds[1][0]}"
            scope.report.error("shift-range", f"{message}; 0 to 63 is possible", span)
            return _INVALID
    low, high = _range(op, bounds)
    if low < LOWEST or high > HIGHEST:
        reach = high if high > HIGHEST else low
        message = f"the result may be {reach:#x}: more than 64 bits; give the operands a `max`"
        scope.report.error("overflow", message, span)
        return _INVALID
    values = [e.value for e in operands if isinstance(e, ir.Number)]
    if len(values) == len(operands):
        return ir.Number(evaluate(op, values))
    return ir.Operation(op, operands, low, high)


def _range(op: str, bounds: list[tuple[int, int]]) -> tuple[int, int]:
    """The bounds of a result; for masks and shifts a simple one that is surely wide enough."""
    a = bounds[0]
    b = bounds[1] if len(bounds) > 1 else (0, 0)
    match op:
        case "-" if len(bounds) == 1:
            return -a[1], -a[0]
        case "~":
            return ~a[1], ~a[0]
        case "not":
            return int(a == (0, 0)), int(a[0] <= 0 <= a[1])
        case "and" | "or":
            sure = [lo > 0 or hi < 0 for lo, hi in bounds]
            never = [bound == (0, 0) for bound in bounds]
            if op == "and":
                return int(all(sure)), int(not any(never))
            return int(any(sure)), int(not all(never))
        case "==" | "!=":
            apart = a[1] < b[0] or b[1] < a[0]
            same = a == b and a[0] == a[1]
            low, high = int(same), int(not apart)
            return (low, high) if op == "==" else (1 - high, 1 - low)
        case "<" | "<=" | ">" | ">=":
            corners = [int(_COMPARE[op](x, y)) for x in a for y in b]
            return min(corners), max(corners)
        case "min" | "max":
            pick = min if op == "min" else max
            return pick(lo for lo, _ in bounds), pick(hi for _, hi in bounds)
        case "&" if a[0] >= 0 or b[0] >= 0:
            tops = [hi for lo, hi in (a, b) if lo >= 0]
            return 0, min(tops)
        case "|" | "^" if a[0] >= 0 and b[0] >= 0:
            return 0, (1 << max(a[1], b[1]).bit_length()) - 1
        case "&" | "|" | "^":
            size = max(x.bit_length() for x in (*a, *b))
            return -(1 << size), (1 << size) - 1
        case "%":
            return 0, min(b[1] - 1, a[1]) if a[0] >= 0 else b[1] - 1
        case "bit":
            return 0, 1
        case _:
            corners = [_COMPUTE[op](x, y) for x in a for y in b]
            return min(corners), max(corners)
