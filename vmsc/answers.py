"""Answers: where a section's parameters come from. The command line counts before a machine
file, and both before what is solved from the JSON description at a stream's end. Solved only
when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vmsc.library import Library
from vmsc.machine import Machine, Settings, Value, load_machine, parse_given
from vmsc.runtime.codec import Buffer, Param
from vmsc.solve import solve_stream
from vmsc.vmdesc import Body, Device, Field, Vmdesc, VmdescError, find_vmdesc, read_vmdesc

__all__ = ["StreamAnswers", "open_answers"]


@dataclass
class StreamAnswers:
    """The parameters for one stream. `described`: its JSON description, or why there is none
    that can be read.
    """

    settings: Settings
    library: Library
    described: Vmdesc | None
    solved: Settings | None = None
    taken: set[str] = field(default_factory=set)

    def params_for(
        self, name: str, instance: int, occurrence: int, wanted: Sequence[Param]
    ) -> Mapping[str, Value]:
        """The values for this section. Raises MachineError for one that its parameter cannot
        have.
        """
        given = self.settings.params_for(name, instance, occurrence, wanted)
        names = {p.name for p in wanted}
        self.taken |= {str(g) for g in self.settings.given if g.name in names and g.matches(name)}
        if self.described is None or all(p.name in given for p in wanted):
            return given
        if self.solved is None:
            machine, _ = solve_stream(self.library.schema, self.described)
            self.solved = Settings(machine)
        return {**self.solved.params_for(name, instance, occurrence, wanted), **given}

    def untaken(self) -> list[str]:
        """Those `--param`s that no section had a use for, as they were given."""
        return [str(g) for g in self.settings.given if str(g) not in self.taken]

    def recorded_size(self, name: str, instance: int, occurrence: int) -> int | None:
        """The payload's length as the description has it, for a section that no schema
        describes.
        """
        if self.described is None:
            return None
        same = [d for d in self.described.devices if (d.name, d.instance) == (name, instance)]
        return _size(same[occurrence]) if occurrence < len(same) else None


def _size(of: Device | Body) -> int:
    """Bytes of the fields, and of the subsections with their headers."""
    total = sum(map(_field_size, of.fields))
    for sub in of.subsections:
        total += 1 + 1 + len(sub.vmsd_name.encode()) + 4 + _size(sub)
    return total


def _field_size(entry: Field) -> int:
    return entry.size * (1 if entry.array_len is None else entry.array_len)


def open_answers(
    data: Buffer, library: Library, given: Sequence[str] = (), machine: Path | None = None
) -> StreamAnswers:
    """Answers for the stream that is all of `data`.

    Raises MachineError for settings that cannot be used, OSError for a file that cannot be read.
    """
    loaded = Machine() if machine is None else load_machine(machine)
    settings = Settings(loaded, tuple(map(parse_given, given)))
    return StreamAnswers(settings, library, _described(data))


def _described(data: Buffer) -> Vmdesc | None:
    """The description at the stream's end. One that cannot be read answers nothing; what then
    lacks is named later.
    """
    try:
        text = find_vmdesc(bytes(data)) if len(data) else None
        return None if text is None else read_vmdesc(text)
    except VmdescError:
        return None
