"""Parse: text -> syntax.File. The only module that knows lark. One syntax error a file, reported where it is."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import lark
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from vmsc import syntax as s
from vmsc.diag import Note, Report
from vmsc.source import Source, Span

__all__ = ["MAX_DEPTH", "MAX_SIZE", "parse"]

MAX_SIZE = 4 << 20  # characters; a schema of 20,000 fields has a tenth of it
MAX_DEPTH = 64  # brackets within brackets: later stages walk the tree by recursion

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SPOKEN = {
    "NAME": "a name",
    "QUOTED": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "DOC": "a doc comment",
    "$END": "the end of the file",
}


@cache
def _grammar() -> lark.Lark:
    return lark.Lark.open(
        str(files("vmsc.grammars") / "vmsd.lark"),
        parser="lalr",
        propagate_positions=True,
        maybe_placeholders=True,
    )


def _number(text: str) -> int:
    unit = _UNITS.get(text[-1])
    return int(text[:-1].replace("_", "")) * unit if unit else int(text.replace("_", ""), 0)


def _docs(items: list[Any]) -> tuple[str, list[Any]]:
    """Split leading doc comments from the rest."""
    count = 0
    while count < len(items) and isinstance(items[count], _Doc):
        count += 1
    return "\n".join(d.text for d in items[:count]), items[count:]


class _Doc:
    def __init__(self, text: str) -> None:
        self.text = text


@lark.v_args(meta=True)
class _Builder(lark.Transformer[lark.Token, Any]):
    """Bottom-up: each grammar rule's method makes its node of syntax.py."""

    def __init__(self, source: Source) -> None:
        super().__init__(visit_tokens=True)
        self.source = source

    def _span(self, meta: Any) -> Span:
        if getattr(meta, "empty", True):
            return Span(self.source, 1, 1)
        end = meta.end_pos
        newline = self.source.text.find("\n", meta.start_pos, end)
        if newline >= 0:
            end = newline
        text = self.source.text[meta.start_pos : end].rstrip()
        return Span(self.source, meta.line, meta.column, max(1, len(text)))

    # Tokens.
    def DOC(self, token: lark.Token) -> _Doc:
        text = token[3:]
        return _Doc((text[1:] if text.startswith(" ") else text).rstrip())

    def STRING(self, token: lark.Token) -> str:
        return str(token[1:-1])

    def NUMBER(self, token: lark.Token) -> int:
        return _number(token)

    def name(self, meta: Any, items: list[Any]) -> s.Name:
        return s.Name(str(items[0]).strip("`"), self._span(meta))

    # Expressions.
    def number(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Number(items[0], self._span(meta))

    def string(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Text(items[0], self._span(meta))

    def true(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Truth(True, self._span(meta))

    def false(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Truth(False, self._span(meta))

    def version(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Version(self._span(meta))

    def reference(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Reference(items[0].text, self._span(meta))

    def member(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Member(items[0], items[1], self._span(meta))

    def index(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Index(items[0], items[1], self._span(meta))

    def call(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Call(items[0], tuple(items[1:]), self._span(meta))

    def operate(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Operation(str(items[1]), (items[0], items[2]), self._span(meta))

    compare = operate

    def _operation(op: str) -> Any:  # type: ignore[misc]  # a helper of this class body alone
        def build(self: _Builder, meta: Any, items: list[Any]) -> s.Expr:
            return s.Operation(op, tuple(items), self._span(meta))

        return build

    or_ = _operation("or")
    and_ = _operation("and")
    not_ = _operation("not")
    binary_or = _operation("|")
    binary_xor = _operation("^")
    binary_and = _operation("&")

    def negative(self, meta: Any, items: list[Any]) -> s.Expr:
        return s.Operation("-", (items[1],), self._span(meta))

    invert = _operation("~")

    # Types.
    def named(self, meta: Any, items: list[Any]) -> s.Type:
        arguments = tuple(a for a in items[1:-1] if a is not None)
        return s.Named(items[0], "", arguments, items[-1], self._span(meta))

    def argument(self, meta: Any, items: list[Any]) -> s.Argument:
        return s.Argument(items[0], items[1])

    def order(self, meta: Any, items: list[Any]) -> str:
        return str(items[0])

    def ordered(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Named(items[1], items[0], (), None, self._span(meta))

    def array(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Array(items[0], items[1], self._span(meta))

    def until(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Until(items[0], items[1], items[3], self._span(meta))

    def until_sum(self, meta: Any, items: list[Any]) -> s.Type:
        return s.UntilSum(items[0], items[1], items[3], self._span(meta))

    def list_of(self, meta: Any, items: list[Any]) -> s.Type:
        tag = 1 if items[0] is None else items[0]
        return s.ListOf(items[1], tag, self._span(meta))

    def tree(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Tree(items[0], items[1], self._span(meta))

    def nullable(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Nullable(items[0], items[1], items[2], self._span(meta))

    def present(self, meta: Any, items: list[Any]) -> s.Expr:
        expr: s.Expr = items[0]
        return expr

    def marked(self, meta: Any, items: list[Any]) -> None:
        return None

    def choice(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Choice(items[0], tuple(items[1:]), self._span(meta))

    def arm(self, meta: Any, items: list[Any]) -> s.Arm:
        return s.Arm(items[0], items[1], self._span(meta))

    def otherwise(self, meta: Any, items: list[Any]) -> s.Arm:
        return s.Arm(None, items[0], self._span(meta))

    def within(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Within(items[0], items[1], self._span(meta))

    def pad(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Padding(items[0], self._span(meta))

    def opaque(self, meta: Any, items: list[Any]) -> s.Type:
        return s.Opaque(items[0], self._span(meta))

    # Items.
    def _modifier(word: str) -> Any:  # type: ignore[misc]  # a helper of this class body alone
        def build(self: _Builder, meta: Any, items: list[Any]) -> s.Modifier:
            return s.Modifier(word, items[0] if items else None, self._span(meta))

        return build

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
        span = self._span(meta)
        return s.Field(s.Name("", span), s.Padding(items[0], span), tuple(items[1:]), "", span)

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
        return s.Require(items[0], items[1] or "", self._span(meta))

    def break_when(self, meta: Any, items: list[Any]) -> s.Break:
        return s.Break(items[0], False, self._span(meta))

    def break_unless(self, meta: Any, items: list[Any]) -> s.Break:
        return s.Break(items[0], True, self._span(meta))

    def versions(self, meta: Any, items: list[Any]) -> tuple[int | None, int | None]:
        return items[0], items[1]

    def body(self, meta: Any, items: list[Any]) -> tuple[s.Item, ...]:
        return tuple(items)

    def subsection(self, meta: Any, items: list[Any]) -> s.Subsection:
        doc, (wire, name, (version, minimum), body) = _docs(items)
        return s.Subsection(wire, name, version, minimum, body, doc, self._span(meta))

    def number_domain(self, meta: Any, items: list[Any]) -> s.NumberDomain:
        return s.NumberDomain(*items)

    def words(self, meta: Any, items: list[Any]) -> s.Words:
        return s.Words(tuple(items))

    def description_domain(self, meta: Any, items: list[Any]) -> s.DescriptionDomain:
        return s.DescriptionDomain()

    def param(self, meta: Any, items: list[Any]) -> s.Param:
        doc, (name, domain, default) = _docs(items)
        return s.Param(name, domain, default, doc, name.span)

    def outer(self, meta: Any, items: list[Any]) -> s.Outer:
        doc, (name, kind) = _docs(items)
        return s.Outer(name, kind, doc, name.span)

    # Descriptions and files.
    def _plain(kind: str) -> Any:  # type: ignore[misc]  # a helper of this class body alone
        def build(self: _Builder, meta: Any, items: list[Any]) -> s.Description:
            doc, (name, body) = _docs(items)
            return s.Description(kind, name, "", None, None, body, doc, name.span)

        return build

    struct = _plain("struct")
    loop = _plain("loop")

    def _versioned(kind: str) -> Any:  # type: ignore[misc]  # a helper of this class body alone
        def build(self: _Builder, meta: Any, items: list[Any]) -> s.Description:
            doc, (name, wire, (version, minimum), body) = _docs(items)
            span = name.span if name else self._span(meta)
            return s.Description(kind, name, wire, version, minimum, body, doc, span)

        return build

    vmsd = _versioned("vmsd")
    device = _versioned("device")

    def use(self, meta: Any, items: list[Any]) -> s.Use:
        return s.Use(".".join(str(i) for i in items), self._span(meta))

    def const(self, meta: Any, items: list[Any]) -> s.Const:
        doc, (name, value) = _docs(items)
        return s.Const(name, value, doc, name.span)

    def start(self, meta: Any, items: list[Any]) -> s.File:
        return s.File(
            self.source,
            "",
            tuple(i for i in items if isinstance(i, s.Use)),
            tuple(i for i in items if isinstance(i, s.Const)),
            tuple(i for i in items if isinstance(i, s.Param)),
            tuple(i for i in items if isinstance(i, s.Description)),
        )


def _expected(names: set[str]) -> str:
    spoken = []
    for name in names:
        literal = next((t.pattern.value for t in _grammar().terminals if t.name == name), name)
        spoken.append(_SPOKEN.get(name, f"'{literal}'"))
    few = sorted(set(spoken))
    return " or ".join(few) if len(few) <= 4 else ", ".join(few[:4]) + ", ..."


def _syntax_error(source: Source, fault: UnexpectedInput, report: Report) -> None:
    notes: list[Note] = []
    match fault:
        case UnexpectedToken(token=token, accepts=accepts, expected=expected):
            wanted = set(accepts or expected)
            if token.type == "$END":
                lines = source.text.rstrip().split("\n")
                span = Span(source, len(lines), len(lines[-1]) + 1)
                message = f"the file ends here; expected {_expected(wanted)}"
            else:
                span = Span(source, token.line or 1, token.column or 1, len(token))
                message = f"unexpected '{token}'; expected {_expected(wanted)}"
                if "NAME" in wanted and re.fullmatch(r"[a-z_]+", token):
                    hint = f"'{token}' is a word of the language; as a name it is written `{token}`"
                    notes.append(Note(hint, span))
        case UnexpectedCharacters():
            span = Span(source, fault.line, fault.column)
            char = source.text[fault.pos_in_stream or 0]
            message = f"unexpected character {char!r}"
            if char == '"':
                message = "a string that does not end on its line"
        case UnexpectedEOF():
            span = Span(source, 1, 1)
            message = "the file ends too early"
        case _:
            span, message = Span(source, 1, 1), str(fault).splitlines()[0]
    report.error("syntax", message, span, *notes)


def _too_deep(source: Source) -> Span | None:
    """Where brackets nest deeper than MAX_DEPTH, if they do (comments and strings left out)."""
    depth = 0
    for token in re.finditer(r'//[^\n]*|"[^"\n]*"|[\[({})\]]|\b(?:list|not)\b|[-~]+', source.text):
        first = token[0][0]
        if first in "[({":
            depth += 1
        elif first in "])}":
            depth -= 1
        if depth > MAX_DEPTH or (first in "-~" and len(token[0]) > MAX_DEPTH):
            line = source.text.count("\n", 0, token.start()) + 1
            column = token.start() - source.text.rfind("\n", 0, token.start())
            return Span(source, line, column)
    return None


def parse(source: Source, report: Report) -> s.File | None:
    """The file's tree, or None after reporting its first syntax error."""
    if len(source.text) > MAX_SIZE:
        size = f"{len(source.text)} characters; the limit is {MAX_SIZE}"
        report.error("too-large", f"the file has {size}: split it", Span(source, 1, 1))
        return None
    if deep := _too_deep(source):
        report.error("too-deep", f"brackets nest deeper than {MAX_DEPTH}", deep)
        return None
    try:
        tree = _grammar().parse(source.text)
        file = _Builder(source).transform(tree)
    except UnexpectedInput as fault:
        _syntax_error(source, fault, report)
        return None
    assert isinstance(file, s.File)
    return file
