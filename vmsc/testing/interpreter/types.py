"""Types: a word or a prefix, then brackets, of which the left one is the outer one."""

from __future__ import annotations

from vmsc.testing.interpreter.expressions import Words, expression
from vmsc.testing.interpreter.syntax import (
    Arm,
    Array,
    Choice,
    Expr,
    ListOf,
    Named,
    Nullable,
    Opaque,
    Ordered,
    Padding,
    Tree,
    Type,
    Until,
    UntilSum,
    Within,
)

__all__ = ["type_of"]


def type_of(words: Words) -> Type:
    return _bracketed(words, _prefixed(words))


def _bracketed(words: Words, base: Type) -> Type:
    """`T[2][3]`: two of three. `T[until ...][2]`: two lists; what is before it is its element."""
    counts: list[Expr] = []
    while words.skip("["):
        if words.is_word("until") and words.look(1).kind in ("name", "quoted"):
            words.take()
            base = _until(words, _array(base, counts))
            counts = []
        else:
            counts.append(expression(words))
        words.expect("]")
    return _array(base, counts)


def _array(base: Type, counts: list[Expr]) -> Type:
    for count in reversed(counts):
        base = Array(base, count)
    return base


def _until(words: Words, element: Type) -> Type:
    if words.is_word("sum") and words.is_sign("(", ahead=1):
        words.take()
        words.take()
        part = words.name()
        words.expect(")")
        words.expect("==")
        return UntilSum(element, part, expression(words))
    first = words.name()
    words.expect("==")
    return Until(element, first, expression(words))


def _prefixed(words: Words) -> Type:
    token = words.look()
    if token.kind == "quoted":
        return _named(words)
    match token.text:
        case "list":
            words.take()
            tag = words.number() if words.skip_word("tag") else 1
            return ListOf(_prefixed(words), tag)
        case "tree":
            words.take()
            key = _prefixed(words)
            words.expect("=>")
            return Tree(key, _prefixed(words))
        case "nullable":
            words.take()
            return _nullable(words)
        case "choice":
            words.take()
            selector = expression(words)
            words.expect("{")
            return Choice(selector, _arms(words))
        case "within":
            words.take()
            length = _length(words)
            return Within(length, _prefixed(words))
        case "unused":
            words.take()
            return Padding(_length(words))
        case "opaque":
            words.take()
            return Opaque(_length(words) if words.is_sign("[") else None)
        case "little" | "host":
            words.take()
            return Ordered(words.name())
        case _:
            return _named(words)


def _length(words: Words) -> Expr:
    words.expect("[")
    found = expression(words)
    words.expect("]")
    return found


def _nullable(words: Words) -> Type:
    element = _prefixed(words)
    count = _length(words)
    if words.skip_word("marked"):
        return Nullable(element, count, None)
    words.expect_word("present")
    return Nullable(element, count, expression(words))


def _arms(words: Words) -> tuple[Arm, ...]:
    found = []
    while not words.skip("}"):
        if words.skip(";"):
            continue
        if words.is_word("else") and words.is_sign(":", ahead=1):
            words.take()
            label = None
        else:
            label = expression(words)
        words.expect(":")
        found.append(Arm(label, type_of(words)))
    return tuple(found)


def _named(words: Words) -> Named:
    name = words.name()
    arguments = {}
    if words.skip("("):
        while not words.skip(")"):
            parameter = words.name()
            words.expect("=")
            arguments[parameter] = expression(words)
            if not words.is_sign(")"):
                words.expect(",")
    if words.is_word("version") and words.look(1).kind == "number":
        words.take()
        return Named(name, arguments, words.number())
    return Named(name, arguments)
