"""Random bodies: the items of one description, from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vmsc.testing.schemas.arithmetic import LOWEST, Bounds
from vmsc.testing.schemas.choices import Choices
from vmsc.testing.schemas.expressions import (
    Expr,
    Known,
    binary,
    bounded,
    condition,
    constant,
    number,
    string,
)
from vmsc.testing.schemas.names import doc_lines, text
from vmsc.testing.schemas.parameters import declare, declare_outer, sticky_param
from vmsc.testing.schemas.scopes import BodyScope
from vmsc.testing.schemas.types import SCALARS, Type, fitting, is_prefixed, scalar

__all__ = ["Body", "Presence", "add_field", "draw_flat", "draw_items"]


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


def _presence(body: Body, percent: int) -> Presence:
    scope, choices = body.scope, body.choices
    if not choices.often(percent):
        return Presence()
    if scope.versions is not None and choices.often(35):
        low, high = scope.versions
        since = choices.between(max(1, low), high)
        return Presence(f"since {since}", since <= low)
    names = scope.visible()
    if not names:
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


def _knowns(
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
    knowns = _knowns(scope, name, type_, bounds, not presence.always)
    if body.items == 0 and type_.kind == "number" and presence.text == "":
        body.first = name, SCALARS[type_.text.split()[-1]]
    scope.define(name, *knowns)
    if scope.parent is None:
        body.members += knowns
        if type_.kind == "number" and presence.always:
            body.sums.append(name)
    return name


def _field(body: Body) -> None:
    if body.scope.kind == "loop" and body.choices.often(25):  # of which many are sticky
        return add_field(body, scalar(body.choices), _presence(body, 80))
    type_ = fitting(body.scope, 0, 6, lambda found: not found.open)
    add_field(body, type_, _presence(body, 25))


def add_field(body: Body, type_: Type, presence: Presence) -> None:
    """A field of the type, with modifiers in any order."""
    scope, choices = body.scope, body.choices
    modifiers = [presence.text] if presence.text else []
    bounds = type_.bounds
    if type_.kind == "number" and choices.often(4):
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
    if scope.kind == "loop" and presence.text and type_.kind in kinds and choices.often(75):
        modifiers.append("sticky")
        name = sticky_param(scope, type_.kind, type_.bounds)
        scope.define(name, *_knowns(scope, name, type_, bounds, False))
    else:
        name = _named(body, type_, bounds, presence)
    body.grow(type_, presence.always)
    if len(modifiers) > 1 and choices.often(40):
        modifiers.reverse()
    body.add(" ".join((f"{scope.write(name)}: {type_.text}", *modifiers)))


def _number(body: Body) -> None:
    """A number that is always there, and may be any."""
    type_ = scalar(body.choices)
    name = _named(body, type_, type_.bounds, Presence())
    body.grow(type_, True)
    body.add(f"{body.scope.write(name)}: {type_.text}")


def _fixed(body: Body) -> None:
    """A field that always has as many bytes: with others like it, one run of the plan."""
    scope, choices = body.scope, body.choices
    flat = [
        d for d in scope.file.described.values() if d.kind == "struct" and d.size and not d.needs
    ]
    kind = choices.weighted(((6, "number"), (2, "numbers"), (2, "bytes"), (3 * bool(flat), "use")))
    if kind == "number":
        return add_field(body, scalar(choices), Presence())
    count = choices.one((1, 2, 3, 16, 17) if kind == "numbers" else (1, 4, 6))
    match kind:
        case "use":
            known = choices.one(flat)
            type_ = Type(scope.write(known.name), "use", size=known.size, described=known)
        case "bytes":
            type_ = Type("bytes", kind, (count, count), dimensions=(str(count),), size=count)
        case _:
            each = scalar(choices)
            type_ = Type(
                each.base, kind, (count, count), each.bounds, (str(count),),
                size=count * (each.size or 0),
            )  # fmt: skip
    name = _named(body, type_, type_.bounds, Presence())
    body.grow(type_, True)
    body.add(f"{scope.write(name)}: {type_.text}")


def draw_flat(body: Body, count: int) -> None:
    """So many fields of fixed size, and nothing else."""
    for _ in range(count):
        _fixed(body)


def _padding(body: Body) -> None:
    size = bounded(body.choices, body.scope.visible(), 0, 6)
    text = f"unused[{body.scope.expr(size)}]"
    presence = _presence(body, 20)
    low, high = size.bounds
    body.grow(Type("", size=low if low == high else None, hollow=low == 0), presence.always)
    body.add(f"{text} {presence.text}".rstrip())


def _measured(body: Body) -> None:
    """A length, and so many bytes that something fills exactly."""
    scope, choices = body.scope, body.choices
    inner = fitting(scope, 1, 4, is_prefixed)
    length = scalar(choices, ((4, "u8"), (3, "u16"), (1, "u32")))
    name = _named(body, length, length.bounds, Presence())
    body.grow(length, True)
    body.add(f"{scope.write(name)}: {length.text}")
    if choices.often(30):
        _field(body)
    text = f"within[{scope.write(name)}] {inner.text}"
    add_field(body, Type(text, hollow=True, bare=inner.bare), _presence(body, 10))


def _wanted(body: Body) -> None:
    """A field that a description takes from what is around it."""
    scope = body.scope
    taken = {*scope.own, *scope.declared, *scope.used, *scope.needs}
    wanted = [
        need
        for one in scope.file.described.values()
        for need in one.needs
        if need.outer and need.name not in taken
    ]
    if not wanted:
        return _field(body)
    need = scope.choices.one(wanted)
    if need.known.kind == "number":
        type_ = Type(need.domain, "number", SCALARS[need.domain])
    else:
        size = scope.choices.one((0, 4, 70))
        type_ = Type("bytes", "bytes", (size, size), dimensions=(str(size),), size=size)
    scope.define(need.name, *_knowns(scope, need.name, type_, type_.bounds, False))
    body.grow(type_, True)
    body.size = None
    body.add(f"{scope.write(need.name)}: {type_.text}")


# --- other items ----------------------------------------------------------------------------------


def _ranges(choices: Choices, bits: int) -> list[tuple[int, int]]:
    """The first and last bit of parts that cover a word, the lowest first."""
    cuts = sorted({choices.between(1, bits - 1) for _ in range(choices.between(0, 3))})
    return [(low, high - 1) for low, high in zip([0, *cuts], [*cuts, bits])]


def _split(body: Body) -> None:
    scope, choices = body.scope, body.choices
    presence = _presence(body, 30)
    type_ = scalar(choices, ((5, "u8"), (3, "u16"), (3, "u32"), (2, "u64")))
    word = scope.fresh()
    scope.define(word, Known(scope.write(word), "number", type_.bounds))
    bits = (type_.size or 0) * 8
    parts = []
    for low, high in _ranges(choices, bits):
        name = scope.fresh()
        mask = (1 << high + 1) - (1 << low)
        scope.define(name, Known(scope.write(name), "number", (0, mask)))
        forms = [f"bits {low}..{high}"]
        if low == 0:
            forms.insert(0, f"low {high + 1}")
        if high == bits - 1:
            forms.insert(0, f"high {bits - low}")
        docs = "".join(line + "\n" for line in doc_lines(choices))
        parts.append(f"{docs}{scope.write(name)}: {choices.one(forms)}")
    body.grow(type_, presence.always)
    if choices.often(50):
        parts.reverse()
    inner = choices.one(("; ", " ")).join(parts)
    body.add(f"{scope.write(word)}: {type_.text} split {{ {inner} }} {presence.text}".rstrip())


def _let(body: Body) -> None:
    scope, choices = body.scope, body.choices
    names = scope.visible()
    found = condition(choices, names) if choices.often(30) else number(choices, names, 3)
    value = scope.expr(found)
    name = scope.fresh()
    scope.define(name, Known(scope.write(name), "number", found.bounds))
    body.items += 1
    body.add(f"let {scope.write(name)} = {value}")


def _require(body: Body) -> None:
    """A law that most values keep: otherwise hardly any could be drawn."""
    scope, choices = body.scope, body.choices
    left = number(choices, scope.visible(), 2)
    low, high = left.bounds
    if choices.often(15):
        law: Expr | None = condition(choices, scope.visible())
    elif choices.often(40):
        law = binary("!=", left, constant(choices, max(low, LOWEST + 1)))
    else:
        law = binary("<=", left, constant(choices, high - (high - max(low, 0)) // 9))
    if law is None or law.bounds == (0, 0):
        return
    why = f" {string(text(choices))}" if choices.often(50) else ""
    body.items += 1
    body.add(f"require {scope.expr(law)}{why}")


def _break(body: Body, last: bool) -> None:
    """An end of the loop; the `last` depends on the round's first number, so that it will come."""
    scope, choices = body.scope, body.choices
    if last and body.first is not None:
        path = scope.own[body.first[0]][0].path
        end = choices.one((f"{path} & 1", f"{path} == 0", f"{path} & 4 != 0", f"{path} < 3"))
        body.add(f"break {choices.one(('when', 'unless'))} {end}")
        return
    names = [k for k in scope.visible() if k.path.strip("`") in scope.own]
    found = scope.expr(condition(choices, names or scope.visible(), 1))
    word = "when" if found == "true" else choices.one(("when", "unless"))
    body.add(f"break {word} {found}")


def _parameter(body: Body) -> None:
    around = body.scope.kind in ("struct", "vmsd", "loop")
    declared = declare_outer if around and body.choices.often(40) else declare
    body.add(declared(body.scope))


_ITEMS: Sequence[tuple[int, Callable[[Body], None]]] = (
    (22, _field), (4, _fixed), (2, _padding), (3, _measured), (4, _wanted), (3, _split), (4, _let),
    (2, _require),
)  # fmt: skip


def draw_items(body: Body, count: int) -> None:
    """So many items, after the parameters that they may read."""
    choices = body.choices
    for _ in range(choices.weighted(((5, 0), (3, 1), (1, 2)))):
        _parameter(body)
    if body.scope.kind == "loop":
        _number(body)
    for _ in range(count):
        body.scope.file.schema.left -= 1
        choices.weighted(_ITEMS)(body)
        if body.scope.kind == "loop" and choices.often(25):
            _break(body, last=False)
    if body.scope.kind == "loop":
        _break(body, last=True)
