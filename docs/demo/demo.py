"""`make demo`: two real QEMUs, a guard between them, and a guest that counts on its screen.

The primary is killed in the middle of a checkpoint; the guard drops what came of it, fences the
primary, and lets the secondary take over: the count goes on. Two screens are left as PNG.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from guest import COUNTER, boot_sector
from qemu.qmp import QMPClient, QMPError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VMSC = Path(sys.executable).parent / "vmsc"
OUT = ROOT / "build" / "demo"
WAIT = 30.0  # seconds, for anything
CHECKPOINTS = 8
BETWEEN = 300  # ms

Process = asyncio.subprocess.Process


class Qemu:
    """A QEMU and its QMP."""

    def __init__(self, process: Process, folder: Path, name: str) -> None:
        self.process, self.folder, self.name = process, folder, name
        self.qmp = QMPClient(name)

    async def order(self, command: str, **arguments: object) -> Any:
        given = {key.replace("_", "-"): value for key, value in arguments.items()}
        return await asyncio.wait_for(self.qmp.execute(command, given), WAIT)

    async def count(self) -> int:
        file = self.folder / f"{self.name}.count"
        await self.order("pmemsave", val=COUNTER, size=4, filename=str(file))
        return int.from_bytes(file.read_bytes(), "little")

    async def screen(self, file: Path) -> None:
        await self.order("screendump", filename=str(file), format="png")


def shim(folder: Path) -> dict[str, str]:
    """Without KVM, QEMU's COLO needs a library of ours preloaded."""
    made = folder / "shim.so"
    source = ROOT / "tests" / "support" / "tcg_shim.c"
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=WAIT)
    return {**os.environ, "LD_PRELOAD": str(made)}


@asynccontextmanager
async def qemu(name: str, folder: Path, env: dict[str, str], *more: str) -> AsyncIterator[Qemu]:
    ours, guards = folder / f"{name}.qmp", folder / f"{name}.guard.qmp"
    arguments = [
        "-M", "pc", "-m", "64", "-display", "none", "-nodefaults", "-vga", "std",
        "-drive", f"file={folder / 'boot.img'},format=raw,if=ide,snapshot=on",
        "-qmp", f"unix:{ours},server=on,wait=off", "-qmp", f"unix:{guards},server=on,wait=off",
    ]  # fmt: skip
    binary = os.environ.get("QEMU_SYSTEM", "qemu-system-x86_64")
    process = await asyncio.create_subprocess_exec(
        binary, *arguments, *more, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    running = Qemu(process, folder, name)
    try:
        await until(ours.exists, f"{name} to start")
        await asyncio.wait_for(running.qmp.connect(str(ours)), WAIT)
        await running.order("migrate-set-capabilities",
                            capabilities=[{"capability": "x-colo", "state": True}])  # fmt: skip
        yield running
    finally:
        with suppress(QMPError, OSError, EOFError):
            await running.qmp.disconnect()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(probe: Any, what: str) -> None:
    for _ in range(int(WAIT / 0.02)):
        if probe():
            return
        await asyncio.sleep(0.02)
    raise SystemExit(f"demo: waited {WAIT:g} s for {what}")


async def lines(guard: Process) -> AsyncIterator[dict[str, Any]]:
    """The guard's events."""
    assert guard.stdout is not None
    while line := await asyncio.wait_for(guard.stdout.readline(), WAIT):
        yield json.loads(line)


def say(text: str) -> None:
    print(text, flush=True)


async def protected(folder: Path, primary: Qemu, secondary: Qemu, stack: AsyncExitStack) -> Process:
    """A guard before the secondary, the primary migrated to it; its events are read on."""
    await secondary.order("migrate-incoming", uri="tcp:127.0.0.1:0")
    port = (await secondary.order("query-migrate"))["socket-address"][0]["port"]
    pid = primary.process.pid
    guard = await asyncio.create_subprocess_exec(
        VMSC, "guard", "--listen", "127.0.0.1:0", "--secondary", f"127.0.0.1:{port}",
        "--qmp", folder / "secondary.guard.qmp", "--primary-qmp", folder / "primary.guard.qmp",
        "--failover", "fence", "--fence", f"{HERE / 'fence.sh'} {pid}", "--keep", OUT / "kept",
        stdout=subprocess.PIPE,
    )  # fmt: skip

    async def end() -> None:
        if guard.returncode is None:
            guard.kill()
        await guard.wait()

    stack.push_async_callback(end)
    return guard


async def run() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmsc-demo-")))
        (folder / "boot.img").write_bytes(boot_sector().ljust(1 << 20, b"\0"))
        env = shim(folder)
        say("two QEMUs: a primary that counts, a secondary that waits")
        primary = await stack.enter_async_context(qemu("primary", folder, env))
        secondary = await stack.enter_async_context(
            qemu("secondary", folder, env, "-incoming", "defer")
        )
        guard = await protected(folder, primary, secondary, stack)
        applied, seen = 0, 0
        async for event in lines(guard):
            match event:
                case {"event": "listening", "port": port}:
                    say(f"vmsc guard listens on port {port}; the primary migrates to it")
                    await primary.order("migrate-set-parameters", x_checkpoint_delay=BETWEEN)
                    await primary.order("migrate", uri=f"tcp:127.0.0.1:{port}")
                case {"event": "protected"}:
                    say(f"protected: {event['machine']}, {event['devices']} sections a checkpoint")
                case {"event": "applied", "epoch": epoch}:
                    applied = epoch
                    say(f"checkpoint {epoch} applied, the secondary paused for"
                        f" {1000 * event['pause']:.0f} ms")  # fmt: skip
                    if epoch == CHECKPOINTS:
                        await primary.screen(OUT / "primary.png")
                        seen = await primary.count()
                        say(f"the primary's count: {seen}")
                case {"event": "requested", "epoch": epoch} if applied >= CHECKPOINTS:
                    primary.process.send_signal(signal.SIGKILL)
                    say(f"checkpoint {epoch} begins, and the primary is killed in the middle of it")
                    await primary.process.wait()
                case {"event": "ended"}:
                    say(f"the guard: {event['message']}")
                case {"event": "fence", "good": True}:
                    say("the guard has fenced the primary: it is certain not to run")
                case {"event": "failover"}:
                    say("the guard has let the secondary take over")
        status = await asyncio.wait_for(guard.wait(), WAIT)
        first = await secondary.count()
        await asyncio.sleep(2)
        last = await secondary.count()
        await secondary.screen(OUT / "secondary.png")
    say(f"the secondary's count: {first}, and two seconds later {last}")
    if status != 0 or not seen <= last or not first < last:
        raise SystemExit(f"demo: the count did not go on (the guard's exit status is {status})")
    for name in ("primary.png", "secondary.png", "kept"):
        say(f"{OUT.relative_to(ROOT) / name}")


if __name__ == "__main__":
    asyncio.run(run())
