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
from vmsc.stream.multifd import Multifd, Packet

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
