"""Two real QEMUs in COLO, alone or with a guard before the secondary, and what goes wrong between.

The guest is `witness`'s.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from live import Qemu, QemuError, boot, eventually, running
from recordings import shim
from witness import A, B, Count, count_at, counted, witness_guest

from vmsc.runtime.framed.checkpoint import decode_checkpoint
from vmsc.stream.ram import Page, RamFormat, walk_ram

__all__ = [
    "Count", "Guard", "Link", "Pair", "Trouble", "counted", "counts_in", "guarded", "kept_counts",
    "linked", "pair", "witness_guest",
]  # fmt: skip

_ARGS = ("-nodefaults", "-vga", "std")
_REQUEST, _REPLY = (number.to_bytes(4, "big") for number in (1, 2))
VMSC = Path(sys.executable).parent / "vmsc"


# --- what is between ------------------------------------------------------------------------------


@dataclass
class Trouble:
    """At byte `offset` of what the primary sends in checkpoint `epoch`: `cut`, `stall`, or `change`
    of one of its bits, or of as many bytes as `to` has to those. `after`: the offset counts from
    where these bytes end, first. `part` ends the primary's side alone, when it asks for the next
    checkpoint.
    """

    epoch: int
    what: str
    offset: int = 0
    after: bytes = b""
    to: bytes = b""


@dataclass
class Link:
    """A connection from the primary that may have trouble, and may be slow (bytes a second)."""

    port: int
    trouble: Trouble | None = None
    rate: float = 0.0
    happened: threading.Event = field(default_factory=threading.Event)
    replies: int = 0
    ends: list[socket.socket] = field(default_factory=list)
    said: bytearray = field(default_factory=bytearray)  # all that the primary has sent
    answered: bytearray = field(default_factory=bytearray)  # and the secondary
    _sent: bytearray = field(default_factory=bytearray)  # of this checkpoint

    def cut(self) -> None:
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def passes(self, data: bytes) -> bytes | None:
        """What of it goes on; None: nothing more, ever."""
        self.said += data
        trouble = self.trouble
        if trouble is None or self.replies != trouble.epoch or self.happened.is_set():
            return data
        if trouble.what == "part" and data == _REQUEST:
            self.happened.set()
            return None
        before = len(self._sent)
        self._sent += data
        start = self._sent.find(trouble.after)
        if start < 0:
            return data
        at = start + len(trouble.after) + trouble.offset - before
        if trouble.what == "part" or not 0 <= at < len(data):
            return data
        self.happened.set()
        if trouble.what == "change":
            to = trouble.to or bytes([data[at] ^ 0x40])
            assert at + len(to) <= len(data), "what is to change came in two pieces"
            return data[:at] + to + data[at + len(to) :]
        self._cut_short = data[:at]
        return None

    _cut_short: bytes = b""


def _forward(link: Link, source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 14 if link.rate else 1 << 16):
            passed = link.passes(data)
            if passed is None:
                assert link.trouble is not None
                target.sendall(link._cut_short)
                if link.trouble.what == "cut":
                    link.cut()
                if link.trouble.what == "part":
                    source.shutdown(socket.SHUT_RDWR)
                return
            if link.rate:
                time.sleep(len(passed) / link.rate)
            target.sendall(passed)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _backward(link: Link, source: socket.socket, target: socket.socket) -> None:
    """The secondary's messages, of four bytes each; its replies are counted."""
    rest = b""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            rest += data
            whole = len(rest) // 4 * 4
            for at in range(0, whole, 4):
                if rest[at : at + 4] == _REPLY:
                    link.replies += 1
                    link._sent = bytearray()
            rest = rest[whole:]
            link.answered += data
            with suppress(OSError):
                target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def linked(target: int) -> Iterator[Link]:
    """A link to this port of loopback, for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = Link(listener.getsockname()[1])

        def serve() -> None:
            with suppress(OSError):
                caller, _ = listener.accept()
                answerer = socket.create_connection(("127.0.0.1", target), timeout=60)
                answerer.settimeout(None)
                link.ends += [caller, answerer]
                for end in link.ends:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for run, ends in ((_forward, (caller, answerer)), (_backward, (answerer, caller))):
                    threading.Thread(target=run, args=(link, *ends), daemon=True).start()

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        try:
            yield link
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            link.cut()
            server.join(10)
            for end in link.ends:
                end.close()


# --- the pair -------------------------------------------------------------------------------------


@dataclass
class Pair:
    """A primary and a secondary that waits. `folder` has a second QMP socket of each."""

    primary: Qemu
    secondary: Qemu
    folder: Path
    delay: int

    def qmp(self, side: str) -> Path:
        return self.folder / f"{side}.qmp"

    def waits(self, host: str = "127.0.0.1") -> int:
        """Let the secondary wait for a primary; its port."""
        self.secondary.allow(["x-colo"])
        self.secondary.command("migrate-incoming", uri=f"tcp:{host}:0")
        bound = eventually(
            lambda: self.secondary.command("query-migrate").get("socket-address"), "port"
        )
        return int(bound[0]["port"])

    def protect(self, port: int, host: str = "127.0.0.1") -> None:
        """Migrate the primary to this port, and wait until both are in COLO."""
        self.primary.allow(["x-colo"])
        limits = {"max-bandwidth": 1 << 40, "x-checkpoint-delay": self.delay}
        self.primary.command("migrate-set-parameters", **limits)
        self.primary.command("migrate", uri=f"tcp:{host}:{port}")
        for qemu in (self.primary, self.secondary):
            eventually(partial(_in_colo, qemu), "COLO")

    def pauses(self, count: int) -> list[float]:
        """How long the secondary is stopped for each of the next checkpoints, in seconds."""
        found = self.secondary.moments(("STOP", "RESUME"), 2 * count + 1)
        at = [time for name, time in found[found[0][0] == "RESUME" :]]
        return [end - start for start, end in zip(at[::2], at[1::2])]

    def failover(self) -> None:
        """Order the secondary to take over, and wait until it runs by itself."""
        self.secondary.command("x-colo-lost-heartbeat")

        def alone() -> bool:
            mode = self.secondary.command("query-colo-status")["mode"]
            return bool(mode == "none" and self.secondary.status() == "running")

        eventually(alone, "secondary that runs alone", 15)


def _in_colo(qemu: Qemu) -> bool:
    status = qemu.command("query-migrate").get("status")
    if status == "failed":
        raise QemuError(f"the migration failed: {qemu.stderr()}")
    return bool(status == "colo")


@contextmanager
def pair(
    folder: Path,
    *,
    delay: int = 100,
    guest: Callable[[], bytes] = witness_guest,
    spaces: Sequence[str] = ("", ""),
    args: Sequence[Sequence[str]] = ((), ()),
) -> Iterator[Pair]:
    """Two QEMUs whose primary counts. `spaces`: the network namespaces that they run in; `args`:
    more arguments of each.
    """
    environment = {"LD_PRELOAD": shim()}
    disks = boot(folder, guest())
    with ExitStack() as stack:
        both = []
        for side, space, more in zip(("primary", "secondary"), spaces, args):
            socket_ = f"unix:{folder / side}.qmp,server=on,wait=off"
            started = running(
                [*_ARGS, *disks, "-qmp", socket_, *more],
                environment=environment,
                incoming=side == "secondary",
                before=("ip", "netns", "exec", space) if space else (),
            )
            both.append(stack.enter_context(started))
        eventually(lambda: int.from_bytes(both[0].memory(B, 4), "little") > 1, "guest's count")
        yield Pair(both[0], both[1], folder, delay)


# --- the guard ------------------------------------------------------------------------------------


class Guard:
    """A running `vmsc guard`; made by `guarded`."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self._out, self._err = folder / "guard.out", folder / "guard.err"

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = self._out.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def said(self) -> str:
        return self._err.read_text()

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def wait(self, name: str, count: int = 1, timeout: float = 30.0) -> dict[str, Any]:
        """The count-th event of this name, once it is there."""
        try:
            eventually(lambda: len(self.named(name)) >= count, f"{count} x {name}", timeout)
        except QemuError as error:
            raise QemuError(f"{error}; events: {self.events[-5:]}; said: {self.said}") from None
        return self.named(name)[count - 1]

    @property
    def applied(self) -> int:
        """How many checkpoints were applied."""
        return len(self.named("applied"))

    def ends(self, timeout: float = 30.0) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(timeout)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.ends()


@contextmanager
def guarded(
    pair: Pair,
    port: int,
    *options: object,
    qmp: bool = True,
    host: str = "127.0.0.1",
    before: Sequence[object] = (),
) -> Iterator[tuple[Guard, int]]:
    """A guard before the secondary, which waits at `port`; where the primary is to migrate to, at
    `host`. `before` comes before the command.
    """
    command = [*before, VMSC, "guard", "--secondary", f"127.0.0.1:{port}", "--listen", f"{host}:0"]
    command += ["--qmp", pair.qmp("secondary")] if qmp else []
    command += options
    folder = pair.folder
    with (folder / "guard.out").open("wb") as out, (folder / "guard.err").open("wb") as err:
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
    guard = Guard(process, folder)
    try:
        yield guard, int(guard.wait("listening")["port"])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def counts_in(file: bytes) -> Count | None:
    """What the guest had counted in a stored checkpoint, the CMOS not looked at; None: it has not
    run since the one before, and the page that it counts in is not sent.
    """
    checkpoint = decode_checkpoint(file)
    ram = next(frame for frame in checkpoint.frames if frame.name == "ram")
    for item in walk_ram(ram.payload, 0, RamFormat()):
        if isinstance(item, Page) and (item.block, item.address) == ("pc.ram", 0):
            start = item.data + A
            return count_at(bytes(ram.payload[start : start + 12]))
    return None


def kept_counts(folder: Path) -> dict[int, Count]:
    """Those of the stored checkpoints, by epoch."""
    found: dict[int, Count] = {}
    last = Count(0, 0)
    for file in sorted(folder.glob("checkpoint-*.vmsf")):
        last = counts_in(file.read_bytes()) or last
        found[int(file.stem.rsplit("-", 1)[1])] = last
    return found
