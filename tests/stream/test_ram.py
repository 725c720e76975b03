"""The RAM payload: every item typed by hand, stepped over and walked."""

from __future__ import annotations

import pytest
from streams import wire
from streams_at_hand import library

from vmsc.runtime.errors import DecodeError, ParamError, Truncated
from vmsc.stream.configuration import MachineConfiguration
from vmsc.stream.events import SectionKind
from vmsc.stream.ram import (
    Block,
    BlockList,
    Flag,
    Page,
    RamFormat,
    Sync,
    ram_format,
    ram_measure,
    read_item,
    walk_ram,
)
from vmsc.stream.state import Paused, SectionHeader

HEADER = SectionHeader(SectionKind.PART, 2, "ram", 0, 4, offset=0, payload=5)
SMALL = RamFormat(page_size=1024)
EOS = wire("00 00 00 00 00 00 00 10  EOS")

ITEMS = b"".join(
    (
        wire("""
    00 00 00 00 00 01 00 02  page 0x10000 | ZERO
    03 76 67 61              of block vga
    55                       fill
    00 00 00 00 00 01 04 28  page 0x10400 | CONTINUE | PAGE
    """),
        bytes(1024),
        wire("""
    00 00 00 00 00 00 00 08  page 0 | PAGE
    02 70 63                 of block pc
    """),
        bytes(range(256)) * 4,
        wire("""
    00 00 00 00 00 00 04 60  page 0x400 | CONTINUE | XBZRLE
    01                       encoding
    00 03                    length
    05 01 aa                 delta
    00 00 00 00 00 00 09 20  page 0x800 | CONTINUE | COMPRESS
    00 00 00 02              length
    78 9c                    deflated
    00 00 00 00 00 00 00 80  HOOK
    00 00 00 00 00 00 02 00  MULTIFD_FLUSH
    """),
        EOS,
    )
)


def end_of(data: bytes, form: RamFormat = SMALL) -> int:
    return ram_measure(form)(HEADER, data, 0, True)


def test_every_item_is_walked_and_its_data_found() -> None:
    items = list(walk_ram(ITEMS, 0, SMALL))
    assert items == [
        Page(0, Flag.ZERO, "vga", 0x10000, 12, 1),
        Page(13, Flag.PAGE, "vga", 0x10400, 21, 1024),
        Page(1045, Flag.PAGE, "pc", 0, 1056, 1024),
        Page(2080, Flag.XBZRLE, "pc", 0x400, 2091, 3),
        Page(2094, Flag.COMPRESS, "pc", 0x800, 2106, 2),
        Sync(2108, Flag.HOOK),
        Sync(2116, Flag.MULTIFD_FLUSH),
        Sync(2124, Flag.EOS),
    ]
    assert ITEMS[2091:2094] == b"\x05\x01\xaa"


def test_the_payload_ends_after_its_eos() -> None:
    assert end_of(ITEMS) == len(ITEMS)
    assert end_of(ITEMS + ITEMS) == len(ITEMS)


def test_the_same_block_as_before_may_be_unknown_or_be_said() -> None:
    data = wire("00 00 00 00 00 00 04 22 00  page 0x400 | CONTINUE | ZERO") + EOS
    assert next(walk_ram(data, 0, SMALL)) == Page(0, Flag.ZERO, None, 0x400, 8, 1)
    known = RamFormat(page_size=1024, block="pc")
    assert next(walk_ram(data, 0, known)) == Page(0, Flag.ZERO, "pc", 0x400, 8, 1)


def test_a_block_list_ends_with_its_total() -> None:
    data = wire("""
    00 00 00 00 00 00 0c 04  3072 bytes in all | MEM_SIZE
    02 70 63                 block pc
    00 00 00 00 00 00 08 00  of 2048 bytes
    03 76 67 61              block vga
    00 00 00 00 00 00 04 00  of 1024 bytes
    """)
    item, end = read_item(data + EOS, 0, SMALL)
    assert item == BlockList(0, 3072, (Block("pc", 2048), Block("vga", 1024)))
    assert end == len(data)
    over = data[:-1] + b"\x01"
    with pytest.raises(DecodeError, match="block 'vga' of 1025 bytes where 1024 of the total 3072"):
        read_item(over, 0, SMALL)


def test_a_block_has_an_address_where_shared_memory_is_ignored() -> None:
    data = wire("""
    00 00 00 00 00 00 08 04  2048 bytes in all | MEM_SIZE
    02 70 63                 block pc
    00 00 00 00 00 00 08 00  of 2048 bytes
    00 00 00 01 00 00 00 00  its address
    """)
    item, end = read_item(data + EOS, 0, RamFormat(page_size=1024, ignore_shared=True))
    assert item == BlockList(0, 2048, (Block("pc", 2048, None, 0x100000000),))
    assert end == len(data)


HUGE = wire("""
    00 00 00 00 00 60 0c 04  3072 bytes and 6 MiB in all | MEM_SIZE
    02 70 63                 block pc
    00 00 00 00 00 40 00 00  of 4 MiB
    00 00 00 00 00 20 00 00  pages of 2 MiB
    03 76 67 61              block vga
    00 00 00 00 00 00 0c 00  of 3072 bytes, the host's pages
    03 68 75 67              block hug
    00 00 00 00 00 20 00 00  of 2 MiB
    00 00 00 00 00 20 00 00  pages of 2 MiB
    00 00 00 00 00 00 00 10  EOS
""")


def test_a_page_size_stands_where_neither_name_nor_word_can() -> None:
    item, end = read_item(HUGE, 0, SMALL)
    blocks = (Block("pc", 4 << 20, 2 << 20), Block("vga", 3072), Block("hug", 2 << 20, 2 << 20))
    assert item == BlockList(0, (6 << 20) + 3072, blocks)
    assert end == len(HUGE) - 8
    for size in range(len(HUGE) - 8):
        with pytest.raises(Truncated):
            read_item(HUGE[:size], 0, SMALL)


def test_the_description_of_ram_finds_page_sizes_as_well() -> None:
    codec = library().device("ram")
    assert codec is not None
    value = codec.qemu.decode(HUGE, version=4, page_size=1024)
    assert codec.qemu.encode(value, version=4, page_size=1024) == HUGE
    assert codec.qemu.scan(HUGE, version=4, page_size=1024) == len(HUGE)


def test_the_page_size_divides_address_and_flags() -> None:
    data = wire("00 00 00 00 00 00 10 22 00  page 0x1000 | CONTINUE | ZERO") + EOS
    assert end_of(data, RamFormat()) == len(data)
    with pytest.raises(DecodeError, match=r"found 0x1022 \(with a page size of 16384\)"):
        end_of(data, RamFormat(page_size=16384))


def test_every_prefix_is_truncated() -> None:
    for size in range(len(ITEMS)):
        with pytest.raises(Truncated) as caught:
            end_of(ITEMS[:size])
        assert 1 <= caught.value.need <= len(ITEMS) - size
        assert isinstance(caught.value, Paused)
        assert caught.value.done <= size


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("bad-flags", wire("00 00 00 00 00 00 00 00  nothing")),
        ("bad-flags", wire("00 00 00 00 00 00 00 01  FULL, which is obsolete")),
        ("bad-flags", wire("00 00 00 00 00 00 00 0a  ZERO | PAGE")),
        ("bad-flags", wire("00 00 00 00 00 00 00 30  EOS | CONTINUE")),
        ("bad-delta", wire("00 00 00 00 00 00 00 60 02 00 03  XBZRLE of encoding 2")),
        ("limit", wire("00 00 00 00 00 00 00 60 01 04 01  XBZRLE of 1025 bytes")),
        ("limit", wire("00 00 00 00 00 00 01 20 ff ff ff ff  COMPRESS of 4 GiB")),
    ],
)
def test_what_no_payload_holds_is_refused(code: str, data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        end_of(data)
    assert caught.value.code == code


def test_the_configuration_says_what_it_can_of_the_format() -> None:
    assert ram_format(MachineConfiguration("virt", page_bits=16)) == RamFormat(page_size=65536)
    assert ram_format(MachineConfiguration("pc")) == RamFormat(page_size=4096)
    assert ram_format(MachineConfiguration("pc"), 1024) == SMALL
    assert ram_format(MachineConfiguration("pc", capabilities=("x-ignore-shared",))).ignore_shared
    assert ram_format(MachineConfiguration("pc", capabilities=("mapped-ram",))).mapped


@pytest.mark.parametrize("size", [0, 512, 4095, 1 << 20])
def test_a_page_size_that_no_target_has_is_a_wrong_parameter(size: int) -> None:
    with pytest.raises(ParamError, match="power of two"):
        ram_measure(RamFormat(page_size=size))
