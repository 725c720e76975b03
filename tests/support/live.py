"""Real QEMUs for the tests: start one, ask it over QMP, take its state, give it a state.

Every wait has a limit, and every process that is started here is ended here, by its own number.
The guests are boot sectors in machine code, written out byte by byte; they need no assembler.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from qemu.qmp import ExecuteError, QMPClient, QMPError

__all__ = [
    "COUNTER", "MACHINES", "ROOM", "Machine", "Qemu", "QemuError", "boot", "busy_guest",
    "cmos_guest", "counting_guest", "eventually", "qemu_binary", "require_qemu",
    "rewriting_guest", "running",
]  # fmt: skip

T = TypeVar("T")

COUNTER = 0x0600  # where every guest here keeps its 32-bit counter, little-endian
ROOM = 0x0610  # where cmos_guest() puts the bytes that it reads


class QemuError(Exception):
    """QEMU did not start, refused, failed or was too slow; the message holds what it said."""


def qemu_binary(target: str = "x86_64") -> str | None:
    """The path of this target's QEMU, if there is one; QEMU_SYSTEM names another for x86_64."""
    name = f"qemu-system-{target}"
    return shutil.which(os.environ.get("QEMU_SYSTEM", name) if target == "x86_64" else name)


def require_qemu(target: str = "x86_64") -> str:
    """The path of QEMU. Without it the test is skipped."""
    if (binary := qemu_binary(target)) is not None:
        return binary
    pytest.skip(f"qemu-system-{target} is not installed")


def eventually(probe: Callable[[], T], what: str, timeout: float = 30.0, pause: float = 0.05) -> T:
    """The first true answer of `probe`, asked again and again; QemuError names what never came."""
    end = time.monotonic() + timeout
    while not (answer := probe()):
        if time.monotonic() > end:
            raise QemuError(f"no {what} within {timeout:g} s")
        time.sleep(pause)
    return answer


class Qemu:
    """One running QEMU; made by `running`, which also ends it.

    Its calls block. Beside a running event loop, make them in a thread, one at a time.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, timeout: float) -> None:
        self.process = process
        self.folder = folder
        self.timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._qmp = QMPClient("vmsc-tests")
        self._files = 0

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, self.timeout))
        except ExecuteError as refusal:
            raise QemuError(str(refusal)) from refusal
        except (QMPError, EOFError, OSError, TimeoutError) as error:
            # A QEMU that is about to end says why just before it does.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
            code = self.process.poll()
            said = self.stderr() or ("still running" if code is None else f"exit status {code}")
            raise QemuError(f"{type(error).__name__}: {error}; QEMU: {said}") from error

    def connect(self, end: socket.socket) -> None:
        """Speak QMP over this socket. For `running` alone."""
        self._wait(self._qmp.connect(end))

    def close(self) -> None:
        """Leave the monitor, whatever state it is in. For `running` alone."""
        with suppress(QemuError):
            self._wait(self._qmp.disconnect())
        self._loop.close()

    def stderr(self) -> str:
        """What QEMU has written to its standard error so far."""
        return (self.folder / "stderr").read_text(errors="replace").strip()

    def command(self, name: str, /, **arguments: object) -> Any:
        """A QMP command's result. Underscores in an argument's name stand for hyphens."""
        given = {key.replace("_", "-"): value for key, value in arguments.items()}
        return self._wait(self._qmp.execute(name, given))

    def event(self, name: str) -> dict[str, Any]:
        """The data of the next event of this name; the events before it are forgotten."""

        async def named() -> Any:
            async for message in self._qmp.events:
                if message["event"] == name:
                    return message.get("data", {})

        return dict(self._wait(named()))

    def moments(self, names: Sequence[str], count: int) -> list[tuple[str, float]]:
        """The next `count` events of these names, each with QEMU's own time of it in seconds."""

        async def found() -> list[tuple[str, float]]:
            seen: list[tuple[str, float]] = []
            async for message in self._qmp.events:
                if message["event"] in names:
                    stamp: Any = message["timestamp"]
                    seen.append(
                        (str(message["event"]), stamp["seconds"] + stamp["microseconds"] / 1e6)
                    )
                if len(seen) == count:
                    break
            return seen

        return self._wait(found())

    def past(self) -> list[dict[str, Any]]:
        """The events that came and were not asked for yet, the oldest first. QEMU need not live."""
        self._loop.run_until_complete(asyncio.sleep(0.1))  # what waits in the socket is read
        return [dict(message) for message in self._qmp.events.clear()]

    def hmp(self, text: str) -> str:
        """What the human monitor answers to a line."""
        return str(self.command("human-monitor-command", command_line=text))

    def status(self) -> str:
        """The run state: 'running', 'paused', 'inmigrate', 'postmigrate', ..."""
        return str(self.command("query-status")["status"])

    def memory(self, address: int, size: int) -> bytes:
        """Guest memory, by physical address."""
        file = self._new_file()
        self.command("pmemsave", val=address, size=size, filename=str(file))
        return file.read_bytes()

    def counter(self) -> int:
        """The counter of the guests of this module."""
        return int.from_bytes(self.memory(COUNTER, 4), "little")

    def save_device_state(self) -> bytes:
        """The device state alone, as xen-save-devices-state writes it; the run state is kept.

        Not with its `live` flag: that gives the disks of a stopped machine away, and a migration
        after it then ends QEMU in an assertion.
        """
        file = self._new_file()
        self.command("xen-save-devices-state", filename=str(file), live=False)
        return file.read_bytes()

    def save_stream(
        self, capabilities: Sequence[str] = (), parameters: Mapping[str, object] | None = None
    ) -> bytes:
        """A whole migration stream; the machine is stopped after it.

        The stream holds the run state in which the machine was: one that was stopped before
        stays so where it is loaded, and `cont` goes on there.
        """
        self.allow(capabilities)
        self.command("migrate-set-parameters", **{"max-bandwidth": 1 << 40, **(parameters or {})})
        file = self._new_file()
        part, name = shlex.quote(f"{file}.part"), shlex.quote(str(file))
        # 'completed' comes before the last bytes are in the file; the rename comes after them.
        self.command("migrate", uri=f"exec:cat > {part} && mv {part} {name}")
        eventually(self.migrated, "end of the migration", self.timeout)
        eventually(file.exists, "stream in its file", self.timeout)
        return file.read_bytes()

    def load_stream(self, stream: bytes, capabilities: Sequence[str] = ()) -> None:
        """Give a QEMU that was started with incoming=True its state; QemuError if it refuses."""
        self.allow(capabilities)
        file = self._new_file()
        file.write_bytes(stream)
        self.command("migrate-incoming", uri=f"exec:cat {shlex.quote(str(file))}")
        eventually(lambda: self.status() != "inmigrate", "end of the load", self.timeout)
        self.migrated()

    def allow(self, capabilities: Sequence[str]) -> None:
        """Switch these migration capabilities on."""
        wanted = [{"capability": name, "state": True} for name in capabilities]
        self.command("migrate-set-capabilities", capabilities=wanted)

    def migrated(self) -> bool:
        """Whether the migration is complete; QemuError if it failed."""
        info = self.command("query-migrate")
        status = info.get("status")
        if status in ("failed", "cancelled"):
            raise QemuError(f"migration {status}: {info.get('error-desc', self.stderr())}")
        return bool(status == "completed")

    def _new_file(self) -> Path:
        self._files += 1
        return self.folder / f"file{self._files}"


@contextmanager
def _process(
    command: Sequence[str], channel: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "stderr").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[channel],
            env={**os.environ, **environment},
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextmanager
def running(
    args: Sequence[str] = (),
    *,
    memory_mb: int = 32,
    machine: str = "pc",
    target: str = "x86_64",
    timeout: float = 60.0,
    incoming: bool = False,
    environment: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Iterator[Qemu]:
    """A QEMU with these arguments, until the block ends. Always TCG: what KVM adds would vary.

    `timeout` is the limit of every single wait. With `incoming` it waits for `load_stream`.
    `before` is a command that runs it.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmsc-qemu-")))
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        command = [
            *before, require_qemu(target), "-M", machine, "-accel", "tcg", "-m", str(memory_mb),
            "-display", "none", "-monitor", "none",
            "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control",
            *(("-incoming", "defer") if incoming else ()), *args,
        ]  # fmt: skip
        with theirs:
            started = _process(command, theirs.fileno(), folder, environment or {})
            process = stack.enter_context(started)
        qemu = Qemu(process, folder, timeout)
        stack.callback(qemu.close)
        qemu.connect(ours)
        yield qemu


# The guests. Each is loaded by the BIOS at 0000:7c00 and runs in real mode, interrupts off.

_START = bytes.fromhex(
    "fa"                    # cli
    "fc"                    # cld
    "31c0"                  # xor ax, ax
    "8ed8"                  # mov ds, ax
    "8ec0"                  # mov es, ax
    "66c706 0006 00000000"  # mov dword [COUNTER], 0
)  # fmt: skip
_COUNT = bytes.fromhex("66ff06 0006")  # inc dword [COUNTER]


def _sector(code: bytes) -> bytes:
    assert len(code) <= 510, "a boot sector holds no more"
    return code.ljust(510, b"\0") + b"\x55\xaa"


def _back(code: bytes) -> bytes:  # jmp short to the start of `code`, right after it
    return b"\xeb" + (-len(code) - 2).to_bytes(1, "big", signed=True)


def counting_guest() -> bytes:
    """Counts at COUNTER for ever, and writes the count to the corner of the VGA text screen."""
    screen = bytes.fromhex(
        "b800b8"            # mov ax, 0xb800
        "8ec0"              # mov es, ax
    )  # fmt: skip
    turn = _COUNT + bytes.fromhex(
        "66a1 0006"         # mov eax, [COUNTER]
        "2666a3 0000"       # mov es:[0], eax
    )  # fmt: skip
    return _sector(_START + screen + turn + _back(turn))


def rewriting_guest() -> bytes:
    """Counts, and writes the count into each of 64 pages from 0x10000 on, again and again.

    What it writes to must be seen as dirty each time, so it makes QEMU forget its TLB each turn.
    """
    turn = bytes.fromhex(
        "0f20e0"            # mov eax, cr4
        "6683f010"          # xor eax, PSE
        "0f22e0"            # mov cr4, eax
    ) + _COUNT + bytes.fromhex(
        "66a1 0006"         # mov eax, [COUNTER]
        "bb 0010"           # mov bx, 0x1000
    )  # fmt: skip
    page = bytes.fromhex(
        "8ec3"              # mov es, bx
        "2666a3 2000"       # mov es:[0x20], eax
        "81c3 0001"         # add bx, 0x100
        "81fb 0050"         # cmp bx, 0x5000
    )  # fmt: skip
    again = b"\x72" + _back(page)[1:]  # jb page
    whole = turn + page + again
    return _sector(_START + whole + _back(whole))


def cmos_guest(first: int = 0x40, count: int = 16) -> bytes:
    """Copies `count` CMOS bytes from register `first` on to ROOM, again and again.

    COUNTER counts the rounds: once it has grown by two, a whole round lies behind.
    """
    setup = bytes.fromhex("bf 1006 b3") + bytes([first])  # mov di, ROOM; mov bl, first
    byte = bytes.fromhex(
        "88d8"              # mov al, bl
        "e670"              # out 0x70, al
        "e471"              # in al, 0x71
        "aa"                # stosb
        "fec3"              # inc bl
        "80fb"              # cmp bl, ...
    ) + bytes([first + count])  # fmt: skip
    again = b"\x72" + _back(byte)[1:]  # jb byte
    turn = setup + byte + again + _COUNT
    return _sector(_START + turn + _back(turn))


# What busy_guest() writes to the ports: each makes QEMU send a subsection that it leaves out of
# an idle machine's state.
_POKES: tuple[tuple[int, int], ...] = (
    (0x3F6, 0x02), (0x1F6, 0xA0), (0x1F7, 0xEC),  # ATA: no interrupt, drive 0, IDENTIFY
    (0x376, 0x02), (0x176, 0xA0), (0x177, 0xA1),  # ATAPI: the same, IDENTIFY PACKET
    (0x3FC, 0x10), (0x3FA, 0x01), (0x3F8, 0x41), (0x3F8, 0x42),  # serial: loop, FIFO on, two bytes
    (0x3F2, 0x00), (0x3F2, 0x0C), (0x3F5, 0x12), (0x3F5, 0x81),  # floppy: reset, perpendicular
    (0x60, 0xED), (0x60, 0x02),  # keyboard: one LED on; its answers stay in the queue
    (0xCF9, 0x02),  # PIIX3: the next reset a hard one
)  # fmt: skip


def busy_guest() -> bytes:
    """Leaves devices in the middle of their work (an unread sector, full FIFOs), then counts."""
    cpu = bytes.fromhex(
        "66b9 a0010000"     # mov ecx, IA32_MISC_ENABLE
        "6631c0"            # xor eax, eax
        "6631d2"            # xor edx, edx
        "0f30"              # wrmsr
        "dbe3"              # fninit
        "d9e8"              # fld1
        "d91e 2006"         # fstp dword [0x0620]
        "0f20e0"            # mov eax, cr4
        "660d 00004000"     # or eax, PKE
        "0f22e0"            # mov cr4, eax
        "66b8 55000000"     # mov eax, 0x55
        "6631c9"            # xor ecx, ecx
        "0f01ef"            # wrpkru
    )  # fmt: skip
    loop = bytes.fromhex(
        "ad"                # lodsw
        "89c2"              # mov dx, ax
        "ac"                # lodsb
        "ee"                # out dx, al
    )  # fmt: skip
    loop += b"\xe2" + _back(loop)[1:]  # loop
    turn = _COUNT + b"\xf3\x90"  # pause
    head = len(_START) + len(cpu) + 6
    table = 0x7C00 + head + len(loop) + len(turn) + 2
    setup = b"\xbe" + table.to_bytes(2, "little")  # mov si, table
    setup += b"\xb9" + len(_POKES).to_bytes(2, "little")  # mov cx, pokes
    pokes = b"".join(port.to_bytes(2, "little") + bytes([value]) for port, value in _POKES)
    return _sector(_START + cpu + setup + loop + turn + _back(turn) + pokes)


def boot(folder: Path, sector: bytes) -> list[str]:
    """Arguments for a machine that boots this sector from an IDE disk, which lies in `folder`."""
    image = folder / "boot.img"
    image.write_bytes(sector.ljust(1 << 20, b"\0"))
    return ["-drive", f"file={image},format=raw,if=ide,index=0,snapshot=on"]


@dataclass(frozen=True)
class Machine:
    """A configuration of the test data: QEMU's arguments, and the guest that it boots, if any.

    `lines` are for the human monitor, before the state is taken.
    """

    args: tuple[str, ...] = ()
    memory_mb: int = 32
    guest: Callable[[], bytes] | None = None
    lines: tuple[str, ...] = ()

    def start(
        self, folder: Path, *more: str, incoming: bool = False
    ) -> AbstractContextManager[Qemu]:
        """This machine, running; its disk lies in `folder`, which has to outlive it."""
        drives = boot(folder, self.guest()) if self.guest is not None else []
        args = [*self.args, *drives, *more]
        return running(args, memory_mb=self.memory_mb, incoming=incoming)

    def settle(self, qemu: Qemu) -> None:
        """Wait until the guest counts, or the firmware has found none; then stop the machine."""
        if self.guest is None:
            time.sleep(_FIRMWARE)
        else:
            eventually(lambda: qemu.counter() > 1, "count of the guest", qemu.timeout)
        for line in self.lines:
            qemu.hmp(line)
        qemu.command("stop")


_FIRMWARE = 2.0  # seconds; it then waits in its search for something to boot
_CDROM = ("-drive", "if=ide,index=2,media=cdrom")
_NICS = ("-nic", "user,model=rtl8139", "-nic", "user,model=ne2k_pci", "-nic", "user,model=pcnet")
_USB = ("-usb", "-device", "usb-tablet", "-device", "usb-kbd")

MACHINES: dict[str, Machine] = {
    "pc": Machine(),
    "minimal": Machine(("-nodefaults",)),
    "full": Machine(("-smp", "2", *_CDROM), memory_mb=192, guest=counting_guest),
    "usb": Machine((*_USB, *_NICS), guest=cmos_guest),
    "busy": Machine(
        ("-cpu", "max", "-serial", "null", *_CDROM), guest=busy_guest, lines=("eject ide1-cd0",)
    ),
}
