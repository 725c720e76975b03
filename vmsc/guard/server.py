"""The server: the guard around a session: connections, clocks, QMP, the store (asyncio).

It carries out what `session` says and, once that has ended, what `colo.orders` says.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, assert_never

from vmsc.guard.colo import session as s
from vmsc.guard.colo.checkpoint import Checkpoint
from vmsc.guard.colo.first_migration import Baseline
from vmsc.guard.colo.orders import GOOD
from vmsc.guard.colo.timeouts import Late, Pace, due
from vmsc.guard.config import Options
from vmsc.guard.connection import PIECE, Connection
from vmsc.guard.inbox import Closed, Exit, Heard, Input, Inputs, Second, Stop
from vmsc.guard.qmp import Monitor
from vmsc.guard.shutdown import Hands, conclude, log_size
from vmsc.runtime.errors import CodecError
from vmsc.stream.events import MAGIC
from vmsc.stream.multifd import is_channel

__all__ = ["guard"]


async def guard(options: Options) -> int:
    """Protect one primary with one secondary; the exit status. Raises MonitorError and OSError for
    what is not there at the start.
    """
    running = _Guard(options)
    try:
        return await running.run()
    finally:
        await running.close()


class _Guard:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._inputs = Inputs()
        self._connections: dict[s.Side, Connection] = {}
        self._session: s.Session | None = None
        self._monitor: Monitor | None = None
        self._server: asyncio.Server | None = None
        self._baseline: Baseline | None = None
        self._joining: asyncio.Task[None] | None = None
        self._storing: asyncio.Task[None] | None = None
        self._stopping = False
        self._side: s.Side | None = None
        self._since = self._played = self._loop.time()
        self._taken = 0  # bytes that had come from the primary at `_since`
        self._pace = Pace()
        self._logged = 0  # the size of the secondary's log when its last checkpoint was played

    # --- its life ---------------------------------------------------------------------------------

    async def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._inputs.put, Stop())
        options = self._options
        if options.qmp is not None:
            self._monitor = await Monitor.opened(options.qmp, options.waits.answer)
            self._monitor.watch(self._event)
        host, port = options.listen
        self._server = await asyncio.start_server(self._accept, host, port, limit=PIECE)
        where = self._server.sockets[0].getsockname()
        options.tell("listening", host=where[0], port=where[1])
        while self._session is None or self._session.ended is None:
            found = await self._next()
            if self._session is None:
                if isinstance(found, Stop):
                    message = "no primary came until then"
                    options.tell(
                        "ended", outcome="stopped", reason="stopped", message=message, epoch=None
                    )
                    return GOOD
                continue
            before = self._loop.time()
            for action in await self._take(found, self._session):
                await self._do(action, before)
        if self._stopping:
            # Where an operator would be waited for, this one has said already what he wants.
            self._inputs.put(Stop())
        hands = Hands(
            options,
            self._connections.get(s.Side.PRIMARY),
            self._monitor,
            self._inputs,
            self._logged,
        )
        return await conclude(self._session.ended, self._baseline is not None, hands)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.wait((self._joining,))
        await asyncio.gather(*(line.close() for line in self._connections.values()))
        if self._storing is not None:
            await asyncio.wait((self._storing,))
        if self._monitor is not None:
            await self._monitor.close()

    # --- what comes in ----------------------------------------------------------------------------

    def _event(self, name: str, data: Mapping[str, Any]) -> None:
        """An event of the secondary's QMP."""
        told = {key: data[key] for key in ("mode", "reason") if key in data}
        self._options.tell("secondary-qmp", name=name, **told)
        if name == "COLO_EXIT":
            self._inputs.put(Exit(str(data.get("reason"))))

    def _hears(self, side: s.Side) -> Callable[[bytes | None, str], Any]:
        async def told(data: bytes | None, why: str) -> None:
            if data is None:
                self._inputs.put(Closed(side, why))
            else:
                await self._inputs.hear(Heard(side, data))

        return told

    def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, side: s.Side
    ) -> Connection:
        options = self._options
        return Connection(reader, writer, self._hears(side), options.timeout, options.waits.flush)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection: the primary, if it is the first and begins as a migration does."""
        peer, start = _peer(writer), b""
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(self._options.timeout):
                start = await reader.readexactly(len(MAGIC))
        reason = None
        if is_channel(start):
            reason = "multifd"
            if self._session is not None:
                self._inputs.put(Second())
        elif self._session is not None:
            reason = "second-primary"
        elif start != MAGIC:
            reason = "bad-magic" if start else "silent"
        if reason is not None:
            self._options.tell("connection-refused", reason=reason, peer=peer)
            writer.close()
            return
        options = self._options
        self._session = s.Session(options.answers, limits=options.limits, checks=options.checks)
        self._since, self._side = self._loop.time(), s.Side.PRIMARY
        primary = self._connection(reader, writer, s.Side.PRIMARY)
        self._connections[s.Side.PRIMARY] = primary
        options.tell("primary", peer=peer)
        self._joining = asyncio.create_task(self._join(primary, start))

    async def _join(self, primary: Connection, start: bytes) -> None:
        """Connect to the secondary, and begin to read both."""
        options = self._options
        try:
            async with asyncio.timeout(options.timeout):
                ends = await asyncio.open_connection(*options.secondary, limit=PIECE)
        except (OSError, TimeoutError) as fault:
            host, port = options.secondary
            why = f"it cannot be reached at {host}:{port}: {fault or 'no answer in time'}"
            self._inputs.put(Closed(s.Side.SECONDARY, why))
            return
        secondary = self._connection(*ends, s.Side.SECONDARY)
        self._connections[s.Side.SECONDARY] = secondary
        secondary.start()
        primary.start(after=secondary, first=start)

    async def _next(self) -> Input | Late:
        """The next input, or who is late."""
        late = self._due()
        while True:
            try:
                async with asyncio.timeout_at(None if late is None else late.at):
                    return await self._inputs.get()
            except TimeoutError:
                # Bytes may have moved since, or something has come in this very moment.
                late = self._due()
                if late is not None and late.at <= self._loop.time() and self._inputs.empty:
                    return late

    def _due(self) -> Late | None:
        """Who is late when, if nothing comes; notes when another side has to say something."""
        if self._session is None or len(self._connections) < len(s.Side):
            return None
        primary, secondary = self._connections[s.Side.PRIMARY], self._connections[s.Side.SECONDARY]
        side = self._session.waits_for
        if side is s.Side.PRIMARY and secondary.full:
            side = s.Side.SECONDARY  # for whose sake the primary is not read
        if side is not self._side:
            self._since, self._taken, self._side = self._loop.time(), primary.received, side
        return due(
            side, self._options.timeout, since=self._since,
            primary=primary.heard, secondary=max(secondary.heard, secondary.moved),
            taken=primary.received - self._taken, pace=self._pace,
        )  # fmt: skip

    # --- what is done about it --------------------------------------------------------------------

    async def _take(self, found: Input | Late, session: s.Session) -> s.Actions:
        """What the session says to an input."""
        match found:
            case Heard(side=s.Side.PRIMARY, data=data):
                return session.from_primary(data)
            case Heard(data=data):
                return session.from_secondary(data)
            case Closed(side=s.Side.PRIMARY, why=why):
                return session.primary_lost("closed", f"the primary: {why}")
            case Closed(why=why):
                return await self._secondary_closed(session, f"the secondary: {why}")
            case Exit(reason=reason):
                return await self._secondary_exits(session, reason)
            case Second():
                text = "the primary uses multifd, whose pages pass COLO's cache by: turn it off"
                return session.refuse("multifd", text)
            case Stop():
                self._stopping = True
                return session.stop()
            case Late(side=s.Side.PRIMARY, code=code, words=words):
                return session.primary_lost(code, f"the primary: {words}")
            case Late(code=code, words=words):
                return session.secondary_failed(code, f"the secondary: {words}")
            case _:
                assert_never(found)

    async def _secondary_exits(self, session: s.Session, reason: str) -> s.Actions:
        """Tell a secondary that has failed from one that somebody has ordered to take over."""
        assert self._monitor is not None
        # A half-loaded secondary is to be quit before anybody lets it run.
        waits = self._options.waits
        wait = waits.haste if session.applying else waits.linger
        if await self._monitor.taken_over(wait):
            return session.taken_over("colo-exit", "the secondary was ordered to take over")
        text = f"the secondary: its QMP says COLO_EXIT, reason {reason}"
        return session.secondary_failed("colo-exit", text)

    async def _secondary_closed(self, session: s.Session, why: str) -> s.Actions:
        """Tell a secondary that has ended from one that has given up: its QMP ends with it."""
        gone = not session.applying
        if self._monitor is not None:
            if await self._monitor.taken_over(self._options.waits.linger):
                return session.taken_over("closed", "the secondary was ordered to take over")
            gone = not self._monitor.alive
        ended = session.secondary_lost if gone else session.secondary_failed
        return ended("closed", why)

    async def _do(self, action: s.Action, before: float) -> None:
        tell, now = self._options.tell, self._loop.time()
        match action:
            case s.ToPrimary(data=data):
                self._connections[s.Side.PRIMARY].send(data)
            case s.ToSecondary(data=data):
                self._connections[s.Side.SECONDARY].send(data)
            case s.Play(checkpoint=checkpoint):
                self._played, self._logged = now, log_size(self._options.log)
                self._connections[s.Side.SECONDARY].play(checkpoint.wire())
            case s.Protected(baseline=baseline):
                self._baseline = baseline
                for given in self._options.answers.untaken():
                    self._options.say(f"no section has a use for --param {given}")
                machine, devices = baseline.binding.machine, len(baseline.devices)
                tell(
                    "protected", machine=machine, devices=devices, ram=sum(baseline.blocks.values())
                )
            case s.Requested(epoch=epoch):
                self._pace.asked(now)
                tell("requested", epoch=epoch)
            case s.Proven(checkpoint=c):
                tell("proven", epoch=c.epoch, bytes=c.size, seconds=round(now - before, 6))
                if self._storing is not None:
                    # So that two are in memory at most; the secondary is not asked yet, and runs.
                    await asyncio.wait((self._storing,), timeout=self._options.waits.disk)
            case s.Committed(checkpoint=c):
                tell("committed", epoch=c.epoch)
                self._keep(c)
            case s.Applied(checkpoint=c):
                tell("applied", epoch=c.epoch, pause=round(now - self._played, 6))
            case s.Ended():
                pass
            case _:
                assert_never(action)

    def _keep(self, checkpoint: Checkpoint) -> None:
        store, baseline, tell = self._options.store, self._baseline, self._options.tell
        if store is None or baseline is None:
            return
        if self._storing is not None and not self._storing.done():
            why = "the one before it is not on the disk yet"
            tell("not-kept", epoch=checkpoint.epoch, why=why)
            return

        async def keep() -> None:
            try:
                path = await asyncio.to_thread(store.keep, checkpoint, baseline)
            except OSError as fault:
                tell("not-kept", epoch=checkpoint.epoch, why=fault.strerror or str(fault))
            except CodecError as fault:
                tell("not-kept", epoch=checkpoint.epoch, why=str(fault))
            else:
                tell("kept", epoch=checkpoint.epoch, file=path.name)

        self._storing = asyncio.create_task(keep())


def _peer(writer: asyncio.StreamWriter) -> str:
    """The address of the other end; a caller may be gone before it can be asked for."""
    name = writer.get_extra_info("peername")
    return "gone" if name is None else f"{name[0]}:{name[1]}"
