"""`vmsc guard` as a process: its exit status, its two outputs, its metrics, its files and its
memory, and what it does not start with.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click
import pytest
from colo_talk import LOADED, RECEIVED, TALK, Sent, talk_schemas, uart
from commands import run_vmsc
from guard_sides import (
    HOST,
    Command,
    Primary,
    SecondaryEnd,
    command,
    eventually,
    large,
    primary,
    protected,
    qmp,
    run_within,
    secondary,
    soon,
)
from prometheus_client.parser import text_string_to_metric_families

from vmsc.cli.commands.guard import command as guard_command
from vmsc.runtime.framed.checkpoint import decode_checkpoint

HEARTBEAT = "x-colo-lost-heartbeat"
ONE, TWO, THREE = TALK[:3]
SIDES = ("--listen", f"{HOST}:0", "--secondary", f"{HOST}:1")


async def takes(first: Primary, end: SecondaryEnd, *all_: Sent) -> None:
    """Good checkpoints."""
    for sent in all_:
        await asyncio.gather(first.checkpoint(sent), end.takes(sent))


def operators(guard: Command) -> list[str]:
    """What was said, each line with the name of who says it."""
    assert all(line.startswith("vmsc: ") for line in guard.said), guard.said
    return [line.removeprefix("vmsc: ") for line in guard.said]


# --- how it ends ----------------------------------------------------------------------------------


@run_within()
async def test_sigterm_between_checkpoints_ends_it_with_0() -> None:
    async with secondary() as waiting, command(waiting.port) as guard:
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE, TWO, THREE)
        await guard.wait("applied", 3)
        guard.stop()
        assert await guard.ends() == 0
        assert guard.events[-2]["outcome"] == "stopped"
        said = operators(guard)
        assert said[0] == "stopped: ended as it was asked to [stopped]"
        assert said[1] == "the secondary is whole, at checkpoint 3"


@run_within()
async def test_the_last_word_reaches_the_primary_when_sigterm_came_in_the_middle() -> None:
    async with secondary() as waiting, command(waiting.port) as guard:
        first, end = await protected(guard, waiting)
        await first.asks()
        first.say(ONE.wire[:300])
        guard.stop()
        await first.silent()
        first.say(ONE.wire[300:])
        await end.takes(ONE)
        assert await first.rest() == RECEIVED + LOADED
        assert await guard.ends() == 0


@run_within()
async def test_a_refusal_ends_it_with_1() -> None:
    async with secondary() as waiting, command(waiting.port) as guard:
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE)
        await first.asks()
        first.say(TWO.wire.replace(uart(0, 2), uart(0, 2000)))
        assert await guard.ends() == 1
        assert guard.named("ended")[0]["outcome"] == "refused"
        said = operators(guard)
        assert said[0].startswith("refused: ") and "a level has three digits" in said[0]
        assert await end.rest() == b""


@run_within()
async def test_a_failed_load_ends_it_with_1_and_a_half_loaded_secondary_is_quit(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        waiting = await stack.enter_async_context(secondary())
        its = await stack.enter_async_context(qmp(tmp_path / "second.qmp"))
        other = await stack.enter_async_context(qmp(tmp_path / "first.qmp"))
        sockets = ("--qmp", its.path, "--primary-qmp", other.path)
        guard = await stack.enter_async_context(command(waiting.port, *sockets))
        first, end = await protected(guard, waiting)
        await first.asks()
        first.say(ONE.wire)
        await end.gets(ONE)
        its.event("COLO_EXIT", mode="secondary", reason="error")
        assert await guard.ends() == 1
        assert (other.orders, its.orders) == ([HEARTBEAT], ["quit"])
        assert operators(guard)[1:] == [
            "the secondary is half loaded and must not take over: it is quit",
            "the primary is told to go on alone",
        ]


@pytest.mark.parametrize("how", ["killed", "closed"])
@run_within()
async def test_a_secondary_that_dies_ends_it_with_1_and_without_noise(
    tmp_path: Path, how: str
) -> None:
    """The library of QMP has words of its own for a socket that ends."""
    async with AsyncExitStack() as stack:
        waiting = await stack.enter_async_context(secondary())
        its = await stack.enter_async_context(qmp(tmp_path / "second.qmp"))
        guard = await stack.enter_async_context(command(waiting.port, "--qmp", its.path))
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE)
        its.dies()
        if how == "killed":
            end.reset()
        else:
            end.close()
        assert await guard.ends() == 1
        assert guard.named("ended")[0]["outcome"] == "secondary-lost"
        assert len(operators(guard)) == 2


@run_within()
async def test_a_fence_speaks_on_standard_error_and_a_failover_ends_it_with_0(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        waiting = await stack.enter_async_context(secondary())
        its = await stack.enter_async_context(qmp(tmp_path / "second.qmp"))
        fence = ("--failover", "fence", "--fence", "echo power is off")
        guard = await stack.enter_async_context(command(waiting.port, "--qmp", its.path, *fence))
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE)
        first.close()
        assert await guard.ends() == 0
        assert its.orders == [HEARTBEAT]
        assert "power is off" in guard.said
        assert guard.said[-1] == "vmsc: the primary is fenced, the secondary has taken over"


@run_within()
async def test_a_lost_primary_is_waited_for_and_sigterm_ends_it_with_0() -> None:
    async with secondary() as waiting, command(waiting.port) as guard:
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE)
        first.close()
        await eventually(lambda: guard.heard("waiting for an operator"), "word of it")
        await end.silent()
        guard.stop()
        assert await guard.ends() == 0
        assert operators(guard) == [
            "primary-lost: the primary: it closed the connection [closed]",
            "the secondary is whole, at checkpoint 1",
            "no failover was ordered; make sure that the primary does not run, then on the"
            ' secondary\'s QMP: {"execute": "x-colo-lost-heartbeat"}',
            "waiting for an operator; SIGTERM ends the guard",
        ]


# --- what it does not start with ------------------------------------------------------------------

USAGE: dict[str, tuple[Sequence[str], str]] = {
    "an address without a port": (
        ("--listen", HOST, "--secondary", f"{HOST}:1"), f"'{HOST}' is not HOST:PORT",
    ),
    "a port that is none": (
        ("--listen", f"{HOST}:70000", "--secondary", f"{HOST}:1"), "is not HOST:PORT",
    ),
    "no secondary": (("--listen", f"{HOST}:0"), "missing option '--secondary'"),
    "an address of everybody": (
        ("--listen", "0.0.0.0:0", "--secondary", f"{HOST}:1"), "--insecure says otherwise",
    ),
    "a name that may be anywhere": (
        ("--listen", "example.org:0", "--secondary", f"{HOST}:1"), "--insecure says otherwise",
    ),
    "metrics for everybody": (
        (*SIDES, "--metrics", "0.0.0.0:0"), "--metrics 0.0.0.0: ",
    ),
    "a fence that is not to be used": ((*SIDES, "--fence", "true"), "go together"),
    "a failover without a fence": ((*SIDES, "--failover", "fence"), "go together"),
    "a failover without QMP": (
        (*SIDES, "--failover", "fence", "--fence", "true"), "give the secondary's --qmp",
    ),
    "no such QMP socket": ((*SIDES, "--qmp", "/nonexistent/qmp"), "/nonexistent/qmp: no QMP: "),
    "a folder that cannot be made": ((*SIDES, "--keep", "/dev/null/keep"), "/dev/null"),
    "a folder that cannot be written to": ((*SIDES, "--keep", "/proc/self"), "/proc"),
    "a dump that is none": ((*SIDES, "--expect", __file__), "not JSON"),
    "no such dump": ((*SIDES, "--expect", "/nonexistent"), "does not exist"),
    "a machine file that is none": ((*SIDES, "--machine", __file__), "test_cli_guard.py"),
    "a parameter without a value": ((*SIDES, "--param", "rings"), "rings"),
    "a timeout of nothing": ((*SIDES, "--timeout", "0"), "0.1<=x<=3600"),
    "a timeout that is no number": ((*SIDES, "--timeout", "nan"), "--timeout nan"),
}  # fmt: skip


@pytest.mark.parametrize("case", USAGE)
def test_it_does_not_start_with(case: str) -> None:
    options, words = USAGE[case]
    found = run_vmsc("guard", *options)
    assert (found.status, found.out) == (2, "")
    assert words in found.err and "a fault of vmsc" not in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize("option", ["--listen", "--metrics"])
def test_it_does_not_start_where_a_port_is_in_use(option: str) -> None:
    with socket.create_server((HOST, 0)) as taken:
        place = f"{HOST}:{taken.getsockname()[1]}"
        sides = ("--listen", place, "--secondary", f"{HOST}:1")
        found = run_vmsc("guard", *(sides if option == "--listen" else (*SIDES, option, place)))
    assert (found.status, found.out) == (2, "")
    assert "in use" in found.err and "Traceback" not in found.err


@pytest.mark.parametrize("module", ["prometheus_client", "qemu.qmp"])
def test_without_the_libraries_of_the_extra_it_says_what_to_install(
    tmp_path: Path, module: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules['{module}'] = None\n")
    found = run_vmsc("guard", *SIDES, PYTHONPATH=str(tmp_path))
    assert (found.status, found.out) == (2, "")
    assert f"no {module}" in found.err and "pip install 'vmsc[guard]'" in found.err


def test_a_qmp_socket_that_somebody_else_uses_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """QEMU's accepts a second client, and says nothing to it."""
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "qmp"))
        mute.listen()
        found = run_vmsc("guard", *SIDES, "--qmp", tmp_path / "qmp")
    assert found.status == 2
    assert found.err == f"vmsc: error: {tmp_path / 'qmp'}: no QMP: no answer in time\n"


def test_the_help_tells_what_each_option_is_for_and_how_it_ends() -> None:
    found = run_vmsc("guard", "--help")
    assert found.status == 0 and "Exit status: 0" in found.out
    for option in guard_command.params:
        assert isinstance(option, click.Option) and option.help and option.help.endswith(".")
        assert option.opts[-1] in found.out


@run_within()
async def test_it_listens_to_everybody_where_that_was_said() -> None:
    options = ("--insecure", "--listen", "0.0.0.0:0")
    async with secondary() as waiting, command(waiting.port, *options) as guard:
        assert guard.events[0]["host"] == "0.0.0.0"


@pytest.mark.parametrize("param, used", [("nobody=1", False), ("talk-nic:rings=3", True)])
@run_within()
async def test_a_parameter_that_nothing_has_a_use_for_is_named(param: str, used: bool) -> None:
    async with secondary() as waiting, command(waiting.port, "--param", param) as guard:
        await protected(guard, waiting)
        await guard.wait("protected")
        guard.stop()
        assert await guard.ends() == 0
        assert ("no section has a use for --param nobody=1" in operators(guard)) == (not used)


# --- outputs --------------------------------------------------------------------------------------


@run_within()
async def test_protection_goes_on_when_nobody_reads_its_events_any_more() -> None:
    async with secondary() as waiting, command(waiting.port) as guard:
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE)
        guard.close_output()
        await takes(first, end, TWO, THREE)
        await eventually(lambda: guard.heard("events are lost: Broken pipe"), "word of it")
        guard.stop()
        assert await guard.ends() == 0
        assert len([line for line in guard.said if "events are lost" in line]) == 1
        assert guard.heard("the secondary is whole, at checkpoint 3")


@run_within()
async def test_the_journal_has_no_paths_and_none_of_the_guests_memory(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        waiting = await stack.enter_async_context(secondary())
        its = await stack.enter_async_context(qmp(tmp_path / "second.qmp"))
        its.refused.add("quit")
        options = ("--qmp", its.path, "--primary-qmp", tmp_path / "gone", "--keep", tmp_path / "k")
        guard = await stack.enter_async_context(command(waiting.port, *options))
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE)
        await guard.wait("kept")
        (tmp_path / "k").rename(tmp_path / "elsewhere")
        await takes(first, end, TWO)
        await guard.wait("not-kept")
        await first.asks()
        first.say(THREE.wire)
        await end.gets(THREE)
        its.event("COLO_EXIT", mode="secondary", reason="error")
        assert await guard.ends() == 1
        assert [e["order"] for e in guard.named("order-failed")] == [
            "quit-secondary", "primary-alone",
        ]  # fmt: skip
        for event in guard.events:
            assert str(tmp_path) not in json.dumps(event)
            assert len(json.dumps(event)) < 1000


async def scrape(port: int) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples, by name and the values of their labels."""

    def get() -> str:
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            return str(answer.read().decode())

    found = {}
    for family in text_string_to_metric_families(await asyncio.to_thread(get)):
        for sample in family.samples:
            found[sample.name, tuple(sample.labels.values())] = sample.value
    return found


@run_within()
async def test_every_metric_moves_and_is_served_as_text(tmp_path: Path) -> None:
    options = ("--metrics", f"{HOST}:0", "--keep", tmp_path / "keep")
    async with AsyncExitStack() as stack:
        waiting = await stack.enter_async_context(secondary())
        guard = await stack.enter_async_context(command(waiting.port, *options))
        port = (await guard.wait("metrics"))["port"]
        before = await scrape(port)
        assert before["vmsc_guard_protected", ()] == 0
        scanner = await primary(guard.port)
        scanner.say(b"GET / HTTP/1.0\r\n\r\n")
        assert await scanner.rest() == b""
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE, TWO)
        await guard.wait("kept", 2)
        (tmp_path / "keep").rename(tmp_path / "elsewhere")
        await takes(first, end, THREE)
        await guard.wait("not-kept")
        now = await scrape(port)
        size = sum(len(sent.standing) + len(sent.devices) for sent in TALK[:3])
        assert now["vmsc_guard_protected", ()] == 1
        assert now["vmsc_guard_epoch", ()] == 3
        for state in ("proven", "committed", "applied"):
            assert now["vmsc_guard_checkpoints_total", (state,)] == 3
        assert now["vmsc_guard_bytes_total", ()] == size
        for name in ("proof", "secondary_pause"):
            assert now[f"vmsc_guard_{name}_seconds_count", ()] == 3
            assert now[f"vmsc_guard_{name}_seconds_sum", ()] > 0
        assert now["vmsc_guard_refusals_total", ("bad-magic",)] == 1
        assert now["vmsc_guard_kept_total", ()] == 2
        assert now["vmsc_guard_not_kept_total", ()] == 1
        first.close()
        await guard.wait("ended")
        after = await scrape(port)
        assert after["vmsc_guard_protected", ()] == 0
        assert after["vmsc_guard_ends_total", ("primary-lost",)] == 1
        page = Path(__file__).parents[2] / "docs" / "guard.md"
        names = {re.sub("_(count|sum|bucket|created)$", "", name) for name, _ in after}
        told = set(re.findall(r"`(vmsc_guard_\w+)(?:\{\w+\})?`", page.read_text()))
        assert {name for name in told if name.endswith("_total")} <= names
        guard.stop()
        assert await guard.ends() == 0
        with pytest.raises(urllib.error.URLError):
            await scrape(port)


# --- files ----------------------------------------------------------------------------------------


@run_within()
async def test_what_is_kept_is_opened_by_the_other_commands(tmp_path: Path) -> None:
    folder = tmp_path / "keep"
    options = ("--keep", folder, "--keep-last", 2)
    async with secondary() as waiting, command(waiting.port, *options) as guard:
        first, end = await protected(guard, waiting)
        await takes(first, end, *TALK[:4])
        await guard.wait("kept", 4)
        guard.stop()
        assert await guard.ends() == 0
    files = sorted(folder.iterdir())
    assert [file.name.rsplit("-", 1)[1] for file in files] == ["00000003.vmsf", "00000004.vmsf"]
    for file in files:
        for verb in ("info", "verify", "decode"):
            found = await asyncio.to_thread(run_vmsc, verb, file, "-s", talk_schemas())
            assert (found.status, found.err) == (0, ""), (verb, found)
    value = json.loads(found.out)
    assert "talk-uart" in json.dumps(value)


async def _streams(first: Primary, end: SecondaryEnd, all_: Sequence[Sent]) -> None:
    """Checkpoints, one after the other, for as long as the guard is there."""
    try:
        while True:
            await takes(first, end, *all_)
    except (OSError, asyncio.IncompleteReadError, AssertionError):
        return


@pytest.mark.parametrize(
    "times", [pytest.param(5, id="some"), pytest.param(30, id="all", marks=pytest.mark.soak)]
)
@run_within(240)
async def test_killed_at_any_moment_no_stored_checkpoint_is_torn(
    tmp_path: Path, times: int
) -> None:
    folder, rng = tmp_path / "keep", random.Random(times)
    folder.mkdir()
    all_ = [large(2 << 20, number) for number in (1, 2)]
    left = 0
    for _ in range(times):
        async with secondary() as waiting, command(waiting.port, "--keep", folder) as guard:
            assert not list(folder.glob(".*")), "left by the one before"
            first, end = await protected(guard, waiting)
            streaming = asyncio.create_task(_streams(first, end, all_))
            await guard.wait("kept")
            await asyncio.sleep(rng.uniform(0, 0.2))
            guard.process.send_signal(signal.SIGKILL)
            assert await guard.ends() == -signal.SIGKILL
            for side in (first, end):
                side.reset()
            await soon(streaming)
        files = sorted(folder.glob("checkpoint-*.vmsf"))
        assert 1 <= len(files) <= 4  # the last but one was not forgotten yet
        for file in files:
            assert decode_checkpoint(file.read_bytes()).epoch == int(file.stem.rsplit("-", 1)[1])
        left += len(list(folder.glob(".*")))
    # Among so many moments there is one while it wrote.
    assert left or times < 30


# --- memory ---------------------------------------------------------------------------------------

SIZE = 64 << 20
FIXED = 24 << 20  # of the guard's, whatever a checkpoint's size


def memory(guard: Command, what: str) -> int:
    """VmRSS, what it has now, or VmHWM, the most that it ever had: bytes."""
    text = Path(f"/proc/{guard.process.pid}/status").read_text()
    (kib,) = re.findall(rf"{what}:\s+(\d+) kB", text)
    return int(kib) << 10


@pytest.mark.parametrize("keep", [False, True])
@run_within(240)
async def test_a_guard_takes_no_more_than_twice_the_checkpoint(tmp_path: Path, keep: bool) -> None:
    options = ("--timeout", 60, *(("--keep", tmp_path / "keep") if keep else ()))
    async with secondary() as waiting, command(waiting.port, *options) as guard:
        first, end = await protected(guard, waiting)
        await takes(first, end, ONE)
        before = memory(guard, "VmRSS")
        for number in (1, 2, 3):
            sent = large(SIZE, number)
            await first.asks()
            await asyncio.gather(first.pour(sent.wire), end.gets(sent))
            end.say(RECEIVED + LOADED)
            await first.expect(RECEIVED + LOADED)
        await guard.wait("applied", 4)
        assert memory(guard, "VmHWM") - before <= 2 * SIZE + FIXED
        assert guard.named("proven")[-1]["bytes"] > SIZE - (1 << 20)
        if keep:
            await guard.wait("kept", 4)
