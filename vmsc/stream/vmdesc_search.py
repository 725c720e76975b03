"""Where QEMU's JSON description lies in a stream, and what it says at a glance.

QEMU writes it after the stream's end: 0x00 (the end mark), 0x06, a be32 length, a JSON object with
"devices". The order of the object's keys differs: "configuration" stands before "page_size" from
8.2 on. In a file it is looked for from the end backwards, on a pipe in what waits.

Law: the work is in proportion to the bytes, whatever they are. Strict JSON holds no NUL, and each
place where a description may begin is one; so what could be descriptions do not overlap, and
nothing is read twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vmsc.runtime.codec import Buffer

__all__ = ["MAX_DESCRIPTION", "DescriptionWatch", "Recorded", "find_vmdesc", "recorded"]

MAX_DESCRIPTION = 1 << 26  # bytes; QEMU writes some 100K
_MAX_NUMBER = (1 << 63) - 1

# The length is looked at from outside: in it, another one may begin.
_START = re.compile(rb"\x00\x06(?=(....)\{)", re.DOTALL)
_START_SIZE = 7
_HEAD = 6  # of those, what stands before the JSON
_NUL = re.compile(rb"\x00")
_STRIDE = 1 << 20


@dataclass(frozen=True)
class Recorded:
    """What a description says at a glance: the page size, and the payloads' lengths by name and
    instance, in order. Lengths that cannot be read are left out, all of them.
    """

    page_size: int | None
    sizes: Mapping[tuple[str, int], list[int]]


@lru_cache(maxsize=1)
def recorded(text: bytes) -> Recorded | None:
    """None if it is not a description: an object with a list of "devices".

    Much faster than reading all of it: the fields within fields do not count, so nothing is lost
    to equal keys.
    """
    try:
        top = json.loads(text.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(top, dict) or not isinstance(devices := top.get("devices"), list):
        return None
    sizes: dict[tuple[str, int], list[int]] = {}
    try:
        for device in devices:
            at = device["name"], device["instance_id"]
            sizes.setdefault(at, []).append(_payload_size(device))
    except (LookupError, TypeError, AttributeError, RecursionError):
        sizes = {}
    page_size = top.get("page_size")
    return Recorded(page_size if _is_number(page_size) else None, sizes)


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_NUMBER


def _number(value: object) -> int:
    if not isinstance(value, int) or not _is_number(value):
        raise TypeError
    return value


def _payload_size(body: Mapping[str, Any]) -> int:
    size = sum(_number(f["size"]) * _number(f.get("array_len", 1)) for f in body.get("fields", ()))
    for each in body.get("subsections", ()):
        size += 6 + len(each["vmsd_name"].encode("utf-8", "surrogateescape")) + _payload_size(each)
    return size


def find_vmdesc(stream: Buffer) -> bytes | None:
    """The JSON of a whole stream: the last that is a description. Where there is none, what ends
    with the stream and begins like one, so that reading it says what is wrong.

    A mapped file is searched where it lies.
    """
    with memoryview(stream) as view:
        unreadable: bytes | None = None
        for start in _starts(view):
            end = start + int.from_bytes(view[start - 4 : start])
            if end > len(view) or end - start > MAX_DESCRIPTION or _NUL.search(view, start, end):
                continue
            text = bytes(view[start:end])
            if recorded(text) is not None:
                return text
            if end == len(view):
                unreadable = text
        return unreadable


def _starts(view: memoryview) -> Iterator[int]:
    """Where a JSON may begin, from the end backwards."""
    end = len(view)
    while end > 0:
        begin = max(0, end - _STRIDE)
        past = min(len(view), end + _START_SIZE - 1)
        yield from reversed([m.start() + _HEAD for m in _START.finditer(view, begin, past)])
        end = begin


class DescriptionWatch:
    """Looks for the description in what is held of a pipe; each byte is looked at once."""

    def __init__(self) -> None:
        self._seen = 0
        self._found: tuple[int, int] | None = None  # where the JSON lies, or will
        self._clean = 0  # up to where it has no NUL
        self._unreadable: tuple[int, bytes] = 0, b""  # the last, and where it ends

    def found(self, held: bytes | bytearray, *, final: bool = False) -> bytes | None:
        """The description, once it is whole. `held` only ever grows. `final`: nothing comes any
        more, so what ends here counts where it only begins like one.
        """
        while True:
            if self._found is None:
                self._found = self._next(held)
                if self._found is None:
                    end, text = self._unreadable
                    return text if final and text and end == len(held) else None
                self._clean = self._found[0]
            start, end = self._found
            if held.find(b"\0", self._clean, end) >= 0:
                self._found = None
                continue
            self._clean = min(end, len(held))
            if end > len(held):
                return None
            self._found = None
            text = bytes(held[start:end])
            if recorded(text) is not None:
                return text
            self._unreadable = end, text

    def _next(self, held: bytes | bytearray) -> tuple[int, int] | None:
        while (match := _START.search(held, self._seen)) is not None:
            start, size = match.start() + _HEAD, int.from_bytes(match[1])
            self._seen = match.end()
            if size <= MAX_DESCRIPTION:
                return start, start + size
        self._seen = max(self._seen, len(held) - _START_SIZE + 1)
        return None
