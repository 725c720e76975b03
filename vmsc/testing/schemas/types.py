"""Random types: text, and what expressions and other types have to know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vmsc.testing.schemas.arithmetic import Bounds
from vmsc.testing.schemas.choices import Choices
from vmsc.testing.schemas.expressions import Expr, bounded, condition, constant, number
from vmsc.testing.schemas.scopes import BodyScope, Described
from vmsc.testing.schemas.uses import can_bind, use

__all__ = ["SCALARS", "Type", "draw_type", "fitting", "is_prefixed", "scalar"]

SCALARS: dict[str, Bounds] = {
    **{f"u{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
    **{f"s{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
    "bool": (0, 255),
    "timer": (-(1 << 63), (1 << 63) - 1),
}
_SIZES = {"8": 1, "6": 2, "2": 4, "4": 8, "l": 1, "r": 8}  # by a name's last letter
_SCALAR_WEIGHTS = (
    (9, "u8"), (6, "u16"), (5, "u32"), (3, "u64"), (2, "s8"), (2, "s16"), (1, "s32"), (1, "s64"),
    (2, "bool"), (1, "timer"),
)  # fmt: skip

_LAYERS = 6  # types within types


@dataclass(frozen=True)
class Type:
    """`base` and, where it is an array, `dimensions`, the outer one first.

    `kind`: number, float, bytes, string, numbers, list, use or other. `bounds` are a number's, or
    those of the length, `element` those of an array's elements. `bare`: it ends with an expression,
    so that no `[` may follow it. `size` is not None where it always has as many bytes; `hollow`: it
    may have none, `open`: it takes all that is left.
    """

    base: str
    kind: str = "other"
    bounds: Bounds = (0, 0)
    element: Bounds = (0, 255)
    dimensions: tuple[str, ...] = ()
    bare: bool = False
    size: int | None = None
    hollow: bool = False
    open: bool = False
    described: Described | None = None

    @property
    def text(self) -> str:
        return self.base + "".join(f"[{each}]" for each in self.dimensions)


def scalar(choices: Choices, names: Sequence[tuple[int, str]] = _SCALAR_WEIGHTS) -> Type:
    """A number."""
    name = choices.weighted(names)
    order = choices.one(("little ", "host ")) if choices.often(15) and choices.may("little") else ""
    return Type(order + name, "number", SCALARS[name], size=_SIZES[name[-1]])


def _size(scope: BodyScope, cap: int) -> Expr:
    """A count or a length."""
    choices = scope.choices
    if cap > 4 and choices.often(4):
        return constant(choices, choices.one((17, 33, 65, 300) + (5000,) * (cap > 8)))
    return bounded(choices, scope.visible(), 0, choices.between(0, cap))


def _sized(base: str, size: Expr) -> Type:
    """Bytes: as many as the number says."""
    low, high = size.bounds
    return Type(base, "other", size.bounds, size=low if low == high else None, hollow=low == 0)


def _bytes(scope: BodyScope, cap: int) -> Type:
    size = _size(scope, 2 * cap)
    return replace(_sized("bytes", size), kind="bytes", dimensions=(scope.expr(size),))


def _string(scope: BodyScope) -> Type:
    name, most = scope.choices.one((("string8", 255), ("string32", 1 << 20)))
    return Type(name, "string", (0, most))


def _bitmap(scope: BodyScope) -> Type:
    bits = bounded(scope.choices, scope.visible(), 0, scope.choices.one((1, 64, 65, 130)))
    low, high = (-(-bound // 64) * 8 for bound in bits.bounds)
    size = low if low == high else None
    return Type("bitmap", dimensions=(scope.expr(bits),), size=size, hollow=low == 0)


def _of_length(scope: BodyScope, word: str) -> Type:
    """`opaque` and `unused`: they have a length, and are no arrays."""
    size = _size(scope, 6)
    return _sized(f"{word}[{scope.expr(size)}]", size)


# --- types of other types -------------------------------------------------------------------------


def _array(scope: BodyScope, layer: int, cap: int) -> Type:
    if scope.choices.often(60):
        element = scalar(scope.choices)
    else:
        cap = max(1, cap // 2)
        element = fitting(scope, layer + 1, cap, lambda found: not (found.bare or found.open))
    count = _size(scope, cap)
    low, high = count.bounds
    numbers = element.kind == "number"
    return Type(
        element.base, "numbers" if numbers else "list", (low, high),
        element.bounds if numbers else (0, 255), (scope.expr(count), *element.dimensions),
        size=low * element.size if low == high and element.size is not None else None,
        hollow=low == 0 or element.hollow,
    )  # fmt: skip


def _list(scope: BodyScope, layer: int, cap: int) -> Type:
    tag = f"tag {scope.choices.between(1, 255)} " if scope.choices.often(30) else ""
    element = _prefixed(scope, layer + 1, cap)
    return Type(f"list {tag}{element.text}", "list", (0, (1 << 32) - 1), bare=element.bare)


def _tree(scope: BodyScope, layer: int, cap: int) -> Type:
    key = scalar(scope.choices) if scope.choices.often(60) else _prefixed(scope, layer + 1, cap)
    value = _prefixed(scope, layer + 1, cap)
    return Type(f"tree {key.text} => {value.text}", bare=value.bare)


def _nullable(scope: BodyScope, layer: int, cap: int) -> Type:
    element = fitting(scope, layer + 1, cap, lambda t: is_prefixed(t) and not t.bare)
    count = _size(scope, cap)
    text = f"nullable {element.text}[{scope.expr(count)}]"
    hollow = count.bounds[0] == 0
    if scope.choices.often(50):
        return Type(f"{text} marked", hollow=hollow)
    masks = [k for k in scope.visible() if k.kind in ("number", "bits") and k.bounds[0] >= 0]
    if masks and scope.choices.often(60):
        known = scope.choices.one(masks)
        mask = Expr(known.path, 13, known.bounds)
    else:
        mask = bounded(scope.choices, scope.visible(), 0, 255)
    present = scope.expr(mask)
    return Type(f"{text} present {present}", hollow=hollow or element.hollow, bare=True)


def _within(scope: BodyScope, layer: int, cap: int) -> Type:
    """Bytes that what lies in them fills: of a length that is known, or that any will fill."""
    saved = scope.saved()
    inner = _prefixed(scope, layer + 1, cap)
    if inner.size is not None:
        text = f"within[{inner.size}] {inner.text}"
        return Type(text, size=inner.size, hollow=inner.size == 0, bare=inner.bare)
    scope.restore(saved)
    size = _size(scope, 8)
    length = scope.expr(size)
    rest = scope.choices.often(70) and scope.choices.may("opaque")
    filling = "opaque" if rest else f"unused[{length}]"
    return replace(_sized(f"within[{length}] {filling}", size), bare=filling == "opaque")


def _labels(scope: BodyScope) -> tuple[str, list[str], bool]:
    """What a choice is made by, the labels of its arms, and whether they are all there are."""
    choices = scope.choices
    texts = [k for k in scope.visible() if k.kind in ("words", "bytes", "string")]
    if texts and choices.often(35) and choices.may("text"):
        known = choices.one(texts)
        scope.note(known.path)
        options = known.words or ("tcp", "", "a", "x y")
        complete = bool(known.words) and choices.often(60)
        labels = [f'"{word}"' for word in options if complete or choices.often(60)]
        return known.path, labels or ['"a"' if not known.words else f'"{options[0]}"'], complete
    expr = _selector(scope)
    low, high = expr.bounds
    most = min(high, low + choices.between(0, 4))
    labels = [_number_label(scope, n) for n in range(low, most + 1)]
    return scope.expr(expr), labels, most == high


def _number_label(scope: BodyScope, value: int) -> str:
    """An arm's label: a number, or a constant of that value."""
    names = [k for k in scope.visible() if k.fixed and k.bounds == (value, value)]
    if names and scope.choices.often(60):
        path = scope.choices.one(names).path
        scope.note(path)
        # A word of the language is a name before a colon; only these three begin something else.
        return path.strip("`") if path not in ("`else`", "`true`", "`false`") else path
    return constant(scope.choices, value).text


def _choice(scope: BodyScope, layer: int, cap: int) -> Type:
    choices = scope.choices
    on, labels, complete = _labels(scope)
    arms = [(label, draw_type(scope, layer + 1, cap)) for label in labels]
    if not complete or choices.often(30):
        arms.insert(choices.below(len(arms) + 1), ("else", draw_type(scope, layer + 1, cap)))
    # A label may begin with a minus, which would go on with an expression that ends an arm.
    separator = choices.one(("; ", ";\n"))
    body = separator.join(f"{label}: {type_.text}" for label, type_ in arms)
    sizes = {type_.size for _, type_ in arms}
    return Type(
        f"choice {on} {{ {body} }}", size=sizes.pop() if len(sizes) == 1 else None,
        hollow=any(type_.hollow for _, type_ in arms), open=any(type_.open for _, type_ in arms),
    )  # fmt: skip


def _selector(scope: BodyScope) -> Expr:
    """The number that a choice is made by: one of few values, or of many with an `else`."""
    choices = scope.choices
    few = [k for k in scope.visible() if k.kind == "number" and k.bounds[1] - k.bounds[0] < 6]
    if few and choices.often(60):
        known = choices.one(few)
        return Expr(known.path, 13, known.bounds)
    if choices.often(20):
        return condition(choices, scope.visible())
    if choices.often(70):
        return bounded(choices, scope.visible(), 0, choices.between(1, 4))
    return number(choices, scope.visible(), 2)


def _until(scope: BodyScope, element: Described) -> Type:
    """Elements until one would begin with a number."""
    assert element.first is not None
    name, (low, high) = element.first
    stops = [n for n in (0, 1, -1, high, low) if low <= n <= high]
    stop = constant(scope.choices, scope.choices.one(stops))
    # Its bracket is a part of the base: the dimensions of an array stand after it.
    text = f"{use(scope, element)}[until {scope.label(name)} == {stop.text}]"
    return Type(text, "list", (0, (1 << 32) - 1))


def _until_sum(scope: BodyScope, element: Described) -> Type:
    """Elements until a number of theirs adds up."""
    total = bounded(scope.choices, scope.visible(), 0, 40)
    member = scope.label(scope.choices.one(element.sums))
    text = f"{use(scope, element)}[until sum({member}) == {scope.expr(total)}]"
    return Type(text, "list", (0, (1 << 32) - 1), hollow=total.bounds[0] <= 0)


def _use(scope: BodyScope, described: Described) -> Type:
    """A description, at its own version or at one that is named."""
    text = use(scope, described)
    size = described.size
    if described.kind == "vmsd" and scope.choices.often(25) and scope.choices.may("version"):
        text += f" version {scope.choices.between(described.minimum, described.version)}"
    return Type(
        text, "use", size=size, hollow=described.hollow, open=described.open, described=described
    )


# --- any type -------------------------------------------------------------------------------------


def _usable(scope: BodyScope, layer: int) -> list[Described]:
    """The descriptions that may stand here."""
    found = []
    for one in scope.file.described.values():
        if one.kind == "device" or one.level > 8 or (one.open and layer):
            continue
        if can_bind(scope, one):
            found.append(one)
    return found


def fitting(scope: BodyScope, layer: int, cap: int, fits: Callable[[Type], bool]) -> Type:
    """A type that fits: a number where another was drawn."""
    saved = scope.saved()
    found = draw_type(scope, layer, cap)
    if fits(found):
        return found
    scope.restore(saved)
    return scalar(scope.choices)


def is_prefixed(type_: Type) -> bool:
    """Whether it may stand after `list`, `tree`, `nullable` or `within[n]`."""
    until = type_.base.endswith("]") and "[until " in type_.base
    return not (type_.dimensions or type_.open or until)


def _prefixed(scope: BodyScope, layer: int, cap: int) -> Type:
    return fitting(scope, layer, cap, is_prefixed)


def draw_type(scope: BodyScope, layer: int = 0, cap: int = 6) -> Type:
    """Any type; `layer`: how many types it lies within, `cap`: the most elements it may have."""
    choices = scope.choices
    usable = _usable(scope, layer)
    records = [one for one in usable if one.kind != "loop" and not one.open]
    starts = [one for one in records if one.first is not None]
    sums = [one for one in records if one.sums and not one.hollow]
    deep = layer < _LAYERS - 1 and (layer < 2 or choices.often(30))
    kinds = (
        (20, "number"), (7 * bool(usable), "use"), (5, "bytes"), (3, "string"), (2, "bitmap"),
        (1, "float"), (2, "blob"), (2, "padding"), (2, "wire type"),
        *(
            (8, "array"), (4, "list"), (2, "tree"), (4, "nullable"), (3, "within"), (5, "choice"),
            (5 * bool(starts), "until"), (3 * bool(sums), "until sum"),
        ) * deep,
    )  # fmt: skip
    match choices.weighted(choices.allowed(kinds)):
        case "number":
            return scalar(choices)
        case "float":
            orders = ("", "little ") if choices.may("little") else ("",)
            return Type(f"{choices.one(orders)}f64", "float", size=8)
        case "wire type":
            return Type("test24")
        case "use":
            return _use(scope, choices.one(usable))
        case "bytes":
            return _bytes(scope, cap)
        case "string":
            return _string(scope)
        case "bitmap":
            return _bitmap(scope)
        case "blob":
            return _of_length(scope, "opaque")
        case "padding":
            return _of_length(scope, "unused")
        case "until":
            return _until(scope, choices.one(starts))
        case "until sum":
            return _until_sum(scope, choices.one(sums))
        case "list":
            return _list(scope, layer, cap)
        case "tree":
            return _tree(scope, layer, cap)
        case "nullable":
            return _nullable(scope, layer, cap)
        case "within":
            return _within(scope, layer, cap)
        case "choice":
            return _choice(scope, layer, cap)
        case _:
            return _array(scope, layer, cap)
