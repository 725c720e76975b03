"""The cache of codecs: what compiling a set of schemas gave, in one file, by a digest of all that
it was made from (`input_digest`).

A file is its own proof: its head holds a digest of each part and is itself under one. One that is
cut short or spoilt counts as not there. Nothing else is trusted: no time stamps, no .pyc files.
"""

from __future__ import annotations

import hashlib
import marshal
import threading
import types
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING

import msgspec

from vmsc.compiler.cache_folder import CacheError, keep, open_kept

if TYPE_CHECKING:
    from vmsc.schema import ir

__all__ = ["Index", "KeptCodecs", "Place", "TornError", "keep_codecs", "kept_codecs"]

KIND = "codecs"
MOST = 8  # sets of codecs; that of vmsc's own schemas takes 10 MB
_MAGIC = b"vmsc codecs 1\n"
_DIGEST = hashlib.sha256().digest_size
_LENGTH = 8  # bytes of the head's length
_HEAD_LIMIT = 1 << 28


class Place(msgspec.Struct, frozen=True):
    """Where a codec lies; its size class, and which sections it is for."""

    module: str
    name: str
    size: str
    target: str
    minimum: int
    version: int


class Index(msgspec.Struct, frozen=True):
    """Where each codec lies, by the name of its section or vmsd."""

    devices: dict[str, list[Place]]
    vmsds: dict[str, Place]


class _Part(msgspec.Struct, frozen=True, array_like=True):
    """A part's place among all parts, its length and digest."""

    offset: int
    size: int
    digest: bytes


class _Head(msgspec.Struct, frozen=True):
    digest: str  # of what the codecs were made from: a file that was renamed is not taken
    index: Index
    parts: dict[str, _Part]


class TornError(CacheError):
    """A part is not what was written."""


class KeptCodecs:
    """A set of codecs in the cache. The file stays open: who uses it does not notice that it is
    forgotten.
    """

    def __init__(self, file: IO[bytes], head: _Head, start: int) -> None:
        self._file, self._parts, self._start = file, head.parts, start
        self._lock = threading.Lock()  # modules may be imported by several threads
        self.index = head.index

    def _part(self, name: str) -> bytes:
        try:
            part = self._parts[name]
            with self._lock:
                self._file.seek(self._start + part.offset)
                data = self._file.read(part.size)
        except (KeyError, OSError) as fault:
            raise TornError(name) from fault
        if _digest(data) != part.digest:
            raise TornError(name)
        return data

    def __contains__(self, path: str) -> bool:
        return f"source {path}" in self._parts

    def code(self, path: str) -> types.CodeType:
        """The compiled module that lies at this path. Raises TornError."""
        found = marshal.loads(self._part(f"code {path}"))
        assert isinstance(found, types.CodeType)
        return found

    def text(self, path: str) -> str:
        """The source of the module, for tracebacks. Raises TornError."""
        return self._part(f"source {path}").decode()

    def schema(self) -> ir.Schema:
        """What the schemas mean. Raises TornError."""
        from vmsc.compiler.ir_rows import schema_from_rows

        return schema_from_rows(self._part("schema"))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def kept_codecs(digest: str) -> KeptCodecs | None:
    """What was made from inputs of this digest; None if that is not there, or not whole."""
    file = open_kept(KIND, digest)
    if file is None:
        return None
    try:
        proof, size = _prologue(file)
        data = file.read(size)
        if _digest(data) == proof:
            head = msgspec.msgpack.decode(data, type=_Head)
            if head.digest == digest:
                return KeptCodecs(file, head, file.tell())
    except (OSError, ValueError):  # as of msgspec, too
        pass
    file.close()
    return None


def _prologue(file: IO[bytes]) -> tuple[bytes, int]:
    """The head's digest and length. Raises ValueError."""
    start = file.read(len(_MAGIC) + _DIGEST + _LENGTH)
    size = int.from_bytes(start[-_LENGTH:], "big")
    if len(start) < len(_MAGIC) + _DIGEST + _LENGTH or not start.startswith(_MAGIC):
        raise ValueError("not a file of codecs")
    if size > _HEAD_LIMIT:
        raise ValueError("a head of more bytes than any has")
    return start[len(_MAGIC) : -_LENGTH], size


def keep_codecs(
    digest: str, index: Index, sources: Mapping[str, str], schema: ir.Schema, origin: str
) -> None:
    """Keep what was made. `origin`: what tracebacks show before the path of a module.

    Raises CacheError.
    """
    keep(KIND, digest, _file(digest, index, dict(_parts(sources, schema, origin))), MOST)


def _parts(
    sources: Mapping[str, str], schema: ir.Schema, origin: str
) -> Iterator[tuple[str, bytes]]:
    from vmsc.compiler.ir_rows import schema_to_rows

    yield "schema", schema_to_rows(schema)
    for path, text in sources.items():
        yield f"source {path}", text.encode()
        yield (
            f"code {path}",
            marshal.dumps(compile(text, f"{origin}/{path}", "exec", dont_inherit=True)),
        )


def _file(digest: str, index: Index, parts: Mapping[str, bytes]) -> Iterator[bytes]:
    offset, places = 0, {}
    for name, data in parts.items():
        places[name] = _Part(offset, len(data), _digest(data))
        offset += len(data)
    head = msgspec.msgpack.encode(_Head(digest, index, places))
    yield _MAGIC + _digest(head) + len(head).to_bytes(_LENGTH, "big") + head
    yield from parts.values()
