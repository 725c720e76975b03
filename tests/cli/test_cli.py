"""The command line's contract for streams: what it prints, how it ends, what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from streams_at_hand import DATA, state

VMSC = Path(sys.executable).parent / "vmsc"
MACHINE = DATA / "minimal.machine.json"

# A document of one section; its value's members are to be put in.
PORT92 = (
    '{"vmsc-stream": 1, "parts": [{"part": "full", "id": 1, "name": "port92", "instance": 0,'
    ' "version": 1, "footer": true, "value": {%s}}]}'
)


def vmsc(
    *arguments: str | Path, stdin: bytes = b"", status: int = 0, folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a user would, and want it to end with this status."""
    done = subprocess.run(
        [VMSC, *arguments], input=stdin, capture_output=True, cwd=folder, timeout=120
    )
    assert done.returncode == status, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "minimal.state"
    path.write_bytes(state("minimal"))
    return path


def test_info_shows_a_line_for_each_section(file: Path) -> None:
    lines = vmsc("info", file, "--machine", MACHINE).stdout.decode().splitlines()
    assert lines[0].split() == [
        "offset", "length", "kind", "id", "name", "inst", "vers", "class",
    ]  # fmt: skip
    assert lines[1].split() == ["0", "8", "header"]
    rtc = next(line for line in lines if "mc146818rtc" in line).split()
    assert rtc[1:3] == ["245", "full"] and rtc[-1] == "bounded"
    assert lines[-1].split()[-1] == "eof"


def test_info_as_json_has_the_promised_members(file: Path) -> None:
    text = vmsc("info", file, "--machine", MACHINE, "--json").stdout
    objects = [json.loads(line) for line in text.splitlines()]
    full = [o for o in objects if o["kind"] == "full"]
    wanted = {"offset", "kind", "id", "name", "instance", "version", "payload", "length", "class"}
    assert len(full) == 30
    assert all(set(o) >= wanted for o in full)
    data = state("minimal")
    rtc = next(o for o in full if o["name"] == "mc146818rtc")
    assert data[rtc["offset"] + 6 :].startswith(b"mc146818rtc")
    assert data[rtc["payload"] + rtc["length"]] == 0x7E


def test_a_stream_may_come_from_a_pipe(file: Path) -> None:
    named = vmsc("info", file, "--machine", MACHINE).stdout
    assert vmsc("info", "-", "--machine", MACHINE, stdin=state("minimal")).stdout == named


def test_decode_and_encode_give_the_same_file(file: Path, tmp_path: Path) -> None:
    text = vmsc("decode", file, "--machine", MACHINE).stdout
    out = tmp_path / "again"
    vmsc("encode", "-", "-o", out, stdin=text)
    assert out.read_bytes() == state("minimal")


def test_an_edited_field_changes_its_own_bytes(file: Path, tmp_path: Path) -> None:
    document = json.loads(vmsc("decode", file, "--machine", MACHINE).stdout)
    rtc = next(p for p in document["parts"] if p.get("name") == "mc146818rtc")
    rtc["value"]["cmos_index"] ^= 0xFF
    out = tmp_path / "edited"
    vmsc("encode", "-", "-o", out, stdin=json.dumps(document).encode())
    pairs = zip(out.read_bytes(), state("minimal"), strict=True)
    assert sum(a != b for a, b in pairs) == 1


def test_frame_and_unframe_give_the_same_file(file: Path, tmp_path: Path) -> None:
    framed, out = tmp_path / "framed", tmp_path / "out"
    vmsc("frame", file, "--machine", MACHINE, "-o", framed)
    vmsc("unframe", framed, "-o", out)
    assert out.read_bytes() == state("minimal")
    text = vmsc("info", framed).stdout.decode()
    assert text.splitlines()[-1] == "a framed checkpoint; frames: 1 header, 30 section, 1 eof"
    vmsc("verify", framed)
    decoded = vmsc("decode", framed).stdout
    assert decoded == vmsc("decode", file, "--machine", MACHINE).stdout


def test_verify_says_where_a_stream_is_wrong(file: Path) -> None:
    data = bytearray(state("minimal"))
    info = vmsc("info", file, "--machine", MACHINE, "--json").stdout.splitlines()
    hpet = next(o for line in info if (o := json.loads(line)).get("name") == "hpet")
    data[hpet["payload"] + hpet["length"]] = 0x33
    file.write_bytes(data)
    error = vmsc("verify", file, "--machine", MACHINE, status=1).stderr.decode()
    end = hpet["payload"] + hpet["length"]
    assert f"section 'hpet' instance 0: at byte {end} [{hpet['length']}]" in error
    assert "found 33" in error and error.count("\n") == 1


def test_a_missing_parameter_is_named_with_the_way_out(file: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schemas"
    schema.mkdir()
    text = 'param n: u16 max 9\ndevice "hpet" version 2 { a: bytes[n] }'
    (schema / "hpet.vmsd").write_text(text)
    error = vmsc("verify", file, "-s", schema, "--machine", MACHINE, status=1).stderr.decode()
    assert "section 'hpet' instance 0" in error
    assert "the parameter 'n' is not given (0 to 9)" in error
    assert "--param 'hpet:n=VALUE'" in error


def test_an_unknown_section_is_named_with_the_way_out(tmp_path: Path) -> None:
    name = b"none-such"
    data = b"QEVM\0\0\0\3\4\0\0\0\1" + bytes([len(name)]) + name + bytes(8) + b"payload\0"
    path = tmp_path / "stream"
    path.write_bytes(data)
    error = vmsc("info", path, status=1).stderr.decode()
    assert "no description for 'none-such'" in error and "-s DIR" in error


def test_a_name_from_the_input_does_nothing_to_a_terminal(file: Path) -> None:
    data = state("minimal").replace(b"\x04hpet", b"\x04h\x1b\n\xff")
    file.write_bytes(data)
    for name, more in ((file, b""), ("-", data)):
        found = vmsc("info", name, "--machine", MACHINE, "--resync", stdin=more, status=1)
        shown = found.stdout + found.stderr
        assert b"section 'h\\x1b\\n" in shown and b"\x1b" not in shown
        assert found.stderr.count(b"\n") == found.stderr.count(b"error:")


@pytest.mark.parametrize("command", ["info", "decode", "verify", "unframe"])
@pytest.mark.parametrize("data", [b"", b"Q", b"QEVM", b"QEVM\0\0\0\2", b"#!/bin/sh\n", b"VMSF"])
def test_what_is_no_stream_is_one_error(command: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "no stream"
    path.write_bytes(data)
    out = tmp_path / "out"
    more: list[str | Path] = ["-o", out] if command == "unframe" else []
    done = vmsc(command, path, *more, status=1)
    assert done.stderr.decode().count("\n") == 1
    assert not out.exists()


def test_a_file_that_is_not_there_is_a_matter_of_usage(tmp_path: Path) -> None:
    for command in ("info", "decode", "verify"):
        error = vmsc(command, tmp_path / "none", status=2).stderr.decode()
        assert "none" in error and "No such file" in error


def test_a_parameter_that_no_section_has_is_refused(file: Path) -> None:
    error = vmsc("verify", file, "--machine", MACHINE, "--param", "foo=3", status=1).stderr
    assert b"--param foo=3" in error


def test_a_parameter_out_of_its_bounds_is_refused(file: Path) -> None:
    error = vmsc("verify", file, "--param", "ram_slots=9999", status=1).stderr.decode()
    assert "'ram_slots' is 9999; its bounds are 0 to 256" in error


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("[]", "not a document"),
        ("{}", "vmsc-stream"),
        ('{"vmsc-stream": 1, "partial": true, "parts": []}', "--section"),
        ('{"vmsc-stream": 1, "parts": [{"part": "hedder"}]}', 'part: "hedder" found'),
        ('{"vmsc-stream": 1, "parts": [{"part": "eof"}, 7]}', "parts[1]"),
        (PORT92 % '"outport": 300', "parts[0] (section 'port92') outport"),
        (PORT92 % '"outpost": 3', "unknown field 'outpost'"),
    ],
)
def test_a_wrong_document_is_one_error_and_leaves_nothing(
    text: str, says: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    error = vmsc("encode", "-", "-o", out, stdin=text.encode(), status=1).stderr.decode()
    assert says in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_encode_takes_the_parameters_that_decode_took(file: Path, tmp_path: Path) -> None:
    options: list[str | Path] = ["--machine", MACHINE, "--param", "piix4_pm:ram_slots=0"]
    options += ["--target", "x86_64"]
    text = vmsc("decode", file, *options, "--resync", "--hold", "5000").stdout
    vmsc("encode", "-", *options, "-o", tmp_path / "out", stdin=text)
    assert (tmp_path / "out").read_bytes() == file.read_bytes()
    for option in (
        ["--resync"],
        ["--hold", "5"],
    ):
        vmsc("encode", "-", *option, "-o", tmp_path / "out", stdin=text, status=2)


def test_what_encode_is_given_counts_before_the_document(file: Path, tmp_path: Path) -> None:
    text = vmsc("decode", file, "--machine", MACHINE).stdout
    out, given = tmp_path / "out", ("--param", "ram_slots=1")
    error = vmsc("encode", "-", *given, "-o", out, stdin=text, status=1).stderr.decode()
    assert "piix4_pm" in error and "1" in error
    document = json.loads(text)
    for part in document["parts"]:
        part.pop("params", None)
    bare = json.dumps(document).encode()
    vmsc("encode", "-", "--machine", MACHINE, "-o", out, stdin=bare)
    assert out.read_bytes() == file.read_bytes()
    error = vmsc("encode", "-", "--param", "nn=1", "-o", out, stdin=text, status=1).stderr.decode()
    assert "--param nn=1: no section of standard input has such a parameter" in error


def test_ram_goes_to_a_side_file_and_comes_back(tmp_path: Path) -> None:
    # A block list of one block of two pages; a zero page, a raw one; the end.
    block = b"\x06pc.ram"
    payload = (0x2004).to_bytes(8) + block + (0x2000).to_bytes(8) + (0x10).to_bytes(8)
    pages = (0x02).to_bytes(8) + block + b"\0" + (0x1028).to_bytes(8) + bytes(range(256)) * 16
    name = b"\x03ram" + bytes(4) + (4).to_bytes(4)
    data = b"QEVM\0\0\0\3" + b"\1\0\0\0\2" + name + payload + b"\x7e\0\0\0\2"
    data += b"\3\0\0\0\2" + pages + (0x10).to_bytes(8) + b"\x7e\0\0\0\2" + b"\0"
    stream, ram, out = tmp_path / "stream", tmp_path / "ram", tmp_path / "out"
    stream.write_bytes(data)
    text = vmsc("decode", stream, "--ram-to", ram).stdout
    parts = [p for p in json.loads(text)["parts"] if "ram" in p]
    assert [p["ram"]["length"] for p in parts] == [len(payload), len(pages) + 8]
    assert ram.read_bytes() == payload + pages + (0x10).to_bytes(8)
    vmsc("encode", "-", "-o", out, "--ram-from", ram, stdin=text)
    assert out.read_bytes() == data
    whole = json.loads(vmsc("decode", stream).stdout)
    rounds = whole["parts"][2]["value"]["pages"]
    assert [bytes.fromhex(r["block"]) for r in rounds[:2]] == [b"pc.ram", b"pc.ram"]
    vmsc("encode", "-", "-o", out, stdin=json.dumps(whole).encode())
    assert out.read_bytes() == data


def test_a_reader_that_goes_away_is_no_fault(file: Path) -> None:
    command = f"'{VMSC}' decode '{file}' --machine '{MACHINE}' | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=120)
    assert b"Traceback" not in done.stderr and b"fault" not in done.stderr


def test_a_cache_that_cannot_be_written_does_no_harm(file: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("not a folder")
    environment = {**os.environ, "XDG_CACHE_HOME": str(nowhere)}
    done = subprocess.run(
        [VMSC, "verify", file, "--machine", MACHINE],
        capture_output=True, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


def test_help_is_there_for_every_command() -> None:
    groups = vmsc("--help").stdout.decode().split("Schemas:")[1].split("\n")
    names = [line.split()[0] for line in groups if line.startswith("  ")]
    assert {"check", "dump", "info", "guard", "plugins"} <= set(names)
    for name in names:
        assert b"Usage" in vmsc(name, "--help").stdout


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (["inf"], "vmsc: error: no command 'inf'; did you mean 'info'?\n"),
        (["info", "--jsno", "x"], "--json"),
        (["compile", "--backend", "pyton", "."], "no backend 'pyton'; did you mean 'python'?"),
        (["import", "strem", "x", "-o", "y"], "no importer 'strem'; did you mean 'stream'?"),
        ([], "Schemas:"),
    ],
)
def test_a_usage_error_suggests_the_nearest(call: list[str], wanted: str) -> None:
    assert wanted in vmsc(*call, status=2).stderr.decode()


def test_a_section_pattern_that_fits_nothing_is_said(file: Path) -> None:
    given = ("decode", file, "--machine", MACHINE, "--section", "port92", "--section", "prot*")
    done = vmsc(*given, status=1)
    assert "no section fits 'prot*' (`vmsc info " in done.stderr.decode()
    assert [part["name"] for part in json.loads(done.stdout)["parts"]] == ["port92"]


def test_standard_streams_that_are_closed_are_no_fault(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "framed"
    calls = [f"info {file}", f"decode {file}", f"verify {file}", f"frame {file} -o {out}"]
    for call in calls:
        line = f"{VMSC} {call} --machine {MACHINE} >&- 2>&- <&-"
        assert subprocess.run(["sh", "-c", line], timeout=120).returncode == 0, call
    assert vmsc("unframe", out, "-o", tmp_path / "again").returncode == 0
    assert (tmp_path / "again").read_bytes() == state("minimal")  # nothing was printed into it


def test_dump_shows_what_the_compiler_makes_of_a_schema(tmp_path: Path) -> None:
    (tmp_path / "pair.vmsd").write_text('use std.pci\ndevice "pair" { a: u8; b: u16 when a > 1 }')
    assert vmsc("dump", "ir", "pair.vmsd", folder=tmp_path).stdout.decode() == (
        'device pair:Pair as "pair" version 1 minimum 1\n    a: u8\n    b: u16 when a > 1\n'
    )
    plan = vmsc("dump", "plan", "pair.vmsd", folder=tmp_path).stdout.decode().splitlines()
    assert plan[1:] == [
        "    size computed 1..3", "    run 1 bytes big", "        +0 a: u8",
        "    gate a > 1: b", "        run 2 bytes big", "            +0 b: u16",
    ]  # fmt: skip


def test_size_says_how_each_length_is_known_and_what_it_hangs_on(tmp_path: Path) -> None:
    (tmp_path / "mux.vmsd").write_text("""
        device "mux" {
            param lines: u16 max 64
            param cpus:  bits max 8
            param bus:   one of "isa", "pci" = "isa"
            param wide:  bool
            levels: u8[lines]
            boot:   u8        when bit(cpus, 0) and bus == "pci" and wide
        }
        loop Pages { more: u8; block: u8 sticky when more & 1; break when more }
    """)
    found = vmsc("size", "mux.vmsd", folder=tmp_path).stdout.decode().splitlines()
    assert found == [
        'mux.Mux  device "mux"  computed  0 to 65 bytes',
        "    parameter lines: number 0 to 64",
        "    parameter cpus: bits up to 0xff",
        "    parameter bus: words isa | pci = isa",
        "    parameter wide: bool",
        'mux.Pages  loop "Pages"  measured  1 to no limit bytes',
        "    state block: number 0 to 255",
    ]
