"""The commands on every kind of stream that was recorded live, as files and through pipes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from commands import BIN, run_vmsc
from live import require_qemu
from recordings import RECORDINGS, record
from test_live_recordings import whole

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("recordings")]

every_recording = pytest.mark.parametrize("name", RECORDINGS)


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


@pytest.fixture
def stream(name: str, tmp_path: Path) -> Path:
    path = tmp_path / "stream"
    path.write_bytes(whole(name))
    return path


def piped(data: bytes, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """`vmsc ARGUMENTS`, which finds the data on its standard input."""
    command = [str(BIN / "vmsc"), *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, timeout=120, check=False)


@every_recording
def test_verify_finds_it_good(name: str, stream: Path) -> None:
    assert piped(stream.read_bytes(), "verify", "-").returncode == 0
    said = run_vmsc("verify", stream)
    assert (said.status, said.err) == (0, "")
    assert "decoded and encoded alike" in said.out and "opaque" not in said.out


@every_recording
def test_info_covers_every_byte(name: str, stream: Path) -> None:
    said = run_vmsc("info", "--json", stream)
    assert (said.status, said.err) == (0, "")
    rows = [json.loads(line) for line in said.out.splitlines()]
    offsets = [row["offset"] for row in rows]
    assert offsets == sorted(set(offsets)) and offsets[0] == 0
    sections = [row for row in rows if "payload" in row]
    assert len(sections) > 20
    assert all(row["class"] != "opaque" for row in sections)
    from_a_pipe = piped(stream.read_bytes(), "info", "--json", "-")
    assert from_a_pipe.returncode == 0
    assert [json.loads(line) for line in from_a_pipe.stdout.splitlines()] == rows


@every_recording
def test_decode_and_encode_bring_it_back(name: str, stream: Path, tmp_path: Path) -> None:
    ram, back = tmp_path / "ram", tmp_path / "back"
    text = piped(stream.read_bytes(), "decode", "-", "--ram-to", ram)
    assert text.returncode == 0, text.stderr
    assert text.stdout == run_vmsc("decode", stream, "--ram-to", ram).out.encode()
    done = piped(text.stdout, "encode", "-", "--ram-from", ram, "-o", back)
    assert done.returncode == 0, done.stderr
    assert back.read_bytes() == stream.read_bytes()
    parts = json.loads(text.stdout)["parts"]
    assert sum(p["ram"]["length"] for p in parts if "ram" in p) == ram.stat().st_size


@every_recording
def test_frame_and_unframe_bring_it_back(name: str, stream: Path, tmp_path: Path) -> None:
    framed, back = tmp_path / "framed", tmp_path / "back"
    done = piped(stream.read_bytes(), "frame", "-", "-o", framed)
    assert done.returncode == 0, done.stderr
    assert run_vmsc("verify", framed).status == 0
    done = piped(framed.read_bytes(), "unframe", "-", "-o", back)
    assert done.returncode == 0, done.stderr
    assert back.read_bytes() == stream.read_bytes()


@pytest.mark.parametrize("name", ["precopy", "postcopy", "colo"])
def test_one_that_is_cut_short_is_shown_as_far_as_it_is_good(name: str, stream: Path) -> None:
    data = stream.read_bytes()
    rows = run_vmsc("info", "--json", stream).out.splitlines()
    cut = len(data) * 3 // 4
    stream.write_bytes(data[:cut])
    said = run_vmsc("info", "--json", stream)
    found = said.out.splitlines()
    assert said.status == 1 and 3 <= len(found) < len(rows)
    assert found == rows[: len(found)]
    assert said.err.count("error:") == 1 and "[truncated]" in said.err
    assert "Traceback" not in said.err


def test_what_goes_along_with_a_stream_is_listed_and_no_stream(tmp_path: Path) -> None:
    (tmp_path / "channel").write_bytes(record("multifd zlib").channels[0])
    (tmp_path / "answers").write_bytes(record("postcopy").answers)
    for name, said in (("channel", "a channel of multifd"), ("answers", "a destination answers")):
        listed = run_vmsc("info", tmp_path / name)
        assert listed.status == 0 and len(listed.out.splitlines()) > 3
        from_a_pipe = piped((tmp_path / name).read_bytes(), "info", "-")
        assert (from_a_pipe.returncode, from_a_pipe.stdout.decode()) == (0, listed.out)
        refused = run_vmsc("verify", tmp_path / name)
        assert refused.status == 1 and said in refused.err and "`vmsc info` lists" in refused.err
