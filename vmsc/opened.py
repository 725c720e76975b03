"""An opened stream: its events, with the codec and parameters of each section, and its values.

bytes -> entries -> values, and values -> bytes. Knows QEMU's streams and framed checkpoints
alike; the commands that read are short because of it. Pure: nothing is printed or written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from vmsc.library import Library
from vmsc.runtime.checkpoint import decode_checkpoint
from vmsc.runtime.codec import Buffer, Codec, Param
from vmsc.runtime.errors import CodecError, DecodeError, ParamError, Truncated
from vmsc.runtime.frame import MAGIC, Frame, Kind, frame_head, read_header
from vmsc.runtime.wire import STRUCT, item_header
from vmsc.stream.configuration import read_configuration
from vmsc.stream.container import event_of
from vmsc.stream.events import Configuration, Event, Section
from vmsc.stream.lookup import unknown_section
from vmsc.stream.ram import ram_format, ram_measure
from vmsc.stream.reader import read_stream
from vmsc.stream.state import Measure, SectionHeader

__all__ = [
    "ITEM_HEAD", "Answers", "Entry", "Value", "count_fields", "entries", "is_framed",
    "last_sticky", "located", "stream_measure",
    "payload",
]  # fmt: skip

Value = Any  # an object of a generated class
STREAM_MAGIC = b"QEVM"
ITEM_HEAD = 5  # a codec's framed encoding is one STRUCT item; a frame has a length of its own


class Answers(Protocol):
    """Where parameters come from: the command line, a machine file, a stream's own description."""

    def params_for(
        self, name: str, instance: int, occurrence: int, wanted: Sequence[Param]
    ) -> Mapping[str, int | str | bytes]: ...

    def recorded_size(self, name: str, instance: int, occurrence: int) -> int | None: ...


@dataclass(frozen=True)
class Entry:
    """One event. A section has its payload (`data`: QEMU's bytes, or framed ones where
    `framed`), its codec (None where no description covers it) and the parameters that go with
    it.
    """

    event: Event
    data: Buffer = b""
    codec: Codec | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    framed: bool = False

    def value(self) -> Value:
        """The section's value. Raises DecodeError, located in the file, or ParamError."""
        assert self.codec is not None and isinstance(self.event, Section)
        try:
            return self._decoded(self.codec, self.event)
        except CodecError as fault:
            head = ITEM_HEAD if self.framed else 0
            raise located(fault, self.event, head) from None

    def _decoded(self, codec: Codec, section: Section) -> Value:
        params = {"version": section.version, **self.params}
        if self.framed:
            return codec.framed.decode(self.data, **params)
        try:
            return codec.qemu.decode(self.data, **params)
        except Truncated:
            if not section.footer:
                raise
            # The payload's last bytes may look like the head of a subsection: what follows shows.
            data = bytes(self.data) + b"\x7e" + section.id.to_bytes(4)
            return codec.qemu.decode_from(data, **params)[0]


def located(fault: CodecError, section: Section, head: int = 0) -> CodecError:
    """The error, with the section that it is about; `head` bytes stood before its payload."""
    if isinstance(fault, DecodeError):
        fault.section, fault.instance = section.name, section.instance
        fault.base = section.payload - head
    elif isinstance(fault, ParamError):
        instance = f"section '{section.name}' instance {section.instance}"
        way = f"give it with --param '{section.name}:{fault.name}=VALUE' or a --machine file"
        wanted = f" for {fault.field}" if fault.path else ""
        return ParamError(f"{instance}: {fault.message}{wanted}; {way}", name=fault.name)
    return fault


def is_framed(data: Buffer) -> bool:
    return bytes(data[: len(MAGIC)]) == MAGIC


def count_fields(value: Value) -> int:
    """How many fields a value has, those of nested descriptions counted one by one."""
    if isinstance(value, msgspec.Struct):
        names = type(value).__struct_fields__
        return sum(count_fields(getattr(value, n)) for n in names if getattr(value, n) is not None)
    if isinstance(value, list) and value and isinstance(value[0], msgspec.Struct | list | tuple):
        return sum(map(count_fields, value))
    return 1


# --- QEMU's streams -------------------------------------------------------------------------------


@dataclass
class _Walk:
    """What is known on the way through a stream: how often each name came, and sticky state by
    section id.
    """

    library: Library
    answers: Answers
    codecs: dict[int, tuple[Codec | None, dict[str, Any]]] = field(default_factory=dict)
    occurrences: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    sticky: dict[int, dict[str, Any]] = field(default_factory=dict)
    shared: bool = False
    page_size: int = 4096  # QEMU says another one in the configuration

    def occurrence(self, name: str, instance: int, id_: int) -> int:
        """Which of the sections of this name and instance it is; parts count with their start."""
        ids = self.occurrences.setdefault((name, instance), [])
        if id_ not in ids:
            ids.append(id_)
        return ids.index(id_)

    def binding(
        self, name: str, instance: int, version: int, id_: int
    ) -> tuple[Codec | None, dict[str, Any]]:
        """The codec and parameters of a section, found once for each id."""
        if id_ not in self.codecs:
            codec = self.library.device(name, instance, version)
            params: dict[str, Any] = {}
            if codec is not None:
                wanted = [p for p in codec.params if not p.sticky]
                at = self.occurrence(name, instance, id_)
                params.update(self.answers.params_for(name, instance, at, wanted))
                if any(p.name == "page_size" for p in wanted):
                    params.setdefault("page_size", self.page_size)
                if self.shared and any(p.name == "ignore_shared" for p in wanted):
                    params.setdefault("ignore_shared", 1)
            self.codecs[id_] = codec, params
        return self.codecs[id_]

    def measure(self, header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        name, instance = header.name, header.instance
        codec, params = self.binding(name, instance, header.version, header.id)
        if codec is None:
            at = self.occurrence(name, instance, header.id)
            size = self.answers.recorded_size(name, instance, at)
            if size is None:
                raise unknown_section(header, pos)
            if pos + size > len(buf):
                raise Truncated(pos + size - len(buf), offset=len(buf))
            return pos + size
        if name == "ram":
            return self._ram(params)(header, buf, pos, final)
        try:
            return codec.qemu.scan(buf, pos, version=header.version, final=final, **params)
        except ParamError as fault:
            section = Section(header.offset, header.kind, header.id, name, instance,
                              header.version, header.payload, 0, False)  # fmt: skip
            raise located(fault, section) from None
        except DecodeError as fault:
            if final and not fault.path:  # a scan passes over fields without knowing their names
                codec.qemu.decode_from(buf, pos, version=header.version, **params)
            raise

    def _ram(self, params: Mapping[str, Any]) -> Measure:
        """RAM has a reader of its own, which steps over pages without looking at them."""
        machine = msgspec.structs.replace(
            read_configuration(b"\0\0\0\0")[0],
            capabilities=("x-ignore-shared",) if params.get("ignore_shared") else (),
        )
        return ram_measure(ram_format(machine, int(params.get("page_size", 4096))))

    def params(self, event: Section) -> tuple[Codec | None, dict[str, Any]]:
        codec, params = self.binding(event.name, event.instance, event.version, event.id)
        return codec, {**params, **self.sticky.get(event.id, {})}

    def remember(self, event: Section, codec: Codec, value: Value) -> None:
        """Keep the sticky state that a section leaves to the next part of its kind."""
        self.sticky.setdefault(event.id, {}).update(_stickies(codec, value))


def last_sticky(value: Value, name: str) -> Any:
    """The last value that a sticky field had."""
    if isinstance(value, msgspec.Struct):
        own = getattr(value, name, None)
        if own is not None:
            return own
        parts = (getattr(value, f) for f in reversed(type(value).__struct_fields__))
        return next((v for p in parts if (v := last_sticky(p, name)) is not None), None)
    if isinstance(value, list) and value and isinstance(value[-1], msgspec.Struct):
        return next((v for p in reversed(value) if (v := last_sticky(p, name)) is not None), None)
    return None


def _stream_entries(
    data: Buffer, library: Library, answers: Answers, deep: bool
) -> Iterator[Entry]:
    walk = _Walk(library, answers)
    for event in read_stream(data, walk.measure):
        match event:
            case Configuration():
                machine = read_configuration(event.body)[0]
                walk.shared = "x-ignore-shared" in machine.capabilities
                walk.page_size = 1 << (machine.page_bits or 12)
                yield Entry(event, event.body, library.vmsd("configuration"))
            case Section():
                codec, params = walk.params(event)
                part = memoryview(data)[event.payload : event.payload + event.length]
                entry = Entry(event, part, codec, params)
                if deep and codec is not None and any(p.sticky for p in codec.params):
                    walk.remember(event, codec, entry.value())
                yield entry
            case _:
                yield Entry(event)


def stream_measure(library: Library, answers: Answers) -> Measure:
    """A measure for one stream's sections, for a reader of `stream` that is fed piece by piece."""
    return _Walk(library, answers).measure


# --- framed checkpoints ---------------------------------------------------------------------------


def _frame_entries(data: Buffer, library: Library) -> Iterator[Entry]:
    checkpoint = decode_checkpoint(data)
    settings: dict[tuple[str, int | None], dict[str, Any]] = {}
    for setting in checkpoint.context.settings:
        named = settings.setdefault((setting.section, setting.instance), {})
        named[setting.name] = setting.value
    sticky: dict[int, dict[str, Any]] = {}
    for frame, offset in _placed(checkpoint.frames, data):
        event = _moved(event_of(frame), offset, frame)
        if not isinstance(event, Section):
            body = library.vmsd("configuration") if frame.kind == Kind.CONFIGURATION else None
            yield Entry(event, frame.payload, body)
            continue
        if frame.kind != Kind.SECTION:
            yield Entry(event, frame.payload)
            continue
        codec = _framed_codec(frame, library)
        params = dict(settings.get((frame.name, None), {}))
        params |= settings.get((frame.name, frame.instance), {})
        entry = Entry(event, _item(frame), codec, params | sticky.get(frame.id, {}), framed=True)
        if any(p.sticky for p in codec.params):
            sticky.setdefault(frame.id, {}).update(_stickies(codec, entry.value()))
        yield entry


def _placed(frames: Sequence[Frame], data: Buffer) -> Iterator[tuple[Frame, int]]:
    """The frames with their offsets in the file, those between that are passed over left out."""
    pos, rest = 0, iter(frames)
    frame = next(rest, None)
    while frame is not None:
        header, start = read_header(data, pos)
        if header.frame.kind == frame.kind:
            yield frame, pos
            frame = next(rest, None)
        pos = start + header.length


def _moved(event: Event, offset: int, frame: Frame) -> Event:
    """The event with the places that its frame has in the file."""
    if isinstance(event, Section):
        start = offset + len(frame_head(frame))
        places = {"offset": offset, "payload": start, "length": len(frame.payload)}
        return msgspec.structs.replace(event, **places)
    return msgspec.structs.replace(event, offset=offset)


def _stickies(codec: Codec, value: Value) -> dict[str, Any]:
    """What a value leaves behind for the next part of its section."""
    names = [p.name for p in codec.params if p.sticky]
    return {name: last for name in names if (last := last_sticky(value, name)) is not None}


def _item(frame: Frame) -> bytes:
    """A frame's payload as the STRUCT item that a codec reads: a frame has the length itself."""
    return item_header(STRUCT, len(frame.payload)) + frame.payload


def _framed_codec(frame: Frame, library: Library) -> Codec:
    """The codec that a frame was made with: of the same layout, or none."""
    codec = library.device(frame.name, frame.instance, frame.version)
    where = f"section '{frame.name}' instance {frame.instance}"
    if codec is None:
        message = f"{where}: no description; give its schema with -s DIR or a plugin with -p FILE"
        raise DecodeError(message, offset=0, code="unknown-section")
    if codec.digest != frame.digest:
        message = (
            f"{where}: framed with layout {frame.digest.hex()}, the schemas here have"
            f" {codec.digest.hex()}: give the schemas that it was framed with (-s DIR)"
        )
        raise DecodeError(message, offset=0, code="layout")
    return codec


def payload(entry: Entry) -> Buffer:
    """The section's bytes as QEMU has them."""
    if not entry.framed:
        return entry.data
    assert entry.codec is not None and isinstance(entry.event, Section)
    return entry.codec.qemu.encode(entry.value(), version=entry.event.version, **entry.params)


def entries(
    data: Buffer, library: Library, answers: Answers, *, deep: bool = True
) -> Iterator[Entry]:
    """The entries of a stream or of a framed checkpoint, in order.

    `deep`: values will be asked for, so sticky state is followed from section to section.
    Raises DecodeError and ParamError, located in the file.
    """
    if is_framed(data):
        return _frame_entries(data, library)
    start = bytes(data[: len(STREAM_MAGIC)])
    if start != STREAM_MAGIC[: len(start)]:
        message = (
            f"neither a QEMU stream (QEVM) nor a framed checkpoint (VMSF): it begins {start!r}"
        )
        raise DecodeError(message, offset=0, code="bad-magic")
    return _stream_entries(data, library, answers, deep)
