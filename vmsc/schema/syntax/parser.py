"""The parser: text -> syntax.File. The only module that knows lark.

One syntax error a file is reported, where it is. What comes out nests no deeper than MAX_DEPTH, so
that later stages may walk it by recursion.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import lark
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from vmsc.schema import syntax as s
from vmsc.schema.diagnostics import Report
from vmsc.schema.source import Source, Span
from vmsc.schema.syntax.builder import Builder, Extent, doc_line
from vmsc.schema.syntax.parse_errors import (
    report_character,
    report_control,
    report_end,
    report_token,
)

__all__ = ["MAX_DEPTH", "MAX_SIZE", "parse"]

MAX_SIZE = 1 << 20  # characters; a schema of 20,000 fields has as many
MAX_DEPTH = 64  # levels of the tree; brackets, operands and nested subsections each are some

# Blank lines and comments, the doc comment, and an empty line after it. Line by line, so that no
# text takes more than one look at each of its characters.
_HEAD = re.compile(
    r"(?:[ \t\r]*(?://(?!/)[^\n]*)?\n)*+((?:[ \t]*///[^\n]*\n)+)(?=[ \t\r]*(?:\n|\Z))"
)


@cache
def _grammar() -> lark.Lark:
    path = str(files("vmsc.grammars") / "vmsd.lark")
    return lark.Lark.open(path, parser="lalr", maybe_placeholders=True)


@cache
def _with_keywords() -> frozenset[str]:
    """The rules whose keywords are in the tree, by the names that they have there."""
    rules = _grammar().rules
    return frozenset(str(r.alias or r.origin.name) for r in rules if r.options.keep_all_tokens)


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


# --- the tree -------------------------------------------------------------------------------------

_VALUES = frozenset({"DOC", "STRING", "NUMBER"})


class _TooDeep(Exception):
    """The tree has more than MAX_DEPTH levels at this word."""

    def __init__(self, word: lark.Token | None) -> None:
        super().__init__()
        self.word = word


def _build(
    tree: lark.Tree[Any], builder: Builder, with_keywords: frozenset[str], depth: int = 0
) -> tuple[Any, Extent]:
    """What the tree's rule makes of what its parts make, and its first and last word. (Lark can
    find those, too, and takes more time for it than for all else.)

    Raises _TooDeep. Brackets alone are no level: their number has a limit of its own.
    """
    if depth > MAX_DEPTH:
        words = tree.scan_values(lambda value: isinstance(value, lark.Token))
        raise _TooDeep(next(words, None))
    parts: list[Any] = []
    first = last = None
    keywords = tree.data in with_keywords
    inner = depth + (tree.data != "parens")
    for child in tree.children:
        if isinstance(child, lark.Tree):
            part, place = _build(child, builder, with_keywords, inner)
            parts.append(part)
            if place is not None:
                first, last = first or place[0], place[1]
            continue
        if child is not None:
            first, last = first or child, child
            if child.type in _VALUES:
                child = getattr(builder, child.type)(child)
            elif keywords:
                continue
        parts.append(child)
    at = None if first is None or last is None else (first, last)
    return getattr(builder, tree.data)(at, parts), at


# --- a file ---------------------------------------------------------------------------------------


def _head(text: str) -> tuple[str, str]:
    """The file's own doc comment, and the text without it (blanks in its place)."""
    found = _HEAD.match(text)
    if found is None:
        return "", text
    start, end = found.span(1)
    blank = re.sub(r"[^\n]", " ", found[1])
    return "\n".join(map(doc_line, found[1].split("\n")[:-1])), text[:start] + blank + text[end:]


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


def parse(source: Source, report: Report) -> s.File | None:
    """The file's tree, or None after reporting its first syntax error."""
    if len(source.text) > MAX_SIZE:
        size = f"{len(source.text)} characters; the limit is {MAX_SIZE}"
        report.error("too-large", f"the file has {size}: split it", Span.whole(source))
        return None
    if report_control(source, report):
        return None
    known = len(report.found)
    doc, text = _head(source.text)
    try:
        if (deep := _too_deep(source)) is None:
            tree = _grammar().parse(text)
            file, _ = _build(tree, Builder(source, doc, report), _with_keywords())
            assert isinstance(file, s.File)
            return file if len(report.found) == known else None
    except UnexpectedInput as fault:
        _report_fault(source, fault, report)
        return None
    except _TooDeep as fault:
        at = fault.word
        deep = Span(source, at.line or 1, at.column or 1) if at else Span(source, 1, 1)
    message = f"nests deeper than {MAX_DEPTH} levels; name parts of it with `let` or `struct`"
    report.error("too-deep", message, deep)
    return None
