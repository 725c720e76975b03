"""Print expressions from their tree, in whatever language a `Spelling` writes.

The one place that decides about brackets. An operation's form says how tightly its text binds and
how tightly each operand must; an operand that binds looser is bracketed. What a language lacks is
the spelling's to say: division that rounds down, a comparison as a number, a number as a condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from vmsc.schema import ir

__all__ = ["ANY", "WHOLE", "Form", "Fragment", "Kind", "Leaf", "Spelling", "infix", "printed"]

Leaf = ir.Number | ir.Text | ir.Version | ir.Ref | ir.Member | ir.At

# How tightly a text binds: not at all, and like a name. The levels between are each language's own.
ANY, WHOLE = 0, 99


class Kind(Enum):
    """What a text is in the target language: a value (a number, bytes, a word); a boolean, where
    that is something else than 1 or 0; or what a condition can test and is neither.
    """

    VALUE = "value"
    BOOLEAN = "boolean"
    TESTABLE = "testable"


@dataclass(frozen=True)
class Fragment:
    """A printed expression: its text, how tightly it binds, and what it is."""

    text: str
    level: int = WHOLE
    kind: Kind = Kind.VALUE

    def at(self, level: int) -> str:
        """The text where it must bind at least so tightly."""
        return self.text if self.level >= level else f"({self.text})"


@dataclass(frozen=True)
class Form:
    """How a language writes an operation: `text` has {0}, {1} in the place of its operands, or
    {} in that of all of them, with `joint` between.

    `needs` is how tightly each must bind, the last of it for all that follow; `wants` is what they
    must be, `gives` what comes of them (None: a boolean if all of them are, else testable).
    """

    text: str
    level: int
    needs: tuple[int, ...]
    wants: Kind = Kind.VALUE
    gives: Kind | None = Kind.VALUE
    joint: str = field(default=", ", kw_only=True)

    def filled(self, operands: Sequence[Fragment]) -> Fragment:
        last = len(self.needs) - 1
        texts = [operand.at(self.needs[min(i, last)]) for i, operand in enumerate(operands)]
        parts = texts if "{0}" in self.text else [self.joint.join(texts)]
        gives = self.gives
        if gives is None:
            boolean = all(operand.kind is Kind.BOOLEAN for operand in operands)
            gives = Kind.BOOLEAN if boolean else Kind.TESTABLE
        return Fragment(self.text.format(*parts), self.level, gives)


def infix(
    word: str,
    level: int,
    wants: Kind = Kind.VALUE,
    gives: Kind | None = Kind.VALUE,
    *,
    chains: bool = True,
) -> Form:
    """An operator between operands, grouped from the left where it `chains`."""
    first = level if chains else level + 1
    return Form("{}", level, (first, level + 1), wants, gives, joint=f" {word} ")


class Spelling(Protocol):
    """How a language writes names and constants, operations, and conversions."""

    def leaf(self, expr: Leaf, beside: Sequence[ir.Expr]) -> Fragment:
        """What is not an operation. `beside`: all operands of the operation that it is one of."""
        ...

    def form(self, operation: ir.Operation) -> Form: ...

    def converted(self, fragment: Fragment, expr: ir.Expr, wanted: Kind) -> Fragment:
        """The fragment as a value, or (wanted: a boolean) as what a condition can test."""
        ...


def printed(
    expr: ir.Expr,
    spelling: Spelling,
    wanted: Kind = Kind.VALUE,
    beside: Sequence[ir.Expr] = (),
) -> Fragment:
    """The expression in the spelling's language."""
    if isinstance(expr, ir.Operation):
        form = spelling.form(expr)
        operands = [printed(o, spelling, form.wants, expr.operands) for o in expr.operands]
        return spelling.converted(form.filled(operands), expr, wanted)
    return spelling.converted(spelling.leaf(expr, beside), expr, wanted)
