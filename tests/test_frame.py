"""The framed container: its laws, each held against the codec and against a reader of its own."""

from __future__ import annotations

import hashlib
import re
import struct
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import framed_reader
import pytest
from framed_reader import Refused, crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from vmsc.runtime.checkpoint import (
    Checkpoint,
    CheckpointReader,
    CheckpointWriter,
    Committed,
    decode_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from vmsc.runtime.context import Context, Setting, Started, pack_context, unpack_context
from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.runtime.frame import (
    HEADER_SIZE,
    Frame,
    Kind,
    Limits,
    NeedMore,
    frame_head,
    read_frame,
    write_frame,
)

PAGE = Path(__file__).parent.parent / "docs" / "framed-format.md"


def item(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(4, "big") + content


CONTEXT = Context(
    (Started(2, "ram", 0, 4),),
    (Setting("ram", "page_size", 4096),),
)
WORDS = struct.pack(">II4B", 2, 2, 1, 2, 3, 4)
ALARM = item(6, b"\x09rtc/alarm" + (1).to_bytes(4, "big") + item(3, WORDS))
RTC = Frame(
    Kind.SECTION,
    item(1, b"\x26\x02\x17") + ALARM,
    name="rtc",
    version=2,
    id=5,
    type=4,
    footer=True,
    digest=bytes.fromhex("0123456789abcdef"),
)
BLOB = Frame(Kind.OPAQUE, b"\x01\x02", name="0000:00:02.0/vga", instance=1, id=9, type=4)
RAM = Frame(Kind.RAM, bytes(8), name="ram", version=4, id=2, type=3, footer=True)
EOF = Frame(Kind.EOF)
SMALL = write_checkpoint(7, CONTEXT, [RTC])
MIXED = write_checkpoint(8, CONTEXT, [Frame(Kind.HEADER, b"QEVM\0\0\0\3"), RAM, RTC, BLOB, EOF])


def forge(kind: int, payload: bytes = b"", *, name: bytes = b"", **fields: int | bytes) -> bytes:
    """A frame put together by the page alone, with any field wrong that a test wants wrong."""
    said = {"flags": 0, "instance": 0, "version": 0, "id": 0, "digest": bytes(8), "type": 0}
    said |= {"length": len(payload), "reserved": 0, **fields}
    head = struct.pack(
        ">4sBBHQI", b"VMSF", 1, kind, said["flags"], said["length"], crc32c(payload)
    )
    head += struct.pack(">III8s", *(said[key] for key in ("instance", "version", "id", "digest")))
    head += struct.pack(">BBHI", said["type"], len(name), said["reserved"], crc32c(name))
    return head + crc32c(head).to_bytes(4, "big") + name + payload


def commit(epoch: int, frames: Sequence[bytes], **wrong: int | bytes) -> bytes:
    """A COMMIT frame for whole frames, BEGIN the first of them."""
    sha = hashlib.sha256(b"".join(frame[: 52 + frame[41]] for frame in frames)).digest()
    said = {"epoch": epoch, "count": len(frames) - 1, "bytes": sum(map(len, frames)), "sha": sha}
    said |= wrong
    return forge(2, struct.pack(">QQQ32s", *said.values()))


BEGIN = forge(1, (7).to_bytes(8, "big"))
ONE = forge(4, b"one", name=b"one", type=4)
TWO = forge(4, b"two", name=b"two", type=4)


def outcome(data: bytes) -> Checkpoint | tuple[str, int]:
    """What the codec makes of a whole input: a checkpoint, or the error's code and offset."""
    try:
        return decode_checkpoint(data)
    except DecodeError as error:
        return error.code, error.offset


def chunked(pieces: Sequence[bytes]) -> Checkpoint | tuple[str, int]:
    """The same for an input in pieces."""
    reader = CheckpointReader()
    found: list[Checkpoint] = []
    try:
        for piece in pieces:
            answer = reader.feed(piece)
            if isinstance(answer, Committed):
                found.append(answer.checkpoint)
        reader.close()
    except DecodeError as error:
        return error.code, error.offset
    (checkpoint,) = found
    return checkpoint


def refusal(data: bytes) -> str:
    """The code that both readers refuse an input with."""
    code = outcome(data)
    assert isinstance(code, tuple), "the codec took it"
    with pytest.raises(Refused) as caught:
        framed_reader.read_file(data)
    if code[0] != "trailing":  # a file may hold several checkpoints: a matter of the caller
        assert caught.value.code == code[0]
    return code[0]


# --- the page ---------------------------------------------------------------------------------


def page_example() -> list[bytes]:
    blocks = re.findall(r"```hex\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [[line[:32].strip() for line in block.splitlines()] for block in blocks]
    return [bytes.fromhex("".join(block)) for block in lines]


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
    runtime = PAGE.parent.parent / "vmsc" / "runtime"
    files = [runtime / name for name in ("frame.py", "checkpoint.py", "context.py")]
    sources = "".join(path.read_text() for path in files)
    words = r'"((?:bad|no|unknown)-[a-z]+|reserved|limit|trailing)"'
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
        assert isinstance(found, Checkpoint)


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
    assert isinstance(first, Committed)
    assert isinstance(second, Committed)
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
