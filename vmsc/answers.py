"""Answers: where a section's parameters come from. The command line counts before a machine
file, and both before what is solved from the JSON description at a stream's end. Solved only
when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vmsc.library import Library
from vmsc.machine import Machine, SectionParams, Settings, Value, load_machine, parse_given
from vmsc.runtime.codec import Buffer, Param
from vmsc.vmdesc import Body, Device, Field, Vmdesc, VmdescError, find_vmdesc, read_vmdesc

__all__ = ["StreamAnswers", "open_answers"]

PAGE_SIZE = 4096  # where the description says none


@dataclass
class StreamAnswers:
    """The parameters for one stream. `described`: its JSON description, or None if there is none
    that can be read; one that arrives later is `taken_in`, and until then answers may be missing
    that are not so for good.
    """

    settings: Settings
    library: Library
    described: Vmdesc | None
    complete: bool = True
    solved: dict[tuple[str, int, int], Settings] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def take_in(self, described: Vmdesc | None) -> None:
        """The description is here now, or will not come any more."""
        self.described, self.complete = described, True

    def params_for(
        self, name: str, instance: int, occurrence: int, wanted: Sequence[Param]
    ) -> Mapping[str, Value]:
        """The values for this section. Raises MachineError for one that its parameter cannot
        have.
        """
        if not wanted:
            return {}
        given = self.settings.params_for(name, instance, occurrence, wanted)
        names = {p.name for p in wanted}
        self.taken |= {str(g) for g in self.settings.given if g.name in names and g.matches(name)}
        if self.described is None or all(p.name in given for p in wanted):
            return given
        known = self._solved(self.described, name, instance, occurrence)
        return {**known.params_for(name, instance, occurrence, wanted), **given}

    def _solved(self, described: Vmdesc, name: str, instance: int, occurrence: int) -> Settings:
        """What the description tells of one section; solved when it is asked for."""
        at = (name, instance, occurrence)
        if at not in self.solved:
            values = _values(self.library, described, *at)
            self.solved[at] = Settings(Machine((SectionParams(name, None, values),)))
        return self.solved[at]

    def untaken(self) -> list[str]:
        """Those `--param`s that no section had a use for, as they were given."""
        return [str(g) for g in self.settings.given if str(g) not in self.taken]

    def recorded_size(self, name: str, instance: int, occurrence: int) -> int | None:
        """The payload's length as the description has it, for a section that no schema
        describes.
        """
        if self.described is None:
            return None
        device = _device(self.described, name, instance, occurrence)
        return None if device is None else _size(device)


def _device(described: Vmdesc, name: str, instance: int, occurrence: int) -> Device | None:
    """The description of a section. A checkpoint begins with the first of its name again."""
    same = [d for d in described.devices if (d.name, d.instance) == (name, instance)]
    return same[occurrence % len(same)] if same else None


def _values(
    library: Library, described: Vmdesc, name: str, instance: int, occurrence: int
) -> Mapping[str, Value]:
    from vmsc.solve import device_key, device_keys, solve

    if name == "ram":  # it is not in the description; its page size is
        size = described.page_size
        return {"page_size": PAGE_SIZE if size is None else size}
    device = _device(described, name, instance, occurrence)
    key = None if device is None else device_key(device_keys(library.schema), device)
    if device is None or key is None:
        return {}
    return solve(library.schema, key, device).values


def _size(of: Device | Body) -> int:
    """Bytes of the fields, and of the subsections with their headers."""
    total = sum(map(_field_size, of.fields))
    for sub in of.subsections:
        total += 1 + 1 + len(sub.vmsd_name.encode()) + 4 + _size(sub)
    return total


def _field_size(entry: Field) -> int:
    return entry.size * (1 if entry.array_len is None else entry.array_len)


def open_answers(
    data: Buffer | None,
    library: Library,
    given: Sequence[str] = (),
    machine: Path | None = None,
) -> StreamAnswers:
    """Answers for the stream that is all of `data`; None: it is still to arrive.

    Raises MachineError for settings that cannot be used, OSError for a file that cannot be read.
    """
    loaded = Machine() if machine is None else load_machine(machine)
    settings = Settings(loaded, tuple(map(parse_given, given)))
    if data is None:
        return StreamAnswers(settings, library, None, complete=False)
    return StreamAnswers(settings, library, _described(data))


def _described(data: Buffer) -> Vmdesc | None:
    """The description at the stream's end. One that cannot be read answers nothing; what then
    lacks is named later.
    """
    try:
        text = find_vmdesc(data) if len(data) else None
        return None if text is None else read_vmdesc(text)
    except VmdescError:
        return None
