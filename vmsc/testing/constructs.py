"""The constructs of the language, by name: what a backend may say that it can write.

What every backend has to write has no name here: numbers in runs, bytes, padding, devices and their
versions. Other constructs are found in a program's plan, as the backend itself finds them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from vmsc import plan
from vmsc.schema import ir

__all__ = ["CONSTRUCTS", "constructs_of"]

CONSTRUCTS: Mapping[str, str] = {
    "array": "T[n], but for a few numbers in a run",
    "bitmap": "bitmap[n]",
    "choice": "one of several, by a number or a word",
    "float": "f64",
    "function": "length, little16, little32, pci_capability",
    "law": "min, max, equals, require",
    "let": "a name for an expression",
    "list": "tagged elements",
    "little": "numbers in the other byte order",
    "loop": "rounds until a break",
    "nullable": "elements that may be absent",
    "opaque": "all that is left",
    "outer": "a name of what encloses a description",
    "param": "what the wire does not say",
    "split": "a word in parts",
    "sticky": "what lasts from round to round",
    "string": "string8, string32",
    "struct": "a plain group",
    "subsection": "optional, found by peeking",
    "text": "comparisons of strings, and choices by one",
    "tree": "tagged pairs behind a count",
    "until": "elements until a number",
    "until sum": "elements until a sum",
    "version": "since, expressions over it, descriptions at a given one",
    "via": "a plugin's transform",
    "vmsd": "a nested description with a peek behind it",
    "when": "when, unless",
    "wire type": "a plugin's type",
    "within": "bytes that something fills exactly",
}

_FORMS: Mapping[type, str] = {
    plan.Rep: "array",
    plan.Row: "array",
    plan.Words: "bitmap",
    plan.Switch: "choice",
    plan.Assert: "law",
    plan.Let: "let",
    plan.Tagged: "list",
    plan.Break: "loop",
    plan.Maybe: "nullable",
    plan.Rest: "opaque",
    plan.Keep: "sticky",
    plan.Split: "split",
    plan.Text: "string",
    plan.Group: "struct",
    plan.Subsection: "subsection",
    plan.Pairs: "tree",
    plan.Stop: "until",
    plan.Total: "until sum",
    plan.Custom: "wire type",
    plan.Window: "within",
    ir.Version: "version",
    ir.Text: "text",
}
_FUNCTIONS = frozenset({"length", "little16", "little32", "pci_capability"})


def constructs_of(program: plan.Program) -> Mapping[str, plan.Plan]:
    """The constructs that a program has, each with a description that has it."""
    found: dict[str, plan.Plan] = {}
    for one in program.plans.values():
        for name in _names(one, program):
            found.setdefault(name, one)
    return found


def _names(one: plan.Plan, program: plan.Program) -> Iterator[str]:
    for param in one.params:
        if param.outer and one.kind != "subsection":
            yield "outer"
        elif not (param.outer or param.sticky):
            yield "param"
    for part in _parts((one.steps, one.subsections)):
        yield from _named(part, program)


def _named(part: Any, program: plan.Program) -> Iterator[str]:
    if (name := _FORMS.get(type(part))) is not None:
        yield name
    match part:
        case plan.Call(key=key, version=version):
            if program.plans[key].kind != "subsection":
                yield program.plans[key].kind
            yield from ["version"] * (version is not None)
        case plan.Gate(condition=condition):
            since = isinstance(condition, ir.Operation) and isinstance(
                condition.operands[0], ir.Version
            )
            yield from [] if since else ["when"]
        case plan.Num(name="f64"):
            yield "float"
        case plan.Num(order="little", size=size) if size > 1:
            yield "little"
        case plan.RunField(via=via) if via:
            yield "via"
        case ir.Operation(op=op) if op in _FUNCTIONS:
            yield "function"
        case _:
            pass


def _parts(thing: Any) -> Iterator[Any]:
    """All records within: steps, nodes, expressions."""
    if isinstance(thing, tuple):
        for each in thing:
            yield from _parts(each)
    elif dataclasses.is_dataclass(thing):
        yield thing
        for each in dataclasses.fields(thing):
            if each.name not in ("type", "span"):
                yield from _parts(getattr(thing, each.name))
