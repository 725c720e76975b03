"""Virtio and SCSI devices against bytes worked out by hand: qemu-wire.md 3.1 and 3.2."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from helpers import attempt, check_whole, hexed
from streams_at_hand import library, opened

from vmsc.inspect.parameters import open_parameters
from vmsc.runtime.codec import Codec
from vmsc.runtime.errors import DecodeError, ParamError, Truncated
from vmsc.stream.events import Section

# The head of a device on mmio, up to its configuration.
HEAD = """
00 00 00 01   # host_features_sel
00 00 00 00   # guest_features_sel
00 00 00 0c   # guest_page_shift
07            # status
01            # isr
00 02         # queue_sel
00 00 00 04   # guest_features: bit 2
"""
QUEUE = """
00 00 00 40               # num
00 00 10 00               # align: on mmio
00 00 00 00 00 02 00 00   # desc
00 03                     # last_avail_idx; no vector
"""
STATE = '05 0e "virtio/started" 00 00 00 01 01'
# A request: one buffer from the guest, two to it, in the host's byte order.
ELEMENT = """
05 00 00 00               # index
01 00 00 00               # out_num
02 00 00 00               # in_num
00 x4                     # padding
00 10 00 00 00 00 00 00   # in_addr[0]
00 20 00 00 00 00 00 00   # in_addr[1]
00 x8176                  # in_addr[2] to [1023]
00 30 00 00 00 00 00 00   # out_addr[0]
00 x8184                  # out_addr[1] to [1023]
00 x8 00 02 00 00 00 00 00 00   # in_sg[0]: 0x200 bytes
00 x8 01 00 00 00 00 00 00 00   # in_sg[1]: 1 byte
00 x16352                 # in_sg[2] to [1023]
00 x8 10 00 00 00 00 00 00 00   # out_sg[0]: 16 bytes
00 x16368                 # out_sg[1] to [1023]
"""


def codec(name: str) -> Codec:
    found = library().device(name)
    assert found is not None
    return found


def decoded(name: str, wire: str, **given: Any) -> Any:
    """The value of these bytes, after holding the codec against its laws."""
    one, data = codec(name), hexed(wire)
    value = one.qemu.decode(data, **given)
    check_whole(one, one.qemu, value, data, given)
    check_whole(one, one.framed, value, None, given)
    for size in (0, 5, len(data) // 2, len(data) - 1):
        cut = attempt(partial(one.qemu.decode, data[:size], **given))
        assert isinstance(cut, Truncated) and 1 <= cut.need <= len(data) - size
    return value


def on_mmio(own: str, config: str = "00 00 00 00", queues: int = 1) -> str:
    return f"{HEAD} {config} 00 00 00 {queues:02x} {QUEUE * queues} {own} {STATE}"


def check_element(element: Any) -> None:
    assert (element.index, element.out_num, element.in_num) == (5, 1, 2)
    assert element.in_addr[:3] == [0x1000, 0x2000, 0] and element.out_addr[:2] == [0x3000, 0]
    assert [b.length for b in element.in_sg[:3]] == [0x200, 1, 0]
    assert [b.length for b in element.out_sg[:2]] == [16, 0]


def test_the_common_part_is_read_in_order() -> None:
    value = decoded("virtio-rng", on_mmio("", "00 00 00 02 ab cd", 2), transport="mmio").virtio
    assert (value.status, value.isr, value.queue_sel, value.guest_features) == (7, 1, 2, 4)
    assert value.config == b"\xab\xcd" and value.pci is None
    queue = value.queues[1]
    assert (queue.num, queue.align, queue.desc, queue.last_avail_idx) == (64, 4096, 0x20000, 3)
    assert queue.vector is None and value.state.started.started == 1


def test_the_transport_is_asked_for_where_no_path_tells_it() -> None:
    with pytest.raises(ParamError, match="transport"):
        codec("virtio-rng").qemu.decode(hexed(on_mmio("")))


def pci(capabilities: str, irq: str = "00 x16") -> str:
    """A PCI function, its capabilities from 40 on; what follows its configuration is `irq`."""
    return f"00 00 00 02 f4 1a 05 10 00 x2 10 00 00 x44 40 00 x11 {capabilities} {irq}"


COMMON = "0f 00  00 00  00 00 00 00  00 00 00 00  00 00 00 01"


def test_msix_and_express_are_read_in_the_capabilities() -> None:
    capabilities = "11 48 02 80 00 x4 10 00 02 00 00 x180"
    table = "00 x48 05"  # three vectors; two of them are pending
    queue = "00 00 01 00  00 00 00 00 00 00 10 00  00 00  00 02"
    rest = f"ab x3840 00 x16 {table} 00 01 {COMMON} {queue} {STATE}"
    value = decoded("virtio-rng", pci(capabilities, rest), transport="pci").virtio
    assert value.pci.function.extended_config == b"\xab" * 3840
    assert len(value.pci.msix.table) == 3 and value.pci.msix.pba == b"\5"
    assert value.pci.config_vector == 1 and value.queues[0].vector == 2


def test_a_function_without_capabilities_has_neither() -> None:
    queue = "00 00 01 00  00 00 00 00 00 00 10 00  00 00"
    wire = pci("09 00 10 00 00 x188", f"00 x16 {COMMON} {queue} {STATE}")
    value = decoded("virtio-rng", wire, transport="pci").virtio
    assert value.pci.function.extended_config is None and value.pci.msix is None
    assert value.pci.config_vector is None and value.queues[0].vector is None


# --- requests in flight ---------------------------------------------------------------------------


def test_requests_of_a_disk_with_one_queue_have_no_queue_number() -> None:
    value = decoded("virtio-blk", on_mmio(f"01 {ELEMENT} 01 {ELEMENT} 00"), transport="mmio")
    first, second = value.virtio.own.requests
    assert first.queue is None and first.element.ndescs is None
    check_element(second.element)


def test_requests_of_a_disk_with_two_queues_have_one() -> None:
    wire = on_mmio(f"01 00 00 00 01 {ELEMENT} 00", queues=2)
    (request,) = decoded("virtio-blk", wire, transport="mmio").virtio.own.requests
    assert request.queue == 1
    check_element(request.element)


def test_a_packed_ring_puts_a_word_before_the_request() -> None:
    wire = on_mmio(f"01 00 00 00 03 {ELEMENT} 00")
    value = decoded("virtio-blk", wire, transport="mmio", ring_packed=True)
    assert value.virtio.own.requests[0].element.ndescs == 3
    check_element(value.virtio.own.requests[0].element)


@pytest.mark.parametrize("ports", ["00 00 00 28", "28 00 00 00"], ids=["big", "swapped"])
def test_a_serial_port_keeps_what_its_backend_has_not_taken(ports: str) -> None:
    own = f"""
    00 50 00 19   # cols, rows
    {ports}       # max_nr_ports: 40
    00 00 00 03 80 00 00 00   # ports_map: a bit for each
    00 00 00 02   # nr_active_ports
    00 00 00 00 01 01 00 00 00 00   # port 0, nothing popped
    00 00 00 01 01 00 00 00 00 01   # port 1, popped
    00 00 00 01 00 00 00 00 00 00 01 00   # iov_idx, iov_offset
    {ELEMENT}
    """
    value = decoded("virtio-console", on_mmio(own), transport="mmio").virtio.own
    assert value.ports_map == [3, 0x80000000]
    idle, busy = value.active_ports
    assert idle.waiting is None and (busy.waiting.iov_idx, busy.waiting.iov_offset) == (1, 256)
    check_element(busy.waiting.element)


# --- devices' own parts ---------------------------------------------------------------------------

NET = """
52 54 00 12 34 56   # mac
00 00 00 01         # vqs[0].tx_waiting
00 00 00 01         # mergeable_rx_bufs
00 01               # status
01 00               # promisc, allmulti
00 00 00 02         # mac_table.in_use
01 x6 02 x6         # mac_table.macs
01 00 00 00 00 x508 # vlans: 128 words of the host's
00 00 00 01         # has_vnet_hdr
00 00 00 01 00 00   # overflows, alluni, nomulti, nouni, nobcast
00                  # has_ufo
"""
OFFLOADS = "00 00 00 00 00 00 00 83"
PAIRS = "00 03 00 02 00 00 00 07"  # three, two of them in use; tx_waiting of the second
CONFIG = "00 00 00 0a 52 54 00 12 34 56 01 00 03 00"


@pytest.mark.parametrize(
    ("config", "queues", "given"),
    [
        (CONFIG, 3, {}),
        ("00 00 00 00", 5, {}),
        ("00 00 00 00", 3, {"multiqueue": True}),
    ],
    ids=["the configuration says so", "the queues say so", "it is said"],
)
def test_several_pairs_of_queues_have_their_numbers(
    config: str, queues: int, given: dict[str, Any]
) -> None:
    wire = on_mmio(f"{NET} {PAIRS} {OFFLOADS}", config, queues)
    own = decoded("virtio-net", wire, transport="mmio", **given).virtio.own
    assert (own.max_queue_pairs, own.curr_queue_pairs) == (3, 2)
    assert [w.tx_waiting for w in own.more_waiting.vqs_1] == [7]
    assert own.curr_guest_offloads == 0x83


def test_one_pair_of_queues_has_none() -> None:
    own = decoded("virtio-net", on_mmio(f"{NET} {OFFLOADS}", queues=3), transport="mmio").virtio.own
    assert own.mac == b"RT\0\x124V" and own.mac_table == b"\1" * 6 + b"\2" * 6
    assert own.vlans[0] == 1 and own.nouni == 0 and own.nomulti == 1
    assert own.max_queue_pairs is None and own.curr_guest_offloads == 0x83


def test_pictures_of_a_gpu_end_with_a_zero() -> None:
    device = """
    00 00 00 07 00 00 00 02 00 00 00 03   # resource_id, width, height
    00 00 00 01 00 00 00 01   # format, iov_cnt
    00 00 00 00 00 60 00 00 00 00 10 00   # address, length
    aa x24                    # pixels: 2 * 3 * 4 bytes
    00 00 00 09 00 00 00 01 00 00 00 01 00 00 00 02 00 00 00 00   # one pixel, no memory
    bb x4
    00 00 00 00               # no more
    00 00 00 01 00 00 00 01   # enable, max_outputs
    00 00 00 07 00 00 00 02 00 00 00 03 ff ff ff ff 00 x4   # resource_id, width, height, x, y
    00 x20                    # the cursor
    """
    value = decoded("virtio-gpu", f"{on_mmio('')} {device}", transport="mmio").gpu
    first, second = value.resources
    assert (first.resource_id, first.pixels, first.backing[0].address) == (
        7,
        b"\xaa" * 24,
        0x600000,
    )
    assert (second.format, second.pixels, second.backing) == (2, b"\xbb" * 4, [])
    assert value.scanouts.scanout[0].x == -1


# --- SCSI -----------------------------------------------------------------------------------------


def command(opcode: str, more: str = "00 x15") -> str:
    return f"{opcode} {more}  00 00 00 2a 00 00 00 00"  # cdb, tag, lun


def disk(requests: str) -> str:
    sense = "70 00 05 00 x93"
    return f"06 29 00 01 {sense} 00 00 00 12 {requests} 00  01 00 00 00 01"


PLACE = "00 00 00 00 00 00 01 00 00 00 00 01 00 00 08 00"  # sector, one of them; buflen 2048


def test_what_a_disk_has_read_is_sent_unless_it_is_read_again() -> None:
    again = f"01 {command('28')} {PLACE}"
    going = f"02 {command('88')} {PLACE} 00 00 00 03 aa bb cc"
    idle = f"02 {command('a8')} 00 x16"
    value = decoded("scsi-disk", disk(f"{again} {going} {idle}"), adapter="plain")
    first, second, third = value.qdev.requests
    assert (first.retry, first.transfer.data, first.transfer.sector) == (1, b"", 256)
    assert (second.transfer.data, second.command.tag) == (b"\xaa\xbb\xcc", 42)
    assert third.transfer.length is None
    assert (value.qdev.key, value.tray_locked) == (6, 1)


def test_what_a_disk_is_to_write_is_the_rest_of_it_or_a_bufferful() -> None:
    rest = f"01 {command('2a')} {PLACE} ee x512"
    full = f"02 {command('8e')} 00 x8 00 00 00 10 00 00 08 00 dd x2048"
    value = decoded("scsi-disk", disk(f"{rest} {full}"), adapter="plain")
    assert [len(r.transfer.data) for r in value.qdev.requests] == [512, 2048]


def test_a_command_without_data_has_no_part_of_the_disks() -> None:
    value = decoded("scsi-disk", disk(f"01 {command('35')}"), adapter="plain")
    assert type(value.qdev.requests[0].transfer).__name__ == "ScsiNothing"


def test_adapters_add_their_part() -> None:
    virtio = f"01 {command('28')} 00 00 00 01 {ELEMENT} {PLACE}"
    (request,) = decoded("scsi-disk", disk(virtio), adapter="virtio").qdev.requests
    assert request.command.part.queue == 1
    check_element(request.command.part.element)
    mpt = f"01 {command('28')} cc x48 00 00 00 01 00 x6 10 00 00 x6 02 00 {PLACE}"
    (request,) = decoded("scsi-disk", disk(mpt), adapter="mptsas").qdev.requests
    assert (request.command.part.segments[0].base, request.transfer.sector) == (0x1000, 256)


def test_a_request_asks_for_the_adapter_and_none_does_not() -> None:
    one = codec("scsi-disk")
    assert one.qemu.decode(hexed(disk(""))).qdev.requests == []
    with pytest.raises(ParamError, match="adapter"):
        one.qemu.decode(hexed(disk(f"01 {command('28')} {PLACE}")))


def test_a_device_of_the_host_sends_what_it_is_to_write() -> None:
    requests = f"""
    01 {command("55")} 00 00 00 02 aa bb   # mode select: to the device
    02 {command("12")} 00 00 00 24         # inquiry: from it
    01 {command("85", "06 00 00 x13")} 00 00 00 01 cc   # ATA: to the device
    01 {command("85", "06 08 00 x13")} 00 00 00 01      # ATA: from it
    """
    wire = f"06 29 00 01 00 x96 00 00 00 12 {requests} 00"
    found = decoded("SCSIDevice", wire, adapter="plain").requests
    assert [type(r.transfer).__name__.removeprefix("Scsi") for r in found] == [
        "GenericWrite", "GenericRead", "AtaTransfer", "AtaTransfer",
    ]  # fmt: skip
    assert [found[i].transfer.data for i in (0, 2, 3)] == [b"\xaa\xbb", b"\xcc", None]


def test_what_was_taken_for_granted_is_said_where_a_section_goes_wrong() -> None:
    name = "virtio-mmio@00000000feb02e00/virtio-net"
    payload = hexed(on_mmio(f"{NET} {PAIRS} {OFFLOADS}", queues=3))
    first = '04 00 00 00 08 0a "acpi_build" 00 x4 00 00 00 01 00 7e 00 00 00 08'
    head = f'"QEVM" 00 00 00 03 {first} 04 00 00 00 09 {len(name):02x} "{name}" 00 x4 00 00 00 0b'
    stream = hexed(head) + payload + hexed("7e 00 00 00 09 00")
    said = "taken for granted: 'multiqueue' = 0"
    with pytest.raises(DecodeError, match=said) as found:
        opened(stream, open_parameters(stream, library()))
    assert found.value.section == name
    given = open_parameters(stream, library(), ["virtio-net:multiqueue=on"])
    names = [e.event.name for e in opened(stream, given) if isinstance(e.event, Section)]
    assert names == ["acpi_build", name]
