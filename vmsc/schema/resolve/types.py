"""Resolve types: the type of a field, from syntax to ir."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, assert_never

from vmsc.schema import ir, syntax
from vmsc.schema.resolve.body_scope import BodyScope
from vmsc.schema.resolve.expressions import (
    INVALID,
    as_written,
    is_text,
    is_word,
    may_be,
    resolve_expr,
    resolve_number,
    spoken,
)
from vmsc.schema.source import Span

__all__ = ["DIMENSIONED", "STRINGS", "Descriptions", "is_broken", "resolve_type"]

MAX_COUNT = 1 << 32  # elements of one array, bytes of one buffer
MAX_FREE_COUNT = 1 << 16  # elements that may take no byte: nothing in the input bounds them
MAX_LAYERS = 6  # types within types: a codec walks each layer in a loop of its own
STRING8_LIMIT, STRING32_LIMIT = 255, 1 << 20

DIMENSIONED = ("bytes", "bitmap")
STRINGS = {"string8": (1, STRING8_LIMIT), "string32": (4, STRING32_LIMIT)}


class Descriptions(Protocol):
    """What knows descriptions and plugins' wire types. `hollow`: descriptions that may be empty."""

    externals: Mapping[str, object]
    hollow: set[str]

    def describe(self, type_: syntax.Named, scope: BodyScope) -> ir.Description | None: ...


def resolve_type(
    type_: syntax.Type, scope: BodyScope, know: Descriptions, layer: int = 0
) -> ir.Type:
    """The type's meaning, Invalid after reporting. `layer`: how many types it lies within."""
    if _too_deep(layer, type_.span, scope):
        return ir.Invalid()
    layer += 1
    match type_:
        case syntax.Named():
            return _named(type_, scope, know)
        case syntax.Array():
            return _array(type_, scope, know, layer)
        case syntax.Until():
            return _until(type_, scope, know, layer)
        case syntax.UntilSum():
            return _until_sum(type_, scope, know, layer)
        case syntax.ListOf(element=element, tag=tag, span=span):
            if not 1 <= tag <= 255:
                scope.report.error("bad-tag", f"the tag {tag} is not within 1 to 255", span)
            return ir.ListOf(resolve_type(element, scope, know, layer), tag)
        case syntax.Tree(key=key, value=value):
            return ir.Tree(
                resolve_type(key, scope, know, layer), resolve_type(value, scope, know, layer)
            )
        case syntax.Nullable():
            return _nullable(type_, scope, know, layer)
        case syntax.Choice():
            return _choice(type_, scope, know, layer)
        case syntax.Within(length=length, inner=inner):
            return ir.Within(_count(length, scope), resolve_type(inner, scope, know, layer))
        case syntax.Padding(length=length):
            return ir.Padding(_count(length, scope))
        case syntax.Opaque(length=opaque):
            return ir.Opaque(None if opaque is None else _count(opaque, scope))
        case _:
            assert_never(type_)


def is_broken(type_: ir.Type) -> bool:
    """Whether something of it was reported: nothing that is said of it counts."""
    if isinstance(type_, ir.Invalid) or any(map(is_broken, ir.type_parts(type_))):
        return True
    return any(expr is INVALID for expr in ir.type_exprs(type_))


def _too_deep(layer: int, span: Span, scope: BodyScope) -> bool:
    if layer > MAX_LAYERS:
        message = f"a type within more than {MAX_LAYERS} others; make a struct of one of them"
        scope.report.error("too-deep", message, span)
    return layer > MAX_LAYERS


def _count(expr: syntax.Expr, scope: BodyScope) -> ir.Expr:
    """A length or count: never negative, never beyond what one value may hold."""
    value = resolve_number(expr, scope)
    if value is INVALID:
        return INVALID
    low, high = ir.expr_bounds(value) or (0, 0)
    if low < 0:
        what = may_be(f"the count '{as_written(expr)}'", "the count", (low, high), True)
        clamp = "" if low == high else ": clamp it with max(0, ...)"
        message = f"{what}{clamp}"
        scope.report.error("negative-count", message, expr.span)
        return INVALID
    if high > MAX_COUNT:
        what = may_be(f"the count '{as_written(expr)}'", "the count", (low, high))
        limit = "" if low == high else ": give what it is made of a `max`"
        message = f"{what}, over {MAX_COUNT}{limit}"
        scope.report.error("count-overflow", message, expr.span)
        return INVALID
    return value


# --- types with a name ----------------------------------------------------------------------------


def _named(type_: syntax.Named, scope: BodyScope, know: Descriptions) -> ir.Type:
    name, report = type_.name.text, scope.report
    if name in ir.SCALARS:
        _check_bare(type_, scope)
        scalar = ir.SCALARS[name]
        if type_.order:
            return ir.Scalar(scalar.name, scalar.size, scalar.signed, "little")
        return scalar
    if type_.order:
        message = f"'{type_.order}' stands before a number type; '{name}' is none"
        report.error("no-order", message, type_.span)
        return ir.Invalid()
    if name in DIMENSIONED:
        report.error("no-length", f"'{name}' needs a length: {name}[n]", type_.span)
        return ir.Invalid()
    if name in STRINGS:
        _check_bare(type_, scope)
        return ir.String(*STRINGS[name])
    if name in know.externals and name not in scope.names.descriptions:
        _check_bare(type_, scope)
        return ir.External(name)
    description = know.describe(type_, scope)
    return ir.Invalid() if description is None else _use(type_, description, scope)


def _check_bare(type_: syntax.Named, scope: BodyScope) -> None:
    """Only descriptions have parameters and versions."""
    if type_.arguments or type_.version is not None:
        message = f"'{type_.name.text}' takes no parameters and has no version"
        scope.report.error("arguments", message, type_.span)


def _use(type_: syntax.Named, description: ir.Description, scope: BodyScope) -> ir.Type:
    """Bind the description's parameters: as written, to an outer field, or to one of ours."""
    if description.kind == "device":
        message = f"'{description.name}' is a device: a section, not a part of one"
        scope.report.error("device-nested", message, type_.span)
        return ir.Invalid()
    written = {a.name.text: a for a in type_.arguments}
    bound: list[tuple[str, ir.Expr]] = []
    for param in description.params:
        if (argument := written.get(param.name)) is None:
            bound.append((param.name, scope.bind(param, description.name, type_.span)))
        elif param.sticky:
            message = f"'{param.name}' is what '{description.name}' remembers: it cannot be bound"
            scope.report.error("bound-sticky", message, argument.name.span)
        else:
            value = resolve_expr(argument.value, scope)
            bound.append((param.name, scope.fit(value, param, argument.value.span)))
    _check_version(type_, description, scope)
    return ir.Use(description.key, tuple(bound), type_.version)


def _check_version(type_: syntax.Named, description: ir.Description, scope: BodyScope) -> None:
    if type_.version is None:
        return
    if description.kind != "vmsd":
        message = f"'{description.name}' is a {description.kind}: it has no version"
        scope.report.error("no-version", message, type_.span)
    elif not description.minimum <= type_.version <= description.version:
        message = (
            f"'{description.name}' has versions {description.minimum} to {description.version},"
            f" not {type_.version}"
        )
        scope.report.error("version-range", message, type_.span)


# --- repeated types -------------------------------------------------------------------------------


def _array(type_: syntax.Array, scope: BodyScope, know: Descriptions, layer: int) -> ir.Type:
    """T[n][m]: as in C the left dimension is the outer one; bytes take the last as their length."""
    dimensions: list[syntax.Expr] = []
    base: syntax.Type = type_
    while isinstance(base, syntax.Array):
        dimensions.insert(0, base.count)
        base = base.element
    layer += len(dimensions) - 1
    element: ir.Type
    if isinstance(base, syntax.Named) and base.name.text in DIMENSIONED and not base.order:
        if _too_deep(layer - 1, type_.span, scope):
            return ir.Invalid()
        _check_bare(base, scope)
        length = _count(dimensions.pop(), scope)
        element = ir.Bytes(length) if base.name.text == "bytes" else ir.Bitmap(length)
    else:
        element = resolve_type(base, scope, know, layer)
    for dimension in reversed(dimensions):
        count = _count(dimension, scope)
        _check_free(element, count, type_.span, scope, know)
        element = ir.Array(element, count)
    return element


def _check_free(
    element: ir.Type, count: ir.Expr, span: Span, scope: BodyScope, know: Descriptions
) -> None:
    high = (ir.expr_bounds(count) or (0, 0))[1]
    if high > MAX_FREE_COUNT and ir.may_be_empty(element, know.hollow):
        message = (
            f"up to {high} elements that may take no byte: nothing in the input bounds them;"
            f" limit the count to {MAX_FREE_COUNT}"
        )
        scope.report.error("empty-element", message, span)


def _nullable(type_: syntax.Nullable, scope: BodyScope, know: Descriptions, layer: int) -> ir.Type:
    element = resolve_type(type_.element, scope, know, layer)
    count = _count(type_.count, scope)
    if type_.present is None:
        return ir.Nullable(element, count, None)
    mask = resolve_number(type_.present, scope)
    low, _ = ir.expr_bounds(mask) or (0, 0)
    if low < 0:
        message = f"the mask '{as_written(type_.present)}' may be {low}: clamp it with max(0, ...)"
        scope.report.error("bad-mask", message, type_.present.span)
    _check_free(element, count, type_.span, scope, know)
    return ir.Nullable(element, count, mask)


def _record(
    type_: syntax.Type, scope: BodyScope, know: Descriptions, what: str, layer: int
) -> tuple[ir.Use, ir.Description] | None:
    """The struct or vmsd that is repeated."""
    element = resolve_type(type_, scope, know, layer)
    if isinstance(element, ir.Use):
        description = scope.find(element.key)
        if description.kind in ("struct", "vmsd"):
            return element, description
    if not isinstance(element, ir.Invalid):
        message = f"[{what}] needs a struct or vmsd as its element"
        scope.report.error("bad-element", message, type_.span)
    return None


def _until(type_: syntax.Until, scope: BodyScope, know: Descriptions, layer: int) -> ir.Type:
    record = _record(type_.element, scope, know, "until", layer)
    stop = resolve_number(type_.stop, scope)
    if record is None:
        return ir.Invalid()
    element, description = record
    first = description.items[0] if description.items else None
    if not (
        isinstance(first, ir.Field)
        and first.name == type_.member.text
        and isinstance(first.type, ir.Scalar)
        and ir.field_bounds(first) is not None
        and first.since is None
        and first.when is None
    ):
        message = (
            f"'{type_.member.text}' must be the first field of '{description.name}',"
            " and a number that is always there"
        )
        scope.report.error("until-first", message, type_.member.span)
        return ir.Invalid()
    if stop is INVALID:
        return ir.Invalid()
    if not isinstance(stop, ir.Number):
        scope.report.error("not-constant", "the end value must be a constant", type_.stop.span)
        return ir.Invalid()
    low, high = ir.scalar_bounds(first.type)
    if not low <= stop.value <= high:
        message = f"'{first.name}' is never {stop.value}: it is within {low} to {high}"
        scope.report.error("never-true", message, type_.stop.span)
    return ir.Until(element, first.name, first.type, stop.value)


def _until_sum(type_: syntax.UntilSum, scope: BodyScope, know: Descriptions, layer: int) -> ir.Type:
    record = _record(type_.element, scope, know, "until sum", layer)
    total = resolve_number(type_.total, scope)
    if record is None:
        return ir.Invalid()
    element, description = record
    name = type_.member.text
    fields = description.fields
    if name not in fields or ir.field_bounds(fields[name]) is None:
        message = f"'{description.name}' has no number field '{name}'"
        numbers = [n for n, item in fields.items() if ir.field_bounds(item)]
        hint = scope.report.did_you_mean(name, type_.member.span, numbers)
        scope.report.error("no-member", message, type_.member.span, *hint)
        return ir.Invalid()
    if description.key in know.hollow:
        message = f"'{description.name}' may take no byte: the sum need never be reached"
        scope.report.error("empty-element", message, type_.span)
    return ir.UntilSum(element, name, total)


# --- choice ---------------------------------------------------------------------------------------


def _choice(type_: syntax.Choice, scope: BodyScope, know: Descriptions, layer: int) -> ir.Type:
    on = resolve_expr(type_.on, scope)
    if on is not INVALID and ir.expr_bounds(on) is None and not is_text(on):
        message = f"'{as_written(type_.on)}' is neither number nor string"
        scope.report.error("not-a-number", message, type_.on.span)
        on = INVALID
    arms: dict[int | str, ir.Type] = {}
    otherwise: ir.Type | None = None
    for arm in type_.arms:
        inner = resolve_type(arm.type, scope, know, layer)
        if arm.label is None:
            if otherwise is not None:
                scope.report.error("duplicate-arm", "a second 'else'", arm.span)
            otherwise = inner
            continue
        label = _label(arm.label, type_, on, scope)
        if label in arms:
            shown = f'"{label}"' if isinstance(label, str) else label
            scope.report.error("duplicate-arm", f"a second arm for {shown}", arm.label.span)
        elif label is not None:
            arms[label] = inner
    if all(arm.label is None for arm in type_.arms):
        scope.report.error("empty-choice", "a choice without arms", type_.span)
        return ir.Invalid()
    return ir.Choice(on, tuple(arms.items()), otherwise)


def _label(
    written: syntax.Expr, type_: syntax.Choice, on: ir.Expr, scope: BodyScope
) -> int | str | None:
    """What an arm is for; None after reporting why it cannot be."""
    label = resolve_expr(written, scope)
    if label is INVALID or on is INVALID:
        return None
    words = is_text(on)
    if not isinstance(label, ir.Text if words else ir.Number):
        wanted = "string" if words else "number"
        message = f"the label must be a constant {wanted}, as '{as_written(type_.on)}' is one"
        scope.report.error("bad-label", message, written.span)
        return None
    assert isinstance(label, ir.Text | ir.Number)
    bounds = ir.expr_bounds(on)
    if bounds and isinstance(label, ir.Number) and not bounds[0] <= label.value <= bounds[1]:
        message = f"never {label.value}: '{as_written(type_.on)}' is within"
        message += f" {spoken(bounds[0])} to {spoken(bounds[1])}"
        scope.report.error("never-true", message, written.span)
    if isinstance(on, ir.Ref) and on.kind == "param" and isinstance(label, ir.Text):
        is_word(on.name, label.value, written.span, scope)
    return label.value
