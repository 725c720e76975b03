"""Questions to the ir: what a number can be, what a type is made of, what may be empty."""

from __future__ import annotations

from collections.abc import Container
from typing import assert_never

from vmsc.schema.ir.nodes import (
    Array,
    At,
    Bitmap,
    Bytes,
    Choice,
    Description,
    Expr,
    External,
    Field,
    Invalid,
    ListOf,
    Member,
    Nullable,
    Number,
    Opaque,
    Operation,
    Padding,
    Ref,
    Scalar,
    Split,
    String,
    Text,
    Tree,
    Type,
    Until,
    UntilSum,
    Use,
    Version,
    Within,
)

__all__ = [
    "absent_value",
    "expr_bounds",
    "field_bounds",
    "is_hollow",
    "is_optional",
    "is_word",
    "may_be_empty",
    "names_in",
    "scalar_bounds",
    "type_exprs",
    "type_parts",
    "type_uses",
]


def scalar_bounds(scalar: Scalar) -> tuple[int, int]:
    """The numbers that a scalar can hold."""
    bits = scalar.size * 8
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if scalar.signed else (0, (1 << bits) - 1)


def expr_bounds(expr: Expr) -> tuple[int, int] | None:
    """The least and greatest value of a number, or None for what is none."""
    match expr:
        case Number(value=value):
            return value, value
        case Text():
            return None
        case Ref(low=low, high=high) | Member(low=low, high=high):
            return None if low is None or high is None else (low, high)
        case Version(low=low, high=high) | At(low=low, high=high) | Operation(low=low, high=high):
            return low, high


def is_word(expr: Expr) -> bool:
    """Whether the expression is one of some words: text, where a string on the wire is bytes."""
    match expr:
        case Text():
            return True
        case Ref(kind="param", low=None, type=None):
            return True
        case _:
            return False


def absent_value(type_: Type | None) -> int | bytes | tuple[()] | None:
    """What a field reads as where it is absent; None: a description has no such value."""
    match type_:
        case None | Scalar() | External():  # a plugin's type may be a number
            return 0
        case Bytes() | Padding() | Opaque() | String():
            return b""
        case Array() | Bitmap() | ListOf() | Until() | UntilSum() | Tree() | Nullable():
            return ()
        case Use() | Choice() | Within() | Invalid():
            return None
        case _:
            assert_never(type_)


def names_in(expr: Expr) -> frozenset[tuple[str, str]]:
    """The (kind, name) of what an expression reads; version is ('version', '')."""
    match expr:
        case Number() | Text():
            return frozenset()
        case Version():
            return frozenset({("version", "")})
        case Ref(kind=kind, name=name):
            return frozenset({(kind, name)})
        case Member(of=of):
            return names_in(of)
        case At(of=of, index=index):
            return names_in(of) | names_in(index)
        case Operation(operands=operands):
            return frozenset().union(*map(names_in, operands))


def type_parts(type_: Type) -> tuple[Type, ...]:
    """The types that a type is directly made of."""
    match type_:
        case Array(element=inner) | ListOf(element=inner) | Nullable(element=inner):
            return (inner,)
        case Until(element=inner) | UntilSum(element=inner) | Within(inner=inner):
            return (inner,)
        case Tree(key=key, value=value):
            return key, value
        case Choice(arms=arms, otherwise=otherwise):
            return (*(t for _, t in arms), *(() if otherwise is None else (otherwise,)))
        case _:
            return ()


def type_exprs(type_: Type) -> tuple[Expr, ...]:
    """All expressions of a type, its parts' included."""
    own: tuple[Expr | None, ...]
    match type_:
        case Bytes(length=e) | Padding(length=e) | Within(length=e) | Bitmap(bits=e):
            own = (e,)
        case Opaque(length=length):
            own = (length,)
        case Array(count=e) | UntilSum(total=e) | Choice(on=e):
            own = (e,)
        case Nullable(count=count, present=present):
            own = (count, present)
        case Use(arguments=arguments):
            own = tuple(e for _, e in arguments)
        case _:
            own = ()
    inner = (e for part in type_parts(type_) for e in type_exprs(part))
    return (*(e for e in own if e is not None), *inner)


def type_uses(type_: Type) -> tuple[Use, ...]:
    """The descriptions that a type names."""
    if isinstance(type_, Use):
        return (type_,)
    return tuple(use for part in type_parts(type_) for use in type_uses(part))


def is_optional(item: Field | Split) -> bool:
    """Whether the field may be absent (a sticky one always has a value)."""
    sticky = isinstance(item, Field) and item.sticky
    return not sticky and (item.since is not None or item.when is not None)


def field_bounds(item: Field) -> tuple[int, int] | None:
    """The numbers that a field can hold, laws counted; None for what is no number."""
    if not isinstance(item.type, Scalar) or item.type.name == "f64" or item.via:
        return None
    low, high = scalar_bounds(item.type)
    if item.least is not None and (bound := expr_bounds(item.least)):
        low = max(low, bound[0])
    if item.most is not None and (bound := expr_bounds(item.most)):
        high = min(high, bound[1])
    if item.equals is not None and (bound := expr_bounds(item.equals)):
        low, high = max(low, bound[0]), min(high, bound[1])
    high = max(low, high)  # laws that contradict each other are reported elsewhere
    return (min(low, 0), max(high, 0)) if is_optional(item) else (low, high)


def may_be_empty(type_: Type, hollow: Container[str]) -> bool:
    """Whether a value may take no byte; `hollow` holds the keys of descriptions that may."""
    match type_:
        case Bytes(length=e) | Padding(length=e) | Within(length=e) | Bitmap(bits=e):
            return _may_be_zero(e)
        case Opaque(length=length):
            return length is None or _may_be_zero(length)
        case Nullable(count=e, present=None) | UntilSum(total=e):
            return _may_be_zero(e)
        case Array(element=element, count=e) | Nullable(element=element, count=e):
            return _may_be_zero(e) or may_be_empty(element, hollow)
        case Choice():
            return any(may_be_empty(part, hollow) for part in type_parts(type_))
        case Use(key=key):
            return key in hollow
        case External():
            return True  # nobody says
        case _:
            return False


def _may_be_zero(expr: Expr) -> bool:
    low, high = expr_bounds(expr) or (0, 0)
    return low <= 0 <= high


def is_hollow(description: Description, hollow: Container[str]) -> bool:
    """Whether the description may take no byte (in a loop: one round of it)."""
    for item in description.items:
        if isinstance(item, Split) and not is_optional(item):
            return False
        if isinstance(item, Field) and not (
            item.since is not None or item.when is not None or may_be_empty(item.type, hollow)
        ):
            return False
    return True
