"""A file has its former content or all of its new content, and guest memory is its owner's."""

from __future__ import annotations

import lzma
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import BIN, run_vmsc

from vmsc.files import beside, write_file, write_pieces

DATA = Path(__file__).parents[1] / "data"
MACHINE = DATA / "pc.machine.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    former = os.umask(mask)
    try:
        yield
    finally:
        os.umask(former)


# --- permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("permissions", [0o400, 0o600, 0o640, 0o664, 0o755])
def test_a_replaced_file_passes_its_permissions_on(
    tmp_path: Path, permissions: int, private: bool, mask: int
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"former")
    file.chmod(permissions)
    with umask(mask):
        write_pieces(file, [b"new"], private=private)
    assert (mode(file), file.read_bytes()) == (permissions, b"new")


def test_a_replaced_file_does_not_pass_setuid_on(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"former")
    file.chmod(0o6755)
    write_file(file, b"new")
    assert mode(file) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_replaced_file_stays_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"former")
    os.chown(file, 1234, 5678)
    file.chmod(0o640)
    write_file(file, b"new")
    after = file.stat()
    assert (after.st_uid, after.st_gid, mode(file)) == (1234, 5678, 0o640)


def test_where_the_group_cannot_be_kept_ours_may_do_no_more_than_everyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"former")
    file.chmod(0o664)
    before = file.stat()
    fields = list(before)
    fields[5] = before.st_gid + 1  # st_gid
    other_group = os.stat_result(fields)
    stat_of = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path: other_group if path == file else stat_of(path))
    monkeypatch.setattr(os, "chown", refuse_chown)
    write_file(file, b"new")
    monkeypatch.undo()
    assert mode(file) == 0o644


def refuse_chown(path: str, user: int, group: int) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_new_private_file_is_its_owners_alone_from_its_first_byte(
    tmp_path: Path, mask: int
) -> None:
    file = tmp_path / "ram"
    with umask(mask), beside(file, private=True) as out:
        out.write(b"guest memory")
        out.flush()
        (half,) = tmp_path.iterdir()
        assert mode(half) == 0o600
    assert mode(file) == 0o600


@pytest.mark.parametrize(("mask", "expected"), [(0o000, 0o666), (0o022, 0o644), (0o027, 0o640)])
def test_any_other_new_file_has_what_the_umask_leaves(
    tmp_path: Path, mask: int, expected: int
) -> None:
    with umask(mask):
        write_file(tmp_path / "a", b"")
    assert mode(tmp_path / "a") == expected


def test_what_commands_write_of_a_guest_is_its_owners_alone(tmp_path: Path) -> None:
    stream, ram, json = tmp_path / "pc.state", tmp_path / "ram", tmp_path / "json"
    encoded, framed, back = tmp_path / "encoded", tmp_path / "framed", tmp_path / "unframed"
    stream.write_bytes(lzma.decompress((DATA / "pc.state.xz").read_bytes()))
    with umask(0o022):
        decoded = run_vmsc("decode", stream, "--machine", MACHINE, "--ram-to", ram)
        json.write_text(decoded.out)
        runs = (
            run_vmsc("encode", json, "--ram-from", ram, "-o", encoded),
            run_vmsc("frame", stream, "--machine", MACHINE, "-o", framed),
            run_vmsc("unframe", framed, "-o", back),
        )
    assert [run.err for run in (decoded, *runs)] == [""] * 4
    assert [oct(mode(file)) for file in (ram, encoded, framed, back)] == ["0o600"] * 4


# --- ends that come early -------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from vmsc.files import write_pieces
print("ready", flush=True)
for number in range(1_000_000):
    piece = bytes([number % 251]) * 4096
    write_pieces(Path(sys.argv[1]), (piece for _ in range(64)), durable=number % 2 == 0)
"""


def test_a_writer_that_is_killed_leaves_one_whole_content(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    file = tmp_path / "a"
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, file], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
            time.sleep(draw.uniform(0, 0.03))
            writer.kill()
        if file.exists():
            content = file.read_bytes()
            assert len(content) == 64 * 4096 and len(set(content)) == 1
    assert file.exists()


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from vmsc.files import write_pieces
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_pieces(Path(sys.argv[1]), (bytes(4096) for _ in range(64)))
except OSError as fault:
    print(fault.strerror)
"""


def test_a_disk_that_takes_no_more_costs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"former")
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, file], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "File too large\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and file.read_bytes() == b"former"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_command_that_is_ended_removes_what_it_had_half_written(
    tmp_path: Path, number: signal.Signals
) -> None:
    stream = lzma.decompress((DATA / "pc.state.xz").read_bytes())
    options = ("--machine", str(MACHINE), "--ram-to", str(tmp_path / "ram"))
    # Whoever runs the tests may ignore signals (nohup, a job in the background), and so would it.
    heeding = "import signal, sys, os; signal.signal(int(sys.argv[1]), signal.SIG_DFL)"
    heeding += "; os.execv(sys.argv[2], sys.argv[2:])"
    vmsc = [str(BIN / "vmsc"), "decode", "-", *options]
    command = [sys.executable, "-c", heeding, str(int(number)), *vmsc]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as decode:
        assert decode.stdin is not None
        decode.stdin.write(stream[:100_000])
        decode.stdin.flush()
        deadline = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(list(tmp_path.iterdir())) == 1
        decode.send_signal(number)
        assert decode.wait(timeout=60) == 128 + number
    assert not list(tmp_path.iterdir())
