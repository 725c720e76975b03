"""One step through a QEMU stream: (buffer, position, state) -> (event, position, state).

The state is frozen, so a step that raises Truncated is done again when more bytes are there, and
cutting the input makes no difference to the result. A section's header does not say how long the
section is: the caller's `measure` finds its payload's end.

Laws. Input that ends within something raises `Truncated`, whose `need` more bytes can be used at
once; other bad input raises `DecodeError` with section, instance and offset (the file's, and the
payload's in brackets). Nothing is taken out of the buffer before its length is proven to be there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.runtime.framed.context import Started
from vmsc.stream.configuration import configuration_end
from vmsc.stream.events import (
    COMMANDS,
    ENABLE_COLO,
    MAGIC,
    MESSAGES,
    PACKAGED,
    VMSTATE_SEND,
    VMSTATE_SIZE,
    Command,
    Configuration,
    Description,
    Eof,
    Event,
    FileHeader,
    Mark,
    Message,
    Pages,
    Section,
    SectionKind,
    Trailing,
    footer,
)
from vmsc.stream.primitives import be16, be32, be64, refuse, string8, take, want
from vmsc.stream.state import Full, Measure, Phase, SectionHeader, State
from vmsc.stream.vmdesc_search import MAX_DESCRIPTION

__all__ = ["Step", "step"]

_VERSION = 3
_KINDS: dict[int, SectionKind] = {int(kind): kind for kind in SectionKind}
_MAX_STARTED = 1024
_MAY_END = frozenset({Phase.TAIL, Phase.MESSAGES, Phase.REST})


Step = tuple[Event, int, State]
Change = dict[str, object]


def step(
    buf: Buffer,
    pos: int,
    state: State,
    measure: Measure,
    *,
    final: bool = True,
    configuration: Callable[[Buffer, int, bool], int] = configuration_end,
) -> Step | None:
    """The event at `pos`, None at the stream's end. `final`: nothing comes after the buffer."""
    if state.bound == state.base + pos and state.phase is not Phase.DEVICES and not state.going:
        state = msgspec.structs.replace(state, bound=None)  # a package ends
    if pos == len(buf) and state.phase in _MAY_END:
        if final:
            return None
        raise Truncated(1, offset=state.base + pos)
    buf, final = _window(buf, state, final)
    try:
        event, end, change = _read(buf, pos, state, measure, final, configuration)
    except DecodeError as error:
        raise _located(error, buf, state) from None
    return event, end, msgspec.structs.replace(state, **change)


def _window(buf: Buffer, state: State, final: bool) -> tuple[Buffer, bool]:
    """What may be read: not past the end of a package, where there is nothing to wait for."""
    if state.bound is None or state.bound - state.base > len(buf):
        return buf, final
    return memoryview(buf)[: state.bound - state.base], True


def _located(error: DecodeError, buf: Buffer, state: State) -> DecodeError:
    """The error with its place in the file; one that no more input can mend is no Truncated."""
    if error.base is None:
        error.offset += state.base
    if not isinstance(error, Truncated) or state.bound is None:
        return error
    room = state.bound - state.base - len(buf)
    if room:
        error.need = min(error.need, room)
        return error
    what = "device state" if state.phase is Phase.DEVICES else "package"
    past = refuse(
        "past-end", f"the {what} ends here, {error.need} more bytes expected", error.offset
    )
    past.path, past.base = error.path, error.base
    past.section, past.instance = error.section, error.instance
    return past


def _read(
    buf: Buffer,
    pos: int,
    state: State,
    measure: Measure,
    final: bool,
    configuration: Callable[[Buffer, int, bool], int],
) -> tuple[Event, int, Change]:
    match state.phase:
        case Phase.HEADER:
            return _file_header(buf, pos, state)
        case Phase.SETUP:
            want(buf, pos, 1, "section type")
            if buf[pos] == Mark.CONFIGURATION:
                return _configuration(buf, pos, state, final, configuration)
            return _top_level(buf, pos, state, measure, final)
        case Phase.SECTIONS | Phase.LIVE | Phase.DEVICES:
            return _top_level(buf, pos, state, measure, final)
        case Phase.TAIL:
            if buf[pos] == Mark.DESCRIPTION:
                return _description(buf, pos, state)
            if state.colo:
                return _message(buf, pos, state)
            return _trailing(buf, pos, state, final)
        case Phase.MESSAGES:
            return _message(buf, pos, state)
        case Phase.REST:
            return _trailing(buf, pos, state, final)
        case _:
            assert_never(state.phase)


def _file_header(buf: Buffer, pos: int, state: State) -> tuple[Event, int, Change]:
    for at, expected in enumerate(MAGIC[: len(buf) - pos], pos):
        if buf[at] != expected:
            message = f"byte {expected:02x} of the magic QEVM expected, found {buf[at]:02x}"
            raise refuse("bad-magic", message, at)
    want(buf, pos, 8, "header")
    version = be32(buf, pos + 4, "header")
    if version != _VERSION:
        raise refuse("bad-version", f"version {_VERSION} expected, found {version}", pos + 4)
    return FileHeader(state.base + pos, version), pos + 8, {"phase": Phase.SETUP}


def _configuration(
    buf: Buffer,
    pos: int,
    state: State,
    final: bool,
    configuration: Callable[[Buffer, int, bool], int],
) -> tuple[Event, int, Change]:
    try:
        end = configuration(buf, pos + 1, final)
    except DecodeError as error:
        error.path = ("configuration", *error.path)
        raise
    event = Configuration(state.base + pos, bytes(buf[pos + 1 : end]))
    return event, end, {"phase": Phase.SECTIONS}


def _top_level(
    buf: Buffer, pos: int, state: State, measure: Measure, final: bool
) -> tuple[Event, int, Change]:
    if state.going is not None:
        going = msgspec.structs.replace(state.going, done=state.done, notes=state.notes)
        return _payload(going, buf, pos, pos, state, measure, final)
    want(buf, pos, 1, "section type")
    mark = buf[pos]
    change: Change = {"phase": Phase.SECTIONS} if state.phase is Phase.SETUP else {}
    if mark in _KINDS:
        event, end, found = _section(_KINDS[mark], buf, pos, state, measure, final)
        return event, end, change | found
    if mark == Mark.EOF:
        return _eof(buf, pos, state)
    if mark == Mark.COMMAND:
        command, end, found = _command(buf, pos, state)
        return command, end, change | found
    after = f" after section '{state.last}', whose end may be wrong" if state.last else ""
    raise refuse("bad-type", f"a section type 0 to 4 or 8 expected{after}, found {mark}", pos)


def _eof(buf: Buffer, pos: int, state: State) -> tuple[Event, int, Change]:
    event = Eof(state.base + pos, state.inside)
    if state.bound is not None and event.offset + 1 != state.bound:
        left = state.bound - event.offset - 1
        raise refuse("trailing", f"{left} bytes of the package are left after its EOF", pos + 1)
    if state.phase is Phase.DEVICES:
        return event, pos + 1, {"phase": Phase.MESSAGES, "bound": None}
    if state.inside:
        return event, pos + 1, {}
    after = Phase.MESSAGES if state.phase is Phase.LIVE else Phase.TAIL
    return event, pos + 1, {"phase": after}


def _command(buf: Buffer, pos: int, state: State) -> tuple[Event, int, Change]:
    want(buf, pos + 1, 4, "command")
    number, length = be16(buf, pos + 1, "command"), be16(buf, pos + 3, "command")
    shape = COMMANDS.get(number)
    if shape is None:
        known = f"{min(COMMANDS)} to {max(COMMANDS)}"
        raise refuse("unknown-command", f"command {known} expected, found {number}", pos + 1)
    if shape.lengths is not None and length not in shape.lengths:
        lengths = " or ".join(map(str, shape.lengths))
        raise refuse(
            "bad-length", f"{lengths} bytes of {shape.name} expected, found {length}", pos + 3
        )
    data, end = take(buf, pos + 5, length, shape.name)
    event = Command(state.base + pos, number, data, state.inside)
    change: Change = {}
    if number == PACKAGED:
        if state.inside:
            raise refuse("nested-package", "a package within a package", pos)
        change["bound"] = state.base + end + event.package
    elif number == ENABLE_COLO:
        change["colo"] = True
    return event, end, change


def _message(buf: Buffer, pos: int, state: State) -> tuple[Event, int, Change]:
    number = be32(buf, pos, "message")
    if number >= len(MESSAGES):
        raise refuse(
            "unknown-message", f"message 0 to {len(MESSAGES) - 1} expected, found {number}", pos
        )
    change: Change = {"phase": Phase.LIVE if number == VMSTATE_SEND else Phase.MESSAGES}
    if number != VMSTATE_SIZE:
        return Message(state.base + pos, number), pos + 4, change
    size = be64(buf, pos + 4, "message")
    change = {"phase": Phase.DEVICES, "bound": state.base + pos + 12 + size}
    return Message(state.base + pos, number, size), pos + 12, change


def _description(buf: Buffer, pos: int, state: State) -> tuple[Event, int, Change]:
    length = be32(buf, pos + 1, "description")
    if length > MAX_DESCRIPTION:
        raise refuse(
            "limit",
            f"a description of {length} bytes is over the limit {MAX_DESCRIPTION}",
            pos + 1,
        )
    json, end = take(buf, pos + 5, length, "description")
    phase = Phase.MESSAGES if state.colo else Phase.REST
    return Description(state.base + pos, json), end, {"phase": phase}


def _trailing(buf: Buffer, pos: int, state: State, final: bool) -> tuple[Event, int, Change]:
    if not final:
        raise Truncated(1, offset=len(buf))
    return Trailing(state.base + pos, bytes(buf[pos:])), len(buf), {"phase": Phase.REST}


def _section(
    kind: SectionKind, buf: Buffer, pos: int, state: State, measure: Measure, final: bool
) -> tuple[Event, int, Change]:
    header, body = _section_header(kind, buf, pos, state)
    return _payload(header, buf, pos, body, state, measure, final)


def _payload(
    header: SectionHeader,
    buf: Buffer,
    pos: int,
    body: int,
    state: State,
    measure: Measure,
    final: bool,
) -> tuple[Event, int, Change]:
    """The section's payload from `body` on; the event begins at `pos`."""
    numbers = (header.kind, header.id, header.name, header.instance, header.version)
    change: Change = {"done": 0, "notes": {}}
    if header.kind is SectionKind.START and not header.taken:
        change["started"] = _start(header, state, pos)
    try:
        end = measure(header, buf, body, final)
        assert body <= end <= len(buf), f"the measure of '{header.name}' went out of the buffer"
        footer = _footer(buf, end, header, state, final)
    except Full as piece:
        offset = state.base + pos
        event = Pages(offset, *numbers, state.base + body, piece.size, state.inside)
        taken = header.taken + piece.size
        change["going"] = msgspec.structs.replace(header, taken=taken, done=0, notes={})
        return event, body + piece.size, change
    except DecodeError as error:
        error.section, error.instance = header.name, header.instance
        error.base, error.offset = header.payload, error.offset - body + header.taken
        raise
    length = header.taken + end - body
    where = (header.payload, length, footer, state.inside, header.taken)
    change |= {"footers": footer, "last": header.name, "going": None}
    return Section(header.offset, *numbers, *where), end + 5 * footer, change


def _section_header(
    kind: SectionKind, buf: Buffer, pos: int, state: State
) -> tuple[SectionHeader, int]:
    want(buf, pos + 1, 5 if kind.named else 4, "section id")
    id_ = be32(buf, pos + 1, "section id")
    body = pos + 5
    if kind.named:
        want(buf, body, 1 + buf[body] + 8, "section name")
        name, body = string8(buf, body, "section name")
        if not name:
            raise refuse("bad-name", "a section without a name", pos + 5)
        instance = be32(buf, body, "instance")
        version = be32(buf, body + 4, "version")
        body += 8
    elif id_ in state.started:
        start = state.started[id_]
        name, instance, version = start.name, start.instance, start.version
    else:
        raise refuse(
            "not-started", f"{kind.name.lower()} of section id {id_}, which was not started", pos
        )
    offset = state.base + pos
    header = SectionHeader(
        *(kind, id_, name, instance, version, offset, state.base + body),
        done=state.done,
        room=state.room,
        notes=state.notes,
    )
    return header, body


def _start(header: SectionHeader, state: State, pos: int) -> Mapping[int, Started]:
    if len(state.started) >= _MAX_STARTED and header.id not in state.started:
        raise refuse("limit", f"more than {_MAX_STARTED} sections are started", pos)
    entry = Started(header.id, header.name, header.instance, header.version)
    return {**state.started, header.id: entry}


def _footer(buf: Buffer, pos: int, header: SectionHeader, state: State, final: bool) -> bool:
    """True if a footer follows the payload: all sections of a stream have one, or none."""
    if state.footers is None:
        if pos == len(buf) and final:
            return False
        want(buf, pos, 1, "footer")
        if buf[pos] != Mark.FOOTER:
            return False
    elif not state.footers:
        return False
    found, _ = take(buf, pos, 5, "footer")
    expected = footer(header.id)
    if found != expected:
        raise refuse(
            "bad-footer",
            f"the footer {expected.hex()} expected after the payload, found {found.hex()}",
            pos,
        )
    return True
