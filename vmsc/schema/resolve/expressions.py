"""Resolve expressions: syntax -> ir, folded where constant, bounded where not.

The bounds are what makes a count safe: one that could be negative or outgrow 64 bits never reaches
a codec.
"""

from __future__ import annotations

from typing import Final, Protocol, assert_never

from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Report
from vmsc.schema.ir.arithmetic import bounds_of, evaluate
from vmsc.schema.ir.expression_printer import WHOLE, Fragment
from vmsc.schema.ir.expression_text import form_of, name_text
from vmsc.schema.ir.functions import ARITHMETIC, FUNCTIONS, apply
from vmsc.schema.source import Span

__all__ = [
    "FUNCTIONS", "INVALID", "Scope", "as_written", "is_text", "is_word", "may_be",
    "resolve_expr", "resolve_number", "spoken",
]  # fmt: skip

LOWEST, HIGHEST = -(1 << 63), (1 << 64) - 1

INVALID: Final = ir.Number(1)
"""Stands for what was reported, by identity: what is made of it is INVALID too, in silence."""


class Scope(Protocol):
    """What an expression may name. Each reports what it does not find and gives None."""

    report: Report

    def lookup(self, name: str, span: Span) -> ir.Expr | None: ...
    def member(self, of: ir.Expr, name: syntax.Name) -> ir.Expr | None: ...
    def version(self, span: Span) -> ir.Expr | None: ...
    def words(self, param: str) -> tuple[str, ...]: ...


# --- words ----------------------------------------------------------------------------------------


def as_written(expr: syntax.Expr) -> str:
    """The expression's text, for messages."""
    return _printed(expr).text


def _printed(expr: syntax.Expr) -> Fragment:
    match expr:
        case syntax.Number(value=value):
            return Fragment(str(value))
        case syntax.Text(value=text):
            return Fragment(f'"{text}"')
        case syntax.Truth(value=truth):
            return Fragment("true" if truth else "false")
        case syntax.Version():
            return Fragment("version")
        case syntax.Reference(name=name):
            return Fragment(name_text(name))
        case syntax.Member(of=of, name=member):
            return Fragment(f"{_printed(of).at(WHOLE)}.{member.text}")
        case syntax.Index(of=of, at=at):
            return Fragment(f"{_printed(of).at(WHOLE)}[{as_written(at)}]")
        case syntax.Call(name=function, arguments=arguments):
            return Fragment(f"{function.text}({', '.join(map(as_written, arguments))})")
        case syntax.Operation(op=op, operands=operands):
            return form_of(op, len(operands)).filled([_printed(o) for o in operands])
        case _:
            assert_never(expr)


def spoken(value: int) -> str:
    """A number for a message: one with hundreds of digits would say nothing."""
    if abs(value) <= HIGHEST:
        return str(value)
    return f"{'-' if value < 0 else ''}2^{abs(value).bit_length() - 1} or more"


def may_be(long: str, short: str, bounds: tuple[int, int], low: bool = False) -> str:
    """ "the index 'n' may be 9", or, where there is no doubt, "the index is 9"."""
    if bounds[0] == bounds[1]:
        return f"{short} is {spoken(bounds[0])}"
    return f"{long} may be {spoken(bounds[0] if low else bounds[1])}"


# --- meaning --------------------------------------------------------------------------------------


def resolve_expr(expr: syntax.Expr, scope: Scope) -> ir.Expr:
    """The expression's meaning; INVALID after reporting what is wrong with it."""
    match expr:
        case syntax.Number(value=value):
            return ir.Number(value)
        case syntax.Text(value=text):
            return ir.Text(text)
        case syntax.Truth(value=truth):
            return ir.Number(int(truth))
        case syntax.Version():
            return scope.version(expr.span) or INVALID
        case syntax.Reference(name=name):
            return scope.lookup(name, expr.span) or INVALID
        case syntax.Member(of=of, name=member):
            whole = resolve_expr(of, scope)
            return INVALID if whole is INVALID else scope.member(whole, member) or INVALID
        case syntax.Index():
            return _index(expr, scope)
        case syntax.Operation(op=op, operands=operands):
            return _operation(op, operands, expr.span, scope)
        case syntax.Call(name=function, arguments=arguments):
            return _call(function, arguments, expr.span, scope)
        case _:
            assert_never(expr)


def resolve_number(expr: syntax.Expr, scope: Scope) -> ir.Expr:
    """Like resolve_expr, for what must be a number."""
    value = resolve_expr(expr, scope)
    if ir.expr_bounds(value) is None:
        scope.report.error("not-a-number", f"'{as_written(expr)}' is no number", expr.span)
        return INVALID
    return value


def is_text(expr: ir.Expr) -> bool:
    """Whether the expression is a string, a parameter's word, or bytes: comparable to a string."""
    match expr:
        case ir.Text():
            return True
        case ir.Ref(type=ir.String() | ir.Bytes()) | ir.Member(type=ir.String() | ir.Bytes()):
            return True
        case ir.Ref(kind="param", low=None):
            return True
        case _:
            return False


def _index(expr: syntax.Index, scope: Scope) -> ir.Expr:
    of, at = resolve_expr(expr.of, scope), resolve_number(expr.at, scope)
    if of is INVALID or at is INVALID:
        return INVALID
    match of.type if isinstance(of, ir.Ref | ir.Member) else None:
        case ir.Bytes(length=count):
            bounds = 0, 255
        case ir.Array(element=ir.Scalar() as element, count=count) if element.name != "f64":
            bounds = ir.scalar_bounds(element)
        case _:
            what = as_written(expr.of)
            message = f"'{what}' has no [ ]: it is neither bytes nor an array of numbers"
            scope.report.error("no-index", message, expr.span)
            return INVALID
    have, want = ir.expr_bounds(count), ir.expr_bounds(at)
    if have and want and (want[0] < 0 or want[1] >= have[0]):
        what = may_be(f"the index '{as_written(expr.at)}'", "the index", want, want[0] < 0)
        least = "" if have[0] == have[1] else "at least "
        message = f"{what}; '{as_written(expr.of)}' has {least}{have[0]} elements"
        scope.report.error("index-range", message, expr.at.span)
        return INVALID
    return ir.At(of, at, *bounds)


def _call(
    function: syntax.Name, arguments: tuple[syntax.Expr, ...], span: Span, scope: Scope
) -> ir.Expr:
    if function.text not in FUNCTIONS:
        hint = scope.report.did_you_mean(function.text, function.span, FUNCTIONS)
        message = f"unknown function '{function.text}'; there are {', '.join(FUNCTIONS)}"
        scope.report.error("unknown-function", message, function.span, *hint)
        return INVALID
    want = FUNCTIONS[function.text]
    if len(arguments) != want and (want or len(arguments) < 2):
        count = f"{want} operand{'s' * (want > 1)}" if want else "two or more operands"
        message = f"'{function.text}' takes {count}, not {len(arguments)}"
        scope.report.error("arguments", message, span)
        return INVALID
    if function.text in ARITHMETIC:
        return _operation(function.text, arguments, span, scope)
    operands = [resolve_expr(e, scope) for e in arguments]
    if any(o is INVALID for o in operands):
        return INVALID
    found = apply(function.text, operands, [as_written(e) for e in arguments])
    if isinstance(found, tuple):
        code, message, which = found
        scope.report.error(code, message, arguments[which].span)
        return INVALID
    return found


def _operation(op: str, written: tuple[syntax.Expr, ...], span: Span, scope: Scope) -> ir.Expr:
    found = []
    for each in written:  # no comprehension: each level of an expression costs two calls, not three
        found.append(resolve_expr(each, scope))
    operands = tuple(found)
    if any(operand is INVALID for operand in operands):
        return INVALID
    texts = [is_text(e) for e in operands]
    if any(texts):
        if op in ("==", "!=") and all(texts):
            return _compare_texts(op, operands, written, scope)
        message = f"'{op}' on a string; strings are compared with == and != to strings only"
        scope.report.error("string-operand", message, span)
        return INVALID
    bounds = []
    for operand, source in zip(operands, written, strict=True):
        bound = ir.expr_bounds(operand)
        if bound is None:
            message = f"'{as_written(source)}' is no number"
            scope.report.error("not-a-number", message, source.span)
            return INVALID
        bounds.append(bound)
    if not _possible(op, operands, bounds, written, scope):
        return INVALID
    return _bounded(op, operands, bounds, span, scope)


def _compare_texts(
    op: str, operands: tuple[ir.Expr, ...], written: tuple[syntax.Expr, ...], scope: Scope
) -> ir.Expr:
    match operands:
        case (ir.Text(value=left), ir.Text(value=right)):
            return ir.Number(int((left == right) == (op == "==")))
        case (ir.Ref(kind="param", name=name), ir.Text(value=word)):
            known = is_word(name, word, written[1].span, scope)
        case (ir.Text(value=word), ir.Ref(kind="param", name=name)):
            known = is_word(name, word, written[0].span, scope)
        case _:
            known = True
    return ir.Operation(op, operands, 0, 1) if known else INVALID


def is_word(param: str, word: str, span: Span, scope: Scope) -> bool:
    """Whether the parameter can be this word, after reporting that it cannot."""
    words = scope.words(param)
    if words and word not in words:
        hint = scope.report.did_you_mean(word, span, words)
        scope.report.error("unknown-word", f"'{param}' is never \"{word}\"", span, *hint)
        return False
    return True


def _possible(
    op: str,
    operands: tuple[ir.Expr, ...],
    bounds: list[tuple[int, int]],
    written: tuple[syntax.Expr, ...],
    scope: Scope,
) -> bool:
    """Whether a division has a divisor, and a shift a width, whatever the operands are."""
    if len(bounds) < 2:
        return True
    low, high = bounds[1]
    at = written[1].span
    if op in ("/", "%", "ceil_div", "align") and low <= 0:
        what = f"'{as_written(written[1])}' may be {0 if high >= 0 else low}"
        what = f"is {low}" if low == high else what
        message = f"the divisor {what}; it must be 1 or more: write max(1, ...), or give it a `min`"
        scope.report.error("division-by-zero", message, at)
        return False
    mask = isinstance(operands[0], ir.Ref) and bounds[0][1] > HIGHEST  # a `bits` parameter
    if op == "bit" and mask and low >= 0:
        return True
    if op in ("<<", ">>", "bit") and (low < 0 or high > 63):
        text = f"the shift '{as_written(written[1])}'"
        what = may_be(text, "the shift", (low, high), low < 0)
        scope.report.error("shift-range", f"{what}; 0 to 63 is possible", at)
        return False
    return True


def _bounded(
    op: str,
    operands: tuple[ir.Expr, ...],
    bounds: list[tuple[int, int]],
    span: Span,
    scope: Scope,
) -> ir.Expr:
    low, high = bounds_of(op, bounds)
    if low < LOWEST or high > HIGHEST:
        what = may_be("the result", "the result", (low, high), high <= HIGHEST)
        message = f"{what}, which does not fit 64 bits: give the operands a `max`"
        scope.report.error("overflow", message, span)
        return INVALID
    values = [e.value for e in operands if isinstance(e, ir.Number)]
    if len(values) == len(operands):
        return ir.Number(evaluate(op, values))
    return ir.Operation(op, operands, low, high)
