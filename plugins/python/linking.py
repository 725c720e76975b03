"""What a module's code must know beyond the description at hand: what holds of others, and how
they are spelled here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from vmsc import plan
from vmsc.plan.analysis import peeked_within, resumable, takes_version
from vmsc.schema import ir

from .expressions import Names, expression
from .names import Spelled, module_paths, param_name, spelled

__all__ = ["Facts", "Linker", "arguments", "facts_of", "local"]


@dataclass(frozen=True)
class Facts:
    """What holds of a program's descriptions, by their keys; see plan.analysis."""

    plans: Mapping[str, plan.Plan]
    resumable: frozenset[str]
    peeked: frozenset[str]
    takes_version: frozenset[str]
    spelled: Mapping[str, Spelled]
    modules: Mapping[str, str]


def facts_of(program: plan.Program, modules: Iterable[ir.Module]) -> Facts:
    """Found once for all modules of a program."""
    versions = frozenset(key for key, one in program.plans.items() if takes_version(one))
    plans: dict[str, list[plan.Plan]] = {module.name: [] for module in modules}
    for one in program.plans.values():
        plans.setdefault(one.module, []).append(one)
    names = {key: one for own in plans.values() for key, one in spelled(own).items()}
    paths, resumed, peeked = module_paths(plans), resumable(program), peeked_within(program)
    return Facts(program.plans, resumed, peeked, versions, names, paths)


@dataclass(frozen=True)
class Linker:
    """What a module's code must know of the others: facts of a description, and how to spell a
    thing of it.
    """

    facts: Facts
    name: Callable[[str, str], str]  # (stem, key) -> `_std_pci.get_pci_device`
    custom: Callable[[str, str], str]  # (function, wire type) -> `_scsi.decode_requests`

    @property
    def plans(self) -> Mapping[str, plan.Plan]:
        return self.facts.plans

    def plan_of(self, key: str) -> plan.Plan:
        return self.facts.plans[key]

    def spelled(self, one: plan.Plan) -> Spelled:
        return self.facts.spelled[one.key]

    def takes_version(self, key: str) -> bool:
        return key in self.facts.takes_version

    def is_resumable(self, key: str) -> bool:
        return key in self.facts.resumable

    def is_peeked(self, key: str) -> bool:
        return key in self.facts.peeked


def arguments(call: plan.Call, link: Linker, names: Names) -> str:
    """The bound parameters of a call, with a comma in front; the version only where the body
    reads it.
    """
    text = ""
    if link.takes_version(call.key):
        text += f", version={call.version or link.plan_of(call.key).version}"
    for name, value in call.arguments:
        text += f", {param_name(name)}={expression(value, names)}"
    return text


def local(name: str) -> str:
    """The local variable of a field."""
    return f"v_{name}"
