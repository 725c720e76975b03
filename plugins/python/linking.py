"""What a module's code must know beyond the description at hand: others' plans, and what reads
what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

from .code import param_name
from .expressions import Names, expression

__all__ = [
    "Linker", "arguments", "element_locals", "is_param", "local", "path_local", "reads_version",
    "run_names", "step_exprs", "step_names", "takes_version", "versioned",
]  # fmt: skip


@dataclass(frozen=True)
class Linker:
    """What a module's code must know of the others: a description's plan, and how to spell a
    thing of it.
    """

    program: plan.Program
    name: Callable[[str, str], str]  # (stem, key) -> `_std_pci.get_PciDevice`
    custom: Callable[[str, str], str]  # (function, wire type) -> `_scsi.decode_requests`

    def plan_of(self, key: str) -> plan.Plan:
        return self.program.plans[key]


def reads_version(one: plan.Plan) -> bool:
    """Whether the description's own body depends on its version."""
    return any(("version", "") in ir.names_in(e) for e in step_exprs(one.steps)) or any(
        ("version", "") in ir.names_in(e) for s in one.subsections for _, e in s.call.arguments
    )


def step_exprs(steps: Iterable[plan.Step], laws: bool = True) -> list[ir.Expr]:
    """All expressions of the steps; without those of laws, if so asked."""
    found: list[ir.Expr] = []
    for step in steps:
        match step:
            case plan.Value(node=node):
                found += node_exprs(node)
            case plan.Gate(condition=condition, steps=inner):
                found += [condition, *step_exprs(inner, laws)]
            case plan.Keep(condition=condition, value=value):
                found += [condition, *node_exprs(value.node)]
            case plan.Let(expr=expr) | plan.Break(condition=expr):
                found.append(expr)
            case plan.Assert(law=law):
                found += [law] if laws else []
            case plan.Run():
                pass
            case _:
                assert_never(step)
    return found


def node_exprs(node: plan.Node) -> list[ir.Expr]:
    match node:
        case plan.Num() | plan.Rest() | plan.Text() | plan.Custom():
            return []
        case plan.Blob(length=e) | plan.Words(bits=e):
            return [e]
        case plan.Rep(node=inner, count=e) | plan.Window(node=inner, length=e):
            return [e, *node_exprs(inner)]
        case plan.Stop(call=call):
            return node_exprs(call)
        case plan.Total(call=call, total=e):
            return [e, *node_exprs(call)]
        case plan.Tagged(node=inner):
            return node_exprs(inner)
        case plan.Pairs(key=key, value=value):
            return [*node_exprs(key), *node_exprs(value)]
        case plan.Maybe(node=inner, count=count, mask=mask):
            return [count, *([mask] if mask is not None else []), *node_exprs(inner)]
        case plan.Call(arguments=bound):
            return [e for _, e in bound]
        case plan.Switch(on=on, arms=arms, otherwise=otherwise):
            rest = [n for _, n in arms] + ([otherwise] if otherwise else [])
            return [on, *(e for n in rest for e in node_exprs(n))]
        case _:
            assert_never(node)


def arguments(call: plan.Call, called: plan.Plan, names: Names) -> str:
    """The bound parameters of a call, with a comma in front; the version only where the body
    reads it.
    """
    text = ""
    if reads_version(called):
        text += f", version={call.version or called.version}"
    for name, value in call.arguments:
        text += f", {param_name(name)}={expression(value, names)}"
    return text


def versioned(one: plan.Plan) -> bool:
    """A subsection of several versions keeps its own in the value."""
    return one.kind == "subsection" and one.minimum < one.version


def takes_version(one: plan.Plan) -> bool:
    return reads_version(one) or versioned(one)


def step_names(step: plan.Step) -> tuple[str, ...]:
    """The value's fields that a step reads."""
    match step:
        case plan.Run(fields=fields):
            return tuple(n for f in fields for n in run_names(f))
        case plan.Value(name=name) | plan.Keep(value=plan.Value(name=name)):
            return (name,)
        case plan.Gate(names=names):
            return names
        case _:
            return ()


def run_names(each: plan.RunField) -> tuple[str, ...]:
    return tuple(name for name, _ in each.parts) or (each.name,)


# Each kind of local has a prefix of its own: a field called x_0 is not element 0 of x.


def path_local(path: tuple[str, ...]) -> str:
    """The local variable of a field, or of a plain struct's field within it."""
    return local(path[0]) if len(path) == 1 else "g_" + "__".join(path)


def element_locals(path: tuple[str, ...], count: int) -> list[str]:
    """The local variables of a row's elements."""
    return [f"e{path_local(path)}_{i}" for i in range(count)]


def is_param(expr: ir.Expr) -> bool:
    return isinstance(expr, ir.Ref) and expr.kind == "param"


def local(name: str) -> str:
    """The local variable of a field."""
    return f"v_{name}"
