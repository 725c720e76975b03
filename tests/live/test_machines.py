"""Machines with all manner of devices: every section that QEMU sends is read, and comes back."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import oracle
import pytest
from configurations import CONFIGURATIONS, configuration_stream, require, settled
from coverage_page import PAGE, machine_lines, row_line, rows
from judging import blob, judged, unmatched
from streams_at_hand import frame, library, opened, unframe

from vmsc.inspect.file_reader import ParameterSource
from vmsc.inspect.json_document import SideFile, from_document, to_part
from vmsc.inspect.parameters import open_parameters
from vmsc.params.solver import solve_stream
from vmsc.stream.events import Section
from vmsc.stream.vmdesc import read_vmdesc
from vmsc.stream.writer import write_stream

pytestmark = pytest.mark.live

# One machine's tests run in one process, which starts it once.
each_machine = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in CONFIGURATIONS]
)


@lru_cache(maxsize=2)
def stream(name: str) -> bytes:
    require(CONFIGURATIONS[name])
    return configuration_stream(name)


def known(name: str) -> ParameterSource:
    return open_parameters(stream(name), library())


@each_machine
def test_every_section_has_a_description(name: str) -> None:
    sections = [e for e in opened(stream(name), known(name)) if isinstance(e.event, Section)]
    assert [e.event for e in sections if e.codec is None or e.codec.size == "opaque"] == []


@each_machine
def test_every_section_fits_its_description(name: str) -> None:
    _, solved = solve_stream(library().schema, read_vmdesc(stream(name)))
    wrong = [str(m) for one in solved if one.solution for m in one.solution.misfits]
    assert wrong == []


@each_machine
def test_every_value_is_what_qemu_says_it_is(name: str) -> None:
    theirs = [s for s in oracle.sections(stream(name)) if s.kind == "full"]
    found = judged(theirs, opened(stream(name), known(name)))
    assert [text for one in found if not blob(one) for text in unmatched(one)] == []


@each_machine
def test_decode_and_encode_give_the_same_bytes(name: str) -> None:
    parts = [to_part(entry, SideFile()) for entry in opened(stream(name), known(name))]
    document = msgspec.json.encode({"vmsc-stream": 1, "parts": parts})
    assert b"".join(write_stream(from_document(document, library(), SideFile()))) == stream(name)


@each_machine
def test_frame_and_unframe_give_the_same_bytes(name: str) -> None:
    assert unframe(frame(stream(name), known(name)), known(name)) == stream(name)


@each_machine
def test_the_coverage_page_lists_its_sections(name: str) -> None:
    """`make coverage` writes the page anew."""
    page, found = PAGE.read_text(), rows(opened(stream(name), known(name)))
    assert machine_lines(name, found) in page
    assert [row for row in found if row_line(row) not in page] == []


@pytest.mark.parametrize("name", ["q35-busy", "virt-busy"])
def test_qemu_loads_what_was_encoded(name: str) -> None:
    parts = [to_part(entry, SideFile()) for entry in opened(stream(name), known(name))]
    document = msgspec.json.encode({"vmsc-stream": 1, "parts": parts})
    written = b"".join(write_stream(from_document(document, library(), SideFile())))
    with settled(CONFIGURATIONS[name], incoming=True) as target:
        target.load_stream(written)
        assert target.status() == "paused"
