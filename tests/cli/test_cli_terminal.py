"""A terminal shows what vmsc prints, and obeys nothing of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streams import COLO, PLAIN, POSTCOPY

import vmsc
from vmsc.cli import main
from vmsc.plain_text import json_text, lines, one_line

# Clear the screen; a line of our own; a carriage return over it; C1's CSI; text from right to left.
EVIL = "\x1b[2J\nvmsc: good\rvmsc: \x9b31m\u202egood\u2028\x7f\t"
RAW = EVIL.encode()[:60]

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run vmsc: its exit status, and all that it prints."""

    def ran(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["vmsc", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, (out + err).decode()

    return ran


def check(printed: str) -> None:
    """Nothing to obey, and no line that is not vmsc's own."""
    assert [c for c in printed if not c.isprintable() and c not in "\n\t"] == []
    assert not [line for line in printed.split("\n") if line.startswith(("vmsc: good", "\t"))]


# --- streams --------------------------------------------------------------------------------------


def named(stream: bytes, name: bytes, prefix: int = 1) -> bytes:
    """The stream with another name in the place of this one, wherever it stands."""
    old = len(name).to_bytes(prefix, "big") + name
    assert old in stream
    return stream.replace(old, len(RAW).to_bytes(prefix, "big") + RAW)


DESCRIPTION = json.dumps(
    {"configuration": {}, "devices": [
        {"name": EVIL, "instance_id": 0, "vmsd_name": EVIL, "version": 1,
         "fields": [{"name": EVIL, "type": EVIL, "size": 4}]},
    ]}
).encode()  # fmt: skip
WITH_DESCRIPTION = PLAIN[: PLAIN.rindex(b"\6")] + b"\6" + len(DESCRIPTION).to_bytes(4) + DESCRIPTION

STREAMS = {
    "a machine's name": named(PLAIN, b"mini", 4),
    "a capability": named(PLAIN, b"xy"),
    "a block of RAM": named(PLAIN, b"pc"),
    "a section": named(PLAIN, b"0000:00:03.0/uart"),
    "a section with subsections": named(PLAIN, b"fifo"),
    "a subsection": named(PLAIN, b"fifo/x"),
    "a description": WITH_DESCRIPTION,
    "a block to discard": POSTCOPY.replace(b"\2pc\0", bytes([len(RAW)]) + RAW + b"\0"),
    "a section of COLO": named(COLO, b"0000:00:03.0/uart"),
}


@pytest.mark.parametrize("place", STREAMS)
def test_a_name_of_a_stream_is_only_shown(place: str, tmp_path: Path, run: Run) -> None:
    file = tmp_path / "stream"
    file.write_bytes(STREAMS[place])
    for arguments in (
        ("info", file), ("info", "--json", file), ("verify", file), ("decode", file),
        ("verify", "--resync", file), ("frame", file, "-o", tmp_path / "framed"),
        ("import", "stream", file, "-o", tmp_path / "schemas"),
    ):  # fmt: skip
        status, printed = run(*arguments)
        assert printed or arguments[0] == "decode"
        assert status in (0, 1)
        check(printed)


# --- what a user is given -------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "compile", "size", "dump"])
def test_a_schema_is_only_shown(command: str, tmp_path: Path, run: Run) -> None:
    stage = ("plan",) if command == "dump" else ()
    for number, text in enumerate((
        f"// {EVIL}\ndevice \"x\" {{ a: u8 }}", f'device "{EVIL}" {{ a: u8 }}', EVIL,
        f"device \"x\" {{ a: {EVIL} }}",
    )):  # fmt: skip
        (tmp_path / f"s{number}.vmsd").write_text(text, newline="")
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "\x1b[2Jvmsc: good\r\u202e.vmsd").write_text('device "x" { a: u8 }')
    for source in (*sorted(tmp_path.glob("*.vmsd")), folder):
        status, printed = run(command, *stage, source)
        assert status == 1
        check(printed)


def test_a_file_name_is_only_shown(tmp_path: Path, run: Run) -> None:
    file = tmp_path / EVIL.replace("/", "")
    for arguments in (("info", file), ("check", file), (EVIL,), ("info", f"--{EVIL}", file)):
        status, printed = run(*arguments)
        assert status == 2
        check(printed)
    file.write_bytes(b"neither stream nor schema")
    for arguments in (("info", file), ("verify", file), ("check", file)):
        status, printed = run(*arguments)
        assert status in (1, 2)
        check(printed)


def test_a_machine_file_is_only_shown(tmp_path: Path, run: Run) -> None:
    stream, machine = tmp_path / "stream", tmp_path / "machine.json"
    stream.write_bytes(PLAIN)
    for content in (
        {EVIL: 1}, {"machine": 3, "sections": EVIL}, {"sections": [{"name": EVIL, EVIL: 3}]},
        {"machine": EVIL, "sections": [{"name": EVIL, "instance": 0, "params": {EVIL: EVIL}}]},
    ):  # fmt: skip
        machine.write_text(json.dumps(content))
        _, printed = run("info", stream, "--machine", machine, "--param", f"{EVIL}={EVIL}")
        check(printed)


# --- the ways out ---------------------------------------------------------------------------------


def test_all_is_printed_by_one_function() -> None:
    """`echo` of cli.exit; progress shows numbers alone."""
    folder = Path(vmsc.__file__).parent
    found = {
        str(path.relative_to(folder))
        for path in [*folder.glob("cli/**/*.py"), *folder.glob("guard/**/*.py")]
        if re.search(r"\bclick\.s?echo|\bprint\(|\bstd(out|err)\.write", path.read_text())
    }
    assert found == {"cli/exit.py", "cli/progress.py"}


def test_text_is_the_same_but_for_what_a_terminal_obeys() -> None:
    assert one_line("caf\u00e9 \u4e2d") == "caf\u00e9 \u4e2d"
    assert one_line("a\tb\n\x1b[m\u202e\udc80") == "a\\tb\\n\\x1b[m\\u202e\\udc80"
    assert lines("a\tb\nc\r") == "a\tb\nc\\r"


def test_json_keeps_its_meaning() -> None:
    for char in map(
        chr, [*range(0x80, 0xA0), 0x7F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
    ):
        text = json_text(json.dumps(f"a{char}b", ensure_ascii=False).encode())
        assert text.decode().isprintable()
        assert json.loads(text) == f"a{char}b"
    whole = json.dumps("caf\u00e9 \u4e2d\u2027\u206a", ensure_ascii=False).encode()
    assert json_text(whole) == whole
