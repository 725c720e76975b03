"""Plans as text, for goldens, digests and people.

The same data always gives the same text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir
from vmsc.schema.ir.expression_text import FULL, expr_text
from vmsc.schema.ir.text import arguments_text, param_text

__all__ = ["Style", "plan_text", "step_lines", "subsection_text"]


@dataclass(frozen=True)
class Style:
    """How a plan is told. `layout`: what decides its bytes, and nothing else.

    `key` says how a description is called; `fields` gives those of a group where they are told.
    """

    key: Callable[[str], str] = str
    fields: Callable[[str], tuple[plan.RunField, ...]] = lambda _: ()
    layout: bool = False

    def limit(self, limit: int) -> str:
        return "" if self.layout else f" limit {limit}"


def _expr(expr: ir.Expr) -> str:
    """Fully bracketed: a digest must not change with the rules of brackets."""
    return expr_text(expr, FULL)


def _node(node: plan.Node, style: Style) -> str:
    match node:
        case plan.Num(name=name, order=order):
            return name if order == "big" else f"{order} {name}"
        case plan.Blob(kind=kind, length=length, limit=limit):
            return f"{kind}[{_expr(length)}]{style.limit(limit)}"
        case plan.Rest():
            return "rest"
        case plan.Text(prefix=prefix, limit=limit):
            return f"text prefix {prefix}{style.limit(limit)}"
        case plan.Words(bits=bits, limit=limit):
            return f"words[{_expr(bits)} bits]{style.limit(limit)}"
        case plan.Rep(node=inner, count=count, limit=limit):
            return f"repeat {_expr(count)}{style.limit(limit)} of ({_node(inner, style)})"
        case plan.Stop(call=call, num=num, member=member, stop=stop):
            last = f"{member}: {_node(num, style)} is {stop}"
            return f"repeat until {last} of ({_node(call, style)})"
        case plan.Total(call=call, member=member, total=total):
            sum_ = f"the sum of {member} is {_expr(total)}"
            return f"repeat until {sum_} of ({_node(call, style)})"
        case plan.Tagged(node=inner, tag=tag):
            return f"tagged {tag} ({_node(inner, style)})"
        case plan.Pairs(key=key, value=value):
            return f"pairs ({_node(key, style)}) ({_node(value, style)})"
        case plan.Maybe(node=inner, count=count, mask=mask, limit=limit):
            how = "marked" if mask is None else f"mask {_expr(mask)}"
            many = f"{_expr(count)}{style.limit(limit)}"
            return f"maybe {many} {how} ({_node(inner, style)})"
        case plan.Call(key=key, arguments=arguments, version=version, tail=tail):
            at = "" if version is None else f" version {version}"
            last = " last" if tail is plan.Tail.LAST and not style.layout else ""
            return f"call {style.key(key)}{arguments_text(arguments, FULL)}{at}{last}"
        case plan.Switch(on=on, arms=arms, otherwise=otherwise):
            inside = [f"{label!r}: {_node(n, style)}" for label, n in arms]
            inside += [] if otherwise is None else [f"else: {_node(otherwise, style)}"]
            return f"switch {_expr(on)} {{ {'; '.join(inside)} }}"
        case plan.Window(length=length, node=inner, limit=limit):
            return f"window {_expr(length)}{style.limit(limit)} ({_node(inner, style)})"
        case plan.Custom(name=name):
            return f"custom {name}"
        case _:
            assert_never(node)


def _run_field(field: plan.RunField, style: Style) -> str:
    match field.form:
        case plan.Num() | plan.Blob():
            form = _node(field.form, style)
        case plan.Row(num=num, count=count):
            form = f"{count} x {_node(num, style)}"
        case plan.Group(key=key):
            inside = "; ".join(_run_field(f, style) for f in style.fields(key))
            form = style.key(key) + (f" {{ {inside} }}" if inside else "")
        case plan.Split(num=num, parts=parts):
            form = _node(num, style) + "".join(f" {name}:{mask:#x}" for name, mask in parts)
        case _:
            assert_never(field.form)
    via = f" via {field.via}" if field.via else ""
    return f"+{field.offset} {field.name}: {form}{via}"


def step_lines(step: plan.Step, style: Style, indent: str) -> list[str]:
    match step:
        case plan.Run(order=order, size=size, fields=fields):
            lines = [f"{indent}run {size} bytes {order}"]
            return lines + [f"{indent}    {_run_field(f, style)}" for f in fields]
        case plan.Value(name=name, node=node):
            return [f"{indent}{name}: {_node(node, style)}"]
        case plan.Gate(condition=condition, steps=steps, names=names):
            lines = [f"{indent}gate {_expr(condition)}: {', '.join(names)}"]
            return lines + [line for s in steps for line in step_lines(s, style, indent + "    ")]
        case plan.Keep(condition=condition, value=plan.Value(name=name, node=node)):
            when = _expr(condition)
            return [f"{indent}keep {name}, sent when {when}: {_node(node, style)}"]
        case plan.Let(name=name, expr=expr):
            return [f"{indent}let {name} = {_expr(expr)}"]
        case plan.Assert(law=law, field=field, back=back, why=why):
            about = f" of {field} -{back}" if field else ""
            return [f"{indent}assert {_expr(law)}{about}" + (f' "{why}"' if why else "")]
        case plan.Break(condition=condition):
            return [f"{indent}break when {_expr(condition)}"]
        case _:
            assert_never(step)


def subsection_text(sub: plan.Subsection, style: Style) -> str:
    versions = f"version {sub.version} minimum {sub.minimum}"
    body = _node(replace(sub.call, tail=plan.Tail.MORE), style)  # what follows one is told by none
    return f'    subsection {sub.name} as "{sub.wire}" {versions}: {body}'


def plan_text(one: plan.Plan) -> str:
    """One description's plan."""
    most = "no limit" if one.most is None else str(one.most)
    lines = [
        f'{one.kind} {one.key} as "{one.wire}" version {one.version} minimum {one.minimum}',
        f"    size {one.size_class} {one.least}..{most}",
        *(f"    {param_text(p)}" for p in one.params),
    ]
    for step in one.steps:
        lines += step_lines(step, Style(), "    ")
    return "\n".join([*lines, *(subsection_text(sub, Style()) for sub in one.subsections)]) + "\n"
