"""Many sections: each is bound in the same time, however many came before it."""

from __future__ import annotations

import time

import pytest

from vmsc.compiler.library import Library, open_library
from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters

SCHEMA = """
param holder: one of "port" under "example-port", "none" under "*"
device "plain" { a: u8 }
device "placed" {
    a: u8
    b: u8 when holder == "port"
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("many")
    (folder / "many.vmsd").write_text(SCHEMA)
    return open_library([folder])


def section(id_: int, name: str, instance: int) -> bytes:
    """A whole section of version 1 with one byte."""
    head = id_.to_bytes(4) + bytes([len(name)]) + name.encode() + instance.to_bytes(4)
    return b"\4" + head + b"\0\0\0\1" + b"a" + b"\x7e" + id_.to_bytes(4)


def stream(name: str, instances: list[int]) -> bytes:
    """Sections of this name under ids of their own, after one that they may be under."""
    sections = [section(1 + i, name, instance) for i, instance in enumerate(instances)]
    return b"QEVM\0\0\0\3" + section(0, "0000:00:02.0/plain", 0) + b"".join(sections) + b"\0"


def seconds(data: bytes, library: Library, count: int) -> float:
    """The processor time that it takes to read the stream, the best of three."""

    def once() -> float:
        start = time.process_time()
        found = sum(1 for _ in entries(data, library, open_parameters(data, library)))
        assert found == count + 3
        return time.process_time() - start

    return min(once() for _ in range(3))


@pytest.mark.parametrize("name", ["plain", "0000:00:02.0/0:1/placed"])
@pytest.mark.parametrize("own", [False, True], ids=["one instance", "own instances"])
def test_eight_times_the_sections_take_no_more_than_twice_eight_times_as_long(
    library: Library, name: str, own: bool
) -> None:
    few, many = 1000, 8000
    small, large = (stream(name, [i if own else 0 for i in range(n)]) for n in (few, many))
    assert seconds(large, library, many) < 16 * seconds(small, library, few)
