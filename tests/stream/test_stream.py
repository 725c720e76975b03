"""QEMU streams, read whole and in pieces."""

from __future__ import annotations

import mmap
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import (
    COLO,
    DEVICES_ONLY,
    PLAIN,
    POSTCOPY,
    STREAMS,
    chunked,
    events,
    every_stream,
    measure,
    outcome,
    wire,
)

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.runtime.framed.context import Started
from vmsc.stream.configuration import MachineConfiguration, read_configuration
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
from vmsc.stream.reader import StreamReader, read_stream
from vmsc.stream.state import Phase, SectionHeader, State

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
    assert (machine, end) == (MachineConfiguration("mini", capabilities=("xy",)), 56)
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
    assert read_configuration(body) == (
        MachineConfiguration("x", 12, (), bytes(range(16))),
        len(body),
    )


def test_the_peek_rule_leaves_what_is_not_the_configurations() -> None:
    body = wire("00 00 00 01 78  x")
    for after in (b"", b"\x05\x0dconfiguration", b"\x05\x0fsome", b"\x05\x00", b"\x04"):
        assert read_configuration(body + after) == (MachineConfiguration("x"), len(body))
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


@every_stream
def test_a_reader_never_asks_for_more_than_the_stream_has(stream: bytes) -> None:
    reader = StreamReader(measure())
    pos, rounds = 0, 0
    while pos < len(stream):
        piece = stream[pos : pos + reader.need]
        assert len(piece) == reader.need
        list(reader.feed(piece))
        pos, rounds = pos + len(piece), rounds + 1
    assert list(reader.close()) == []
    assert rounds < 100


def test_an_event_over_the_limit_is_refused_as_soon_as_that_is_known() -> None:
    for size in (1, 100, len(PLAIN)):
        reader = StreamReader(measure(), limit=1000)
        with pytest.raises(DecodeError) as caught:
            for at in range(0, len(PLAIN), size):
                list(reader.feed(PLAIN[at : at + size]))
        assert str(caught.value) == "at byte 144: what begins here is over the limit of 1000 bytes"
        assert size == len(PLAIN) or reader.held < 200
    list(StreamReader(measure(), limit=1050).feed(PLAIN))
    with pytest.raises(DecodeError):
        list(StreamReader(measure(), limit=1049).feed(PLAIN))


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


# --- damage -----------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.data())
def test_any_damage_reads_the_same_in_any_pieces(data: st.DataObject) -> None:
    stream = data.draw(st.sampled_from(sorted(STREAMS.values())))
    start = data.draw(st.integers(0, len(stream)))
    end = data.draw(st.integers(start, min(start + 20, len(stream))))
    bad = stream[:start] + data.draw(st.binary(max_size=20)) + stream[end:]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(bad)), max_size=6)))
    pieces = [bad[a:b] for a, b in pairwise([0, *cuts, len(bad)])]
    assert chunked(pieces) == outcome(bad)
