"""What the reading commands' options do: --resync, --hold, and progress over a second's work."""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from arrivals import HELD, STREAM, TOLD, devices, machine_file, ram
from commands import BIN
from streams_at_hand import answers, library, state

from vmsc.inspect.file_reader import stream_measure
from vmsc.stream.events import Section
from vmsc.stream.reader import StreamReader

VMSC = BIN / "vmsc"
MACHINE = machine_file("minimal")


def vmsc(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [str(VMSC), *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    assert b"Traceback" not in done.stderr
    return done


# --- --resync -------------------------------------------------------------------------------------


def rtc(data: bytes) -> Section:
    reader = StreamReader(stream_measure(library(), answers("minimal")))
    found = [p.event for p in reader.feed(data) if isinstance(p.event, Section)]
    return next(s for s in found if s.name == "mc146818rtc")


def damaged(place: str) -> bytes:
    """A real device state with one wrong byte: the version of a section, or its mark."""
    data = bytearray(state("minimal"))
    section = rtc(bytes(data))
    data[section.payload - 1 if place == "version" else section.offset] ^= 0x60
    return bytes(data)


@pytest.mark.parametrize("place", ["version", "mark"])
def test_without_resync_it_is_shown_up_to_the_damage_then_one_error(place: str) -> None:
    data = damaged(place)
    done = vmsc("info", "-", "--machine", MACHINE, "--json", stdin=data)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert rows[-1]["offset"] + rows[-1]["length"] < rtc(state("minimal")).offset
    assert done.stderr.count(b"error:") == 1


@pytest.mark.parametrize("place", ["version", "mark"])
def test_resync_goes_on_behind_the_damage_and_says_what_was_left(place: str) -> None:
    data = damaged(place)
    done = vmsc("info", "-", "--machine", MACHINE, "--json", "--resync", stdin=data)
    whole = vmsc("info", "-", "--machine", MACHINE, "--json", stdin=state("minimal"))
    rows = [json.loads(line)["offset"] for line in done.stdout.splitlines()]
    assert rows == [json.loads(line)["offset"] for line in whole.stdout.splitlines()]
    assert done.returncode == 1, "it is not good, and the status says so"
    (said,) = done.stderr.decode().splitlines()
    assert "are left" in said and "bytes up to the" in said


@pytest.mark.parametrize("place", ["version", "mark"])
def test_a_damaged_stream_comes_back_as_damaged_as_it_was(place: str, tmp_path: Path) -> None:
    data = damaged(place)
    text = vmsc("decode", "-", "--machine", MACHINE, "--resync", stdin=data)
    assert text.returncode == 1
    assert vmsc("encode", "-", "-o", tmp_path / "out", stdin=text.stdout).returncode == 0
    assert (tmp_path / "out").read_bytes() == data


# --- --hold ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["info", "verify", "decode"])
def test_what_waits_for_a_description_that_does_not_come_names_the_parameter(
    command: str, tmp_path: Path
) -> None:
    (tmp_path / "held.vmsd").write_text(HELD)
    more: list[str | Path] = ["--ram-to", tmp_path / "ram"] if command == "decode" else []
    good = vmsc(command, "-", "-s", tmp_path, *more, stdin=TOLD)
    assert good.returncode == 0, good.stderr
    without = vmsc(command, "-", "-s", tmp_path, *more, stdin=STREAM)
    assert without.returncode == 1
    assert b"'room'" in without.stderr and b"--param 'held:room=VALUE'" in without.stderr


def wait_until_taken(pipe: IO[bytes]) -> None:
    """Return once the reader has taken all that was written, however slowly it starts."""
    for _ in range(600):
        waiting = fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0")
        if waiting == b"\0\0\0\0":
            return
        time.sleep(0.1)
    raise AssertionError("nobody reads the pipe")


def slowly(pieces: Sequence[bytes], *arguments: str | Path) -> tuple[int, str]:
    """`vmsc ARGUMENTS`, fed piece by piece: its status, and what it says on a terminal."""
    master, slave = os.openpty()
    command = [str(VMSC), *map(str, arguments)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=slave
    )
    os.close(slave)
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):  # it has ended, and the test looks at how
            for piece in pieces:
                process.stdin.write(piece)
                process.stdin.flush()
                wait_until_taken(process.stdin)
                time.sleep(0.4)
        with suppress(BrokenPipeError):
            process.stdin.close()
        status = process.wait(60)
        said = b""
        while select.select([master], [], [], 0.2)[0]:
            try:
                said += os.read(master, 1 << 16)
            except OSError:  # the other end is closed, and all was read
                break
        return status, said.decode()
    finally:
        process.kill()
        process.wait(10)
        os.close(master)


def test_what_is_held_of_a_slow_pipe_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "held.vmsd").write_text(HELD)
    pieces = [TOLD[:30], TOLD[30:60], TOLD[60:90], TOLD[90:]]
    assert slowly(pieces, "verify", "-", "-s", tmp_path)[0] == 0
    status, said = slowly(pieces, "verify", "-", "-s", tmp_path, "--hold", "40")
    assert status == 1 and "--hold is 40" in said


# --- progress ------------------------------------------------------------------------------------


def pieces_of_a_guest(count: int) -> list[bytes]:
    data = b"".join(ram(9000, 3)) + devices()
    size = -(-len(data) // count)
    return [data[i : i + size] for i in range(0, len(data), size)]


def test_work_over_a_second_shows_how_far_it_is_on_a_terminal() -> None:
    arguments = ("verify", "-", "--machine", machine_file("pc"))
    status, said = slowly(pieces_of_a_guest(8), *arguments)
    assert status == 0
    assert "\r" in said and "B/s" in said


def test_short_work_shows_none() -> None:
    status, said = slowly([state("minimal")], "verify", "-", "--machine", MACHINE)
    assert (status, said) == (0, "")


def test_elsewhere_than_on_a_terminal_nothing_is_shown() -> None:
    command = [str(VMSC), "verify", "-", "--machine", str(machine_file("pc"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdin is not None and process.stderr is not None
        for piece in pieces_of_a_guest(5):
            process.stdin.write(piece)
            process.stdin.flush()
            time.sleep(0.4)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
