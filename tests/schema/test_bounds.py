"""The law of expressions: whatever the operands are, within their bounds, so is the result.

A count rests on it: one whose bounds are fit is never negative, and a divisor is never 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Report
from vmsc.schema.ir.evaluate import Known, value_of
from vmsc.schema.resolve.expressions import HIGHEST, INVALID, LOWEST, as_written, resolve_expr
from vmsc.schema.source import NOWHERE, Span

UNARY = ("-", "~", "not")
BINARY = (
    "+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=", "and",
    "or",
)  # fmt: skip
CALLS = ("min", "max", "ceil_div", "align", "bit")
NAMES = "abcd"


@dataclass
class Numbers:
    """A scope of numbers with bounds."""

    bounds: Mapping[str, tuple[int, int]]
    report: Report = field(default_factory=Report)

    def lookup(self, name: str, span: Span) -> ir.Expr | None:
        return ir.Ref("param", name, *self.bounds[name])

    def member(self, of: ir.Expr, name: syntax.Name) -> ir.Expr | None:
        raise AssertionError

    def version(self, span: Span) -> ir.Expr | None:
        raise AssertionError

    def words(self, param: str) -> tuple[str, ...]:
        return ()


def number(value: int) -> syntax.Expr:
    return syntax.Number(value, NOWHERE)


def name(text: str) -> syntax.Expr:
    return syntax.Reference(text, NOWHERE)


def operation(op: str, *operands: syntax.Expr) -> syntax.Expr:
    if op in CALLS:
        return syntax.Call(syntax.Name(op, NOWHERE), operands, NOWHERE)
    return syntax.Operation(op, operands, NOWHERE)


# Small numbers meet each other's borders more often than large ones do.
NUMBERS = st.one_of(st.integers(0, 9), st.integers(0, 300), st.integers(0, HIGHEST))
SIGNED = st.one_of(st.integers(-9, 9), st.integers(-300, 300), st.integers(LOWEST, HIGHEST))
BOUNDS = st.tuples(SIGNED, SIGNED).map(lambda pair: (min(pair), max(pair)))
EXPRESSIONS = st.recursive(
    st.one_of(NUMBERS.map(number), st.sampled_from(NAMES).map(name)),
    lambda inner: st.one_of(
        st.builds(operation, st.sampled_from(UNARY), inner),
        st.builds(operation, st.sampled_from(BINARY + CALLS), inner, inner),
        st.builds(operation, st.sampled_from(("min", "max")), inner, inner, inner),
    ),
    max_leaves=8,
)


def check(expr: syntax.Expr, scope: Numbers, values: Mapping[str, int]) -> None:
    found = resolve_expr(expr, scope)
    bounds = ir.expr_bounds(found)
    if found is INVALID:
        assert scope.report.failed
        return
    assert bounds is not None and LOWEST <= bounds[0] <= bounds[1] <= HIGHEST
    value = value_of(found, Known(params=values))
    assert bounds[0] <= value <= bounds[1], f"{as_written(expr)} is {value} with {values}: {bounds}"


@settings(max_examples=2000, deadline=None)
@given(EXPRESSIONS, st.tuples(BOUNDS, BOUNDS, BOUNDS, BOUNDS), st.data())
def test_a_result_is_within_its_bounds(
    expr: syntax.Expr, bounds: Sequence[tuple[int, int]], data: st.DataObject
) -> None:
    scope = Numbers(dict(zip(NAMES, bounds, strict=True)))
    values = {
        each: data.draw(st.one_of(st.sampled_from((low, high)), st.integers(low, high)))
        for each, (low, high) in scope.bounds.items()
    }
    check(expr, scope, values)


def _ranges() -> list[tuple[int, int]]:
    return [(low, high) for low in range(-3, 6) for high in range(low, 6)]


@pytest.mark.parametrize("op", [*BINARY, *CALLS])
def test_of_small_numbers_every_pair_is_within_the_bounds(op: str) -> None:
    for left, right in itertools.product(_ranges(), _ranges()):
        scope = Numbers({"a": left, "b": right})
        found = resolve_expr(operation(op, name("a"), name("b")), scope)
        if found is INVALID:
            assert scope.report.failed
            continue
        bounds = ir.expr_bounds(found)
        assert bounds is not None
        results = [
            value_of(found, Known(params={"a": a, "b": b}))
            for a in range(left[0], left[1] + 1)
            for b in range(right[0], right[1] + 1)
        ]
        assert bounds[0] <= min(results) and max(results) <= bounds[1], (left, right)
        if op not in ("&", "|", "^", "%", "align", "bit"):  # those have simple, wide bounds
            assert bounds == (min(results), max(results)), (left, right)


@pytest.mark.parametrize("op", UNARY)
def test_of_one_small_number_the_bounds_are_exact(op: str) -> None:
    for low, high in _ranges():
        found = resolve_expr(operation(op, name("a")), Numbers({"a": (low, high)}))
        results = [value_of(found, Known(params={"a": a})) for a in range(low, high + 1)]
        assert ir.expr_bounds(found) == (min(results), max(results)), (low, high)


@pytest.mark.parametrize("op", ["/", "%", "ceil_div", "align"])
def test_a_divisor_that_may_be_0_is_refused(op: str) -> None:
    for low, high in _ranges():
        scope = Numbers({"a": (0, 9), "b": (low, high)})
        resolve_expr(operation(op, name("a"), name("b")), scope)
        codes = [d.code for d in scope.report.found]
        assert codes == ([] if low > 0 else ["division-by-zero"]), (low, high)


def test_constants_are_folded() -> None:
    expr = operation("+", number(2), operation("*", number(3), operation("-", number(4))))
    assert resolve_expr(expr, Numbers({})) == ir.Number(-10)
