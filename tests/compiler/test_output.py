"""Output: what is written, where, and when it is not touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from commands import run_vmsc

from vmsc.compiler.artifacts import OutputError, check_paths, stale, write_artifacts
from vmsc.files import write_file
from vmsc.hooks import Artifact

SCHEMA = 'device "uart" { lsr: u8 }\n'


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "uart.vmsd"
    path.write_text(SCHEMA)
    return path


def listing(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up.py", "a/../../up.py", "a/..", "", ".", "..\\up.py", "C:\\x"]
)
def test_a_path_outside_the_folder_is_refused(path: str) -> None:
    with pytest.raises(OutputError, match="is not within the output folder"):
        check_paths([Artifact(path, "")])


@pytest.mark.parametrize("path", ["./a.py", "a//b.py", "a/", "a\0.py", "a\nb.py"])
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    with pytest.raises(OutputError, match="has no plain path"):
        check_paths([Artifact(path, "")])


def test_two_artifacts_of_one_path_are_refused() -> None:
    with pytest.raises(OutputError, match=r"two artifacts are called 'a\.py'"):
        check_paths([Artifact("a.py", "1"), Artifact("a.py", "2")])


def test_an_artifact_in_the_place_of_a_folder_is_refused() -> None:
    with pytest.raises(OutputError, match=r"'a' is an artifact, and the folder of 'a/b\.py'"):
        check_paths([Artifact("a/b.py", ""), Artifact("a", "")])


def test_names_with_dots_and_blanks_are_good() -> None:
    check_paths([Artifact("..a/b c.tar.gz", ""), Artifact("a/...", "")])


def test_a_backend_that_reaches_outside_writes_nothing_and_exits_2(
    schema: Path, tmp_path: Path
) -> None:
    (tmp_path / "reaching.py").write_text(
        "from vmsc.hooks import Artifact, Backend\n"
        "from vmsc.hooks import hook\n"
        "@hook\n"
        "def vmsc_backends():\n"
        "    made = [Artifact('good.txt', ''), Artifact('../bad.txt', '')]\n"
        "    return [Backend('reaching', 'a test', lambda context: made)]\n"
    )
    done = run_vmsc(
        "compile", schema, "-p", tmp_path / "reaching.py", "--backend", "reaching",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.status == 2
    assert "'../bad.txt' is not within the output folder" in done.err
    assert not (tmp_path / "out").exists() and not (tmp_path / "bad.txt").exists()


# --- writing --------------------------------------------------------------------------------------


def test_artifacts_are_written_into_folders_of_their_own(tmp_path: Path) -> None:
    made = [Artifact("a/b/c.py", "x = 1\n"), Artifact("d.py", "ü\n")]
    assert write_artifacts(made, tmp_path) == ["a/b/c.py", "d.py"]
    assert listing(tmp_path) == ["a", "a/b", "a/b/c.py", "d.py"]
    assert (tmp_path / "d.py").read_bytes() == "ü\n".encode()


def test_a_file_that_is_as_it_should_be_is_not_touched(tmp_path: Path) -> None:
    made = [Artifact("a.py", "1\n"), Artifact("b.py", "2\n")]
    write_artifacts(made, tmp_path)
    (tmp_path / "b.py").write_text("other\n")
    os.utime(tmp_path / "a.py", ns=(1000, 1000))
    before = (tmp_path / "a.py").stat()
    assert write_artifacts(made, tmp_path) == ["b.py"]
    after = (tmp_path / "a.py").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, 1000)
    assert (tmp_path / "b.py").read_text() == "2\n"


def test_a_file_is_written_beside_and_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.py"
    target.write_text("old\n")
    replaced: list[tuple[Path, bytes, str]] = []
    rename = os.replace

    def watched(source: str, to: Path) -> None:
        replaced.append((Path(source).parent, Path(source).read_bytes(), to.read_text()))
        rename(source, to)

    monkeypatch.setattr(os, "replace", watched)
    write_file(target, b"new\n")
    assert replaced == [(tmp_path, b"new\n", "old\n")]
    assert target.read_text() == "new\n" and listing(tmp_path) == ["a.py"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.py"
    target.write_text("old\n")

    def full(source: str, to: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(target, b"new\n")
    assert target.read_text() == "old\n" and listing(tmp_path) == ["a.py"]


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.py"
    link.symlink_to("there/a.py")
    for text in (b"new\n", b"newer\n"):
        write_file(link, text)
        assert link.is_symlink() and (tmp_path / "there" / "a.py").read_bytes() == text
    assert listing(tmp_path) == ["link.py", "there", "there/a.py"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_file(pipe, b"all of it")
        assert os.read(reader, 100) == b"all of it"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and listing(tmp_path) == ["pipe"]


def test_a_folder_that_is_not_there_is_said_with_the_name_that_was_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "none" / "a.py"
    with pytest.raises(FileNotFoundError) as caught:
        write_file(path, b"")
    assert caught.value.filename == str(path)


def test_a_written_file_has_the_permissions_that_the_user_gives_new_files(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_file(tmp_path / "a.py", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.py").stat().st_mode) == 0o640


def test_missing_and_different_files_are_stale(tmp_path: Path) -> None:
    made = [Artifact("a.py", "1\n"), Artifact("b.py", "2\n"), Artifact("c.py", "3\n")]
    write_artifacts(made[:2], tmp_path)
    (tmp_path / "b.py").write_bytes(b"2\r\n")
    assert stale(made, tmp_path) == ["b.py", "c.py"]


# --- the command line -----------------------------------------------------------------------------


def test_compile_says_how_many_files_it_wrote(schema: Path) -> None:
    first = run_vmsc("compile", "uart.vmsd", cwd=schema.parent)
    assert (first.status, first.out) == (0, "generated: 2 files, 2 written\n")
    again = run_vmsc("compile", "uart.vmsd", cwd=schema.parent)
    assert (again.status, again.out) == (0, "generated: 2 files, 0 written\n")


def test_check_finds_stale_output_and_writes_nothing(schema: Path) -> None:
    folder = schema.parent
    missing = run_vmsc("compile", "uart.vmsd", "--check", cwd=folder)
    assert missing.status == 1 and not (folder / "generated").exists()
    assert "error: 2 of 2 files are out of date:\n  generated/__init__.py\n" in missing.err

    run_vmsc("compile", "uart.vmsd", cwd=folder)
    good = run_vmsc("compile", "uart.vmsd", "--check", cwd=folder)
    assert (good.status, good.out) == (0, "2 files in generated are up to date\n")

    schema.write_text(SCHEMA.replace("u8", "u16"))
    before = (folder / "generated" / "uart.py").read_bytes()
    old = run_vmsc("compile", "uart.vmsd", "--check", cwd=folder)
    assert old.status == 1
    assert "1 of 2 files are out of date:\n  generated/uart.py\n" in old.err
    assert (folder / "generated" / "uart.py").read_bytes() == before


def test_a_schema_with_errors_writes_nothing(schema: Path) -> None:
    schema.write_text(SCHEMA.replace("u8", "u12"))
    assert run_vmsc("compile", "uart.vmsd", cwd=schema.parent).status == 1
    assert not (schema.parent / "generated").exists()


def test_a_file_in_the_place_of_the_output_folder_is_a_usage_error(schema: Path) -> None:
    done = run_vmsc("compile", "uart.vmsd", "-o", "uart.vmsd", cwd=schema.parent)
    assert done.status == 2 and "Traceback" not in done.err
    assert schema.read_text() == SCHEMA
