"""What random schemas have drawn: each production of the grammar, each form of the plan."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from vmsc import plan
from vmsc.schema import ir
from vmsc.schema.ir.functions import FUNCTIONS
from vmsc.testing.grammar import productions, tree_of, used_productions
from vmsc.testing.schemas import Texts

__all__ = ["Coverage", "covered", "expected"]

_OPERATORS = (
    "+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "~",
    "==", "!=", "<", "<=", ">", ">=", "and", "or", "not",
)  # fmt: skip


@dataclass(frozen=True)
class Coverage:
    """How often each production of the grammar and each form of the plan was there."""

    grammar: Counter[str] = field(default_factory=Counter)
    plan: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.grammar + other.grammar, self.plan + other.plan)

    def missing(self) -> list[str]:
        """What there is and was never drawn."""
        wanted = expected()
        return [
            *(f"grammar: {name}" for name in sorted(wanted.grammar) if not self.grammar[name]),
            *(f"plan: {name}" for name in sorted(wanted.plan) if not self.plan[name]),
        ]

    def lines(self) -> Iterator[str]:
        """Both tables, four columns wide."""
        for title, counts, wanted in (
            ("grammar", self.grammar, expected().grammar),
            ("plan", self.plan, expected().plan),
        ):
            cells = [f"{name:18}{counts[name]:9}" for name in sorted({*wanted, *counts})]
            yield f"{title}:"
            for at in range(0, len(cells), 4):
                yield "  " + "  ".join(cells[at : at + 4]).rstrip()


def expected() -> Coverage:
    """All that can be drawn."""
    forms = [
        form.__name__ for form in (*get_args(plan.Node), *get_args(plan.Form), *get_args(plan.Step))
    ]
    exprs = [form.__name__ for form in get_args(ir.Expr)]
    operations = [f"op {op}" for op in (*_OPERATORS, *FUNCTIONS)]
    extra = ["Row", "Group", "Split", "Subsection", "via"]
    names = (*(f for f in forms), *(e for e in exprs if e != "Operation"), *operations, *extra)
    return Coverage(Counter(dict.fromkeys(productions(), 1)), Counter(dict.fromkeys(names, 1)))


def covered(texts: Texts, program: plan.Program) -> Coverage:
    """What one schema draws."""
    grammar: Counter[str] = Counter()
    for text in texts.files.values():
        tree = tree_of(text)
        if tree is not None:
            grammar += used_productions(tree)
    return Coverage(grammar, Counter(_forms(tuple(program.plans.values()))))


def _forms(thing: Any) -> Iterator[str]:
    """The names of all plan and expression records within."""
    if isinstance(thing, plan.RunField):
        yield from ["via"] * bool(thing.via)
    if isinstance(thing, tuple):
        for each in thing:
            yield from _forms(each)
    elif isinstance(thing, Mapping):
        yield from _forms(tuple(thing.values()))
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        if isinstance(thing, ir.Operation):
            yield f"op {thing.op}"
        elif not isinstance(thing, plan.Member | plan.RunField | plan.Plan):
            yield type(thing).__name__
        for each in dataclasses.fields(thing):
            if each.name not in ("span", "members", "type", "params"):
                yield from _forms(getattr(thing, each.name))
