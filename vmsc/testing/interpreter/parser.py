"""Schema text to descriptions: a parser of its own, by recursive descent."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from typing import Any

from vmsc.testing.interpreter.expressions import Words, expression
from vmsc.testing.interpreter.syntax import (
    Break,
    Description,
    Domain,
    Expr,
    Field,
    File,
    Item,
    Let,
    Number,
    Outer,
    Padding,
    Param,
    Part,
    Presence,
    Require,
    SchemaError,
    Subsection,
    Type,
    Unary,
)
from vmsc.testing.interpreter.tokens import tokens
from vmsc.testing.interpreter.types import type_of

__all__ = ["parse"]


def parse(text: str) -> File:
    words = Words(tokens(text))
    uses: list[str] = []
    constants: dict[str, Expr] = {}
    params: dict[str, Param] = {}
    descriptions: list[Description] = []
    while words.look().kind != "end":
        if words.skip(";"):
            continue
        match words.expect_word("use", "const", "param", "struct", "loop", "vmsd", "device"):
            case "use":
                path = words.name()
                while words.skip("."):
                    path += f".{words.name()}"
                uses.append(path)
            case "const":
                name = words.name()
                words.expect("=")
                constants[name] = expression(words)
            case "param":
                param = _param(words)
                params[param.name] = param
            case word:
                descriptions.append(_description(words, word))
    return File(tuple(uses), constants, params, tuple(descriptions))


def _description(words: Words, word: str) -> Description:
    match word:
        case "struct":
            return Description("struct", words.name(), "", 1, 1, _body(words))
        case "loop":
            return Description("loop", words.name(), "", 1, 1, _body(words))
        case "vmsd":
            name = words.name()
            words.expect_word("as")
            wire = words.string()
            version, minimum = _versions(words)
            return Description("vmsd", name, wire, version, minimum, _body(words))
        case _:
            name = ""
            if words.look().kind != "string":
                name = words.name()
                words.expect_word("as")
            wire = words.string()
            version, minimum = _versions(words)
            target = words.string() if words.skip_word("target") else None
            return Description("device", name, wire, version, minimum, _body(words), target)


def _versions(words: Words) -> tuple[int, int]:
    version = words.number() if words.skip_word("version") else 1
    minimum = words.number() if words.skip_word("minimum") else version
    return version, minimum


def _param(words: Words) -> Param:
    name = words.name()
    words.expect(":")
    domain = _domain(words)
    return Param(name, domain, expression(words) if words.skip("=") else None)


def _domain(words: Words) -> Domain:
    if words.is_word("one") and words.is_word("of", ahead=1):
        words.take()
        words.take()
        found = [_word(words)]
        while words.skip(","):
            found.append(_word(words))
        return Domain("words", words=tuple(found))
    name = words.name()
    if name == "description":
        return Domain("description")
    least = expression(words) if words.skip_word("min") else None
    most = expression(words) if words.skip_word("max") else None
    match name:
        case "bool" | "bits":
            return Domain(name, least=least, most=most)
        case _:
            return Domain("number", name, least, most)


def _word(words: Words) -> str:
    """Where its sections are is not a matter of one section's bytes."""
    word = words.string()
    if words.is_word("at", "under"):
        words.take()
        words.string()
    return word


# --- bodies ---------------------------------------------------------------------------------------


def _body(words: Words) -> tuple[Item, ...]:
    words.expect("{")
    found: list[Item] = []
    while not words.skip("}"):
        if words.skip(";"):
            continue
        if words.is_word("unused") and words.is_sign("[", ahead=1):
            found.append(_modified(words, "", _padding(words)))
        else:
            found.append(_item(words))
    return _named_padding(found)


def _named_padding(items: list[Item]) -> tuple[Item, ...]:
    """Padding without a name is called `unused`, `unused2`, ...: the first that is nobody's."""
    taken = {name for item in items for name in _names(item)}
    free = (name for n in count(1) if (name := f"unused{n}" if n > 1 else "unused") not in taken)
    return tuple(
        replace(item, name=next(free)) if isinstance(item, Field) and not item.name else item
        for item in items
    )


def _names(item: Item) -> tuple[str, ...]:
    match item:
        case Field(name=name, parts=parts):
            return (name, *(part.name for part in parts))
        case Let(name=name) | Param(name=name) | Outer(name=name) | Subsection(name=name):
            return (name,)
        case Require() | Break():
            return ()


def _identifier(word: str) -> str:
    """What no name may hold becomes `_`; none begins with a digit."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", word)
    return f"_{name}" if name[:1].isdigit() else name


def _padding(words: Words) -> Padding:
    words.take()
    words.expect("[")
    length = expression(words)
    words.expect("]")
    return Padding(length)


def _item(words: Words) -> Item:
    if words.is_sign(":", ahead=1):
        name = words.name()
        words.take()
        type_ = type_of(words)
        if words.is_word("split") and words.is_sign("{", ahead=1):
            words.take()
            return _modified(words, name, type_, _parts(words))
        return _modified(words, name, type_)
    match words.expect_word("let", "require", "break", "subsection", "param", "outer"):
        case "let":
            name = words.name()
            words.expect("=")
            return Let(name, expression(words))
        case "require":
            law = expression(words)
            return Require(law, words.string() if words.look().kind == "string" else "")
        case "break":
            word = words.expect_word("when", "unless")
            condition = expression(words)
            return Break(condition if word == "when" else Unary("not", condition))
        case "subsection":
            return _subsection(words)
        case "param":
            return _param(words)
        case _:
            name = words.name()
            words.expect(":")
            return Outer(name, words.name())


def _subsection(words: Words) -> Subsection:
    wire = words.string()
    name = words.name() if words.skip_word("as") else _identifier(wire.rsplit("/", 1)[-1])
    version, minimum = _versions(words)
    body = _body(words)
    return Subsection(name, Description("subsection", name, wire, version, minimum, body))


def _modified(words: Words, name: str, type_: Type, parts: tuple[Part, ...] = ()) -> Field:
    """The field with its modifiers; a word before a colon is the next field."""
    given: dict[str, Any] = {}
    while not words.is_sign(":", ahead=1):
        if words.is_word("since"):
            words.take()
            given["presence"] = Presence("since", Number(words.number()))
        elif words.skip_word("when"):
            given["presence"] = Presence("when", expression(words))
        elif words.skip_word("unless"):
            given["presence"] = Presence("unless", expression(words))
        elif words.is_word("min", "max", "equals"):
            key = {"min": "least", "max": "most", "equals": "equals"}[words.take().text]
            given[key] = expression(words)
        elif words.skip_word("sticky"):
            given["sticky"] = True
        elif words.skip_word("via"):
            given["via"] = words.name()
        elif words.is_word("as") and words.look(1).kind == "string":
            words.take()
            words.take()
        else:
            break
    return Field(name, type_, parts=parts, **given)


def _parts(words: Words) -> tuple[Part, ...]:
    """Bits that are counted from the top are negative: how wide the word is shows later."""
    words.expect("{")
    found = []
    while not words.skip("}"):
        if words.skip(";"):
            continue
        name = words.name()
        words.expect(":")
        match words.expect_word("low", "high", "bits"):
            case "low":
                found.append(Part(name, 0, words.number() - 1))
            case "high":
                found.append(Part(name, -words.number(), -1))
            case _:
                low = words.number()
                words.expect("..")
                found.append(Part(name, low, words.number()))
    if not found:
        raise SchemaError("a split without parts")
    return tuple(found)
