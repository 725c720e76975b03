"""The checkpoint buffer's limits, compared before bytes are waited for, and what it costs."""

from __future__ import annotations

import tracemalloc

import pytest
from frames import SMALL, forge
from test_buffer import ONE_SIDE, TWO_SIDES, outcome, page_channels, read, whole

from vmsc.runtime.errors import DecodeError
from vmsc.runtime.framed.checkpoint import write_channels
from vmsc.runtime.framed.collector import CheckpointCollector, Delivered
from vmsc.runtime.framed.frame import Frame, Kind, Limits


def side_frame(size: int) -> bytes:
    """The header of a frame with a payload that does not come."""
    return forge(4, name=b"x", type=4, length=size)


PART = forge(13, (8).to_bytes(8, "big") + (1).to_bytes(4, "big"))


@pytest.mark.parametrize("channel", [0, 1])
def test_a_hostile_length_is_refused_before_its_payload_and_costs_nothing(channel: int) -> None:
    start = SMALL[:106] if channel == 0 else PART
    for size, limits in ((1 << 63, Limits()), (1 << 20, Limits(total=1 << 20))):
        assert outcome((channel, start + side_frame(size)), limits=limits) == "limit"
    buffer = CheckpointCollector()
    tracemalloc.start()
    try:
        assert buffer.feed(start + side_frame(1 << 30), channel) is None
        assert buffer.need(channel) == 1 << 30
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_what_channels_have_only_begun_counts_against_the_limit_of_all() -> None:
    begin = page_channels()[0][:69]
    first, second = PART + side_frame(500), begin + side_frame(200)
    size = len(first) + 500 + len(second) + 200
    for pieces in ([(1, first), (0, second)], [(0, second), (1, first)]):
        buffer = CheckpointCollector(Limits(total=size))
        assert list(read(buffer, pieces)) == []
        buffer = CheckpointCollector(Limits(total=size - 1))
        with pytest.raises(DecodeError, match=f"{size} bytes or more is over the limit {size - 1}"):
            list(read(buffer, pieces))


def test_limits_are_kept_to_the_byte_and_to_the_frame() -> None:
    size = sum(map(len, TWO_SIDES))
    good = [whole(TWO_SIDES)]
    pieces = list(enumerate(TWO_SIDES))
    for order in (pieces, pieces[::-1]):
        assert outcome(*order, limits=Limits(total=size, frames=8, channels=2)) == good
        assert outcome(*order, limits=Limits(total=size - 1)) == "limit"
        assert outcome(*order, limits=Limits(frames=7)) == "limit"
        assert outcome(*order, limits=Limits(channels=1)) == "limit"
        assert outcome(*order, limits=Limits(payload=59)) == "limit"


def test_more_connections_than_channels_are_refused() -> None:
    buffer = CheckpointCollector(Limits(channels=2))
    for channel in (5, 3):
        assert buffer.feed(b"V", channel) is None
    with pytest.raises(DecodeError, match="3 side channels are over the limit 2"):
        buffer.feed(b"V", 4)


def test_what_waits_in_tiny_pieces_costs_what_it_is_long() -> None:
    buffer = CheckpointCollector()
    assert buffer.feed(ONE_SIDE[1], 1) is None
    tracemalloc.start()
    try:
        for _ in range(20_000):
            buffer.feed(b"\0", 1)
        assert tracemalloc.get_traced_memory()[0] < 40_000
    finally:
        tracemalloc.stop()


def test_what_is_fed_to_a_channel_that_waits_is_held_up_to_the_limit() -> None:
    main, side = ONE_SIDE
    size = len(main) + len(side)
    buffer = CheckpointCollector(Limits(total=size))
    assert buffer.feed(side, 1) is None
    assert buffer.feed(bytes(size), 1) is None
    with pytest.raises(DecodeError, match="feed no more to a channel whose need is 0"):
        buffer.feed(b"\0", 1)


# --- memory ----------------------------------------------------------------------------------

MIB = 1 << 20


@pytest.mark.parametrize("sides", [0, 1])
@pytest.mark.parametrize("size", [64 * MIB, 3 * MIB // 2 + 1, MIB // 16])
def test_no_payload_is_kept_twice(sides: int, size: int) -> None:
    payload = bytes(size)
    frames = [Frame(Kind.RAM, payload, name="ram", version=4, type=2)] * (64 * MIB // size)
    half = len(frames) // 2 if sides else 0
    channels = write_channels(1, None, frames[half:], [frames[:half]] * sides)
    views = [memoryview(data) for data in channels]
    piece = 256 << 10
    pieces = [
        (n, v[at : at + piece]) for n, v in enumerate(views) for at in range(0, len(v), piece)
    ]
    buffer, found = CheckpointCollector(), None
    tracemalloc.start()
    try:
        for channel, data in pieces:
            found = buffer.feed(data, channel)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(found, Delivered)
    assert peak < 1.25 * 64 * MIB
    assert found.checkpoint.size == sum(map(len, channels))


def test_a_refused_payload_is_given_up_at_once() -> None:
    bad = bytearray(write_channels(1, None, [Frame(Kind.TRAILING, bytes(8 * MIB))], [])[0])
    bad[MIB] ^= 1
    buffer = CheckpointCollector()
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            for at in range(0, len(bad), MIB):
                buffer.feed(bad[at : at + MIB])
        assert tracemalloc.get_traced_memory()[0] < 3 * MIB
    finally:
        tracemalloc.stop()
