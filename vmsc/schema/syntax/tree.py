"""The syntax tree: what a .vmsd text says, before any name is looked up.

Frozen data, made by `parser` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmsc.runtime.kinds import DescriptionKind
from vmsc.schema.source import Source, Span

# The names are those of docs/language.md.


@dataclass(frozen=True)
class Name:
    text: str
    span: Span


# --- expressions ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    value: int
    span: Span


@dataclass(frozen=True)
class Text:
    value: str
    span: Span


@dataclass(frozen=True)
class Truth:
    value: bool
    span: Span


@dataclass(frozen=True)
class Version:
    span: Span


@dataclass(frozen=True)
class Reference:
    name: str
    span: Span


@dataclass(frozen=True)
class Member:
    of: Expr
    name: Name
    span: Span


@dataclass(frozen=True)
class Index:
    of: Expr
    at: Expr
    span: Span


@dataclass(frozen=True)
class Operation:
    """`op` is the operator as written; a unary one has one operand (`-`, `~`, `not`)."""

    op: str
    operands: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True)
class Call:
    name: Name
    arguments: tuple[Expr, ...]
    span: Span


Expr = Number | Text | Truth | Version | Reference | Member | Index | Operation | Call


# --- types ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Argument:
    name: Name
    value: Expr


@dataclass(frozen=True)
class Named:
    name: Name
    order: str  # "" | little | host
    arguments: tuple[Argument, ...]
    version: int | None
    span: Span


@dataclass(frozen=True)
class Array:
    element: Type
    count: Expr
    span: Span


@dataclass(frozen=True)
class Until:
    element: Type
    member: Name
    stop: Expr
    span: Span


@dataclass(frozen=True)
class UntilSum:
    element: Type
    member: Name
    total: Expr
    span: Span


@dataclass(frozen=True)
class ListOf:
    element: Type
    tag: int
    span: Span


@dataclass(frozen=True)
class Tree:
    key: Type
    value: Type
    span: Span


@dataclass(frozen=True)
class Nullable:
    element: Type
    count: Expr
    present: Expr | None  # None: marked
    span: Span


@dataclass(frozen=True)
class Arm:
    label: Expr | None  # None: else
    type: Type
    span: Span


@dataclass(frozen=True)
class Choice:
    on: Expr
    arms: tuple[Arm, ...]
    span: Span


@dataclass(frozen=True)
class Within:
    length: Expr
    inner: Type
    span: Span


@dataclass(frozen=True)
class Padding:
    length: Expr
    span: Span


@dataclass(frozen=True)
class Opaque:
    length: Expr | None
    span: Span


Type = (
    Named | Array | Until | UntilSum | ListOf | Tree | Nullable | Choice | Within | Padding | Opaque
)


# --- items ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Modifier:
    """`word` is since, when, unless, min, max, equals, sticky, via or as; the operand fits it."""

    word: str
    operand: int | str | Name | Expr | None
    span: Span


@dataclass(frozen=True)
class Field:
    name: Name
    type: Type
    modifiers: tuple[Modifier, ...]
    doc: str
    span: Span


@dataclass(frozen=True)
class Part:
    """`width` bits from `low` on; for `high n`, low is -1 until the word is known."""

    name: Name
    low: int
    width: int
    doc: str
    span: Span


@dataclass(frozen=True)
class Split:
    name: Name
    type: Type
    parts: tuple[Part, ...]
    modifiers: tuple[Modifier, ...]
    doc: str
    span: Span


@dataclass(frozen=True)
class Let:
    name: Name
    value: Expr
    doc: str
    span: Span


@dataclass(frozen=True)
class Require:
    law: Expr
    why: str
    span: Span


@dataclass(frozen=True)
class Break:
    condition: Expr
    unless: bool
    span: Span


@dataclass(frozen=True)
class Subsection:
    wire: str
    name: Name | None
    version: int | None
    minimum: int | None
    items: tuple[Item, ...]
    doc: str
    span: Span


@dataclass(frozen=True)
class NumberDomain:
    type: Name
    low: Expr | None
    high: Expr | None


@dataclass(frozen=True)
class Word:
    """`relation`: "at" a section whose path fits the pattern, "under" one that does, or ""."""

    text: str
    relation: str
    pattern: str


@dataclass(frozen=True)
class Words:
    words: tuple[Word, ...]


@dataclass(frozen=True)
class DescriptionDomain:
    pass


@dataclass(frozen=True)
class Param:
    name: Name
    domain: NumberDomain | Words | DescriptionDomain
    default: Expr | None
    doc: str
    span: Span


@dataclass(frozen=True)
class Outer:
    name: Name
    type: Name
    doc: str
    span: Span


Item = Field | Split | Let | Require | Break | Subsection | Param | Outer


# --- files ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Use:
    module: str
    span: Span


@dataclass(frozen=True)
class Const:
    name: Name
    value: Expr
    doc: str
    span: Span


@dataclass(frozen=True)
class Description:
    """`kind` is device, vmsd, struct or loop.

    `name` is None where a device's is to be made of its wire name.

    `target`: the one whose streams have a device of this name in this form.
    """

    kind: DescriptionKind
    name: Name | None
    wire: str
    version: int | None
    minimum: int | None
    items: tuple[Item, ...]
    doc: str
    span: Span
    target: str = ""


@dataclass(frozen=True)
class File:
    source: Source
    doc: str
    uses: tuple[Use, ...]
    consts: tuple[Const, ...]
    params: tuple[Param, ...]
    descriptions: tuple[Description, ...]
