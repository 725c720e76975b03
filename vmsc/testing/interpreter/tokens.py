"""Text to words. Comments and blanks are dropped, doc comments too: they are not on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from vmsc.testing.interpreter.syntax import SchemaError

__all__ = ["Token", "tokens"]

Kind = Literal["name", "quoted", "number", "string", "sign", "end"]

_TOKEN = re.compile(
    r"""
    (?P<blank>   [ \t\r\n\f]+ | //[^\n]* )
  | (?P<name>    [A-Za-z_][A-Za-z0-9_]* )
  | (?P<quoted>  `[A-Za-z_][A-Za-z0-9_]*` )
  | (?P<number>  [0-9][A-Za-z0-9_]* )
  | (?P<string>  "[^"\x00-\x1f\x7f]*" )
  | (?P<sign>    == | != | <= | >= | << | >> | => | \.\. | [-+*/%&|^~<>=(){}\[\]:;,.] )
    """,
    re.VERBOSE,
)

_SUFFIX = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Token:
    """`value` is that of a number."""

    kind: Kind
    text: str
    at: int
    value: int = 0


def tokens(text: str) -> tuple[Token, ...]:
    found = []
    pos = 0
    while pos < len(text):
        match = _TOKEN.match(text, pos)
        if match is None:
            raise SchemaError(f"no word of the language: {text[pos : pos + 20]!r} at {pos}")
        pos = match.end()
        word = match.group()
        match match.lastgroup:
            case "name":
                found.append(Token("name", word, match.start()))
            case "quoted":
                found.append(Token("quoted", word[1:-1], match.start()))
            case "number":
                found.append(Token("number", word, match.start(), _number(word)))
            case "string":
                found.append(Token("string", word[1:-1], match.start()))
            case "sign":
                found.append(Token("sign", word, match.start()))
    return (*found, Token("end", "", len(text)))


def _number(word: str) -> int:
    digits, times = word.replace("_", ""), 1
    if digits[-1] in _SUFFIX:
        digits, times = digits[:-1], _SUFFIX[digits[-1]]
    try:
        match digits[:2]:
            case "0x" | "0X":
                return int(digits, 16) * times
            case "0b" | "0B":
                return int(digits, 2) * times
            case _:
                return int(digits, 10) * times
    except ValueError:
        raise SchemaError(f"'{word}' is not a number") from None
