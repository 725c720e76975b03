"""The device-state files of tests/data, and streams made of them, opened with vmsc's own rooms."""

from __future__ import annotations

import lzma
from functools import cache
from pathlib import Path

from vmsc.compiler.library import Library, open_library
from vmsc.inspect.file_reader import Entry, ParameterSource, entries
from vmsc.inspect.framed_writer import framed, unframed
from vmsc.inspect.parameters import open_parameters
from vmsc.stream.writer import write_stream

__all__ = ["DATA", "MACHINES", "answers", "frame", "library", "opened", "state", "unframe"]

DATA = Path(__file__).parents[1] / "data"
MACHINES = tuple(sorted(p.name.removesuffix(".state.xz") for p in DATA.glob("*.state.xz")))


@cache
def library() -> Library:
    return open_library()


@cache
def state(name: str) -> bytes:
    """What xen-save-devices-state wrote for this machine."""
    return lzma.decompress((DATA / f"{name}.state.xz").read_bytes())


@cache
def answers(name: str) -> ParameterSource:
    """The machine file's parameters."""
    return open_parameters(b"", library(), (), DATA / f"{name}.machine.json")


def opened(data: bytes, known: ParameterSource) -> list[Entry]:
    return list(entries(data, library(), known))


def frame(data: bytes, known: ParameterSource) -> bytes:
    return b"".join(framed(opened(data, known)))


def unframe(data: bytes, known: ParameterSource) -> bytes:
    return b"".join(write_stream(unframed(opened(data, known))))
