"""Machines with virtio devices for the live tests, and ways to leave requests in flight in them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from live import Qemu, eventually, running
from virtio_driver import Memory, qtest, qtest_arguments

__all__ = [
    "BUSES", "DISKS", "GPU_COMMANDS", "MICROVM", "failing_disk", "stopped_by_disk", "with_qtest",
    "writing_guest",
]  # fmt: skip

MICROVM = "microvm,x-option-roms=off,rtc=on"
BUSES = {"pc": "pci", "q35": "pci", MICROVM: "device"}


# --- a disk that fails: the firmware's or the guest's request is then in flight ---------------

_STOP = "drive=d0,rerror=stop,werror=stop,bootindex=1"
DISKS: Mapping[str, Sequence[str]] = {
    "virtio-blk": (f"virtio-blk-pci,{_STOP}",),
    "virtio-blk of four queues": (f"virtio-blk-pci,num-queues=4,{_STOP}",),
    "virtio-blk with packed rings": (f"virtio-blk-pci,packed=on,{_STOP}",),
    "virtio-blk without MSI-X": (f"virtio-blk-pci,vectors=0,disable-modern=on,{_STOP}",),
    "virtio-scsi": ("virtio-scsi-pci,id=s", f"scsi-hd,bus=s.0,{_STOP}"),
    "USB": ("piix3-usb-uhci", "usb-bot,id=s", f"scsi-hd,bus=s.0,{_STOP}"),
    "mptsas": ("mptsas1068,id=s", f"scsi-hd,bus=s.0,{_STOP}"),
}


def writing_guest() -> bytes:
    """A boot sector that writes itself to the disk's second sector."""
    code = bytes.fromhex(
        "31c0"    # xor ax, ax
        "8ed8"    # mov ds, ax
        "8ec0"    # mov es, ax
        "b80103"  # mov ax, 0x0301: write one sector
        "b90200"  # mov cx, 2
        "b600"    # mov dh, 0; dl is the boot disk
        "bb007c"  # mov bx, 0x7c00
        "cd13"    # int 0x13
        "ebfe"    # jmp $
    )  # fmt: skip
    return code.ljust(510, b"\0") + b"\x55\xaa"


def failing_disk(folder: Path, name: str, way: str) -> list[str]:
    """Arguments for a machine whose disk fails all requests of one way: read or write."""
    image = folder / "boot.img"
    image.write_bytes(writing_guest().ljust(1 << 20, b"\0"))
    faults = f"inject-error.0.event=none,inject-error.0.iotype={way},inject-error.0.errno=5"
    block = f"driver=blkdebug,node-name=d0,image.driver=file,image.filename={image},{faults}"
    devices = [word for device in DISKS[name] for word in ("-device", device)]
    return ["-nodefaults", "-blockdev", block, *devices]


def stopped_by_disk(qemu: Qemu) -> None:
    """Wait until the failure has stopped the machine."""
    eventually(lambda: qemu.status() == "io-error", "stop by the disk")


# --- a machine that is driven over qtest ------------------------------------------------------


@contextmanager
def with_qtest(folder: Path, arguments: Sequence[str]) -> Iterator[tuple[Qemu, Memory]]:
    """A microvm with these arguments, and its memory. Its firmware leaves the devices alone."""
    given = ["-nodefaults", *qtest_arguments(folder), *arguments]
    with running(given, machine=MICROVM) as qemu, qtest(folder) as memory:
        yield qemu, memory


def _gpu(kind: int, layout: str, *values: int) -> bytes:
    return struct.pack("<2IQ2I", kind, 0, 0, 0, 0) + struct.pack(f"<{layout}", *values)


# A picture of 64 by 32, in two pieces of memory, taken over and shown.
GPU_COMMANDS = (
    _gpu(0x101, "4I", 7, 1, 64, 32),
    _gpu(0x106, "2IQ2IQ2I", 7, 2, 0x600000, 4096, 0, 0x700000, 4096, 0),
    _gpu(0x105, "4IQ2I", 0, 0, 64, 32, 0, 7, 0),
    _gpu(0x103, "4I2I", 0, 0, 64, 32, 0, 7),
)
