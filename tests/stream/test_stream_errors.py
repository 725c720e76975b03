"""What a stream reader refuses, how it says so, and how it goes on after a guess."""

from __future__ import annotations

import pytest
from streams import (
    COLO,
    DEVICES_ONLY,
    PLAIN,
    POSTCOPY,
    events,
    measure,
    refused,
)

from vmsc.runtime.errors import DecodeError
from vmsc.stream.events import (
    Description,
)
from vmsc.stream.reader import StreamReader, read_stream
from vmsc.stream.resync import Resync
from vmsc.stream.section_names import names_of


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
        ("bad-magic", "byte 51 of the magic QEVM expected, found 7f", b"\x7fELF" + PLAIN[4:]),
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
        ("limit", "over the limit 67108864", PLAIN[:1274] + b"\x7f\xff\xff\xff"),
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
