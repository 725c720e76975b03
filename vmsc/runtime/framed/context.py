"""A checkpoint's context: bytes <-> Context, what the frames' bytes alone do not say.

Which section ids stand for which sections (a part names none), and the values of parameters:
RAM's page size, its sticky block, the sizes of devices; and how many side channels the checkpoint
comes over. It lies in BEGIN, so a stored checkpoint stands by itself. On the wire: a row of
entries, kind u8, length u32, content (docs/framed-format.md).
"""

from __future__ import annotations

import struct
from typing import assert_never

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, EncodeError

__all__ = ["Context", "Setting", "Started", "pack_context", "unpack_context"]

_ENTRY = struct.Struct(">BI")
_NUMBERS = struct.Struct(">III")
_INSTANCE = struct.Struct(">I")
_COUNT = struct.Struct(">I")

_STARTED = 1
_SETTING = 2
_CHANNELS = 3
_OPTIONAL = 128  # entries from here on may be skipped by a reader that does not know them

_ANY = 0xFFFFFFFF
_NUMBER, _WORD, _BYTES = 1, 2, 3
_MAX_NUMBER = 256  # bytes


class Started(msgspec.Struct, frozen=True):
    """A section that was started before this checkpoint: its later parts carry the id alone."""

    id: int
    name: str
    instance: int
    version: int


class Setting(msgspec.Struct, frozen=True):
    """A parameter's value for sections: `instance` None is every instance of that name."""

    section: str
    name: str
    value: int | str | bytes
    instance: int | None = None


class Context(msgspec.Struct, frozen=True):
    """`channels`: the side channels that feed the checkpoint beside the main one."""

    started: tuple[Started, ...] = ()
    settings: tuple[Setting, ...] = ()
    channels: int = 0


def pack_context(context: Context) -> bytes:
    entries = [(_STARTED, _pack_started(entry)) for entry in context.started]
    entries += [(_SETTING, _pack_setting(entry)) for entry in context.settings]
    if context.channels:
        entries.append((_CHANNELS, _pack_channels(context.channels)))
    for what, keys in (
        ("section id", [entry.id for entry in context.started]),
        ("parameter", [_key(entry) for entry in context.settings]),
    ):
        if len(set(keys)) != len(keys):
            raise EncodeError(f"a {what} stands in the context twice")
    return b"".join(_ENTRY.pack(kind, len(content)) + content for kind, content in entries)


def unpack_context(buf: Buffer, base: int = 0) -> Context:
    """The context that is all of `buf`, which begins at offset `base` of the input."""
    started: dict[int, Started] = {}
    settings: dict[tuple[str, int | None, str], Setting] = {}
    channels = 0
    pos = 0
    while pos < len(buf):
        at = base + pos
        kind, content, pos = _entry(buf, pos, base)
        if kind == _STARTED:
            section = _unpack_started(content, at)
            if section.id in started:
                raise _refuse(f"section id {section.id} twice", at)
            started[section.id] = section
        elif kind == _SETTING:
            setting = _unpack_setting(content, at)
            if _key(setting) in settings:
                raise _refuse(f"parameter '{setting.name}' of '{setting.section}' twice", at)
            settings[_key(setting)] = setting
        elif kind == _CHANNELS:
            if channels:
                raise _refuse("the number of channels twice", at)
            channels = _unpack_channels(content, at)
        elif kind < _OPTIONAL:
            raise _refuse(f"unknown entry kind {kind}, which may not be skipped", at)
    return Context(tuple(started.values()), tuple(settings.values()), channels)


def _refuse(message: str, offset: int) -> DecodeError:
    return DecodeError(message, offset=offset, code="bad-context", path=("context",))


def _key(setting: Setting) -> tuple[str, int | None, str]:
    return setting.section, setting.instance, setting.name


def _entry(buf: Buffer, pos: int, base: int) -> tuple[int, bytes, int]:
    body = pos + _ENTRY.size
    if len(buf) < body:
        raise _refuse("an entry is cut short", base + pos)
    kind, length = _ENTRY.unpack_from(buf, pos)
    if length > len(buf) - body:
        raise _refuse(f"an entry of {length} bytes where {len(buf) - body} are left", base + pos)
    return kind, bytes(buf[body : body + length]), body + length


def _encode(text: str, what: str) -> bytes:
    name = text.encode("utf-8", "surrogateescape")
    if not 1 <= len(name) <= 255:
        raise EncodeError(f"a {what} of 1 to 255 bytes expected, found {len(name)}")
    return name


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _pack_started(entry: Started) -> bytes:
    try:
        numbers = _NUMBERS.pack(entry.id, entry.instance, entry.version)
    except struct.error as error:
        raise EncodeError(f"section '{entry.name}': {error}") from None
    return numbers + _encode(entry.name, "section name")


def _unpack_started(content: bytes, at: int) -> Started:
    name = content[_NUMBERS.size :]
    if not 1 <= len(name) <= 255:
        raise _refuse("a section's name of 1 to 255 bytes expected", at)
    id_, instance, version = _NUMBERS.unpack_from(content)
    return Started(id_, _decode(name), instance, version)


def _pack_setting(entry: Setting) -> bytes:
    section = _encode(entry.section, "section name")
    name = _encode(entry.name, "parameter name")
    instance = _ANY if entry.instance is None else entry.instance
    if not 0 <= instance <= _ANY:
        raise EncodeError(f"instance {instance} does not fit in 32 bits")
    names = bytes([len(section)]) + section + bytes([len(name)]) + name
    return _INSTANCE.pack(instance) + names + _pack_value(entry.value)


def _pack_value(value: int | str | bytes) -> bytes:
    match value:
        case int():
            size = value.bit_length() // 8 + 1  # with room for the sign
            if size > _MAX_NUMBER:
                raise EncodeError(f"a number of {size} bytes is over the limit {_MAX_NUMBER}")
            return bytes([_NUMBER]) + int(value).to_bytes(size, "big", signed=True)
        case str():
            return bytes([_WORD]) + value.encode("utf-8", "surrogateescape")
        case bytes():
            return bytes([_BYTES]) + value
        case _:
            assert_never(value)


def _unpack_setting(content: bytes, at: int) -> Setting:
    try:
        (instance,) = _INSTANCE.unpack_from(content)
        section, pos = _name8(content, _INSTANCE.size)
        name, pos = _name8(content, pos)
        value = _unpack_value(content[pos], content[pos + 1 :], at)
    except (struct.error, IndexError):
        raise _refuse("a parameter's entry is cut short", at) from None
    return Setting(section, name, value, None if instance == _ANY else instance)


def _pack_channels(channels: int) -> bytes:
    try:
        return _COUNT.pack(channels)
    except struct.error:
        raise EncodeError(f"{channels} channels do not fit in 32 bits") from None


def _unpack_channels(content: bytes, at: int) -> int:
    channels = int.from_bytes(content, "big")
    if len(content) != _COUNT.size or channels == 0:  # none is said by no entry, one way alone
        raise _refuse(f"a number of channels (u32, not 0) expected, found {content.hex()}", at)
    return channels


def _name8(content: bytes, pos: int) -> tuple[str, int]:
    end = pos + 1 + content[pos]
    if end == pos + 1 or end > len(content):
        raise IndexError
    return _decode(content[pos + 1 : end]), end


def _unpack_value(kind: int, value: bytes, at: int) -> int | str | bytes:
    if kind == _NUMBER:
        if not 1 <= len(value) <= _MAX_NUMBER:
            raise _refuse(f"a number of 1 to {_MAX_NUMBER} bytes expected, found {len(value)}", at)
        return int.from_bytes(value, "big", signed=True)
    if kind == _WORD:
        return _decode(value)
    if kind == _BYTES:
        return value
    raise _refuse(f"a value of unknown kind {kind}", at)
