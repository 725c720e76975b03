"""The rows of a description's table, in the order of the wire: fields, parts of words, laws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

from .extent import Extent, Place, extent
from .text import Piece, Writing, number, paragraphs, shown

__all__ = ["Row", "rows_of"]


@dataclass(frozen=True)
class Row:
    """`kind`: field, part (of a split word) or note.

    A note is a law, a name or a break: `name` says which, `type` what.
    """

    kind: str
    name: str
    anchor: str = ""
    wire: str = ""
    offset: str = ""
    width: str = ""
    type: tuple[Piece, ...] = ()
    presence: str = ""
    law: str = ""
    doc: tuple[tuple[Piece, ...], ...] = ()


@dataclass
class _Table:
    """One description's rows in the making; `place` is where the next field begins."""

    one: plan.Plan
    writing: Writing
    place: Place = field(default_factory=Place)

    def __post_init__(self) -> None:
        self.members: Mapping[str, plan.Member] = {m.name: m for m in self.one.members}

    def steps(self, steps: tuple[plan.Step, ...]) -> Iterator[Row]:
        before: tuple[ir.Expr, Place] | None = None  # the gate before: when, where
        for step in steps:
            match step:
                case plan.Run(fields=fields, size=size):
                    for each in fields:
                        yield from self.run_field(each)
                    self.place = self.place.plus(size)
                case plan.Value(name=name, node=node):
                    yield self.value(name, extent(node, self.writing.plans))
                case plan.Keep(value=plan.Value(name=name, node=node)):
                    yield self.value(name, extent(node, self.writing.plans), sticky=True)
                    self.place = Place(name)
                case plan.Gate(condition=condition, steps=inner, names=names):
                    if before is not None and _opposite(condition, before[0]):
                        self.place = before[1]
                    before = condition, self.place
                    yield from self.steps(inner)
                    self.place = Place(self.last(inner, names))
                    continue
                case plan.Let(name=name, expr=expr):
                    yield Row("note", "let", type=(Piece(f"{name} = {shown(expr)}", code=True),))
                case plan.Assert(field="", text=text, why=why):
                    yield Row("note", "law", type=(Piece(text, code=True),), doc=paragraphs(why))
                case plan.Assert():
                    pass  # shown with its field
                case plan.Break(condition=condition):
                    yield Row("note", "last round when", type=(Piece(shown(condition), code=True),))
                case _:
                    assert_never(step)
            before = None

    def last(self, steps: tuple[plan.Step, ...], names: tuple[str, ...]) -> str:
        """What a gate's end is called after: its last field, or the word that its parts are of."""
        match steps[-1:]:
            case (plan.Run(fields=(*_, last)),):
                return last.name
            case _:
                return names[-1]

    def run_field(self, each: plan.RunField) -> Iterator[Row]:
        place = self.place.plus(each.offset)
        if not isinstance(each.form, plan.Split):
            yield self.row(each.name, place, number(each.size), each.via)
            return
        parts = each.form.parts
        first = self.members[parts[0][0]]
        yield Row(
            "field", each.name, f"{self.one.name}.{each.name}", "", place.text, number(each.size),
            self.writing.type(first.written), first.presence,
        )  # fmt: skip
        for name, mask in parts:
            member = self.members[name]
            anchor = f"{self.one.name}.{name}"
            yield Row("part", name, anchor, width=_bits(mask), doc=paragraphs(member.doc))

    def value(self, name: str, width: Extent, sticky: bool = False) -> Row:
        row = self.row(name, self.place, width.text, sticky=sticky)
        self.place = self.place.after(name, width)
        return row

    def row(
        self, name: str, place: Place, width: str, via: str = "", *, sticky: bool = False
    ) -> Row:
        member = self.members[name]
        presence = member.presence
        if sticky:
            presence = f"sent {presence}, else as before" if presence else "sticky"
        return Row(
            "field", name, f"{self.one.name}.{name}", "" if member.wire == name else member.wire,
            place.text, width, self.writing.type(member.written, via),
            presence.replace(" * ", " × "), member.law.replace(" * ", " × "),
            paragraphs(member.doc),
        )  # fmt: skip


def _opposite(one: ir.Expr, other: ir.Expr) -> bool:
    """Whether of two fields with these conditions there is always one: both begin at one place."""
    pairs = ((one, other), (other, one))
    return any(isinstance(a, ir.Operation) and a.op == "not" and a.operands == (b,)
               for a, b in pairs)  # fmt: skip


def _bits(mask: int) -> str:
    low, high = (mask & -mask).bit_length() - 1, mask.bit_length() - 1
    return f"bit {low}" if low == high else f"bits {low}–{high}"


def rows_of(one: plan.Plan, writing: Writing) -> tuple[Row, ...]:
    return tuple(_Table(one, writing).steps(one.steps))
