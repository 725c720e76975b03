"""Machines with all manner of devices, for what has to hold for every section that QEMU sends.

Each is started, runs its firmware or a guest for a while, and is stopped; `settled` then has it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from live import Qemu, boot, busy_guest, counting_guest, eventually, require_qemu, running

__all__ = [
    "CONFIGURATIONS", "Configuration", "configuration_stream", "require", "settled",
    "virtio_devices",
]  # fmt: skip

_FIRMWARE = 1.5  # seconds; the devices are set up by then
_RAM_OF_VIRT = 0x4000_0000


@dataclass(frozen=True)
class Configuration:
    """`guest` is a boot sector; `bios` is what `virt` has in its flash, which counts at the start
    of its RAM. `tpm`: with an emulated TPM beside it.
    """

    machine: str
    args: tuple[str, ...] = ()
    target: str = "x86_64"
    memory_mb: int = 32
    guest: Callable[[], bytes] | None = None
    bios: Callable[[], bytes] | None = None
    tpm: bool = False
    lines: tuple[str, ...] = ()


def require(configuration: Configuration) -> None:
    """Skip a test whose programs are not installed."""
    require_qemu(configuration.target)
    if configuration.tpm and shutil.which("swtpm") is None:
        pytest.skip("swtpm is not installed")


@contextmanager
def _tpm(folder: Path) -> Iterator[list[str]]:
    """An emulated TPM; QEMU's arguments for it."""
    channel = folder / "swtpm"
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}",
               "--ctrl", f"type=unixio,path={channel}"]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        eventually(channel.exists, "socket of swtpm")
        yield ["-chardev", f"socket,id=tpm,path={channel}",
               "-tpmdev", "emulator,id=tpm,chardev=tpm"]  # fmt: skip
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextmanager
def settled(one: Configuration, incoming: bool = False) -> Iterator[Qemu]:
    """This machine, stopped after a while of work; with `incoming` it waits for its state."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmsc-machine-")))
        args = [*(stack.enter_context(_tpm(folder)) if one.tpm else ()), *one.args]
        if one.guest is not None:
            args += boot(folder, one.guest())
        if one.bios is not None:
            (folder / "bios").write_bytes(one.bios())
            args += ["-bios", str(folder / "bios")]
        machine = running(
            args, memory_mb=one.memory_mb, machine=one.machine, target=one.target, incoming=incoming
        )
        qemu = stack.enter_context(machine)
        if not incoming:
            _settle(one, qemu)
        yield qemu


def _settle(one: Configuration, qemu: Qemu) -> None:
    if one.guest is not None:
        eventually(lambda: qemu.counter() > 1, "count of the guest", qemu.timeout)
    elif one.bios is not None:
        eventually(lambda: any(qemu.memory(_RAM_OF_VIRT, 4)), "count of the guest", qemu.timeout)
    else:
        time.sleep(_FIRMWARE)
    for line in one.lines:
        qemu.hmp(line)
    qemu.command("stop")


def configuration_stream(name: str) -> bytes:
    """The whole stream of this configuration, taken now."""
    with settled(CONFIGURATIONS[name]) as qemu:
        return qemu.save_stream()


# --- guests of `virt` -----------------------------------------------------------------------------


def _words(*words: int) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)


_COUNT = _words(
    0xD2A80000,  # mov x0, #0x40000000
    0xB9000001,  # str w1, [x0]
    0x11000421,  # add w1, w1, #1
    0x17FFFFFE,  # b to the str
)
_WORK = _words(
    0xD2A12004,  # mov x4, #0x09000000: the UART
    0x52800825,  # mov w5, #'A'
    0xB9000085,  # str w5, [x4]
    0x52AFFFE2,  # mov w2, #0x7fff0000
    0xD51BE302,  # msr cntv_tval_el0, x2
    0x52800026,  # mov w6, #1
    0xD51BE326,  # msr cntv_ctl_el0, x6
    0x52A06663,  # mov w3, #0x03330000: FPEN, ZEN, SMEN
    0xD5181043,  # msr cpacr_el1, x3
    0xD5033FDF,  # isb
    0xD503457F,  # smstart za
)


def arm_guest() -> bytes:
    """Counts, whatever the processor and its exception level."""
    return _COUNT


def arm_busy_guest() -> bytes:
    """Needs cpu max, at EL1: starts the virtual timer and SME's matrix, then counts."""
    return _WORK + _COUNT


# --- the configurations ---------------------------------------------------------------------------


def _devices(*devices: str) -> tuple[str, ...]:
    return ("-nodefaults", *(part for device in devices for part in ("-device", device)))


def _null(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for name in names for part in (kind, f"null,id={name}"))


def _disks(*names: str) -> tuple[str, ...]:
    form = "if=none,id={},driver=null-co,size=1M,read-zeroes=on"
    return tuple(part for name in names for part in ("-drive", form.format(name)))


_CDROM = ("-drive", "if=ide,index=2,media=cdrom")
_SOUND = ("-audiodev", "none,id=a")
_MEMORY = (
    "-m", "slots=4,maxmem=1G", "-smp", "1,maxcpus=3",
    "-object", "memory-backend-ram,id=m1,size=64M", "-device", "pc-dimm,memdev=m1",
)  # fmt: skip
_NVDIMM = ("-object", "memory-backend-ram,id=m2,size=64M",
           "-device", "nvdimm,memdev=m2,label-size=128K")  # fmt: skip
_BRIDGES = (
    "pcie-root-port,id=rp1,chassis=1", "ioh3420,id=rp2,chassis=2",
    "x3130-upstream,id=up,bus=rp1", "xio3130-downstream,id=d1,bus=up,chassis=5",
    "i82801b11-bridge,id=dmi", "pci-bridge,id=b1,bus=dmi,chassis_nr=3,shpc=on",
    "pci-bridge,bus=b1,chassis_nr=4,shpc=off,addr=3", "pcie-pci-bridge,id=b2,bus=rp2",
    "pxb-pcie,id=pxb,bus_nr=32", "pcie-root-port,bus=pxb,chassis=9",
    "e1000e,bus=d1", "rtl8139,bus=b2,addr=2",
)  # fmt: skip
_USB = (
    "ich9-usb-ehci1,id=e,addr=1d.7,multifunction=on",
    "ich9-usb-uhci1,masterbus=e.0,firstport=0,addr=1d.0,multifunction=on",
    "ich9-usb-uhci2,masterbus=e.0,firstport=2,addr=1d.1,multifunction=on",
    "qemu-xhci,id=x", "nec-usb-xhci,id=nx", "pci-ohci,id=o", "usb-tablet,bus=x.0",
    "usb-kbd,bus=nx.0", "usb-mouse,bus=e.0", "usb-hub,bus=o.0", "usb-ccid,bus=x.0",
    "usb-storage,bus=x.0,drive=d",
)  # fmt: skip
_ISA_SOUND = ("sb16,audiodev=a", "gus,audiodev=a", "cs4231a,audiodev=a", "adlib,audiodev=a")


def virtio_devices(bus: str) -> tuple[str, ...]:
    """Each virtio device that needs nothing of the host, as `virtio-NAME-BUS`."""
    return (
        *_disks("d0", "d1"), "-netdev", "user,id=n,restrict=on", "-object", "iothread,id=t",
        *_null("-chardev", "ab"), "-fsdev", "synth,id=f", *_devices(
            f"virtio-blk-{bus},drive=d0", f"virtio-net-{bus},netdev=n", f"virtio-scsi-{bus},id=s",
            "scsi-hd,bus=s.0,drive=d1", "scsi-cd,bus=s.0", f"virtio-serial-{bus},id=v",
            "virtserialport,bus=v.0,chardev=a,name=p", "virtconsole,bus=v.0,chardev=b",
            f"virtio-balloon-{bus},free-page-hint=on,iothread=t", f"virtio-rng-{bus}",
            f"virtio-gpu-{bus}", f"virtio-keyboard-{bus}", f"virtio-mouse-{bus}",
            f"virtio-tablet-{bus}", f"virtio-9p-{bus},fsdev=f,mount_tag=t",
        ),
    )  # fmt: skip


CONFIGURATIONS: dict[str, Configuration] = {
    "pc": Configuration("pc"),
    "pc-busy": Configuration(
        "pc", ("-cpu", "max", "-smp", "2,maxcpus=4", "-serial", "null", *_CDROM),
        guest=busy_guest, lines=("eject ide1-cd0",),
    ),
    "pc-bridges": Configuration("pc", _devices(
        "pci-bridge,id=b,chassis_nr=3,shpc=on", "pci-bridge,chassis_nr=4,shpc=off",
        "pxb,bus_nr=16", "e1000,bus=b,addr=4",
    )),
    "pc-memory": Configuration("pc,nvdimm=on", ("-nodefaults", *_MEMORY, *_NVDIMM)),
    "pc-vmware": Configuration("pc", ("-vga", "vmware", "-device", "isa-cirrus-vga")),
    "pc-2.4": Configuration("pc-i440fx-2.4", _CDROM, guest=counting_guest),
    "pc-virtio": Configuration("pc", virtio_devices("pci")),
    "q35": Configuration("q35"),
    "q35-busy": Configuration(
        "q35", ("-cpu", "max", "-smp", "2,maxcpus=4", "-serial", "null", *_CDROM),
        guest=busy_guest,
    ),
    "q35-bridges": Configuration("q35", _devices(*_BRIDGES)),
    "q35-network": Configuration("q35", _devices("e1000e", "vmxnet3", "tulip", "e1000", "pcnet")),
    "q35-usb": Configuration("q35", (*_disks("d"), *_devices(*_USB))),
    "q35-sound": Configuration("q35", (*_SOUND, *_devices(
        "ich9-intel-hda", "hda-duplex,audiodev=a", "intel-hda", "hda-micro,audiodev=a",
        "AC97,audiodev=a", "ES1370,audiodev=a",
    ))),
    "q35-storage": Configuration("q35", (*_disks("d1", "d2"), *_devices(
        "ahci,id=h", "ide-hd,bus=h.0,drive=d1", "ide-cd,bus=ide.1", "sdhci-pci",
        "sd-card,drive=d2", "piix3-ide", "piix4-ide", "isa-fdc",
    ))),
    "q35-management": Configuration("q35", (
        "-object", "memory-backend-ram,id=erst,size=64K,share=on", *_devices(
            "ipmi-bmc-sim,id=b1", "isa-ipmi-kcs,bmc=b1", "ipmi-bmc-sim,id=b2",
            "pci-ipmi-bt,bmc=b2", "ipmi-bmc-sim,id=b3", "pci-ipmi-kcs,bmc=b3",
            "ipmi-bmc-sim,id=b4", "smbus-ipmi,bmc=b4", "pvpanic", "pvpanic-pci", "vmcoreinfo",
            "vmgenid,guid=auto", "i6300esb", "ib700", "acpi-erst,memdev=erst",
        ))),
    "q35-ipmi-bt": Configuration("q35", _devices("ipmi-bmc-sim,id=b", "isa-ipmi-bt,bmc=b")),
    "q35-memory": Configuration("q35,nvdimm=on", ("-nodefaults", *_MEMORY, *_NVDIMM)),
    "q35-serial": Configuration("q35", (*_null("-chardev", "abcdef"), *_devices(
        "pci-serial,chardev=a", "isa-parallel,chardev=b",
        "pci-serial-4x,chardev1=c,chardev2=d,chardev3=e,chardev4=f",
    ))),
    "q35-displays": Configuration("q35", _devices(
        "qxl-vga", "qxl", "bochs-display", "secondary-vga", "ati-vga",
    )),
    "q35-iommu": Configuration("q35,kernel-irqchip=split", _devices("intel-iommu", "e1000e")),
    "q35-icount": Configuration("q35", ("-nodefaults", "-icount", "shift=3")),
    "q35-shared-memory": Configuration("q35", (
        "-object", "memory-backend-ram,id=m,size=1M,share=on",
        *_devices("ivshmem-plain,memdev=m,master=on"),
    )),
    "q35-tpm-tis": Configuration("q35", _devices("tpm-tis,tpmdev=tpm"), tpm=True),
    "q35-tpm-crb": Configuration("q35", _devices("tpm-crb,tpmdev=tpm"), tpm=True),
    "q35-virtio": Configuration("q35", (*virtio_devices("pci"), "-device", "virtio-vga")),
    "q35-2.4": Configuration("pc-q35-2.4"),
    "isapc": Configuration("isapc", ("-vga", "std", *_SOUND, *_devices(*_ISA_SOUND)[1:])),
    "isapc-cirrus": Configuration("isapc", ("-vga", "cirrus", "-cpu", "486")),
    "microvm": Configuration("microvm"),
    "microvm-full": Configuration(
        "microvm,pit=on,pic=on,rtc=on,usb=on,pcie=on,acpi=on,ioapic2=on", ("-device", "e1000e"),
    ),
    "microvm-virtio": Configuration("microvm,rtc=on", virtio_devices("device")),
    "virt": Configuration(
        "virt", ("-nic", "none", "-cpu", "cortex-a57"), "aarch64", bios=arm_guest
    ),
    "virt-busy": Configuration(
        "virt,gic-version=3", ("-nic", "none", "-cpu", "max", "-smp", "2"), "aarch64",
        bios=arm_busy_guest,
    ),
    "virt-secure": Configuration(
        "virt,gic-version=4,secure=on,virtualization=on",
        ("-nic", "none", "-cpu", "max", "-device", "e1000e", "-device", "pcie-root-port"),
        "aarch64", bios=arm_guest,
    ),
    "virt-32-bit": Configuration(
        "virt,highmem=off,virtualization=on", ("-nic", "none", "-cpu", "cortex-a15"), "aarch64",
        memory_mb=64,
    ),
    "virt-memory": Configuration(
        "virt,iommu=smmuv3", ("-nic", "none", "-cpu", "neoverse-n1", *_MEMORY,
                              "-device", "qemu-xhci", "-device", "usb-kbd"),
        "aarch64", bios=arm_guest,
    ),
    "virt-tpm": Configuration(
        "virt", ("-nic", "none", "-cpu", "max", "-device", "tpm-tis-device,tpmdev=tpm"), "aarch64",
        bios=arm_guest, tpm=True,
    ),
    "virt-virtio": Configuration(
        "virt", ("-nic", "none", "-cpu", "max", *virtio_devices("device"),
                 "-device", "virtio-net-pci", "-device", "virtio-iommu-pci"),
        "aarch64", bios=arm_guest,
    ),
    "virt-2.6": Configuration(
        "virt-2.6", ("-nic", "none", "-cpu", "cortex-a53", "-smp", "2"), "aarch64", bios=arm_guest
    ),
}  # fmt: skip
