"""A reader of the framed format, written from docs/framed-format.md and nothing else.

It imports nothing of vmsc: what it accepts and refuses is a second opinion. The numbers in the
comments are the page's sections. Run with files, it prints what is in them.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "Checkpoint", "Frame", "Item", "Refused", "Truncated", "crc32c", "read_channels", "read_file",
    "walk",
]  # fmt: skip


class Refused(Exception):
    def __init__(self, code: str, offset: int) -> None:
        super().__init__(f"{code} at byte {offset}")
        self.code = code
        self.offset = offset


class Truncated(Refused):
    def __init__(self, offset: int) -> None:
        super().__init__("truncated", offset)


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # 0x1EDC6F41, reflected
        table.append(value)
    return tuple(table)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


BEGIN, COMMIT, SECTION, OPAQUE, RAM, PART, PART_END = 1, 2, 3, 4, 5, 13, 14
LENGTHS: dict[int, Container[int]] = {  # 2
    BEGIN: range(8, 2**64),
    COMMIT: (56,),
    SECTION: range(2**64),
    OPAQUE: range(2**64),
    RAM: range(2**64),
    6: (8,),
    7: range(2**64),
    8: range(2, 65538),
    9: (0,),
    10: range(2**32),
    11: range(2**64),
    12: (4, 12),
    PART: (12,),
    PART_END: (60,),
}
PAYLOAD_LIMIT, BYTES_LIMIT, FRAMES_LIMIT, DEPTH_LIMIT = 2**30, 2**40, 2**20, 64  # 4, 6
CHANNELS_LIMIT = 255  # 6


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    instance: int
    version: int
    section: int
    digest: bytes
    type: int
    name: bytes
    payload: bytes


@dataclass(frozen=True)
class Checkpoint:
    epoch: int
    context: tuple[tuple[int, bytes], ...]
    frames: tuple[Frame, ...]
    parts: tuple[tuple[Frame, ...], ...] = ()


def _check(good: bool, code: str, offset: int) -> None:
    if not good:
        raise Refused(code, offset)


def _read_header(data: bytes, at: int) -> tuple[Frame, int, int, int]:
    """1: the frame without its payload, the payload's place, length and checksum."""
    head = data[at : at + 52]
    _check(head[:4] == b"VMSF"[: len(head)], "bad-magic", at)
    _check(len(head) < 5 or head[4] == 1, "bad-format", at + 4)
    if len(head) < 52:
        raise Truncated(len(data))
    _check(crc32c(head[:48]) == int.from_bytes(head[48:], "big"), "bad-checksum", at + 48)
    kind, flags, length, checksum, instance, version, section = struct.unpack(
        ">BHQIIII", head[5:32]
    )
    _check(flags & ~3 == 0, "unknown-flag", at + 6)
    _check(head[42:44] == b"\0\0", "reserved", at + 42)
    _check(length <= PAYLOAD_LIMIT, "limit", at + 8)
    body = at + 52 + head[41]
    if len(data) < body:
        raise Truncated(len(data))
    name = data[at + 52 : body]
    _check(crc32c(name) == int.from_bytes(head[44:48], "big"), "bad-checksum", at + 44)
    frame = Frame(kind, flags, instance, version, section, head[32:40], head[40], name, b"")
    _check_rules(frame, length, at)
    return frame, body, length, checksum


def _check_rules(frame: Frame, length: int, at: int) -> None:
    """2"""
    skippable = bool(frame.flags & 1)
    if frame.kind not in LENGTHS:
        _check(skippable, "unknown-frame", at)
        return
    good = not skippable and length in LENGTHS[frame.kind]
    if frame.kind in (SECTION, OPAQUE, RAM):
        good = good and 1 <= frame.type <= 4 and frame.name != b""
        good = good and (frame.kind == SECTION or frame.digest == bytes(8))
    else:
        numbers = frame.instance, frame.version, frame.section, frame.type, frame.flags
        good = good and not any(numbers) and frame.name == b"" and frame.digest == bytes(8)
    _check(good, "bad-frame", at)


def _read_context(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """3: the entries that are known."""
    pos = 0
    seen = set()
    while pos < len(data):
        _check(len(data) - pos >= 5, "bad-context", at + pos)
        kind, length = struct.unpack(">BI", data[pos : pos + 5])
        content = data[pos + 5 : pos + 5 + length]
        _check(len(content) == length, "bad-context", at + pos)
        _check(kind in (1, 2, 3) or kind >= 128, "bad-context", at + pos)
        if kind in (1, 2, 3):
            key = (_check_started, _check_parameter, _check_channels)[kind - 1](content)
            _check(key is not None and (kind, key) not in seen, "bad-context", at + pos)
            seen.add((kind, key))
            yield kind, content
        pos += 5 + length


def _check_started(content: bytes) -> bytes | None:
    return content[:4] if 13 <= len(content) <= 12 + 255 else None


def _check_parameter(content: bytes) -> bytes | None:
    pos = 4
    for _ in ("section", "parameter"):
        if len(content) <= pos or content[pos] == 0 or len(content) < pos + 1 + content[pos]:
            return None
        pos += 1 + content[pos]
    if len(content) == pos or content[pos] not in (1, 2, 3):
        return None
    if content[pos] == 1 and not 1 <= len(content) - pos - 1 <= 256:
        return None
    return content[:pos]


def _check_channels(content: bytes) -> bytes | None:
    return b"channels" if len(content) == 4 and any(content) else None


@dataclass
class Share:
    """3: what one channel has of a checkpoint; `first` and `last` are the payloads of its first
    and last frame, `end` is all of the last one.
    """

    first: bytes = b""
    last: bytes = b""
    last_at: int = 0
    end: bytes = b""
    context: tuple[tuple[int, bytes], ...] = ()
    frames: list[Frame] = field(default_factory=list)
    between: int = 0
    size: int = 0
    heads: Any = field(default_factory=hashlib.sha256)

    @property
    def epoch(self) -> int:
        return int.from_bytes(self.first[:8], "big")

    @property
    def channel(self) -> int:
        return int.from_bytes(self.first[8:12], "big")


def _check_place(kind: int, main: bool, begun: bool, at: int) -> None:
    first = BEGIN if main else PART
    _check(kind not in ((PART, PART_END) if main else (BEGIN, COMMIT)), "bad-channel", at)
    _check(begun or kind == first, "no-begin" if main else "no-part", at)
    _check(not begun or kind != first, "no-commit" if main else "no-end", at)


def _read_share(data: bytes, start: int, main: bool, most: int, before: Sequence[Share]) -> Share:
    """3: from BEGIN to COMMIT, or from PART to PART-END. `most` is how many side channels there
    may be; `before` was read of the same checkpoint.
    """
    share = Share()
    at = start
    while True:
        frame, body, length, checksum = _read_header(data, at)
        _check_place(frame.kind, main, share.first != b"", at)
        end = body + length
        size = sum(one.size + len(one.end) for one in before) + end - start
        _check(size <= BYTES_LIMIT, "limit", at)
        count = sum(one.between + 2 for one in before if one.channel) + share.between
        _check(frame.kind in (BEGIN, COMMIT, PART) or count < FRAMES_LIMIT, "limit", at)
        if len(data) < end:
            raise Truncated(len(data))
        payload = data[body:end]
        _check(crc32c(payload) == checksum, "bad-checksum", body)
        if frame.kind in (COMMIT, PART_END):
            share.last, share.last_at, share.end = payload, body, data[at:end]
            return share
        share.heads.update(data[at:body])
        share.size += end - at
        if frame.kind in (BEGIN, PART):
            share.first = payload
            if main:
                share.context = tuple(_read_context(payload[8:], body + 8))
                channels = _channels(share)
                _check(most > 0 or channels == 0, "channels", body + 8)
                _check(channels <= CHANNELS_LIMIT, "limit", body + 8)
        else:
            share.between += 1
            if frame.kind in LENGTHS:
                share.frames.append(Frame(**{**frame.__dict__, "payload": payload}))
        at = end


def _channels(main: Share) -> int:
    return next((int.from_bytes(content, "big") for kind, content in main.context if kind == 3), 0)


def _check_part(part: Share, main: Share, start: int) -> None:
    _check(part.epoch == main.epoch, "bad-part", start)
    _check(1 <= part.channel <= _channels(main), "bad-part", start)
    agreed = part.first + struct.pack(">QQ", part.between, part.size) + part.heads.digest()
    _check(part.last == agreed, "bad-part", part.last_at)


def _check_commit(main: Share, parts: Sequence[Share]) -> None:
    heads = main.heads.copy()
    for part in parts:
        heads.update(part.end)
    count = main.between + sum(part.between + 2 for part in parts)
    size = main.size + sum(part.size + len(part.end) for part in parts)
    agreed = struct.pack(">QQQ", main.epoch, count, size) + heads.digest()
    _check(main.last == agreed, "bad-commit", main.last_at)


def _read_checkpoint(data: bytes, start: int) -> tuple[Checkpoint, int]:
    """3: of one channel."""
    main = _read_share(data, start, True, 0, ())
    _check_commit(main, ())
    end = start + main.size + len(main.end)
    return Checkpoint(main.epoch, main.context, tuple(main.frames)), end


def read_channels(channels: Sequence[bytes]) -> list[Checkpoint]:
    """Every checkpoint that came over these channels, the main one first. Each side channel that
    has not ended has a part in each.
    """
    places = [0] * len(channels)
    found: list[Checkpoint] = []
    while any(place < len(data) for place, data in zip(places, channels, strict=True)):
        main = _read_share(channels[0], places[0], True, len(channels), ())
        _check(not found or main.epoch > found[-1].epoch, "old-epoch", places[0])
        shares = [main]
        for index, data in enumerate(channels[1:], 1):
            if places[index] < len(data):
                part = _read_share(data, places[index], False, 0, shares)
                _check_part(part, main, places[index])
                _check(part.channel not in [one.channel for one in shares[1:]], "bad-part", 0)
                shares.append(part)
                places[index] += part.size + len(part.end)
        places[0] += main.size + len(main.end)
        parts = sorted(shares[1:], key=lambda part: part.channel)
        if len(parts) < _channels(main):
            raise Truncated(0)
        _check_commit(main, parts)
        frames = tuple(tuple(part.frames) for part in parts)
        found.append(Checkpoint(main.epoch, main.context, tuple(main.frames), frames))
    return found


def read_file(data: bytes) -> list[Checkpoint]:
    """Every checkpoint of a file."""
    if not data:
        raise Truncated(0)
    found, pos = [], 0
    while pos < len(data):
        checkpoint, pos = _read_checkpoint(data, pos)
        found.append(checkpoint)
    return found


FIXED, BYTES, ARRAY, LIST, STRUCT, SUBSECTION, NULL = 1, 2, 3, 4, 5, 6, 7  # 4


@dataclass(frozen=True)
class Item:
    """`name` and `version` are a SUBSECTION's, `count` an ARRAY's or a LIST's."""

    kind: int
    content: bytes
    items: tuple[Item, ...] = ()
    count: int = 0
    name: bytes = b""
    version: int = 0

    def every(self, kind: int) -> Iterator[Item]:
        """This item and those within it that are of a kind."""
        if self.kind == kind:
            yield self
        for item in self.items:
            yield from item.every(kind)


def walk(frame: Frame) -> Item:
    """4: a SECTION's payload as one STRUCT."""
    assert frame.kind == SECTION
    return Item(STRUCT, frame.payload, _read_description(frame.payload, 0, 1))


def _read_items(data: bytes, at: int, depth: int) -> tuple[Item, ...]:
    """Items to the end of `data`, whose first byte is the payload's byte `at`."""
    _check(depth <= DEPTH_LIMIT, "limit", at)
    items = []
    pos = 0
    while pos < len(data):
        _check(len(data) - pos >= 5, "bad-item", at + pos)
        kind, length = struct.unpack(">BI", data[pos : pos + 5])
        content = data[pos + 5 : pos + 5 + length]
        _check(len(content) == length, "bad-item", at + pos)
        items.append(_read_item(kind, content, at + pos + 5, depth))
        pos += 5 + length
    return tuple(items)


def _read_description(data: bytes, at: int, depth: int) -> tuple[Item, ...]:
    items = _read_items(data, at, depth)
    kinds = [item.kind for item in items]
    subsections = [item.name for item in items if item.kind == SUBSECTION]
    tail = [SUBSECTION] * len(subsections)
    _check(kinds[len(kinds) - len(tail) :] == tail, "bad-item", at)
    _check(len(set(subsections)) == len(subsections), "bad-item", at)
    _check(NULL not in kinds, "bad-item", at)
    return items


def _read_item(kind: int, content: bytes, at: int, depth: int) -> Item:
    if kind in (FIXED, BYTES):
        return Item(kind, content)
    if kind == ARRAY:
        _check(len(content) >= 8, "bad-item", at)
        count, size = struct.unpack(">II", content[:8])
        _check(size > 0 and len(content) == 8 + count * size, "bad-item", at)
        return Item(kind, content[8:], count=count)
    if kind == LIST:
        _check(len(content) >= 4, "bad-item", at)
        items = _read_items(content[4:], at + 4, depth + 1)
        _check(len(items) == int.from_bytes(content[:4], "big"), "bad-item", at)
        _check(all(item.kind != SUBSECTION for item in items), "bad-item", at)
        return Item(kind, content, items, count=len(items))
    if kind == STRUCT:
        return Item(kind, content, _read_description(content, at, depth + 1))
    if kind == SUBSECTION:
        head = 5 + content[0] if content else 0
        _check(5 < head <= len(content), "bad-item", at)
        items = _read_description(content[head:], at + head, depth + 1)
        version = int.from_bytes(content[head - 4 : head], "big")
        return Item(kind, content, items, name=content[1 : head - 4], version=version)
    _check(kind == NULL and not content, "bad-item", at)
    return Item(kind, content)


def _show(path: Path) -> None:
    for checkpoint in read_file(path.read_bytes()):
        print(f"checkpoint {checkpoint.epoch}, {len(checkpoint.frames)} frames")
        for frame in checkpoint.frames:
            line = f"  kind {frame.kind} {frame.name.decode()!r} {len(frame.payload)} bytes"
            if frame.kind == SECTION:
                value = walk(frame)
                subsections = [item.name.decode() for item in value.every(SUBSECTION)]
                lists = sum(1 for _ in value.every(LIST))
                line += f", subsections {subsections}, {lists} lists"
            print(line)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        _show(Path(argument))
