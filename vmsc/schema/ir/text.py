"""The IR as text: types for messages, descriptions for goldens and people.

The same data always gives the same text.
"""

from __future__ import annotations

from typing import assert_never

from vmsc.schema import ir
from vmsc.schema.ir.expression_text import PLAIN, Language, expr_text

__all__ = ["arguments_text", "ir_text", "param_text", "type_text"]

# --- types ----------------------------------------------------------------------------------------


def arguments_text(arguments: tuple[tuple[str, ir.Expr], ...], spelling: Language = PLAIN) -> str:
    inside = ", ".join(f"{name} = {expr_text(e, spelling)}" for name, e in arguments)
    return f"({inside})" if inside else ""


def _label(label: int | str) -> str:
    return f'"{label}"' if isinstance(label, str) else str(label)


def type_text(type_: ir.Type, spelling: Language = PLAIN) -> str:
    """The type as it would be written, descriptions by key."""

    def expr(value: ir.Expr) -> str:
        return expr_text(value, spelling)

    def inner(part: ir.Type) -> str:
        return type_text(part, spelling)

    match type_:
        case ir.Scalar(name=name, order=order):
            return name if order == "big" else f"{order} {name}"
        case ir.Bytes(length=e):
            return f"bytes[{expr(e)}]"
        case ir.Padding(length=e):
            return f"unused[{expr(e)}]"
        case ir.Opaque(length=length):
            return "opaque" if length is None else f"opaque[{expr(length)}]"
        case ir.String(prefix=prefix, limit=limit):
            return f"string{prefix * 8} max {limit}"
        case ir.Bitmap(bits=e):
            return f"bitmap[{expr(e)}]"
        case ir.Array(element=element, count=e):
            dimensions = f"[{expr(e)}]"
            while isinstance(element, ir.Array):
                dimensions += f"[{expr(element.count)}]"
                element = element.element
            return inner(element) + dimensions
        case ir.Until(element=element, member=member, stop=stop):
            return f"{inner(element)}[until {member} == {stop}]"
        case ir.UntilSum(element=element, member=member, total=e):
            return f"{inner(element)}[until sum({member}) == {expr(e)}]"
        case ir.ListOf(element=element, tag=tag):
            return f"list {'' if tag == 1 else f'tag {tag} '}{inner(element)}"
        case ir.Tree(key=key, value=value):
            return f"tree {inner(key)} => {inner(value)}"
        case ir.Nullable(element=element, count=e, present=present):
            how = "marked" if present is None else f"present {expr(present)}"
            return f"nullable {inner(element)}[{expr(e)}] {how}"
        case ir.Choice(on=on, arms=arms, otherwise=otherwise):
            inside = [f"{_label(label)}: {inner(t)}" for label, t in arms]
            if otherwise is not None:
                inside.append(f"else: {inner(otherwise)}")
            return f"choice {expr(on)} {{ {'; '.join(inside)} }}"
        case ir.Within(length=e, inner=part):
            return f"within[{expr(e)}] {inner(part)}"
        case ir.Use(key=key, arguments=arguments, version=version):
            at = "" if version is None else f" version {version}"
            return f"{key}{arguments_text(arguments, spelling)}{at}"
        case ir.External(name=name):
            return name
        case ir.Invalid():
            return "?"
        case _:
            assert_never(type_)


# --- ir -------------------------------------------------------------------------------------------


def _item(item: ir.Item) -> str:
    match item:
        case ir.Field():
            text = f"{item.name}: {type_text(item.type)}"
            text += f' as "{item.wire}"' if item.wire != item.name else ""
            for word, e in (("min", item.least), ("max", item.most), ("equals", item.equals)):
                text += f" {word} {expr_text(e)}" if e is not None else ""
            text += f" via {item.via}" if item.via else ""
            text += " sticky" if item.sticky else ""
        case ir.Split():
            parts = "; ".join(f"{p.name}: {p.mask:#x}" for p in item.parts)
            text = f"{item.name}: {type_text(item.scalar)} split {{ {parts} }}"
        case ir.Let(name=name, value=value):
            return f"let {name} = {expr_text(value)}"
        case ir.Require(law=law, why=why):
            return f"require {expr_text(law)}" + (f' "{why}"' if why else "")
        case ir.Break(condition=condition):
            return f"break when {expr_text(condition)}"
        case _:
            assert_never(item)
    if item.since is not None:
        return f"{text} since {item.since}"
    return text if item.when is None else f"{text} when {expr_text(item.when)}"


def param_text(param: ir.Param) -> str:
    text = f"{'outer' if param.outer else 'param'} {param.name}: {param.kind}"
    if param.words:
        places = {word: f' {relation} "{pattern}"' for word, relation, pattern in param.places}
        text += " " + ", ".join(word + places.get(word, "") for word in param.words)
    elif param.kind == "bits":
        text += f" {param.high.bit_length()}"
    elif param.kind != "bytes":
        text += f" {param.low}..{param.high}"
    if param.sticky:
        text += " sticky"
    return text if param.default is None else f"{text} = {param.default!r}"


def _description(description: ir.Description) -> list[str]:
    d = description
    target = f' target "{d.target}"' if d.target else ""
    lines = [f'{d.kind} {d.key} as "{d.wire}" version {d.version} minimum {d.minimum}{target}']
    lines += [f"    {param_text(p)}" for p in d.params]
    lines += [f"    {_item(i)}" for i in d.items]
    for sub in d.subsections:
        versions = f"version {sub.version} minimum {sub.minimum}"
        lines.append(f'    subsection {sub.name} as "{sub.wire}" {versions}: {type_text(sub.use)}')
    return lines


def ir_text(schema: ir.Schema) -> str:
    """All descriptions, in the order in which they were resolved."""
    return "\n".join(line for d in schema.descriptions.values() for line in _description(d)) + "\n"
