"""The first migration, passed through and read along -> what checkpoints are held against.

Laws. No byte is passed on that was not read, as part of a section or of what stands between them;
so none of a checkpoint is taken for one of the first migration. What is not a migration into COLO,
cannot be read, or goes on after its end, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vmsc.guard.colo.refusal import Refusal, refused
from vmsc.inspect.binder import SectionBinder, ram_form, section_key
from vmsc.inspect.parameters import StreamParameters
from vmsc.inspect.pipe_reader import HOLD, Arrivals, entry_of, payload_in
from vmsc.params.machine_file import MachineError
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import CodecError
from vmsc.runtime.framed.context import Started
from vmsc.stream.events import (
    ENABLE_COLO,
    RAM,
    Command,
    Configuration,
    Message,
    Section,
    SectionKind,
)
from vmsc.stream.events import Mark as StreamMark
from vmsc.stream.ram import BlockList, Flag, RamFormat, read_item
from vmsc.stream.reader import Piece, StreamReader
from vmsc.stream.state import Phase, State

__all__ = ["ROOM", "Baseline", "Device", "FirstMigration"]

# Bytes of RAM that are looked at together: what waits to be looked at is in memory twice.
ROOM = 1 << 17
_BETWEEN = (Phase.TAIL, Phase.MESSAGES)  # where a first migration may end

Device = tuple[int, str, int, int]
"""A device's section: id, name, instance, version."""


@dataclass(frozen=True)
class Baseline:
    """What the first migration taught.

    `devices` are its FULL sections in order, `started` what may have live sections, `blocks` the
    lengths of RAM's blocks in bytes, `block` the one that the last page lay in. `binding` has the
    codecs and parameters of all of them by section id; in `state`, a reader goes on.
    """

    binding: SectionBinder
    state: State
    started: Mapping[int, Started]
    devices: tuple[Device, ...]
    blocks: Mapping[str, int]
    form: RamFormat
    block: str | None

    def fresh_binding(self) -> SectionBinder:
        """The binding, to be used without a trace on this one."""
        own = self.binding
        return replace(
            own,
            codecs={key: (codec, dict(params)) for key, (codec, params) in own.codecs.items()},
            occurrences=own.occurrences.copy(),
            sticky={key: dict(kept) for key, kept in own.sticky.items()},
            names=set(own.names),
            earlier=own.earlier.copy(),
            passed=dict(own.passed),
        )


class FirstMigration:
    """The primary's bytes up to its first checkpoint."""

    def __init__(self, answers: StreamParameters, hold: int = HOLD) -> None:
        self._arrivals = Arrivals(answers, hold=hold, room=ROOM)
        self._devices: list[Device] = []
        self._blocks: dict[str, int] = {}
        self._colo = False
        self._fed = 0

    @property
    def whole(self) -> bool:
        """Whether it has come to its end, as far as that can be told."""
        reader = self._arrivals.reader
        return reader.state.phase in _BETWEEN and not reader.held

    def feed(self, data: Buffer) -> Iterator[Buffer]:
        """What may be passed on now, in order. Raises Refusal."""
        self._fed += len(data)
        yield from self._read(self._arrivals.feed(data))
        if self._over:
            reader = self._arrivals.reader
            raise Refusal(
                "out-of-turn",
                f"nothing expected from the primary before checkpoint-ready, found {reader.held}"
                " bytes after the first migration",
            )

    def settle(self) -> Iterator[Buffer]:
        """What may be passed on if no JSON description comes any more. Raises Refusal."""
        yield from self._read(self._arrivals.settle())

    def _read(self, pieces: Iterator[Piece]) -> Iterator[Buffer]:
        try:
            for piece in pieces:
                self._learn(piece)
                yield piece.data
        except CodecError as fault:
            raise refused(fault) from None
        except MachineError as fault:  # a value that was given, and its parameter cannot have
            raise Refusal("param", str(fault)) from None

    @property
    def _over(self) -> bool:
        """Whether there are bytes that are no more of it."""
        reader = self._arrivals.reader
        if not reader.held or reader.state.phase is not Phase.TAIL:
            return reader.held > 0 and reader.state.phase is Phase.MESSAGES
        return reader.waiting[0] != StreamMark.DESCRIPTION

    def ready(self) -> Baseline:
        """The secondary has loaded it. Raises Refusal if it was not seen to its end."""
        for _ in self.settle():
            pass
        reader = self._arrivals.reader
        if not self.whole:
            raise Refusal(
                "unread",
                f"the secondary is ready, but the first migration was read to byte"
                f" {self._fed - reader.held} only: its schemas or parameters may be wrong",
            )
        return self._baseline(reader)

    def _baseline(self, reader: StreamReader) -> Baseline:
        left = reader.waiting
        assert not left
        binding, state = self._arrivals.binding, reader.state
        started = state.started
        ram = next((s for s in started.values() if s.name == RAM), None)
        if ram is None or not self._blocks:
            raise Refusal("no-ram", "a first migration with RAM expected, found none")
        form = ram_form(binding.codecs[section_key(ram)][1])
        devices = tuple(self._devices)
        return Baseline(binding, state, started, devices, self._blocks, form, binding.block)

    def _learn(self, piece: Piece) -> None:
        event = piece.event
        match event:
            case Configuration():  # the binding learns page size, target and capabilities
                entry_of(piece, self._arrivals.binding, deep=False)
            case Command(number=number) if number == ENABLE_COLO:
                self._colo = True
            case Message():
                raise Refusal(
                    "out-of-turn",
                    "nothing expected from the primary before checkpoint-ready, found"
                    f" {event.name}",
                )
            case Section():
                self._section(event, piece)
        binding = self._arrivals.binding
        if binding.encodings & Flag.XBZRLE:
            raise Refusal(
                "xbzrle",
                "RAM comes in XBZRLE deltas, which hang on the checkpoint before: turn the"
                " capability 'xbzrle' off on the primary",
            )

    def _section(self, event: Section, piece: Piece) -> None:
        if not self._colo:
            raise Refusal(
                "no-colo",
                f"enable-colo expected before section '{event.name}': turn the capability"
                " 'x-colo' on, on the primary",
            )
        if event.name == RAM and event.kind is SectionKind.FULL:
            raise Refusal(
                "bad-kind", f"at byte {event.offset}: RAM in live sections expected, found a full"
                " section of it"
            )  # fmt: skip
        entry = entry_of(piece, self._arrivals.binding, deep=event.name != RAM)
        if entry.codec is None:
            raise Refusal(
                "unknown-section",
                f"no description for section '{event.name}' version {event.version}: give its"
                " schema with -s DIR or a plugin with -p FILE",
            )
        if event.kind is SectionKind.FULL:
            self._devices.append((event.id, event.name, event.instance, event.version))
            entry.value()
        elif event.name == RAM and event.kind is SectionKind.START:
            form = ram_form(entry.params)
            item, _ = read_item(payload_in(piece), 0, form)
            if isinstance(item, BlockList):
                self._blocks.update((block.name, block.length) for block in item.blocks)
