"""QEMU streams: read whole, read in pieces, written back, framed and unframed."""

from __future__ import annotations

import mmap
from collections.abc import Sequence

import pytest
from streams import COLO, DEVICES_ONLY, PLAIN, POSTCOPY, STREAMS, measure, wire

from vmsc.runtime.checkpoint import decode_checkpoint, write_checkpoint
from vmsc.runtime.codec import Buffer
from vmsc.runtime.context import Started
from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.runtime.frame import Frame, Kind
from vmsc.stream.configuration import Machine, read_configuration
from vmsc.stream.container import context_of, frame_of, wire_of
from vmsc.stream.events import (
    Command,
    Configuration,
    Description,
    Eof,
    Event,
    FileHeader,
    Message,
    Section,
    SectionKind,
    Trailing,
)
from vmsc.stream.lookup import names_of
from vmsc.stream.reader import StreamReader, payload_of, read_stream
from vmsc.stream.resync import Resync
from vmsc.stream.state import Phase, SectionHeader, State
from vmsc.stream.writer import event_bytes, write_stream

every_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
Result = tuple[list[Event], bytes, tuple[str, str] | None]


def events(stream: Buffer) -> list[Event]:
    return list(read_stream(stream, measure()))


def outcome(stream: bytes) -> Result:
    """What the whole reader makes of a stream: events, their bytes, and the error."""
    found: list[Event] = []
    error = None
    try:
        found.extend(read_stream(stream, measure()))
    except DecodeError as caught:
        error = caught.code, str(caught)
    size = sum(event.size for event in found)
    return found, stream[:size], error


def chunked(pieces: Sequence[bytes]) -> Result:
    """The same for a stream in pieces."""
    reader = StreamReader(measure())
    found: list[Event] = []
    data = b""
    try:
        for piece in pieces:
            for got in reader.feed(piece):
                found.append(got.event)
                data += got.data
        for got in reader.close():
            found.append(got.event)
            data += got.data
    except DecodeError as caught:
        return found, data, (caught.code, str(caught))
    return found, data, None


def pairs(stream: bytes) -> list[tuple[Event, Buffer]]:
    """Events with their payloads."""
    return [
        (event, payload_of(event, stream, 0) if isinstance(event, Section) else b"")
        for event in events(stream)
    ]


def refused(stream: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        events(stream)
    assert not isinstance(caught.value, Truncated)
    return caught.value


# --- reading ----------------------------------------------------------------------------------


def test_a_stream_is_its_events() -> None:
    full, start, part, end = (SectionKind[name] for name in ("FULL", "START", "PART", "END"))
    assert events(PLAIN) == [
        FileHeader(0, 3),
        Configuration(8, PLAIN[9:56]),
        Section(56, start, 2, "ram", 0, 4, 73, 27, True),
        Section(105, part, 2, "ram", 0, 4, 110, 29, True),
        Section(144, end, 2, "ram", 0, 4, 149, 1040, True),
        Section(1194, full, 5, "0000:00:03.0/uart", 0, 1, 1225, 4, True),
        Section(1234, full, 6, "fifo", 1, 3, 1252, 15, True),
        Eof(1272),
        Description(1273, b"{}"),
    ]


def test_device_state_alone_has_no_configuration_no_footers_and_no_description() -> None:
    _, first, second, eof = events(DEVICES_ONLY)
    assert isinstance(first, Section)
    assert isinstance(second, Section)
    assert (first.footer, first.length, second.offset) == (False, 2, 28)
    assert eof == Eof(48)


def test_what_lies_in_a_package_is_marked_as_inside() -> None:
    found = events(POSTCOPY)
    commands = [event for event in found if isinstance(event, Command)]
    assert [(event.name, event.inside) for event in commands] == [
        ("open-return-path", False),
        ("ping", False),
        ("postcopy-advise", False),
        ("postcopy-ram-discard", False),
        ("packaged", False),
        ("postcopy-listen", True),
        ("postcopy-run", True),
    ]
    inside = [event for event in found if isinstance(event, Section) and event.inside]
    assert [event.name for event in inside] == ["0000:00:03.0/uart", "fifo"]
    content: list[Event] = [*inside, *commands[5:]]
    assert commands[4].package == sum(event.size for event in content)


def test_colo_checkpoints_follow_the_migration_on_the_same_stream() -> None:
    found = events(COLO)
    after = found[found.index(Description(1153, b"{}")) + 1 :]
    assert [type(event).__name__ for event in after] == 2 * [
        *("Message", "Message", "Section", "Eof", "Message", "Section", "Section", "Eof")
    ]
    names = [event.name for event in after if isinstance(event, Message)]
    assert names == 2 * ["checkpoint-request", "vmstate-send", "vmstate-size"]
    ram = after[2]
    assert isinstance(ram, Section)  # an id alone on the wire: the name is the START's
    assert (ram.kind, ram.name, ram.version) == (SectionKind.END, "ram", 4)


def test_a_reader_may_begin_at_a_checkpoint() -> None:
    start = events(COLO).index(Description(1153, b"{}")) + 1
    offset = events(COLO)[start].offset
    known = {2: Started(2, "ram", 0, 4)}
    state = State(Phase.MESSAGES, base=offset, started=known, colo=True)
    assert list(read_stream(COLO[offset:], measure(), state)) == events(COLO)[start:]


@every_stream
def test_events_cover_the_stream(stream: bytes) -> None:
    pos = 0
    for event in events(stream):
        assert event.offset == pos
        pos += event.size
    assert pos == len(stream)


def test_bytes_after_the_end_are_trailing() -> None:
    assert events(PLAIN + b"\0\1")[-1] == Trailing(len(PLAIN), b"\0\1")


def test_a_mapped_file_is_read_without_a_copy() -> None:
    with mmap.mmap(-1, len(PLAIN)) as mapped:
        mapped.write(PLAIN)
        with memoryview(mapped) as view:
            assert events(view) == events(PLAIN)


def test_a_configuration_says_what_both_sides_share() -> None:
    machine, end = read_configuration(PLAIN, 9)
    assert (machine, end) == (Machine("mini", capabilities=("xy",)), 56)
    bits = wire("""
    05 1e                                   a subsection, 30 letters:
    63 6f 6e 66 69 67 75 72 61 74 69 6f 6e  configuration
    2f                                      /
    74 61 72 67 65 74 2d 70 61 67 65 2d     target-page-
    62 69 74 73                             bits
    00 00 00 01                             version
    00 00 00 0c                             12
    05 12                                   a subsection, 18 letters:
    63 6f 6e 66 69 67 75 72 61 74 69 6f 6e  configuration
    2f 75 75 69 64                          /uuid
    00 00 00 01                             version
    """) + bytes(range(16))  # fmt: skip
    body = wire("00 00 00 01 78  x") + bits
    assert read_configuration(body) == (Machine("x", 12, (), bytes(range(16))), len(body))


def test_the_peek_rule_leaves_what_is_not_the_configurations() -> None:
    body = wire("00 00 00 01 78  x")
    for after in (b"", b"\x05\x0dconfiguration", b"\x05\x0fsome", b"\x05\x00", b"\x04"):
        assert read_configuration(body + after) == (Machine("x"), len(body))
    unknown = b"\x05\x0econfigurationX\0\0\0\1"
    with pytest.raises(DecodeError, match="no description for the subsection 'configurationX'"):
        read_configuration(body + unknown)
    for cut in range(1, len(unknown)):
        with pytest.raises(Truncated):
            read_configuration(body + unknown[:cut])
    with pytest.raises(Truncated):
        read_configuration(body, 0, final=False)


# --- cuts and prefixes ------------------------------------------------------------------------


@every_stream
def test_every_prefix_is_truncated_but_at_the_ends(stream: bytes) -> None:
    found = events(stream)
    ends = {event.offset + event.size for event in found if isinstance(event, Eof | Description)}
    ends |= {event.offset + event.size for event in found if isinstance(event, Message)}
    whole = {size for size in range(len(stream)) if outcome(stream[:size])[2] is None}
    assert whole <= ends
    for size in set(range(len(stream))) - whole:
        with pytest.raises(Truncated) as caught:
            events(stream[:size])
        assert caught.value.need >= 1
        assert caught.value.offset + (caught.value.base or 0) == size


@every_stream
def test_cutting_makes_no_difference(stream: bytes) -> None:
    whole = outcome(stream)
    assert whole == (events(stream), stream, None)
    for cut in range(len(stream) + 1):
        assert chunked([stream[:cut], stream[cut:]]) == whole
    for size in (1, 2, 5, 64):
        assert chunked([stream[at : at + size] for at in range(0, len(stream), size)]) == whole


@every_stream
def test_cutting_makes_no_difference_to_what_is_refused(stream: bytes) -> None:
    for at in range(0, len(stream), 3):
        bad = stream[:at] + bytes([stream[at] ^ 0x41]) + stream[at + 1 :]
        whole = outcome(bad)
        assert chunked([bad[:at], bad[at : at + 2], bad[at + 2 :]]) == whole
        assert chunked([bad[i : i + 7] for i in range(0, len(bad), 7)]) == whole


def test_a_reader_says_how_much_more_it_can_use() -> None:
    reader = StreamReader(measure())
    pos, rounds = 0, 0
    while pos < len(PLAIN):
        piece = PLAIN[pos : pos + reader.need]
        assert len(piece) == reader.need
        list(reader.feed(piece))
        pos, rounds = pos + len(piece), rounds + 1
    list(reader.close())
    assert rounds < 60


def test_a_large_section_in_many_pieces_is_walked_once() -> None:
    walked = 0
    inner = measure()

    def counting(header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        nonlocal walked
        start = pos + header.done
        walked += len(buf) - start
        return inner(header, buf, pos, final)

    zeros = wire("00 00 00 00 00 00 00 22 00  page 0 | CONTINUE | ZERO")
    stream = PLAIN[:149] + 5000 * zeros + PLAIN[149:]
    reader = StreamReader(counting)
    for at in range(0, len(stream), 100):
        list(reader.feed(stream[at : at + 100]))
    assert [piece.event for piece in reader.close()] == []
    assert walked < 4 * len(stream)


def test_pieces_that_are_not_asked_for_come_later() -> None:
    reader = StreamReader(measure())
    reader.feed(PLAIN[:60])
    reader.feed(PLAIN[60:])
    assert [piece.event for piece in reader.close()] == events(PLAIN)


# --- errors -----------------------------------------------------------------------------------


def test_an_error_names_section_instance_field_and_both_offsets() -> None:
    bad = PLAIN.replace(b"\x02\xaa\xbb", b"\x11\xaa\xbb")
    error = refused(bad)
    assert str(error) == "section 'fifo' instance 1: count at byte 1252 [0]: 17 is over 16"
    assert (error.section, error.instance, error.base, error.offset) == ("fifo", 1, 1252, 0)


def test_a_section_without_a_description_says_what_to_give() -> None:
    error = refused(DEVICES_ONLY.replace(b"\x04fifo", b"\x04fife"))
    assert error.code == "unknown-section"
    assert str(error) == (
        "section 'fife' instance 2: at byte 26 [0]: no description for 'fife' version 3: "
        "give its schema with -s DIR or a plugin with -p FILE"
    )


@pytest.mark.parametrize(
    ("code", "message", "stream"),
    [
        ("bad-magic", r"QEVM \(5145564d\) expected, found 7f454c46", b"\x7fELF" + PLAIN[4:]),
        ("bad-version", "version 3 expected, found 2", PLAIN[:7] + b"\x02" + PLAIN[8:]),
        ("bad-type", "section type 0 to 4 or 8 expected, found 9", PLAIN[:8] + b"\x09"),
        ("bad-type", "after section 'fifo', whose end may be wrong", DEVICES_ONLY[:28] + b"\x20"),
        ("bad-footer", "7e00000005 expected after the payload", PLAIN[:1233] + b"\x06"),
        ("bad-footer", "found 0400000006", PLAIN[:1229] + PLAIN[1234:]),
        ("not-started", "part of section id 3, which was not started", PLAIN[:8] + b"\2\0\0\0\3"),
        ("bad-name", "a section without a name", PLAIN[:8] + b"\4" + bytes(14)),
        ("unknown-command", "1 to 11 expected, found 0", PLAIN[:8] + b"\x08\0\0\0\0"),
        ("unknown-command", "found 12", PLAIN[:8] + b"\x08\0\x0c\0\0"),
        ("bad-length", "0 or 16 bytes of postcopy-advise", PLAIN[:8] + b"\x08\0\3\0\4"),
        ("unknown-message", "message 0 to 6 expected, found 7", COLO[:1160] + b"\0\0\0\7"),
        ("limit", "over the limit 1024", PLAIN[:9] + b"\xff\xff\xff\xff"),
        ("limit", "over the limit 268435456", PLAIN[:1274] + b"\x7f\xff\xff\xff"),
    ],
)
def test_what_no_stream_holds_is_refused(code: str, message: str, stream: bytes) -> None:
    error = refused(stream)
    assert error.code == code
    with pytest.raises(DecodeError, match=message):
        raise error


def test_a_section_does_not_read_past_its_package() -> None:
    at = POSTCOPY.index(bytes.fromhex("08 0007 0004")) + 8
    error = refused(POSTCOPY[:at] + b"\x10" + POSTCOPY[at + 1 :])
    assert error.code == "past-end"
    nested = POSTCOPY[: at + 1] + bytes.fromhex("08 0007 0004 00000000") + POSTCOPY[at + 1 :]
    assert refused(nested).code == "nested-package"


def test_the_device_state_of_a_checkpoint_ends_with_its_size() -> None:
    at = COLO.index(bytes.fromhex("00000004 000000000000004f")) + 11
    assert refused(COLO[:at] + b"\x4e" + COLO[at + 1 :]).code == "past-end"
    error = refused(COLO[:at] + b"\x50" + COLO[at + 1 :])
    assert str(error) == "at byte 2310: 1 bytes of the package are left after its EOF"


def test_a_hostile_size_waits_for_nothing_that_is_not_there() -> None:
    at = COLO.index(bytes.fromhex("00000004 000000000000004f")) + 4
    reader = StreamReader(measure())
    with pytest.raises(DecodeError, match="left after its EOF"):
        list(reader.feed(COLO[:at] + b"\x80" + COLO[at + 1 :]))


def test_a_reader_that_has_refused_stays_so() -> None:
    reader = StreamReader(measure())
    for data in (b"no stream", b"", PLAIN):
        with pytest.raises(DecodeError, match="QEVM"):
            list(reader.feed(data))


def test_a_section_is_looked_up_by_its_name_without_the_devices_path() -> None:
    assert names_of("0000:00:03.0/spapr/htab") == ("0000:00:03.0/spapr/htab", "spapr/htab", "htab")


def test_resync_goes_on_at_the_next_footer_and_keeps_what_it_guessed() -> None:
    bad = PLAIN.replace(b"uart", b"vart")
    for pieces in ([bad], [bad[:1228], bad[1228:]], [bad[i : i + 1] for i in range(len(bad))]):
        resync = Resync(measure())
        reader = StreamReader(resync)
        found = [got.event for piece in pieces for got in reader.feed(piece)]
        found += [got.event for got in reader.close()]
        assert [event.offset for event in found] == [event.offset for event in events(PLAIN)]
        (guess,) = resync.guesses
        assert (guess.header.name, guess.length) == ("0000:00:03.0/vart", 4)
        assert guess.reason.code == "unknown-section"


def test_resync_is_not_deceived_by_a_footer_that_nothing_likely_follows() -> None:
    bad = PLAIN.replace(b"uart", b"vart").replace(
        bytes.fromhex("deadbeef"), bytes.fromhex("7e000000 05 ff")
    )
    resync = Resync(measure())
    assert list(read_stream(bad, resync))[-1] == Description(1275, b"{}")
    assert resync.guesses[0].length == 6


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
