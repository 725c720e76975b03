"""What the reading commands share: their options, and the way from FILE to entries."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vmsc.cli.faults import USAGE, WRONG, stop
from vmsc.cli.options import plugin_option, schemas_option

if TYPE_CHECKING:
    from vmsc.library import Library
    from vmsc.opened import Entry
    from vmsc.runtime.codec import Buffer

__all__ = [
    "Input", "file_argument", "library_of", "opened", "output_option", "read_input",
    "reading_options", "refuse", "save",
]  # fmt: skip

_F = TypeVar("_F", bound=Callable[..., Any])

file_argument: Callable[[_F], _F] = click.argument("file", metavar="FILE")
output_option: Callable[[_F], _F] = click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE", help="Where it is written: beside first, then renamed.",
)  # fmt: skip

_param_option = click.option(
    "--param", "params", multiple=True, metavar="[SECTION-GLOB:]NAME=VALUE",
    help="A parameter's value, for all sections or for those whose name fits.",
)  # fmt: skip
_machine_option = click.option(
    "--machine", type=click.Path(dir_okay=False, exists=True, path_type=Path), metavar="FILE",
    help="Parameters by section, as `vmsc import stream --machine` writes them.",
)  # fmt: skip


@dataclass(frozen=True)
class Input:
    """FILE, and what the options say about reading it."""

    file: str
    schemas: tuple[Path, ...]
    plugins: tuple[str, ...]
    params: tuple[str, ...]
    machine: Path | None


def reading_options(function: _F) -> _F:
    """-s, -p, --param and --machine."""
    for option in (_machine_option, _param_option, plugin_option, schemas_option):
        function = option(function)
    return function


def read_input(file: str) -> Buffer:
    """All bytes of FILE, mapped where that can be."""
    if file == "-":
        return sys.stdin.buffer.read()
    with Path(file).open("rb") as handle:
        try:
            return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError:  # an empty file
            return b""
        except OSError:  # a pipe or a device
            return handle.read()


def library_of(given: Input) -> Library:
    """The codecs for this run."""
    from vmsc.library import LibraryError, open_library

    try:
        return open_library(given.schemas, given.plugins)
    except LibraryError as fault:
        stop(f"error: the schemas have errors\n{fault.text}")


@contextmanager
def refuse(file: str) -> Iterator[None]:
    """Turn what is wrong with the input into one message that names the file."""
    from vmsc.machine import MachineError
    from vmsc.runtime.errors import CodecError

    try:
        yield
    except MachineError as fault:
        stop(f"error: {fault}")
    except CodecError as fault:
        name = "standard input" if file == "-" else file
        stop(f"{name}: error: {fault} [{fault.code}]", USAGE if fault.code == "plugin" else WRONG)


def opened(given: Input, *, deep: bool = True, data: Buffer | None = None) -> Iterator[Entry]:
    """The entries of FILE (`data`, if it was read already), as they are found.

    To be called, and its result used, within `refuse`.
    """
    from vmsc.answers import open_answers
    from vmsc.opened import entries, is_framed

    if data is None:
        data = read_input(given.file)
    library = library_of(given)
    answers = open_answers(data, library, given.params, given.machine)
    yield from entries(data, library, answers, deep=deep)
    if not is_framed(data) and (untaken := answers.untaken()):
        stop(f"error: --param {untaken[0]}: no section of {given.file} has such a parameter")


def save(path: Path, pieces: Iterator[Buffer]) -> int:
    """Write a file whole or not at all; its size."""
    from vmsc.output import write_pieces

    return write_pieces(path, pieces)
