"""Where parameters come from: settings of the run, a machine file, and the stream's own record.

What is given counts before what the record says; the record is looked for, and schemas are read,
only when a section needs a parameter that is not given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from vmsc import ir
from vmsc.diag import Report
from vmsc.host import load_host
from vmsc.load import load, shipped_schemas
from vmsc.resolve import resolve
from vmsc.runtime.codec import Buffer, Param
from vmsc.settings import (
    Machine,
    MachineError,
    SectionParams,
    Settings,
    Value,
    load_machine,
    parse_given,
)
from vmsc.solve import Solution, device_key, device_keys, solve
from vmsc.stream.lookup import names_of
from vmsc.vmdesc import Device, Vmdesc, VmdescError, find_vmdesc, read_vmdesc

__all__ = ["Known", "MachineError", "Solved", "open_answers", "schemas_of", "solve_stream"]

PAGE_SIZE = 4096  # where nothing says another


@dataclass(frozen=True)
class Solved:
    """A section and its solution; None where no schema describes it."""

    device: Device
    key: str | None
    solution: Solution | None


def solve_stream(
    schema: ir.Schema, vmdesc: Vmdesc, machine: str = ""
) -> tuple[Machine, tuple[Solved, ...]]:
    """A machine file's content for the stream with this description, and how it came about.

    RAM is not in the description; its page size is. A section without parameters has no entry,
    unless another of its name and instance has one: those are told apart by their order.
    """
    keys = device_keys(schema)
    found: list[Solved] = []
    for device in vmdesc.devices:
        key = device_key(keys, device)
        found.append(Solved(device, key, None if key is None else solve(schema, key, device)))
    page_size = PAGE_SIZE if vmdesc.page_size is None else vmdesc.page_size
    sections = [SectionParams("ram", None, {"page_size": page_size})]
    needed = {(s.device.name, s.device.instance) for s in found if s.solution and s.solution.values}
    for one in found:
        if (one.device.name, one.device.instance) in needed:
            values = dict(one.solution.values) if one.solution else {}
            sections.append(SectionParams(one.device.name, one.device.instance, values))
    return Machine(tuple(sections), machine), tuple(found)


def schemas_of(wires: Iterable[str], schemas: Sequence[Path], plugins: Sequence[str]) -> ir.Schema:
    """The schemas that could describe devices of these names: the given ones, then vmsc's own."""
    marks = [f'"{wire}"' for wire in wires]
    shipped = shipped_schemas()
    files: list[Path] = []
    for root in (*schemas, shipped / "std", shipped / "qemu"):
        for path in sorted(root.rglob("*.vmsd")) if root.is_dir() else [root]:
            text = path.read_text("utf-8", "replace")
            if any(mark in text for mark in marks):
                files.append(path)
    host, report = load_host(plugins), Report()
    loaded = load(files, report, [root for root in schemas if root.is_dir()])
    return resolve(loaded.files, report, host.types, host.transforms)


@dataclass
class Known:
    """All that can be known of a stream's parameters. `data` is the stream, or empty."""

    settings: Settings
    data: Buffer = b""
    schemas: Sequence[Path] = ()
    plugins: Sequence[str] = ()
    solved: dict[tuple[str, int, int], Mapping[str, Value]] = field(default_factory=dict)

    @cached_property
    def vmdesc(self) -> Vmdesc | None:
        """QEMU's description of the stream. Raises MachineError for one that is damaged."""
        text = find_vmdesc(self.data)
        try:
            return None if text is None else read_vmdesc(text)
        except VmdescError as fault:
            raise MachineError(str(fault)) from None

    @cached_property
    def schema(self) -> ir.Schema:
        devices = self.vmdesc.devices if self.vmdesc else ()
        wires = {n for d in devices for n in (d.vmsd_name, *names_of(d.name)) if n}
        return schemas_of(sorted(wires), self.schemas, self.plugins)

    def device(self, name: str, instance: int, occurrence: int) -> Device | None:
        """The record of a section, if there is one."""
        if self.vmdesc is None:
            return None
        found = [d for d in self.vmdesc.devices if (d.name, d.instance) == (name, instance)]
        return found[occurrence % len(found)] if found else None

    def recorded_size(self, name: str, instance: int, occurrence: int) -> int | None:
        """How long QEMU says that a section is, where it recorded it."""
        device = self.device(name, instance, occurrence)
        return None if device is None else device.size

    def params_for(
        self, name: str, instance: int, occurrence: int, wanted: Sequence[Param]
    ) -> dict[str, Value]:
        """The values that are known of these parameters. Raises MachineError for an unfit one."""
        given = self.settings.params_for(name, instance, occurrence, wanted)
        names = [p.name for p in wanted if not p.sticky]
        if all(each in given for each in names):
            return given
        found = self._recorded(name, instance, occurrence)
        return {each: found[each] for each in names if each in found} | given

    def _recorded(self, name: str, instance: int, occurrence: int) -> Mapping[str, Value]:
        if name == "ram":
            size = self.vmdesc.page_size if self.vmdesc else None
            return {"page_size": PAGE_SIZE if size is None else size}
        place = (name, instance, occurrence)
        if place not in self.solved:
            device = self.device(*place)
            key = device and device_key(device_keys(self.schema), device)
            values = solve(self.schema, key, device).values if device and key else {}
            self.solved[place] = values
        return self.solved[place]


def open_answers(
    data: Buffer,
    params: Sequence[str] = (),
    machine: Path | None = None,
    schemas: Sequence[Path] = (),
    plugins: Sequence[str] = (),
) -> Known:
    """What is known for reading `data`: `params` as they are given, a machine file, the record.

    Raises MachineError, and OSError for a machine file that cannot be read.
    """
    read = Machine() if machine is None else load_machine(machine)
    settings = Settings(read, tuple(map(parse_given, params)))
    return Known(settings, data, schemas, plugins)
