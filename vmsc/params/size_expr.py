"""A type's size in bytes, as an expression over what is not known yet."""

from __future__ import annotations

from collections.abc import Mapping

from vmsc.schema import ir
from vmsc.schema.ir.arithmetic import bounds_of
from vmsc.schema.ir.evaluate import substitute

__all__ = [
    "Substitution", "body_size", "both", "count_of", "names_for", "operation", "presence",
    "size_expr", "truth",
]  # fmt: skip

Substitution = Mapping[tuple[str, str], ir.Expr]


def operation(op: str, *operands: ir.Expr) -> ir.Expr:
    """An operation, folded."""
    bounds = [bound for o in operands if (bound := ir.expr_bounds(o)) is not None]
    words = len(bounds) < len(operands)  # those are only ever compared
    low, high = (0, 1) if words else bounds_of(op, bounds)
    return substitute(ir.Operation(op, operands, low, high), {})


def truth(expr: ir.Expr) -> ir.Expr:
    """1 or 0: whether the expression is not 0."""
    return operation("!=", expr, ir.Number(0))


def both(left: ir.Expr | None, right: ir.Expr | None) -> ir.Expr | None:
    return None if left is None or right is None else operation("+", left, right)


def count_of(type_: ir.Array, names: Substitution) -> tuple[ir.Expr, ir.Type]:
    """How many elements all dimensions have together, and what one is: QEMU knows one dimension."""
    count, element = substitute(type_.count, names), type_.element
    while isinstance(element, ir.Array):
        count = operation("*", count, substitute(element.count, names))
        element = element.element
    return count, element


def names_for(
    use: ir.Use, called: ir.Description, names: Substitution
) -> dict[tuple[str, str], ir.Expr]:
    """What names stand for within a nested description: its parameters as bound, its version."""
    inner: dict[tuple[str, str], ir.Expr] = {
        ("param", name): substitute(value, names) for name, value in use.arguments
    }
    inner["version", ""] = ir.Number(called.version if use.version is None else use.version)
    return inner


def size_expr(
    type_: ir.Type, names: Substitution, find: Mapping[str, ir.Description]
) -> ir.Expr | None:
    """The type's bytes; None where they hang on more than names (a list, string, subsection)."""
    match type_:
        case ir.Scalar(size=size):
            return ir.Number(size)
        case ir.Bytes(length=e) | ir.Padding(length=e) | ir.Within(length=e):
            return substitute(e, names)
        case ir.Opaque(length=length):
            return None if length is None else substitute(length, names)
        case ir.Bitmap(bits=e):
            words = operation("ceil_div", substitute(e, names), ir.Number(64))
            return operation("*", words, ir.Number(8))
        case ir.Array():
            count, element = count_of(type_, names)
            each = size_expr(element, names, find)
            return None if each is None else operation("*", count, each)
        case ir.Use(key=key):
            called = find[key]
            if called.subsections or called.kind == "loop":
                return None
            return body_size(called, names_for(type_, called, names), find)
        case _:
            return None


def body_size(
    description: ir.Description, names: Substitution, find: Mapping[str, ir.Description]
) -> ir.Expr | None:
    """The bytes of a description's items."""
    total: ir.Expr | None = ir.Number(0)
    known = dict(names)
    for item in description.items:
        match item:
            case ir.Let(name=name, value=value):
                known["let", name] = substitute(value, known)
                continue
            case ir.Field(type=type_):
                size = size_expr(type_, known, find)
            case ir.Split(scalar=scalar):
                size = ir.Number(scalar.size)
            case _:
                continue
        present = presence(item, known)
        if present is not None and size is not None:
            size = operation("*", truth(present), size)
        total = both(total, size)
    return total


def presence(item: ir.Field | ir.Split, names: Substitution) -> ir.Expr | None:
    """The condition under which an item is there; None: always."""
    if item.since is not None:
        version = substitute(ir.Version(0, 0), names)
        return operation(">=", version, ir.Number(item.since))
    return None if item.when is None else substitute(item.when, names)
