"""An entry: one event of a stream, with the codec, parameters and value of a section.

What the commands that read work on, wherever the bytes come from. Pure: nothing is printed or
written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vmsc.inspect.values import SectionValue
from vmsc.runtime.codec import Buffer, Codec, Param
from vmsc.runtime.errors import CodecError, DecodeError, ParamError, Truncated
from vmsc.runtime.wire import ITEM_HEAD
from vmsc.stream.events import Event, Pages, Section, footer

__all__ = [
    "Entry",
    "Occurrences",
    "ParameterSource",
    "SectionValue",
    "located",
    "payload",
]


@dataclass
class Occurrences:
    """Which of the sections of one name and instance each is; parts count with their start."""

    ids: dict[tuple[str, int], dict[int, int]] = field(default_factory=dict)

    def of(self, name: str, instance: int, id_: int) -> int:
        """From 0."""
        ids = self.ids.setdefault((name, instance), {})
        return ids.setdefault(id_, len(ids))

    def copy(self) -> Occurrences:
        """The same, to go on from without changing this one."""
        return Occurrences({at: dict(ids) for at, ids in self.ids.items()})


class ParameterSource(Protocol):
    """Where parameters come from: the command line, a machine file, a stream's own description."""

    def params_for(
        self, name: str, instance: int, occurrence: int, wanted: Sequence[Param]
    ) -> Mapping[str, int | str | bytes]: ...

    def recorded_size(self, name: str, instance: int, occurrence: int) -> int | None: ...

    @property
    def silence(self) -> str:
        """Why the stream's own description tells nothing; empty where there is one to ask."""
        ...

    @property
    def target(self) -> str:
        """QEMU's target, where that was said; else empty."""
        ...

    @property
    def page_size(self) -> int | None:
        """The guest's page size, as the description has it."""
        ...

    @property
    def given(self) -> bool:
        """Whether the user has given values, which count before what is recorded."""
        ...

    @property
    def complete(self) -> bool:
        """Whether no more answers will come: what is not known now stays unknown."""
        ...


@dataclass(frozen=True)
class Entry:
    """One event. A section has its payload (`data`: QEMU's bytes, or framed ones where
    `framed`), its codec (None where no description covers it) and the parameters that go with
    it. Pages have their bytes and an EOS behind them: a payload that stands by itself; so has a
    section of which pages were given out before. `known`: the size class, where the codec was not
    loaded. `inherited`: sticky parameters are those of a checkpoint's context, and not of a part
    before.
    """

    event: Event
    data: Buffer = b""
    codec: Codec | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    framed: bool = False
    known: str = ""
    inherited: bool = False

    @property
    def size_class(self) -> str:
        """How the section's length is known."""
        return self.codec.size if self.codec is not None else self.known or "opaque"

    def value(self) -> SectionValue:
        """The section's value. Raises DecodeError, located in the file, or ParamError."""
        assert self.codec is not None and isinstance(self.event, Section | Pages)
        try:
            return self._decoded(self.codec, self.event)
        except CodecError as fault:
            # A codec's framed encoding is one STRUCT item; a frame has a length of its own.
            head = ITEM_HEAD if self.framed else 0
            raise located(fault, self.event, head) from None

    def _decoded(self, codec: Codec, section: Section | Pages) -> SectionValue:
        params = {"version": section.version, **self.params}
        if self.framed:
            return codec.framed.decode(self.data, **params)
        try:
            return codec.qemu.decode(self.data, **params)
        except Truncated:
            if not isinstance(section, Section) or not section.footer:
                raise
            # The payload's last bytes may look like the head of a subsection: what follows shows.
            data = bytes(self.data) + footer(section.id)
            return codec.qemu.decode_from(data, **params)[0]


def located(fault: CodecError, section: Section | Pages, head: int = 0) -> CodecError:
    """The error, with the section that it is about; `head` bytes stood before its payload."""
    if isinstance(fault, DecodeError):
        fault.section, fault.instance = section.name, section.instance
        fault.base = section.payload - head
        if isinstance(section, Section):
            fault.base += section.taken
    elif isinstance(fault, ParamError):
        instance = f"section '{section.name}' instance {section.instance}"
        way = f"give it with --param '{section.name}:{fault.name}=VALUE' or a --machine file"
        wanted = f" for {fault.field}" if fault.path else ""
        return ParamError(f"{instance}: {fault.message}{wanted}; {way}", name=fault.name)
    return fault


def payload(entry: Entry) -> Buffer:
    """The section's bytes as QEMU has them."""
    if not entry.framed:
        return entry.data
    assert entry.codec is not None and isinstance(entry.event, Section)
    return entry.codec.qemu.encode(entry.value(), version=entry.event.version, **entry.params)
