"""Solve parameters: what is known of expressions over them -> values.

A constraint says that an expression lies within two numbers. Each parameter starts with all values
that its bounds allow; constraints take values away, round after round, until none takes any more.
An expression that only rises (or falls) with its one open parameter is inverted by bisection,
others by trying all values where they are few. Of what is left then, each value is probed.

Law: the work is bounded whatever the expressions are. A constraint that nothing can meet is
reported and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from vmsc.schema import ir
from vmsc.schema.ir.evaluate import Known, number_of, unknowns
from vmsc.schema.ir.expression_text import expr_text

__all__ = [
    "Constraint", "Domain", "ParamValue", "domain_of", "probed", "propagate", "size_of", "taken",
    "within",
]  # fmt: skip

MAX_TRIES = 1 << 16  # values of one parameter that are tried one by one
MAX_COMBINATIONS = 1 << 9  # of several parameters together
MAX_ROUNDS = 16
MAX_PROBES = 64  # values, of all parameters, that are tried against all constraints

ParamValue = int | str
Domain = range | tuple[ParamValue, ...]


@dataclass(frozen=True)
class Constraint:
    """`expr`, of parameters alone, lies within `low` and `high`; `path` is where it comes from."""

    expr: ir.Expr
    low: int
    high: int
    path: str
    found: str

    @property
    def params(self) -> tuple[str, ...]:
        return tuple(sorted(unknowns(self.expr, "param")))

    @property
    def text(self) -> str:
        wanted = str(self.low) if self.low == self.high else f"{self.low} to {self.high}"
        return f"{expr_text(self.expr)} == {wanted}"


def domain_of(param: ir.Param) -> Domain:
    """All values that a parameter's declaration allows."""
    return param.words if param.kind == "words" else range(param.low, param.high + 1)


def size_of(domain: Domain) -> int:
    """How many values there are; len() cannot count those of a long set."""
    return domain.stop - domain.start if isinstance(domain, range) else len(domain)


def within(constraint: Constraint, values: Mapping[str, ParamValue]) -> bool:
    """Whether the constraint holds for these values; what cannot be computed does not."""
    try:
        number = number_of(constraint.expr, Known(params=values))
    except (ArithmeticError, ValueError):
        return False
    return constraint.low <= number <= constraint.high


# --- narrowing ------------------------------------------------------------------------------------


def _slope(expr: ir.Expr, param: str) -> int | None:
    """1: it never falls while the parameter rises; -1: it never rises; 0: both; None: not known."""
    match expr:
        case ir.Ref(kind="param", name=name) if name == param:
            return 1
        case ir.Operation(op="+" | "min" | "max", operands=operands):
            return _joined([_slope(o, param) for o in operands])
        case ir.Operation(op="-", operands=(left, right)):
            return _joined([_slope(left, param), _turned(_slope(right, param))])
        case ir.Operation(op="-" | "~", operands=(one,)):
            return _turned(_slope(one, param))
        case ir.Operation(op="*", operands=operands):
            positive = all((ir.expr_bounds(o) or (-1, 0))[0] >= 0 for o in operands)
            return _joined([_slope(o, param) for o in operands]) if positive else None
        case ir.Operation(op="/" | "<<" | ">>" | "ceil_div" | "align", operands=(one, ir.Number())):
            return _slope(one, param)
        case _:
            return None if param in unknowns(expr, "param") else 0


def _turned(slope: int | None) -> int | None:
    return None if slope is None else -slope


def _joined(slopes: Sequence[int | None]) -> int | None:
    if None in slopes:
        return None
    signs = {s for s in slopes if s}
    return None if len(signs) > 1 else next(iter(signs), 0)


def _first(test: Callable[[int], bool], low: int, high: int) -> int:
    """The first of low..high to pass a test that all later ones pass; high + 1 if none does."""
    high += 1
    while low < high:
        middle = (low + high) // 2
        if test(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _bisected(constraint: Constraint, param: str, slope: int, domain: range,
              values: Mapping[str, ParamValue]) -> Domain:  # fmt: skip
    def number(x: int) -> int:
        return slope * number_of(constraint.expr, Known(params={**values, param: x}))

    low, high = sorted((slope * constraint.low, slope * constraint.high))
    start, end = domain.start, domain.stop - 1
    first = _first(lambda x: number(x) >= low, start, end)
    return range(first, _first(lambda x: number(x) > high, first, end))


def _narrowed(
    constraint: Constraint, domains: Mapping[str, Domain], fixed: Mapping[str, ParamValue]
) -> dict[str, Domain]:
    """The domains of the constraint's open parameters without the values that it rules out."""
    open_ = [p for p in constraint.params if p not in fixed]
    if len(open_) == 1:
        param = open_[0]
        domain = domains[param]
        slope = _slope(constraint.expr, param)
        if slope and isinstance(domain, range):
            return {param: _bisected(constraint, param, slope, domain, fixed)}
        if size_of(domain) <= MAX_TRIES:
            fit = tuple(v for v in domain if within(constraint, {**fixed, param: v}))
            return {param: fit if len(fit) < size_of(domain) else domain}
        return {}
    total = 1
    for name in open_:
        total *= size_of(domains[name])
    if total > MAX_COMBINATIONS:
        return {}
    combinations = product(*(domains[name] for name in open_))
    good = [c for c in combinations if within(constraint, {**fixed, **dict(zip(open_, c))})]
    return {
        name: tuple(v for v in domains[name] if any(c[i] == v for c in good))
        for i, name in enumerate(open_)
    }


def propagate(
    constraints: Sequence[Constraint], start: Mapping[str, Domain]
) -> tuple[dict[str, Domain], tuple[Constraint, ...]]:
    """What is left of the domains, and the constraints that could not be met and were left out."""
    domains = dict(start)
    left = list(dict.fromkeys(constraints))
    broken: list[Constraint] = []
    for _ in range(MAX_ROUNDS):
        before = dict(domains)
        for constraint in tuple(left):
            fixed = {n: d[0] for n, d in domains.items() if size_of(d) == 1}
            if all(p in fixed for p in constraint.params):
                left.remove(constraint)
                if not within(constraint, fixed):
                    broken.append(constraint)
                continue
            narrowed = _narrowed(constraint, domains, fixed)
            if any(size_of(d) == 0 for d in narrowed.values()):
                left.remove(constraint)
                broken.append(constraint)
            else:
                domains |= narrowed
        if domains == before:
            break
    return domains, tuple(broken)


def probed(
    constraints: Sequence[Constraint], start: Mapping[str, Domain]
) -> tuple[dict[str, Domain], tuple[Constraint, ...]]:
    """`propagate`, then without the values that some constraint rules out once they are taken."""
    domains, broken = propagate(constraints, start)
    good = [c for c in constraints if c not in broken]
    names = sorted({name for c in good for name in c.params})
    tries = MAX_PROBES
    for _ in range(MAX_ROUNDS):
        before = dict(domains)
        for name in names:
            if 1 < size_of(domains[name]) <= tries:
                tries -= size_of(domains[name])
                fit = tuple(v for v in domains[name] if taken(good, domains, name, v) is not None)
                if fit and len(fit) < size_of(domains[name]):
                    domains, _ = propagate(good, {**domains, name: fit})
        if domains == before:
            break
    return domains, broken


def taken(
    constraints: Sequence[Constraint], domains: Mapping[str, Domain], name: str, value: ParamValue
) -> dict[str, Domain] | None:
    """What is left of all domains once a parameter has this value; None if that cannot be."""
    left, broken = propagate(constraints, {**domains, name: (value,)})
    return None if broken else left
