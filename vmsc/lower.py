"""Lower: ir.Schema -> plan.Program. Fuses fixed fields into runs, presence into gates, laws into asserts, and finds sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from vmsc import ir, plan
from vmsc.dump import expr_text, plan_text
from vmsc.scopes import presence_optional

__all__ = ["MAX_ROW", "lower"]

MAX_ROW = 16  # numbers of an array that are set out in a run; longer arrays are a step of their own
MAX_RUN_BYTES = 4096  # bytes of one buffer within a run


def _num(scalar: ir.Scalar) -> plan.Num:
    return plan.Num(scalar.name, scalar.size, scalar.signed, scalar.order)


def _limit(expr: ir.Expr) -> int:
    return (ir.expr_bounds(expr) or (0, 0))[1]


def _node(type_: ir.Type) -> plan.Node:
    match type_:
        case ir.Scalar():
            return _num(type_)
        case ir.Bytes(length=length):
            return plan.Blob("bytes", length, _limit(length))
        case ir.Padding(length=length):
            return plan.Blob("padding", length, _limit(length))
        case ir.Opaque(length=None):
            return plan.Rest()
        case ir.Opaque(length=length):
            assert length is not None
            return plan.Blob("opaque", length, _limit(length))
        case ir.String(prefix=prefix, limit=limit):
            return plan.Text(prefix, limit)
        case ir.Bitmap(bits=bits):
            return plan.Words(bits, _limit(bits))
        case ir.Array(element=element, count=count):
            return plan.Rep(_node(element), count, _limit(count))
        case ir.Until(element=element, member=member, scalar=scalar, stop=stop):
            return plan.Stop(_call(element), _num(scalar), member, stop)
        case ir.UntilSum(element=element, member=member, total=total):
            return plan.Total(_call(element), member, total)
        case ir.ListOf(element=element, tag=tag):
            return plan.Tagged(_node(element), tag)
        case ir.Tree(key=key, value=value):
            return plan.Pairs(_node(key), _node(value))
        case ir.Nullable(element=element, count=count, present=present):
            return plan.Maybe(_node(element), count, present, _limit(count))
        case ir.Choice(on=on, arms=arms, otherwise=otherwise):
            nodes = tuple((label, _node(t)) for label, t in arms)
            return plan.Switch(on, nodes, None if otherwise is None else _node(otherwise))
        case ir.Within(length=length, inner=inner):
            return plan.Window(length, _node(inner), _limit(length))
        case ir.Use():
            return _call(type_)
        case ir.External(name=name):
            return plan.Custom(name)
        case ir.Invalid():
            raise AssertionError("an invalid type is reported and never lowered")
        case _:
            assert_never(type_)


def _call(use: ir.Use) -> plan.Call:
    return plan.Call(use.key, use.arguments, use.version)


# --- sizes ----------------------------------------------------------------------------------------

_CLASSES = ("constant", "computed", "bounded", "measured", "opaque")


@dataclass(frozen=True)
class _Size:
    """Bytes at least and at most (None: no limit), and a size class."""

    least: int
    most: int | None
    rank: int

    def plus(self, other: _Size) -> _Size:
        most = None if self.most is None or other.most is None else self.most + other.most
        return _Size(self.least + other.least, most, max(self.rank, other.rank))

    def times(self, low: int, high: int) -> _Size:
        most = None if self.most is None else self.most * high
        rank = max(self.rank, 0 if low == high else 1)
        if self.rank > 0 and high > 1:
            rank = max(rank, 2)  # its elements have to be walked
        return _Size(self.least * low, most, rank).settle()

    def either(self, other: _Size) -> _Size:
        most = None if self.most is None or other.most is None else max(self.most, other.most)
        same = self.least == other.least == most and self.most == other.most
        rank = max(self.rank, other.rank, 0 if same else 1)
        return _Size(min(self.least, other.least), most, rank).settle()

    def settle(self) -> _Size:
        """Without a static limit, what has to be walked is measured."""
        return replace(self, rank=3) if self.most is None and self.rank == 2 else self


_NOTHING = _Size(0, 0, 0)
_UNBOUNDED = _Size(1, None, 3)


def _bytes(expr: ir.Expr, unit: int = 1) -> _Size:
    low, high = ir.expr_bounds(expr) or (0, 0)
    return _Size(low * unit, high * unit, 0 if low == high else 1)


def _node_size(node: plan.Node, plans: Mapping[str, plan.Plan]) -> _Size:
    match node:
        case plan.Num(size=size):
            return _Size(size, size, 0)
        case plan.Blob(length=length, kind=kind):
            size_ = _bytes(length)
            return replace(size_, rank=1) if kind == "opaque" and size_.rank == 0 else size_
        case plan.Rest():
            return _Size(0, None, 4)
        case plan.Text(prefix=prefix, limit=limit):
            return _Size(prefix, prefix + limit, 1)
        case plan.Words(bits=bits):
            low, high = ir.expr_bounds(bits) or (0, 0)
            return _Size(-(-low // 64) * 8, -(-high // 64) * 8, 0 if low == high else 1)
        case plan.Rep(node=inner, count=count):
            return _node_size(inner, plans).times(*(ir.expr_bounds(count) or (0, 0)))
        case plan.Stop() | plan.Total() | plan.Tagged() | plan.Pairs() | plan.Custom():
            inner_rank = max((_node_size(n, plans).rank for n in _inner(node)), default=0)
            return replace(_UNBOUNDED, rank=max(3, inner_rank))
        case plan.Maybe(node=inner, count=count, mask=mask):
            marker = _Size(1, 1, 0)
            one = _node_size(inner, plans)
            element = marker.either(one) if mask is not None else marker.either(one.plus(marker))
            size_ = element.times(*(ir.expr_bounds(count) or (0, 0)))
            return replace(size_, rank=max(size_.rank, 2)).settle()
        case plan.Call(key=key):
            called = plans[key]
            return _Size(called.least, called.most, _CLASSES.index(called.size_class))
        case plan.Switch(arms=arms, otherwise=otherwise):
            sizes = [_node_size(n, plans) for _, n in arms]
            if otherwise is not None:
                sizes.append(_node_size(otherwise, plans))
            result = sizes[0]
            for each in sizes[1:]:
                result = result.either(each)
            return result
        case plan.Window(length=length):
            return _bytes(length)
        case _:
            assert_never(node)


def _inner(node: plan.Node) -> tuple[plan.Node, ...]:
    match node:
        case plan.Stop(call=call) | plan.Total(call=call):
            return (call,)
        case plan.Tagged(node=inner):
            return (inner,)
        case plan.Pairs(key=key, value=value):
            return key, value
        case _:
            return ()


def _steps_size(steps: tuple[plan.Step, ...], plans: Mapping[str, plan.Plan]) -> _Size:
    total = _NOTHING
    for step in steps:
        match step:
            case plan.Run(size=size):
                total = total.plus(_Size(size, size, 0))
            case plan.Value(node=node):
                total = total.plus(_node_size(node, plans))
            case plan.Gate(steps=inner):
                total = total.plus(_NOTHING.either(_steps_size(inner, plans)))
            case plan.Keep(value=value):
                total = total.plus(_NOTHING.either(_node_size(value.node, plans)))
            case plan.Let() | plan.Assert() | plan.Break():
                pass
            case _:
                assert_never(step)
    return total.settle()


# --- steps ----------------------------------------------------------------------------------------


@dataclass
class _Steps:
    """Gathers steps; fixed fields wait in `run` until something else comes, their laws and lets behind them."""

    plans: Mapping[str, plan.Plan]
    done: list[plan.Step] = field(default_factory=list)
    run: list[plan.RunField] = field(default_factory=list)
    behind: list[plan.Let | plan.Assert] = field(default_factory=list)
    order: str = "big"
    size: int = 0

    def flush(self) -> tuple[plan.Step, ...]:
        if self.run:
            self.done.append(plan.Run(self.order, self.size, tuple(self.run)))
        for step in self.behind:
            if isinstance(step, plan.Assert) and step.field:
                start = next((f.offset for f in self.run if f.name == step.field), None)
                back = 0 if start is None else self.size - start
                step = replace(step, back=back)
            self.done.append(step)
        self.run, self.behind, self.size, self.order = [], [], 0, "big"
        return tuple(self.done)

    def fixed(self, name: str, form: plan.Num | plan.Blob | plan.Row | plan.Group, size: int,
              order: str, parts: tuple[tuple[str, int], ...] = (), via: str = "") -> None:  # fmt: skip
        """Add a field to the run, after ending one of another byte order."""
        if order and self.order != order and any(_order(f.form) for f in self.run):
            self.flush()
        if order:
            self.order = order
        self.run.append(plan.RunField(name, form, self.size, size, parts, via))
        self.size += size

    def step(self, step: plan.Step) -> None:
        self.flush()
        self.done.append(step)


def _order(form: plan.Num | plan.Blob | plan.Row | plan.Group) -> str:
    """The byte order that a form needs, "" if any will do."""
    match form:
        case plan.Num(order=order, size=size) | plan.Row(num=plan.Num(order=order, size=size)):
            return order if size > 1 else ""
        case plan.Blob():
            return ""
        case plan.Group(fields=fields):
            return next((o for f in fields if (o := _order(f.form))), "")
        case _:
            assert_never(form)


def _constant(expr: ir.Expr) -> int | None:
    return expr.value if isinstance(expr, ir.Number) else None


def _run_form(
    node: plan.Node, plans: Mapping[str, plan.Plan]
) -> tuple[plan.Num | plan.Blob | plan.Row | plan.Group, int] | None:
    """The node as a part of a run, with its size; None where it is no fixed one."""
    match node:
        case plan.Num(size=size):
            return node, size
        case plan.Blob(length=length) if (n := _constant(length)) is not None:
            return (node, n) if n <= MAX_RUN_BYTES else None
        case plan.Rep(node=plan.Num() as num, count=count) if (n := _constant(count)) is not None:
            return (plan.Row(num, n), n * num.size) if n <= MAX_ROW else None
        case plan.Call(key=key) if plans[key].kind == "struct":
            called = plans[key]
            match called.steps:
                case (plan.Run(fields=fields, size=size),) if not called.params:
                    return plan.Group(key, fields), size
        case _:
            pass
    return None


def _laws(item: ir.Field) -> list[plan.Assert]:
    if not isinstance(item.type, ir.Scalar):
        return []
    bounds = ir.scalar_bounds(item.type)
    ref = ir.Ref("field", item.name, *bounds, type=item.type)
    laws = []
    for op, relation, bound in (
        (">=", "at least", item.least),
        ("<=", "at most", item.most),
        ("==", "equal to", item.equals),
    ):
        if bound is not None:
            law = ir.Operation(op, (ref, bound), 0, 1)
            laws.append(plan.Assert(law, item.name, 0, relation, bound, "", ""))
    return laws


def _condition(item: ir.Field | ir.Split, description: ir.Description) -> ir.Expr | None:
    if item.since is None:
        return item.when
    version = ir.Version(description.minimum, description.version)
    return ir.Operation(">=", (version, ir.Number(item.since)), 0, 1)


def _add_field(item: ir.Field, steps: _Steps) -> None:
    node = _node(item.type)
    fixed = _run_form(node, steps.plans)
    if fixed is None:
        steps.step(plan.Value(item.name, node))
    else:
        form, size = fixed
        steps.fixed(item.name, form, size, _order(form), via=item.via)
    steps.behind.extend(_laws(item))


def _add_split(item: ir.Split, steps: _Steps) -> None:
    num = _num(item.scalar)
    parts = tuple((p.name, p.mask) for p in item.parts)
    steps.fixed(item.name, num, num.size, _order(num), parts)


def _names(item: ir.Field | ir.Split) -> tuple[str, ...]:
    return (item.name,) if isinstance(item, ir.Field) else tuple(p.name for p in item.parts)


def _lower_items(
    description: ir.Description, plans: Mapping[str, plan.Plan]
) -> tuple[plan.Step, ...]:
    steps = _Steps(plans)
    gate: _Steps | None = None
    condition: ir.Expr | None = None
    absent: list[str] = []

    def close() -> None:
        nonlocal gate, condition
        if gate is not None and condition is not None:
            steps.step(plan.Gate(condition, gate.flush(), tuple(absent)))
        gate, condition = None, None
        absent.clear()

    for item in description.items:
        match item:
            case ir.Field() | ir.Split():
                wanted = _condition(item, description)
                if wanted is None or (isinstance(item, ir.Field) and item.sticky):
                    close()
                    target = steps
                elif gate is not None and wanted == condition and not _reads(wanted, absent):
                    target = gate
                else:
                    close()
                    gate = target = _Steps(plans)
                    condition = wanted
                if isinstance(item, ir.Split):
                    _add_split(item, target)
                elif item.sticky:
                    assert wanted is not None
                    empty: int | bytes = 0 if isinstance(item.type, ir.Scalar) else b""
                    value = plan.Value(item.name, _node(item.type))
                    steps.step(plan.Keep(wanted, value, empty))
                    steps.behind.extend(_laws(item))
                else:
                    _add_field(item, target)
                if target is gate:
                    absent.extend(_names(item))
            case ir.Let(name=name, value=expr):
                close()
                steps.behind.append(plan.Let(name, expr))
            case ir.Require(law=law, text=text, why=why):
                close()
                steps.behind.append(plan.Assert(law, "", 0, "", None, text, why))
            case ir.Break(condition=until):
                close()
                steps.step(plan.Break(until))
            case _:
                assert_never(item)
    close()
    return steps.flush()


def _reads(condition: ir.Expr, names: list[str]) -> bool:
    """Whether a gate's condition hangs on what lies within the gate."""
    return any(kind == "field" and name in names for kind, name in ir.names_in(condition))


# --- descriptions ---------------------------------------------------------------------------------


def _presence(item: ir.Field | ir.Split) -> str:
    if item.since is not None:
        return f"since version {item.since}"
    return f"when {expr_text(item.when)}" if item.when is not None else ""


def _law_text(item: ir.Field) -> str:
    laws = (("min", item.least), ("max", item.most), ("equals", item.equals))
    return ", ".join(f"{word} {expr_text(e)}" for word, e in laws if e is not None)


def _members(description: ir.Description) -> tuple[plan.Member, ...]:
    members: list[plan.Member] = []
    for item in description.items:
        match item:
            case ir.Field():
                members.append(
                    plan.Member(
                        item.name, item.wire, item.type, presence_optional(item), item.doc,
                        item.span, _presence(item), _law_text(item),
                    )  # fmt: skip
                )
            case ir.Split(parts=parts):
                optional = presence_optional(item)
                members.extend(
                    plan.Member(
                        p.name, p.name, item.scalar, optional, p.doc, item.span,
                        _presence(item), f"bits {p.mask:#x} of {item.name}",
                    )  # fmt: skip
                    for p in parts
                )
            case ir.Let() | ir.Require() | ir.Break():
                pass
    for sub in description.subsections:
        members.append(plan.Member(sub.name, sub.wire, sub.use, True, sub.doc, sub.span))
    return tuple(members)


def _total_size(
    steps: tuple[plan.Step, ...],
    subsections: tuple[plan.Subsection, ...],
    kind: str,
    plans: Mapping[str, plan.Plan],
) -> _Size:
    size = _steps_size(steps, plans)
    for sub in subsections:
        header = 1 + 1 + len(sub.wire.encode()) + 4
        body = _node_size(sub.call, plans).plus(_Size(header, header, 0))
        size = size.plus(replace(_NOTHING.either(body), rank=max(2, body.rank)))
    if kind == "loop":
        size = _Size(size.least, None, max(3, size.rank))
    return size.settle()


def _description(description: ir.Description, plans: Mapping[str, plan.Plan]) -> plan.Plan:
    d = description
    steps = _lower_items(d, plans)
    subsections = tuple(
        plan.Subsection(s.name, s.wire, _call(s.use), s.version, s.minimum) for s in d.subsections
    )
    size = _total_size(steps, subsections, d.kind, plans)
    result = plan.Plan(
        d.key, d.module, d.kind, d.name, d.wire, d.version, d.minimum, d.params, steps,
        subsections, _members(d), _CLASSES[size.rank], size.least, size.most, b"", d.doc, d.span,
    )  # fmt: skip
    layout = plan_text(result) + "".join(
        plans[key].digest.hex() for key in sorted(called(result))
    )
    return replace(result, digest=hashlib.sha256(layout.encode()).digest()[:8])


def called(one: plan.Plan) -> frozenset[str]:
    """The keys of the descriptions that a plan calls or sets out in its runs."""
    found: set[str] = set()

    def in_node(node: plan.Node) -> None:
        match node:
            case plan.Call(key=key):
                found.add(key)
            case plan.Rep(node=n) | plan.Tagged(node=n) | plan.Maybe(node=n) | plan.Window(node=n):
                in_node(n)
            case plan.Stop(call=call) | plan.Total(call=call):
                in_node(call)
            case plan.Pairs(key=k, value=v):
                in_node(k)
                in_node(v)
            case plan.Switch(arms=arms, otherwise=otherwise):
                for n in (*(n for _, n in arms), *((otherwise,) if otherwise else ())):
                    in_node(n)
            case _:
                pass

    def in_run(fields: tuple[plan.RunField, ...]) -> None:
        for each in fields:
            if isinstance(each.form, plan.Group):
                found.add(each.form.key)
                in_run(each.form.fields)

    def in_steps(steps: tuple[plan.Step, ...]) -> None:
        for step in steps:
            match step:
                case plan.Run(fields=fields):
                    in_run(fields)
                case plan.Value(node=node) | plan.Keep(value=plan.Value(node=node)):
                    in_node(node)
                case plan.Gate(steps=inner):
                    in_steps(inner)
                case plan.Let() | plan.Assert() | plan.Break():
                    pass

    in_steps(one.steps)
    for sub in one.subsections:
        in_node(sub.call)
    return frozenset(found)


def lower(schema: ir.Schema) -> plan.Program:
    """The plans of all descriptions; the schema has no errors."""
    plans: dict[str, plan.Plan] = {}
    for key, description in schema.descriptions.items():
        plans[key] = _description(description, plans)
    return plan.Program(schema.modules, plans)


