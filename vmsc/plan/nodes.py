"""The plan: the few wire steps that every backend writes. Made by `lower`; frozen; knows no
target language.

A description's plan is a row of steps. A `Run` is fixed fields back to back: one unpack, one
bounds check. A `Value` is one field of any other form, its form a `Node`. `Gate` holds what is
there only under a condition. All backends get the same plan, so all write the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from vmsc.runtime.kinds import DescriptionKind, Order, SizeClass
from vmsc.schema.ir import Expr, Module, Param
from vmsc.schema.source import Span

# How a law holds a field against its bound; "": it is not of that form.
Relation = Literal["", "at least", "at most", "equal to"]

# --- nodes: the form of one value -----------------------------------------------------------------


@dataclass(frozen=True)
class Num:
    """A number: `name` is the language's word for it."""

    name: str
    size: int
    signed: bool
    order: Order


@dataclass(frozen=True)
class Blob:
    """`kind`: bytes, padding or opaque. `limit`: the most that `length` can be."""

    kind: Literal["bytes", "padding", "opaque"]
    length: Expr
    limit: int


@dataclass(frozen=True)
class Rest:
    """All bytes to the end of the section."""


@dataclass(frozen=True)
class Text:
    """A length of `prefix` bytes, then as many bytes."""

    prefix: int
    limit: int


@dataclass(frozen=True)
class Words:
    """A bitmap: ceil(bits / 64) 64-bit words."""

    bits: Expr
    limit: int


@dataclass(frozen=True)
class Rep:
    node: Node
    count: Expr
    limit: int


@dataclass(frozen=True)
class Stop:
    """Calls, until the number `num` that would begin one is `stop`."""

    call: Call
    num: Num
    member: str
    stop: int


@dataclass(frozen=True)
class Total:
    """Calls, until their `member`s add up to `total`."""

    call: Call
    member: str
    total: Expr


@dataclass(frozen=True)
class Tagged:
    """A byte `tag` before each, a zero byte behind the last."""

    node: Node
    tag: int


@dataclass(frozen=True)
class Pairs:
    """A count, tagged pairs, a zero byte."""

    key: Node
    value: Node


@dataclass(frozen=True)
class Maybe:
    """0x30 for an absent element; `mask` says which are there, None: a marker before each."""

    node: Node
    count: Expr
    mask: Expr | None
    limit: int


class Tail(Enum):
    """Whether bytes of the description may follow a call of another one.

    What is called may peek for subsections where it ends; what the end of the input means there
    depends on what may follow. In a sequence, LAST is said of its last element alone: of all others
    it is MORE.
    """

    MORE = "more"
    LAST = "last"


@dataclass(frozen=True)
class Call:
    """Another description, its parameters bound; `version` None: its own."""

    key: str
    arguments: tuple[tuple[str, Expr], ...]
    version: int | None
    tail: Tail = Tail.MORE


@dataclass(frozen=True)
class Switch:
    on: Expr
    arms: tuple[tuple[int | str, Node], ...]
    otherwise: Node | None


@dataclass(frozen=True)
class Window:
    """`length` bytes that the node fills exactly."""

    length: Expr
    node: Node
    limit: int


@dataclass(frozen=True)
class Custom:
    """A plugin's wire type."""

    name: str


Node = (
    Num
    | Blob
    | Rest
    | Text
    | Words
    | Rep
    | Stop
    | Total
    | Tagged
    | Pairs
    | Maybe
    | Call
    | Switch
    | Window
    | Custom
)


# --- steps ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A few numbers in a run, one list to the user."""

    num: Num
    count: int


@dataclass(frozen=True)
class Group:
    """A plain struct of fixed size, laid out in the run of its user: its plan is a single run."""

    key: str


@dataclass(frozen=True)
class Split:
    """A word whose bit ranges `parts`, (name, mask), are the fields; each keeps its place in the
    word. Later expressions may read the word by its own name.
    """

    num: Num
    parts: tuple[tuple[str, int], ...]


Form = Num | Blob | Row | Group | Split


@dataclass(frozen=True)
class RunField:
    """One field of a run, `offset` from the run's start. `via`: a transform."""

    name: str
    form: Form
    offset: int
    size: int
    via: str = ""


@dataclass(frozen=True)
class Run:
    order: Order
    size: int
    fields: tuple[RunField, ...]


@dataclass(frozen=True)
class Value:
    name: str
    node: Node


@dataclass(frozen=True)
class Gate:
    """`steps` if the condition holds; else the fields `names` are absent, and the split words
    `words` are 0 to whatever reads them.
    """

    condition: Expr
    steps: tuple[Step, ...]
    names: tuple[str, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keep:
    """A sticky field: on the wire if the condition holds, else what it last was."""

    condition: Expr
    value: Value
    empty: int | bytes


@dataclass(frozen=True)
class Let:
    name: str
    expr: Expr


@dataclass(frozen=True)
class Assert:
    """A law. `field` is what it speaks of ("" for `require`), `back` how many bytes ago that
    began (0: not known).

    `relation` and `bound`: `at most`, `at least` or `equal to` the bound; else `text` is the law
    as written.
    """

    law: Expr
    field: str
    back: int
    relation: Relation
    bound: Expr | None
    text: str
    why: str


@dataclass(frozen=True)
class Break:
    condition: Expr


Step = Run | Value | Gate | Keep | Let | Assert | Break


@dataclass(frozen=True)
class Subsection:
    name: str
    wire: str
    call: Call
    version: int
    minimum: int


@dataclass(frozen=True)
class Member:
    """A field of the value, for types and docs: `optional` if it may be absent. The `node` of a
    split word's part is the word's number. `written`: its type as a schema has it, descriptions by
    key.
    """

    name: str
    wire: str
    node: Node
    written: str
    optional: bool
    doc: str
    span: Span
    presence: str = ""
    law: str = ""


@dataclass(frozen=True)
class Plan:
    """One description. `size_class` is constant, computed, bounded, measured or opaque; `least`
    and `most` bound its bytes in the qemu profile (`most` None: no static limit). `peeks`: QEMU
    looks for subsections behind it.
    """

    key: str
    module: str
    kind: DescriptionKind
    name: str
    wire: str
    version: int
    minimum: int
    params: tuple[Param, ...]
    steps: tuple[Step, ...]
    subsections: tuple[Subsection, ...]
    members: tuple[Member, ...]
    size_class: SizeClass
    least: int
    most: int | None
    digest: bytes
    doc: str
    span: Span
    target: str = ""

    @property
    def peeks(self) -> bool:
        return self.kind in ("device", "vmsd", "subsection")

    @property
    def only_run(self) -> Run | None:
        """The run that is all of the body, if that is so: of a group it always is."""
        match self.steps:
            case (Run() as run,):
                return run
            case _:
                return None

    @property
    def constant(self) -> int | None:
        """Its bytes, where it always has as many (what may follow it not counted)."""
        return self.least if self.size_class == "constant" else None


@dataclass(frozen=True)
class Program:
    """All plans by key, what is called before its caller, and the modules that hold them."""

    modules: tuple[Module, ...]
    plans: Mapping[str, Plan]
