"""Multifd's channels: hand-made packets in every disorder, and those of a live QEMU."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Sequence

import pytest
from live import require_qemu
from recordings import record

from vmsc.runtime.errors import DecodeError
from vmsc.stream.multifd import ChannelReader, Multifd, Packet

PAGE = 4096
SLOTS = 128


def init(channel: int) -> bytes:
    return struct.pack(">II16sB39x", 0x11223344, 1, b"", channel)


def packet(number: int, pages: Sequence[int] = (), *, flags: int = 0, data: bytes = b"") -> bytes:
    head = struct.pack(
        ">IIIIIIQ32x256s",
        *(0x11223344, 1, flags, SLOTS, len(pages), len(data), number, b"pc.ram" if pages else b""),
    )
    return head + struct.pack(f">{SLOTS}Q", *pages, *[0] * (SLOTS - len(pages))) + data


def filled(number: int) -> bytes:
    return packet(number, [number * PAGE], data=bytes([number]) * PAGE)


def sync(number: int) -> bytes:
    return packet(number, flags=1)


CHANNELS = (
    init(0) + sync(0) + filled(2) + filled(5) + sync(6),
    init(1) + sync(1) + filled(3) + filled(4) + sync(7),
)


def fed(channels: Sequence[bytes], seed: int = 0, most: int = 3000, **options: int) -> list[Packet]:
    """All packets, the channels fed side by side in random pieces."""
    rng = random.Random(seed)
    found: list[Packet] = []
    several = Multifd(len(channels), **options)
    left = dict(enumerate(channels))
    while left:
        channel = rng.choice(list(left))
        size = rng.randint(1, most)
        piece, left[channel] = left[channel][:size], left[channel][size:]
        found += several.feed(channel, piece)
        if not left[channel]:
            del left[channel]
            found += several.end(channel)
    return found


@pytest.mark.parametrize("seed", range(10))
def test_packets_come_in_the_order_of_their_numbers(seed: int) -> None:
    found = fed(CHANNELS, seed)
    assert [p.number for p in found] == list(range(8))
    assert [p.channel for p in found] == [0, 1, 0, 1, 1, 0, 0, 1]
    assert [p.sync for p in found] == [True, True, False, False, False, False, True, True]
    third = found[2]
    assert (third.block, third.pages, third.data) == ("pc.ram", (2 * PAGE,), b"\2" * PAGE)


def refused(channels: Sequence[bytes], **options: int) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        fed(channels, **options)
    return caught.value


def test_a_missing_packet_is_named() -> None:
    one, other = CHANNELS
    error = refused((one, other.replace(filled(4), b"")))
    assert error.code == "packet-missing" and "no packet 4" in str(error)


def test_a_packet_that_is_there_twice_is_named_with_its_channel() -> None:
    one, other = CHANNELS
    error = refused((one + filled(3), other))
    assert error.code == "packet-twice"
    assert "packet 3 is there twice" in str(error)


def test_pages_that_a_sync_overtook_are_not_missing() -> None:
    taken = packet(6, [5 * PAGE], flags=1, data=b"\5" * PAGE) + packet(6)
    one = init(0) + sync(0) + filled(2) + taken
    found = fed((one, CHANNELS[1]))
    assert [p.number for p in found] == [0, 1, 2, 3, 4, 6, 7]
    assert found[5].sync and found[5].pages == (5 * PAGE,)
    error = refused((one, CHANNELS[1].replace(filled(4), b"")))
    assert "no packet 4, 5 (1 of them overtaken by a sync)" in str(error)


def test_what_waits_for_a_silent_channel_has_a_limit() -> None:
    several = Multifd(2, limit=20_000)
    several_init = list(several.feed(1, init(1)))
    assert several_init == []
    with pytest.raises(DecodeError, match=r"wait for channel 1.*packet 0 is missing") as caught:
        list(several.feed(0, init(0) + b"".join(filled(n) for n in range(1, 9))))
    assert caught.value.code == "limit"


def test_a_channel_that_is_cut_short_says_where() -> None:
    error = refused((CHANNELS[0][:-10], CHANNELS[1]))
    assert error.code == "truncated" and "channel 0" in str(error)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("the magic 0x11223344 expected", b"\0" * 64),
        ("version 0x1 expected", init(0)[:7] + b"\2" + init(0)[8:]),
        ("in the unknown form 5", init(0) + packet(0, [0], flags=10, data=b"x")),
        ("4096 bytes of pages expected, found 1", init(0) + packet(0, [0], data=b"x")),
        ("cannot be inflated", init(0) + packet(0, [0], flags=2, data=b"xx")),
        ("found 4097", init(0) + packet(0, [0], flags=2, data=zlib.compress(b"x" * 9999))),
    ],
)
def test_what_no_channel_holds_is_refused(what: str, data: bytes) -> None:
    assert what in str(refused((data,)))


# --- the forms of a sync, byte by byte ------------------------------------------------------------

# magic, version, flags (1: sync), room for offsets, pages, length of pages, number (8 bytes), zero
# pages, 28 reserved bytes, the block's name in 256 bytes, and 128 offsets in each form.
SYNC_7_2 = bytes.fromhex(
    "11223344 00000001 00000001 00000080 00000000 00000000 0000000000000001 00000000"
) + bytes(28 + 256 + 8 * 128)
SYNC_10 = bytes.fromhex(
    "11223344 00000001 00000001 00000000 00000000 00000000 0000000000000001 00000000"
) + bytes(28 + 256 + 8 * 128)
# One page of RAM at 0x3000 of pc.ram, and one that is zero at 0x5000 (from 9.1 on).
PAGES = (
    bytes.fromhex("11223344 00000001 00000000 00000080 00000001 00001000 0000000000000002 00000001")
    + bytes(28)
    + b"pc.ram".ljust(256, b"\0")
    + bytes.fromhex("0000000000003000 0000000000005000")
    + bytes(8 * 126)
    + b"\xab" * 4096
)
INIT = bytes.fromhex("11223344 00000001") + bytes(16 + 1 + 39)
SYNCS = pytest.mark.parametrize("told", [SYNC_7_2, SYNC_10], ids=["7.2", "10.0"])


def read(data: bytes) -> list[Packet]:
    reader = ChannelReader()
    found = list(reader.feed(data))
    reader.close()
    return found


@SYNCS
def test_a_sync_has_room_for_all_offsets_whatever_it_says(told: bytes) -> None:
    assert read(INIT + told + PAGES + told) == [
        Packet(0, 64, 1344, 1, True, ""),
        Packet(0, 1408, 5440, 2, False, "pc.ram", (0x3000,), (0x5000,), b"\xab" * 4096),
        Packet(0, 6848, 1344, 1, True, ""),
    ]


@SYNCS
def test_a_channel_that_ends_within_a_sync_is_truncated(told: bytes) -> None:
    whole = INIT + told
    for size in range(len(whole)):
        if size == len(INIT):
            continue
        with pytest.raises(DecodeError) as caught:
            read(whole[:size])
        assert caught.value.code == "truncated"


@SYNCS
def test_a_sync_is_the_same_however_it_is_cut(told: bytes) -> None:
    whole = INIT + told + PAGES
    for size in (1, 7, 64, 1343):
        reader = ChannelReader()
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert [p for piece in pieces for p in reader.feed(piece)] == read(whole)


@SYNCS
def test_a_damaged_sync_is_refused_or_ends_where_it_did(told: bytes) -> None:
    """Its length depends on no field but those that are refused."""
    for bit in range(8 * len(told)):
        data = bytearray(told)
        data[bit // 8] ^= 0x80 >> bit % 8
        try:
            first, second = read(INIT + bytes(data) + PAGES)
        except DecodeError as error:
            assert error.code in ("bad-packet", "bad-pages", "truncated", "bad-name")
        else:
            assert (first.size, second.number) == (1344, 2)


def test_a_packet_with_room_for_none_has_no_pages() -> None:
    error = refused((INIT + SYNC_10[:16] + b"\0\0\0\1" + SYNC_10[20:],))
    assert error.code == "bad-packet"
    assert "1 + 0 of 0 pages; a packet has room for 128" in str(error)


@pytest.mark.live
@pytest.mark.xdist_group("recordings")
@pytest.mark.parametrize("method", ["", " zlib", " zstd"])
def test_a_live_migrations_channels_become_one_row(method: str) -> None:
    require_qemu()
    if method == " zstd":
        pytest.importorskip("zstandard")
    channels = record(f"multifd{method}").channels
    assert len(channels) == 3
    found = fed(channels, 1, 100_000)
    assert fed(channels, 2, 7000) == found
    numbers = [p.number for p in found]
    assert numbers == sorted(set(numbers))
    sizes = [(len(p.data), len(p.pages) * PAGE) for p in found]
    assert (
        all(size == wanted for size, wanted in sizes) and sum(size for size, _ in sizes) > 1 << 18
    )
    assert "pc.ram" in {p.block for p in found}
