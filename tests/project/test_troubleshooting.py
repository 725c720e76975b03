"""docs/troubleshooting.md: for each of QEMU's messages, a stream that earns it, and vmsc's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run_vmsc
from streams_at_hand import DATA, answers, library, state

from vmsc.inspect.file_reader import entries
from vmsc.stream.events import Section

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
MACHINE = DATA / "minimal.machine.json"
RTC = "mc146818rtc"


def section(name: str) -> Section:
    found = entries(state("minimal"), library(), answers("minimal"))
    return next(e.event for e in found if isinstance(e.event, Section) and name in e.event.name)


def rtc() -> Section:
    return section(RTC)


def a_byte_more() -> bytes:
    """A payload that is longer than the description of it."""
    data, end = state("minimal"), rtc().payload + rtc().length
    return data[:end] + b"\0" + data[end:]


def a_byte_less() -> bytes:
    """A payload that is shorter."""
    data, at = state("minimal"), rtc().payload
    return data[:at] + data[at + 1 :]


def a_name_that_none_knows() -> bytes:
    return state("minimal").replace(b"\x0b" + RTC.encode(), b"\x0bmc146818xyz")


def a_version_that_is_too_new() -> bytes:
    data, at = state("minimal"), rtc().payload - 1
    return data[:at] + b"\x09" + data[at + 1 :]


def a_value_that_breaks_a_law() -> bytes:
    """An interrupt pin of the host bridge is neither up nor down."""
    at = section("I440FX").payload + 4 + 256 + 3
    data = bytearray(state("minimal"))
    data[at] = 2
    return bytes(data)


def cut_short() -> bytes:
    return state("minimal")[: rtc().payload + 20]


CASES: tuple[Callable[[], bytes], ...] = (
    a_byte_more, a_byte_less, a_name_that_none_knows, a_version_that_is_too_new,
    a_value_that_breaks_a_law, cut_short,
)  # fmt: skip


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_the_page_shows_what_vmsc_says(make: Callable[[], bytes], tmp_path: Path) -> None:
    (tmp_path / "stream").write_bytes(make())
    done = run_vmsc("verify", "stream", "--machine", MACHINE, cwd=tmp_path)
    assert done.status == 1 and done.out == ""
    (line,) = done.err.splitlines()
    assert line in PAGE.read_text(), line


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_info_shows_all_before_the_error(make: Callable[[], bytes], tmp_path: Path) -> None:
    (tmp_path / "stream").write_bytes(make())
    done = run_vmsc("info", "stream", "--machine", MACHINE, cwd=tmp_path)
    if make is a_value_that_breaks_a_law:  # info finds ends, and looks at no values
        assert done.status == 0
        return
    assert done.status == 1 and len(done.err.splitlines()) == 1
    names = [line.split()[4] for line in done.out.splitlines()[2:]]
    assert names and RTC not in names
