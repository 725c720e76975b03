"""One connection of the guard. What comes in goes to a queue, what goes out waits its turn.

Nothing here blocks the guard: sending is a task of its own, and a line that is full stops the
reading of the other. A peer that vanishes without a word is noticed by the kernel's keepalive.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from vmsc.guard.config import Waits
from vmsc.runtime.codec import Buffer

__all__ = ["PIECE", "Connection"]

PIECE = 1 << 18  # bytes that are read at once
_PART = 1 << 16  # bytes that are sent at once: `moved` is to show that a long piece goes out
_UNSENT = 1 << 17  # bytes that the kernel takes before it sends them: they count as gone
_FULL = 1 << 22  # bytes that may wait to be sent before the other side is read no more


@dataclass(frozen=True)
class _Out:
    """What is to be sent; `passed` bytes of it stop the other side."""

    pieces: Iterable[Buffer]
    passed: int = 0


class Connection:
    """`told` gets each piece of input, and at last None and why. `moved` and `heard` are when bytes
    last went out and came in, by the loop's clock; `received` counts the latter. `flush`: seconds
    that its last bytes have.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        told: Callable[[bytes | None, str], Awaitable[None]],
        timeout: float,
        flush: float = Waits.flush,
    ) -> None:
        self._reader, self._writer, self._told = reader, writer, told
        self._outbox: asyncio.Queue[_Out] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._room.set()
        self._unsent = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self._flush = flush
        self.moved = self.heard = self._loop.time()
        self.received = 0
        self._socket: socket.socket = writer.get_extra_info("socket")
        with suppress(OSError):  # it has ended already: reading will tell
            _keep_alive(self._socket, timeout)
            _set(self._socket, "TCP_NOTSENT_LOWAT", _UNSENT)

    @property
    def full(self) -> bool:
        """Whether what is to be sent stops the reading of the other side."""
        return not self._room.is_set()

    def start(self, after: Connection | None = None, first: bytes = b"") -> None:
        """Begin; `first` came already. Nothing is read while `after`, where it goes, is full."""
        self._tasks = [
            asyncio.create_task(self._read(after, first)),
            asyncio.create_task(self._write()),
        ]

    def send(self, data: Buffer) -> None:
        self._unsent += len(data)
        if self._unsent > _FULL:
            self._room.clear()
        self._outbox.put_nowait(_Out((data,), passed=len(data)))

    def play(self, pieces: Iterable[Buffer]) -> None:
        """Send the pieces as there is room for them."""
        self._outbox.put_nowait(_Out(pieces))

    async def close(self) -> None:
        """Send what waits, for a moment, and end the connection, whether it was sent or not."""
        if self._closed:
            return
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._flush if self._tasks else 0):
                await self._outbox.join()
        for task in self._tasks:
            task.cancel()
        self._writer.close()
        try:
            async with asyncio.timeout(self._flush):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()

    async def _read(self, after: Connection | None, first: bytes) -> None:
        data, why = first, "it closed the connection"
        try:
            while data or (data := await self._reader.read(PIECE)):
                self._acknowledge()
                self.heard = self._loop.time()
                self.received += len(data)
                await self._told(data, "")
                data = b""
                if after is not None:
                    await after._room.wait()
        except OSError as fault:
            why = f"its connection failed: {fault.strerror or fault}"
        await self._told(None, why)

    def _acknowledge(self) -> None:
        """Let the kernel acknowledge at once. QEMU's small answers come one behind the other, and
        its kernel holds the second back until the first is acknowledged: for 40 ms, otherwise.
        """
        with suppress(OSError):
            _set(self._socket, "TCP_QUICKACK", 1)

    async def _write(self) -> None:
        """What cannot be sent is dropped: the reading side tells that the connection has ended."""
        broken = False
        while True:
            out = await self._outbox.get()
            for piece in _cut(out.pieces):
                broken = broken or not await self._sent(piece)
            self._unsent -= out.passed
            if self._unsent <= _FULL:
                self._room.set()
            self._outbox.task_done()

    async def _sent(self, piece: Buffer) -> bool:
        try:
            self._writer.write(piece)
            await self._writer.drain()
        except OSError:
            return False
        self.moved = self._loop.time()
        return True


def _cut(pieces: Iterable[Buffer]) -> Iterator[Buffer]:
    """The pieces, the long ones in parts."""
    for piece in pieces:
        view = memoryview(piece)
        yield from (view[start : start + _PART] for start in range(0, len(view), _PART))


def _keep_alive(end: socket.socket, timeout: float) -> None:
    """Let the kernel end the connection when the peer has not answered for so many seconds."""
    third = max(1, int(timeout / 3))
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPALIVE"):  # the latter is macOS's name for it
        _set(end, option, third)
    _set(end, "TCP_KEEPINTVL", third)
    _set(end, "TCP_KEEPCNT", 2)
    _set(end, "TCP_USER_TIMEOUT", int(timeout * 1000))
    _set(end, "TCP_NODELAY", 1)


def _set(end: socket.socket, option: str, value: int) -> None:
    """Set an option of TCP, where the system has it: most are Linux's alone."""
    number = getattr(socket, option, None)
    if number is not None:
        end.setsockopt(socket.IPPROTO_TCP, number, value)
