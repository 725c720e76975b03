"""Random expressions: text with as few parentheses as the grammar allows, and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmsc.testing.schemas.arithmetic import (
    HIGHEST,
    Bounds,
    binary_bounds,
    constant_value,
    function_bounds,
    unary_bounds,
)
from vmsc.testing.schemas.choices import Choices

__all__ = [
    "Expr", "Known", "binary", "bounded", "condition", "constant", "literal", "number", "string",
]  # fmt: skip

# How tightly what an operator makes holds together, as grammars/vmsd.lark has its rules.
_LEVELS = {
    "or": 1, "and": 2, "not": 3,
    "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4,
    "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
}  # fmt: skip
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_UNARY, _ATOM = 11, 13

_ARITHMETIC = ("+", "-", "*", "&", "|", "^", "/", "%", "<<", ">>")
_FUNCTIONS = ("min", "max", "ceil_div", "align", "bit")


@dataclass(frozen=True)
class Expr:
    """`level`: how tightly its outermost operator binds; `fixed`: it is made of constants alone."""

    text: str
    level: int
    bounds: Bounds
    fixed: bool = False

    def within(self, level: int) -> str:
        """The text where an operand of this level may stand."""
        return self.text if self.level >= level else f"({self.text})"


@dataclass(frozen=True)
class Known:
    """What a place of a body may name: `path` as it is written there.

    `kind`: number, bits (a set that may be wider than 64), words, bytes, list (which has a length
    alone) or numbers (an array whose elements are within `element`). `bounds` are a number's, or
    those of the length; `least`: how many elements there are at least, to be named by an index.
    """

    path: str
    kind: str
    bounds: Bounds = (0, 0)
    least: int = 0
    element: Bounds = (0, 255)
    words: tuple[str, ...] = ()
    fixed: bool = False


# --- constants ------------------------------------------------------------------------------------


def literal(choices: Choices, value: int) -> str:
    """A number that is not negative, in one of the ways to write it."""
    forms = [str(value), hex(value)]
    if value < 1 << 16:
        forms.append(bin(value))
    if value >= 1000:
        forms.append(f"{value:_}")
    if value > 255:
        forms.append(f"0x{value:_x}")
    for unit, size in (("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)):
        if value and value % size == 0 and value // size < 1024:
            forms.append(f"{value // size}{unit}")
    return choices.one(forms) if choices.often(40) else forms[0]


def constant(choices: Choices, value: int) -> Expr:
    text = literal(choices, abs(value))
    return Expr(
        f"-{text}" if value < 0 else text, _UNARY if value < 0 else _ATOM, (value, value), True
    )


def string(text: str) -> str:
    return f'"{text}"'


def _some_constant(choices: Choices) -> Expr:
    if choices.often(6):
        value = choices.below(2)
        return Expr(("false", "true")[value], _ATOM, (value, value), True)
    if choices.often(10):
        bits = choices.one((7, 8, 15, 16, 31, 32, 63, 64))
        return constant(choices, min(HIGHEST, (1 << bits) - choices.below(2)))
    return constant(choices, choices.below(choices.one((4, 8, 20, 300))))


# --- numbers --------------------------------------------------------------------------------------


def _of_known(choices: Choices, known: Known, names: Sequence[Known]) -> Expr | None:
    """A number that the name leads to."""
    match known.kind:
        case "number":
            return Expr(known.path, _ATOM, known.bounds, known.fixed)
        case "bits":
            if choices.often(60):
                at = choices.below(known.bounds[1].bit_length())
                return Expr(f"bit({known.path}, {at})", _ATOM, (0, 1))
            return Expr(known.path, _ATOM, known.bounds) if known.bounds[1] <= HIGHEST else None
        case "bytes" if choices.may("function"):
            return _of_bytes(choices, known, names)
        case "bytes" if known.least:
            return _element(choices, known, names)
        case "numbers" if known.least and choices.often(75):
            return _element(choices, known, names)
        case "numbers" | "list" if choices.may("function"):
            return Expr(f"length({known.path})", _ATOM, known.bounds)
        case _:
            return None


def _of_bytes(choices: Choices, known: Known, names: Sequence[Known]) -> Expr:
    way = choices.weighted(
        ((4, "length"), (5, "index"), (3, "little16"), (2, "little32"), (1, "pci_capability"))
    )
    match way:
        case "length":
            return Expr(f"length({known.path})", _ATOM, known.bounds)
        case "index":
            if known.least:
                return _element(choices, known, names)
            return Expr(f"little16({known.path}, 0)", _ATOM, (0, 0xFFFF))
        case "pci_capability":
            return Expr(f"{way}({known.path}, {choices.below(256)})", _ATOM, (0, 0xFC))
        case _:
            at = bounded(choices, names, 0, 260)
            high = 0xFFFF if way == "little16" else 0xFFFF_FFFF
            return Expr(f"{way}({known.path}, {at.text})", _ATOM, (0, high))


def _element(choices: Choices, known: Known, names: Sequence[Known]) -> Expr:
    last = min(known.least, 1 << 16) - 1
    if choices.often(70):
        at = constant(choices, choices.below(last + 1))
    else:
        at = bounded(choices, names, 0, last)
    return Expr(f"{known.path}[{at.text}]", _ATOM, known.element)


def _leaf(choices: Choices, names: Sequence[Known]) -> Expr:
    if names and choices.often(75):
        # What was defined last is named most: then a field is followed by what depends on it.
        recent = names[-6:] if choices.often(50) else names
        found = _of_known(choices, choices.one(recent), ())
        if found is not None:
            return found
    return _some_constant(choices)


def number(choices: Choices, names: Sequence[Known], depth: int) -> Expr:
    """A number over the names, with at most so many levels of operators."""
    if depth <= 0 or choices.often(25):
        return _leaf(choices, names)
    left = number(choices, names, depth - 1)
    kind = choices.weighted(
        ((8, "binary"), (3, "function"), (3, "compare"), (2, "joined"), (2, "unary"))
    )
    match kind:
        case "unary":
            return _unary(choices.one(("-", "~", "not")), left) or left
        case "function":
            right = number(choices, names, depth - 1)
            return _function(choices, choices.one(_FUNCTIONS), left, right, names)
        case "binary":
            ops: Sequence[str] = _ARITHMETIC
        case "compare":
            ops = _COMPARISONS
        case _:
            ops = ("and", "or")
    return _binary(choices, choices.one(ops), left, number(choices, names, depth - 1))


def _unary(op: str, of: Expr) -> Expr | None:
    bounds = unary_bounds(op, of.bounds)
    if bounds is None:
        return None
    if op == "not":
        return Expr(f"not {of.within(_LEVELS['not'])}", _LEVELS["not"], bounds, of.fixed)
    return Expr(op + of.within(_UNARY), _UNARY, bounds, of.fixed)


def binary(op: str, left: Expr, right: Expr) -> Expr | None:
    """`left op right`; None where the language does not take it."""
    bounds = binary_bounds(op, left.bounds, right.bounds)
    if bounds is None:
        return None
    level, fixed = _LEVELS[op], left.fixed and right.fixed
    bounds = _exact(op, left, right, bounds)
    # Operators of one level are read from the left; comparisons do not chain.
    first = left.within(level + 1 if op in _COMPARISONS else level)
    return Expr(f"{first} {op} {right.within(level + 1)}", level, bounds, fixed)


def _exact(name: str, left: Expr, right: Expr, bounds: Bounds) -> Bounds:
    """The bounds of the operation: the compiler computes what is made of constants alone."""
    if not (left.fixed and right.fixed):
        return bounds
    value = constant_value(name, left.bounds[0], right.bounds[0])
    return bounds if value is None else (value, value)


def _small(choices: Choices, of: Expr) -> Expr:
    """The number with its upper bits masked away."""
    mask = constant(choices, choices.one((1, 3, 7, 15, 63)))
    found = binary("&", of, mask)
    assert found is not None
    return found


def _binary(choices: Choices, op: str, left: Expr, right: Expr) -> Expr:
    """The operation, its operands made small where they could outgrow what it takes."""
    if op in ("/", "%") and right.bounds[0] < 1:
        right = constant(choices, 1 + choices.below(9))
    if op in ("<<", ">>") and not (right.bounds[0] >= 0 and right.bounds[1] <= 63):
        right = _small(choices, right)
    found = binary(op, left, right) or binary(op, _small(choices, left), right)
    return found or binary(op, _small(choices, left), _small(choices, right)) or left


def _function(choices: Choices, name: str, left: Expr, right: Expr, names: Sequence[Known]) -> Expr:
    if name in ("ceil_div", "align") and right.bounds[0] < 1:
        right = constant(choices, 1 + choices.below(9))
    found = _called(name, left, right)
    if found is None:
        right = _small(choices, right) if name == "bit" else constant(choices, 4)
        found = _called(name, left if name == "bit" else _small(choices, left), right)
        assert found is not None
    if name in ("min", "max") and choices.often(25):
        third = _leaf(choices, names)
        bounds = function_bounds(name, found.bounds, third.bounds)
        assert bounds is not None
        return Expr(f"{found.text[:-1]}, {third.text})", _ATOM, bounds, found.fixed and third.fixed)
    return found


def _called(name: str, left: Expr, right: Expr) -> Expr | None:
    bounds = function_bounds(name, left.bounds, right.bounds)
    if bounds is None:
        return None
    exact = _exact(name, left, right, bounds)
    return Expr(f"{name}({left.text}, {right.text})", _ATOM, exact, left.fixed and right.fixed)


def bounded(choices: Choices, names: Sequence[Known], low: int, high: int, depth: int = 2) -> Expr:
    """A number that is surely from `low` to `high`: a constant, or clamped in one of many ways."""
    if not names or low == high or choices.often(25):
        return constant(choices, choices.between(low, min(high, low + 12)))
    found = number(choices, names, depth)
    if low <= found.bounds[0] and found.bounds[1] <= high:
        return found
    if found.bounds[1] < low or found.bounds[0] > high:
        return constant(choices, low)
    if low == 0 and high and found.bounds[1] > high:
        clamped = _wrapped(choices, found, high)
        if clamped is not None:
            return clamped
    if found.bounds[0] < low:
        found = _call("max", found, constant(choices, low), choices)
    if found.bounds[1] > high:
        found = _call("min", found, constant(choices, high), choices)
    return found


def _wrapped(choices: Choices, of: Expr, high: int) -> Expr | None:
    """The number from 0 to `high`, by a mask or a remainder."""
    match choices.below(3):
        case 0:
            return binary("&", of, constant(choices, (1 << (high + 1).bit_length() - 1) - 1))
        case 1:
            return binary("%", of, constant(choices, high + 1))
        case _:
            return None


def _call(name: str, left: Expr, right: Expr, choices: Choices) -> Expr:
    first, second = (right, left) if choices.often(30) else (left, right)
    found = _called(name, first, second)
    assert found is not None
    return found


# --- conditions -----------------------------------------------------------------------------------


def _words(choices: Choices, known: Known) -> Expr:
    """A comparison of texts."""
    options = known.words or ("tcp", "", "a", "\u00e9", "a b", "'")
    op = choices.one(("==", "!="))
    text = string(choices.one(options))
    left, right = (text, known.path) if choices.often(20) else (known.path, text)
    return Expr(f"{left} {op} {right}", _LEVELS[op], (0, 1))


def _likely(choices: Choices, known: Known) -> Expr | None:
    """A comparison of one name that is neither nearly always true nor nearly always false."""
    texts = known.kind == "words" or (known.kind in ("bytes", "string") and choices.often(15))
    if texts and choices.may("text"):
        return _words(choices, known)
    of = _of_known(choices, known, ())
    if of is None:
        return None
    low, high = of.bounds
    match choices.below(4):
        case 0:
            return binary("&", of, constant(choices, 1 << choices.below(3)))
        case 1:
            return of
        case 2 if high - low <= 8:
            at = choices.between(max(low, -4), max(low, -4) + min(high - low, 8))
            return binary(choices.one(_COMPARISONS), of, constant(choices, at))
        case _:
            middle = max(-(1 << 62), min(1 << 62, (low + high) // 2))
            return binary(choices.one(("<", "<=", ">", ">=")), of, constant(choices, middle))


def condition(choices: Choices, names: Sequence[Known], depth: int = 2) -> Expr:
    """What may be true and may be false; where nothing is known, what is true."""
    for _ in range(6):
        found = _condition(choices, names, depth)
        low, high = found.bounds
        if low <= 0 <= high and (low, high) != (0, 0):
            return found
    return Expr("true", _ATOM, (1, 1))


def _condition(choices: Choices, names: Sequence[Known], depth: int) -> Expr:
    if depth > 0 and choices.often(35):
        left = _condition(choices, names, depth - 1)
        if choices.often(25):
            return _unary("not", left) or left
        right = _condition(choices, names, depth - 1)
        return binary(choices.one(("and", "or")), left, right) or left
    if names and choices.often(75):
        found = _likely(choices, choices.one(names[-8:]))
        if found is not None:
            return found
    return number(choices, names, depth)
