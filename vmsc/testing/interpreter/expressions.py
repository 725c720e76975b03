"""Expressions, by precedence: what binds loosest comes first."""

from __future__ import annotations

from vmsc.testing.interpreter.syntax import (
    Binary,
    Call,
    Expr,
    Index,
    Logic,
    Member,
    Name,
    Number,
    SchemaError,
    Text,
    Unary,
    Version,
)
from vmsc.testing.interpreter.tokens import Token

__all__ = ["Words", "expression"]

_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")

# Those that take operands from the left, loosest first.
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("|",),
    ("^",),
    ("&",),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)


class Words:
    """Tokens, and how far they have been read."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._next = 0

    def look(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.look()
        self._next += 1
        return token

    def is_sign(self, *signs: str, ahead: int = 0) -> bool:
        token = self.look(ahead)
        return token.kind == "sign" and token.text in signs

    def is_word(self, *words: str, ahead: int = 0) -> bool:
        token = self.look(ahead)
        return token.kind == "name" and token.text in words

    def skip(self, sign: str) -> bool:
        """Whether the sign was there; it is taken."""
        return self.is_sign(sign) and bool(self.take())

    def skip_word(self, word: str) -> bool:
        return self.is_word(word) and bool(self.take())

    def expect(self, sign: str) -> None:
        if not self.skip(sign):
            raise self.wrong(f"'{sign}'")

    def expect_word(self, *words: str) -> str:
        if not self.is_word(*words):
            raise self.wrong(" or ".join(words))
        return self.take().text

    def name(self) -> str:
        if self.look().kind not in ("name", "quoted"):
            raise self.wrong("a name")
        return self.take().text

    def number(self) -> int:
        if self.look().kind != "number":
            raise self.wrong("a number")
        return self.take().value

    def string(self) -> str:
        if self.look().kind != "string":
            raise self.wrong("a string")
        return self.take().text

    def wrong(self, wanted: str) -> SchemaError:
        token = self.look()
        return SchemaError(f"'{token.text}' at {token.at}, {wanted} expected")


def expression(words: Words) -> Expr:
    left = _conjunction(words)
    while words.skip_word("or"):
        left = Logic("or", left, _conjunction(words))
    return left


def _conjunction(words: Words) -> Expr:
    left = _negation(words)
    while words.skip_word("and"):
        left = Logic("and", left, _negation(words))
    return left


def _negation(words: Words) -> Expr:
    if words.skip_word("not"):
        return Unary("not", _negation(words))
    left = _level(words, 0)
    if words.is_sign(*_COMPARISONS):
        return Binary(words.take().text, left, _level(words, 0))
    return left


def _level(words: Words, level: int) -> Expr:
    if level == len(_LEVELS):
        return _unary(words)
    left = _level(words, level + 1)
    while words.is_sign(*_LEVELS[level]):
        left = Binary(words.take().text, left, _level(words, level + 1))
    return left


def _unary(words: Words) -> Expr:
    if words.skip("-"):
        return Unary("-", _unary(words))
    if words.skip("~"):
        return Unary("~", _unary(words))
    found = _atom(words)
    while True:
        if words.skip("."):
            found = Member(found, words.name())
        elif words.skip("["):
            found = Index(found, expression(words))
            words.expect("]")
        else:
            return found


def _atom(words: Words) -> Expr:
    token = words.take()
    match token.kind, token.text:
        case "number", _:
            return Number(token.value)
        case "string", text:
            return Text(text.encode())
        case "name", "true":
            return Number(1)
        case "name", "false":
            return Number(0)
        case "name", "version":
            return Version()
        case (("name" | "quoted"), name):
            return Call(name, _operands(words)) if words.skip("(") else Name(name)
        case "sign", "(":
            inner = expression(words)
            words.expect(")")
            return inner
        case _:
            raise SchemaError(f"'{token.text}' at {token.at} begins no expression")


def _operands(words: Words) -> tuple[Expr, ...]:
    found = [expression(words)]
    while words.skip(","):
        found.append(expression(words))
    words.expect(")")
    return tuple(found)
