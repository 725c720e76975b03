"""Streams from a pipe: the same entries however they are cut, in memory that does not grow."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from arrivals import (
    HELD,
    PAGE,
    STREAM,
    TOLD,
    bytewise,
    cuts,
    devices,
    fed,
    machine_file,
    ram,
    seen,
)
from commands import BIN
from streams_at_hand import MACHINES, answers, library, state

from vmsc.compiler.library import Library, open_library
from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters
from vmsc.inspect.pipe_reader import arriving
from vmsc.stream.events import Pages, Section

LIMIT = 150  # MB


@pytest.mark.parametrize("name", MACHINES)
def test_devices_arrive_alike_however_they_are_cut(name: str) -> None:
    data = state(name)
    whole = seen(entries(data, library(), answers(name)))
    assert whole[1] == ""
    assert fed([data], name) == whole
    assert fed(bytewise(data), name) == whole
    for seed in range(5):
        assert fed(cuts(data, seed, 5000), name) == whole


def test_ram_comes_in_pieces_that_do_not_depend_on_the_cut() -> None:
    data = b"".join(ram(6000, 10)) + devices()
    whole = seen(entries(data, library(), answers("pc"), room=100_000))
    assert whole[1] == ""
    sizes = [e.length for e, _ in whole[0] if isinstance(e, Pages)]
    assert len(sizes) > 20 and all(100_000 <= size < 100_000 + PAGE + 32 for size in sizes)
    for seed in range(3):
        assert fed(cuts(data, seed, 70_000), "pc", room=100_000) == whole
    plain = seen(entries(data, library(), answers("pc")))
    sections = [e for e, _ in plain[0] if isinstance(e, Section)]
    pieced = [e for e, _ in whole[0] if isinstance(e, Section)]
    assert [(e.offset, e.payload, e.length) for e in sections] == [
        (e.offset, e.payload, e.length) for e in pieced
    ]
    covered = sum(e.size for e, _ in whole[0])
    assert covered == len(data) == sum(e.size for e, _ in plain[0])


@pytest.fixture
def held(tmp_path: Path) -> Library:
    """A library with a device whose length only the machine's configuration tells."""
    (tmp_path / "held.vmsd").write_text(HELD)
    return open_library([tmp_path])


def test_a_section_of_unknown_length_is_held_until_the_description_tells(held: Library) -> None:
    whole = seen(entries(TOLD, held, open_parameters(TOLD, held)))
    assert whole[1] == "" and len([e for e, _ in whole[0] if isinstance(e, Section)]) == 2
    for pieces in ([TOLD], bytewise(TOLD), cuts(TOLD, 1, 20)):
        assert seen(arriving(pieces, open_parameters(None, held))) == whole


def test_without_a_description_an_error_names_the_parameter(held: Library) -> None:
    found, error = seen(arriving(bytewise(STREAM), open_parameters(None, held)))
    assert len(found) == 1
    assert error.startswith("param: section 'held' instance 0: ") and "'room'" in error
    assert "--param 'held:room=VALUE'" in error and "no JSON description" in error
    given = open_parameters(None, held, ["held:room=6"])
    assert seen(arriving(bytewise(STREAM), given))[1] == ""


def test_no_more_is_held_than_was_allowed(held: Library) -> None:
    found, error = seen(arriving(bytewise(TOLD), open_parameters(None, held), hold=40))
    assert len(found) == 1
    assert "'room'" in error and "41 bytes were held" in error and "--hold is 40" in error


@pytest.mark.parametrize("command", ["info", "verify", "decode"])
def test_memory_does_not_grow_with_the_stream(command: str, tmp_path: Path) -> None:
    peak, status = measured(command, 1 << 16, 8, tmp_path)
    assert status == 0
    assert peak < LIMIT


@pytest.mark.parametrize("command", ["info", "verify"])
def test_a_guest_of_four_gigabytes_takes_no_more(command: str, tmp_path: Path) -> None:
    peak, status = measured(command, 1 << 20, 4, tmp_path)
    assert status == 0
    assert peak < LIMIT


def measured(command: str, pages: int, raw_every: int, folder: Path) -> tuple[float, int]:
    """The most MB that `vmsc COMMAND -` had resident, and its exit status."""
    more = ["--ram-to", str(folder / "ram")] if command == "decode" else []
    arguments = [str(BIN / "vmsc"), command, "-", "--machine", str(machine_file("pc")), *more]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=out)
    assert process.stdin is not None
    try:
        for piece in ram(pages, raw_every):
            process.stdin.write(piece)
        process.stdin.write(devices())
        process.stdin.flush()
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.stdin.close()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024, process.wait(120)
    finally:
        process.kill()
        process.wait(10)
