"""Real streams cut short and changed: a clean result or one clear error; no fault, no hang."""

from __future__ import annotations

import random
import time

import pytest
from arrivals import cuts, devices, fed, ram, seen
from damage import clear
from streams_at_hand import answers, library, state

from vmsc.inspect.damaged_reader import resynced
from vmsc.inspect.file_reader import entries
from vmsc.runtime.errors import CodecError, Truncated
from vmsc.stream.events import Gap, Section

SECONDS = 5.0  # that one stream may take
AMOUNT = [pytest.param(10, id="a tenth"), pytest.param(1, id="all", marks=pytest.mark.soak)]
STREAM = b"".join(ram(48, 4)) + devices()
SMALL = b"".join(ram(12, 4)) + state("minimal")[8:]


def outcome(data: bytes, name: str) -> CodecError | None:
    """Open and decode all of it; the error, if there is one. Anything else is raised."""
    begun = time.monotonic()
    try:
        for entry in entries(data, library(), answers(name), room=1 << 14):
            if entry.codec is not None and isinstance(entry.event, Section):
                entry.value()
    except CodecError as error:
        return error
    finally:
        assert time.monotonic() - begun < SECONDS
    return None


@pytest.mark.parametrize("part", AMOUNT)
def test_a_stream_cut_anywhere_gives_one_clear_error(part: int) -> None:
    rng = random.Random(3)
    for _ in range(1000 // part):
        cut = STREAM[: rng.randrange(len(STREAM))]
        error = outcome(cut, "pc")
        assert isinstance(error, Truncated), len(cut)
        assert clear(error, cut), error
        if rng.random() < 0.1:
            found, text = fed(cuts(cut, 1, 50_000), "pc")
            assert (found, text) == seen(entries(cut, library(), answers("pc")))


@pytest.mark.parametrize("part", AMOUNT)
def test_any_changed_byte_gives_a_result_or_one_clear_error(part: int) -> None:
    rng = random.Random(4)
    for _ in range(10_000 // part):
        at, flip = rng.randrange(len(SMALL)), rng.randint(1, 255)
        changed = bytearray(SMALL)
        changed[at] ^= flip
        error = outcome(bytes(changed), "minimal")
        assert error is None or clear(error, SMALL), (at, flip, error)


def test_after_damage_resync_finds_the_other_sections_and_tells_of_the_gap() -> None:
    whole = [
        e.event.name
        for e in entries(SMALL, library(), answers("minimal"))
        if isinstance(e.event, Section)
    ]
    places = {
        e.event.name: e.event
        for e in entries(SMALL, library(), answers("minimal"))
        if isinstance(e.event, Section)
    }
    rtc = places["mc146818rtc"]
    for at, what in ((rtc.payload - 1, "version"), (rtc.offset + 8, "name"), (rtc.offset, "type")):
        damaged = bytearray(SMALL)
        damaged[at] ^= 0x60
        gaps: list[str] = []
        found = list(resynced(bytes(damaged), library(), answers("minimal"), gaps))
        names = [e.event.name for e in found if isinstance(e.event, Section)]
        assert len(gaps) == 1, (what, gaps)
        assert sum(name in whole for name in names) >= len(whole) - 1, what
        assert sum(e.event.size for e in found) == len(SMALL)
        if what == "type":
            (gap,) = [e.event for e in found if isinstance(e.event, Gap)]
            assert gap.offset == rtc.offset and gap.size == rtc.size
