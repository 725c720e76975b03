"""Build: what each rule of the grammar makes of what its parts made, bottom-up -> syntax.File.

A method a rule, of its name. It is given the rule's first and last word, those that have no place
in the tree included, and what the parts made; a STRING makes a Name, and a keyword nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from vmsc.runtime.kinds import DescriptionKind
from vmsc.schema.diagnostics import Report
from vmsc.schema.source import Source, Span
from vmsc.schema.syntax import tree as s

__all__ = ["Builder", "Extent", "Token", "doc_line"]

MAX_NUMBER = (1 << 64) - 1

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_NUMBER = re.compile(
    r"(0[xX][0-9A-Fa-f_]*[0-9A-Fa-f]|0[bB][01_]*[01]|0|[1-9](?:[0-9_]*[0-9])?)([KMG]?)"
)


class Token(Protocol):
    """A word of the text, and where it stands."""

    line: int
    column: int
    start_pos: int
    end_line: int
    end_pos: int

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> str: ...


Extent = tuple[Token, Token] | None  # the first word and the last; None for a rule without words


class _Doc(str):
    """A line of a doc comment."""


def doc_line(line: str) -> str:
    return line.strip().removeprefix("///").removeprefix(" ")


def _docs(items: list[Any]) -> tuple[str, list[Any]]:
    """Split leading doc comments from the rest."""
    count = 0
    while count < len(items) and isinstance(items[count], _Doc):
        count += 1
    return "\n".join(items[:count]), items[count:]


_Method = Callable[["Builder", Any, list[Any]], Any]


def _operation(op: str) -> _Method:
    def build(self: Builder, at: Extent, items: list[Any]) -> s.Expr:
        return s.Operation(op, tuple(items), self.span(at))

    return build


def _modifier(word: str) -> _Method:
    def build(self: Builder, at: Extent, items: list[Any]) -> s.Modifier:
        operand = items[0] if items else None
        if word == "as":
            operand = items[0].text
        return s.Modifier(word, operand, self.span(at))

    return build


def _plain(kind: DescriptionKind) -> _Method:
    def build(self: Builder, at: Extent, items: list[Any]) -> s.Description:
        doc, (name, body) = _docs(items)
        return s.Description(kind, name, "", None, None, body, doc, name.span)

    return build


def _versioned(kind: DescriptionKind) -> _Method:
    def build(self: Builder, at: Extent, items: list[Any]) -> s.Description:
        doc, (name, wire, (version, minimum), *target, body) = _docs(items)
        span = (name or wire).span
        device = s.Description(kind, name, wire.text, version, minimum, body, doc, span)
        return replace(device, target=target[0].text) if any(target) else device

    return build


@dataclass
class Builder:
    """Bottom-up: each grammar rule's method makes its node of syntax.py; a STRING is a Name."""

    source: Source
    doc: str
    report: Report

    def span(self, at: Extent) -> Span:
        """A rule's text, as far as it is on one line."""
        if at is None:
            return Span(self.source, 1, 1)
        first, last = at
        if first.line == last.end_line:
            return Span(self.source, first.line, first.column, last.end_pos - first.start_pos)
        newline = self.source.text.find("\n", first.start_pos)
        text = self.source.text[first.start_pos : newline].rstrip()
        return Span(self.source, first.line, first.column, len(text))

    def token_span(self, token: Token) -> Span:
        return Span(self.source, token.line, token.column, len(token))

    # Tokens.
    def DOC(self, token: Token) -> _Doc:
        return _Doc(doc_line(str(token)))

    def STRING(self, token: Token) -> s.Name:
        return s.Name(str(token[1:-1]), self.token_span(token))

    def NUMBER(self, token: Token) -> int:
        value = 0
        if (found := _NUMBER.fullmatch(str(token))) is None:
            message = f"'{token[:40]}' is no number; numbers are 10, 0x1f, 0b11, 1_000, 4K"
            self.report.error("syntax", message, self.token_span(token))
        elif len(token) <= 100:
            digits = found[1].replace("_", "")
            base = {"0x": 16, "0b": 2}.get(digits[:2].lower(), 10)
            value = int(digits[2:] if base != 10 else digits, base) * _UNITS.get(found[2], 1)
        if len(token) > 100 or value > MAX_NUMBER:
            shown = str(token) if len(token) <= 40 else f"a number of {len(token)} digits"
            self.report.error("overflow", f"{shown} does not fit 64 bits", self.token_span(token))
            return 0
        return value

    def name(self, at: Extent, items: list[Any]) -> s.Name:
        return s.Name(str(items[0]).strip("`"), self.span(at))

    def word_name(self, at: Extent, items: list[Any]) -> s.Name:
        return s.Name(str(items[0]), self.span(at))

    def word_label(self, at: Extent, items: list[Any]) -> s.Expr:
        span = self.span(at)
        return s.Version(span) if items[0] == "version" else s.Reference(str(items[0]), span)

    # Expressions.
    def number(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Number(items[0], self.span(at))

    def string(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Text(items[0].text, self.span(at))

    def true(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Truth(True, self.span(at))

    def false(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Truth(False, self.span(at))

    def version(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Version(self.span(at))

    def reference(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Reference(items[0].text, self.span(at))

    def parens(self, at: Extent, items: list[Any]) -> s.Expr:
        expr: s.Expr = items[0]
        return expr

    def member(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Member(items[0], items[1], self.span(at))

    def index(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Index(items[0], items[1], self.span(at))

    def call(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Call(items[0], tuple(items[1:]), self.span(at))

    def operate(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Operation(str(items[1]), (items[0], items[2]), self.span(at))

    def negative(self, at: Extent, items: list[Any]) -> s.Expr:
        return s.Operation("-", (items[-1],), self.span(at))

    compare = operate
    invert = _operation("~")
    not_ = _operation("not")
    or_ = _operation("or")
    and_ = _operation("and")
    binary_or = _operation("|")
    binary_xor = _operation("^")
    binary_and = _operation("&")

    # Types.
    def named(self, at: Extent, items: list[Any]) -> s.Type:
        arguments = tuple(a for a in items[1:-1] if a is not None)
        return s.Named(items[0], "", arguments, items[-1], self.span(at))

    def argument(self, at: Extent, items: list[Any]) -> s.Argument:
        return s.Argument(items[0], items[1])

    def order(self, at: Extent, items: list[Any]) -> str:
        return str(items[0])

    def ordered(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Named(items[1], items[0], (), None, self.span(at))

    def array(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Array(items[0], items[1], self.span(at))

    def until(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Until(items[0], items[1], items[-1], self.span(at))

    def until_sum(self, at: Extent, items: list[Any]) -> s.Type:
        return s.UntilSum(items[0], items[1], items[-1], self.span(at))

    def list_of(self, at: Extent, items: list[Any]) -> s.Type:
        tag = 1 if items[-2] is None else items[-2]
        return s.ListOf(items[-1], tag, self.span(at))

    def tree(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Tree(items[0], items[1], self.span(at))

    def nullable(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Nullable(items[0], items[1], items[2], self.span(at))

    def present(self, at: Extent, items: list[Any]) -> s.Expr:
        expr: s.Expr = items[0]
        return expr

    def marked(self, at: Extent, items: list[Any]) -> None:
        return None

    def choice(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Choice(items[0], tuple(items[1:]), self.span(at))

    def arm(self, at: Extent, items: list[Any]) -> s.Arm:
        return s.Arm(items[0], items[1], self.span(at))

    def otherwise(self, at: Extent, items: list[Any]) -> s.Arm:
        return s.Arm(None, items[0], self.span(at))

    def within(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Within(items[0], items[1], self.span(at))

    def pad(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Padding(items[0], self.span(at))

    def opaque(self, at: Extent, items: list[Any]) -> s.Type:
        return s.Opaque(items[0], self.span(at))

    # Items.
    since = _modifier("since")
    when = _modifier("when")
    unless = _modifier("unless")
    minimum = _modifier("min")
    maximum = _modifier("max")
    equals = _modifier("equals")
    sticky = _modifier("sticky")
    via = _modifier("via")
    wire_name = _modifier("as")

    def field(self, at: Extent, items: list[Any]) -> s.Field:
        doc, (name, kind, *modifiers) = _docs(items)
        return s.Field(name, kind, tuple(modifiers), doc, name.span)

    def padding(self, at: Extent, items: list[Any]) -> s.Field:
        doc, (length, *modifiers) = _docs(items)
        span = length.span
        return s.Field(s.Name("", span), s.Padding(length, span), tuple(modifiers), doc, span)

    def low(self, at: Extent, items: list[Any]) -> tuple[int, int]:
        return 0, items[0]

    def high(self, at: Extent, items: list[Any]) -> tuple[int, int]:
        return -1, items[0]

    def range(self, at: Extent, items: list[Any]) -> tuple[int, int]:
        return items[0], items[1] - items[0] + 1

    def part(self, at: Extent, items: list[Any]) -> s.Part:
        doc, (name, (low, width)) = _docs(items)
        return s.Part(name, low, width, doc, name.span)

    def split(self, at: Extent, items: list[Any]) -> s.Split:
        doc, (name, kind, *rest) = _docs(items)
        parts = tuple(p for p in rest if isinstance(p, s.Part))
        modifiers = tuple(m for m in rest if isinstance(m, s.Modifier))
        return s.Split(name, kind, parts, modifiers, doc, name.span)

    def let(self, at: Extent, items: list[Any]) -> s.Let:
        doc, (name, value) = _docs(items)
        return s.Let(name, value, doc, name.span)

    def require(self, at: Extent, items: list[Any]) -> s.Require:
        doc, (law, why) = _docs(items)
        return s.Require(law, why.text if why else " ".join(doc.split()), law.span)

    def break_when(self, at: Extent, items: list[Any]) -> s.Break:
        return s.Break(items[-1], False, items[-1].span)

    def break_unless(self, at: Extent, items: list[Any]) -> s.Break:
        return s.Break(items[-1], True, items[-1].span)

    def versions(self, at: Extent, items: list[Any]) -> tuple[int | None, int | None]:
        return items[0], items[1]

    def body(self, at: Extent, items: list[Any]) -> tuple[s.Item, ...]:
        return tuple(items)

    def subsection(self, at: Extent, items: list[Any]) -> s.Subsection:
        doc, (wire, name, (version, minimum), body) = _docs(items)
        return s.Subsection(wire.text, name, version, minimum, body, doc, wire.span)

    def number_domain(self, at: Extent, items: list[Any]) -> s.NumberDomain:
        return s.NumberDomain(*items)

    def words(self, at: Extent, items: list[Any]) -> s.Words:
        return s.Words(tuple(items))

    def word(self, at: Extent, items: list[Any]) -> s.Word:
        relation, pattern = items[1] or ("", "")
        return s.Word(items[0].text, relation, pattern)

    def at_place(self, at: Extent, items: list[Any]) -> tuple[str, str]:
        return "at", items[0].text

    def under_place(self, at: Extent, items: list[Any]) -> tuple[str, str]:
        return "under", items[0].text

    def description_domain(self, at: Extent, items: list[Any]) -> s.DescriptionDomain:
        return s.DescriptionDomain()

    def param(self, at: Extent, items: list[Any]) -> s.Param:
        doc, (name, domain, default) = _docs(items)
        return s.Param(name, domain, default, doc, name.span)

    def outer(self, at: Extent, items: list[Any]) -> s.Outer:
        doc, (name, kind) = _docs(items)
        return s.Outer(name, kind, doc, name.span)

    # Descriptions and files.
    struct = _plain("struct")
    loop = _plain("loop")

    vmsd = _versioned("vmsd")
    device = _versioned("device")

    def module(self, at: Extent, items: list[Any]) -> str:
        return ".".join(map(str, items))

    def use(self, at: Extent, items: list[Any]) -> s.Use:
        return s.Use(items[0], self.span(at))

    def const(self, at: Extent, items: list[Any]) -> s.Const:
        doc, (name, value) = _docs(items)
        return s.Const(name, value, doc, name.span)

    def start(self, at: Extent, items: list[Any]) -> s.File:
        return s.File(
            self.source,
            self.doc,
            tuple(i for i in items if isinstance(i, s.Use)),
            tuple(i for i in items if isinstance(i, s.Const)),
            tuple(i for i in items if isinstance(i, s.Param)),
            tuple(i for i in items if isinstance(i, s.Description)),
        )
