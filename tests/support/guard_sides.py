"""A guard's sides, made by hand: a primary, a secondary, their QMP, and the guard itself, in this
process or as the command. All on loopback; every wait has a limit.

The machine and its checkpoints are those of `colo_talk`.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from colo_talk import (
    CONTINUE,
    EOS,
    FIRST,
    FULL_PAGE,
    LOADED,
    PAGE,
    READY,
    RECEIVED,
    REPLY,
    REQUEST,
    Page,
    Sent,
    devices,
    live,
    name,
    ram_payload,
    ram_section,
    talk_library,
    talk_schemas,
    word,
)

from vmsc.guard.config import Options, Waits
from vmsc.guard.server import guard
from vmsc.inspect.parameters import open_parameters

__all__ = [
    "HOST", "LIMIT", "QUICK", "VMSC", "Command", "End", "Guarded", "Primary", "Qmp", "Secondary",
    "SecondaryEnd", "command", "eventually", "grown", "guarded", "large", "primary", "protected",
    "qmp", "run_within", "secondary",
]  # fmt: skip

HOST = "127.0.0.1"
LIMIT = 45.0  # seconds of one wait; a first start compiles all schemas
VMSC = Path(sys.executable).parent / "vmsc"
QUICK = Waits(answer=0.5, linger=0.1, taken_over=0.2, flush=0.3)  # what is waited for in any case
_HEARTBEAT = "x-colo-lost-heartbeat"

_T = TypeVar("_T")


def run_within(seconds: float = 120.0) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Any]:
    """Make a test of a coroutine, which has so many seconds."""

    def made(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*args: Any, **named: Any) -> None:
            asyncio.run(_limited(test(*args, **named), seconds))

        return run

    return made


async def _limited(awaited: Awaitable[_T], seconds: float) -> _T:
    async with asyncio.timeout(seconds):
        return await awaited


async def soon(awaited: Awaitable[_T]) -> _T:
    return await _limited(awaited, LIMIT)


async def eventually(true: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(LIMIT):
            while not true():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"no {what} within {LIMIT:g} s") from None


# --- connections ----------------------------------------------------------------------------------


class End:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def pour(self, data: bytes) -> None:
        """Say a lot, as there is room for it; what cannot be said is dropped."""
        view = memoryview(data)
        with suppress(OSError):
            for at in range(0, len(view), 1 << 16):
                self.writer.write(view[at : at + (1 << 16)])
                await self.writer.drain()

    async def hear(self, count: int) -> bytes:
        return await soon(self.reader.readexactly(count))

    async def expect(self, wire: bytes) -> None:
        assert await self.hear(len(wire)) == wire

    async def rest(self) -> bytes:
        """What comes up to the connection's end."""
        found = bytearray()
        with suppress(ConnectionResetError):
            while data := await soon(self.reader.read(1 << 16)):
                found += data
        return bytes(found)

    async def silent(self, seconds: float = 0.1) -> None:
        """Nothing comes for so long, and the connection does not end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                found = await self.reader.read(1 << 16)
                raise AssertionError(f"{len(found)} bytes came: {found[:64]!r}")

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """End it as a process does that dies with input unread."""
        end: socket.socket = self.writer.get_extra_info("socket")
        with suppress(OSError):  # it has ended already
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Primary(End):
    async def migrate(self, first: bytes = FIRST) -> None:
        self.say(first)
        await self.expect(READY)

    async def asks(self) -> None:
        self.say(REQUEST)
        await self.expect(REPLY)

    async def checkpoint(self, sent: Sent) -> None:
        """Begin to end."""
        await self.asks()
        self.say(sent.wire)
        await self.expect(RECEIVED + LOADED)


async def primary(port: int) -> Primary:
    return Primary(*await soon(asyncio.open_connection(HOST, port, limit=1 << 20)))


class SecondaryEnd(End):
    async def loads(self, first: bytes = FIRST) -> None:
        """The first migration."""
        await self.expect(first)
        self.say(READY)

    async def asked(self) -> None:
        await self.expect(REQUEST)
        self.say(REPLY)

    async def gets(self, sent: Sent) -> None:
        """All of a checkpoint, and says nothing to it."""
        await self.asked()
        await self.expect(sent.played)

    async def takes(self, sent: Sent) -> None:
        await self.gets(sent)
        self.say(RECEIVED)
        self.say(LOADED)


@dataclass
class Secondary:
    port: int
    ends: asyncio.Queue[SecondaryEnd] = field(default_factory=asyncio.Queue)

    async def end(self) -> SecondaryEnd:
        """The connection that the guard made."""
        return await soon(self.ends.get())


@asynccontextmanager
async def secondary(room: int = 0) -> AsyncIterator[Secondary]:
    """One that waits. `room`: bytes that its kernel holds for it, 0 being as many as it likes."""
    listener = socket.create_server((HOST, 0))
    if room:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    found = Secondary(listener.getsockname()[1])
    ends = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = SecondaryEnd(reader, writer)
        ends.append(end)
        found.ends.put_nowait(end)

    server = await asyncio.start_server(accept, sock=listener, limit=room or 1 << 20)
    try:
        yield found
    finally:
        server.close()
        for end in ends:
            end.close()


# --- QMP ------------------------------------------------------------------------------------------


@dataclass
class Qmp:
    """A QEMU's QMP. `orders` are what was ordered, in order, `hook` is called before an order is
    carried out. Commands in `refused` fail, those in `ignored` are never answered; `deaf`: the
    order to take over is answered, and nothing comes of it.
    """

    path: Path
    orders: list[str] = field(default_factory=list)
    mode: str = "secondary"
    reason: str = "none"
    running: bool = True
    refused: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    deaf: bool = False
    migration: str = "colo"
    hook: Callable[[str], object] = lambda _: None
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def event(self, event: str, **data: object) -> None:
        for writer in self.writers:
            self._say(writer, {"event": event, "data": data, "timestamp": _TIME})

    def ordered(self) -> None:
        """Somebody orders it to take over."""
        self.mode, self.reason = "none", "request"
        self.event("COLO_EXIT", mode="secondary", reason="request")

    def dies(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    def _say(self, writer: asyncio.StreamWriter, message: object) -> None:
        writer.write(json.dumps(message).encode() + b"\r\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version = {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": ""}
        self._say(writer, {"QMP": {"version": version, "capabilities": []}})
        self.writers.append(writer)
        with suppress(OSError):
            async for asked in _objects(reader):
                answer = self._answer(asked["execute"])
                if answer is not None:
                    self._say(writer, answer | {key: asked[key] for key in ("id",) if key in asked})
                if asked["execute"] == "quit" and answer is not None:
                    await writer.drain()
                    break
        writer.close()

    def _answer(self, command: str) -> dict[str, object] | None:
        if command in (_HEARTBEAT, "quit"):
            self.orders.append(command)
            self.hook(command)
        if command in self.ignored:
            return None
        if command in self.refused:
            return {"error": {"class": "GenericError", "desc": "it does not want to"}}
        match command:
            case "query-colo-status":
                return {"return": {"mode": self.mode, "last-mode": "none", "reason": self.reason}}
            case "query-migrate":
                return {"return": {"status": self.migration}}
            case "query-status":
                return {"return": {"running": self.running, "status": "running"}}
            case "x-colo-lost-heartbeat" if not self.deaf:
                self.ordered()
        return {"return": {}}


_TIME = {"seconds": 0, "microseconds": 0}


async def _objects(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """JSON objects, one behind the other: QMP needs nothing between them."""
    text = ""
    while data := await reader.read(1 << 16):
        text += data.decode()
        with suppress(json.JSONDecodeError):
            while text := text.lstrip():
                found, end = json.JSONDecoder().raw_decode(text)
                text = text[end:]
                yield found


@asynccontextmanager
async def qmp(path: Path) -> AsyncIterator[Qmp]:
    found = Qmp(path)
    server = await asyncio.start_unix_server(found.serve, path)
    try:
        yield found
    finally:
        server.close()
        for writer in found.writers:
            writer.close()


# --- the guard ------------------------------------------------------------------------------------


class Seen(Protocol):
    """What is seen of a running guard."""

    events: list[dict[str, Any]]
    said: list[str]
    port: int

    @property
    def over(self) -> bool: ...

    async def ends(self) -> int: ...

    def stop(self) -> None: ...

    def named(self, name: str) -> list[dict[str, Any]]: ...

    async def wait(self, name: str, count: int = 1) -> dict[str, Any]: ...


class _Seen:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.port = 0

    @property
    def over(self) -> bool:
        raise NotImplementedError

    async def ends(self) -> int:
        raise NotImplementedError

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    async def wait(self, name: str, count: int = 1) -> dict[str, Any]:
        """The count-th event of this name, once it is there."""
        await eventually(lambda: len(self.named(name)) >= count or self.over, f"{count} x {name}")
        found = self.named(name)
        if len(found) < count:
            await self.ends()
        assert len(found) >= count, f"it has ended: {self.events[-3:]}, {self.said}"
        return found[count - 1]

    def heard(self, words: str) -> bool:
        """Whether an operator was told this."""
        return any(words in line for line in self.said)


class Guarded(_Seen):
    """A guard in this process; made by `guarded`."""

    task: asyncio.Task[int]

    def tell(self, event: str, **fields: Any) -> None:
        self.events.append({"event": event, **fields})

    @property
    def over(self) -> bool:
        return self.task.done()

    async def ends(self) -> int:
        """The exit status."""
        return await soon(asyncio.shield(self.task))

    def stop(self) -> None:
        assert not self.over
        os.kill(os.getpid(), signal.SIGTERM)


@asynccontextmanager
async def guarded(
    secondary: int, *, timeout: float = 5.0, waits: Waits = QUICK, **more: Any
) -> AsyncIterator[Guarded]:
    """A guard before the secondary at this port. `more` are its options."""
    found = Guarded()
    options = Options(
        listen=(HOST, 0),
        secondary=(HOST, secondary),
        answers=open_parameters(None, talk_library()),
        tell=found.tell,
        say=found.said.append,
        timeout=timeout,
        waits=waits,
        **more,
    )
    found.task = asyncio.create_task(guard(options))
    try:
        found.port = (await found.wait("listening"))["port"]
        yield found
    finally:
        found.task.cancel()
        await asyncio.wait((found.task,))


class Command(_Seen):
    """`vmsc guard` as a process; made by `command`. What is no JSON line on its standard output
    is an error.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self.process = process
        self._reading = [
            asyncio.create_task(self._lines(process.stdout, self._event)),
            asyncio.create_task(self._lines(process.stderr, self.said.append)),
        ]

    def _event(self, line: str) -> None:
        event = json.loads(line)
        assert list(event)[:2] == ["time", "event"]
        self.events.append(event)

    async def _lines(
        self, pipe: asyncio.StreamReader | None, told: Callable[[str], object]
    ) -> None:
        assert pipe is not None
        while line := await pipe.readline():
            told(line.decode().removesuffix("\n"))

    @property
    def over(self) -> bool:
        return self.process.returncode is not None and all(task.done() for task in self._reading)

    async def ends(self) -> int:
        """The exit status, once all is read."""
        await soon(asyncio.wait(self._reading))
        for task in self._reading:
            if not task.cancelled():
                task.result()
        return await soon(self.process.wait())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def close_output(self) -> None:
        """Read its standard output no more."""
        self._reading[0].cancel()
        transport: Any = self.process._transport  # type: ignore[attr-defined]
        transport.get_pipe_transport(1).close()

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        for task in self._reading:
            task.cancel()


@asynccontextmanager
async def command(
    secondary: int, *options: object, environment: dict[str, str] | None = None
) -> AsyncIterator[Command]:
    """The command before the secondary at this port."""
    process = await asyncio.create_subprocess_exec(
        *map(str, (VMSC, "guard", "-s", talk_schemas(), "--listen", f"{HOST}:0")),
        *map(str, ("--secondary", f"{HOST}:{secondary}", *options)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    found = Command(process)
    try:
        found.port = (await found.wait("listening"))["port"]
        yield found
    finally:
        await found.close()


async def protected(seen: Seen, waiting: Secondary) -> tuple[Primary, SecondaryEnd]:
    """Both ends, once the first migration is loaded."""
    first = await primary(seen.port)
    loading = asyncio.create_task(_loading(waiting))
    await first.migrate()
    return first, await soon(loading)


async def _loading(waiting: Secondary) -> SecondaryEnd:
    end = await waiting.end()
    await end.loads()
    return end


# --- large ones -----------------------------------------------------------------------------------


def _body(size: int, number: int) -> tuple[bytes, bytes]:
    """Plain pages of about `size` bytes, of one block: the first item's head, and the rest."""
    count = max(1, size // (PAGE + 8))
    fill = bytes((number + i) % 256 for i in range(PAGE))
    same = b"".join(word(n % 16 * PAGE | FULL_PAGE | CONTINUE) + fill for n in range(16))
    return name("pc.ram"), same * (count // 16) + word(EOS)


def large(size: int, number: int) -> Sent:
    """A checkpoint of about `size` bytes, whose first page names its block."""
    block, rest = _body(size, number)
    first = word(FULL_PAGE) + block + bytes(PAGE)
    payload = live(first + rest)
    return Sent(payload, b"".join(devices(number % 8)) + b"\0", payload)


def grown(size: int) -> bytes:
    """The first migration with so many bytes of RAM more."""
    at = FIRST.index(ram_section(ram_payload((Page("pc.ram", 0, b"\xee"),), "pc.ram")))
    block, rest = _body(size, 0)
    more = ram_section(word(FULL_PAGE) + block + bytes(PAGE) + rest, kind=2)
    return FIRST[:at] + more + FIRST[at:]
