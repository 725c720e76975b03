"""The meaning of a schema: descriptions with every name resolved and every expression bounded.

Made by `resolve`, judged by `checks`, taken apart by `lower`. Frozen; knows nothing of a target
language. Descriptions are named by a key (`std.pci:PciDevice`), so that data stay a tree;
Schema.descriptions lists what is used before its user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from vmsc.runtime.kinds import DescriptionKind, Order, ParamKind
from vmsc.schema.source import NOWHERE, Span

RefKind = Literal["field", "let", "param"]

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

    kind: RefKind
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
    order: Order = "big"


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
    kind: ParamKind
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
    kind: DescriptionKind
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

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """Its fields by name; subsections, and the parts of split words, are not among them."""
        return {item.name: item for item in self.items if isinstance(item, Field)}


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


# --- the language's numbers ----------------------------------------------------------------------

_SIZES = {"8": 1, "16": 2, "32": 4, "64": 8}

SCALARS: dict[str, Scalar] = {
    **{f"u{bits}": Scalar(f"u{bits}", size, False) for bits, size in _SIZES.items()},
    **{f"s{bits}": Scalar(f"s{bits}", size, True) for bits, size in _SIZES.items()},
    "bool": Scalar("bool", 1, False),
    "f64": Scalar("f64", 8, True),
    "timer": Scalar("timer", 8, True),
}
