"""What the framed container refuses, by name, read and written, and what a walk over items does."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Sequence

import framed_reader
import pytest
from framed_reader import Refused
from frames import (
    BEGIN,
    EOF,
    MIXED,
    ONE,
    SMALL,
    TWO,
    chunked,
    commit,
    forge,
    item,
    refusal,
)

from vmsc.runtime.errors import DecodeError, EncodeError
from vmsc.runtime.framed.checkpoint import CheckpointReader, decode_checkpoint, write_checkpoint
from vmsc.runtime.framed.context import Context, Started
from vmsc.runtime.framed.frame import Frame, Kind, Limits, frame_head, write_frame

# --- limits -----------------------------------------------------------------------------------


def test_a_hostile_length_is_refused_and_costs_no_memory() -> None:
    bad = BEGIN + forge(4, name=b"x", type=4, length=1 << 63)
    tracemalloc.start()
    try:
        assert refusal(bad) == "limit"
        assert chunked([bad]) == ("limit", len(BEGIN) + 8)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_payload_limit_is_kept_to_the_byte() -> None:
    assert decode_checkpoint(SMALL, Limits(payload=56)).epoch == 7
    with pytest.raises(DecodeError, match="a COMMIT payload of 56 bytes is over the limit 55"):
        decode_checkpoint(SMALL, Limits(payload=55))


def test_a_checkpoint_limit_is_checked_before_the_payload_is_here() -> None:
    assert decode_checkpoint(SMALL, Limits(total=len(SMALL))).epoch == 7
    reader = CheckpointReader(Limits(total=len(SMALL) - 1))
    with pytest.raises(DecodeError, match="313 bytes or more is over the limit 312"):
        reader.feed(SMALL[:-56])


def test_frames_are_counted_against_a_limit() -> None:
    assert decode_checkpoint(MIXED, Limits(frames=5)).epoch == 8
    with pytest.raises(DecodeError, match="more than 4 frames"):
        decode_checkpoint(MIXED, Limits(frames=4))


# --- what is refused, by name -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("no-begin", ONE + commit(7, [ONE])),
        ("no-begin", commit(7, [BEGIN])),
        ("no-commit", BEGIN + ONE + BEGIN),
        ("bad-commit", BEGIN + ONE + commit(8, [BEGIN, ONE])),
        ("bad-commit", BEGIN + ONE + commit(7, [BEGIN, ONE], count=2)),
        ("bad-commit", BEGIN + ONE + commit(7, [BEGIN, ONE], bytes=0)),
        ("bad-commit", BEGIN + ONE + commit(7, [BEGIN, ONE], sha=bytes(32))),
        ("trailing", BEGIN + commit(7, [BEGIN]) + commit(7, [BEGIN])),
        ("trailing", BEGIN + commit(7, [BEGIN]) + b"\0"),
    ],
    ids=["frame", "commit", "begin", "epoch", "count", "bytes", "digest", "twice", "left"],
)
def test_a_checkpoint_out_of_order_is_refused(code: str, data: bytes) -> None:
    assert refusal(data) == code


@pytest.mark.parametrize(
    "frames", [(ONE,), (ONE, ONE), (TWO, ONE), (TWO,), (ONE, TWO, TWO), (ONE, EOF)]
)
def test_a_frame_lost_doubled_moved_or_exchanged_is_refused(frames: Sequence[object]) -> None:
    sent = [write_frame(frame) if isinstance(frame, Frame) else frame for frame in frames]
    received = b"".join(frame for frame in sent if isinstance(frame, bytes))
    assert refusal(BEGIN + received + commit(7, [BEGIN, ONE, TWO])) == "bad-commit"


def test_a_second_commit_is_called_that() -> None:
    with pytest.raises(DecodeError, match="COMMIT twice"):
        decode_checkpoint(SMALL + SMALL[-108:])


@pytest.mark.parametrize(
    ("code", "frame"),
    [
        ("bad-magic", b"VMSG" + ONE[4:]),
        ("bad-format", ONE[:4] + b"\x02" + ONE[5:]),
        ("unknown-flag", forge(4, name=b"x", type=4, flags=4)),
        ("unknown-flag", forge(77, flags=0x8001)),
        ("reserved", forge(4, name=b"x", type=4, reserved=1)),
        ("unknown-frame", forge(77)),
        ("unknown-frame", forge(0)),
        ("bad-frame", forge(4, name=b"x", type=4, flags=1)),
        ("bad-frame", forge(4, name=b"", type=4)),
        ("bad-frame", forge(4, name=b"x", type=0)),
        ("bad-frame", forge(4, name=b"x", type=5)),
        ("bad-frame", forge(4, name=b"x", type=4, digest=b"12345678")),
        ("bad-frame", forge(5, name=b"ram", type=4, digest=b"12345678")),
        ("bad-frame", forge(9, b"x")),
        ("bad-frame", forge(9, name=b"x")),
        ("bad-frame", forge(9, flags=2)),
        ("bad-frame", forge(9, type=1)),
        ("bad-frame", forge(9, instance=1)),
        ("bad-frame", forge(9, version=1)),
        ("bad-frame", forge(9, id=1)),
        ("bad-frame", forge(9, digest=b"12345678")),
        ("bad-frame", forge(6, b"QEVM")),
        ("bad-frame", forge(8, b"\0")),
        ("bad-frame", forge(12, bytes(8))),
        ("bad-frame", forge(2, bytes(57))),
    ],
)
def test_a_frame_that_breaks_a_rule_is_refused(code: str, frame: bytes) -> None:
    assert refusal(BEGIN + frame + commit(7, [BEGIN, frame])) == code


@pytest.mark.parametrize(
    "entries",
    [
        b"\x01",
        item(1, bytes(12)),
        item(1, bytes(12) + 256 * b"x"),
        item(1, bytes(12) + b"ram") * 2,
        item(2, bytes(4) + b"\x01a\x01b\x02w") * 2,
        item(2, bytes(4)),
        item(2, bytes(4) + b"\x00\x01b\x02w"),
        item(2, bytes(4) + b"\x01a\x09b\x02w"),
        item(2, bytes(4) + b"\x01a\x01b"),
        item(2, bytes(4) + b"\x01a\x01b\x04w"),
        item(2, bytes(4) + b"\x01a\x01b\x01"),
        item(2, bytes(4) + b"\x01a\x01b\x01" + bytes(257)),
        item(3, b""),
        item(1, bytes(12) + b"ram")[:-1],
    ],
)
def test_a_context_that_breaks_a_rule_is_refused(entries: bytes) -> None:
    begin = forge(1, bytes(8) + entries)
    assert refusal(begin + commit(0, [begin])) == "bad-context"


def test_an_unknown_frame_that_may_be_skipped_is_passed_over_and_counted() -> None:
    extra = forge(200, b"later", name=b"x", flags=1, type=9, digest=b"whatever")
    data = BEGIN + extra + ONE + commit(7, [BEGIN, extra, ONE])
    checkpoint = decode_checkpoint(data)
    assert (len(checkpoint.frames), checkpoint.skipped) == (1, 1)
    assert [frame.payload for frame in framed_reader.read_file(data)[0].frames] == [b"one"]
    assert refusal(BEGIN + ONE + commit(7, [BEGIN, extra, ONE])) == "bad-commit"


def test_an_unknown_entry_of_a_context_may_be_passed_over() -> None:
    begin = forge(1, bytes(8) + item(128, b"later"))
    assert decode_checkpoint(begin + commit(0, [begin])).context == Context()


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (Frame(Kind.OPAQUE, b"", name=256 * "x", type=4), "256 bytes is over the limit 255"),
        (Frame(Kind.OPAQUE, b"", name="x", type=4, instance=1 << 32), "does not fit"),
        (Frame(Kind.OPAQUE, b"", name="x", type=4, id=-1), "does not fit"),
        (Frame(Kind.SECTION, b"", name="x", type=4, digest=b"short"), "8 bytes expected, found 5"),
        (Frame(Kind.OPAQUE, b"", name="x"), "type 1 to 4 expected, found 0"),
        (Frame(Kind.EOF, b"x"), "0 bytes of EOF payload expected, found 1"),
        (Frame(Kind.MESSAGE, bytes(8)), "4 or 12 bytes of MESSAGE payload expected, found 8"),
        (Frame(99, b""), "unknown frame kind 99"),
        (Frame(300, b"", skippable=True), "does not fit"),
    ],
)
def test_a_frame_that_no_reader_would_take_is_not_written(frame: Frame, message: str) -> None:
    with pytest.raises(EncodeError, match=message):
        frame_head(frame)


def test_a_checkpoint_that_no_reader_would_take_is_not_written() -> None:
    with pytest.raises(EncodeError, match="COMMIT within a checkpoint"):
        write_checkpoint(1, None, [Frame(Kind.COMMIT, bytes(56))])
    with pytest.raises(EncodeError, match="epoch -1"):
        write_checkpoint(-1, None, [])
    twice = Context((Started(1, "a", 0, 1), Started(1, "b", 0, 1)))
    with pytest.raises(EncodeError, match="section id stands in the context twice"):
        write_checkpoint(1, twice, [])
    with pytest.raises(EncodeError, match="a section name of 1 to 255 bytes"):
        write_checkpoint(1, Context((Started(1, "", 0, 1),)), [])


# --- items ------------------------------------------------------------------------------------

U8 = item(1, b"\x01")


def walked(payload: bytes) -> framed_reader.Item:
    frame = Frame(Kind.SECTION, payload, name="x", type=4)
    (checkpoint,) = framed_reader.read_file(write_checkpoint(1, None, [frame]))
    return framed_reader.walk(checkpoint.frames[0])


def test_a_value_is_walked_without_its_description() -> None:
    nested = item(5, U8 + item(6, b"\x01a" + bytes(4) + U8))
    pairs = item(4, struct.pack(">I", 4) + U8 + item(5, U8) + U8 + item(7, b""))
    value = walked(U8 + nested + pairs + item(2, b"text") + item(6, b"\x01b" + bytes(4)))
    assert [found.name for found in value.every(framed_reader.SUBSECTION)] == [b"a", b"b"]
    assert [found.count for found in value.every(framed_reader.LIST)] == [4]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x01\0\0",
        item(1, b"\x01")[:-1],
        item(8, b""),
        item(7, b""),
        item(4, struct.pack(">I", 2) + U8),
        item(4, struct.pack(">I", 0xFFFFFFFF)),
        item(3, struct.pack(">II", 0xFFFFFFFF, 0)),
        item(3, struct.pack(">II", 2, 2) + b"abc"),
        item(6, b"\x01a" + bytes(4)) + U8,
        2 * item(6, b"\x01a" + bytes(4)),
        item(6, b"\x00" + bytes(4)),
        item(4, struct.pack(">I", 1) + item(6, b"\x01a" + bytes(4))),
    ],
)
def test_items_that_break_a_rule_are_refused(payload: bytes) -> None:
    with pytest.raises(Refused):
        walked(payload)


def test_items_too_deep_are_refused() -> None:
    payload = b""
    for _ in range(63):
        payload = item(5, payload)
    walked(payload)
    with pytest.raises(Refused):
        walked(item(5, payload))
