"""Resolve types: the type of a field, from syntax to ir."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, assert_never

from vmsc import ir, syntax
from vmsc.diag import did_you_mean
from vmsc.expressions import as_written, resolve_expr
from vmsc.scopes import BodyScope, field_bounds
from vmsc.source import Span

__all__ = ["Describer", "resolve_type"]

MAX_COUNT = 1 << 32  # elements of one array, bytes of one buffer
MAX_FREE_COUNT = 1 << 16  # elements that may take no byte: nothing in the input bounds them
STRING8_LIMIT, STRING32_LIMIT = 255, 1 << 20

_DIMENSIONED = ("bytes", "bitmap")
_PLAIN = ("string8", "string32")


class Describer(Protocol):
    """What knows descriptions and plugins' wire types."""

    externals: Mapping[str, object]

    def describe(
        self, name: syntax.Name, arguments: tuple[syntax.Argument, ...], scope: BodyScope
    ) -> ir.Description | None: ...


def resolve_type(type_: syntax.Type, scope: BodyScope, know: Describer) -> ir.Type:
    """The type's meaning, Invalid after reporting."""
    match type_:
        case syntax.Named():
            return _named(type_, scope, know)
        case syntax.Array():
            return _array(type_, scope, know)
        case syntax.Until():
            return _until(type_, scope, know)
        case syntax.UntilSum():
            return _until_sum(type_, scope, know)
        case syntax.ListOf(element=element, tag=tag, span=span):
            if not 1 <= tag <= 255:
                scope.report.error("bad-tag", f"the tag {tag} is not within 1 to 255", span)
            return ir.ListOf(_element(element, scope, know), tag)
        case syntax.Tree(key=key, value=value):
            return ir.Tree(_element(key, scope, know), _element(value, scope, know))
        case syntax.Nullable(element=element, count=count, present=present):
            mask = None if present is None else _number(present, scope)
            inner = _element(element, scope, know)
            return ir.Nullable(inner, _count(count, scope), mask)
        case syntax.Choice():
            return _choice(type_, scope, know)
        case syntax.Within(length=length, inner=inner_type):
            return ir.Within(_count(length, scope), resolve_type(inner_type, scope, know))
        case syntax.Padding(length=length):
            return ir.Padding(_count(length, scope))
        case syntax.Opaque(length=opaque):
            return ir.Opaque(None if opaque is None else _count(opaque, scope))
        case _:
            assert_never(type_)


def _number(expr: syntax.Expr, scope: BodyScope) -> ir.Expr:
    value = resolve_expr(expr, scope)
    if ir.expr_bounds(value) is None:
        scope.report.error("not-a-number", f"'{as_written(expr)}' is no number", expr.span)
        return ir.Number(1)
    return value


def _count(expr: syntax.Expr, scope: BodyScope) -> ir.Expr:
    """A length or count: never negative, never beyond what one value may hold."""
    value = _number(expr, scope)
    low, high = ir.expr_bounds(value) or (0, 0)
    if low < 0:
        message = f"the count '{as_written(expr)}' may be {low}: clamp it with max(0, ...)"
        scope.report.error("negative-count", message, expr.span)
        return ir.Number(1)
    if high > MAX_COUNT:
        message = f"the count '{as_written(expr)}' may be {high}: give what it is made of a `max`"
        scope.report.error("count-overflow", message, expr.span)
        return ir.Number(1)
    return value


def _element(type_: syntax.Type, scope: BodyScope, know: Describer) -> ir.Type:
    element = resolve_type(type_, scope, know)
    if isinstance(element, ir.Opaque) and element.length is None:
        message = "an opaque without a length takes all that is left; it cannot be repeated"
        scope.report.error("open-element", message, type_.span)
        return ir.Invalid()
    return element


def _named(type_: syntax.Named, scope: BodyScope, know: Describer) -> ir.Type:
    name, span = type_.name.text, type_.span
    if name in ir.SCALARS:
        return _scalar(type_, scope)
    if type_.order:
        message = f"'{type_.order}' stands before a number type; '{name}' is none"
        scope.report.error("no-order", message, span)
        return ir.Invalid()
    if name in _DIMENSIONED:
        scope.report.error("no-length", f"'{name}' needs a length: {name}[n]", span)
        return ir.Invalid()
    if name in _PLAIN:
        small = name == "string8"
        limit = STRING8_LIMIT if small else STRING32_LIMIT
        return ir.String(1 if small else 4, limit)
    if name in know.externals and name not in scope.names.descriptions:
        return ir.External(name)
    description = know.describe(type_.name, type_.arguments, scope)
    if description is None:
        return ir.Invalid()
    return _use(type_, description, scope)


def _scalar(type_: syntax.Named, scope: BodyScope) -> ir.Type:
    scalar = ir.SCALARS[type_.name.text]
    if type_.arguments or type_.version is not None:
        message = f"'{scalar.name}' takes no parameters and has no version"
        scope.report.error("arguments", message, type_.span)
    if not type_.order:
        return scalar
    return ir.Scalar(scalar.name, scalar.size, scalar.signed, "little")


def _use(type_: syntax.Named, description: ir.Description, scope: BodyScope) -> ir.Type:
    """Bind the description's parameters: as written, to an outer field, or to a parameter of ours."""
    if description.kind == "device":
        message = f"'{description.name}' is a device: a section, not a part of one"
        scope.report.error("device-nested", message, type_.span)
        return ir.Invalid()
    written = {a.name.text: a for a in type_.arguments if a.name.text not in scope.names.generics}
    params = {p.name: p for p in description.params}
    bound: list[tuple[str, ir.Expr]] = []
    for name, param in params.items():
        if name in written:
            value = _fit(written[name], param, scope)
        else:
            outer = scope.known.get(name) if param.outer else None
            value = outer if outer is not None else scope.use_param(param, type_.span)
        bound.append((name, value))
    _check_version(type_, description, scope)
    return ir.Use(description.key, tuple(bound), type_.version)


def _fit(argument: syntax.Argument, param: ir.Param, scope: BodyScope) -> ir.Expr:
    value = resolve_expr(argument.value, scope)
    at = argument.value.span
    bounds = ir.expr_bounds(value)
    if param.kind in ("number", "bool", "bits"):
        if bounds is None:
            scope.report.error("not-a-number", f"'{param.name}' takes a number", at)
        elif bounds[0] < param.low or bounds[1] > param.high:
            reach = bounds[1] if bounds[1] > param.high else bounds[0]
            message = f"'{param.name}' may be {reach} here; its bounds are {param.low} to {param.high}"
            scope.report.error("param-range", message, at)
    elif param.kind == "words" and isinstance(value, ir.Text) and value.value not in param.words:
        hint = did_you_mean(value.value, param.words, at)
        scope.report.error("unknown-word", f"'{param.name}' cannot be '{value.value}'", at, *hint)
    return value


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


def _array(type_: syntax.Array, scope: BodyScope, know: Describer) -> ir.Type:
    """T[n][m]: as in C the left dimension is the outer one; bytes and bitmap take the last one as their length."""
    dimensions: list[syntax.Expr] = []
    base: syntax.Type = type_
    while isinstance(base, syntax.Array):
        dimensions.insert(0, base.count)
        base = base.element
    element: ir.Type
    if isinstance(base, syntax.Named) and base.name.text in _DIMENSIONED and not base.order:
        length = _count(dimensions.pop(), scope)
        element = ir.Bytes(length) if base.name.text == "bytes" else ir.Bitmap(length)
    else:
        element = _element(base, scope, know)
    for dimension in reversed(dimensions):
        count = _count(dimension, scope)
        _check_free(element, count, type_.span, scope)
        element = ir.Array(element, count)
    return element


def _check_free(element: ir.Type, count: ir.Expr, span: Span, scope: BodyScope) -> None:
    high = (ir.expr_bounds(count) or (0, 0))[1]
    if high > MAX_FREE_COUNT and _may_be_empty(element, scope):
        message = (
            f"up to {high} elements that may take no byte: nothing in the input bounds them;"
            f" limit the count to {MAX_FREE_COUNT}"
        )
        scope.report.error("empty-element", message, span)


def _may_be_empty(type_: ir.Type, scope: BodyScope) -> bool:
    match type_:
        case ir.Bytes(length=e) | ir.Padding(length=e) | ir.Bitmap(bits=e) | ir.Within(length=e):
            return (ir.expr_bounds(e) or (0, 0))[0] == 0
        case ir.Array(element=element, count=e):
            return (ir.expr_bounds(e) or (0, 0))[0] == 0 or _may_be_empty(element, scope)
        case ir.Choice(arms=arms):
            return any(_may_be_empty(t, scope) for _, t in arms)
        case ir.Use(key=key):
            items = scope.find(key).items
            wire = [i for i in items if isinstance(i, ir.Field | ir.Split)]
            return all(
                i.since is not None
                or i.when is not None
                or (isinstance(i, ir.Field) and _may_be_empty(i.type, scope))
                for i in wire
            )
        case _:
            return False


def _record(type_: syntax.Type, scope: BodyScope, know: Describer, what: str) -> ir.Use | None:
    element = resolve_type(type_, scope, know)
    if isinstance(element, ir.Use) and scope.find(element.key).kind in ("struct", "vmsd"):
        return element
    if not isinstance(element, ir.Invalid):
        message = f"[{what}] needs a struct or vmsd as its element"
        scope.report.error("bad-element", message, type_.span)
    return None


def _until(type_: syntax.Until, scope: BodyScope, know: Describer) -> ir.Type:
    element = _record(type_.element, scope, know, "until")
    stop = resolve_expr(type_.stop, scope)
    if element is None:
        return ir.Invalid()
    first = next(iter(scope.find(element.key).items), None)
    if not (
        isinstance(first, ir.Field)
        and first.name == type_.member.text
        and isinstance(first.type, ir.Scalar)
        and first.since is None
        and first.when is None
    ):
        message = f"'{type_.member.text}' is not the first field of the element, or no number"
        scope.report.error("until-first", message, type_.member.span)
        return ir.Invalid()
    if not isinstance(stop, ir.Number):
        scope.report.error("not-constant", "the end value must be a constant", type_.stop.span)
        return ir.Invalid()
    return ir.Until(element, first.name, first.type, stop.value)


def _until_sum(type_: syntax.UntilSum, scope: BodyScope, know: Describer) -> ir.Type:
    element = _record(type_.element, scope, know, "until sum")
    total = _number(type_.total, scope)
    if element is None:
        return ir.Invalid()
    name = type_.member.text
    for item in scope.find(element.key).items:
        if isinstance(item, ir.Field) and item.name == name and field_bounds(item):
            return ir.UntilSum(element, name, total)
    message = f"the element has no number field '{name}'"
    scope.report.error("no-member", message, type_.member.span)
    return ir.Invalid()


def _choice(type_: syntax.Choice, scope: BodyScope, know: Describer) -> ir.Type:
    on = resolve_expr(type_.on, scope)
    words = ir.expr_bounds(on) is None
    arms: dict[int | str, ir.Type] = {}
    otherwise: ir.Type | None = None
    for arm in type_.arms:
        inner = resolve_type(arm.type, scope, know)
        if arm.label is None:
            if otherwise is not None:
                scope.report.error("duplicate-arm", "a second 'else'", arm.span)
            otherwise = inner
            continue
        label = resolve_expr(arm.label, scope)
        if not isinstance(label, ir.Text if words else ir.Number):
            wanted = "string" if words else "number"
            message = f"the label must be a constant {wanted}, as '{as_written(type_.on)}' is one"
            scope.report.error("bad-label", message, arm.label.span)
            continue
        assert isinstance(label, ir.Text | ir.Number)
        if label.value in arms:
            scope.report.error("duplicate-arm", f"a second arm for {label.value}", arm.span)
        _check_reachable(on, label.value, arm.label.span, scope)
        arms[label.value] = inner
    if not arms:
        scope.report.error("empty-choice", "a choice without arms", type_.span)
        return ir.Invalid()
    return ir.Choice(on, tuple(arms.items()), otherwise)


def _check_reachable(on: ir.Expr, label: int | str, span: Span, scope: BodyScope) -> None:
    bounds = ir.expr_bounds(on)
    if bounds and isinstance(label, int) and not bounds[0] <= label <= bounds[1]:
        message = f"never {label}: the value is within {bounds[0]} to {bounds[1]}"
        scope.report.error("never-present", message, span)
    if isinstance(on, ir.Ref) and on.kind == "param":
        words = scope.params[on.name].words
        if words and label not in words:
            hint = did_you_mean(str(label), words, span)
            scope.report.error("unknown-word", f"'{on.name}' is never '{label}'", span, *hint)
