"""Every device state at hand: decoded, encoded, framed and unframed, the bytes the same."""

from __future__ import annotations

import json

import framed_reader
import jsonschema
import msgspec
import pytest
from streams_at_hand import DATA, MACHINES, answers, frame, library, opened, state, unframe

from vmsc.inspect.file_reader import payload
from vmsc.inspect.json_document import SideFile, from_document, to_part
from vmsc.stream.events import Section
from vmsc.stream.writer import write_stream

SCHEMA = json.loads((DATA.parent.parent / "docs" / "decode.schema.json").read_text())


def document(name: str) -> bytes:
    parts = [to_part(entry, SideFile()) for entry in opened(state(name), answers(name))]
    return msgspec.json.encode({"vmsc-stream": 1, "parts": parts})


def test_there_are_the_machines_that_the_tests_speak_of() -> None:
    assert {"pc", "minimal", "full", "usb"} <= set(MACHINES)


@pytest.mark.parametrize("name", MACHINES)
def test_every_section_has_a_description_and_comes_back(name: str) -> None:
    for entry in opened(state(name), answers(name)):
        if isinstance(entry.event, Section):
            assert entry.codec is not None, f"{entry.event.name} is opaque"
            assert entry.codec.size != "opaque"
            again = entry.codec.qemu.encode(
                entry.value(), version=entry.event.version, **entry.params
            )
            assert again == entry.data, entry.event.name


@pytest.mark.parametrize("name", MACHINES)
def test_json_comes_back_as_the_same_stream(name: str) -> None:
    pairs = from_document(document(name), library(), SideFile())
    assert b"".join(write_stream(pairs)) == state(name)


@pytest.mark.parametrize("name", MACHINES)
def test_json_is_as_its_schema_says(name: str) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(document(name)))


@pytest.mark.parametrize("name", MACHINES)
def test_a_framed_stream_comes_back(name: str) -> None:
    whole = frame(state(name), answers(name))
    assert unframe(whole, answers(name)) == state(name)


@pytest.mark.parametrize("name", MACHINES)
def test_a_framed_stream_holds_the_same_values(name: str) -> None:
    raw = opened(state(name), answers(name))
    made = opened(frame(state(name), answers(name)), answers(name))
    assert len(raw) == len(made)
    for one, other in zip(raw, made, strict=True):
        if isinstance(one.event, Section):
            assert other.framed
            assert payload(other) == one.data
            assert other.value() == one.value()


def test_a_reader_without_schemas_steps_over_all_of_a_framed_machine() -> None:
    """Every subsection and list that the values hold is found by stepping over items alone."""
    (checkpoint,) = framed_reader.read_file(frame(state("pc"), answers("pc")))
    subsections, lists = 0, 0
    for one in checkpoint.frames:
        if one.kind == framed_reader.SECTION:
            value = framed_reader.walk(one)
            subsections += sum(1 for _ in value.every(framed_reader.SUBSECTION))
            lists += sum(1 for _ in value.every(framed_reader.LIST))
            lists += sum(1 for _ in value.every(framed_reader.ARRAY))
    wire = state("pc")
    # A subsection on QEMU's wire is 0x05, a length and a name with a slash in it.
    named = {b"cpu/poll_control_msr", b"fw_cfg/dma", b"e1000/mit_state", b"piix4_pm/memhp"}
    assert all(bytes([5, len(n)]) + n in wire for n in named)
    kinds = [f.kind for f in checkpoint.frames]
    assert kinds.count(framed_reader.SECTION) == sum(
        isinstance(e.event, Section) for e in opened(wire, answers("pc"))
    )
    assert subsections >= len(named) and lists > 20
