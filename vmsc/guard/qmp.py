"""Monitor: a QEMU's QMP socket: orders, and the events that matter to COLO. Every wait has a limit.

A socket of QEMU's serves one client at a time: give the guard one of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from qemu.qmp import ExecuteError, Message, QMPClient, QMPError
from qemu.qmp.protocol import Runstate

from vmsc import VmscError
from vmsc.guard.config import Waits

__all__ = ["Monitor", "MonitorError"]

# What the library logs of an end of QEMU's is raised here as well, and told once.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())

_PAUSE = 0.05
_TOLD = ("COLO_EXIT", "STOP", "RESUME")
# A migration's states that lead on to others.
_MIGRATING = ("setup", "active", "device", "pre-switchover", "wait-unplug", "cancelling")


class MonitorError(VmscError):
    """QEMU could not be reached, refused, or did not answer in time. `why` is without the path."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.why = why


class Monitor:
    """One connection; made by `opened`, ended by `close`. `wait`: seconds that it waits for an
    answer unless it is said.
    """

    def __init__(self, client: QMPClient, path: Path, wait: float) -> None:
        self._client = client
        self._path = path
        self._wait = wait
        self._events: asyncio.Task[None] | None = None

    @staticmethod
    async def opened(path: Path, wait: float = Waits.answer) -> Monitor:
        """Connect to the socket at `path`, within `wait` seconds. Raises MonitorError."""
        client = QMPClient("vmsc")
        # A listener of the library keeps all that it accepts, also what was read, as its history:
        # QEMU tells several events a checkpoint. What refuses everything keeps nothing.
        client.events.event_filter = lambda _: False
        try:
            async with asyncio.timeout(wait):
                await client.connect(str(path))
        except (QMPError, OSError, TimeoutError, EOFError) as fault:
            raise MonitorError(path, f"no QMP: {_words(fault)}") from None
        return Monitor(client, path, wait)

    @property
    def alive(self) -> bool:
        return bool(self._client.runstate is Runstate.RUNNING)

    def watch(self, told: Callable[[str, Mapping[str, Any]], object]) -> None:
        """From now on, `told` gets each COLO_EXIT, STOP and RESUME."""
        waiting: asyncio.Queue[Message] = asyncio.Queue()

        def taken(event: Message) -> bool:
            if event["event"] in _TOLD:
                waiting.put_nowait(event)
            return False

        self._client.events.event_filter = taken
        self._events = asyncio.create_task(_events(waiting, told))

    async def order(self, command: str, wait: float | None = None, **arguments: object) -> Any:
        """A command's answer. Raises MonitorError."""
        try:
            async with asyncio.timeout(self._wait if wait is None else wait):
                return await self._client.execute(command, arguments)
        except ExecuteError as refusal:
            raise MonitorError(self._path, f"'{command}' was refused: {refusal}") from None
        except (QMPError, OSError, TimeoutError, EOFError) as fault:
            raise MonitorError(self._path, f"'{command}': {_words(fault)}") from None

    async def take_over(self, wait: float) -> None:
        """Order a secondary to take over, and see it run. Raises MonitorError."""
        await self.order("x-colo-lost-heartbeat", wait)
        try:
            async with asyncio.timeout(wait):
                while not await self._runs_alone():
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            why = f"it does not run by itself {wait:g} s after the order"
            raise MonitorError(self._path, why) from None

    async def go_on_alone(self, wait: float) -> None:
        """Order a primary whose connection is closed to go on alone. It may not have noticed that
        yet; where its migration has failed before it was in COLO, there is nothing to order. Raises
        MonitorError.
        """
        try:
            async with asyncio.timeout(wait):
                while (status := await self._migration()) in _MIGRATING:
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise MonitorError(
                self._path, f"its migration is '{status}' after {wait:g} s"
            ) from None
        if status == "colo":
            await self.order("x-colo-lost-heartbeat")

    async def _migration(self) -> object:
        answer = await self.order("query-migrate")
        return answer.get("status") if isinstance(answer, dict) else None

    async def taken_over(self, wait: float) -> bool:
        """Whether somebody has ordered this secondary to take over. COLO_EXIT itself may call that
        an error: it is sent before the order is carried out. False if QEMU does not say.
        """
        with suppress(MonitorError, TimeoutError):
            async with asyncio.timeout(wait):
                while await self._asked("query-colo-status", "reason") != "request":
                    await asyncio.sleep(_PAUSE)
                return True
        return False

    async def _runs_alone(self) -> bool:
        mode = await self._asked("query-colo-status", "mode")
        return mode == "none" and await self._asked("query-status", "running") is True

    async def _asked(self, query: str, key: str) -> object:
        """A member of the answer. Raises MonitorError."""
        answer = await self.order(query)
        if not isinstance(answer, dict) or key not in answer:
            raise MonitorError(self._path, f"'{query}': an answer with '{key}' expected")
        return answer[key]

    async def close(self) -> None:
        if self._events is not None:
            self._events.cancel()
        with suppress(QMPError, OSError, EOFError, TimeoutError):
            async with asyncio.timeout(self._wait):
                await self._client.disconnect()


async def _events(
    waiting: asyncio.Queue[Message], told: Callable[[str, Mapping[str, Any]], object]
) -> None:
    while True:
        event = await waiting.get()
        data = event.get("data")
        told(str(event["event"]), data if isinstance(data, dict) else {})


def _words(fault: BaseException) -> str:
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    return str(fault) or type(fault).__name__
