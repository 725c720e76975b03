"""Input that no schema ever was: one clear error, exit 1, no traceback, and soon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmsc.compiler.driver import analyse
from vmsc.hooks.host import Host, load_host
from vmsc.schema.diagnostics import Report, as_json, as_text
from vmsc.schema.syntax.loader import load, load_text

VMSC = Path(sys.executable).parent / "vmsc"
SCHEMAS = Path(__file__).parents[2] / "schemas"


def check(path: Path, status: int) -> str:
    """What `vmsc check` says; it ends with this status, and soon."""
    done = subprocess.run([VMSC, "check", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "[empty-file]"),
    "blank": (b"\n\n", "[empty-file]"),
    "blanks": (b" " * 1_000_000, "[empty-file]"),
    "comment": (b"// nothing\n", "[empty-file]"),
    "latin": (b"struct A { a: u8 } // caf\xe9", "[encoding]"),
    "binary": (bytes(range(256)) * 64, "[encoding]"),
    "nul": (b"struct A { a: u8 }\0", "U+0000 (NUL)"),
    "big": (b"// " + b"x" * (10 << 20), "[too-large]"),
    "big_and_right": (b"struct A { a: u8 }\n" * 600_000, "[too-large]"),
    "brackets": (b"struct A { a: bytes[" + b"(" * 100_000, "[too-deep]"),
    "braces": (b"struct A {" * 50_000, "error"),
    "operators": (b"const A = 1" + b" + 1" * 100_000, "error"),
    "minuses": (b"const A = " + b"-" * 100_000 + b"1", "[too-deep]"),
    "nots": (b"struct A { a: u8 when " + b"not " * 50_000 + b"1 }", "[too-deep]"),
    "dimensions": (b"struct A { a: u8" + b"[1]" * 50_000 + b" }", "error"),
    "lists": (b"struct A { a: " + b"list " * 50_000 + b"u8 }", "[too-deep]"),
    "digits": (b"const A = " + b"9" * 1_000_000, "error"),
    "hex_digits": (b"const A = 0x" + b"f" * 1_000_000, "error"),
    "name": (b"struct " + b"A" * 1_000_000 + b" { a: u9 }", "error"),
    "string": (b'device "' + b"n" * 1_000_000 + b'" { a: u8 }', "[name-length]"),
    "mistakes": (b"struct A { a: u9 }\n" * 4_000, "too many errors"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_file_that_is_no_schema_is_refused(name: str, tmp_path: Path) -> None:
    data, says = BAD[name]
    path = tmp_path / f"{name}.vmsd"
    path.write_bytes(data)
    assert says in check(path, 1)


def test_many_descriptions_within_each_other_are_refused(tmp_path: Path) -> None:
    lines = [f"struct S{i} {{ a: S{i + 1} }}" for i in range(3_000)]
    path = tmp_path / "deep.vmsd"
    path.write_text("\n".join([*lines, "struct S3000 { a: u8 }"]))
    assert "[too-deep]" in check(path, 1)


def test_a_file_of_another_editor_is_good(tmp_path: Path) -> None:
    path = tmp_path / "plain.vmsd"
    path.write_bytes(b"\xef\xbb\xbfstruct A { a: u8 }\r\n")
    check(path, 0)


def test_a_path_that_is_not_there_is_a_matter_of_usage(tmp_path: Path) -> None:
    assert "does not exist" in check(tmp_path / "none.vmsd", 2)


def test_a_folder_without_schemas_is_refused(tmp_path: Path) -> None:
    assert "[no-schemas]" in check(tmp_path, 1)


def test_a_file_name_that_no_module_can_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my-nic.vmsd"
    path.write_text("struct A { a: u8 }")
    assert "[module-name]" in check(path, 1)


def test_schemas_that_use_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.vmsd").write_text("use two\nstruct One { a: u8 }")
    (tmp_path / "two.vmsd").write_text("use one\nstruct Two { a: u8 }")
    assert "[use-circle]" in check(tmp_path, 1)


def test_a_name_of_two_used_schemas_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.vmsd").write_text("struct Ring { a: u8 }")
    (tmp_path / "two.vmsd").write_text("struct Ring { a: u16 }")
    (tmp_path / "both.vmsd").write_text("use one\nuse two\nstruct Nic { rx: Ring }")
    error = check(tmp_path, 1)
    assert "[ambiguous-name]" in error and "'one'" in error and "'two'" in error


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "closed.vmsd"
    path.write_text("struct A { a: u8 }")

    def denied(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    for reading in ("read_bytes", "open"):  # root may read every file, so it is played
        monkeypatch.setattr(Path, reading, denied)
    report = Report()
    load([path], report)
    assert "Permission denied [unreadable]" in as_text(report)


def test_a_folder_in_the_place_of_a_file_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "folder.vmsd").mkdir()
    (tmp_path / "nic.vmsd").write_text("struct A { a: u8 }")
    done = subprocess.run([VMSC, "check", tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr


def test_a_link_to_itself_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.vmsd").symlink_to(tmp_path / "self.vmsd")
    (tmp_path / "nic.vmsd").write_text("struct A { a: u8 }")
    done = subprocess.run([VMSC, "check", tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr


# --- damaged schemas ------------------------------------------------------------------------------

TEXTS = [path.read_text() for path in sorted((SCHEMAS / "examples").glob("*.vmsd"))]
HOST = load_host()
PIECES = st.sampled_from(
    ["u8", "bytes", "list", "(", ")", "[", "]", "{", "}", "when", "1", "0", "-", "name", '"x"', ":",
     "version", "max", "struct", "vmsd", "device", "loop", "break", "subsection", "sticky", "///"]
)  # fmt: skip


def judge(text: str, host: Host) -> tuple[bool, str]:
    report = Report()
    loaded = load_text(text, report)
    good = not report.failed and analyse(loaded, host, report) is not None
    assert as_json(report) is not None
    return good, as_text(report)


@st.composite
def damaged(draw: Callable[[st.SearchStrategy[object]], object]) -> str:
    """An example with a few of its words left out, doubled or replaced."""
    words = str(draw(st.sampled_from(TEXTS))).split(" ")
    for _ in range(int(str(draw(st.integers(1, 6))))):
        at = int(str(draw(st.integers(0, len(words) - 1))))
        match draw(st.sampled_from(["drop", "double", "replace", "cut"])):
            case "drop":
                words[at] = ""
            case "double":
                words[at] = f"{words[at]} {words[at]}"
            case "cut":
                words[at] = words[at][: len(words[at]) // 2]
            case _:
                words[at] = str(draw(PIECES))
    return " ".join(words)


@settings(
    max_examples=300, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(damaged())
def test_a_damaged_schema_is_judged_and_always_alike(text: str) -> None:
    first = judge(text, HOST)
    assert judge(text, HOST) == first
