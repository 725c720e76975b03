"""What the reading commands share: their options, and the way from FILE to entries."""

from __future__ import annotations

import io
import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from vmsc.cli.exit import USAGE, WRONG, echo, leave_in_order, stop
from vmsc.cli.options import plugin_option, schemas_option
from vmsc.cli.progress import watched
from vmsc.plain_text import one_line

if TYPE_CHECKING:
    from vmsc.compiler.library import Library
    from vmsc.inspect.entry import Entry
    from vmsc.inspect.parameters import StreamParameters
    from vmsc.runtime.codec import Buffer

__all__ = [
    "ROOM", "Input", "all_taken", "beginning", "file_argument", "hold_option", "library_of",
    "name_of", "opened",
    "output_option", "pieces", "read_input", "reading_options", "refuse", "report_gaps", "save",
    "sources_options",
]  # fmt: skip

ROOM = 1 << 20  # bytes of RAM that are looked at together
_PIECE = 1 << 18
_START = 4  # bytes that say what a file is

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")

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


_target_option = click.option(
    "--target", default="", metavar="NAME",
    help="QEMU's target, as x86_64, where neither machine type nor version tells.",
)  # fmt: skip
_resync_option = click.option(
    "--resync", is_flag=True,
    help="Where FILE cannot be read, go on at the next footer or section header, and say so.",
)  # fmt: skip
hold_option = click.option(
    "--hold", type=click.IntRange(0), default=64 << 20, metavar="BYTES", show_default=True,
    help="Of a pipe, hold so much until its JSON description tells the parameters.",
)  # fmt: skip


@dataclass
class Input:
    """FILE, and what the options say about reading it. `begun`: what was taken of standard input
    to see what it is; `gaps`: what could not be read, where that does not end the run.
    """

    file: str
    schemas: tuple[Path, ...]
    plugins: tuple[str, ...]
    params: tuple[str, ...] = ()
    machine: Path | None = None
    target: str = ""
    resync: bool = False
    hold: int = 64 << 20
    begun: bytes = b""
    gaps: list[str] = field(default_factory=list)


def sources_options(function: _F) -> _F:
    """-s, -p, --param, --machine and --target: where schemas and parameters come from."""
    options = (
        _target_option,
        _machine_option,
        _param_option,
        plugin_option,
        schemas_option,
    )
    for option in options:
        function = option(function)
    return function


def reading_options(function: _F) -> _F:
    """Those of `sources_options`, and --hold and --resync: what every reader of a stream takes."""
    return sources_options(hold_option(_resync_option(function)))


def read_input(file: str) -> Buffer:
    """All bytes of FILE, mapped where that can be; a pipe's go to a file without a name first."""
    if file == "-":
        return _spooled(sys.stdin.buffer)
    with Path(file).open("rb") as handle:
        return _mapped(handle)


def _mapped(handle: IO[bytes]) -> Buffer:
    try:
        return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:  # an empty file
        return b""
    except OSError:  # a pipe or a device
        return _spooled(handle)


def _spooled(handle: IO[bytes]) -> Buffer:
    import shutil
    import tempfile

    with tempfile.TemporaryFile() as room:
        shutil.copyfileobj(handle, room, _PIECE)
        room.flush()
        return _mapped(room) if room.tell() else b""


def library_of(given: Input) -> Library:
    """The codecs for this run."""
    from vmsc.compiler.library import LibraryError, open_library

    try:
        return open_library(given.schemas, given.plugins, _tell_unkept)
    except LibraryError as fault:
        stop(f"error: the schemas have errors\n{fault.text}")


def _tell_unkept(reason: str) -> None:
    """On a terminal, why compiling takes its seconds each time."""
    if sys.stderr.isatty():
        echo(f"vmsc: note: the codecs cannot be kept: {one_line(reason)}", err=True)


@contextmanager
def refuse(file: str) -> Iterator[None]:
    """Turn what is wrong with the input into one message that names the file."""
    from vmsc.params.machine_file import MachineError
    from vmsc.runtime.errors import CodecError

    try:
        yield
    except MachineError as fault:
        stop(f"error: {one_line(str(fault))}")
    except CodecError as fault:
        status = USAGE if fault.code == "plugin" else WRONG
        stop(f"{name_of(file)}: error: {one_line(str(fault))} [{fault.code}]", status)


def opened(
    given: Input, *, deep: bool = True, data: Buffer | None = None, room: int | None = None
) -> Iterator[Entry]:
    """The entries of FILE (`data`, if it was read already), as they are found.

    `room`: RAM may come in pieces of about so many bytes; then a pipe is read as it comes.
    To be called, and its result used, within `refuse`.
    """
    from vmsc.inspect.file_reader import is_framed

    piped = given.file == "-" and not given.resync
    if piped and data is None and room is not None and not is_framed(beginning(given)):
        return _arriving(given, deep, room)
    if data is None and given.begun:
        data = given.begun + sys.stdin.buffer.read()
    return _whole(given, read_input(given.file) if data is None else data, deep, room)


def beginning(given: Input) -> bytes:
    """The bytes that say what FILE is: a stream, a checkpoint, or something else."""
    if given.file != "-":
        with Path(given.file).open("rb") as handle:
            return handle.read(_START)
    given.begun = given.begun or sys.stdin.buffer.read(_START)
    return given.begun


def pieces(given: Input) -> Iterator[bytes]:
    """The bytes of FILE as they come, none empty."""
    if given.file == "-":
        if start := beginning(given):
            yield start
        yield from iter(_next_piece, b"")
        return
    with Path(given.file).open("rb") as handle:
        yield from iter(lambda: handle.read(_PIECE), b"")


def _whole(given: Input, data: Buffer, deep: bool, room: int | None) -> Iterator[Entry]:
    from vmsc.inspect.file_reader import entries, is_framed
    from vmsc.inspect.parameters import open_parameters

    library = library_of(given)
    answers = open_parameters(data, library, given.params, given.machine, given.target)
    if given.resync and not is_framed(data):
        from vmsc.inspect.damaged_reader import resynced

        found = resynced(data, library, answers, given.gaps)
    else:
        found = entries(data, library, answers, deep=deep, room=room)
    found = watched(found, len(data))
    yield from found if is_framed(data) else all_taken(found, given, answers)


def _next_piece() -> bytes:
    """What standard input has now, at most a piece; empty at its end."""
    source = sys.stdin.buffer
    return source.read1(_PIECE) if isinstance(source, io.BufferedReader) else source.read(_PIECE)


def _arriving(given: Input, deep: bool, room: int) -> Iterator[Entry]:
    from vmsc.inspect.parameters import open_parameters
    from vmsc.inspect.pipe_reader import arriving

    library = library_of(given)
    answers = open_parameters(None, library, given.params, given.machine, given.target)
    found = arriving(pieces(given), answers, hold=given.hold, deep=deep, room=room)
    yield from all_taken(watched(found, None), given, answers)


def all_taken(found: Iterator[_T], given: Input, answers: StreamParameters) -> Iterator[_T]:
    """What was found; at its end, a --param that nothing had a use for is refused. What was solved
    on the way is kept for the next run, whatever the end.
    """
    try:
        yield from found
    finally:
        answers.keep()
    if untaken := answers.untaken():
        what = f"no section of {name_of(given.file)} has such a parameter"
        stop(f"error: --param {untaken[0]}: {what}")


def report_gaps(given: Input) -> None:
    """End the run, if something could not be read and was passed over."""
    if given.gaps:
        stop("\n".join(f"{name_of(given.file)}: error: {one_line(gap)}" for gap in given.gaps))


def name_of(file: str) -> str:
    return "standard input" if file == "-" else one_line(file)


def save(path: Path, pieces: Iterator[Buffer]) -> int:
    """Write a stream or a checkpoint, whole or not at all; its size."""
    from vmsc.files import write_pieces

    leave_in_order()
    return write_pieces(path, pieces, private=True)
