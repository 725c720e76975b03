"""The primary's bytes, checkpoint after checkpoint -> events, and whole proven checkpoints.

Laws. A checkpoint is handed out when its last byte is here and everything in it is proven, or not
at all. Its size has a limit that is compared before bytes are waited for. Cutting the input makes
no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from vmsc.guard.colo.checkpoint import Checkpoint, Taken
from vmsc.guard.colo.first_migration import Baseline, Device
from vmsc.guard.colo.protocol import ColoEvent, ColoMark, heard
from vmsc.guard.colo.ram_proof import named_first, prove_pages
from vmsc.guard.colo.refusal import Refusal, refused
from vmsc.inspect.pipe_reader import entry_of, payload_in
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import CodecError
from vmsc.stream.events import RAM, Eof, Message, Pages, Section, SectionKind
from vmsc.stream.reader import Piece, StreamReader
from vmsc.stream.state import Phase, SectionHeader

__all__ = ["ColoCheckpointReader"]


@dataclass
class _Making:
    """A checkpoint that is not whole. `begun` and `ended` are its live sections, by id."""

    epoch: int
    block: str | None  # that the last page lay in
    live: list[Taken] = field(default_factory=list)
    devices: list[Taken] = field(default_factory=list)
    begun: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    size: int = 0
    device_size: int = 0
    announced: int | None = None  # the device state's size, as the primary says it

    @property
    def least(self) -> int:
        """The bytes that it has at least: those that are here, or that are said to come."""
        return self.size - self.device_size + max(self.device_size, self.announced or 0)


class ColoCheckpointReader:
    """Reads on where the first migration ended. `limit`: the bytes of one checkpoint.

    `checkpoint` is the last whole one.
    """

    def __init__(self, baseline: Baseline, limit: int) -> None:
        self.checkpoint: Checkpoint | None = None
        self._baseline = baseline
        self._binding = baseline.fresh_binding()
        self._reader = StreamReader(self._measure, baseline.state)
        self._limit = limit
        self._making = _Making(0, baseline.block)

    @property
    def size(self) -> int:
        """Bytes that are here of what is not whole yet."""
        return self._making.size + self._reader.held

    def feed(self, data: Buffer) -> Iterator[ColoEvent]:
        """The protocol's events in these bytes, each to be answered before the next is asked for.

        At `Mark.DEVICES_ENDED`, `checkpoint` is a new one. Raises Refusal.
        """
        try:
            for piece in self._reader.feed(data):
                event = self._take(piece)
                if event is not None:
                    yield event
                self._within_limit(self._making.least)
        except CodecError as fault:
            raise refused(fault) from None
        # Only now is what is held a part of what must come next: before, it may be anything.
        reader = self._reader
        if reader.held and reader.state.phase is Phase.LIVE:
            self._within_limit(self._making.least + reader.held + reader.need)

    def _within_limit(self, size: int) -> None:
        """Compare what is here, and what must come in any case, with the limit."""
        making = self._making
        if size > self._limit:
            raise Refusal(
                "max-checkpoint",
                f"checkpoint {making.epoch} has {size} bytes or more, and the limit is"
                f" {self._limit} (--max-checkpoint)",
            )

    def _measure(self, header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        """The payload's end. A section that has no place here is refused by its header: its
        payload is not waited for, nor measured as what it is not.
        """
        inside, wanted = self._reader.state.inside, "the end of a live section"
        if inside:
            numbers = (header.id, header.name, header.instance, header.version)
            self._expect(header.offset, numbers)
            wanted = "a full section"
        elif header.kind is SectionKind.END and header.id in self._making.ended:
            raise _refuse("doubled", header.offset, f"section '{header.name}' a second time")
        if header.kind is not (SectionKind.FULL if inside else SectionKind.END):
            found = f"{wanted} expected, found a {header.kind.name.lower()} of '{header.name}'"
            raise _refuse("bad-kind", header.offset, found)
        return self._binding.measure(header, buf, pos, final)

    def _take(self, piece: Piece) -> ColoEvent | None:
        event = piece.event
        match event:
            case Message(name="vmstate-send"):
                self._making = _Making(self._making.epoch + 1, self._making.block)
                return heard(event.name)
            case Message():
                self._making.announced = event.value
                return heard(event.name)
            case Section(inside=False) | Pages(inside=False):
                self._live(event, piece)
            case Section():
                self._device_piece(self._decoded(piece))
            case Eof(inside=False):
                self._live_ended(piece)
                return ColoMark.LIVE_ENDED
            case Eof():
                self._devices_ended(piece)
                return ColoMark.DEVICES_ENDED
            case _:
                what = type(event).__name__.lower()
                raise _refuse("no-section", event.offset, f"a section expected, found a {what}")
        return None

    def _live(self, event: Section | Pages, piece: Piece) -> None:
        making = self._making
        if event.name == RAM:
            taken = Taken(self._ram(event, piece))
        else:
            taken = self._decoded(piece)
        making.begun.add(event.id)
        if isinstance(event, Section):
            making.ended.add(event.id)
        making.live.append(taken)
        making.size += len(taken.piece.data)

    def _ram(self, event: Section | Pages, piece: Piece) -> Piece:
        """Prove a piece of RAM. The first page of all names its block in what is kept."""
        making, baseline = self._making, self._baseline
        payload = payload_in(piece)
        first = event.id not in making.begun
        before = event.payload - event.offset if first else 0
        start = event.start if isinstance(event, Section) else event.offset
        block = making.block
        making.block = prove_pages(payload, baseline.form, baseline.blocks, block, start + before)
        if not first:
            return piece
        named = named_first(payload, baseline.form, block)
        if named is None:
            return piece
        view = memoryview(piece.data)
        data = b"".join((view[:before], named, view[before + len(payload) :]))
        length = event.length + len(named) - len(payload)
        return Piece(msgspec.structs.replace(event, length=length), data)

    def _decoded(self, piece: Piece) -> Taken:
        entry = entry_of(piece, self._binding, deep=True)
        entry.value()
        return Taken(piece, entry)

    def _live_ended(self, piece: Piece) -> None:
        making = self._making
        ids = (s.id for s in self._baseline.started.values() if s.name == RAM)
        if not making.ended.issuperset(ids):
            raise _refuse("missing", piece.event.offset, "section 'ram' expected, found the end")
        making.live.append(Taken(piece))
        making.size += len(piece.data)

    def _devices_ended(self, piece: Piece) -> None:
        self._expect(piece.event.offset, None)
        self._device_piece(Taken(piece))
        making = self._making
        self.checkpoint = Checkpoint(making.epoch, tuple(making.live), tuple(making.devices))
        self._making = _Making(making.epoch, making.block)

    def _device_piece(self, taken: Taken) -> None:
        making, size = self._making, len(taken.piece.data)
        making.devices.append(taken)
        making.size += size
        making.device_size += size

    def _expect(self, offset: int, found: Device | None) -> None:
        """Hold a device, or the end, against its place in the first migration."""
        devices, at = self._baseline.devices, len(self._making.devices)
        expected = devices[at] if at < len(devices) else None
        if found != expected:
            raise _refuse(
                "other-devices",
                offset,
                f"{_words(expected)} expected, as in the first migration, found {_words(found)}",
            )


def _words(device: Device | None) -> str:
    if device is None:
        return "the end of the device state"
    id_, name, instance, version = device
    return f"section '{name}' instance {instance} version {version} (id {id_})"


def _refuse(code: str, offset: int, message: str) -> Refusal:
    return Refusal(code, f"at byte {offset}: {message}")
