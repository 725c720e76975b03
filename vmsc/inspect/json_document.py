"""The document: a stream as JSON, and back. One part for each event (`json_parts`).

Laws. What is not edited comes back as the same bytes. What comes of a document, vmsc reads: one of
which it would read something else is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from vmsc.compiler.library import Library
from vmsc.inspect.entry import Entry, Occurrences, ParameterSource, payload
from vmsc.inspect.json_parts import (
    SECTIONS,
    AnySection,
    CommandPart,
    ConfigurationPart,
    DescriptionPart,
    EndPart,
    EofPart,
    FullPart,
    GapPart,
    HeaderPart,
    MessagePart,
    Part,
    PartPart,
    Place,
    SectionPart,
    StartPart,
    TrailingPart,
    read_document,
    read_part,
)
from vmsc.inspect.json_values import from_json, to_json
from vmsc.inspect.values import last_sticky
from vmsc.json_input import JsonError
from vmsc.runtime.codec import Buffer, Codec
from vmsc.runtime.errors import CodecError, EncodeError
from vmsc.stream.events import (
    RAM,
    Command,
    Configuration,
    Description,
    Eof,
    Event,
    FileHeader,
    Gap,
    Message,
    Pages,
    Section,
    SectionKind,
    Trailing,
)
from vmsc.stream.primitives import decode_name, encode_name
from vmsc.stream.read_back import unreadable
from vmsc.stream.targets import target_of

__all__ = ["SideFile", "from_document", "to_part"]


@dataclass
class SideFile:
    """The side file: where RAM's bytes go to, or come from. `begun`: where those of a section
    begin that comes in pieces.
    """

    write: Callable[[Buffer], int] | None = None
    read: Callable[[int, int], Buffer] | None = None
    size: int = 0
    begun: int | None = None

    def put(self, data: Buffer) -> None:
        assert self.write is not None
        if self.begun is None:
            self.begun = self.size
        self.size += self.write(data)

    def placed(self) -> Place:
        """The place of what was put since the last time."""
        assert self.begun is not None
        place = Place(self.begun, self.size - self.begun)
        self.begun = None
        return place


# --- entries -> JSON ------------------------------------------------------------------------------


def to_part(entry: Entry, room: SideFile) -> Part | None:
    """One entry as JSON. RAM goes to the side file where there is one; of pages nothing else is
    said before their section is whole.
    """
    event = entry.event
    match event:
        case Pages():
            room.put(memoryview(entry.data)[: event.length])
            return None
        case Section():
            return _section(entry, event, room)
        case FileHeader(version=version):
            return HeaderPart(version=version)
        case Configuration(body=body):
            return _configuration(entry.codec, body)
        case Command(number=number, name=name, data=data, inside=inside):
            return CommandPart(command=number, name=name, data=data.hex(), inside=inside)
        case Message(number=number, name=name, value=value):
            size = UNSET if value is None else str(value)
            return MessagePart(message=number, name=name, value=size)
        case Eof(inside=inside):
            return EofPart(inside=inside)
        case Description(json=json):
            try:
                return DescriptionPart(text=json.decode("utf-8"))
            except UnicodeDecodeError:
                return DescriptionPart(bytes=json.hex())
        case Trailing(data=data):
            return TrailingPart(bytes=data.hex())
        case Gap(data=data, reason=reason):
            return GapPart(bytes=data.hex(), reason=reason)


def _configuration(codec: Codec | None, body: bytes) -> ConfigurationPart:
    if codec is None:
        return ConfigurationPart(bytes=body.hex())
    return ConfigurationPart(value=to_json(codec.type, codec.qemu.decode(body)))


def _section(entry: Entry, event: Section, room: SideFile) -> AnySection:
    shown = event.name.encode("utf-8", "backslashreplace").decode()
    part = SECTIONS[event.kind.name.lower()](
        id=event.id,
        name=shown,
        name_bytes=UNSET if shown == event.name else encode_name(event.name).hex(),
        instance=event.instance,
        version=event.version,
        footer=event.footer,
        inside=event.inside,
    )
    if event.name == RAM and room.write is not None:
        room.put(payload(entry))
        return replace(part, ram=room.placed())
    if entry.codec is None:
        return replace(part, bytes=bytes(entry.data).hex())
    # What a part leaves to the next one is found again on the way back; not what came before all.
    carried = {p.name for p in entry.codec.params if p.sticky and not entry.inherited}
    params = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in entry.params.items()
        if name not in carried
    }
    value = to_json(entry.codec.type, entry.value())
    return replace(part, params=params or UNSET, value=value)


# --- JSON -> events and payloads ------------------------------------------------------------------


@dataclass
class _Back:
    """What is carried from part to part on the way back: the target that the machine type tells,
    how often each name came, and sticky state by section id and name.
    """

    library: Library
    room: SideFile
    answers: ParameterSource | None
    machine: str = ""
    occurrences: Occurrences = field(default_factory=Occurrences)
    sticky: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)

    def part(self, part: Part) -> tuple[Event, Buffer]:
        match part:
            case StartPart() | PartPart() | EndPart() | FullPart():
                return self._section(part)
            case HeaderPart(version=version):
                return FileHeader(0, version), b""
            case ConfigurationPart():
                return Configuration(0, self._configuration(part)), b""
            case CommandPart(command=number, data=data, inside=inside):
                return Command(0, number, _hex(data, "data"), inside), b""
            case MessagePart(message=number, value=value):
                return Message(0, number, None if value is UNSET else int(value)), b""
            case EofPart(inside=inside):
                return Eof(0, inside), b""
            case DescriptionPart(text=text, bytes=data):
                body = _hex(data, "bytes") if text is UNSET else text.encode()
                return Description(0, body), b""
            case TrailingPart(bytes=data):
                return Trailing(0, _hex(data, "bytes")), b""
            case GapPart(bytes=data):
                return Gap(0, _hex(data, "bytes"), ""), b""
            case _:
                assert_never(part)

    def _configuration(self, part: ConfigurationPart) -> bytes:
        if part.bytes is not UNSET:
            return _hex(part.bytes, "bytes")
        codec = self.library.vmsd("configuration")
        if codec is None:
            raise _refuse("no description of the configuration is known")
        value = from_json(codec.type, part.value)
        self.machine = value.name.decode(errors="replace")
        return codec.qemu.encode(value)

    def _section(self, part: AnySection) -> tuple[Event, Buffer]:
        name = part.name
        if part.name_bytes is not UNSET:
            name = decode_name(_hex(part.name_bytes, "name_bytes"))
        numbers = (name, part.instance, part.version, 0, 0, part.footer, part.inside)
        event = Section(0, _KINDS[type(part)], part.id, *numbers)
        return event, self._payload(part, event)

    def _payload(self, part: SectionPart, event: Section) -> Buffer:
        if part.bytes is not UNSET:
            return _hex(part.bytes, "bytes")
        target = (self.answers.target if self.answers else "") or target_of(self.machine)
        codec = self.library.device(event.name, event.instance, event.version, target)
        given = {} if codec is None else self._given(event, codec)
        if part.ram is not UNSET:
            if self.room.read is None:
                raise _refuse("its bytes lie in a side file; give it with --ram-from FILE")
            return self.room.read(part.ram.offset, part.ram.length)
        if codec is None:
            message = "no description; give its schema with -s DIR or a plugin with -p FILE"
            raise _refuse(message)
        value = from_json(codec.type, part.value)
        said = {} if part.params is UNSET else part.params
        known = {p.name: p for p in codec.params}
        for name in (*said, *given):
            if name not in known:
                raise _refuse(f"'{event.name}' has no parameter '{name}'")
        params: dict[str, Any] = {
            n: _hex(v, n) if known[n].kind == "bytes" else v for n, v in said.items()
        }
        params |= given
        params |= self.sticky.get((event.id, event.name), {})
        data = codec.qemu.encode(value, version=event.version, **params)
        for param in codec.params:
            if param.sticky and (last := last_sticky(value, param.name)) is not None:
                self.sticky.setdefault((event.id, event.name), {})[param.name] = last
        return data

    def _given(self, event: Section, codec: Codec) -> Mapping[str, Any]:
        """The parameters that are given beside the document."""
        if self.answers is None:
            return {}
        wanted = [p for p in codec.params if not p.sticky]
        at = self.occurrences.of(event.name, event.instance, event.id)
        return self.answers.params_for(event.name, event.instance, at, wanted)


_KINDS = {part: SectionKind[word.upper()] for word, part in SECTIONS.items()}


def _refuse(message: str) -> EncodeError:
    return EncodeError(message, code="json")


def _hex(text: object, name: str) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        raise _refuse(f"'{name}' is not hex digits, two for each byte") from None


def from_document(
    text: Buffer, library: Library, room: SideFile, answers: ParameterSource | None = None
) -> Iterator[tuple[Event, Buffer]]:
    """The events and payloads of a document. Parameters and target of `answers` count before the
    document's own. Raises EncodeError that names the part and the field: at the latest at the end,
    for what nobody could read.
    """
    try:
        document = read_document(text)
    except JsonError as fault:
        raise _refuse(str(fault)) from None
    for there, word, why in (
        (document.incomplete, "incomplete", "it was cut short by an error"),
        (document.partial, "partial", "made with --section"),
    ):
        if there:
            raise _refuse(f"the document is {word} ({why}): the stream cannot be made of it")
    back = _Back(library, room, answers)
    events: list[Event] = []
    for index, raw in enumerate(document.parts):
        try:
            event, data = back.part(read_part(raw))
        except JsonError as fault:
            raise _refuse(f"parts[{index}]{_named(raw)}: {fault}") from None
        except CodecError as fault:
            field_ = f" {fault.field}" if fault.path else ""
            message = f"parts[{index}]{_named(raw)}{field_}: {fault.message}"
            raise EncodeError(message, code=fault.code) from None
        events.append(event)
        yield event, data
    if found := unreadable(events):
        index, why = found
        where = f"parts[{index}]{_named(document.parts[index])}" if document.parts else "parts"
        raise EncodeError(f"{where}: {why}", code="unreadable")


class _Named(msgspec.Struct):
    name: str = ""


def _named(part: Buffer) -> str:
    """The section's name, as far as the part has one."""
    try:
        name = msgspec.json.decode(part, type=_Named).name
    except msgspec.DecodeError:
        return ""
    return f" (section '{name}')" if name else ""
