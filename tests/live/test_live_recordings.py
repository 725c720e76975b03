"""Every kind of migration that QEMU 7.2 makes, recorded live: opened, proven, and brought back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from live import boot, counting_guest, eventually, require_qemu, running
from recordings import RECORDINGS, Recording, record
from streams_at_hand import frame, library, opened, unframe

from vmsc.inspect.entry import Entry, ParameterSource
from vmsc.inspect.file_reader import entries
from vmsc.inspect.json_document import SideFile, from_document, to_part
from vmsc.inspect.parameters import open_parameters
from vmsc.runtime.errors import Truncated
from vmsc.stream.events import Command, Description, Message, Section, SectionKind
from vmsc.stream.writer import write_stream

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("recordings")]

every_recording = pytest.mark.parametrize("name", RECORDINGS)
LOADED_FROM_A_FILE = ("precopy", "without description", "compressed", "xbzrle", "ignore-shared")


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


def whole(name: str) -> bytes:
    """The stream; of COLO's, whatever is whole before the cut."""
    stream = record(name).stream
    if name != "colo":
        return stream
    end = 0
    try:
        for entry in entries(stream, library(), known(stream)):
            if isinstance(entry.event, Message) and entry.event.name == "checkpoint-request":
                end = entry.event.offset
    except Truncated:
        pass
    return stream[:end]


def _entries(stream: bytes) -> Sequence[Entry]:
    return opened(stream, known(stream))


def known(stream: bytes) -> ParameterSource:
    return open_parameters(stream, library())


def encoded(entry: Entry) -> bytes:
    assert isinstance(entry.event, Section)
    assert entry.codec is not None, f"{entry.event.name} is opaque"
    return entry.codec.qemu.encode(entry.value(), version=entry.event.version, **entry.params)


@every_recording
def test_every_section_of_a_recording_is_decoded_and_encoded_alike(name: str) -> None:
    stream = whole(name)
    sections = [e for e in opened(stream, known(stream)) if isinstance(e.event, Section)]
    assert len(sections) > 20
    for entry in sections:
        assert encoded(entry) == entry.data, entry.event


@every_recording
def test_a_recording_comes_back_from_json(name: str) -> None:
    stream = whole(name)
    parts = [to_part(entry, SideFile()) for entry in opened(stream, known(stream))]
    document = msgspec.json.encode({"vmsc-stream": 1, "parts": parts})
    assert b"".join(write_stream(from_document(document, library(), SideFile()))) == stream


@every_recording
def test_a_recording_comes_back_from_frames(name: str) -> None:
    stream = whole(name)
    made = frame(stream, known(stream))
    assert unframe(made, known(stream)) == stream
    kinds = [(type(e.event), getattr(e.event, "inside", False)) for e in opened(made, known(b""))]
    again = [
        (type(e.event), getattr(e.event, "inside", False)) for e in opened(stream, known(stream))
    ]
    assert kinds == again


@pytest.mark.parametrize("name", LOADED_FROM_A_FILE)
def test_qemu_loads_a_recording_that_was_encoded_again(name: str, tmp_path: Path) -> None:
    made: Recording = record(name)
    pairs = [
        (e.event, encoded(e) if isinstance(e.event, Section) else e.data)
        for e in opened(made.stream, known(made.stream))
    ]
    stream = b"".join(write_stream(pairs))
    args = [arg.replace("@", str(tmp_path)) for arg in made.args]
    (tmp_path / "memory").write_bytes(made.memory)
    with running([*args, *boot(tmp_path, counting_guest())], incoming=True) as target:
        target.load_stream(stream, made.capabilities)
        count = target.counter()
        assert count > 1
        eventually(lambda: target.counter() > count, "count beyond the one that was loaded")


def names(stream: bytes, kind: type[Message] | type[Command] | type[Section]) -> list[str]:
    return [e.event.name for e in _entries(stream) if isinstance(e.event, kind)]


def test_the_description_is_there_or_not_as_the_machine_says() -> None:
    for name, there in (("precopy", 1), ("without description", 0), ("postcopy", 0), ("colo", 1)):
        stream = whole(name)
        found = [e for e in _entries(stream) if isinstance(e.event, Description)]
        assert len(found) == there, name


def pages(name: str) -> set[str]:
    """The encodings of pages that the recording holds."""
    found = set()
    for entry in _entries(whole(name)):
        if isinstance(entry.event, Section) and entry.event.name == "ram":
            value = entry.value()
            found |= {type(one.body).__name__ for one in value.pages}
    return found


def test_compressed_pages_and_deltas_are_there() -> None:
    assert "CompressedPage" in pages("compressed")
    assert "XbzrlePage" in pages("xbzrle")


def test_postcopy_has_its_commands_and_the_devices_lie_in_its_package() -> None:
    found = names(whole("postcopy"), Command)
    order = ["open-return-path", "ping", "postcopy-advise", "postcopy-ram-discard", "packaged",
             "postcopy-listen", "postcopy-run"]  # fmt: skip
    places = [found.index(name) for name in order]
    assert places == sorted(places)
    sections = [e.event for e in _entries(whole("postcopy")) if isinstance(e.event, Section)]
    inside = [s.name for s in sections if s.inside]
    assert len(inside) > 20 and "ram" not in inside
    assert sections[-1].name == "ram" and sections[-1].kind is SectionKind.END


def test_colo_has_whole_checkpoints_each_of_live_sections_and_devices() -> None:
    round_ = ["checkpoint-request", "vmstate-send", "vmstate-size"]
    found = names(whole("colo"), Message)
    assert len(found) >= 9 and found == round_ * (len(found) // 3)
    events = (e.event for e in _entries(whole("colo")))
    assert sum(e.inside for e in events if isinstance(e, Section)) > 50


def test_colo_may_be_cut_at_any_byte() -> None:
    stream, all_ = whole("colo"), _entries(whole("colo"))
    starts = [e.event.offset for e in all_]
    first = next(e.event.offset for e in all_ if isinstance(e.event, Message))
    rng = random.Random(1)
    for cut in rng.sample(range(first, len(stream)), 40):
        found: list[Entry] = []
        try:
            found.extend(entries(stream[:cut], library(), known(stream)))
        except Truncated as error:
            assert error.offset + (error.base or 0) <= cut
        assert [e.event for e in found] == [e.event for e in all_[: len(found)]]
        assert len(found) in (sum(s < cut for s in starts) - 1, sum(s < cut for s in starts))
