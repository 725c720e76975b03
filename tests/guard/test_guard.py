"""The running guard in this process, between a primary, a secondary and QMP sockets made by hand:
what goes through it, how it ends, and what it then orders and says.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from colo_talk import (
    FIRST,
    LOADED,
    READY,
    RECEIVED,
    REPLY,
    REQUEST,
    TALK,
    Sent,
    baseline,
    talk_library,
    uart,
)
from guard_sides import (
    HOST,
    QUICK,
    Guarded,
    Primary,
    Qmp,
    SecondaryEnd,
    eventually,
    grown,
    guarded,
    large,
    primary,
    protected,
    qmp,
    run_within,
    secondary,
    soon,
)

from vmsc.guard.colo.checkpoint import Checkpoint
from vmsc.guard.colo.session import Proven, Session
from vmsc.guard.store import Store, stored
from vmsc.inspect.file_reader import entries
from vmsc.inspect.framed_writer import unframed
from vmsc.inspect.parameters import open_parameters
from vmsc.runtime.framed.checkpoint import decode_checkpoint
from vmsc.stream.writer import write_stream

HEARTBEAT = "x-colo-lost-heartbeat"
ONE, TWO, THREE = TALK[:3]


@pytest.fixture(autouse=True)
def no_noise(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is left that asyncio or the library of QMP would write to standard error."""
    yield
    gc.collect()
    noise = [r for r in caplog.records if r.levelno >= logging.WARNING and r.name == "asyncio"]
    assert not noise


class Scene:
    """A guard between its sides, with a QMP of each; made by `scene`."""

    guard: Guarded
    primary: Primary
    end: SecondaryEnd
    first: Qmp  # the primary's QMP
    second: Qmp  # the secondary's

    async def takes(self, sent: Sent) -> None:
        """A good checkpoint."""
        await asyncio.gather(self.primary.checkpoint(sent), self.end.takes(sent))
        count = len(self.guard.named("requested"))
        await self.guard.wait("applied", count)

    async def ended(self) -> tuple[str, str, int | None]:
        found = await self.guard.wait("ended")
        return found["outcome"], found["reason"], found["epoch"]


async def scene(stack: AsyncExitStack, folder: Path, **more: Any) -> Scene:
    """Protected, behind one good checkpoint. `qmp=None`, `primary_qmp=None`: without that."""
    found = Scene()
    waiting = await stack.enter_async_context(secondary(more.pop("room", 0)))
    found.first = await stack.enter_async_context(qmp(folder / "first.qmp"))
    found.second = await stack.enter_async_context(qmp(folder / "second.qmp"))
    sockets = {"qmp": found.second.path, "primary_qmp": found.first.path}
    found.guard = await stack.enter_async_context(guarded(waiting.port, **{**sockets, **more}))
    found.primary, found.end = await protected(found.guard, waiting)
    await found.takes(ONE)
    return found


# --- what goes through ----------------------------------------------------------------------------


@run_within()
async def test_checkpoints_go_through_and_sigterm_ends_it_between_them() -> None:
    async with secondary() as waiting, guarded(waiting.port) as guard:
        first, end = await protected(guard, waiting)
        for number, sent in enumerate((ONE, TWO, THREE), 1):
            await asyncio.gather(first.checkpoint(sent), end.takes(sent))
            await guard.wait("applied", number)
        guard.stop()
        assert await guard.ends() == 0
        assert await first.rest() == b"" and await end.rest() == b""
        names = [event["event"] for event in guard.events]
        a_round = ["requested", "proven", "committed", "applied"]
        assert names == [
            "listening", "primary", "protected", *a_round, *a_round, *a_round, "ended", "order",
        ]  # fmt: skip
        assert [e["epoch"] for e in guard.named("applied")] == [1, 2, 3]
        assert guard.named("proven")[0]["bytes"] == len(ONE.standing) + len(ONE.devices)
        assert guard.events[-2]["outcome"] == "stopped" and guard.events[-2]["epoch"] == 3
        assert guard.heard("the secondary is whole, at checkpoint 3")


@run_within()
async def test_sigterm_in_the_middle_of_a_checkpoint_ends_it_after_that(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        await its.primary.asks()
        its.primary.say(TWO.wire[:500])
        its.guard.stop()
        await its.primary.silent()
        assert not its.guard.over
        its.primary.say(TWO.wire[500:])
        await its.end.takes(TWO)
        await its.primary.expect(RECEIVED + LOADED)
        assert await its.primary.rest() == b""
        assert await its.guard.ends() == 0
        assert await its.ended() == ("stopped", "stopped", 2)
        assert (its.first.orders, its.second.orders) == ([HEARTBEAT], [])


@run_within()
async def test_who_was_told_to_stop_does_not_wait_for_an_operator(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        await its.primary.asks()
        its.guard.stop()
        await its.primary.silent()
        its.primary.close()
        assert await its.guard.ends() == 0
        assert await its.ended() == ("primary-lost", "closed", 1)
        assert its.second.orders == []


@run_within()
async def test_sigterm_before_anything_is_protected_ends_it_at_once() -> None:
    async with secondary() as waiting, guarded(waiting.port) as guard:
        guard.stop()
        assert await guard.ends() == 0
        assert guard.named("ended")[0]["outcome"] == "stopped"
    async with secondary() as waiting, guarded(waiting.port) as guard:
        first = await primary(guard.port)
        first.say(FIRST[:1000])
        end = await waiting.end()
        assert await end.hear(100) == FIRST[:100]
        guard.stop()
        assert await guard.ends() == 0
        assert guard.heard("nothing was protected yet")


@run_within()
async def test_sigterm_while_the_secondary_is_connected_to_ends_it_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some hosts answer no caller at all."""

    async def never(*_: object, **__: object) -> object:
        await asyncio.sleep(3600)
        raise AssertionError

    async with guarded(1) as guard:
        first = await primary(guard.port)
        monkeypatch.setattr(asyncio, "open_connection", never)
        first.say(FIRST)
        await guard.wait("primary")
        guard.stop()
        assert await guard.ends() == 0
        assert await first.rest() == b""


@run_within()
async def test_answers_of_the_return_path_are_passed_on_in_the_first_migration() -> None:
    pong = b"\0\2\0\4\0\0\0\1"
    async with secondary() as waiting, guarded(waiting.port) as guard:
        first = await primary(guard.port)
        first.say(FIRST)
        end = await waiting.end()
        end.say(pong)
        await first.expect(pong)
        await end.expect(FIRST)
        end.say(pong + READY)
        await first.expect(pong + READY)
        await guard.wait("protected")


@run_within()
async def test_a_secondary_that_reads_slowly_but_steadily_is_not_late(tmp_path: Path) -> None:
    sent = large(5 << 20, 1)
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.6, room=1 << 16)
        await its.primary.asks()
        await asyncio.gather(its.primary.pour(sent.wire), its.end.asked())
        whole, start = bytearray(), asyncio.get_running_loop().time()
        while len(whole) < len(sent.played):
            whole += await its.end.hear(min(1 << 16, len(sent.played) - len(whole)))
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - start > 0.9
        assert whole == sent.played
        its.end.say(RECEIVED + LOADED)
        await its.primary.expect(RECEIVED + LOADED)


# --- refused --------------------------------------------------------------------------------------


@run_within()
async def test_what_is_refused_is_never_seen_by_the_secondary(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        await its.primary.asks()
        its.primary.say(TWO.wire.replace(uart(0, 2), uart(0, 2, version=2)))
        assert await its.guard.ends() == 1
        assert await its.primary.rest() == b"" and await its.end.rest() == b""
        assert await its.ended() == ("refused", "other-devices", 1)
        assert (its.first.orders, its.second.orders) == ([HEARTBEAT], [])
        assert its.guard.heard("version 2") and its.guard.heard("told to go on alone")


@pytest.mark.parametrize(
    "say, reason",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "bad-magic", id="speaks HTTP"),
        pytest.param(b"QE", "silent", id="says half of it"),
        pytest.param(b"", "silent", id="closes"),
    ],
)
@run_within()
async def test_a_caller_that_is_no_primary_is_turned_away(say: bytes, reason: str) -> None:
    async with secondary() as waiting, guarded(waiting.port) as guard:
        caller = await primary(guard.port)
        caller.say(say)
        caller.writer.write_eof()
        assert await caller.rest() == b""
        assert (await guard.wait("connection-refused"))["reason"] == reason
        first, end = await protected(guard, waiting)
        await asyncio.gather(first.checkpoint(ONE), end.takes(ONE))


@run_within()
async def test_callers_that_say_nothing_or_are_gone_at_once_keep_nobody_out() -> None:
    async with secondary() as waiting, guarded(waiting.port, timeout=0.3) as guard:
        silent = await primary(guard.port)
        for _ in range(5):
            (await primary(guard.port)).reset()
        dead = await primary(guard.port)
        dead.say(b"QEV")
        dead.reset()
        first, end = await protected(guard, waiting)
        await asyncio.gather(first.checkpoint(ONE), end.takes(ONE))
        assert await silent.rest() == b""
        await guard.wait("connection-refused", 7)
        assert {e["reason"] for e in guard.named("connection-refused")} <= {
            "silent", "second-primary",
        }  # fmt: skip


@run_within()
async def test_a_second_primary_is_turned_away_and_changes_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        other = await primary(its.guard.port)
        other.say(FIRST)
        assert await other.rest() == b""
        assert (await its.guard.wait("connection-refused"))["reason"] == "second-primary"
        await its.takes(TWO)


@run_within()
async def test_of_two_primaries_at_once_one_is_protected() -> None:
    async with secondary() as waiting, guarded(waiting.port) as guard:
        both = [await primary(guard.port) for _ in range(2)]
        for one in both:
            one.say(FIRST)
        end = await waiting.end()
        await end.loads()
        found = await asyncio.gather(*(one.reader.read(100) for one in both))
        assert sorted(found) == [b"", READY]
        assert waiting.ends.empty()


@run_within()
async def test_a_channel_of_multifd_beside_the_primary_is_refused_by_its_name(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        channel = await primary(its.guard.port)
        channel.say(b"\x11\x22\x33\x44" + bytes(60))
        assert await channel.rest() == b""
        assert await its.guard.ends() == 1
        assert await its.ended() == ("refused", "multifd", 1)
        assert its.guard.named("connection-refused")[0]["reason"] == "multifd"


# --- a primary that is lost -----------------------------------------------------------------------


def closes(its: Scene) -> None:
    its.primary.close()


def dies(its: Scene) -> None:
    its.primary.reset()


def asks_and_is_silent(its: Scene) -> None:
    its.primary.say(REQUEST)


def is_silent_in_ram(its: Scene) -> None:
    its.primary.say(REQUEST + TWO.wire[:700])


def is_cut_in_the_devices(its: Scene) -> None:
    its.primary.say(REQUEST + TWO.wire[:-30])
    its.primary.close()


@pytest.mark.parametrize(
    "how, reason",
    [
        (closes, "closed"),
        (dies, "closed"),
        (asks_and_is_silent, "silent"),
        (is_silent_in_ram, "silent"),
        (is_cut_in_the_devices, "closed"),
    ],
)
@run_within()
async def test_a_lost_primary_is_reported_and_an_operator_waited_for(
    tmp_path: Path, how: Callable[[Scene], None], reason: str
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.3)
        how(its)
        assert await its.ended() == ("primary-lost", reason, 1)
        await eventually(lambda: its.guard.heard("waiting for an operator"), "word of it")
        assert its.guard.heard(f'on the secondary\'s QMP: {{"execute": "{HEARTBEAT}"}}')
        await its.end.silent()
        assert (its.first.orders, its.second.orders) == ([], [])
        if reason == "silent":
            await its.primary.expect(REPLY)
        assert await its.primary.rest() == b""
        its.guard.stop()
        assert await its.guard.ends() == 0
        assert await its.end.rest() == b""


@run_within()
async def test_the_operators_order_to_take_over_ends_the_guard(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        its.primary.close()
        await eventually(lambda: its.guard.heard("waiting for an operator"), "word of it")
        its.second.ordered()
        assert await its.guard.ends() == 0
        assert its.guard.events[-1]["event"] == "failover"


@pytest.mark.parametrize("with_qmp", [True, False])
@run_within()
async def test_a_secondary_that_ends_while_an_operator_is_waited_for_ends_the_guard(
    tmp_path: Path, with_qmp: bool
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, **({} if with_qmp else {"qmp": None}))
        its.primary.close()
        await eventually(lambda: its.guard.heard("waiting for an operator"), "word of it")
        its.end.close()
        assert await its.guard.ends() == 1
        assert its.guard.heard("has not taken over" if with_qmp else "cannot be told")


@run_within()
async def test_input_that_was_not_taken_does_not_keep_the_secondarys_end_from_being_seen(
    tmp_path: Path,
) -> None:
    """A primary that is lost for what it does not send may have sent a lot that waits."""
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.3)
        its.primary.say(REQUEST + TWO.wire[:100])
        await its.guard.wait("ended")
        await eventually(lambda: its.guard.heard("waiting for an operator"), "word of it")
        for _ in range(8):
            its.end.say(bytes(1 << 16))
            await asyncio.sleep(0.01)
        its.end.close()
        assert await its.guard.ends() == 1


@run_within()
async def test_a_primary_that_sends_byte_by_byte_is_too_slow(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.3)
        its.primary.say(REQUEST)
        for byte in TWO.wire:
            its.primary.say(bytes([byte]))
            await asyncio.sleep(0.03)
            if its.guard.named("ended"):
                break
        assert await its.ended() == ("primary-lost", "slow", 1)


@run_within()
async def test_a_primary_that_comes_no_more_at_its_pace_is_lost(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.4)
        for sent in TALK[1:5]:
            await its.takes(sent)
        assert await its.ended() == ("primary-lost", "out-of-pace", 5)


@run_within()
async def test_a_checkpoint_that_took_long_does_not_put_the_primary_out_of_its_pace(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.6)
        for sent in TALK[1:5]:
            await its.takes(sent)
        await its.primary.asks()
        for at in range(0, len(TALK[5].wire), 1 << 10):
            its.primary.say(TALK[5].wire[at : at + (1 << 10)])
            await asyncio.sleep(0.3)
        await its.end.takes(TALK[5])
        await its.primary.expect(RECEIVED + LOADED)
        await asyncio.sleep(0.2)
        assert not its.guard.named("ended")


@run_within()
async def test_a_primary_lost_before_anything_is_protected_ends_the_guard() -> None:
    async with secondary() as waiting, guarded(waiting.port, timeout=0.3) as guard:
        first = await primary(guard.port)
        first.say(FIRST[:1000])
        assert await guard.ends() == 1
        found = guard.named("ended")[0]
        assert (found["outcome"], found["reason"]) == ("primary-lost", "silent")
        assert guard.heard("nothing was protected yet")


# --- the fence ------------------------------------------------------------------------------------


@run_within()
async def test_behind_a_fence_that_succeeded_the_secondary_is_ordered_to_take_over(
    tmp_path: Path,
) -> None:
    fenced = tmp_path / "fenced"
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, fence=f"sleep 0.2; touch {fenced}")
        before: list[bool] = []
        its.second.hook = lambda _: before.append(fenced.exists())
        its.primary.close()
        assert await its.guard.ends() == 0
        assert its.second.orders == [HEARTBEAT] and before == [True]
        assert its.first.orders == []
        assert [e["good"] for e in its.guard.named("fence")] == [True]
        assert its.guard.heard("the secondary has taken over")


@pytest.mark.parametrize(
    "fence, why",
    [
        pytest.param("exit 3", "exit status 3", id="fails"),
        pytest.param("sleep 60", "it did not end within 0.3 s", id="hangs"),
        pytest.param("sleep 60 & sleep 60; exit 0", "it did not end within", id="hangs in parts"),
        pytest.param("/nonexistent/fence", "exit status 127", id="is not there"),
        pytest.param("kill -9 $$", "signal 9 ended it", id="is killed"),
        pytest.param("true \0", "it could not be run", id="is no command"),
        pytest.param("true " + "x" * (1 << 18), "it could not be run", id="is too long"),
    ],
)
@run_within()
async def test_without_one_no_order_ever_reaches_the_secondary(
    tmp_path: Path, fence: str, why: str
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, fence=fence, fence_limit=0.3)
        its.primary.close()
        await eventually(lambda: its.guard.heard("waiting for an operator"), "word of it")
        assert its.second.orders == []
        told = its.guard.named("fence")
        assert len(told) == 1 and not told[0]["good"] and told[0]["why"].startswith(why)
        assert its.guard.heard(f"no failover was ordered: {why}")
        assert its.guard.heard("make sure that the primary does not run")
        await its.end.silent()
        its.guard.stop()
        assert await its.guard.ends() == 0
        assert its.second.orders == []


@run_within()
async def test_sigterm_during_the_fence_lets_it_end_and_the_failover_follow(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, fence=f"touch {tmp_path / 'begun'}; sleep 0.3")
        its.primary.close()
        await eventually((tmp_path / "begun").exists, "fence")
        its.guard.stop()
        assert await its.guard.ends() == 0
        assert its.second.orders == [HEARTBEAT]


@pytest.mark.parametrize("trouble", ["refused", "deaf", "ignored", "dead"])
@run_within()
async def test_a_secondary_that_does_not_take_over_is_reported_and_waited_for(
    tmp_path: Path, trouble: str
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, fence="sleep 0.1", timeout=0.5)
        match trouble:
            case "deaf":
                its.second.deaf = True
            case "dead":
                its.second.hook = lambda _: its.second.dies()
            case _:
                getattr(its.second, trouble).add(HEARTBEAT)
        its.primary.close()
        failed = await its.guard.wait("order-failed")
        assert failed["order"] == "take-over" and str(tmp_path) not in failed["why"]
        await eventually(lambda: its.guard.heard("waiting for an operator"), "word of it")
        assert its.guard.heard("could not fence the primary")
        assert its.guard.heard("make sure that the primary does not run")
        assert not its.guard.named("failover")
        its.guard.stop()
        assert await its.guard.ends() == 0


@run_within()
async def test_the_secondarys_qmp_that_has_ended_leaves_the_failover_to_an_operator(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, fence=f"touch {tmp_path / 'fenced'}")
        its.second.dies()
        await asyncio.sleep(0.05)
        its.primary.close()
        await eventually(lambda: its.guard.heard("waiting for an operator"), "word of it")
        assert its.guard.heard("no failover was ordered")
        # No fence is run for nothing: the primary may be well.
        assert not (tmp_path / "fenced").exists()


# --- a secondary that is lost, or half loaded -----------------------------------------------------


@run_within()
async def test_a_secondary_that_ends_between_checkpoints_lets_the_primary_go_on_alone(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        its.second.dies()
        its.end.close()
        assert await its.guard.ends() == 1
        outcome, reason, _ = await its.ended()
        assert (outcome, reason) == ("secondary-lost", "closed")
        assert (its.first.orders, its.second.orders) == ([HEARTBEAT], [])
        assert await its.primary.rest() == b""


@run_within()
async def test_a_secondary_whose_process_ends_while_it_loads_is_lost(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        await its.primary.asks()
        its.primary.say(TWO.wire)
        await its.end.gets(TWO)
        its.second.dies()
        its.end.reset()
        assert await its.guard.ends() == 1
        assert await its.ended() == ("secondary-lost", "closed", None)
        assert (its.first.orders, its.second.orders) == ([HEARTBEAT], [])


@run_within()
async def test_a_secondary_that_cannot_be_reached_is_lost() -> None:
    async with secondary() as waiting:
        port = waiting.port
    async with guarded(port) as guard:
        first = await primary(guard.port)
        first.say(FIRST)
        assert await first.rest() == b""
        assert await guard.ends() == 1
        found = guard.named("ended")[0]
        assert (found["outcome"], found["reason"]) == ("secondary-lost", "closed")
        assert f"cannot be reached at {HOST}:{port}" in found["message"]


@pytest.mark.parametrize(
    "status, later, ordered",
    [
        ("colo", "colo", [HEARTBEAT]),
        ("active", "colo", [HEARTBEAT]),
        ("active", "failed", []),
        ("failed", "failed", []),
        ("active", "active", []),
    ],
)
@run_within()
async def test_a_primary_that_has_sent_all_is_stopped_and_let_go_on_if_it_is_not_protected(
    tmp_path: Path, status: str, later: str, ordered: list[str]
) -> None:
    """QEMU's is in COLO then, waiting for checkpoint-ready. One that has not, fails and runs on."""
    async with AsyncExitStack() as stack:
        waiting = await stack.enter_async_context(secondary())
        its = await stack.enter_async_context(qmp(tmp_path / "first.qmp"))
        its.migration = status
        more: dict[str, Any] = {"primary_qmp": its.path, "timeout": 0.5}
        guard = await stack.enter_async_context(guarded(waiting.port, **more))
        first = await primary(guard.port)
        first.say(FIRST)
        end = await waiting.end()
        await end.expect(FIRST)
        end.close()
        await guard.wait("order", 2)
        await asyncio.sleep(0.1)
        its.migration = later
        assert await guard.ends() == 1
        assert guard.named("ended")[0]["outcome"] == "secondary-lost"
        assert its.orders == ordered
        failed = [event["why"] for event in guard.named("order-failed")]
        assert failed == (["its migration is 'active' after 0.5 s"] if later == "active" else [])


@run_within()
async def test_a_secondary_that_does_not_read_the_first_migration_is_who_is_late() -> None:
    migration = grown(32 << 20)  # made before the guard's clock runs: it takes a while
    async with secondary() as waiting, guarded(waiting.port, timeout=0.5) as guard:
        first = await primary(guard.port)
        pouring = asyncio.create_task(first.pour(migration))
        await waiting.end()
        assert await guard.ends() == 1
        await soon(pouring)
        assert guard.named("ended")[0]["outcome"] == "secondary-lost"


async def colo_exit(its: Scene) -> None:
    its.second.event("COLO_EXIT", mode="secondary", reason="error")


async def silence(_: Scene) -> None:
    pass


async def closed(its: Scene) -> None:
    its.end.close()


async def twice(its: Scene) -> None:
    its.end.say(RECEIVED + RECEIVED)


async def garbage(its: Scene) -> None:
    its.end.say(b"\xde\xad\xbe\xef" * 3)


async def too_much(its: Scene) -> None:
    its.end.say(LOADED)


FAILURES = pytest.mark.parametrize(
    "how, reason",
    [
        (colo_exit, "colo-exit"),
        (silence, "silent"),
        (closed, "closed"),
        (twice, "out-of-turn"),
        (garbage, "unknown-message"),
        (too_much, "out-of-turn"),
    ],
)
Failure = Callable[[Scene], Any]


@FAILURES
@run_within()
async def test_a_secondary_that_fails_while_it_loads_is_quit_and_the_primary_goes_on_alone(
    tmp_path: Path, how: Failure, reason: str
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.4)
        await its.primary.asks()
        its.primary.say(TWO.wire)
        await its.end.gets(TWO)
        await how(its)
        assert await its.guard.ends() == 1
        assert await its.ended() == ("apply-failed", reason, None)
        assert (its.first.orders, its.second.orders) == ([HEARTBEAT], ["quit"])
        assert await its.primary.rest() in (b"", RECEIVED)
        assert len(its.guard.named("ended")) == 1
        assert its.guard.heard("half loaded and must not take over: it is quit")


@FAILURES
@run_within()
async def test_it_is_never_ordered_to_take_over_whatever_the_primary_does(
    tmp_path: Path, how: Failure, reason: str
) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.4, fence="true", primary_qmp=None)
        await its.primary.asks()
        its.primary.say(TWO.wire)
        await its.end.gets(TWO)
        its.primary.reset()
        await asyncio.sleep(0.05)
        await how(its)
        assert await its.guard.ends() == 1
        outcome, found, _ = await its.ended()
        assert (outcome, found) == ("apply-failed", reason)
        assert "before that, primary-lost" in its.guard.named("ended")[0]["message"]
        assert its.second.orders == ["quit"] and not its.guard.named("fence")


@run_within()
async def test_without_qmp_the_report_says_what_to_order(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.3, qmp=None, primary_qmp=None)
        await its.primary.asks()
        its.primary.say(TWO.wire)
        await its.end.gets(TWO)
        assert await its.guard.ends() == 1
        assert await its.ended() == ("apply-failed", "silent", None)
        assert (its.first.orders, its.second.orders) == ([], [])
        assert its.guard.heard('on its QMP, {"execute": "quit"}')
        assert its.guard.heard("the primary may be stopped: on its QMP")


@pytest.mark.parametrize("trouble", ["gone", "mute", "refused", "ignored"])
@run_within()
async def test_a_primarys_qmp_that_does_not_serve_is_reported(tmp_path: Path, trouble: str) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        match trouble:
            case "gone":
                its.first.path.unlink()
            case "mute":
                its.first.path.unlink()

                async def mute(*_: object) -> None:
                    await asyncio.sleep(3600)

                server = await asyncio.start_unix_server(mute, its.first.path)
                stack.callback(server.close)
            case _:
                getattr(its.first, trouble).add(HEARTBEAT)
        its.second.event("COLO_EXIT", mode="secondary", reason="error")
        its.end.close()
        assert await its.guard.ends() == 1
        failed = its.guard.named("order-failed")[0]
        assert failed["order"] == "primary-alone" and str(tmp_path) not in failed["why"]
        assert its.guard.heard("could not tell the primary to go on alone")
        assert its.guard.heard("the primary may be stopped: on its QMP")


@run_within()
async def test_a_secondary_that_does_not_quit_is_reported(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        its.second.refused.add("quit")
        await its.primary.asks()
        its.primary.say(TWO.wire)
        await its.end.gets(TWO)
        await colo_exit(its)
        assert await its.guard.ends() == 1
        assert [e["order"] for e in its.guard.named("order-failed")] == ["quit-secondary"]
        assert its.guard.heard("end the half-loaded secondary")
        assert its.first.orders == [HEARTBEAT]


@run_within()
async def test_a_secondary_that_stops_reading_in_the_middle_of_a_checkpoint_has_failed(
    tmp_path: Path,
) -> None:
    sent = large(16 << 20, 1)
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, timeout=0.5)
        await its.primary.asks()
        await asyncio.gather(its.primary.pour(sent.wire), its.end.asked())
        assert await its.end.hear(1000) == sent.played[:1000]
        assert await its.guard.ends() == 1
        outcome, reason, epoch = await its.ended()
        # Our clock, or the kernel's.
        assert outcome == "apply-failed" and reason in ("silent", "closed") and epoch is None
        assert its.second.orders == ["quit"]


@run_within()
async def test_an_operator_may_order_the_takeover_at_any_time(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path)
        its.second.ordered()
        assert await its.guard.ends() == 0
        assert await its.ended() == ("taken-over", "colo-exit", 1)
        assert (its.first.orders, its.second.orders) == ([], [])
        assert its.guard.heard("make sure that the primary does not run")


@run_within()
async def test_what_the_secondary_wrote_since_its_last_checkpoint_is_quoted(
    tmp_path: Path,
) -> None:
    log = tmp_path / "secondary.log"
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, log=log)
        log.write_text("it began\n")
        await its.primary.asks()
        its.primary.say(TWO.wire)
        await its.end.gets(TWO)
        with log.open("ab") as file:
            file.write(b"error while loading state\n\nof \xff device\n")
        await colo_exit(its)
        assert await its.guard.ends() == 1
        quoted = [text for text in its.guard.said if text.startswith("the secondary says: ")]
        assert [text.split(": ", 1)[1] for text in quoted] == [
            "error while loading state", "of \N{REPLACEMENT CHARACTER} device",
        ]  # fmt: skip


# --- the disk -------------------------------------------------------------------------------------


def kept(folder: Path) -> dict[int, bytes]:
    """The stored checkpoints, by epoch."""
    return {
        int(file.stem.rsplit("-", 1)[1]): file.read_bytes()
        for file in sorted(folder.glob("checkpoint-*.vmsf"))
    }


@run_within()
async def test_the_last_checkpoints_are_kept_whole(tmp_path: Path) -> None:
    folder = tmp_path / "keep"
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, store=Store(folder, 2, "s"))
        for sent in TALK[1:4]:
            await its.takes(sent)
        its.guard.stop()
        assert await its.guard.ends() == 0
        assert [e["epoch"] for e in its.guard.named("kept")] == [1, 2, 3, 4]
    found = kept(folder)
    assert list(found) == [3, 4]
    assert [decode_checkpoint(data).epoch for data in found.values()] == [3, 4]


@run_within()
async def test_a_disk_that_is_full_or_gone_is_told_and_protection_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keep"
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, store=Store(folder, 3, "s"))
        await its.guard.wait("kept")
        with monkeypatch.context() as full:
            full.setattr(os, "fsync", Mock(side_effect=OSError(28, "No space left on device")))
            await its.takes(TWO)
            assert (await its.guard.wait("not-kept"))["why"] == "No space left on device"
        shutil.rmtree(folder)
        await its.takes(THREE)
        lost = await its.guard.wait("not-kept", 2)
        # The journal has no paths: it may go to other hosts.
        assert lost["why"] == "No such file or directory"
        folder.mkdir()
        await its.takes(TALK[3])
        await its.guard.wait("kept", 2)
        assert list(kept(folder)) == [4] and len(list(folder.iterdir())) == 1
        assert not its.guard.named("ended")


@run_within()
async def test_a_disk_that_hangs_keeps_nothing_but_the_file_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not held against the secondary, which would be called half loaded for it."""
    hangs = threading.Event()
    store = Store(tmp_path / "keep", 3, "s")
    waits = replace(QUICK, disk=0.05)
    keep = store.keep

    def slow(*args: Any) -> Path:
        assert hangs.wait(10)
        return keep(*args)

    monkeypatch.setattr(store, "keep", slow)
    async with AsyncExitStack() as stack:
        its = await scene(stack, tmp_path, store=store, timeout=0.4, waits=waits)
        try:
            for sent in (TWO, THREE, TALK[3]):
                await its.takes(sent)
                await asyncio.sleep(0.1)
            assert len(its.guard.named("not-kept")) == 3
            assert (
                its.guard.named("not-kept")[0]["why"] == "the one before it is not on the disk yet"
            )
        finally:
            hangs.set()
        await its.guard.wait("kept")
        await its.takes(TALK[4])
        its.guard.stop()
        assert await its.guard.ends() == 0
        # The last one is waited for.
        assert [e["epoch"] for e in its.guard.named("kept")] == [1, 5]


def test_a_stored_checkpoint_turns_back_into_what_the_secondary_was_sent() -> None:
    """Its live sections too, which are written as they lie in memory, in many pieces."""
    for sent in (*TALK[:1], large(1 << 20, 1)):
        taken = checkpoint_of(sent)
        assert len(taken.live) > 2 or sent is ONE
        data = b"".join(stored(taken, baseline()))
        known = open_parameters(data, talk_library())
        assert b"".join(write_stream(unframed(entries(data, talk_library(), known)))) == sent.played


def test_a_clock_that_was_set_back_does_not_cost_the_newest(tmp_path: Path) -> None:
    for session in ("20300101T000000Z", "20200101T000000Z"):
        taken = checkpoint_of(ONE)
        path = Store(tmp_path, 1, session).keep(taken, baseline())
        assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_kept_checkpoint_is_its_owners_alone(tmp_path: Path) -> None:
    former = os.umask(0o000)
    try:
        path = Store(tmp_path / "keep", 1, "s").keep(checkpoint_of(ONE), baseline())
    finally:
        os.umask(former)
    assert [oct(p.stat().st_mode & 0o777) for p in (path.parent, path)] == ["0o700", "0o600"]


def checkpoint_of(sent: Sent) -> Checkpoint:
    session = Session(baseline=baseline())
    session.from_primary(REQUEST)
    found = [a for a in session.from_primary(sent.wire) if isinstance(a, Proven)]
    return found[0].checkpoint
