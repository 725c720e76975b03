"""Lowering: ir.Schema -> plan.Program.

Fuses fixed fields into runs, presence into gates, laws into asserts; finds sizes and digests. The
schema has no errors; nothing is reported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from vmsc import plan
from vmsc.plan.digest import digest_of
from vmsc.plan.extent import plan_extent
from vmsc.runtime.kinds import Order
from vmsc.schema import ir
from vmsc.schema.ir import is_optional
from vmsc.schema.ir.expression_text import expr_text
from vmsc.schema.ir.text import type_text

__all__ = ["MAX_ROW", "lower"]

MAX_ROW = (
    16  # numbers of an array that are laid out in a run; longer arrays are a step of their own
)
MAX_GROUP = 256  # numbers and buffers of a struct that are laid out in a run; of more, it is called
MAX_GROUP_DEPTH = 4  # structs within each other that are laid out
MAX_RUN_BYTES = 4096  # bytes of one buffer within a run

_MORE, _LAST = plan.Tail.MORE, plan.Tail.LAST

Plans = Mapping[str, plan.Plan]


def _num(scalar: ir.Scalar) -> plan.Num:
    return plan.Num(scalar.name, scalar.size, scalar.signed, scalar.order)


def _limit(expr: ir.Expr) -> int:
    return (ir.expr_bounds(expr) or (0, 0))[1]


def _node(type_: ir.Type, tail: plan.Tail) -> plan.Node:
    """The form of a type; `tail`: whether bytes of the description may follow it."""
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
            return plan.Rep(_node(element, tail), count, _limit(count))
        case ir.Until(element=element, member=member, scalar=scalar, stop=stop):
            return plan.Stop(_call(element, _MORE), _num(scalar), member, stop)
        case ir.UntilSum(element=element, member=member, total=total):
            return plan.Total(_call(element, _MORE), member, total)  # none is known to be the last
        case ir.ListOf(element=element, tag=tag):
            return plan.Tagged(_node(element, _MORE), tag)
        case ir.Tree(key=key, value=value):
            return plan.Pairs(_node(key, _MORE), _node(value, _MORE))
        case ir.Nullable(element=element, count=count, present=present):
            return plan.Maybe(_node(element, tail), count, present, _limit(count))
        case ir.Choice(on=on, arms=arms, otherwise=otherwise):
            nodes = tuple((label, _node(t, tail)) for label, t in arms)
            return plan.Switch(on, nodes, None if otherwise is None else _node(otherwise, tail))
        case ir.Within(length=length, inner=inner):
            return plan.Window(length, _node(inner, _LAST), _limit(length))
        case ir.Use():
            return _call(type_, tail)
        case ir.External(name=name):
            return plan.Custom(name)
        case ir.Invalid():
            raise AssertionError("an invalid type is reported and never lowered")
        case _:
            assert_never(type_)


def _call(use: ir.Use, tail: plan.Tail) -> plan.Call:
    return plan.Call(use.key, use.arguments, use.version, tail)


# --- steps ----------------------------------------------------------------------------------------


@dataclass
class _Steps:
    """Gathers steps.

    Fixed fields wait in `run` until something else comes, their laws and lets in `behind`.
    """

    plans: Plans
    done: list[plan.Step] = field(default_factory=list)
    run: list[plan.RunField] = field(default_factory=list)
    behind: list[plan.Let | plan.Assert] = field(default_factory=list)
    order: Order = "big"
    size: int = 0

    def all(self) -> tuple[plan.Step, ...]:
        self.flush()
        return tuple(self.done)

    def flush(self) -> None:
        if self.run:
            self.done.append(plan.Run(self.order, self.size, tuple(self.run)))
        offsets = {f.name: f.offset for f in self.run}
        for step in self.behind:
            if isinstance(step, plan.Assert) and step.field in offsets:
                step = replace(step, back=self.size - offsets[step.field])
            self.done.append(step)
        self.run, self.behind, self.size, self.order = [], [], 0, "big"

    def fixed(
        self,
        name: str,
        form: plan.Form,
        size: int,
        via: str = "",
    ) -> None:
        """Add a field to the run, after ending one of another byte order."""
        order = _order(form, self.plans)
        if order and self.order != order and any(_order(f.form, self.plans) for f in self.run):
            self.flush()
        if order:
            self.order = order
        self.run.append(plan.RunField(name, form, self.size, size, via))
        self.size += size

    def step(self, step: plan.Step) -> None:
        self.flush()
        self.done.append(step)


def _order(form: plan.Form, plans: Plans) -> Order | None:
    """The byte order that a form needs; None if any will do."""
    match form:
        case plan.Num(order=order, size=size):
            return order if size > 1 else None
        case plan.Row(num=num) | plan.Split(num=num):
            return _order(num, plans)
        case plan.Blob():
            return None
        case plan.Group(key=key):
            run = _group_run(key, plans)
            return run.order if any(_order(f.form, plans) for f in run.fields) else None
        case _:
            assert_never(form)


def _constant(expr: ir.Expr) -> int | None:
    return expr.value if isinstance(expr, ir.Number) else None


def _run_form(node: plan.Node, plans: Plans) -> tuple[plan.Form, int] | None:
    """The node as a part of a run, with its size; None where it is no fixed one."""
    match node:
        case plan.Num(size=size):
            return node, size
        case plan.Blob(length=length) if (n := _constant(length)) is not None:
            return (node, n) if n <= MAX_RUN_BYTES else None
        case plan.Rep(node=plan.Num() as num, count=count) if (n := _constant(count)) is not None:
            return (plan.Row(num, n), n * num.size) if n <= MAX_ROW else None
        case plan.Call(key=key) if plans[key].kind == "struct" and not plans[key].params:
            run = plans[key].only_run
            if run is None or not _is_small(run.fields, plans):
                return None
            return plan.Group(key), run.size
        case _:
            return None


def _group_run(key: str, plans: Plans) -> plan.Run:
    run = plans[key].only_run
    assert run is not None, "a group is a single run"
    return run


def _is_small(fields: Sequence[plan.RunField], plans: Plans) -> bool:
    """Whether a struct is laid out where it is used.

    Without limits, structs of two structs each would double every backend's code with each level.
    """
    if len(fields) > MAX_GROUP:
        return False
    width, depth = _laid_out(fields, plans)
    return width <= MAX_GROUP and depth <= MAX_GROUP_DEPTH


def _laid_out(fields: Sequence[plan.RunField], plans: Plans) -> tuple[int, int]:
    """How many numbers and buffers a struct is, and how deep structs nest in it, itself as one."""
    width, depth = 0, 0
    for each in fields:
        match each.form:
            case plan.Num() | plan.Blob() | plan.Split():
                width += 1
            case plan.Row(count=count):
                width += count
            case plan.Group(key=key):
                more, deeper = _laid_out(_group_run(key, plans).fields, plans)
                width, depth = width + more, max(depth, deeper)
            case _:
                assert_never(each.form)
    return width, depth + 1


def _laws(item: ir.Field) -> list[plan.Assert]:
    if not isinstance(item.type, ir.Scalar):
        return []
    bounds = ir.scalar_bounds(item.type)
    ref = ir.Ref("field", item.name, *bounds, type=item.type)
    laws = []
    bounded: tuple[tuple[str, plan.Relation, ir.Expr | None], ...] = (
        (">=", "at least", item.least),
        ("<=", "at most", item.most),
        ("==", "equal to", item.equals),
    )
    for op, relation, bound in bounded:
        if bound is not None:
            law = ir.Operation(op, (ref, bound), 0, 1)
            laws.append(plan.Assert(law, item.name, 0, relation, bound, "", ""))
    return laws


def _condition(item: ir.Field | ir.Split, description: ir.Description) -> ir.Expr | None:
    if item.since is None:
        return item.when
    version = ir.Version(description.minimum, description.version)
    return ir.Operation(">=", (version, ir.Number(item.since)), 0, 1)


def _add_field(item: ir.Field, node: plan.Node, steps: _Steps) -> None:
    fixed = _run_form(node, steps.plans)
    if fixed is None:
        steps.step(plan.Value(item.name, node))
    else:
        form, size = fixed
        steps.fixed(item.name, form, size, via=item.via)
    steps.behind.extend(_laws(item))


def _add_split(item: ir.Split, steps: _Steps) -> None:
    num = _num(item.scalar)
    form = plan.Split(num, tuple((p.name, p.mask) for p in item.parts))
    steps.fixed(item.name, form, num.size)


@dataclass
class _Body:
    """Gathers a body's steps; what is there under one condition waits in `gate`."""

    plans: Plans
    steps: _Steps
    gate: _Steps
    condition: ir.Expr | None = None
    names: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def target(
        self, condition: ir.Expr | None, names: tuple[str, ...] = (), words: tuple[str, ...] = ()
    ) -> _Steps:
        """Where steps for the fields `names` of the split words `words` go, which are there under
        the condition.
        """
        if condition is None or condition != self.condition:
            self.close()
        if condition is None:
            return self.steps
        self.condition = condition
        self.names += names
        self.words += words
        return self.gate

    def close(self) -> None:
        """End the gate, if one is open."""
        if self.condition is not None:
            names, words = tuple(self.names), tuple(self.words)
            self.steps.step(plan.Gate(self.condition, self.gate.all(), names, words))
        self.gate, self.condition = _Steps(self.plans), None
        self.names, self.words = [], []


def _add_sticky(item: ir.Field, condition: ir.Expr, steps: _Steps) -> None:
    empty: int | bytes = 0 if isinstance(item.type, ir.Scalar) else b""
    steps.step(plan.Keep(condition, plan.Value(item.name, _node(item.type, _MORE)), empty))
    steps.behind.extend(_laws(item))


def _last_on_the_wire(description: ir.Description) -> ir.Item | None:
    """The item that no byte of the description follows: of a loop none, as rounds follow."""
    if description.kind == "loop":
        return None
    items = reversed(description.items)
    return next((item for item in items if isinstance(item, ir.Field | ir.Split)), None)


def _lower_items(description: ir.Description, plans: Plans) -> tuple[plan.Step, ...]:
    body = _Body(plans, _Steps(plans), _Steps(plans))
    last = _last_on_the_wire(description)
    for item in description.items:
        match item:
            case ir.Field(sticky=True):
                condition = _condition(item, description)
                assert condition is not None
                _add_sticky(item, condition, body.target(None))
            case ir.Field():
                node = _node(item.type, _LAST if item is last else _MORE)
                steps = body.target(_condition(item, description), (item.name,))
                _add_field(item, node, steps)
            case ir.Split(name=name, parts=parts):
                names = tuple(part.name for part in parts)
                _add_split(item, body.target(_condition(item, description), names, (name,)))
            case ir.Let(name=name, value=expr):
                body.target(None).behind.append(plan.Let(name, expr))
            case ir.Require(law=law, text=text, why=why):
                claim = plan.Assert(law, "", 0, "", None, text, why)
                body.target(None).behind.append(claim)
            case ir.Break(condition=until):
                body.target(None).step(plan.Break(until))
            case _:
                assert_never(item)
    body.close()
    return body.steps.all()


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
    last = _last_on_the_wire(description)
    for item in description.items:
        match item:
            case ir.Field(name=name, wire=wire, type=type_, doc=doc, span=span):
                law, optional, when = _law_text(item), is_optional(item), _presence(item)
                node, written = _node(type_, _LAST if item is last else _MORE), type_text(type_)
                members.append(
                    plan.Member(name, wire, node, written, optional, doc, span, when, law)
                )
            case ir.Split(parts=parts, scalar=scalar, span=span):
                num, written = _num(scalar), type_text(scalar)
                optional, when = is_optional(item), _presence(item)
                for part in parts:
                    name, law = part.name, f"bits {part.mask:#x} of {item.name}"
                    members.append(
                        plan.Member(name, name, num, written, optional, part.doc, span, when, law)
                    )
            case ir.Let() | ir.Require() | ir.Break():
                pass
    for sub in description.subsections:
        call, written = _call(sub.use, _LAST), type_text(sub.use)
        members.append(plan.Member(sub.name, sub.wire, call, written, True, sub.doc, sub.span))
    return tuple(members)


def _description(description: ir.Description, plans: Plans) -> plan.Plan:
    d = description
    steps = _lower_items(d, plans)
    subsections = tuple(
        plan.Subsection(s.name, s.wire, _call(s.use, _LAST), s.version, s.minimum)
        for s in d.subsections
    )
    extent = plan_extent(d.kind, steps, subsections, plans)
    result = plan.Plan(
        d.key, d.module, d.kind, d.name, d.wire, d.version, d.minimum, d.params, steps,
        subsections, _members(d), extent.size_class, extent.least, extent.most, b"", d.doc, d.span,
        d.target,
    )  # fmt: skip
    return replace(result, digest=digest_of(result, plans))


def lower(schema: ir.Schema) -> plan.Program:
    """The plans of all descriptions; the schema has no errors."""
    plans: dict[str, plan.Plan] = {}
    for key, description in schema.descriptions.items():
        plans[key] = _description(description, plans)
    return plan.Program(schema.modules, plans)
