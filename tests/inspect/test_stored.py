"""Stored checkpoints as COLO has them: RAM in QEMU's bytes, decoded by what the context says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import run_vmsc
from frames import item
from stored_frames import AGAIN, FRAMES, MORE, PAGE, SAID, STREAM, ram, stored
from streams_at_hand import library, unframe

from vmsc.inspect.framed_reader import frame_entries
from vmsc.inspect.parameters import open_parameters
from vmsc.runtime.errors import DecodeError
from vmsc.runtime.framed.context import Setting
from vmsc.runtime.framed.frame import Frame, Kind


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "3.vmsf"
    path.write_bytes(stored())
    return path


def written_back(file: Path) -> bytes:
    """The stream of a file, by way of JSON."""
    decoded = run_vmsc("decode", file)
    assert decoded.status == 0, decoded.err
    text = file.with_suffix(".json")
    text.write_text(decoded.out)
    back = run_vmsc("encode", text, "-o", file.with_suffix(".stream"))
    assert back.status == 0, back.err
    return file.with_suffix(".stream").read_bytes()


def test_a_stored_checkpoint_comes_back_from_json_with_the_block_it_began_in(file: Path) -> None:
    assert written_back(file) == STREAM
    part = json.loads(run_vmsc("decode", file).out)["parts"][1]
    assert part["params"] == {"page_size": 1024, "block": b"pc.ram".hex()}
    rounds = [ram(MORE[-8:], 1), ram(MORE, 2), ram(AGAIN, 2), ram(AGAIN)]
    file.write_bytes(stored([FRAMES[0], *rounds, FRAMES[2]]))
    assert written_back(file).count(AGAIN) == 2


def pages_of(part: dict[str, Any]) -> list[dict[str, Any]]:
    assert part["name"] == "ram"
    pages: list[dict[str, Any]] = part["value"]["pages"]
    return pages


def test_a_stored_checkpoint_shows_its_blocks_and_pages(file: Path) -> None:
    listed = run_vmsc("info", file)
    assert listed.status == 0, listed.err
    assert "measured" in next(line for line in listed.out.splitlines() if " ram " in line)
    assert "frames: 2 message, 1 ram, 2 eof, 1 opaque" in listed.out
    decoded = run_vmsc("decode", file)
    assert decoded.status == 0, decoded.err
    pages = pages_of(json.loads(decoded.out)["parts"][1])
    assert [bytes.fromhex(page.get("block", "")) for page in pages] == [b"pc.ram", b"vga", b""]
    assert [page["word"] for page in pages] == [str(0x828), str(0x10002), str(0x10)]
    assert pages[0]["body"] == {"bytes": PAGE.hex()}


def test_a_stored_checkpoint_is_proven_and_written_back(file: Path, tmp_path: Path) -> None:
    proven = run_vmsc("verify", file)
    assert (proven.status, proven.err) == (0, "")
    assert "1 opaque" in proven.out
    again = run_vmsc("unframe", file, "-o", tmp_path / "stream")
    assert again.status == 0, again.err
    assert (tmp_path / "stream").read_bytes() == STREAM


def test_the_first_page_goes_on_in_the_block_that_the_context_names() -> None:
    for block in (b"pc.ram", "pc.ram"):
        said = (SAID[0], Setting("ram", "block", block))
        entries = list(frame_entries(stored(said=said), library()))
        assert entries[1].params == {"page_size": 1024, "block": b"pc.ram"}
        assert not entries[1].framed


def test_a_later_part_goes_on_in_the_block_of_the_one_before() -> None:
    frames = [ram(MORE, 2), ram(AGAIN, 2), ram(AGAIN)]
    entries = list(frame_entries(stored(frames), library()))
    assert [entry.params["block"] for entry in entries] == [b"pc.ram", b"vga", b"vga"]
    assert all(entry.value() for entry in entries)
    known = open_parameters(b"", library())
    assert unframe(stored(frames), known).count(b"vga") == 1


def test_ram_whose_page_size_no_one_says_stays_opaque() -> None:
    entry = list(frame_entries(stored(said=SAID[1:]), library()))[1]
    assert (entry.codec, entry.size_class, entry.data) == (None, "opaque", MORE)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("page_size", "4096", "a number expected for 'page_size' of section 'ram', found '4096'"),
        ("block", 5, "bytes expected for 'block'"),
    ],
)
def test_a_parameter_of_the_wrong_kind_is_refused(name: str, value: int | str, says: str) -> None:
    said = [setting for setting in SAID if setting.name != name]
    with pytest.raises(DecodeError, match=says) as caught:
        list(frame_entries(stored(said=[*said, Setting("ram", name, value)]), library()))
    assert caught.value.code == "bad-context"


def test_a_parameter_that_a_section_has_not_is_passed_over() -> None:
    said = [*SAID, Setting("ram", "colour", 5)]
    assert "colour" not in list(frame_entries(stored(said=said), library()))[1].params


def test_a_damaged_page_is_named_with_its_place(tmp_path: Path) -> None:
    bad = bytearray(MORE)
    bad[8 + 1024 + 7] = 0x03  # two kinds of page at once
    (tmp_path / "bad").write_bytes(stored([ram(bytes(bad))]))
    done = run_vmsc("verify", tmp_path / "bad")
    assert done.status == 1
    assert "section 'ram' instance 0" in done.err and "[1044]" in done.err


def test_a_description_and_qemus_bytes_are_told_apart_by_the_kind_of_frame() -> None:
    framed = Frame(Kind.SECTION, item(1, b"x"), name="ram", version=4, id=2, type=3)
    with pytest.raises(DecodeError, match="framed with layout"):
        list(frame_entries(stored([framed]), library()))
