"""What a backend must ask of a plan: which names its steps read, what a scan needs, where a scan
may go on, what plugins it names. Backends turn steps into text and hold no such question of their
own, so that all of them decide alike.

A question about one description takes its plan; one whose answer depends on those that it calls is
answered for the whole program at once, what is called before its caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

__all__ = [
    "Customs", "after_break", "calls", "checked_by_scan", "customs", "fixed_size", "flat_run",
    "has_followed_call", "needed_by_scan", "node_parts", "peeked_within", "reads",
    "reads_version", "resumable", "run_names", "step_names", "takes_version", "versioned",
]  # fmt: skip

Name = tuple[str, str]
"""(kind, name) of what an expression reads; kinds are field, let, param and version."""


# --- nodes ----------------------------------------------------------------------------------------


def node_parts(node: plan.Node) -> tuple[plan.Node, ...]:
    """The nodes that a node is directly made of."""
    match node:
        case plan.Rep(node=inner) | plan.Tagged(node=inner) | plan.Maybe(node=inner):
            return (inner,)
        case plan.Window(node=inner) | plan.Stop(call=inner) | plan.Total(call=inner):
            return (inner,)
        case plan.Pairs(key=key, value=value):
            return key, value
        case plan.Switch(arms=arms, otherwise=otherwise):
            return (*(arm for _, arm in arms), *(() if otherwise is None else (otherwise,)))
        case (
            plan.Num() | plan.Blob() | plan.Rest() | plan.Text() | plan.Words() | plan.Call()
            | plan.Custom()
        ):  # fmt: skip
            return ()
        case _:
            assert_never(node)


def _all_parts(node: plan.Node) -> Iterator[plan.Node]:
    """The node and all that it is made of."""
    yield node
    for part in node_parts(node):
        yield from _all_parts(part)


def _outside_windows(node: plan.Node) -> Iterator[plan.Node]:
    """The node and what it is made of, but for what lies in a window: all of that is there when
    the window begins, and nothing follows it.
    """
    if not isinstance(node, plan.Window):
        yield node
        for part in node_parts(node):
            yield from _outside_windows(part)


def calls(node: plan.Node) -> tuple[plan.Call, ...]:
    """The calls of other descriptions in a node."""
    return tuple(part for part in _all_parts(node) if isinstance(part, plan.Call))


def _own_exprs(node: plan.Node) -> tuple[ir.Expr, ...]:
    """The expressions of a node, without those of its parts."""
    match node:
        case plan.Blob(length=e) | plan.Words(bits=e) | plan.Rep(count=e) | plan.Window(length=e):
            return (e,)
        case plan.Total(total=e) | plan.Switch(on=e):
            return (e,)
        case plan.Maybe(count=count, mask=mask):
            return (count,) if mask is None else (count, mask)
        case plan.Call(arguments=arguments):
            return tuple(e for _, e in arguments)
        case (
            plan.Num() | plan.Rest() | plan.Text() | plan.Stop() | plan.Tagged() | plan.Pairs()
            | plan.Custom()
        ):  # fmt: skip
            return ()
        case _:
            assert_never(node)


def fixed_size(node: plan.Node, plans: Mapping[str, plan.Plan]) -> int | None:
    """The bytes of a node that always has as many, nothing in it being looked at: a constant
    struct, and no `vmsd`, whose subsections may follow.
    """
    match node:
        case plan.Num(size=size):
            return size
        case plan.Blob(length=ir.Number(value=value)):
            return value
        case plan.Words(bits=ir.Number(value=value)):
            return -(-value // 64) * 8
        case plan.Rep(node=inner, count=ir.Number(value=value)):
            one = fixed_size(inner, plans)
            return None if one is None else one * value
        case plan.Call(key=key):
            return plans[key].constant if plans[key].kind == "struct" else None
        case _:
            return None


# --- steps ----------------------------------------------------------------------------------------


def _step_nodes(steps: Iterable[plan.Step]) -> Iterator[plan.Node]:
    """The nodes of steps, those within gates included."""
    for step in steps:
        match step:
            case plan.Value(node=node) | plan.Keep(value=plan.Value(node=node)):
                yield node
            case plan.Gate(steps=inner):
                yield from _step_nodes(inner)
            case plan.Run() | plan.Let() | plan.Assert() | plan.Break():
                pass
            case _:
                assert_never(step)


def _step_exprs(steps: Iterable[plan.Step], laws: bool) -> Iterator[ir.Expr]:
    for step in steps:
        match step:
            case plan.Gate(condition=condition, steps=inner):
                yield condition
                yield from _step_exprs(inner, laws)
            case plan.Keep(condition=condition):
                yield condition
            case plan.Let(expr=expr) | plan.Break(condition=expr):
                yield expr
            case plan.Assert(law=law):
                yield from (law,) if laws else ()
            case plan.Value() | plan.Run():
                pass
            case _:
                assert_never(step)
    for node in _step_nodes(step for step in steps if not isinstance(step, plan.Gate)):
        yield from (e for part in _all_parts(node) for e in _own_exprs(part))


def _names_in(exprs: Iterable[ir.Expr]) -> frozenset[Name]:
    return frozenset(name for expr in exprs for name in ir.names_in(expr))


def reads(steps: Iterable[plan.Step], *, laws: bool = True) -> frozenset[Name]:
    """What the steps' expressions read; those of laws only if so asked."""
    return _names_in(_step_exprs(tuple(steps), laws))


def run_names(each: plan.RunField) -> tuple[str, ...]:
    """The fields that one place of a run holds: itself, or the parts of its word."""
    match each.form:
        case plan.Split(parts=parts):
            return tuple(name for name, _ in parts)
        case _:
            return (each.name,)


def step_names(step: plan.Step) -> tuple[str, ...]:
    """The value's fields that a step reads or writes."""
    match step:
        case plan.Run(fields=fields):
            return tuple(n for f in fields for n in run_names(f))
        case plan.Value(name=name) | plan.Keep(value=plan.Value(name=name)):
            return (name,)
        case plan.Gate(names=names):
            return names
        case plan.Let() | plan.Assert() | plan.Break():
            return ()
        case _:
            assert_never(step)


# --- one description ------------------------------------------------------------------------------


def _subsection_exprs(one: plan.Plan) -> Iterator[ir.Expr]:
    return (e for sub in one.subsections for _, e in sub.call.arguments)


def reads_version(one: plan.Plan) -> bool:
    """Whether the description's own body depends on its version."""
    version = ("version", "")
    return version in reads(one.steps) or version in _names_in(_subsection_exprs(one))


def versioned(one: plan.Plan) -> bool:
    """Whether the version is kept in the value: of a subsection that has several."""
    return one.kind == "subsection" and one.minimum < one.version


def takes_version(one: plan.Plan) -> bool:
    """Whether the description's functions must be told its version."""
    return versioned(one) or reads_version(one)


def after_break(one: plan.Plan) -> frozenset[str]:
    """In a loop, the fields that its last round may lack, since they follow a break."""
    names: set[str] = set()
    seen = False
    for step in one.steps:
        if isinstance(step, plan.Break):
            seen = True
        elif seen:
            names.update(step_names(step))
    return frozenset(names)


def has_followed_call(one: plan.Plan) -> bool:
    """Whether another description is called where bytes may follow it; see plan.Tail."""
    parts = (part for node in _step_nodes(one.steps) for part in _outside_windows(node))
    return any(
        part.tail is plan.Tail.MORE
        if isinstance(part, plan.Call)
        else isinstance(part, plan.Rep | plan.Maybe) and bool(calls(part))
        for part in parts
    )


def needed_by_scan(one: plan.Plan) -> frozenset[str]:
    """The fields, lets and words that a scan has to read: what says how long something is, whether
    it is there, and what nested descriptions are given.
    """
    found = reads(one.steps, laws=False) | _names_in(_subsection_exprs(one))
    return frozenset(name for kind, name in found if kind in ("field", "let"))


def checked_by_scan(law: plan.Assert, needed: frozenset[str]) -> bool:
    """Whether a scan holds a law: one of a field that it reads, with all that the law speaks of."""
    names = {name for kind, name in ir.names_in(law.law) if kind in ("field", "let")}
    return law.field in needed and names <= needed


def flat_run(called: plan.Plan) -> plan.Run | None:
    """The run of a plain struct of numbers and buffers alone: many of them can be read at once."""
    run = called.only_run
    if run is None or called.kind != "struct":
        return None
    plain = all(isinstance(f.form, plan.Num | plan.Blob) and not f.via for f in run.fields)
    return run if plain else None


@dataclass(frozen=True)
class Customs:
    """What of plugins a description names: wire types; and transforms, by field."""

    types: frozenset[str]
    transforms: Mapping[str, str]


def customs(one: plan.Plan) -> Customs:
    """The plugins' wire types and transforms that the description's own fields name."""
    parts = (part for node in _step_nodes(one.steps) for part in _all_parts(node))
    types = frozenset(part.name for part in parts if isinstance(part, plan.Custom))
    return Customs(types, dict(_transforms(one.steps)))


def _transforms(steps: Iterable[plan.Step]) -> Iterator[tuple[str, str]]:
    for step in steps:
        match step:
            case plan.Run(fields=fields):
                yield from ((each.name, each.via) for each in fields if each.via)
            case plan.Gate(steps=inner):
                yield from _transforms(inner)
            case _:
                pass


# --- a whole program ------------------------------------------------------------------------------


def _reached(one: plan.Plan) -> Iterator[plan.Call]:
    """The calls of a description, those of its windows left out."""
    for node in _step_nodes(one.steps):
        yield from (n for n in _outside_windows(node) if isinstance(n, plan.Call))


def _spread(program: plan.Program, own: Callable[[plan.Plan], bool]) -> frozenset[str]:
    """The keys of the descriptions that have something of their `own`, or call one that has it.
    (What is called stands before its caller.)
    """
    found: set[str] = set()
    for key, one in program.plans.items():
        called = [call.key for call in _reached(one)]
        called += [sub.call.key for sub in one.subsections]
        if own(one) or not found.isdisjoint(called):
            found.add(key)
    return frozenset(found)


def resumable(program: plan.Program) -> frozenset[str]:
    """The keys of the descriptions whose scan can go on where an earlier one was cut: they have a
    list, or what they call has. (Numbers are all there when their array begins.)
    """
    return _spread(program, _has_list)


def _has_list(one: plan.Plan) -> bool:
    parts = (part for node in _step_nodes(one.steps) for part in _outside_windows(node))
    return one.kind == "loop" or any(map(_is_list, parts))


def _is_list(node: plan.Node) -> bool:
    match node:
        case plan.Stop() | plan.Total() | plan.Tagged() | plan.Pairs() | plan.Maybe():
            return True
        case plan.Rep(node=inner):
            return not isinstance(inner, plan.Num)
        case _:
            return False


def peeked_within(program: plan.Program) -> frozenset[str]:
    """The keys of the descriptions in which another one may peek for subsections where more
    follows: an 05 that ends the input there may begin a subsection, or be what follows.
    """
    return _spread(program, lambda one: any(program.plans[c.key].peeks for c in _reached(one)))
