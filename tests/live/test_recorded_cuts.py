"""Streams recorded live, cut into pieces, cut short, changed: the same events or one clear error.

All of it takes long: `make test` does a seeded tenth.
"""

from __future__ import annotations

import random
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from arrivals import Seen, bytewise, cuts, seen
from damage import clear
from live import require_qemu
from recordings import RECORDINGS, record
from streams_at_hand import library

from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters
from vmsc.inspect.pipe_reader import arriving
from vmsc.runtime.errors import CodecError, DecodeError, Truncated
from vmsc.stream.events import Pages, Section
from vmsc.stream.return_path import AnswerReader, read_answers

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("recordings")]

every_recording = pytest.mark.parametrize("name", RECORDINGS)
TENTH = pytest.param(10, id="a tenth")
ALL = pytest.param(1, id="all", marks=pytest.mark.soak)
ROOM = 1 << 16
MEMORY = 300 << 20  # bytes beyond what the tests themselves have
PATIENCE = 60  # seconds for one stream: whatever takes longer hangs


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


@contextmanager
def limited() -> Iterator[None]:
    """Within the block memory has a limit, and time."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {PATIENCE} s")

    with open("/proc/self/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, hard))
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


# --- pieces ---------------------------------------------------------------------------------------


def whole(stream: bytes) -> Seen:
    return seen(entries(stream, library(), open_parameters(stream, library()), room=ROOM))


def fed(pieces: list[bytes]) -> Seen:
    return seen(arriving(pieces, open_parameters(None, library()), room=ROOM))


def some_bytes(stream: bytes, part: int) -> list[bytes]:
    """One window of the stream in single bytes, another one each time; the rest in two pieces."""
    size = len(stream) // part
    start = random.Random(len(stream)).randrange(len(stream) - size + 1)
    return [stream[:start], *bytewise(stream[start : start + size]), stream[start + size :]]


@pytest.mark.parametrize("part", [TENTH, ALL])
@every_recording
def test_a_recording_in_single_bytes_gives_the_same_entries(name: str, part: int) -> None:
    stream = record(name).stream
    assert fed(some_bytes(stream, part)) == whole(stream)


@pytest.mark.parametrize("part", [TENTH, ALL])
@every_recording
def test_a_recording_cut_at_random_gives_the_same_entries(name: str, part: int) -> None:
    stream = record(name).stream
    expected = whole(stream)
    for seed in range(20 // part):
        most = random.Random(seed).choice((20, 700, 5000, 200_000))
        assert fed(cuts(stream, seed, most)) == expected, (seed, most)


@pytest.mark.parametrize("name", ["postcopy", "colo"])
def test_recorded_answers_in_single_bytes_are_the_same(name: str) -> None:
    answers = record(name).answers
    reader = AnswerReader()
    found = [answer for byte in bytewise(answers) for answer in reader.feed(byte)]
    reader.close()
    assert found == list(read_answers(answers)) and len(found) > 3


# --- damage ---------------------------------------------------------------------------------------


def outcome(stream: bytes) -> CodecError | None:
    """Open and decode all of it; the error, if there is one. Anything else is raised."""
    answers = open_parameters(stream, library())
    try:
        for entry in entries(stream, library(), answers, room=ROOM):
            if entry.codec is not None and isinstance(entry.event, Section | Pages):
                entry.value()
    except CodecError as error:
        return error
    return None


def outside_pages(stream: bytes) -> list[int]:
    """The places that are not in the middle of RAM: there, changes seldom matter."""
    found: list[int] = []
    for entry in entries(stream, library(), open_parameters(stream, library()), room=ROOM):
        event = entry.event
        if isinstance(event, Pages):
            found += range(event.offset, event.offset + 64)
        elif not isinstance(event, Section) or event.name != "ram":
            found += range(event.offset, event.offset + event.size)
    return found


@pytest.mark.parametrize("part", [TENTH, ALL])
def test_a_recording_cut_short_anywhere_is_good_up_to_there(part: int) -> None:
    stream = record("precopy").stream
    expected, _ = whole(stream)
    rng = random.Random(5)
    for _ in range(1000 // part):
        cut = rng.randrange(len(stream))
        with limited():
            found, error = fed([stream[:cut]])
            known = seen(
                entries(stream[:cut], library(), open_parameters(b"", library()), room=ROOM)
            )
        assert found == expected[: len(found)], cut
        assert error and (found, error) == known, cut


@pytest.mark.parametrize("part", [TENTH, ALL])
def test_any_changed_byte_of_a_recording_gives_a_result_or_one_clear_error(part: int) -> None:
    stream = record("precopy").stream
    places, rng = outside_pages(stream), random.Random(6)
    refused = 0
    for trial in range(10_000 // part):
        at = rng.randrange(len(stream)) if trial % 2 else rng.choice(places)
        changed = bytearray(stream)
        changed[at] ^= rng.randint(1, 255)
        with limited():
            error = outcome(bytes(changed))
        refused += error is not None
        assert error is None or clear(error, stream), (at, changed[at], error)
    assert refused > 0


def test_a_cut_recording_says_what_is_missing() -> None:
    stream = record("precopy").stream
    error = outcome(stream[: len(stream) // 2])
    assert isinstance(error, Truncated) and isinstance(error, DecodeError)
    assert "the input ends here" in str(error)
