"""A driver for virtio-mmio devices, from outside the guest: over QEMU's qtest protocol.

It leaves devices in states that no firmware leaves them in. The machine's CPUs need not run.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Device", "Memory", "find_device", "qtest", "qtest_arguments"]

FIRST, STEP, COUNT = 0xFEB0_0000, 0x200, 24  # where a microvm has its transports
SIZE = 64  # entries of every queue here
PAGE = 4096

# Registers.
DEVICE_ID, FEATURES, FEATURES_SEL, GUEST_PAGE = 0x08, 0x20, 0x24, 0x28
QUEUE_SEL, QUEUE_NUM, QUEUE_ALIGN, QUEUE_PFN = 0x30, 0x38, 0x3C, 0x40
QUEUE_READY, NOTIFY, STATUS = 0x44, 0x50, 0x70
DESC, AVAIL, USED = 0x80, 0x90, 0xA0
NEXT, WRITE = 1, 2  # of a descriptor


class Memory:
    """The machine's memory and registers."""

    def __init__(self, end: socket.socket) -> None:
        self.file = end.makefile("rw", newline="\n")

    def ask(self, line: str) -> str:
        self.file.write(f"{line}\n")
        self.file.flush()
        answer = self.file.readline().strip()
        assert answer.startswith("OK"), f"{line[:40]}: {answer}"
        return answer.removeprefix("OK").strip()

    def readl(self, at: int) -> int:
        return int(self.ask(f"readl {at:#x}"), 16)

    def writel(self, at: int, value: int) -> None:
        self.ask(f"writel {at:#x} {value:#x}")

    def write(self, at: int, data: bytes) -> None:
        self.ask(f"write {at:#x} {len(data):#x} 0x{data.hex()}")

    def read(self, at: int, size: int) -> bytes:
        return bytes.fromhex(self.ask(f"read {at:#x} {size:#x}").removeprefix("0x"))


def qtest_arguments(folder: Path) -> list[str]:
    """For a machine whose memory `qtest` then reaches."""
    return ["-qtest", f"unix:{folder / 'qtest'},server=on,wait=off", "-qtest-log", "/dev/null"]


@contextmanager
def qtest(folder: Path) -> Iterator[Memory]:
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(30)
        end.connect(str(folder / "qtest"))
        yield Memory(end)


class Device:
    """One device. Its queues lie from `room` on, 4 pages each; buffers are the caller's."""

    def __init__(self, memory: Memory, base: int, room: int, features: int, modern: bool) -> None:
        self.memory, self.base, self.room, self.modern = memory, base, room, modern
        self.heads: dict[int, int] = {}
        self._set(STATUS, 0)
        self._set(STATUS, 3)
        self._set(FEATURES_SEL, 0)
        self._set(FEATURES, features & 0xFFFF_FFFF)
        if modern:
            self._set(FEATURES_SEL, 1)
            self._set(FEATURES, features >> 32 | 1)  # VIRTIO_F_VERSION_1
            self._set(STATUS, 11)
        else:
            self._set(GUEST_PAGE, PAGE)

    def _set(self, register: int, value: int) -> None:
        self.memory.writel(self.base + register, value)

    def start(self, queues: int) -> None:
        """Give the first queues their rings; the driver is ready."""
        for index in range(queues):
            self._set(QUEUE_SEL, index)
            self._set(QUEUE_NUM, SIZE)
            desc, avail, used = self._rings(index)
            if self.modern:
                for register, at in ((DESC, desc), (AVAIL, avail), (USED, used)):
                    self._set(register, at)
                    self._set(register + 4, 0)
                self._set(QUEUE_READY, 1)
            else:
                self._set(QUEUE_ALIGN, PAGE)
                self._set(QUEUE_PFN, desc // PAGE)
        self._set(STATUS, 15 if self.modern else 7)

    def _rings(self, index: int) -> tuple[int, int, int]:
        desc = self.room + 4 * PAGE * index
        return desc, desc + 16 * SIZE, desc + PAGE

    def put(self, index: int, buffers: Sequence[tuple[int, int, bool]]) -> None:
        """A request of these buffers (address, length, the device writes it)."""
        desc, avail, _ = self._rings(index)
        head = self.heads.get(index, 0)
        number = head  # of the request; each has room for four descriptors
        for at, (address, length, write) in enumerate(buffers):
            last = at == len(buffers) - 1
            flags = (0 if last else NEXT) | (WRITE if write else 0)
            entry = struct.pack("<QIHH", address, length, flags, 0 if last else 4 * number + at + 1)
            self.memory.write(desc + 16 * (4 * number + at), entry)
        self.memory.write(avail + 4 + 2 * head, struct.pack("<H", 4 * number))
        self.memory.write(avail + 2, struct.pack("<H", head + 1))
        self.heads[index] = head + 1
        self._set(NOTIFY, index)

    def wait(self, index: int, timeout: float = 10) -> None:
        """Until the device has answered all that is in the queue."""
        used = self._rings(index)[2]
        end = time.monotonic() + timeout
        while self.memory.read(used + 2, 2) != struct.pack("<H", self.heads.get(index, 0)):
            assert time.monotonic() < end, f"queue {index} is not answered"
            time.sleep(0.01)


def find_device(memory: Memory, kind: int) -> int:
    """Where the transport with a device of this kind lies."""
    places = range(FIRST, FIRST + STEP * COUNT, STEP)
    return next(at for at in places if memory.readl(at + DEVICE_ID) == kind)
