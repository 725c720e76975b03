"""Streams written back, and put into frames."""

from __future__ import annotations

import pytest
from streams import (
    COLO,
    DEVICES_ONLY,
    PLAIN,
    POSTCOPY,
    events,
    every_stream,
    measure,
    pairs,
    wire,
)

from vmsc.runtime.errors import DecodeError, EncodeError
from vmsc.runtime.framed.checkpoint import decode_checkpoint, write_checkpoint
from vmsc.runtime.framed.context import Started
from vmsc.runtime.framed.frame import Frame, Kind
from vmsc.stream.events import (
    Command,
    FileHeader,
    Message,
    Section,
    SectionKind,
)
from vmsc.stream.frames import context_of, frame_of, wire_of
from vmsc.stream.reader import StreamReader
from vmsc.stream.writer import event_bytes, write_stream

# --- writing ----------------------------------------------------------------------------------


@every_stream
def test_a_stream_is_written_back_to_the_byte(stream: bytes) -> None:
    assert b"".join(write_stream(pairs(stream))) == stream
    for event, payload in pairs(stream):
        at = slice(event.offset, event.offset + event.size)
        assert b"".join(event_bytes(event, payload)) == stream[at]


@pytest.mark.parametrize("stream", [POSTCOPY, COLO], ids=["postcopy", "colo"])
def test_a_size_in_the_stream_follows_what_is_written(stream: bytes) -> None:
    longer = [
        (event, b"\x03abc" if isinstance(event, Section) and event.name == "fifo" else payload)
        for event, payload in pairs(stream)
    ]
    again = b"".join(write_stream(longer))
    kinds = [type(event) for event in events(again)]
    assert kinds == [type(event) for event in events(stream)]


def test_what_no_reader_would_take_is_not_written() -> None:
    section = Section(0, SectionKind.FULL, 1, "x", 0, 1, 0, 0, False)
    for event, message in (
        (Section(0, SectionKind.FULL, 1, "", 0, 1, 0, 0, False), "1 to 255 bytes expected"),
        (Section(0, SectionKind.FULL, 1 << 32, "x", 0, 1, 0, 0, False), "does not fit"),
        (Section(0, SectionKind.FULL, 1, "x", -1, 1, 0, 0, False), "does not fit"),
        (FileHeader(0, 1 << 32), "does not fit"),
        (Message(0, 4, 1 << 64), "does not fit"),
        (Command(0, 1, bytes(1 << 16)), "does not fit"),
    ):
        with pytest.raises(EncodeError, match=message):
            event_bytes(event)
    assert b"".join(event_bytes(section)) == wire("04 00 00 00 01 01 78 00 00 00 00 00 00 00 01")


# --- frames -----------------------------------------------------------------------------------


@every_stream
def test_a_stream_in_frames_comes_back_to_the_byte(stream: bytes) -> None:
    stored = write_checkpoint(1, None, [frame_of(event, data) for event, data in pairs(stream)])
    frames = decode_checkpoint(stored).frames
    assert b"".join(b"".join(wire_of(frame)) for frame in frames) == stream


def test_a_described_section_is_framed_by_value() -> None:
    event = events(DEVICES_ONLY)[1]
    frame = frame_of(event, b"its items", digest=b"12345678")
    assert frame == Frame(
        Kind.SECTION, b"its items", "fifo", instance=2, version=3, id=7, type=4, digest=b"12345678"
    )
    assert b"".join(wire_of(frame, b"\x01\xcc")) == DEVICES_ONLY[8:28]


def test_ram_and_what_no_description_covers_keep_qemus_bytes() -> None:
    kinds = [frame_of(event, data).kind for event, data in pairs(PLAIN)]
    assert kinds[2:7] == [Kind.RAM, Kind.RAM, Kind.RAM, Kind.OPAQUE, Kind.OPAQUE]


def test_a_context_says_which_sections_were_started() -> None:
    reader = StreamReader(measure())
    list(reader.feed(COLO[:1160]))
    assert context_of(reader.state).started == (Started(2, "ram", 0, 4),)


def test_a_frame_with_a_broken_message_or_header_is_refused() -> None:
    for frame in (
        Frame(Kind.HEADER, b"QEVX\0\0\0\3"),
        Frame(Kind.MESSAGE, (4).to_bytes(4, "big")),
        Frame(Kind.MESSAGE, (9).to_bytes(4, "big")),
    ):
        with pytest.raises(DecodeError) as caught:
            wire_of(frame)
        assert caught.value.code == "bad-frame"
