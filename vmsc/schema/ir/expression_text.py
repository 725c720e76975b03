"""Expressions as the language has them: for messages, pages, digests and whoever reads a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import assert_never

from vmsc.schema import ir
from vmsc.schema.ir.expression_printer import ANY, WHOLE, Form, Fragment, Kind, Leaf, infix, printed
from vmsc.schema.ir.functions import FUNCTIONS

__all__ = [
    "FULL",
    "PLAIN",
    "PRODUCT",
    "TYPESET",
    "Language",
    "expr_text",
    "form_of",
    "name_text",
]

# The language's operators from the loosest to the tightest, as in grammars/vmsd.lark.
(OR, AND, NOT, COMPARISON, BIT_OR, BIT_XOR, BIT_AND, SHIFT, SUM, PRODUCT, UNARY) = range(1, 12)

FORMS: Mapping[str, Form] = MappingProxyType({
    "or": infix("or", OR),
    "and": infix("and", AND),
    **{op: infix(op, COMPARISON, chains=False) for op in ("==", "!=", "<", "<=", ">", ">=")},
    "|": infix("|", BIT_OR),
    "^": infix("^", BIT_XOR),
    "&": infix("&", BIT_AND),
    **{op: infix(op, SHIFT) for op in ("<<", ">>")},
    **{op: infix(op, SUM) for op in ("+", "-")},
    **{op: infix(op, PRODUCT) for op in ("*", "/", "%")},
    **{name: Form(f"{name}({{}})", WHOLE, (ANY,)) for name in FUNCTIONS},
})  # fmt: skip
"""How two operands or more are written, by operation."""

# `not (a == b)` needs no brackets, but people do.
_PREFIXES = {"not": Form("not {}", NOT, (WHOLE,)), "-": Form("-{}", UNARY, (UNARY,)),
             "~": Form("~{}", UNARY, (UNARY,))}  # fmt: skip


_NO_NAMES = ("false", "not", "true", "version")


def name_text(name: str) -> str:
    """A name as an expression has it: in back-quotes where the word alone means something else."""
    return f"`{name}`" if name in _NO_NAMES else name


def form_of(op: str, operands: int) -> Form:
    """How the language writes an operation."""
    return _PREFIXES[op] if operands == 1 and op in _PREFIXES else FORMS[op]


@dataclass(frozen=True)
class Language:
    """The language's own spelling. `full`: brackets around every operand that is an operation."""

    full: bool = False
    product: str = "*"

    def leaf(self, expr: Leaf, beside: Sequence[ir.Expr] = ()) -> Fragment:
        match expr:
            case ir.Number(value=value):
                tight = value >= 0 or self.full
                return Fragment(str(value), WHOLE if tight else UNARY)
            case ir.Text(value=text):
                return Fragment(f'"{text}"')
            case ir.Version():
                return Fragment("version")
            case ir.Ref(name=name):
                return Fragment(name if self.full else name_text(name))
            case ir.Member(of=of, name=name):
                return Fragment(f"{printed(of, self).at(WHOLE)}.{name}")
            case ir.At(of=of, index=index):
                return Fragment(f"{printed(of, self).at(WHOLE)}[{printed(index, self).text}]")
            case _:
                assert_never(expr)

    def form(self, operation: ir.Operation) -> Form:
        form = form_of(operation.op, len(operation.operands))
        if operation.op == "*":
            form = replace(form, joint=f" {self.product} ")
        return replace(form, needs=(WHOLE,)) if self.full and form.level < WHOLE else form

    def converted(self, fragment: Fragment, expr: ir.Expr, wanted: Kind) -> Fragment:
        return fragment  # a comparison is a number, and any number can be a condition


PLAIN, FULL, TYPESET = Language(), Language(full=True), Language(product="×")


def expr_text(expr: ir.Expr, spelling: Language = PLAIN) -> str:
    """The expression as the language has it."""
    return printed(expr, spelling).text
