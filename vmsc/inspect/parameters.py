"""Parameters: where a section's parameters come from. The command line counts before a machine
file, and both before what is solved from the JSON description at a stream's end. Solved only
when it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vmsc.compiler.library import Library
from vmsc.inspect.solved_cache import recalled, remember
from vmsc.params.machine_file import (
    MachineFile,
    ParamValue,
    SectionParams,
    Settings,
    load_machine,
    parse_given,
)
from vmsc.runtime.codec import Buffer, Param
from vmsc.stream.events import RAM
from vmsc.stream.targets import target_of
from vmsc.stream.vmdesc import Vmdesc, VmdescError, read_device, read_vmdesc
from vmsc.stream.vmdesc_search import find_vmdesc, recorded

if TYPE_CHECKING:
    from vmsc.schema import ir

__all__ = ["StreamParameters", "open_parameters"]


@dataclass
class StreamParameters:
    """The parameters for one stream. `text`: its JSON description, None if there is none; one that
    arrives later is `taken_in`, and until then answers may be missing that are not so for good.
    """

    settings: Settings
    library: Library
    text: bytes | None = None
    target: str = ""  # as it was given, or as the machine file's machine type tells
    complete: bool = True
    parsed: Vmdesc | None = None
    unreadable: str = ""  # what is wrong with the description
    solved: dict[tuple[str, int, int], Settings] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    fresh: bool = False  # more was solved than was kept

    def take_in(self, text: bytes | None) -> None:
        """The description is here now, or will not come any more."""
        self.text, self.complete = text, True

    @property
    def described(self) -> Vmdesc | None:
        """The description. One that cannot be read answers nothing; what then lacks is named."""
        if self.parsed is None and self.text is not None:
            try:
                self.parsed = read_vmdesc(self.text)
            except VmdescError as fault:
                self.text, self.unreadable = None, str(fault)
        return self.parsed

    @property
    def silence(self) -> str:
        if self.described is not None:
            return ""
        if self.unreadable:
            return f"the stream's JSON description would tell, but: {self.unreadable}"
        return "the stream has no JSON description that would tell"

    @property
    def page_size(self) -> int | None:
        known = None if self.text is None else recorded(self.text)
        return None if known is None else known.page_size

    @property
    def given(self) -> bool:
        return bool(self.settings.given or self.settings.machine.sections)

    def params_for(
        self, name: str, instance: int, occurrence: int, wanted: Sequence[Param]
    ) -> Mapping[str, ParamValue]:
        """The values for this section. Raises MachineError for one that its parameter cannot
        have.
        """
        if not wanted:
            return {}
        given = self.settings.params_for(name, instance, occurrence, wanted)
        names = {p.name for p in wanted}
        self.taken |= {str(g) for g in self.settings.given if g.name in names and g.matches(name)}
        if self.text is None or all(p.name in given for p in wanted):
            return given
        if name == RAM and (size := self.page_size):
            return {"page_size": size, **given}
        known = self._solved(name, instance, occurrence)
        return {**known.params_for(name, instance, occurrence, wanted), **given}

    def _solved(self, name: str, instance: int, occurrence: int) -> Settings:
        """What the description tells of one section; solved when it is first asked for."""
        at = (name, instance, occurrence)
        if at not in self.solved:
            known = self._remembered
            key = f"{instance} {occurrence} {name}"
            if key not in known:
                known[key] = dict(self._values(*at))
                self.fresh = True
            self.solved[at] = Settings(MachineFile((SectionParams(name, None, known[key]),)))
        return self.solved[at]

    def _values(self, name: str, instance: int, occurrence: int) -> Mapping[str, ParamValue]:
        """The parameters of a section that QEMU's record of it tells. A record that cannot be read
        tells nothing; what then lacks is named.
        """
        from vmsc.params.solver import device_key, solve

        try:
            device = read_device(self.text or b"", name, instance, occurrence)
        except VmdescError:
            return {}
        key = None if device is None else device_key(self._devices, device, self.target)
        if device is None or key is None:
            return {}
        return solve(self.library.schema, key, device).values

    @cached_property
    def _devices(self) -> Mapping[str, Sequence[ir.Description]]:
        from vmsc.params.solver import devices_by_name

        return devices_by_name(self.library.schema)

    def keep(self) -> None:
        """Keep what was solved, for the next time that this stream is read."""
        if self.fresh and self._memory:
            remember(self._memory, self._remembered)
        self.fresh = False

    @cached_property
    def _memory(self) -> str:
        """What the values hang on; empty: they are not kept."""
        if self.library.digest is None or self.text is None:
            return ""
        whole = hashlib.sha256(f"{self.library.digest} {self.target}\n".encode() + self.text)
        return whole.hexdigest()[:32]

    @cached_property
    def _remembered(self) -> dict[str, dict[str, ParamValue]]:
        """What was solved before of this description, by these schemas."""
        return recalled(self._memory) if self._memory else {}

    def untaken(self) -> list[str]:
        """Those `--param`s that no section had a use for, as they were given."""
        return [str(g) for g in self.settings.given if str(g) not in self.taken]

    def recorded_size(self, name: str, instance: int, occurrence: int) -> int | None:
        """The payload's length as the description has it, for a section that no schema
        describes.
        """
        known = None if self.text is None else recorded(self.text)
        same = None if known is None else known.sizes.get((name, instance))
        return same[occurrence % len(same)] if same else None


def open_parameters(
    data: Buffer | None,
    library: Library,
    given: Sequence[str] = (),
    machine: Path | None = None,
    target: str = "",
) -> StreamParameters:
    """Answers for the stream that is all of `data`; None: it is still to arrive.

    Raises MachineError for settings that cannot be used, OSError for a file that cannot be read.
    """
    loaded = MachineFile() if machine is None else load_machine(machine)
    settings = Settings(loaded, tuple(map(parse_given, given)))
    target = target or target_of(loaded.name)
    if data is None:
        return StreamParameters(settings, library, complete=False, target=target)
    return StreamParameters(settings, library, find_vmdesc(data) if len(data) else None, target)
