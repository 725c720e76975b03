"""The checkpoint buffer: what is not committed never existed, over one channel and over several."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import framed_reader
import pytest
from frames import BLOB, CONTEXT, EOF, MIXED, RAM, RTC, SMALL
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_frames import stored
from streams_at_hand import answers, frame, state
from test_frame import PAGE

from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.runtime.framed.checkpoint import (
    CheckpointWriter,
    FramedCheckpoint,
    decode_checkpoint,
    write_channels,
)
from vmsc.runtime.framed.collector import CheckpointCollector, Delivered
from vmsc.runtime.framed.context import Context
from vmsc.runtime.framed.frame import HEADER_SIZE, Frame, Kind, Limits

Piece = tuple[int, bytes]  # the channel, and what comes over it

ONE_SIDE = write_channels(8, CONTEXT, [RTC], [[RAM]])
TWO_SIDES = write_channels(8, CONTEXT, [RTC, EOF], [[RAM, BLOB], []])
LATER = write_channels(9, CONTEXT, [BLOB], [[EOF], [RAM]])


def read(buffer: CheckpointCollector, pieces: Iterable[Piece]) -> Iterator[FramedCheckpoint]:
    """What is committed of these pieces, in this order."""
    for channel, data in pieces:
        answer = buffer.feed(data, channel)
        while answer is not None:
            yield answer.checkpoint
            answer = buffer.feed()


def outcome(*pieces: Piece, limits: Limits | None = None) -> list[FramedCheckpoint] | str:
    """All that is committed, or the code of what is wrong."""
    buffer = CheckpointCollector(limits or Limits())
    try:
        found = list(read(buffer, pieces))
        buffer.close()
    except DecodeError as error:
        return error.code
    return found


def whole(channels: Sequence[bytes]) -> FramedCheckpoint:
    """The one checkpoint that came over these channels."""
    found = outcome(*enumerate(channels))
    assert isinstance(found, list), found
    (checkpoint,) = found
    return checkpoint


# --- the page ---------------------------------------------------------------------------------


def page_channels() -> tuple[bytes, bytes]:
    """The example of two channels on the page."""
    blocks = re.findall(r"```hex\n(.*?)```", PAGE.read_text(), re.DOTALL)[3:]
    lines = [[line[:32].strip() for line in block.splitlines()] for block in blocks]
    frames = [bytes.fromhex("".join(block)) for block in lines]
    return b"".join(frames[:3]), b"".join(frames[3:])


def test_the_channels_on_the_page_are_what_the_writers_write() -> None:
    ram = Frame(Kind.RAM, bytes(7) + b"\x10", name="ram", version=4, id=2, type=3, footer=True)
    assert write_channels(8, None, [EOF], [[ram]]) == page_channels()
    writer = CheckpointWriter(8, Context(channels=1))
    side = writer.part(1)
    main = [writer.begin(), *writer.add(EOF)]
    sent = [side.begin(), *side.add(ram), side.end()]
    assert (b"".join([*main, writer.commit()]), b"".join(sent)) == page_channels()


@pytest.mark.parametrize("channels", [page_channels(), ONE_SIDE, TWO_SIDES, LATER])
def test_both_readers_see_the_same_channels(channels: Sequence[bytes]) -> None:
    ours = whole(channels)
    (theirs,) = framed_reader.read_channels(channels)
    assert ours.epoch == theirs.epoch
    assert ours.context.channels == len(channels) - 1
    assert ours.size == sum(map(len, channels))
    for mine, other in zip((ours.frames, *ours.parts), (theirs.frames, *theirs.parts), strict=True):
        assert [(f.kind, f.name.encode(), f.payload) for f in mine] == [
            (f.kind, f.name, f.payload) for f in other
        ]


def test_a_checkpoint_comes_back_as_it_was() -> None:
    found = whole(TWO_SIDES)
    assert (found.frames, found.parts) == ((RTC, EOF), ((RAM, BLOB), ()))
    assert found.context.settings == CONTEXT.settings
    assert write_channels(8, found.context, found.frames, found.parts) == TWO_SIDES


def test_a_checkpoint_of_one_channel_is_read_as_everywhere() -> None:
    assert outcome((0, SMALL)) == [decode_checkpoint(SMALL)]


def test_frames_that_may_be_skipped_are_counted_on_every_channel() -> None:
    extra = Frame(200, b"later", skippable=True)
    found = whole(write_channels(1, None, [extra], [[extra, EOF]]))
    assert (found.skipped, found.frames, found.parts) == (2, (), ((EOF,),))


# --- what is not committed never existed --------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1])
def test_every_strict_prefix_of_two_channels_commits_nothing(first: int) -> None:
    then = 1 - first
    for cut in range(len(ONE_SIDE[first]) + 1):
        buffer = CheckpointCollector()
        fed = buffer.feed(ONE_SIDE[first][:cut], first)
        for at in range(len(ONE_SIDE[then])):
            assert fed is None
            assert buffer.held == cut + at
            fed = buffer.feed(ONE_SIDE[then][at : at + 1], then)
        assert (fed is None) == (cut < len(ONE_SIDE[first]))


def test_an_input_that_ends_early_is_truncated_and_says_where() -> None:
    main, side = ONE_SIDE
    for pieces, says in (
        ([(0, main[:-1])], r"^payload at byte"),
        ([(0, main)], r"part\[1\] at byte 0"),
        ([(1, side)], r"^header at byte 0"),
        ([(0, main), (1, side[:-1])], r"channel\[1\].payload at byte 238"),
        ([(0, main), (1, side[:64])], r"channel\[1\].frame\[0\] at byte 64"),
        ([(0, main), (7, side[:80])], r"channel\[7\].header at byte 80"),
    ):
        buffer = CheckpointCollector()
        assert list(read(buffer, pieces)) == []
        with pytest.raises(Truncated, match=says):
            buffer.close()
        assert buffer.held == 0


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_every_flipped_bit_on_any_channel_is_refused(channel: int) -> None:
    others = [(n, data) for n, data in enumerate(TWO_SIDES) if n != channel]
    good = TWO_SIDES[channel]
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        buffer = CheckpointCollector()
        pieces = [*others, (channel, bytes(bad))] if bit % 2 else [(channel, bytes(bad)), *others]
        with pytest.raises(DecodeError) as caught:
            assert list(read(buffer, pieces)) == []
        assert not isinstance(caught.value, Truncated)
        assert buffer.held == 0


def test_the_other_reader_refuses_every_flipped_bit_too() -> None:
    for channel, good in enumerate(ONE_SIDE):
        for bit in range(8 * len(good)):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            channels = [bytes(bad) if n == channel else data for n, data in enumerate(ONE_SIDE)]
            with pytest.raises(framed_reader.Refused):
                framed_reader.read_channels(channels)


@settings(max_examples=300)
@given(st.data())
def test_any_damage_on_any_channel_is_refused_by_both_or_taken_by_both(
    data: st.DataObject,
) -> None:
    channels = list(TWO_SIDES)
    which = data.draw(st.integers(0, 2))
    good = channels[which]
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    channels[which] = good[:start] + data.draw(st.binary(max_size=80)) + good[end:]
    found = outcome(*enumerate(channels))
    try:
        framed_reader.read_channels(channels)
    except framed_reader.Refused:
        assert isinstance(found, str)
    else:
        assert tuple(channels) == TWO_SIDES
        assert isinstance(found, list)


AMOUNT = [pytest.param(10, id="a tenth"), pytest.param(1, id="all", marks=pytest.mark.soak)]


@pytest.mark.parametrize("part", AMOUNT)
def test_any_changed_byte_of_a_stored_checkpoint_is_refused(part: int) -> None:
    checkpoints = [frame(state("minimal"), answers("minimal")), SMALL, MIXED, stored()]
    rng = random.Random(part)
    for _ in range(10_000 // part):
        bad = bytearray(rng.choice(checkpoints))
        bad[rng.randrange(len(bad))] ^= rng.randint(1, 255)
        with pytest.raises(DecodeError):
            decode_checkpoint(bad)
        buffer = CheckpointCollector()
        with pytest.raises(DecodeError):
            assert list(read(buffer, [(0, bytes(bad))])) == []
            buffer.close()


# --- cuts -------------------------------------------------------------------------------------


def in_pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


some_cuts = st.lists(st.integers(0, 4096), max_size=8)


@settings(max_examples=300)
@given(st.tuples(some_cuts, some_cuts, some_cuts), st.randoms(use_true_random=False))
def test_cuts_and_the_order_of_channels_make_no_difference(
    cuts: tuple[list[int], list[int], list[int]], rng: random.Random
) -> None:
    channels = [a + b for a, b in zip(TWO_SIDES, LATER, strict=True)]
    left = [in_pieces(data, at) for data, at in zip(channels, cuts, strict=True)]
    pieces: list[Piece] = []
    while any(left):
        channel = rng.choice([n for n, one in enumerate(left) if one])
        pieces.append((channel, left[channel].pop(0)))
    buffer = CheckpointCollector()
    assert list(read(buffer, pieces)) == [whole(TWO_SIDES), whole(LATER)]
    assert (buffer.held, buffer.epoch) == (0, 9)
    buffer.close()


THREE = (TWO_SIDES, LATER, write_channels(10, None, [], [[BLOB, EOF], []]))


class Sender:
    """One channel's end of the wire: when it is cut, it sends again what is not committed."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.again(0)

    def again(self, committed: int) -> None:
        self.left = b"".join(channels[self.channel] for channels in THREE[committed:])

    def take(self, size: int) -> Piece:
        data, self.left = self.left[:size], self.left[size:]
        return self.channel, data


steps = st.tuples(st.integers(0, 2), st.integers(0, 300) | st.just("cut"))


@settings(max_examples=300)
@given(st.lists(steps, max_size=40), st.permutations(range(3)))
def test_connections_that_break_at_any_time_commit_every_checkpoint_once(
    wire: list[tuple[int, int | str]], last: list[int]
) -> None:
    senders, buffer = [Sender(n) for n in range(3)], CheckpointCollector()
    found: list[FramedCheckpoint] = []
    for channel, size in wire:
        if isinstance(size, int):
            found += read(buffer, [senders[channel].take(size)])
        else:
            buffer.cut(channel)
            senders[channel].again(len(found))
    found += read(buffer, [senders[n].take(1 << 20) for n in last])
    assert found == [whole(channels) for channels in THREE]
    assert buffer.held == 0


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_channel_cut_at_any_byte_and_sent_again_commits(channel: int) -> None:
    wanted = whole(TWO_SIDES)
    others = [(n, data) for n, data in enumerate(TWO_SIDES) if n != channel]
    good = TWO_SIDES[channel]
    for cut in range(len(good)):
        buffer = CheckpointCollector()
        cut_off = (channel, good[:cut])
        pieces = [cut_off, *others] if cut % 2 else [*others, cut_off]
        assert list(read(buffer, pieces)) == []
        buffer.cut(channel)
        assert buffer.held == sum(len(data) for _, data in others)
        assert list(read(buffer, [(channel, good)])) == [wanted]


def test_a_whole_part_is_forgotten_with_its_connection() -> None:
    buffer = CheckpointCollector()
    assert list(read(buffer, enumerate(TWO_SIDES[:2]))) == []
    buffer.cut(1)
    assert list(read(buffer, [(2, TWO_SIDES[2])])) == []
    assert list(read(buffer, [(5, TWO_SIDES[1])])) == [whole(TWO_SIDES)]


def test_all_channels_cut_at_any_byte_and_sent_again_commit() -> None:
    wanted = whole(TWO_SIDES)
    everything = [
        (n, data[at : at + 1]) for n, data in enumerate(TWO_SIDES) for at in range(len(data))
    ]
    for cut in range(0, len(everything), 7):
        buffer = CheckpointCollector()
        assert list(read(buffer, everything[:cut])) == []
        buffer.cut()
        assert (buffer.held, buffer.need(0), buffer.need(1)) == (0, HEADER_SIZE, HEADER_SIZE)
        assert list(read(buffer, enumerate(TWO_SIDES))) == [wanted]


def test_a_refusal_lasts_until_the_cut_and_holds_nothing() -> None:
    buffer = CheckpointCollector()
    assert buffer.feed(TWO_SIDES[1], 1) is None
    bad = TWO_SIDES[0][:150] + b"\xff" + TWO_SIDES[0][151:]
    for data in (bad, b"", TWO_SIDES[0]):
        with pytest.raises(DecodeError) as caught:
            buffer.feed(data)
        assert caught.value.code == "bad-checksum"
        assert (buffer.held, buffer.need(0)) == (0, 0)
    buffer.cut(0)
    with pytest.raises(DecodeError):
        buffer.close()
    buffer.cut()
    assert list(read(buffer, enumerate(TWO_SIDES))) == [whole(TWO_SIDES)]


def test_a_commit_outlives_what_goes_wrong_behind_it() -> None:
    buffer = CheckpointCollector()
    found = buffer.feed(SMALL + b"VMSF\x02")
    assert isinstance(found, Delivered)
    with pytest.raises(DecodeError):
        buffer.feed()
    buffer.cut()
    assert buffer.epoch == 7


# --- how much can be used -----------------------------------------------------------------------


def test_the_need_of_a_channel_never_reaches_past_what_it_reads() -> None:
    buffer = CheckpointCollector()
    places = [0, 0, 0]
    found: Delivered | None = None
    while found is None:
        ready = [n for n in range(3) if buffer.need(n)]
        for channel in ready:
            at, size = places[channel], buffer.need(channel)
            assert at + size <= len(TWO_SIDES[channel])
            found = buffer.feed(TWO_SIDES[channel][at : at + size], channel)
            places[channel] += size
    assert places == [len(data) for data in TWO_SIDES]


def test_a_channel_that_has_brought_its_share_waits_for_the_others() -> None:
    buffer = CheckpointCollector()
    assert buffer.feed(TWO_SIDES[1] + LATER[1][:10], 1) is None
    assert (buffer.need(1), buffer.held) == (0, len(TWO_SIDES[1]) + 10)
    assert buffer.feed(bytes(50), 1) is None  # no frame, but no one has looked at it
    assert buffer.feed(TWO_SIDES[0]) is None
    assert buffer.feed(TWO_SIDES[2], 2) == Delivered(whole(TWO_SIDES))
    assert buffer.held == 60
    with pytest.raises(DecodeError, match=r"channel\[1\].*at byte") as caught:
        buffer.feed()
    assert caught.value.code == "bad-checksum"
