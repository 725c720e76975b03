"""Random items of a body that are more than one field, and bodies of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vmsc.testing.schemas.arithmetic import LOWEST
from vmsc.testing.schemas.bodies import (
    Body,
    Presence,
    add_field,
    add_plain,
    draw_field,
    draw_presence,
    knowns_of,
)
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
from vmsc.testing.schemas.parameters import declare, declare_outer
from vmsc.testing.schemas.types import SCALARS, Type, fitting, is_prefixed, scalar

__all__ = ["draw_flat", "draw_items"]


def _fixed(body: Body) -> None:
    """A field that always has as many bytes: with others like it, one run of the plan."""
    scope, choices = body.scope, body.choices
    structs = [one for one in scope.file.described.values() if one.kind == "struct"]
    flat = [one for one in structs if one.size and not one.needs]
    kinds = ((6, "number"), (2, "array"), (2, "bytes"), (3 * bool(flat), "struct"))
    kind = choices.weighted(choices.allowed(kinds))
    if kind == "number":
        return add_field(body, scalar(choices), Presence())
    count = choices.one((1, 2, 3, 16, 17) if kind == "array" else (1, 4, 6))
    match kind:
        case "struct":
            known = choices.one(flat)
            type_ = Type(scope.write(known.name), "use", size=known.size, described=known)
        case "bytes":
            type_ = Type("bytes", kind, (count, count), dimensions=(str(count),), size=count)
        case _:
            each = scalar(choices)
            type_ = Type(
                each.base, "numbers", (count, count), each.bounds, (str(count),),
                size=count * (each.size or 0),
            )  # fmt: skip
    add_plain(body, type_)


def draw_flat(body: Body, count: int) -> None:
    """So many fields of fixed size, and nothing else."""
    for _ in range(count):
        _fixed(body)


def _padding(body: Body) -> None:
    size = bounded(body.choices, body.scope.visible(), 0, 6)
    text = f"unused[{body.scope.expr(size)}]"
    presence = draw_presence(body, 20)
    low, high = size.bounds
    body.grow(Type("", size=low if low == high else None, hollow=low == 0), presence.always)
    body.add(f"{text} {presence.text}".rstrip())


def _measured(body: Body) -> None:
    """A length, and so many bytes that something fills exactly."""
    scope, choices = body.scope, body.choices
    inner = fitting(scope, 1, 4, is_prefixed)
    length = scalar(choices, ((4, "u8"), (3, "u16"), (1, "u32")))
    name = add_plain(body, length)
    if choices.often(30):
        draw_field(body)
    text = f"within[{scope.write(name)}] {inner.text}"
    add_field(body, Type(text, hollow=True, bare=inner.bare), draw_presence(body, 10))


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
        return draw_field(body)
    need = scope.choices.one(wanted)
    if need.known.kind == "number":
        type_ = Type(need.domain, "number", SCALARS[need.domain])
    else:
        size = scope.choices.one((0, 4, 70))
        type_ = Type("bytes", "bytes", (size, size), dimensions=(str(size),), size=size)
    scope.define(need.name, *knowns_of(scope, need.name, type_, type_.bounds, False))
    body.grow(type_, True)
    body.size = None
    body.add(f"{scope.label(need.name)}: {type_.text}")


# --- other items ----------------------------------------------------------------------------------


def _ranges(choices: Choices, bits: int) -> list[tuple[int, int]]:
    """The first and last bit of parts that cover a word, the lowest first."""
    cuts = sorted({choices.between(1, bits - 1) for _ in range(choices.between(0, 3))})
    return [(low, high - 1) for low, high in zip([0, *cuts], [*cuts, bits])]


def _split(body: Body) -> None:
    scope, choices = body.scope, body.choices
    presence = draw_presence(body, 30)
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
        parts.append(f"{docs}{scope.label(name)}: {choices.one(forms)}")
    body.grow(type_, presence.always)
    if choices.often(50):
        parts.reverse()
    inner = choices.one(("; ", " ")).join(parts)
    body.add(f"{scope.label(word)}: {type_.text} split {{ {inner} }} {presence.text}".rstrip())


def _let(body: Body) -> None:
    scope, choices = body.scope, body.choices
    names = scope.visible()
    found = condition(choices, names) if choices.often(30) else number(choices, names, 3)
    value = scope.expr(found)
    name = scope.fresh()
    scope.define(name, Known(scope.write(name), "number", found.bounds))
    body.items += 1
    body.add(f"let {scope.label(name)} = {value}")


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
    kinds = body.choices.allowed(((6, "param"), (4 * around, "outer")))
    if any(weight for weight, _ in kinds):
        kind = body.choices.weighted(kinds)
        body.add(declare(body.scope) if kind == "param" else declare_outer(body.scope))


_ITEMS: Sequence[tuple[int, str]] = (
    (22, "field"), (4, "fixed"), (2, "padding"), (3, "within"), (4, "outer"), (3, "split"),
    (4, "let"), (2, "law"),
)  # fmt: skip
_DRAWN: Mapping[str, Callable[[Body], None]] = {
    "field": draw_field,
    "fixed": _fixed,
    "padding": _padding,
    "within": _measured,
    "outer": _wanted,
    "split": _split,
    "let": _let,
    "law": _require,
}


def draw_items(body: Body, count: int) -> None:
    """So many items, after the parameters that they may read."""
    choices = body.choices
    for _ in range(choices.weighted(((5, 0), (3, 1), (1, 2)))):
        _parameter(body)
    if body.scope.kind == "loop":
        add_plain(body, scalar(choices))
    for _ in range(count):
        body.scope.file.schema.left -= 1
        _DRAWN[choices.weighted(choices.allowed(_ITEMS))](body)
        if body.scope.kind == "loop" and choices.often(25):
            _break(body, last=False)
    if body.scope.kind == "loop":
        _break(body, last=True)
