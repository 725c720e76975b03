"""The meaning of a schema: descriptions with every name resolved and every expression bounded.

Made by `resolve`, judged by `checks`, taken apart by `lower`. Frozen; knows nothing of a target
language. Descriptions are named by a key (`std.pci:PciDevice`), so that data stay a tree;
Schema.descriptions lists what is used before its user.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from vmsc.schema.source import NOWHERE, Span

# --- expressions ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Text:
    value: str


@dataclass(frozen=True)
class Version:
    """The description's version on the wire."""

    low: int
    high: int


@dataclass(frozen=True)
class Ref:
    """A name of the description at hand: `kind` is field, let or param. `optional`: it may be
    absent and reads as 0.

    `low` and `high` bound a number; both None: not a number (bytes, a description, a list).
    """

    kind: str
    name: str
    low: int | None
    high: int | None
    optional: bool = False
    type: Type | None = None


@dataclass(frozen=True)
class Member:
    """A field of a nested description."""

    of: Expr
    name: str
    low: int | None
    high: int | None
    optional: bool = False
    type: Type | None = None


@dataclass(frozen=True)
class At:
    """An element of an array, or a byte of bytes. `size`: how many elements there are at least
    (0: not known).
    """

    of: Expr
    index: Expr
    low: int
    high: int


@dataclass(frozen=True)
class Operation:
    """Operators as in Python; functions by name (min max ceil_div align bit length). Bounded
    like a number.
    """

    op: str
    operands: tuple[Expr, ...]
    low: int
    high: int


Expr = Number | Text | Version | Ref | Member | At | Operation


# --- types ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scalar:
    """A number of `size` bytes: `name` as in the language (u32, bool, timer, ...), `order` big
    or little.
    """

    name: str
    size: int
    signed: bool
    order: str = "big"


@dataclass(frozen=True)
class Bytes:
    length: Expr


@dataclass(frozen=True)
class Padding:
    length: Expr


@dataclass(frozen=True)
class Opaque:
    """Bytes that no description covers; without a length, all that is left of the section."""

    length: Expr | None


@dataclass(frozen=True)
class String:
    """A length of `prefix` bytes (1 or 4), then as many bytes, at most `limit`."""

    prefix: int
    limit: int


@dataclass(frozen=True)
class Bitmap:
    bits: Expr


@dataclass(frozen=True)
class Array:
    element: Type
    count: Expr


@dataclass(frozen=True)
class Until:
    """Elements until one whose first field `member` would be `stop`."""

    element: Use
    member: str
    scalar: Scalar
    stop: int


@dataclass(frozen=True)
class UntilSum:
    element: Use
    member: str
    total: Expr


@dataclass(frozen=True)
class ListOf:
    element: Type
    tag: int


@dataclass(frozen=True)
class Tree:
    key: Type
    value: Type


@dataclass(frozen=True)
class Nullable:
    """`present` is a mask with a bit an element; None: a marker stands before every element."""

    element: Type
    count: Expr
    present: Expr | None


@dataclass(frozen=True)
class Choice:
    on: Expr
    arms: tuple[tuple[int | str, Type], ...]
    otherwise: Type | None


@dataclass(frozen=True)
class Within:
    length: Expr
    inner: Type


@dataclass(frozen=True)
class Use:
    """A nested description; `arguments` bind its parameters, all of them; `version` where it is
    not its own.
    """

    key: str
    arguments: tuple[tuple[str, Expr], ...] = ()
    version: int | None = None


@dataclass(frozen=True)
class External:
    """A wire type that a plugin brings."""

    name: str


@dataclass(frozen=True)
class Invalid:
    """Stands for what was reported already, so that one slip gives one message."""


Type = (
    Scalar
    | Bytes
    | Padding
    | Opaque
    | String
    | Bitmap
    | Array
    | Until
    | UntilSum
    | ListOf
    | Tree
    | Nullable
    | Choice
    | Within
    | Use
    | External
    | Invalid
)


# --- descriptions ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Param:
    """See runtime.codec.Param. `outer`: bound by itself to an earlier field of that name in an
    enclosing description.
    """

    name: str
    kind: str
    low: int = 0
    high: int = 0
    words: tuple[str, ...] = ()
    default: int | str | bytes | None = None
    places: tuple[tuple[str, str, str], ...] = ()
    outer: bool = False
    sticky: bool = False
    doc: str = ""
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Field:
    """`name` is the identifier, `wire` QEMU's name. Present: always, `since` a version, or
    `when` an expression.
    """

    name: str
    wire: str
    type: Type
    since: int | None
    when: Expr | None
    least: Expr | None
    most: Expr | None
    equals: Expr | None
    sticky: bool
    via: str
    doc: str
    span: Span


@dataclass(frozen=True)
class Part:
    """Bits of a split word, kept in their place."""

    name: str
    mask: int
    doc: str


@dataclass(frozen=True)
class Split:
    name: str
    wire: str
    scalar: Scalar
    parts: tuple[Part, ...]
    since: int | None
    when: Expr | None
    doc: str
    span: Span


@dataclass(frozen=True)
class Let:
    name: str
    value: Expr
    span: Span


@dataclass(frozen=True)
class Require:
    law: Expr
    text: str  # the law as it is written
    why: str
    span: Span


@dataclass(frozen=True)
class Break:
    """The loop ends here, after this round, if `condition`."""

    condition: Expr
    span: Span


Item = Field | Split | Let | Require | Break


@dataclass(frozen=True)
class Subsection:
    name: str
    wire: str
    use: Use
    version: int
    minimum: int
    doc: str
    span: Span


@dataclass(frozen=True)
class Description:
    """`kind`: device, vmsd, struct, loop or subsection. `name` is that of the Python class.

    `target`: the one whose streams have a device of this name in this form; empty: all have.
    """

    key: str
    module: str
    kind: str
    name: str
    wire: str
    version: int
    minimum: int
    params: tuple[Param, ...]
    items: tuple[Item, ...]
    subsections: tuple[Subsection, ...]
    doc: str
    span: Span
    target: str = ""


@dataclass(frozen=True)
class Module:
    """A file's descriptions by key, and the modules that it uses."""

    name: str
    path: str
    doc: str
    uses: tuple[str, ...]
    descriptions: tuple[str, ...]


@dataclass(frozen=True)
class Schema:
    modules: tuple[Module, ...]
    descriptions: Mapping[str, Description]


# --- questions ------------------------------------------------------------------------------------

_SIZES = {"8": 1, "16": 2, "32": 4, "64": 8}

SCALARS: dict[str, Scalar] = {
    **{f"u{bits}": Scalar(f"u{bits}", size, False) for bits, size in _SIZES.items()},
    **{f"s{bits}": Scalar(f"s{bits}", size, True) for bits, size in _SIZES.items()},
    "bool": Scalar("bool", 1, False),
    "f64": Scalar("f64", 8, True),
    "timer": Scalar("timer", 8, True),
}


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
