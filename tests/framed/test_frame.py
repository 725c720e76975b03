"""The framed container: its laws, each held against the codec and against a reader of its own."""

from __future__ import annotations

import re
from pathlib import Path

import framed_reader
import msgspec
import pytest
from framed_reader import Refused
from frames import (
    BEGIN,
    BLOB,
    CONTEXT,
    EOF,
    MIXED,
    ONE,
    RAM,
    RTC,
    SMALL,
    TWO,
    chunked,
    outcome,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.runtime.framed.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    Delivered,
    FramedCheckpoint,
    decode_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from vmsc.runtime.framed.context import Context, Setting, Started, pack_context, unpack_context
from vmsc.runtime.framed.frame import HEADER_SIZE, Frame, Kind, NeedMore, read_frame, write_frame

PAGE = Path(__file__).parents[2] / "docs" / "framed-format.md"

# --- the page ---------------------------------------------------------------------------------


def page_example() -> list[bytes]:
    blocks = re.findall(r"```hex\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [[line[:32].strip() for line in block.splitlines()] for block in blocks]
    return [bytes.fromhex("".join(block)) for block in lines][:3]


def test_the_example_on_the_page_is_what_the_writer_writes() -> None:
    writer = CheckpointWriter(7, CONTEXT)
    written = [writer.begin(), b"".join(writer.add(RTC)), writer.commit()]
    assert written == page_example()


def test_a_reader_that_knows_the_page_alone_reads_the_example() -> None:
    (checkpoint,) = framed_reader.read_file(b"".join(page_example()))
    assert checkpoint.epoch == 7
    (frame,) = checkpoint.frames
    assert (frame.name, frame.version, frame.section, frame.type) == (b"rtc", 2, 5, 4)
    fixed, alarm = framed_reader.walk(frame).items
    assert fixed.content == b"\x26\x02\x17"
    assert (alarm.name, alarm.version, alarm.items[0].count) == (b"rtc/alarm", 1, 2)


def test_every_code_on_the_page_is_raised_and_every_one_raised_is_on_the_page() -> None:
    runtime = PAGE.parent.parent / "vmsc" / "runtime" / "framed"
    names = ("frame.py", "checkpoint.py", "assembly.py", "channel.py", "context.py")
    sources = "".join((runtime / name).read_text() for name in names)
    words = r'"((?:bad|no|unknown|old)-[a-z]+|reserved|limit|trailing|channels)"'
    table = PAGE.read_text().partition("## 7.")[2].partition("## 8.")[0]
    assert set(re.findall(words, sources)) == set(re.findall(r"`([a-z-]+)`", table)) - {"vmsc"}


# --- there and back ---------------------------------------------------------------------------


def test_a_checkpoint_comes_back_as_it_was() -> None:
    checkpoint, end = read_checkpoint(b"xx" + MIXED + b"yy", 2)
    assert end == 2 + len(MIXED)
    assert (checkpoint.epoch, checkpoint.context) == (8, CONTEXT)
    assert checkpoint.frames[1:] == (RAM, RTC, BLOB, EOF)
    assert checkpoint.size == len(MIXED)
    assert write_checkpoint(8, checkpoint.context, checkpoint.frames) == MIXED


def test_both_readers_see_the_same_frames() -> None:
    (theirs,) = framed_reader.read_file(MIXED)
    for ours, other in zip(decode_checkpoint(MIXED).frames, theirs.frames, strict=True):
        assert ours.kind == other.kind
        assert ours.name.encode() == other.name
        assert (ours.instance, ours.version, ours.id) == (
            other.instance,
            other.version,
            other.section,
        )
        assert (ours.type, ours.digest, ours.payload) == (other.type, other.digest, other.payload)


def test_a_name_that_is_no_text_survives() -> None:
    name = b"dev\xff/\xc3".decode("utf-8", "surrogateescape")
    wire = write_frame(Frame(Kind.OPAQUE, b"", name=name, type=4))
    assert wire[HEADER_SIZE:] == b"dev\xff/\xc3"
    assert read_frame(wire)[0].name == name


def test_payloads_are_views_and_not_copies() -> None:
    payload = read_frame(write_frame(BLOB))[0].payload
    assert isinstance(payload, memoryview)


def test_the_writer_gives_a_payload_apart() -> None:
    writer = CheckpointWriter(1)
    begin = writer.begin()
    head, payload = writer.add(BLOB)
    assert payload is BLOB.payload
    assert decode_checkpoint(begin + head + bytes(payload) + writer.commit()).frames == (BLOB,)


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_a_payload_in_pieces_gives_the_same_bytes(pieces: list[bytes]) -> None:
    whole, parts = CheckpointWriter(1), CheckpointWriter(1)
    frame = msgspec.structs.replace(RAM, payload=b"".join(pieces))
    one = [whole.begin(), *whole.add(frame), whole.commit()]
    other = [parts.begin(), *parts.add_pieces(RAM, pieces), parts.commit()]
    assert b"".join(one) == b"".join(other)


texts = st.text(min_size=1, max_size=20)
u32 = st.integers(0, 0xFFFFFFFF)
values = st.integers(-(1 << 300), 1 << 300) | st.text(max_size=20) | st.binary(max_size=20)


@given(
    st.lists(st.builds(Started, u32, texts, u32, u32), unique_by=lambda entry: entry.id),
    st.lists(
        st.builds(Setting, texts, texts, values, st.none() | st.integers(0, 0xFFFFFFFE)),
        unique_by=lambda entry: (entry.section, entry.instance, entry.name),
    ),
)
def test_any_context_comes_back(started: list[Started], given_: list[Setting]) -> None:
    context = Context(tuple(started), tuple(given_))
    wire = pack_context(context)
    assert unpack_context(wire) == context
    frames = framed_reader.read_file(write_checkpoint(1, context, []))
    assert len(frames[0].context) == len(started) + len(given_)


# --- law 1: prefixes --------------------------------------------------------------------------


@pytest.mark.parametrize("good", [SMALL, MIXED], ids=["small", "mixed"])
def test_every_strict_prefix_is_truncated(good: bytes) -> None:
    for size in range(len(good)):
        with pytest.raises(Truncated) as caught:
            decode_checkpoint(good[:size])
        assert 1 <= caught.value.need <= len(good) - size
        assert caught.value.offset == size
        with pytest.raises(framed_reader.Truncated):
            framed_reader.read_file(good[:size])


def test_the_need_of_a_reader_never_reaches_past_what_it_reads() -> None:
    reader = CheckpointReader()
    pos, rounds = 0, 0
    answer = reader.feed()
    while isinstance(answer, NeedMore):
        assert pos + answer.bytes <= len(MIXED)
        piece = MIXED[pos : pos + answer.bytes]
        pos, rounds = pos + len(piece), rounds + 1
        answer = reader.feed(piece)
    assert pos == len(MIXED)
    assert rounds <= 3 * 7  # header, name and payload of seven frames


# --- law 6: flipped bits ----------------------------------------------------------------------


@pytest.mark.parametrize("good", [SMALL, MIXED], ids=["small", "mixed"])
def test_every_flipped_bit_is_refused(good: bytes) -> None:
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError) as caught:
            decode_checkpoint(bytes(bad))
        # Not as if more were to come: a length is not believed before it is proven.
        assert not isinstance(caught.value, Truncated), f"bit {bit}"


def test_the_other_reader_refuses_every_flipped_bit_too() -> None:
    for bit in range(8 * len(SMALL)):
        bad = bytearray(SMALL)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refused):
            framed_reader.read_file(bytes(bad))


@settings(max_examples=300)
@given(st.data())
def test_any_damage_is_refused_by_both_or_taken_by_both(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(MIXED)))
    end = data.draw(st.integers(start, len(MIXED)))
    bad = MIXED[:start] + data.draw(st.binary(max_size=80)) + MIXED[end:]
    found = outcome(bad)
    try:
        framed_reader.read_file(bad)
    except Refused as refused:
        assert isinstance(found, tuple)
        assert "trailing" in found or found[0] == refused.code
    else:
        assert bad == MIXED
        assert isinstance(found, FramedCheckpoint)


# --- law 7: cuts ------------------------------------------------------------------------------

DAMAGED = SMALL[:150] + b"\xff" + SMALL[151:]


@pytest.mark.parametrize(
    "data", [SMALL, MIXED, SMALL[:-1], DAMAGED], ids=["small", "mixed", "short", "damaged"]
)
def test_cutting_makes_no_difference(data: bytes) -> None:
    whole = outcome(data)
    for cut in range(len(data) + 1):
        assert chunked([data[:cut], data[cut:]]) == whole
    for size in (1, 2, 3, 7, 51, 52, 53):
        assert chunked([data[at : at + size] for at in range(0, len(data), size)]) == whole


def test_what_follows_a_commit_is_the_next_checkpoint() -> None:
    reader = CheckpointReader()
    first = reader.feed(SMALL + MIXED)
    second = reader.feed()
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert [first.checkpoint.epoch, second.checkpoint.epoch] == [7, 8]
    assert reader.feed() == NeedMore(HEADER_SIZE)
    reader.close()


def test_nothing_counts_before_its_commit() -> None:
    reader = CheckpointReader()
    assert isinstance(reader.feed(MIXED[:-1]), NeedMore)
    with pytest.raises(Truncated):
        reader.close()


def test_an_input_that_ends_between_two_frames_says_which_is_missing() -> None:
    with pytest.raises(Truncated, match=r"frame\[2\] at byte 176: the input ends here"):
        decode_checkpoint(BEGIN + ONE + TWO)


def test_a_reader_that_has_refused_stays_so() -> None:
    reader = CheckpointReader()
    for data in (DAMAGED, b"", SMALL):
        with pytest.raises(DecodeError) as caught:
            reader.feed(data)
        assert caught.value.code == "bad-checksum"
    with pytest.raises(DecodeError):
        reader.close()
