"""Ending: carry out what `aftermath` orders, and report it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import assert_never

from vmsc.colo.aftermath import GOOD, WRONG, Order, Reach, orders, report, status
from vmsc.colo.inputs import Closed, Exit, Input, Stop
from vmsc.colo.line import Line
from vmsc.colo.monitor import Monitor, MonitorError
from vmsc.colo.options import Options
from vmsc.colo.session import Ended, Outcome, Side

__all__ = ["LINGER", "Hands", "conclude"]

LINGER = 0.5  # seconds for QMP to follow a connection that has ended, and for a log's last lines
_FENCE = 60.0  # seconds that a fence may take
_QUOTED = 1 << 14  # bytes of a log


@dataclass(frozen=True)
class Hands:
    """What there is to carry orders out with. `logged`: the size of the secondary's log when it
    was played its last checkpoint.
    """

    options: Options
    primary: Line | None
    monitor: Monitor | None
    inputs: asyncio.Queue[Input]
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
        options.tell("order", order=order.name.lower().replace("_", "-"))
        try:
            final = await _carry_out(order, hands)
        except MonitorError as fault:
            options.tell("order-failed", order=order.name.lower(), why=str(fault))
            options.say(f"could not {order.value}: {fault}")
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
    monitor = await Monitor.opened(options.primary_qmp)
    try:
        await monitor.order("x-colo-lost-heartbeat")
    finally:
        await monitor.close()


async def _take_over(hands: Hands) -> int | None:
    options, monitor = hands.options, hands.monitor
    assert options.fence is not None and monitor is not None
    failed = await _fenced(options.fence)
    options.tell("fence", good=failed is None, why=failed)
    if failed is not None:
        options.say(f"the fence failed, so no failover was ordered: {failed}")
        return None
    await monitor.take_over(options.timeout)
    options.tell("failover")
    options.say("the primary is fenced, the secondary has taken over")
    return GOOD


async def _fenced(command: str) -> str | None:
    """Run the fence; None if it succeeded, else why it did not."""
    process = await asyncio.create_subprocess_shell(command, stdin=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(_FENCE):
            code = await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"it did not end within {_FENCE:g} s"
    return None if code == 0 else f"exit status {code}"


async def _wait(hands: Hands) -> int:
    """Keep the secondary's connection until somebody orders something."""
    options, monitor = hands.options, hands.monitor
    options.say("waiting for an operator; SIGTERM ends the guard")
    while True:
        match await hands.inputs.get():
            case Stop():
                return GOOD
            case Exit() | Closed(side=Side.SECONDARY):
                if monitor is not None and await monitor.taken_over():
                    options.tell("failover")
                    options.say("the secondary was ordered to take over")
                    return GOOD
                options.say("the secondary has ended its connection, and has not taken over")
                return WRONG


async def _quoted(ended: Ended, hands: Hands) -> list[str]:
    """What the secondary wrote since it was played its last checkpoint, where it failed."""
    log = hands.options.log
    if log is None or ended.outcome not in (Outcome.APPLY_FAILED, Outcome.SECONDARY_LOST):
        return []
    await asyncio.sleep(LINGER)
    try:
        with log.open("rb") as file:
            file.seek(hands.logged)
            text = file.read(_QUOTED).decode(errors="replace")
    except OSError as fault:
        return [f"{log}: {fault.strerror}"]
    return [f"the secondary says: {line}" for line in text.splitlines() if line.strip()]
