"""Two real QEMUs in COLO, alone or with a guard before the secondary, and what goes wrong between.

The guest counts in two places of its memory and in its RTC's CMOS, always in this order: a, the
CMOS, b. So at any moment b <= a <= b + 1, and each of the CMOS's bytes is that of a or of b: the
law of a state that is whole. Before it writes a byte of the CMOS, the guest looks whether b's is
there, and counts the times it is not: so a state made of two checkpoints shows later on, too.
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

from live import _START, Qemu, QemuError, _back, _sector, boot, eventually, running
from recordings import shim

from vmsc.runtime.checkpoint import decode_checkpoint
from vmsc.stream.ram import Page, RamFormat, walk_ram

__all__ = [
    "Count", "Guard", "Link", "Pair", "Trouble", "counted", "counts_in", "guarded", "kept_counts",
    "linked", "pair", "witness_guest",
]  # fmt: skip

A, B, TORN = 0x0600, 0x0604, 0x0608
# Of the CMOS, and which byte of the counts each has; the firmware has no use for them. They are
# more than one, so that a state taken between a look and a write shows in the others.
_REGISTERS = ((0x50, 0), (0x51, 1), (0x52, 0), (0x53, 1))
_ARGS = ("-nodefaults", "-vga", "std")
_REQUEST, _REPLY = (number.to_bytes(4, "big") for number in (1, 2))
VMSC = Path(sys.executable).parent / "vmsc"


def witness_guest(pages: int = 64) -> bytes:
    """Counts as the law says, and writes to `pages` more pages of memory each turn."""
    setup = b""
    for place in (B, TORN):
        setup += b"\x66\xc7\x06" + place.to_bytes(2, "little") + bytes(4)  # mov dword [place], 0
    turn = bytes.fromhex(
        "0f20c0"            # mov eax, cr0
        "6635 00000100"     # xor eax, WP: QEMU forgets its TLB, and sees each page change
        "0f22c0"            # mov cr0, eax
        "66ff06 0006"       # inc dword [A]
    )  # fmt: skip
    for register, byte in _REGISTERS:
        select = b"\xb0" + bytes([register]) + b"\xe6\x70"  # mov al, register; out 0x70, al
        setup += select + bytes.fromhex("30c0 e671")  # xor al, al; out 0x71, al
        turn += select + b"\xe4\x71"  # in al, 0x71
        turn += b"\x3a\x06" + (B + byte).to_bytes(2, "little")  # cmp al, [B+]
        turn += b"\x74\x05\x66\xff\x06" + TORN.to_bytes(2, "little")  # je +5; inc dword [TORN]
        turn += b"\xa0" + (A + byte).to_bytes(2, "little") + b"\xe6\x71"  # mov al, [A+]; out
    turn += b"\x66\xff\x06" + B.to_bytes(2, "little")  # inc dword [B]
    if pages:
        turn += b"\xbb\x00\x10"  # mov bx, 0x1000
        page = bytes.fromhex("8ec3 2666ff06 0000 81c30001")  # es = bx; inc dword es:[0]; next page
        page += b"\x81\xfb" + (0x1000 + 0x100 * pages).to_bytes(2, "little")  # cmp bx, ...
        turn += page + b"\x72" + _back(page)[1:]  # jb page
    return _sector(_START + setup + turn + _far(turn))


def _far(code: bytes) -> bytes:  # jmp near to the start of `code`, right after it
    return b"\xe9" + (-len(code) - 3).to_bytes(2, "little", signed=True)


@dataclass(frozen=True)
class Count:
    """What the guest has counted; `torn`: how often it saw a CMOS that was not b's."""

    a: int
    b: int
    torn: int = 0
    cmos: bytes = b""

    @property
    def whole(self) -> bool:
        """Whether the law holds."""
        one, other = (count.to_bytes(4, "little") for count in (self.a, self.b))
        pairs = zip(self.cmos, _REGISTERS)
        good = all(found in (one[byte], other[byte]) for found, (_, byte) in pairs)
        return good and self.torn == 0 and (self.a - self.b) % (1 << 32) in (0, 1)


def counted(qemu: Qemu) -> Count:
    """What the guest of a QEMU has counted; it is stopped for that, and stays so."""
    qemu.command("stop")
    memory = qemu.memory(A, 12)
    cmos = []
    for register, _ in _REGISTERS:
        qemu.hmp(f"o /b 0x70 {register:#x}")
        cmos.append(int(qemu.hmp("i /b 0x71").split("=")[1], 16))
    return _count(memory, bytes(cmos))


def _count(memory: bytes, cmos: bytes = b"") -> Count:
    """From the 12 bytes that begin at A."""
    a, b, torn = (int.from_bytes(memory[at : at + 4], "little") for at in range(0, 12, 4))
    return Count(a, b, torn, cmos)


# --- what is between ------------------------------------------------------------------------------


@dataclass
class Trouble:
    """At byte `offset` of what the primary sends in checkpoint `epoch`: `cut`, `stall`, or `change`
    of that byte. `after`: the offset counts from where these bytes end, first. `part` ends the
    primary's side alone, when it asks for the next checkpoint.
    """

    epoch: int
    what: str
    offset: int = 0
    after: bytes = b""


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
            return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]
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
        return int(self.secondary.command("query-migrate")["socket-address"][0]["port"])

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
) -> Iterator[Pair]:
    """Two QEMUs whose primary counts. `spaces`: the network namespaces that they run in."""
    environment = {"LD_PRELOAD": shim()}
    disks = boot(folder, guest())
    with ExitStack() as stack:
        both = []
        for side, space in zip(("primary", "secondary"), spaces):
            socket_ = f"unix:{folder / side}.qmp,server=on,wait=off"
            started = running(
                [*_ARGS, *disks, "-qmp", socket_],
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


def counts_in(file: bytes) -> Count:
    """What the guest had counted in a stored checkpoint; the CMOS is not looked at."""
    checkpoint = decode_checkpoint(file)
    ram = next(frame for frame in checkpoint.frames if frame.name == "ram")
    for item in walk_ram(ram.payload, 0, RamFormat()):
        if isinstance(item, Page) and (item.block, item.address) == ("pc.ram", 0):
            start = item.data + A
            return _count(bytes(ram.payload[start : start + 12]))
    raise AssertionError("a checkpoint without the page that the guest counts in")


def kept_counts(folder: Path) -> dict[int, Count]:
    """Those of the stored checkpoints, by epoch."""
    files = sorted(folder.glob("checkpoint-*.vmsf"))
    return {int(file.stem.rsplit("-", 1)[1]): counts_in(file.read_bytes()) for file in files}
