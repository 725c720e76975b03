"""Virtio devices of live QEMUs: every section of them is read, and comes back."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from commands import run_vmsc
from configurations import virtio_devices
from live import QemuError, eventually, require_qemu, running
from streams_at_hand import frame, library, opened, unframe
from virtio_driver import Device, find_device
from virtio_machines import (
    BUSES,
    DISKS,
    GPU_COMMANDS,
    failing_disk,
    stopped_by_disk,
    with_qtest,
)

from vmsc.inspect.byte_map import leaves
from vmsc.inspect.file_reader import Entry
from vmsc.inspect.parameters import open_parameters
from vmsc.params.solver import devices_by_name, solve_stream
from vmsc.stream.events import Section
from vmsc.stream.section_names import names_of
from vmsc.stream.vmdesc import find_vmdesc, read_vmdesc

pytestmark = pytest.mark.live


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


def ours(stream: bytes) -> list[Entry]:
    """The stream's virtio and SCSI sections, after a look at all of it: each is described, is what
    QEMU says it is, and comes back.
    """
    answers = open_parameters(stream, library())
    entries = opened(stream, answers)
    assert unframe(frame(stream, answers), answers) == stream
    found = []
    for entry in entries:
        name = entry.event.name if isinstance(entry.event, Section) else ""
        if "virtio" in name or name.endswith("/scsi-disk"):
            check_section(entry)
            found.append(entry)
    return found


def check_section(entry: Entry) -> None:
    assert isinstance(entry.event, Section)
    assert entry.codec is not None, f"{entry.event.name} is opaque"
    profile, given = entry.codec.qemu, {"version": entry.event.version, **entry.params}
    value = entry.value()
    assert profile.encode(value, **given) == entry.data, entry.event.name
    assert profile.measure(value, **given) == len(entry.data) == profile.scan(entry.data, **given)
    devices = devices_by_name(library().schema)
    key = next(devices[n][0].key for n in names_of(entry.event.name) if n in devices)
    at = 0
    for leaf in leaves(library().schema, key, value, entry.params, entry.event.version):
        assert leaf.offset == at, f"{entry.event.name}: {leaf}"
        at += leaf.size
    assert at == len(entry.data), entry.event.name


def value_of(entries: list[Entry], name: str) -> Any:
    (entry,) = (e for e in entries if isinstance(e.event, Section) and name in e.event.name)
    return entry.value()


@pytest.mark.parametrize("machine", sorted(BUSES), ids=lambda name: name.partition(",")[0])
def test_all_devices_come_back(machine: str) -> None:
    with running(virtio_devices(BUSES[machine]), machine=machine, memory_mb=64) as source:
        source.command("stop")
        stream = source.save_stream()
    found = ours(stream)
    assert len(found) == 13
    transport = "pci" if BUSES[machine] == "pci" else "mmio"
    assert {e.params["transport"] for e in found if "transport" in e.params} == {transport}
    assert {e.params["adapter"] for e in found if "adapter" in e.params} == {"virtio"}
    _, solved = solve_stream(library().schema, read_vmdesc(find_vmdesc(stream) or b""))
    names = {e.event.name for e in found if isinstance(e.event, Section)}
    for one in solved:
        if one.device.name in names:
            assert one.solution is not None and one.solution.misfits == ()
            assert one.solution.unresolved == () == one.solution.guesses


@pytest.mark.parametrize("machine", sorted(BUSES), ids=lambda name: name.partition(",")[0])
def test_device_state_alone_needs_nothing_to_be_given(machine: str, tmp_path: Path) -> None:
    state, back = tmp_path / "pc.state", tmp_path / "back.state"
    with running(virtio_devices(BUSES[machine]), machine=machine, memory_mb=64) as source:
        source.command("stop")
        state.write_bytes(source.save_device_state())
    assert run_vmsc("verify", state).status == 0
    text = run_vmsc("decode", state)
    (tmp_path / "pc.json").write_text(text.out)
    names = [part.get("name", "") for part in json.loads(text.out)["parts"]]
    assert sum("/virtio-" in name for name in names) == 11
    assert run_vmsc("encode", tmp_path / "pc.json", "-o", back).status == 0
    assert back.read_bytes() == state.read_bytes()
    assert run_vmsc("frame", state, "-o", tmp_path / "pc.vmsf").status == 0
    back.unlink()
    assert run_vmsc("unframe", tmp_path / "pc.vmsf", "-o", back).status == 0
    assert back.read_bytes() == state.read_bytes()


def test_pci_express_has_a_larger_configuration(tmp_path: Path) -> None:
    arguments = [
        "-nodefaults", "-device", "pcie-root-port,id=p0",
        "-device", "virtio-rng-pci,bus=p0,vectors=7", "-device", "virtio-net-pci,vectors=0",
    ]  # fmt: skip
    with running(arguments, machine="q35") as source:
        source.command("stop")
        found = ours(source.save_stream())
    express, plain = value_of(found, "rng").virtio.pci, value_of(found, "virtio-net").virtio.pci
    assert len(express.function.extended_config) == 3840 and len(express.msix.table) == 7
    assert plain.function.extended_config is None and plain.msix is None


@pytest.mark.parametrize("way", ["read", "write"])
@pytest.mark.parametrize("name", sorted(DISKS))
def test_requests_in_flight_come_back(name: str, way: str, tmp_path: Path) -> None:
    with running(failing_disk(tmp_path, name, way)) as source:
        stopped_by_disk(source)
        found = ours(source.save_stream())
    if "blk" in name:
        requests = value_of(found, "virtio-blk").virtio.own.requests
        assert (requests[0].queue is None) == ("four" not in name)
        assert (requests[0].element.ndescs is None) == ("packed" not in name)
    else:
        requests = value_of(found, "scsi-disk").qdev.requests
        assert requests[0].command.cdb[0] in ((0x28, 0x88) if way == "read" else (0x2A, 0x8A))
        data = requests[0].transfer.data
        assert len(data) == (512 if (name, way) == ("USB", "write") else 0)
    assert len(requests) == 1


def test_a_machine_file_holds_what_only_reading_the_stream_tells(tmp_path: Path) -> None:
    with running(failing_disk(tmp_path, "virtio-blk with packed rings", "read")) as source:
        stopped_by_disk(source)
        stream, alone = tmp_path / "stream", tmp_path / "alone"
        alone.write_bytes(source.save_device_state())
        stream.write_bytes(source.save_stream())
    machine, back = tmp_path / "machine.json", tmp_path / "back"
    made = run_vmsc("import", "stream", stream, "-o", tmp_path / "own", "--machine", machine)
    assert made.status == 0 and "'ring_packed': only True fits" in made.err
    sections = json.loads(machine.read_text())["sections"]
    (disk,) = [s for s in sections if s["name"].endswith("virtio-blk")]
    assert disk["params"]["ring_packed"] is True
    assert run_vmsc("verify", alone).status == 1, "alone it says nothing of its ring"
    assert run_vmsc("verify", alone, "--machine", machine).status == 0
    text = run_vmsc("decode", alone, "--machine", machine).out
    (tmp_path / "json").write_text(text)
    assert run_vmsc("encode", tmp_path / "json", "-o", back).status == 0
    assert back.read_bytes() == alone.read_bytes()


def test_qemu_takes_a_request_in_flight_and_carries_it_out_again(tmp_path: Path) -> None:
    arguments = failing_disk(tmp_path, "virtio-scsi", "read")
    with running(arguments) as source:
        stopped_by_disk(source)
        stream = source.save_stream()
    answers = open_parameters(stream, library())
    with running(arguments, incoming=True) as target:
        target.load_stream(unframe(frame(stream, answers), answers))
        target.command("cont")
        stopped_by_disk(target)


def test_a_serial_port_that_nobody_reads_holds_its_request(tmp_path: Path) -> None:
    path = tmp_path / "port"
    arguments = [
        "-device", "virtio-serial-device,max_ports=40",
        "-chardev", f"socket,id=c,path={path},server=on,wait=off",
        "-device", "virtserialport,chardev=c,nr=1",
    ]  # fmt: skip
    with with_qtest(tmp_path, arguments) as (qemu, memory), socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        eventually(lambda: "disconnected" not in str(qemu.command("query-chardev")), "connection")
        device = Device(memory, find_device(memory, 3), 0x200000, 0x2, modern=False)
        device.start(6)
        device.put(5, [(0x400000, 0x80000, False), (0x500000, 0x80000, False)])
        qemu.command("stop")
        own = value_of(ours(qemu.save_stream()), "virtio-console").virtio.own
    (port,) = own.active_ports
    element = port.waiting.element
    assert port.host_connected and len(own.ports_map) == 2
    assert (element.out_num, element.out_addr[:2]) == (2, [0x400000, 0x500000])
    assert 0 < port.waiting.iov_offset < 0x80000


def test_pictures_of_a_gpu_come_back(tmp_path: Path) -> None:
    arguments = ["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-gpu-device"]
    with with_qtest(tmp_path, arguments) as (qemu, memory):
        device = Device(memory, find_device(memory, 16), 0x200000, 0, modern=True)
        device.start(2)
        memory.write(0x600000, b"\x11\x22\x33\x44" * 1024)
        for at, command in enumerate(GPU_COMMANDS):
            place = 0x400000 + 0x1000 * at
            memory.write(place, command)
            device.put(0, [(place, len(command), False), (place + 0x800, 64, True)])
            device.wait(0)
            assert memory.readl(place + 0x800) == 0x1100  # no error
        qemu.command("stop")
        gpu = value_of(ours(qemu.save_stream()), "virtio-gpu").gpu
    (picture,) = gpu.resources
    assert (picture.width, picture.height, len(picture.backing)) == (64, 32, 2)
    assert picture.pixels == b"\x11\x22\x33\x44" * 1024 + bytes(4096)
    assert gpu.scanouts.scanout[0].resource_id == 7


@pytest.mark.parametrize("features", ["mq=on", "mq=off", "mq=on,rss=on"])
def test_several_pairs_of_queues(features: str) -> None:
    arguments = [
        "-nodefaults", "-netdev", "tap,id=n,queues=3,script=no,downscript=no,vhost=off",
        "-device", f"virtio-net-pci,netdev=n,{features}",
    ]  # fmt: skip
    try:
        with running(arguments) as source:
            source.command("stop")
            stream = source.save_stream()
    except QemuError as fault:
        pytest.skip(f"no tap interfaces here: {str(fault)[:80]}")
    own = value_of(ours(stream), "virtio-net").virtio.own
    assert own.max_queue_pairs == 3


def test_other_devices_come_back(tmp_path: Path) -> None:
    arguments = [
        "-nodefaults", "-m", "64,maxmem=2G,slots=2", "-object", "memory-backend-ram,id=m,size=256M",
        "-device", "virtio-mem-pci,memdev=m,requested-size=64M", "-device", "virtio-iommu-pci",
        "-device", "virtio-vga",
    ]  # fmt: skip
    with running(arguments, machine="q35", memory_mb=64) as source:
        source.command("stop")
        found = ours(source.save_stream())
    assert len(found) == 4
    assert len(value_of(found, "virtio-mem").virtio.own.plugged) == 2  # 128 blocks of 2 MiB
