"""Multifd: the channels beside a stream's main one, which carry RAM's pages -> packets, in order.

A channel begins with an init record, and then holds packets: a header of fixed size, and pages,
plain or in one continuous compressed stream a channel. Packets are numbered across channels.
QEMU 7.2 sends a sync for each channel, and where pages still wait there, they go out under the
sync's number, their own is never seen, and an empty packet follows with the same number, which
is not handed on. A sync of newer ones (seen in 10.0 and 11.1) says that it has room for 0 pages,
and is as long as any other packet.

Laws. The packets come in the order of their numbers, however the channels are cut and fed. A
packet that is missing, and one that is there twice, is named. What waits has a limit.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, cast

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.stream.primitives import decode_name, refuse

__all__ = ["ChannelReader", "Init", "Multifd", "Packet", "is_channel", "read_init"]

MAGIC = 0x11223344
_VERSION = 1
_INIT = struct.Struct(">II16sB39x")
_HEAD = struct.Struct(">IIIIIIQI28x256s")
_SYNC = 1
_METHOD = 0b1110
_PACKET = 512 << 10  # bytes of guest memory in one
_HELD = 64 << 20

Inflate = Callable[[bytes, int], bytes]


class Init(msgspec.Struct, frozen=True):
    """How a channel begins: which machine it belongs to, and its number."""

    uuid: bytes
    channel: int


class Packet(msgspec.Struct, frozen=True):
    """Some pages of one block: `data` holds those at `pages`, inflated; those at `zeros` are zero.

    `offset` and `size` are its place in the channel.
    """

    channel: int
    offset: int
    size: int
    number: int
    sync: bool
    block: str
    pages: tuple[int, ...] = ()
    zeros: tuple[int, ...] = ()
    data: bytes = b""


def is_channel(start: Buffer) -> bool:
    """Whether an input that begins so is a multifd channel."""
    return bytes(start[:4]) == MAGIC.to_bytes(4, "big")


def read_init(buf: Buffer) -> Init:
    """The record that a channel begins with."""
    if len(buf) < _INIT.size:
        raise Truncated(_INIT.size - len(buf), offset=len(buf), path=("init",))
    magic, version, uuid, channel = _INIT.unpack_from(buf)
    _expect("the magic", MAGIC, magic, 0)
    _expect("version", _VERSION, version, 4)
    return Init(uuid, channel)


def _expect(what: str, wanted: int, found: int, offset: int) -> None:
    if wanted != found:
        raise refuse("bad-packet", f"{what} {wanted:#x} expected, found {found:#x}", offset)


# --- pages in three forms -------------------------------------------------------------------------


def _plain(data: bytes, size: int) -> bytes:
    return data


def _zlib() -> Inflate:
    stream = zlib.decompressobj()

    def inflate(data: bytes, size: int) -> bytes:
        try:
            return stream.decompress(data, size + 1)
        except zlib.error as fault:
            raise ValueError(str(fault)) from None

    return inflate


class _Refilled:
    """A source for a decompressor whose input comes packet by packet."""

    def __init__(self) -> None:
        self.left = io.BytesIO()

    def read(self, size: int = -1) -> bytes:
        return self.left.read(size)


def _zstd() -> Inflate:
    try:
        import zstandard
    except ImportError:
        raise refuse(
            "no-zstd", "pages compressed by zstd: install the extra vmsc[zstd]", 0
        ) from None
    source = _Refilled()
    limit = 1 << 27  # of the window, which is memory
    reader = zstandard.ZstdDecompressor(max_window_size=limit).stream_reader(
        cast("IO[bytes]", source), read_size=1 << 16
    )

    def inflate(data: bytes, size: int) -> bytes:
        source.left = io.BytesIO(data)
        try:
            found = reader.read(size) if size else b""
        except zstandard.ZstdError as fault:
            raise ValueError(str(fault)) from None
        if source.left.read(1):
            raise ValueError("bytes are left behind the pages")
        return bytes(found)

    return inflate


_METHODS: dict[int, tuple[str, Callable[[], Inflate]]] = {
    0: ("none", lambda: _plain),
    1: ("zlib", _zlib),
    2: ("zstd", _zstd),
}


# --- one channel ----------------------------------------------------------------------------------


class ChannelReader:
    """Packets from one channel's bytes, which come in pieces. No packet is over a fixed limit."""

    def __init__(self, page_size: int = 4096) -> None:
        self.init: Init | None = None
        self._page = page_size
        self._buf = bytearray()
        self._base = 0
        self._method: int | None = None
        self._inflate: Inflate = _plain

    @property
    def name(self) -> str:
        return "a channel" if self.init is None else f"channel {self.init.channel}"

    def feed(self, data: Buffer) -> Iterator[Packet]:
        """What has become whole. Raises DecodeError with the channel and the offset in it."""
        self._buf += data
        try:
            while True:
                if self.init is None:
                    self.init = read_init(self._buf)
                    self._drop(_INIT.size)
                yield self._packet(self.init)
        except Truncated:
            return
        except DecodeError as error:
            raise self._located(error) from None

    def close(self) -> None:
        """The channel ends here: refuse a part of a packet."""
        if self.init is None or self._buf:
            missing = Truncated(1, offset=len(self._buf), path=("packet",))
            raise self._located(missing)

    def _located(self, error: DecodeError) -> DecodeError:
        error.offset += self._base
        error.message = f"{self.name}: {error.message}"
        return error

    def _drop(self, size: int) -> None:
        del self._buf[:size]
        self._base += size

    def _packet(self, init: Init) -> Packet:
        buf, slots = self._buf, _PACKET // self._page
        _want(buf, _HEAD.size)
        magic, version, flags, room, normal, size, number, zero, name = _HEAD.unpack_from(buf)
        _expect("the magic", MAGIC, magic, 0)
        _expect("version", _VERSION, version, 4)
        if room > slots or normal + zero > room:
            message = f"{normal} + {zero} of {room} pages; a packet has room for {slots}"
            raise refuse("bad-packet", message, 12)
        if not normal:  # what the field says is left from the packet before
            size = 0
        if size > 2 * _PACKET:
            raise refuse("limit", f"{size} bytes of pages are over the limit {2 * _PACKET}", 20)
        body = _HEAD.size + 8 * (room or slots)  # a sync's offsets are sent, whatever it says
        _want(buf, body + size)
        pages = struct.unpack_from(f">{normal + zero}Q", buf, _HEAD.size)
        data = self._pages((flags & _METHOD) >> 1, bytes(buf[body : body + size]), normal, body)
        found = Packet(
            *(init.channel, self._base, body + size, number, bool(flags & _SYNC)),
            *(decode_name(name.partition(b"\0")[0]), pages[:normal], pages[normal:], data),
        )
        self._drop(body + size)
        return found

    def _pages(self, method: int, data: bytes, normal: int, at: int) -> bytes:
        if not normal:
            return b""
        if method not in _METHODS:
            raise refuse("bad-packet", f"pages in the unknown form {method}", 8)
        if self._method is None:
            self._method, self._inflate = method, _METHODS[method][1]()
        if method != self._method:
            here, before = _METHODS[method][0], _METHODS[self._method][0]
            raise refuse("bad-packet", f"pages in the form {here}, before it was {before}", 8)
        wanted = normal * self._page
        try:
            found = self._inflate(data, wanted)
        except ValueError as fault:
            raise refuse("bad-pages", f"the pages cannot be inflated: {fault}", at) from None
        if len(found) != wanted:
            raise refuse("bad-pages", f"{wanted} bytes of pages expected, found {len(found)}", at)
        return found


def _want(buf: Buffer, size: int) -> None:
    if len(buf) < size:
        raise Truncated(size - len(buf), offset=len(buf), path=("packet",))


def _is_left(packet: Packet, before: Packet) -> bool:
    """Whether it is what a sync leaves behind that took pages with it."""
    same = packet.number == before.number and before.sync
    return same and not packet.sync and not packet.pages and not packet.zeros


# --- all channels ---------------------------------------------------------------------------------


class Multifd:
    """The packets of several channels as one row. Feed the channels in any order and any pieces.

    `wanted` is the channel whose bytes are missing most, for a caller that can choose. More than
    `limit` bytes of pages that wait for another channel are refused.
    """

    def __init__(self, channels: int, page_size: int = 4096, limit: int = _HELD) -> None:
        self._readers = [ChannelReader(page_size) for _ in range(channels)]
        self._waiting: list[deque[Packet]] = [deque() for _ in range(channels)]
        self._open = [True] * channels
        self._held, self._limit = 0, limit
        self._next = 0
        self._missing: set[int] = set()
        self._overtaken = 0  # numbers that a sync took the place of
        self._lasts: list[Packet | None] = [None] * channels

    @property
    def wanted(self) -> int | None:
        """The first channel of which nothing waits; None when all have ended."""
        empty = (i for i, row in enumerate(self._waiting) if self._open[i] and not row)
        return next(empty, next((i for i, is_open in enumerate(self._open) if is_open), None))

    def feed(self, channel: int, data: Buffer) -> Iterator[Packet]:
        """The packets that are next now."""
        for packet in self._readers[channel].feed(data):
            before, self._lasts[channel] = self._lasts[channel], packet
            if before is not None and _is_left(packet, before):
                self._overtaken += 1
                continue
            self._waiting[channel].append(packet)
            self._held += packet.size
        yield from self._ready()
        if self._held > self._limit:
            silent = self._readers[self.wanted or 0].name
            message = f"{self._held} bytes of packets wait for {silent}, and the limit is"
            raise refuse("limit", f"{message} {self._limit}; packet {self._next} is missing", 0)

    def end(self, channel: int) -> Iterator[Packet]:
        """The channel has ended; the packets that are next now. After the last, none may lack."""
        self._readers[channel].close()
        self._open[channel] = False
        yield from self._ready()
        if not any(self._open):
            self._settle()

    def _ready(self) -> Iterator[Packet]:
        while True:
            rows = [row for row in self._waiting if row]
            first = min(rows, key=lambda row: row[0].number, default=None)
            if first is None:
                return
            silent = any(o and not row for o, row in zip(self._open, self._waiting, strict=True))
            if silent and first[0].number > self._next:
                return
            packet = first.popleft()
            self._held -= packet.size
            self._count(packet)
            yield packet

    def _count(self, packet: Packet) -> None:
        """Note the packet's number; refuse one that was there before."""
        number = packet.number
        if number in self._missing:
            self._missing.remove(number)
        elif number < self._next:
            message = f"packet {number} is there twice, now in channel {packet.channel}"
            raise refuse("packet-twice", message, packet.offset)
        self._missing.update(range(self._next, min(number, self._next + 1024)))
        if number >= self._next + 1024:
            self._settle()
        self._next = max(self._next, number + 1)
        if len(self._missing) == self._overtaken:
            self._missing.clear()
            self._overtaken = 0

    def _settle(self) -> None:
        """Refuse numbers that never came, but for as many as a sync overtook."""
        lost = len(self._missing) - self._overtaken
        if lost > 0:
            numbers = ", ".join(map(str, sorted(self._missing)[:8]))
            extra = f" ({self._overtaken} of them overtaken by a sync)" if self._overtaken else ""
            raise refuse("packet-missing", f"no packet {numbers}{extra}", 0)
