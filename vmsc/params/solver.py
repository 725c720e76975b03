"""Solve a description's parameters from QEMU's own record of a section, and check that they fit.

Each item of the description is laid beside the field that QEMU recorded for it. What is recorded of
its presence, count or length is a constraint on the parameters that decide it; `constraints` finds
the values. What cannot be so whatever the values are is a misfit, with path, expected and found.
Values of fields are not recorded: an expression that hangs on one tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vmsc.params.constraints import (
    MAX_PROBES,
    Constraint,
    Domain,
    ParamValue,
    domain_of,
    probed,
    size_of,
    taken,
)
from vmsc.params.constraints_from_vmdesc import ConstraintCollector
from vmsc.params.device_path import Earlier, placed
from vmsc.params.machine_file import MachineFile, SectionParams
from vmsc.params.misfit import Misfit
from vmsc.schema import ir
from vmsc.stream.events import RAM
from vmsc.stream.section_names import names_of
from vmsc.stream.targets import meant, target_of
from vmsc.stream.vmdesc import Body, Device, Field, Vmdesc

__all__ = [
    "Guess", "Misfit", "Solution", "Solved", "device_key", "devices_by_name", "solve",
    "solve_stream",
]  # fmt: skip

PAGE_SIZE = 4096  # where nothing says another


@dataclass(frozen=True)
class Guess:
    """A parameter of which several values fit, and the one that was taken."""

    name: str
    taken: ParamValue
    among: str


@dataclass(frozen=True)
class Solution:
    """`values` by parameter; `unresolved`: those without a default of which nothing is recorded.

    The codec needs an unresolved one only where something hangs on it that is not in this section.
    """

    values: Mapping[str, ParamValue]
    unresolved: tuple[str, ...] = ()
    guesses: tuple[Guess, ...] = ()
    misfits: tuple[Misfit, ...] = ()


@dataclass(frozen=True)
class Solved:
    """A section and its solution; None where the schema does not describe it."""

    device: Device
    key: str | None
    solution: Solution | None


def devices_by_name(schema: ir.Schema) -> dict[str, list[ir.Description]]:
    """The schema's devices by QEMU's name."""
    found: dict[str, list[ir.Description]] = {}
    for description in schema.descriptions.values():
        if description.kind == "device":
            found.setdefault(description.wire, []).append(description)
    return found


def device_key(
    devices: Mapping[str, Sequence[ir.Description]], device: Device, target: str = ""
) -> str | None:
    """The key of the description of this section."""
    names = (device.vmsd_name,) if device.vmsd_name else names_of(device.name)
    named = next((devices[name] for name in names if name in devices), ())
    for shipped in (False, True):  # a device that is given counts first
        own = [d for d in named if d.span.source.shipped == shipped]
        if fits := meant(own, device.version or 0, target):
            return fits[0].key
    return None


def solve_stream(
    schema: ir.Schema, vmdesc: Vmdesc, machine: str = "", target: str = ""
) -> tuple[MachineFile, tuple[Solved, ...]]:
    """A machine file's content for the stream with this description, and how it came about.

    RAM is not in the description; its page size is. A section without parameters has no entry,
    unless another of its name and instance has one: those are told apart by their order.
    """
    devices = devices_by_name(schema)
    target = target or target_of(machine)
    found: list[Solved] = []
    earlier = Earlier()
    for device in vmdesc.devices:
        key = device_key(devices, device, target)
        solution = None if key is None else solve(schema, key, device, earlier)
        found.append(Solved(device, key, solution))
        earlier.add(device.name)
    page_size = PAGE_SIZE if vmdesc.page_size is None else vmdesc.page_size
    sections = [SectionParams(RAM, None, {"page_size": page_size})]
    needed = {(s.device.name, s.device.instance) for s in found if s.solution and s.solution.values}
    for one in found:
        if (one.device.name, one.device.instance) in needed:
            values = dict(one.solution.values) if one.solution else {}
            sections.append(SectionParams(one.device.name, one.device.instance, values))
    return MachineFile(tuple(sections), machine), tuple(found)


def solve(schema: ir.Schema, key: str, device: Device, earlier: Earlier | None = None) -> Solution:
    """The parameters of the description `key` in this section; `earlier`: those that came before
    it.
    """
    description = schema.descriptions[key]
    version = description.version if device.version is None else device.version
    names: dict[tuple[str, str], ir.Expr] = {("version", ""): ir.Number(version)}
    fitting = ConstraintCollector(schema.descriptions)
    body = Body(device.vmsd_name, version, device.fields, device.subsections)
    if device.vmsd_name:
        body = _whole(description, body, device.size, schema.descriptions)
        fitting.body(description, body, names, description.wire)
    else:
        fitting.blob(description, body, names, description.wire)
    params = [p for p in description.params if not p.sticky]
    start = {p.name: domain_of(p) for p in params}
    for param in params:
        word = placed(param.places, device.name, description.wire, earlier or Earlier())
        if word is not None:
            start[param.name] = (word,)
    domains, broken = probed(fitting.constraints, start)
    misfits = (*fitting.misfits, *map(_misfit, broken))
    good = [c for c in fitting.constraints if c not in broken]
    return replace(_solution(params, start, domains, good), misfits=misfits)


def _whole(
    description: ir.Description, body: Body, size: int, find: Mapping[str, ir.Description]
) -> Body:
    """The record as the description has it: where a device holds a description of its own name,
    QEMU may have registered that one alone (isa-vga, which has no PCI part). The bytes are the
    same, the record lacks a level.
    """
    recorded = {field.name for field in body.fields}
    for item in description.items:
        if not isinstance(item, ir.Field) or not isinstance(item.type, ir.Use):
            continue
        inner = find[item.type.key]
        if inner.kind == "vmsd" and inner.wire == body.vmsd_name and item.wire not in recorded:
            held = Field(item.wire, "struct", size, struct=body)
            return Body(body.vmsd_name, body.version, (held,))
    return body


def _misfit(broken: Constraint) -> Misfit:
    return Misfit(broken.path, "parameter", f"{broken.text}, for some value", broken.found)


def _solution(
    params: Sequence[ir.Param],
    start: Mapping[str, Domain],
    domains: dict[str, Domain],
    constraints: Sequence[Constraint],
) -> Solution:
    values: dict[str, ParamValue] = {}
    guesses: list[Guess] = []
    unresolved: list[str] = []
    touched = {name for c in constraints for name in c.params}
    for param in params:
        domain = domains[param.name]
        narrowed = size_of(domain) < size_of(start[param.name])
        if size_of(domain) == 1:
            values[param.name] = _plain(param, domain[0])
        elif param.name in touched and narrowed:
            value, domains = _chosen(param, domains, constraints)
            values[param.name] = _plain(param, value)
            guesses.append(Guess(param.name, values[param.name], _shown(domain)))
        elif param.default is None:
            unresolved.append(param.name)
    return Solution(values, tuple(unresolved), tuple(guesses))


def _chosen(
    param: ir.Param, domains: dict[str, Domain], constraints: Sequence[Constraint]
) -> tuple[ParamValue, dict[str, Domain]]:
    """The default where it fits, else the greatest that does: all lay the section out alike."""
    domain = domains[param.name]
    tail = domain[max(0, size_of(domain) - MAX_PROBES) :]
    wanted: list[ParamValue] = [*reversed(tail)]
    if isinstance(param.default, int | str) and param.default in domain:
        wanted.insert(0, param.default)
    for value in wanted:
        left = taken(constraints, domains, param.name, value)
        if left is not None:
            return value, left
    return wanted[0], domains


def _plain(param: ir.Param, value: ParamValue) -> ParamValue:
    return bool(value) if param.kind == "bool" else value


def _shown(domain: Domain) -> str:
    if isinstance(domain, range) or size_of(domain) > 8:
        return f"{domain[0]} to {domain[size_of(domain) - 1]}"
    return ", ".join(map(str, domain))
