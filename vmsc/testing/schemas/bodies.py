"""Random bodies: the items of one description, from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmsc.testing.schemas.arithmetic import Bounds
from vmsc.testing.schemas.choices import Choices
from vmsc.testing.schemas.expressions import (
    Known,
    bounded,
    condition,
    constant,
    string,
)
from vmsc.testing.schemas.names import doc_lines, text
from vmsc.testing.schemas.parameters import sticky_param
from vmsc.testing.schemas.scopes import BodyScope
from vmsc.testing.schemas.types import SCALARS, Type, fitting, scalar

__all__ = ["Body", "Presence", "add_field", "add_plain", "draw_field", "draw_presence", "knowns_of"]


@dataclass
class Body:
    """One body while it is drawn: the lines of its items, and what its users have to know."""

    scope: BodyScope
    level: int = 1
    blocks: list[list[str]] = field(default_factory=list)
    members: list[Known] = field(default_factory=list)
    first: tuple[str, Bounds] | None = None
    sums: list[str] = field(default_factory=list)
    size: int | None = 0
    hollow: bool = True
    open: bool = False
    items: int = 0

    @property
    def choices(self) -> Choices:
        return self.scope.choices

    @property
    def lines(self) -> list[str]:
        return [line for block in self.blocks for line in block]

    def add(self, *lines: str) -> None:
        self.blocks.append([*doc_lines(self.choices), *lines])

    def grow(self, type_: Type, present: bool) -> None:
        """Take account of one more field; `present`: it is always there."""
        fixed = present and type_.size is not None and self.size is not None
        self.size = (self.size or 0) + (type_.size or 0) if fixed else None
        self.hollow = self.hollow and (type_.hollow or not present)
        self.open = self.open or type_.open
        self.items += 1
        if type_.described is not None:
            self.level = max(self.level, type_.described.level + 1)


# --- fields ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Presence:
    """How a field says when it is there; `text` is empty where it always is."""

    text: str = ""
    always: bool = True


def draw_presence(body: Body, percent: int) -> Presence:
    scope, choices = body.scope, body.choices
    if not choices.often(percent):
        return Presence()
    if scope.versions is not None and choices.often(35) and choices.may("version"):
        low, high = scope.versions
        since = choices.between(max(1, low), high)
        return Presence(f"since {since}", since <= low)
    names = scope.visible()
    if not names or not choices.may("when"):
        return Presence()
    found = scope.expr(condition(choices, names))
    if found == "true":
        return Presence("when true", False)
    return Presence(f"{choices.one(('when', 'unless'))} {found}", False)


def _laws(body: Body, type_: Type) -> tuple[list[str], Bounds]:
    """Laws that most numbers keep or that make the number small, and what it then is within."""
    scope, choices = body.scope, body.choices
    low, high = type_.bounds
    laws: list[str] = []
    if not choices.may("law"):
        return laws, type_.bounds
    if choices.often(4):
        value = bounded(choices, scope.visible(), max(low, 0), min(high, 9))
        return [f"equals {scope.expr(value)}"], value.bounds
    if choices.often(12):
        bound = bounded(choices, scope.visible(), max(low, -3), 3) if low < 0 else None
        bound = bound or bounded(choices, scope.visible(), 0, 2)
        laws.append(f"min {scope.expr(bound)}")
        low = max(low, bound.bounds[0])
    if choices.often(50):
        most = choices.one((1, 3, 4, 8, 40, 200))
        least = max(low, 3 if laws else 0)
        if least <= min(most, high):
            bound = bounded(choices, scope.visible(), least, min(most, high))
            laws.append(f"max {scope.expr(bound)}")
            high = bound.bounds[1]
    return laws, (low, high)


def knowns_of(
    scope: BodyScope, name: str, type_: Type, bounds: Bounds, optional: bool
) -> list[Known]:
    """What expressions can name of a field; where it is absent, it reads as 0."""
    path = scope.write(name)
    least = 0 if optional else bounds[0]
    match type_.kind:
        case "number":
            low, high = (min(bounds[0], 0), max(bounds[1], 0)) if optional else bounds
            return [Known(path, "number", (low, high))]
        case "bytes" | "numbers" | "list" | "string":
            return [Known(path, type_.kind, (least, bounds[1]), bounds[0], type_.element)]
        case "use" if type_.described is not None:
            return [_member(path, known, optional) for known in type_.described.members]
        case _:
            return []


def _member(path: str, known: Known, optional: bool) -> Known:
    low, high = known.bounds
    if optional:
        low, high = (min(low, 0), max(high, 0)) if known.kind == "number" else (0, high)
    return Known(f"{path}.{known.path}", known.kind, (low, high), known.least, known.element)


def _named(body: Body, type_: Type, bounds: Bounds, presence: Presence) -> str:
    """A name for the field, which is defined from here on."""
    scope = body.scope
    name = scope.fresh()
    knowns = knowns_of(scope, name, type_, bounds, not presence.always)
    if body.items == 0 and type_.kind == "number" and presence.text == "":
        body.first = name, SCALARS[type_.text.split()[-1]]
    scope.define(name, *knowns)
    if scope.parent is None:
        body.members += knowns
        if type_.kind == "number" and presence.always:
            body.sums.append(name)
    return name


def draw_field(body: Body) -> None:
    if body.scope.kind == "loop" and body.choices.often(25):  # of which many are sticky
        return add_field(body, scalar(body.choices), draw_presence(body, 80))
    type_ = fitting(body.scope, 0, 6, lambda found: not found.open)
    add_field(body, type_, draw_presence(body, 25))


def add_field(body: Body, type_: Type, presence: Presence) -> None:
    """A field of the type, with modifiers in any order."""
    scope, choices = body.scope, body.choices
    modifiers = [presence.text] if presence.text else []
    bounds = type_.bounds
    if type_.kind == "number" and choices.often(4) and choices.may("via"):
        modifiers.append(f"via {choices.one(('flipped', 'halved'))}")
        type_ = Type(type_.base, size=type_.size)
    elif type_.kind == "number":
        laws, bounds = _laws(body, type_)
        modifiers += laws
    elif type_.kind == "string" and choices.often(50):
        bounds = 0, choices.one((0, 3, 8))
        modifiers.append(f"max {constant(choices, bounds[1]).text}")
    if choices.often(8):
        modifiers.append(f"as {string(text(choices) + choices.one(('', '[0]', '.x')))}")
    kinds = ("number", "string", "float")
    sticky = scope.kind == "loop" and presence.text and type_.kind in kinds
    if sticky and choices.often(75) and choices.may("sticky"):
        modifiers.append("sticky")
        name = sticky_param(scope, type_.kind, type_.bounds)
        scope.define(name, *knowns_of(scope, name, type_, bounds, False))
    else:
        name = _named(body, type_, bounds, presence)
    body.grow(type_, presence.always)
    if len(modifiers) > 1 and choices.often(40):
        modifiers.reverse()
    body.add(" ".join((f"{scope.label(name)}: {type_.text}", *modifiers)))


def add_plain(body: Body, type_: Type) -> str:
    """A field of the type that is always there and has no laws; its name."""
    name = _named(body, type_, type_.bounds, Presence())
    body.grow(type_, True)
    body.add(f"{body.scope.label(name)}: {type_.text}")
    return name
