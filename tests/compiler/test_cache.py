"""The cache forgets what is old, and never what someone has open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vmsc.compiler.cache import Index, cached, store
from vmsc.schema import ir


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "vmsc"


def put(home: Path, digest: str, age: int) -> None:
    store(digest, Index({}, {}), {"codec.py": ""}, ir.Schema((), {}))
    index = home / digest / "index.json"
    os.utime(index, (index.stat().st_atime - age, index.stat().st_mtime - age))


def test_old_folders_are_forgotten_and_those_in_use_are_not(home: Path) -> None:
    put(home, "opened", age=1000)
    put(home, "left", age=900)
    assert cached("opened") is not None
    for number in range(10):
        put(home, f"newer{number}", age=500 - number)
    assert (home / "opened" / "codecs_opened" / "codec.py").is_file()
    assert not (home / "left").exists()
    assert cached("left") is None
    assert cached("newer9") is not None
    assert 8 <= len(list(home.iterdir())) <= 9


def test_an_index_that_is_no_index_counts_as_none(home: Path) -> None:
    put(home, "spoiled", age=0)
    (home / "spoiled" / "index.json").write_bytes(b'{"devices": 7')
    assert cached("spoiled") is None
    put(home, "spoiled", age=0)
    assert cached("spoiled") is not None


def test_who_comes_second_leaves_what_is_there(home: Path) -> None:
    put(home, "same", age=0)
    before = (home / "same" / "codecs_same" / "codec.py").stat().st_ino
    put(home, "same", age=0)
    assert (home / "same" / "codecs_same" / "codec.py").stat().st_ino == before
    assert [path.name for path in home.iterdir()] == ["same"]
