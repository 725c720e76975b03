"""The document: a stream as JSON, and back. One part for each event; docs/decode.schema.json
describes it.

Law: what is not edited comes back as the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmsc.compiler.library import Library
from vmsc.inspect.entry import Entry, Occurrences, ParameterSource, payload
from vmsc.inspect.json_values import from_json, to_json
from vmsc.inspect.values import last_sticky
from vmsc.runtime.codec import Buffer, Codec
from vmsc.runtime.errors import CodecError, EncodeError
from vmsc.stream.events import (
    MESSAGES,
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
from vmsc.stream.targets import target_of

__all__ = ["FORMAT", "SideFile", "from_part", "to_part"]

FORMAT = 1

_KINDS = {kind.name.lower(): kind for kind in SectionKind}


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

    def placed(self) -> dict[str, int]:
        """The place of what was put since the last time."""
        assert self.begun is not None
        place = {"offset": self.begun, "length": self.size - self.begun}
        self.begun = None
        return place


# --- entries -> JSON ------------------------------------------------------------------------------


def to_part(entry: Entry, room: SideFile) -> dict[str, Any] | None:
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
            return {"part": "header", "version": version}
        case Configuration(body=body):
            return {"part": "configuration", **_body(entry.codec, body)}
        case Command(number=number, name=name, data=data):
            part = {"part": "command", "command": number, "name": name, "data": data.hex()}
            return part | _inside(event)
        case Message(number=number, name=name, value=value):
            size = {} if value is None else {"value": str(value)}
            return {"part": "message", "message": number, "name": name, **size}
        case Eof():
            return {"part": "eof", **_inside(event)}
        case Description(json=json):
            return {"part": "description", **_text(json)}
        case Trailing(data=data):
            return {"part": "trailing", "bytes": data.hex()}
        case Gap(data=data, reason=reason):
            return {"part": "gap", "bytes": data.hex(), "reason": reason}


def _inside(event: Section | Command | Eof) -> dict[str, bool]:
    return {"inside": True} if event.inside else {}


def _text(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"bytes": data.hex()}


def _body(codec: Codec | None, body: bytes) -> dict[str, Any]:
    """The configuration, if the description of it writes these very bytes."""
    if codec is None:
        return {"bytes": body.hex()}
    value = codec.qemu.decode(body)
    return {"value": to_json(codec.type, value)}


def _section(entry: Entry, event: Section, room: SideFile) -> dict[str, Any]:
    part: dict[str, Any] = {"part": event.kind.name.lower(), "id": event.id, "name": event.name}
    part |= {"instance": event.instance, "version": event.version, "footer": event.footer}
    part |= _inside(event)
    if event.name == RAM and room.write is not None:
        room.put(payload(entry))
        part["ram"] = room.placed()
        return part
    if entry.codec is None:
        return part | {"bytes": bytes(entry.data).hex()}
    # What a part leaves to the next one is found again on the way back; not what came before all.
    carried = {p.name for p in entry.codec.params if p.sticky and not entry.inherited}
    params = {name: v for name, v in entry.params.items() if name not in carried}
    if params:
        part["params"] = {n: v.hex() if isinstance(v, bytes) else v for n, v in params.items()}
    part["value"] = to_json(entry.codec.type, entry.value())
    return part


# --- JSON -> events and payloads ------------------------------------------------------------------


@dataclass
class _Back:
    """What is carried from part to part on the way back: the target that the machine type tells,
    how often each name came, and sticky state by section id.
    """

    library: Library
    room: SideFile
    answers: ParameterSource | None
    machine: str = ""
    occurrences: Occurrences = field(default_factory=Occurrences)
    sticky: dict[int, dict[str, Any]] = field(default_factory=dict)

    def part(self, part: Any) -> tuple[Event, Buffer]:
        kind = _get(part, "part", str)
        if kind in _KINDS:
            return self._section(part, _KINDS[kind])
        inside = bool(part.get("inside", False))
        match kind:
            case "header":
                return FileHeader(0, _get(part, "version", int)), b""
            case "configuration":
                return Configuration(0, self._configuration(part)), b""
            case "command":
                return Command(0, _get(part, "command", int), _hex(part, "data"), inside), b""
            case "message":
                number = _get(part, "message", int)
                if not 0 <= number < len(MESSAGES):
                    raise _refuse(f"message {number} is none of 0 to {len(MESSAGES) - 1}")
                value = int(part["value"]) if "value" in part else None
                return Message(0, number, value), b""
            case "eof":
                return Eof(0, inside), b""
            case "description":
                text = _get(part, "text", str).encode() if "text" in part else _hex(part, "bytes")
                return Description(0, text), b""
            case "trailing":
                return Trailing(0, _hex(part, "bytes")), b""
            case "gap":
                return Gap(0, _hex(part, "bytes"), ""), b""
            case _:
                raise _refuse(f"unknown part '{kind}'")

    def _configuration(self, part: Any) -> bytes:
        if "bytes" in part:
            return _hex(part, "bytes")
        codec = self.library.vmsd("configuration")
        if codec is None:
            raise _refuse("no description of the configuration is known")
        value = from_json(codec.type, part.get("value"))
        self.machine = value.name.decode(errors="replace")
        return codec.qemu.encode(value)

    def _section(self, part: Any, kind: SectionKind) -> tuple[Event, Buffer]:
        name, instance = _get(part, "name", str), _get(part, "instance", int)
        version, id_ = _get(part, "version", int), _get(part, "id", int)
        footer, inside = bool(_get(part, "footer", bool)), bool(part.get("inside", False))
        event = Section(0, kind, id_, name, instance, version, 0, 0, footer, inside)
        return event, self._payload(part, event)

    def _payload(self, part: Any, event: Section) -> Buffer:
        if "bytes" in part:
            return _hex(part, "bytes")
        target = (self.answers.target if self.answers else "") or target_of(self.machine)
        codec = self.library.device(event.name, event.instance, event.version, target)
        given = {} if codec is None else self._given(event, codec)
        if "ram" in part:
            if self.room.read is None:
                raise _refuse("its bytes lie in a side file; give it with --ram-from FILE")
            return self.room.read(
                _get(part["ram"], "offset", int), _get(part["ram"], "length", int)
            )
        if codec is None:
            message = "no description; give its schema with -s DIR or a plugin with -p FILE"
            raise _refuse(message)
        if "value" not in part:
            raise _refuse("neither 'value' nor 'bytes' nor 'ram'")
        value = from_json(codec.type, part["value"])
        said = part.get("params", {})
        known = {p.name: p for p in codec.params}
        for name in (*said, *given):
            if name not in known:
                raise _refuse(f"'{event.name}' has no parameter '{name}'")
        params = {n: _hex(said, n) if known[n].kind == "bytes" else v for n, v in said.items()}
        params |= given
        params |= self.sticky.get(event.id, {})
        data = codec.qemu.encode(value, version=event.version, **params)
        for param in codec.params:
            if param.sticky and (last := last_sticky(value, param.name)) is not None:
                self.sticky.setdefault(event.id, {})[param.name] = last
        return data

    def _given(self, event: Section, codec: Codec) -> Mapping[str, Any]:
        """The parameters that are given beside the document."""
        if self.answers is None:
            return {}
        wanted = [p for p in codec.params if not p.sticky]
        at = self.occurrences.of(event.name, event.instance, event.id)
        return self.answers.params_for(event.name, event.instance, at, wanted)


def _refuse(message: str) -> EncodeError:
    return EncodeError(message, code="json")


def _get(part: Any, name: str, kind: type) -> Any:
    if not isinstance(part, dict):
        raise _refuse("a part is an object")
    value = part.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        word = {int: "a number", str: "a string", bool: "true or false"}[kind]
        raise _refuse(f"'{name}' is {value!r}, expected {word}")
    return value


def _hex(part: Any, name: str) -> bytes:
    try:
        return bytes.fromhex(_get(part, name, str))
    except ValueError:
        raise _refuse(f"'{name}' is not hex") from None


def from_part(
    document: Mapping[str, Any],
    library: Library,
    room: SideFile,
    answers: ParameterSource | None = None,
) -> Iterator[tuple[Event, Buffer]]:
    """The events and payloads of a document. Parameters and target of `answers` count before the
    document's own. Raises EncodeError that names the part and the field.
    """
    if document.get("vmsc-stream") != FORMAT or not isinstance(document.get("parts"), list):
        raise _refuse(f'no document of `vmsc decode` ("vmsc-stream": {FORMAT} and "parts")')
    for word, why in (
        ("incomplete", "it was cut short by an error"),
        ("partial", "made with --section"),
    ):
        if word in document:
            raise _refuse(f"the document is {word} ({why}): the stream cannot be made of it")
    back = _Back(library, room, answers)
    for index, part in enumerate(document["parts"]):
        try:
            yield back.part(part)
        except CodecError as fault:
            name = part.get("name") if isinstance(part, dict) else None
            where = f"parts[{index}]" + (f" (section '{name}')" if name else "")
            field_ = f" {fault.field}" if fault.path else ""
            message = f"{where}{field_}: {fault.message}"
            raise EncodeError(message, code=fault.code) from None
