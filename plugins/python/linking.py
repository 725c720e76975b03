"""What a module's code must know beyond the description at hand: what holds of others, and how
they are spelled here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vmsc import plan
from vmsc.plan.analysis import peeked_within, resumable, takes_version

from .code import param_name
from .expressions import Names, expression

__all__ = ["Facts", "Linker", "arguments", "facts_of", "local"]


@dataclass(frozen=True)
class Facts:
    """What holds of a program's descriptions, by their keys; see plan.analysis."""

    plans: Mapping[str, plan.Plan]
    resumable: frozenset[str]
    peeked: frozenset[str]
    takes_version: frozenset[str]


def facts_of(program: plan.Program) -> Facts:
    """Found once for all modules of a program."""
    versions = frozenset(key for key, one in program.plans.items() if takes_version(one))
    return Facts(program.plans, resumable(program), peeked_within(program), versions)


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
