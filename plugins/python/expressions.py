"""Expressions in Python, with the meaning that evaluate.value_of gives them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never

from vmsc.runtime.peeks import PEEKS
from vmsc.schema import ir
from vmsc.schema.ir.expression_printer import (
    ANY,
    WHOLE,
    Form,
    Fragment,
    Kind,
    Leaf,
    infix,
    printed,
)

from .code import attribute, param_name

__all__ = ["Names", "condition", "expression"]

# Python's operators from the loosest to the tightest (its reference, 6.17). A comparison's operand
# is not one itself: Python would chain them.
(OR, AND, NOT, COMPARISON, BIT_OR, BIT_XOR, BIT_AND, SHIFT, SUM, PRODUCT, UNARY) = range(1, 12)

_FORMS: Mapping[str, Form] = MappingProxyType({
    "or": infix("or", OR, Kind.BOOLEAN, None),
    "and": infix("and", AND, Kind.BOOLEAN, None),
    "not": Form("not {}", NOT, (WHOLE,), Kind.BOOLEAN, Kind.BOOLEAN),
    **{op: infix(op, COMPARISON, gives=Kind.BOOLEAN, chains=False)
       for op in ("==", "!=", "<", "<=", ">", ">=")},
    "|": infix("|", BIT_OR),
    "^": infix("^", BIT_XOR),
    "&": infix("&", BIT_AND),
    **{op: infix(op, SHIFT) for op in ("<<", ">>")},
    **{op: infix(op, SUM) for op in ("+", "-")},
    "*": infix("*", PRODUCT),
    "/": infix("//", PRODUCT),
    "%": infix("%", PRODUCT),
    "~": Form("~{}", UNARY, (UNARY,)),
    "min": Form("min({})", WHOLE, (ANY,)),
    "max": Form("max({})", WHOLE, (ANY,)),
    "length": Form("len({})", WHOLE, (ANY,)),
    "ceil_div": Form("-(-{0} // {1})", UNARY, (UNARY,)),
    "align": Form("-(-{0} // {1}) * {1}", PRODUCT, (UNARY,)),
    "bit": Form("{0} >> {1} & 1", BIT_AND, (SHIFT, SUM)),
    **{name: Form(f"_w.{name}({{}})", WHOLE, (ANY,)) for name in PEEKS},
})  # fmt: skip
_NEGATIVE = Form("-{}", UNARY, (UNARY,))

# What an expression reads twice is named in passing, lest nested ones double with each level. One
# name does for all of them: it is read before anything else is given it.
_ALIGN_TO_RESULT = Form("-(-{0} // (_it := {1})) * _it", PRODUCT, (UNARY, ANY))


@dataclass(frozen=True)
class Names:
    """How an expression reads what it names: by the function at hand."""

    field: Callable[[str], str]
    let: Callable[[str], str] = lambda name: f"l_{name}"


def expression(expr: ir.Expr, names: Names) -> str:
    """The number, the bytes or the word that the expression is. It binds tighter than a
    comparison.
    """
    return printed(expr, _Python(names)).at(COMPARISON + 1)


def condition(expr: ir.Expr, names: Names) -> str:
    """The expression where only its truth counts: after `if`, or in brackets."""
    return printed(expr, _Python(names), Kind.BOOLEAN).text


@dataclass(frozen=True)
class _Python:
    names: Names

    def form(self, operation: ir.Operation) -> Form:
        if operation.op == "-" and len(operation.operands) == 1:
            return _NEGATIVE
        if operation.op == "align" and not isinstance(operation.operands[1], ir.Number | ir.Ref):
            return _ALIGN_TO_RESULT
        return _FORMS[operation.op]

    def converted(self, fragment: Fragment, expr: ir.Expr, wanted: Kind) -> Fragment:
        if wanted is Kind.BOOLEAN:
            if fragment.kind is not Kind.VALUE:
                return fragment
            boolean = ir.expr_bounds(expr) in ((0, 1), (0, 0), (1, 1))
            kind = Kind.BOOLEAN if boolean else Kind.TESTABLE
            return Fragment(fragment.text, fragment.level, kind)
        match fragment.kind:
            case Kind.VALUE:
                return fragment
            case Kind.BOOLEAN:
                return Fragment(f"int({fragment.text})")
            case Kind.TESTABLE:
                return Fragment(f"int(bool({fragment.text}))")
            case _:
                assert_never(fragment.kind)

    def leaf(self, expr: Leaf, beside: Sequence[ir.Expr] = ()) -> Fragment:
        names = self.names
        match expr:
            case ir.Number(value=value):
                text = str(value) if abs(value) < 4096 else hex(value)
                return Fragment(text, WHOLE if value >= 0 else UNARY)
            case ir.Text(value=word):
                on_wire = any(map(_on_wire, beside))  # bytes there, and a word as a parameter
                return Fragment(repr(word.encode()) if on_wire else repr(word))
            case ir.Version():
                return Fragment("version")
            case ir.Ref(kind="param", name=name):
                return Fragment(param_name(name))
            case ir.Ref(kind="let", name=name):
                return Fragment(names.let(name))
            case ir.Ref(name=name, optional=optional):
                read = names.field(name)
                return Fragment(f"({read} or {_absent(expr)})" if optional else read)
            case ir.Member(of=of, name=name, optional=optional):
                whole = self.described(of)
                if not optional:
                    return Fragment(f"{whole}.{attribute(name)}")
                named, it = _once(whole)
                empty = _absent(expr)
                read = f"{it}.{attribute(name)} or {empty}"
                return Fragment(f"({empty} if {named} is None else {read})")
            case ir.At(of=of, index=index):
                read, at = printed(of, self).text, printed(index, self).text
                if isinstance(of, ir.Ref | ir.Member) and of.optional:
                    return Fragment(f"({read}[{at}] if {read} else 0)")
                return Fragment(f"{read}[{at}]")
            case _:
                assert_never(expr)

    def described(self, expr: ir.Expr) -> str:
        """A nested description's value (None where it is absent)."""
        match expr:
            case ir.Ref(name=name):
                return self.names.field(name)
            case ir.Member(of=of, name=name):
                whole = self.described(of)
                if not (isinstance(of, ir.Ref | ir.Member) and of.optional):
                    return f"{whole}.{attribute(name)}"
                named, it = _once(whole)
                return f"({named} and {it}.{attribute(name)})"
            case _:
                return printed(expr, self).text


def _once(text: str) -> tuple[str, str]:
    """How a value is read first, and how again."""
    return (text, text) if re.fullmatch(r"\w+(\.\w+)*", text) else (f"(_it := {text})", "_it")


def _on_wire(expr: ir.Expr) -> bool:
    return isinstance(expr, ir.Member | ir.Ref) and not ir.is_word(expr)


def _absent(expr: ir.Ref | ir.Member) -> str:
    match ir.absent_value(expr.type):
        case b"":
            return 'b""'
        case ():
            return "()"
        case _:
            return "0"
