"""The cache: what it keeps is whole, of this content, and nobody else had a hand in it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest
from commands import run_vmsc

from vmsc.compiler import cache_folder
from vmsc.compiler.cache import MOST, Index, TornError, keep_codecs, kept_codecs
from vmsc.compiler.cache_folder import CacheError, keep, open_kept, usage
from vmsc.compiler.input_digest import input_digest
from vmsc.compiler.library import open_shelf
from vmsc.inspect.solved_cache import recalled, remember
from vmsc.runtime.errors import Truncated
from vmsc.schema import ir

ROOT = os.geteuid() == 0
NOBODY = 65534
AS_ROOT = pytest.mark.skipif(not ROOT, reason="giving files to another user needs root")
UART = 'device "uart" { lsr: u8 }\n'
T = TypeVar("T")
EMPTY = ir.Schema((), {})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "vmsc"


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "uart.vmsd").write_text(UART)
    return folder


@contextmanager
def umask(mask: int) -> Iterator[None]:
    former = os.umask(mask)
    try:
        yield
    finally:
        os.umask(former)


def put(digest: str, text: str = "x = 1\n") -> None:
    keep_codecs(digest, Index({}, {}), {"codec.py": text}, EMPTY, "<kept>")


def age(home: Path, digest: str, seconds: int) -> None:
    then = time.time() - seconds
    os.utime(home / "codecs" / digest, (then, then))


def kept_file(home: Path) -> Path:
    (file,) = (home / "codecs").iterdir()
    return file


def size_of_uart(schemas: Path) -> int:
    """How many bytes the device takes, as its codec has it."""
    shelf = open_shelf([schemas])
    codec = shelf.codec(shelf.index.devices["uart"][0])
    for size in range(1, 9):
        with suppress(Truncated):
            if codec.qemu.scan(bytes(size), 0) == size:
                return size
    raise AssertionError("no size fits")


# --- what is kept, and how long -------------------------------------------------------------------


def test_those_that_were_used_longest_ago_are_forgotten(home: Path) -> None:
    for number in range(MOST):
        put(f"{number}")
        age(home, f"{number}", 1000 - number)
    age(home, "0", 10)
    put("new one")
    assert kept_codecs("1") is None
    assert all(kept_codecs(name) for name in ("0", "2", "7", "new one"))
    assert len(list((home / "codecs").iterdir())) == MOST


def test_a_use_after_a_day_is_noted(home: Path) -> None:
    put("a")
    age(home, "a", 3 * 24 * 3600)
    kept_codecs("a")
    assert time.time() - (home / "codecs" / "a").stat().st_mtime < 3600


def test_who_has_opened_codecs_does_not_notice_that_they_are_forgotten(home: Path) -> None:
    put("opened", "answer = 42\n")
    kept = kept_codecs("opened")
    assert kept is not None
    cache_folder.clear()
    assert not home.exists()
    found: dict[str, int] = {}
    exec(kept.code("codec.py"), found)
    assert (found["answer"], kept.text("codec.py"), kept.schema()) == (42, "answer = 42\n", EMPTY)


def test_parameters_are_kept_and_forgotten_alike(home: Path) -> None:
    remember("key", {"0 0 ram": {"page_size": 4096}})
    assert recalled("key") == {"0 0 ram": {"page_size": 4096}}
    for number in range(70):
        keep("parameters", f"{number}", [b"{}"], 64)
    assert len(list((home / "parameters").iterdir())) == 64


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_folders_and_files_are_their_owners_alone(home: Path, mask: int) -> None:
    with umask(mask):
        put("a")
    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in (home, *home.rglob("*"))}
    expected = {"vmsc": "0o700", "codecs": "0o700", "a": "0o600", "lock": "0o600"}
    assert {name: modes[name] for name in expected} == expected


def test_a_folder_of_before_that_others_could_read_is_closed_to_them(home: Path) -> None:
    home.mkdir(mode=0o755)
    put("a")
    assert home.stat().st_mode & 0o777 == 0o700


# --- what is not whole ----------------------------------------------------------------------------


def damaged(data: bytes, draw: random.Random) -> Iterator[bytes]:
    yield b""
    for _ in range(20):
        yield data[: draw.randrange(len(data))]
    for _ in range(20):
        place = draw.randrange(len(data))
        yield data[:place] + bytes([data[place] ^ draw.randrange(1, 256)]) + data[place + 1 :]
    yield data[:100] + bytes(len(data) - 100)


def test_a_file_that_is_cut_short_or_spoilt_never_gives_what_was_not_kept(home: Path) -> None:
    put("a")
    seed = random.randrange(1 << 32)
    print("seed", seed)
    file = kept_file(home)
    for data in damaged(file.read_bytes(), random.Random(seed)):
        file.write_bytes(data)
        kept = kept_codecs("a")
        if kept is not None:
            whole = kept_or_torn(kept.text, "codec.py"), kept_or_torn(kept.code, "codec.py")
            assert whole[0] in ("x = 1\n", None)
            assert whole[1] is None or whole[1].co_filename == "<kept>/codec.py"


def kept_or_torn(ask: Callable[[str], T], path: str) -> T | None:
    try:
        return ask(path)
    except TornError:
        return None


def test_codecs_of_a_spoilt_file_are_made_anew(home: Path, schemas: Path) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    assert size_of_uart(schemas) == 1
    file = kept_file(home)
    good = file.read_bytes()
    for data in damaged(good, random.Random(seed)):
        file.write_bytes(data)
        shelf = open_shelf([schemas])
        forget_modules(shelf.package)
        assert size_of_uart(schemas) == 1
        assert [d.wire for d in shelf.schema().descriptions.values()] == ["uart"]
        forget_modules(shelf.package)
        assert kept_codecs(file.name) is not None


def forget_modules(package: str) -> None:
    """As a new process begins: nothing is imported."""
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]
    sys.meta_path[:] = [f for f in sys.meta_path if getattr(f, "package", "") != package]


def test_a_file_under_another_name_is_not_taken(home: Path) -> None:
    put("a")
    kept_file(home).rename(home / "codecs" / "b")
    assert kept_codecs("b") is None


# --- ends that come early, and company ------------------------------------------------------------

_WRITER = """
from vmsc.schema import ir
from vmsc.compiler.cache import Index, keep_codecs
import sys
print("ready", flush=True)
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    text = f"number = {number % 5}\\n" + "pass\\n" * 20000
    keep_codecs(f"{number % 5}", Index({}, {}), {"codec.py": text}, ir.Schema((), {}), "<kept>")
"""


def writer(first: int, end: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _WRITER, str(first), str(end)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def check_all_whole(home: Path) -> int:
    names = sorted(p.name for p in (home / "codecs").iterdir() if p.name != "new")
    for name in names:
        kept = kept_codecs(name)
        assert kept is not None and kept.text("codec.py").startswith(f"number = {name}\n")
        kept.code("codec.py"), kept.schema()
    return len(names)


def test_a_writer_that_is_killed_leaves_whole_files_and_at_most_one_that_is_overwritten(
    home: Path,
) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    for round_ in range(10):
        with writer(round_, 10_000) as process:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            time.sleep(draw.uniform(0, 0.2))
            process.kill()
        if home.exists():
            check_all_whole(home)
    put("5")
    names = {p.name for p in home.rglob("*")}
    assert names <= {"codecs", "lock", "CACHEDIR.TAG", *"012345"} and "5" in names


def test_writers_at_once_leave_whole_files(home: Path) -> None:
    writers = [writer(first, first + 5) for first in range(4)]
    assert [process.wait(timeout=120) for process in writers] == [0] * 4
    for process in writers:
        assert process.stdout is not None
        process.stdout.close()
    assert check_all_whole(home) == 5


def test_a_cache_that_takes_no_more_says_so_and_keeps_what_it_has(home: Path) -> None:
    put("a")
    limited = textwrap.dedent("""
        import resource, signal
        from vmsc.compiler.cache_folder import CacheError, keep
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            keep("codecs", "b", [bytes(4096)] * 10, 8)
        except CacheError as fault:
            print(fault)
    """)
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, timeout=60)
    assert b"File too large" in done.stdout
    assert [p.name for p in (home / "codecs").iterdir()] == ["a"]


# --- stale by content -----------------------------------------------------------------------------


def change(file: Path, text: str) -> None:
    """New content, and the size and times of before."""
    before = file.stat()
    assert len(text) == before.st_size
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_other_content_of_the_same_size_and_time_is_other_codecs(home: Path, schemas: Path) -> None:
    file = schemas / "uart.vmsd"
    file.write_text(UART.replace("u8", "u16"))
    assert size_of_uart(schemas) == 2
    change(file, UART.replace("u8", "u32"))
    assert size_of_uart(schemas) == 4


def test_what_a_given_file_uses_counts(home: Path, schemas: Path) -> None:
    (schemas / "uart.vmsd").write_text('use parts.word\ndevice "uart" { lsr: Word }\n')
    (schemas / "parts").mkdir()
    (schemas / "parts" / "word.vmsd").write_text("use parts.inner\nstruct Word { w: Inner }\n")
    (schemas / "parts" / "inner.vmsd").write_text("struct Inner { w: u16 }\n")
    assert size_of_uart(schemas / "uart.vmsd") == 2
    change(schemas / "parts" / "inner.vmsd", "struct Inner { w: u32 }\n")
    assert size_of_uart(schemas / "uart.vmsd") == 4


def test_a_schema_that_is_a_pipe_has_no_digest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "uart.vmsd")
    assert input_digest([tmp_path / "uart.vmsd"]) is None


_PLUGGED = {
    "brought.py": "kind = 1\n",
    "brought-1.dist-info/METADATA": "Name: brought\nVersion: 1\n",
    "brought-1.dist-info/entry_points.txt": "[vmsc.plugins]\nbrought = brought:thing\n",
}


def digest_with(folder: Path) -> str:
    code = "from vmsc.compiler.input_digest import input_digest; print(input_digest([]))"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_the_code_of_an_installed_plugin_counts(tmp_path: Path) -> None:
    seen = [digest_with(tmp_path)]
    for path, text in _PLUGGED.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    seen.append(digest_with(tmp_path))
    change(tmp_path / "brought.py", "kind = 2\n")
    seen.append(digest_with(tmp_path))
    assert len(set(seen)) == 3
    change(tmp_path / "brought.py", "kind = 1\n")
    assert digest_with(tmp_path) == seen[1]


def test_all_code_that_compiles_counts(home: Path, schemas: Path) -> None:
    code = textwrap.dedent(f"""
        import sys, pathlib
        from vmsc.compiler.library import open_shelf
        open_shelf([pathlib.Path({str(schemas)!r})])
        print(*(m for m in sys.modules if m.startswith("vmsc.")))
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.split()
    assert "vmsc.plugins.python" in loaded
    assert not [name for name in loaded if name.split(".")[1] in ("cli", "guard", "testing")]


# --- whose it is ----------------------------------------------------------------------------------


def refused(home: Path) -> str:
    """Why there is no cache; nothing is read, written or removed."""
    before = sorted(home.parent.rglob("*"))
    assert open_kept("codecs", "a") is None
    with pytest.raises(CacheError) as caught:
        put("b")
    for attempt in (usage, cache_folder.clear):
        with pytest.raises(CacheError):
            attempt()
    assert sorted(home.parent.rglob("*")) == before
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_may_write_to_is_not_used(home: Path, mode: int) -> None:
    put("a")
    home.chmod(mode)
    assert refused(home) == f"others may write to '{home}' (mode {mode:04o})"


def test_nor_one_below_a_folder_that_others_may_write_to(home: Path) -> None:
    put("a")
    home.parent.chmod(0o777)
    assert f"others may write to '{home.parent}'" in refused(home)


def test_one_below_a_folder_where_each_may_remove_his_own_alone_is_used(home: Path) -> None:
    put("a")
    home.parent.chmod(0o1777)
    assert kept_codecs("a") is not None


@pytest.mark.parametrize("name", [".", "codecs"])
def test_a_link_to_a_folder_that_others_may_write_to_is_not_used(home: Path, name: str) -> None:
    put("a")
    place, elsewhere = home / name, home.parent / "elsewhere"
    place.resolve().rename(elsewhere)
    place.symlink_to(elsewhere) if name != "." else home.symlink_to(elsewhere)
    elsewhere.chmod(0o777)
    assert kept_codecs("a") is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_not_read(home: Path, mode: int) -> None:
    put("a")
    kept_file(home).chmod(mode)
    assert kept_codecs("a") is None
    put("a")
    assert kept_codecs("a") is not None


def test_a_file_that_is_a_link_is_not_read(home: Path) -> None:
    put("a")
    file = kept_file(home)
    file.rename(home / "there")
    file.symlink_to(home / "there")
    assert kept_codecs("a") is None


@AS_ROOT
@pytest.mark.parametrize("whose", ["parent", "folder", "codecs", "file"])
def test_what_belongs_to_another_user_is_not_used(home: Path, whose: str) -> None:
    put("a")
    places = {
        "parent": home.parent, "folder": home, "codecs": home / "codecs", "file": kept_file(home),
    }  # fmt: skip
    os.chown(places[whose], NOBODY, NOBODY)
    assert kept_codecs("a") is None


@AS_ROOT
def test_root_runs_nothing_that_another_user_put_into_his_own_cache(
    tmp_path: Path, schemas: Path
) -> None:
    """As `sudo -E` and services with another user's HOME do."""
    user, marker = tmp_path / "home", tmp_path / "ran"
    (user / ".cache" / "vmsc" / "codecs").mkdir(parents=True)
    environment = {"HOME": str(user), "XDG_CACHE_HOME": ""}
    poisoned = textwrap.dedent(f"""
        import pathlib
        from vmsc.compiler.cache import Index, Place, keep_codecs
        from vmsc.compiler.input_digest import input_digest
        from vmsc.schema import ir
        place = Place("uart", "uart", "constant 1", "", 1, 1)
        text = "open({str(marker)!r}, 'w')\\nCODECS = {{}}\\n"
        digest = input_digest([pathlib.Path({str(schemas)!r})])
        sources = {{"uart.py": text, "__init__.py": ""}}
        keep_codecs(digest, Index({{"uart": [place]}}, {{}}), sources, ir.Schema((), {{}}), "<p>")
    """)
    subprocess.run(
        [sys.executable, "-c", poisoned], env={**os.environ, **environment}, check=True, timeout=60
    )
    for path in (user, *user.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    before = sorted(user.rglob("*"))
    shelf = (
        "import pathlib; from vmsc.compiler.library import open_shelf;"
        f"s = open_shelf([pathlib.Path({str(schemas)!r})], (), print);"
        "s.codec(s.index.devices['uart'][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", shelf],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"'{user}' belongs to another user ({NOBODY})\n"
    assert not marker.exists() and sorted(user.rglob("*")) == before


# --- where it is ----------------------------------------------------------------------------------


def place_with(monkeypatch: pytest.MonkeyPatch, **environment: str | None) -> Path:
    for name, value in environment.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return cache_folder.cache_folder()


@pytest.mark.parametrize("base", ["", "cache", "./cache", "~/cache"])
def test_a_base_that_is_not_absolute_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    found = place_with(monkeypatch, HOME=str(tmp_path), XDG_CACHE_HOME=base)
    assert found == tmp_path / ".cache" / "vmsc"


@pytest.mark.parametrize("home", ["relative", "/does/not/exist", "/dev/null"])
def test_a_home_that_is_no_folder_has_no_cache(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    with pytest.raises(CacheError, match=f"HOME is '{home}', which is not a folder"):
        place_with(monkeypatch, HOME=home, XDG_CACHE_HOME=None)


def test_without_home_and_user_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(CacheError, match="neither HOME nor XDG_CACHE_HOME names a folder"):
        place_with(monkeypatch, XDG_CACHE_HOME=None)


def test_folders_on_the_way_are_made_for_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a" / "b"))
    with umask(0):
        put("a")
    assert [oct(p.stat().st_mode & 0o777) for p in (tmp_path / "a", tmp_path / "a" / "b")] == [
        "0o700"
    ] * 2
    assert kept_codecs("a") is not None


@pytest.mark.parametrize("home", ["/does/not/exist", "/proc", "/dev/null"])
def test_a_run_needs_no_home(schemas: Path, home: str) -> None:
    shelf = (
        "import pathlib; from vmsc.compiler.library import open_shelf;"
        f"print(*open_shelf([pathlib.Path({str(schemas)!r})]).index.devices)"
    )
    environment = {**os.environ, "HOME": home, "XDG_CACHE_HOME": ""}
    done = subprocess.run(
        [sys.executable, "-c", shelf],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "uart\n", "")


# --- the command ----------------------------------------------------------------------------------


def test_the_command_tells_where_and_how_large_and_clears(home: Path) -> None:
    put("a")
    remember("key", {})
    (home / "mine").write_text("not vmsc's")
    old = home / "0123456789abcdef0123456789abcdef"
    old.mkdir()
    size = kept_file(home).stat().st_size
    shown = run_vmsc("cache", XDG_CACHE_HOME=str(home.parent))
    assert shown.out.splitlines() == [
        str(home),
        f"  compiled schemas    1 file  {size:>6} bytes",
        "  solved parameters    1 file       2 bytes",
        "`vmsc cache --clear` removes them",
    ]
    cleared = run_vmsc("cache", "--clear", XDG_CACHE_HOME=str(home.parent))
    assert (cleared.status, cleared.out) == (0, f"{home}: {size + 2} bytes removed\n")
    assert [p.name for p in home.iterdir()] == ["mine"]
    assert run_vmsc("cache", "--clear", XDG_CACHE_HOME=str(home.parent)).status == 0


def test_the_command_says_why_there_is_no_cache(home: Path) -> None:
    put("a")
    home.chmod(0o777)
    for options in ((), ("--clear",)):
        done = run_vmsc("cache", *options, XDG_CACHE_HOME=str(home.parent))
        assert done.status == 1 and f"no cache: others may write to '{home}'" in done.err
    assert kept_file(home)
