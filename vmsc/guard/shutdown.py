"""Shutdown: carry out what `colo.orders` says at a session's end, and report it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from vmsc.guard.colo.orders import GOOD, WRONG, Order, Reach, by_hand, orders, report, status
from vmsc.guard.colo.session import Ended, Outcome, Side
from vmsc.guard.config import Options
from vmsc.guard.connection import Connection
from vmsc.guard.inbox import Closed, Exit, Inputs, Stop
from vmsc.guard.qmp import Monitor, MonitorError

__all__ = ["Hands", "conclude", "log_size"]

_QUOTED = 1 << 14  # bytes of a log


@dataclass(frozen=True)
class Hands:
    """What there is to carry orders out with. `logged`: the size of the secondary's log when it
    was played its last checkpoint.
    """

    options: Options
    primary: Connection | None
    monitor: Monitor | None
    inputs: Inputs
    logged: int


async def conclude(ended: Ended, protected: bool, hands: Hands) -> int:
    """Report, and do what is to be done; the exit status."""
    options = hands.options
    reach = Reach(
        hands.monitor is not None and hands.monitor.alive,
        options.primary_qmp is not None,
        options.fence is not None,
    )
    options.tell(
        "ended", outcome=ended.outcome.value, reason=ended.code, message=ended.message,
        epoch=ended.epoch,
    )  # fmt: skip
    for line in (*report(ended, protected, reach), *await _quoted(ended, hands)):
        options.say(line)
    for order in orders(ended, protected, reach):
        name = order.name.lower().replace("_", "-")
        options.tell("order", order=name)
        try:
            final = await _carry_out(order, hands)
        except MonitorError as fault:
            options.tell("order-failed", order=name, why=fault.why)
            options.say(f"could not {order.value}: {fault}")
            options.say(by_hand(order))
            continue
        if final is not None:
            return final
    return status(ended, protected)


async def _carry_out(order: Order, hands: Hands) -> int | None:
    """Carry out an order; the exit status, if it is the last one. Raises MonitorError."""
    match order:
        case Order.CLOSE_PRIMARY:
            if hands.primary is not None:
                await hands.primary.close()
        case Order.QUIT_SECONDARY:
            assert hands.monitor is not None
            await hands.monitor.order("quit")
        case Order.PRIMARY_ALONE:
            await _primary_alone(hands.options)
        case Order.TAKE_OVER:
            return await _take_over(hands)
        case Order.WAIT:
            return await _wait(hands)
        case _:
            assert_never(order)
    return None


async def _primary_alone(options: Options) -> None:
    assert options.primary_qmp is not None
    monitor = await Monitor.opened(options.primary_qmp, options.waits.answer)
    try:
        await monitor.go_on_alone(options.timeout)
    finally:
        await monitor.close()


async def _take_over(hands: Hands) -> int | None:
    options, monitor = hands.options, hands.monitor
    assert options.fence is not None and monitor is not None
    failed = await _fenced(options.fence, options.fence_limit)
    options.tell("fence", good=failed is None, why=failed)
    if failed is not None:
        options.say(f"the fence failed, so no failover was ordered: {failed}")
        options.say(by_hand(Order.TAKE_OVER))
        return None
    await monitor.take_over(options.timeout)
    options.tell("failover")
    options.say("the primary is fenced, the secondary has taken over")
    return GOOD


async def _fenced(command: str, limit: float) -> str | None:
    """Run the fence; None if it succeeded, else why it did not. What it writes goes to standard
    error: standard output has events alone. It is a group of its own, so that a signal for the
    guard leaves it, and so that all of it can be ended.
    """
    try:
        process = await asyncio.create_subprocess_shell(
            command, stdin=asyncio.subprocess.DEVNULL, stdout=2, start_new_session=True
        )
    except (OSError, ValueError) as fault:
        return f"it could not be run: {fault}"
    try:
        async with asyncio.timeout(limit):
            code = await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            _end_all(process)
        await process.wait()
        return f"it did not end within {limit:g} s"
    if code < 0:
        return f"signal {-code} ended it"
    return None if code == 0 else f"exit status {code}"


def _end_all(process: asyncio.subprocess.Process) -> None:
    """End the process and its children."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


async def _wait(hands: Hands) -> int:
    """Keep the secondary's connection until somebody orders something."""
    options, monitor = hands.options, hands.monitor
    wait = options.waits.taken_over
    options.say("waiting for an operator; SIGTERM ends the guard")
    while True:
        match await hands.inputs.get():
            case Stop():
                return GOOD
            case Exit() | Closed(side=Side.SECONDARY):
                if monitor is not None and await monitor.taken_over(wait):
                    options.tell("failover")
                    options.say("the secondary was ordered to take over")
                    return GOOD
                took = "has not taken over"
                if monitor is None:
                    took = "whether it was ordered to take over cannot be told without its QMP"
                options.say(f"the secondary has ended its connection: {took}")
                return WRONG


def log_size(log: Path | None) -> int:
    """The bytes of a secondary's log; none, if it is not there (yet)."""
    if log is not None:
        with suppress(OSError):
            return log.stat().st_size
    return 0


async def _quoted(ended: Ended, hands: Hands) -> list[str]:
    """What the secondary wrote since it was played its last checkpoint, where it failed."""
    log = hands.options.log
    if log is None or ended.outcome not in (Outcome.APPLY_FAILED, Outcome.SECONDARY_LOST):
        return []
    await asyncio.sleep(hands.options.waits.linger)
    try:
        with log.open("rb") as file:
            file.seek(hands.logged)
            text = file.read(_QUOTED).decode(errors="replace")
    except OSError as fault:
        return [f"{log}: {fault.strerror}"]
    return [f"the secondary says: {line}" for line in text.splitlines() if line.strip()]
