"""Text for pages: pieces with links, paragraphs, numbers, and where a description is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vmsc import plan
from vmsc.schema import ir
from vmsc.schema.ir.expression_printer import printed
from vmsc.schema.ir.expression_text import PRODUCT, TYPESET, expr_text

__all__ = [
    "Piece", "Writing", "bracketed", "inline", "number", "page_path", "paragraphs", "shown",
]  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A stretch of text; `href`: a link; `code`: set as code."""

    text: str
    href: str = ""
    code: bool = False


def number(value: int) -> str:
    """12345 as 12,345; four digits are read well enough without."""
    return f"{value:,}" if abs(value) >= 10_000 else str(value)


def shown(expr: ir.Expr) -> str:
    """The expression as it is read on a page."""
    return expr_text(expr, TYPESET)


def bracketed(expr: ir.Expr) -> str:
    """The expression as a part of a product."""
    return printed(expr, TYPESET).at(PRODUCT + 1)


def inline(text: str) -> tuple[Piece, ...]:
    """Text in which `back-quotes` mark code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a back-quote without its partner
        return (Piece(text),)
    return tuple(Piece(part, code=i % 2 == 1) for i, part in enumerate(parts) if part)


def paragraphs(doc: str) -> tuple[tuple[Piece, ...], ...]:
    """A doc comment's paragraphs, which blank lines part."""
    texts = (" ".join(t.split()) for t in re.split(r"\n\s*\n", doc))
    return tuple(inline(text) for text in texts if text)


def page_path(module: str) -> str:
    """The page of a module; in a folder of their own, so that one may be called index."""
    return f"modules/{module}.html"


_KEY = re.compile(r"[A-Za-z_][\w.-]*:[A-Za-z_][\w/]*")


@dataclass(frozen=True)
class Writing:
    """How one page links to descriptions, its own and those of other modules."""

    plans: Mapping[str, plan.Plan]
    module: str

    def href(self, key: str) -> str:
        one = self.plans[key]
        page = "" if one.module == self.module else f"{one.module}.html"
        return f"{page}#{one.name}"

    def link(self, key: str) -> Piece:
        return Piece(self.plans[key].name, self.href(key))

    def type(self, written: str, via: str = "") -> tuple[Piece, ...]:
        """A type as it is written, the descriptions in it linked."""
        text = written.replace(" * ", " × ")
        found: list[Piece] = []
        end = 0
        for match in _KEY.finditer(text):
            if match[0] in self.plans:
                found += [Piece(text[end : match.start()]), self.link(match[0])]
                end = match.end()
        tail = text[end:] + (f" via {via}" if via else "")
        return tuple(piece for piece in (*found, Piece(tail)) if piece.text)
