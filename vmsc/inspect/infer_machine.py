"""What a whole stream tells of its machine beyond its JSON description: the parameters
that only reading the sections shows (vmsc.params.by_length), put into the machine file's content.

So the file suffices for a stream of the same machine that records no lengths: device state alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest

from vmsc.compiler.library import Library
from vmsc.inspect.file_reader import Entry, entries
from vmsc.inspect.parameters import open_parameters
from vmsc.params.machine_file import MachineFile, ParamValue, SectionParams
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import CodecError
from vmsc.stream.events import RAM, Section

__all__ = ["Learned", "learned"]

_TRIED = ("bool", "words")

Key = tuple[str, int]  # a section's name and instance


@dataclass(frozen=True)
class Learned:
    """A machine, what was found by reading (section, instance, parameter, value), and what ended
    the reading before the stream did.
    """

    machine: MachineFile
    found: tuple[tuple[str, int, str, ParamValue], ...] = ()
    fault: CodecError | None = None


def learned(machine: MachineFile, stream: Buffer, library: Library) -> Learned:
    """The machine that was solved from the stream's description, and what its sections tell."""
    groups: dict[Key, list[SectionParams]] = {}
    for section in machine.sections:
        if section.instance is not None:
            groups.setdefault((section.name, section.instance), []).append(section)
    read, fault = _read(stream, library)
    found: list[tuple[str, int, str, ParamValue]] = []
    for (name, instance), rows in read.items():
        group = groups.get((name, instance)) or [SectionParams(name, instance, {})] * len(rows)
        more = [_lacking(s, row) for s, row in zip_longest(group, rows[: len(group)])]
        if any(more):
            pairs = zip(group, more, strict=True)
            groups[name, instance] = [replace(s, params={**s.params, **m}) for s, m in pairs]
            found += [(name, instance, param, value) for m in more for param, value in m.items()]
    shared = tuple(s for s in machine.sections if s.instance is None)
    sections = (*shared, *(s for group in groups.values() for s in group))
    return Learned(replace(machine, sections=sections), tuple(found), fault)


def _lacking(
    section: SectionParams | None, row: Mapping[str, ParamValue] | None
) -> dict[str, ParamValue]:
    """What a section was read with and its entry has not."""
    known = section.params if section is not None else {}
    return {name: value for name, value in (row or {}).items() if name not in known}


def _read(
    stream: Buffer, library: Library
) -> tuple[dict[Key, list[dict[str, ParamValue]]], CodecError | None]:
    """The parameters of few values that each section was read with, as far as reading goes."""
    found: dict[Key, list[dict[str, ParamValue]]] = {}
    seen: set[int] = set()
    try:
        for entry in entries(stream, library, open_parameters(stream, library)):
            event = entry.event
            if isinstance(event, Section) and event.name != RAM and event.id not in seen:
                seen.add(event.id)
                found.setdefault((event.name, event.instance), []).append(_tried(entry))
    except CodecError as fault:
        return found, fault
    return found, None


def _tried(entry: Entry) -> dict[str, ParamValue]:
    codec = entry.codec
    if codec is None:
        return {}
    few = {p.name: p for p in codec.params if p.kind in _TRIED and not p.sticky}
    return {
        name: bool(value) if few[name].kind == "bool" else value
        for name, value in entry.params.items()
        if name in few
    }
