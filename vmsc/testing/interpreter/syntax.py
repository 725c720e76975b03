"""What the parser makes of text: expressions, types, items, descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Arm",
    "Array",
    "Binary",
    "Break",
    "Call",
    "Choice",
    "Description",
    "Domain",
    "Expr",
    "Field",
    "File",
    "Index",
    "Item",
    "Kind",
    "Let",
    "ListOf",
    "Logic",
    "Member",
    "Name",
    "Named",
    "Nullable",
    "Number",
    "Opaque",
    "Ordered",
    "Outer",
    "Padding",
    "Param",
    "Part",
    "Presence",
    "Require",
    "SchemaError",
    "Subsection",
    "Text",
    "Tree",
    "Type",
    "Unary",
    "Until",
    "UntilSum",
    "Version",
    "Within",
]


class SchemaError(ValueError):
    """Text that is not of the language, or a name that stands for nothing."""


# --- expressions ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Text:
    value: bytes


@dataclass(frozen=True)
class Version:
    """The version of the description that is being read."""


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Member:
    base: Expr
    name: str


@dataclass(frozen=True)
class Index:
    base: Expr
    at: Expr


@dataclass(frozen=True)
class Call:
    function: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True)
class Unary:
    op: Literal["-", "~", "not"]
    operand: Expr


@dataclass(frozen=True)
class Binary:
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Logic:
    """`and`, `or`: the right operand is looked at only where the left one leaves it open."""

    op: Literal["and", "or"]
    left: Expr
    right: Expr


Expr = Number | Text | Version | Name | Member | Index | Call | Unary | Binary | Logic


# --- types ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Named:
    """A word: a type of the language, a plugin's, a description, or a parameter that is one."""

    name: str
    arguments: Mapping[str, Expr] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True)
class Ordered:
    """`little u32`, `host u16`."""

    name: str


@dataclass(frozen=True)
class Array:
    element: Type
    count: Expr


@dataclass(frozen=True)
class Until:
    element: Type
    first: str
    stop: Expr


@dataclass(frozen=True)
class UntilSum:
    element: Type
    part: str
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
    element: Type
    count: Expr
    present: Expr | None  # None: marked


@dataclass(frozen=True)
class Arm:
    label: Expr | None  # None: else
    type: Type


@dataclass(frozen=True)
class Choice:
    selector: Expr
    arms: tuple[Arm, ...]


@dataclass(frozen=True)
class Within:
    length: Expr
    inner: Type


@dataclass(frozen=True)
class Padding:
    """`unused[n]`."""

    length: Expr


@dataclass(frozen=True)
class Opaque:
    """Without a length: all to the end."""

    length: Expr | None


Type = (
    Named
    | Ordered
    | Array
    | Until
    | UntilSum
    | ListOf
    | Tree
    | Nullable
    | Choice
    | Within
    | Padding
    | Opaque
)


# --- items ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Presence:
    word: Literal["since", "when", "unless"]
    condition: Expr


@dataclass(frozen=True)
class Part:
    """Bits of a word, both ends among them; negative ones count from the top, -1 the highest."""

    name: str
    low: int
    high: int


@dataclass(frozen=True)
class Field:
    """`parts` are those of `split`: they are fields then, and the word is none."""

    name: str
    type: Type
    presence: Presence | None = None
    least: Expr | None = None
    most: Expr | None = None
    equals: Expr | None = None
    sticky: bool = False
    via: str | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Let:
    name: str
    value: Expr


@dataclass(frozen=True)
class Require:
    law: Expr
    why: str


@dataclass(frozen=True)
class Break:
    condition: Expr


@dataclass(frozen=True)
class Domain:
    """What a parameter may be; of a description, only which one."""

    kind: Literal["number", "bool", "bits", "words", "bytes", "description"]
    type: str = ""
    least: Expr | None = None
    most: Expr | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Param:
    name: str
    domain: Domain
    default: Expr | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    type: str


@dataclass(frozen=True)
class Subsection:
    name: str
    body: Description


Item = Field | Let | Require | Break | Param | Outer | Subsection


Kind = Literal["device", "vmsd", "struct", "loop", "subsection"]


@dataclass(frozen=True)
class Description:
    """`name` is empty for a device that has none; `wire` for a struct and a loop."""

    kind: Kind
    name: str
    wire: str
    version: int
    minimum: int
    items: tuple[Item, ...]
    target: str | None = None

    @property
    def peeks(self) -> bool:
        return self.kind in ("device", "vmsd", "subsection")

    @property
    def subsections(self) -> tuple[Subsection, ...]:
        return tuple(i for i in self.items if isinstance(i, Subsection))


@dataclass(frozen=True)
class File:
    uses: tuple[str, ...]
    constants: Mapping[str, Expr]
    params: Mapping[str, Param]
    descriptions: tuple[Description, ...]
