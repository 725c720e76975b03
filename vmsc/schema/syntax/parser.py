"""Parse: text -> syntax.File. The only module that knows lark.

One syntax error a file is reported, where it is. What comes out nests no deeper than MAX_DEPTH, so
that later stages may walk it by recursion.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import lark
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from vmsc.runtime.kinds import DescriptionKind
from vmsc.schema import syntax as s
from vmsc.schema.diagnostics import Report
from vmsc.schema.source import Source, Span
from vmsc.schema.syntax.parse_errors import (
    report_character,
    report_control,
    report_end,
    report_token,
)

__all__ = ["MAX_DEPTH", "MAX_SIZE", "parse"]

MAX_SIZE = 1 << 20  # characters; a schema of 20,000 fields has as many
MAX_DEPTH = 64  # levels of the tree; brackets, operands and nested subsections each are some
MAX_NUMBER = (1 << 64) - 1

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_NUMBER = re.compile(
    r"(0[xX][0-9A-Fa-f_]*[0-9A-Fa-f]|0[bB][01_]*[01]|0|[1-9](?:[0-9_]*[0-9])?)([KMG]?)"
)
_HEAD = re.compile(r"(?:[ \t\r\n]|//(?!/)[^\n]*\n)*((?:[ \t]*///[^\n]*\n)+)(?=[ \t\r]*(?:\n|\Z))")


@cache
def _grammar() -> lark.Lark:
    return lark.Lark.open(
        str(files("vmsc.grammars") / "vmsd.lark"),
        parser="lalr",
        propagate_positions=True,
        maybe_placeholders=True,
    )


# --- the tree -------------------------------------------------------------------------------------


class _Doc(str):
    """A line of a doc comment."""


def _doc(line: str) -> str:
    return line.strip().removeprefix("///").removeprefix(" ")


def _docs(items: list[Any]) -> tuple[str, list[Any]]:
    """Split leading doc comments from the rest."""
    count = 0
    while count < len(items) and isinstance(items[count], _Doc):
        count += 1
    return "\n".join(items[:count]), items[count:]


_Method = Callable[["_Builder", Any, list[Any]], Any]


def _operation(op: str) -> _Method:
    def build(self: _Builder, meta: Any, items: list[Any]) -> s.Expr:
        return s.Operation(op, tuple(items), self.span(meta))

    return build


def _modifier(word: str) -> _Method:
    def build(self: _Builder, meta: Any, items: list[Any]) -> s.Modifier:
        operand = items[0] if items else None
        if word == "as":
            operand = items[0].text
        return s.Modifier(word, operand, self.span(meta))

    return build


def _plain(kind: DescriptionKind) -> _Method:
    def build(self: _Builder, meta: Any, items: list[Any]) -> s.Description:
        doc, (name, body) = _docs(items)
        return s.Description(kind, name, "", None, None, body, doc, name.span)

    return build


def _versioned(kind: DescriptionKind) -> _Method:
    def build(self: _Builder, meta: Any, items: list[Any]) -> s.Description:
        doc, (name, wire, (version, minimum), *target, body) = _docs(items)
        span = (name or wire).span
        device = s.Description(kind, name, wire.text, version, minimum, body, doc, span)
        return replace(device, target=target[0].text) if any(target) else device

    return build


@dataclass
class _Builder:
    """Bottom-up: each grammar rule's method makes its node of syntax.py; a STRING is a Name."""

    source: Source
    doc: str
    report: Report

    def build(self, tree: lark.Tree[lark.Token]) -> Any:
        """What the tree's rule makes of what its parts make; without recursion, however deep."""
        order: list[Any] = []
        todo: list[Any] = [tree]
        while todo:
            node = todo.pop()
            order.append(node)
            if isinstance(node, lark.Tree):
                todo += node.children
        made: list[Any] = []
        for node in reversed(order):
            if isinstance(node, lark.Tree):
                start = len(made) - len(node.children)
                parts = made[start:]
                del made[start:]
                made.append(getattr(self, node.data)(node.meta, parts))
            elif isinstance(node, lark.Token) and node.type in ("DOC", "STRING", "NUMBER"):
                made.append(getattr(self, node.type)(node))
            else:
                made.append(node)
        return made[0]

    def span(self, meta: Any) -> Span:
        """The rule's text, as far as it is on one line."""
        if getattr(meta, "empty", True):
            return Span(self.source, 1, 1)
        end = meta.end_pos
        newline = self.source.text.find("\n", meta.start_pos, end)
        if newline >= 0:
            end = newline
        text = self.source.text[meta.start_pos : end].rstrip()
        return Span(self.source, meta.line, meta.column, max(1, len(text)))

    def token_span(self, token: lark.Token) -> Span:
        return Span(self.source, token.line or 1, token.column or 1, len(token))

    # Tokens.
    def DOC(self, token: lark.Token) -> _Doc:
        return _Doc(_doc(token))

    def STRING(self, token: lark.Token) -> s.Name:
        return s.Name(str(token[1:-1]), self.token_span(token))

    def NUMBER(self, token: lark.Token) -> int:
        value = 0
        if (found := _NUMBER.fullmatch(token)) is None:
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

    def name(self, meta: Any, items: list[Any]) -> s.Name:
        return s.Name(str(items[0]).strip("`"), self.span(meta))

    # Expressions.
    def number(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Number(items[0], self.span(meta))

    def string(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Text(items[0].text, self.span(meta))

    def true(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Truth(True, self.span(meta))

    def false(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Truth(False, self.span(meta))

    def version(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Version(self.span(meta))

    def reference(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Reference(items[0].text, self.span(meta))

    def member(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Member(items[0], items[1], self.span(meta))

    def index(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Index(items[0], items[1], self.span(meta))

    def call(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Call(items[0], tuple(items[1:]), self.span(meta))

    def operate(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Operation(str(items[1]), (items[0], items[2]), self.span(meta))

    def negative(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Operation("-", (items[1],), self.span(meta))

    compare = operate
    invert = _operation("~")
    not_ = _operation("not")
    or_ = _operation("or")
    and_ = _operation("and")
    binary_or = _operation("|")
    binary_xor = _operation("^")
    binary_and = _operation("&")

    # Types.
    def named(self, meta: Any, items: list[Any]) -> s.Type:
        arguments = tuple(a for a in items[1:-1] if a is not None)
        return s.Named(items[0], "", arguments, items[-1], self.span(meta))

    def argument(self, meta: Any, items: list[Any]) -> s.Argument:
        return s.Argument(items[0], items[1])

    def order(self, meta: Any, items: list[Any]) -> str:
        return str(items[0])

    def ordered(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Named(items[1], items[0], (), None, self.span(meta))

    def array(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Array(items[0], items[1], self.span(meta))

    def until(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Until(items[0], items[1], items[3], self.span(meta))

    def until_sum(self, meta: Any, items: list[Any]) -> s.Type:
        return s.UntilSum(items[0], items[1], items[3], self.span(meta))

    def list_of(self, meta: Any, items: list[Any]) -> s.Type:
        tag = 1 if items[0] is None else items[0]
        return s.ListOf(items[1], tag, self.span(meta))

    def tree(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Tree(items[0], items[1], self.span(meta))

    def nullable(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Nullable(items[0], items[1], items[2], self.span(meta))

    def present(self, meta: Any, items: list[Any]) -> s.Expr:
        expr: s.Expr = items[0]
        return expr

    def marked(self, meta: Any, items: list[Any]) -> None:
        return None

    def choice(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Choice(items[0], tuple(items[1:]), self.span(meta))

    def arm(self, meta: Any, items: list[Any]) -> s.Arm:
        return s.Arm(items[0], items[1], self.span(meta))

    def otherwise(self, meta: Any, items: list[Any]) -> s.Arm:
        return s.Arm(None, items[0], self.span(meta))

    def within(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Within(items[0], items[1], self.span(meta))

    def pad(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Padding(items[0], self.span(meta))

    def opaque(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Opaque(items[0], self.span(meta))

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

    def field(self, meta: Any, items: list[Any]) -> s.Field:
        doc, (name, kind, *modifiers) = _docs(items)
        return s.Field(name, kind, tuple(modifiers), doc, name.span)

    def padding(self, meta: Any, items: list[Any]) -> s.Field:
        doc, (length, *modifiers) = _docs(items)
        span = length.span
        return s.Field(s.Name("", span), s.Padding(length, span), tuple(modifiers), doc, span)

    def low(self, meta: Any, items: list[Any]) -> tuple[int, int]:
        return 0, items[0]

    def high(self, meta: Any, items: list[Any]) -> tuple[int, int]:
        return -1, items[0]

    def range(self, meta: Any, items: list[Any]) -> tuple[int, int]:
        return items[0], items[1] - items[0] + 1

    def part(self, meta: Any, items: list[Any]) -> s.Part:
        doc, (name, (low, width)) = _docs(items)
        return s.Part(name, low, width, doc, name.span)

    def split(self, meta: Any, items: list[Any]) -> s.Split:
        doc, (name, kind, *rest) = _docs(items)
        parts = tuple(p for p in rest if isinstance(p, s.Part))
        modifiers = tuple(m for m in rest if isinstance(m, s.Modifier))
        return s.Split(name, kind, parts, modifiers, doc, name.span)

    def let(self, meta: Any, items: list[Any]) -> s.Let:
        doc, (name, value) = _docs(items)
        return s.Let(name, value, doc, name.span)

    def require(self, meta: Any, items: list[Any]) -> s.Require:
        doc, (law, why) = _docs(items)
        return s.Require(law, why.text if why else " ".join(doc.split()), law.span)

    def break_when(self, meta: Any, items: list[Any]) -> s.Break:
        return s.Break(items[-1], False, items[-1].span)

    def break_unless(self, meta: Any, items: list[Any]) -> s.Break:
        return s.Break(items[-1], True, items[-1].span)

    def versions(self, meta: Any, items: list[Any]) -> tuple[int | None, int | None]:
        return items[0], items[1]

    def body(self, meta: Any, items: list[Any]) -> tuple[s.Item, ...]:
        return tuple(items)

    def subsection(self, meta: Any, items: list[Any]) -> s.Subsection:
        doc, (wire, name, (version, minimum), body) = _docs(items)
        return s.Subsection(wire.text, name, version, minimum, body, doc, wire.span)

    def number_domain(self, meta: Any, items: list[Any]) -> s.NumberDomain:
        return s.NumberDomain(*items)

    def words(self, meta: Any, items: list[Any]) -> s.Words:
        return s.Words(tuple(items))

    def word(self, meta: Any, items: list[Any]) -> s.Word:
        relation, pattern = items[1] or ("", "")
        return s.Word(items[0].text, relation, pattern)

    def at_place(self, meta: Any, items: list[Any]) -> tuple[str, str]:
        return "at", items[0].text

    def under_place(self, meta: Any, items: list[Any]) -> tuple[str, str]:
        return "under", items[0].text

    def description_domain(self, meta: Any, items: list[Any]) -> s.DescriptionDomain:
        return s.DescriptionDomain()

    def param(self, meta: Any, items: list[Any]) -> s.Param:
        doc, (name, domain, default) = _docs(items)
        return s.Param(name, domain, default, doc, name.span)

    def outer(self, meta: Any, items: list[Any]) -> s.Outer:
        doc, (name, kind) = _docs(items)
        return s.Outer(name, kind, doc, name.span)

    # Descriptions and files.
    struct = _plain("struct")
    loop = _plain("loop")

    vmsd = _versioned("vmsd")
    device = _versioned("device")

    def use(self, meta: Any, items: list[Any]) -> s.Use:
        return s.Use(".".join(str(i) for i in items), self.span(meta))

    def const(self, meta: Any, items: list[Any]) -> s.Const:
        doc, (name, value) = _docs(items)
        return s.Const(name, value, doc, name.span)

    def start(self, meta: Any, items: list[Any]) -> s.File:
        return s.File(
            self.source,
            self.doc,
            tuple(i for i in items if isinstance(i, s.Use)),
            tuple(i for i in items if isinstance(i, s.Const)),
            tuple(i for i in items if isinstance(i, s.Param)),
            tuple(i for i in items if isinstance(i, s.Description)),
        )


# --- syntax errors --------------------------------------------------------------------------------


def _report_fault(source: Source, fault: UnexpectedInput, report: Report) -> None:
    literals = {t.name: t.pattern.value for t in _grammar().terminals}
    line = source.line(fault.line)
    match fault:
        case UnexpectedToken(token=lark.Token(type="$END"), accepts=accepts):
            lines = source.text.rstrip().split("\n")
            span = Span(source, len(lines), len(lines[-1]) + 1)
            report_end(accepts, literals, span, report)
        case UnexpectedToken(token=token, accepts=accepts):
            span = Span(source, fault.line, fault.column, len(token))
            end = token.start_pos or 0
            before = source.text[max(0, end - 200) : end]
            report_token(token, token.type, before, accepts, literals, span, report)
        case UnexpectedCharacters(char=char):
            span = Span(source, fault.line, fault.column)
            report_character(char, line[fault.column :], span, report)
        case _:
            raise AssertionError("lark's LALR parser has these two") from fault


# --- a file ---------------------------------------------------------------------------------------


def _head(text: str) -> tuple[str, str]:
    """The file's own doc comment, and the text without it (blanks in its place)."""
    found = _HEAD.match(text)
    if found is None:
        return "", text
    start, end = found.span(1)
    blank = re.sub(r"[^\n]", " ", found[1])
    return "\n".join(map(_doc, found[1].split("\n")[:-1])), text[:start] + blank + text[end:]


_WORD = re.compile(
    r'(?P<skip>//[^\n]*|[ \t\r\n]+)|(?P<operand>"[^"\n]*"|`?\w+`?|[)\]}])|(?P<other>.)', re.DOTALL
)


def _too_deep(source: Source) -> Span | None:
    """Where brackets or the operators of one expression are far too many, if they are.

    A look at the words alone, so that what is not meant to be read by people costs no time.
    """
    depth = operators = 0
    operand = False
    for word in _WORD.finditer(source.text):
        match word.lastgroup:
            case "operand":
                joining = word[0] in ("and", "or", "not", "list", "tree", "nullable")
                if joining:
                    operators += 1
                elif operand and word[0] not in ")]}":
                    operators = 0
                operand = not joining
                depth -= word[0] in ")]}"
            case "other":
                operand = False
                operators = 0 if word[0] in ":;{},=" else operators + 1
                depth += word[0] in "([{"
        if depth > MAX_DEPTH or operators > 4 * MAX_DEPTH:
            line = source.text.count("\n", 0, word.start()) + 1
            return Span(source, line, word.start() - source.text.rfind("\n", 0, word.start()))
    return None


def _deep_place(tree: lark.Tree[Any], source: Source) -> Span | None:
    """Where the tree is deeper than MAX_DEPTH, if it is."""
    level = [tree]
    for _ in range(MAX_DEPTH):
        level = [c for node in level for c in node.children if isinstance(c, lark.Tree)]
        if not level:
            return None
    metas = (n.meta for n in level if not n.meta.empty)
    first = min(metas, key=lambda m: m.start_pos, default=None)
    return Span(source, 1, 1) if first is None else Span(source, first.line, first.column)


def parse(source: Source, report: Report) -> s.File | None:
    """The file's tree, or None after reporting its first syntax error."""
    if len(source.text) > MAX_SIZE:
        size = f"{len(source.text)} characters; the limit is {MAX_SIZE}"
        report.error("too-large", f"the file has {size}: split it", Span.whole(source))
        return None
    if report_control(source, report):
        return None
    doc, text = _head(source.text)
    deep = _too_deep(source)
    try:
        tree = None if deep else _grammar().parse(text)
    except UnexpectedInput as fault:
        _report_fault(source, fault, report)
        return None
    deep = deep or (None if tree is None else _deep_place(tree, source))
    if tree is None or deep is not None:
        message = f"nests deeper than {MAX_DEPTH} levels; name parts of it with `let` or `struct`"
        report.error("too-deep", message, deep or Span(source, 1, 1))
        return None
    known = len(report.found)
    file = _Builder(source, doc, report).build(tree)
    assert isinstance(file, s.File)
    return file if len(report.found) == known else None
