"""vmsc decode"""

from __future__ import annotations

import fnmatch
import itertools
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from vmsc.cli.exit import leave_in_order, stop
from vmsc.cli.input import (
    ROOM,
    Input,
    file_argument,
    name_of,
    opened,
    reading_options,
    refuse,
    report_gaps,
)
from vmsc.plain_text import json_text

if TYPE_CHECKING:
    from vmsc.inspect.entry import Entry
    from vmsc.inspect.json_document import SideFile
    from vmsc.runtime.codec import Buffer

__all__ = ["command"]


@contextmanager
def _room(path: Path | None) -> Iterator[SideFile]:
    """The side file, written beside and renamed."""
    from vmsc.files import beside
    from vmsc.inspect.json_document import SideFile

    if path is None:
        yield SideFile()
        return
    leave_in_order()
    with beside(path, private=True) as handle:

        def write(data: Buffer) -> int:
            handle.write(data)
            return len(data)

        yield SideFile(write=write)


def _fitting(entry: Entry, globs: tuple[str, ...]) -> set[str]:
    """Those of the patterns that fit the entry's name, with or without the device's path."""
    from vmsc.stream.events import Pages, Section

    event = entry.event
    if not isinstance(event, Section | Pages):
        return set()
    names = (event.name, event.name.rsplit("/", 1)[-1])
    return {glob for glob in globs if any(fnmatch.fnmatchcase(name, glob) for name in names)}


@click.command("decode")
@file_argument
@click.option("--section", "globs", multiple=True, metavar="GLOB",
              help="Only sections whose name fits, with or without the device's path.")  # fmt: skip
@click.option("--ram-to", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write RAM's bytes there, and only their place to the JSON.")  # fmt: skip
@reading_options
def command(file: str, globs: tuple[str, ...], ram_to: Path | None, **options: Any) -> None:
    """Write FILE's device state as JSON to standard output.

    64-bit integers are strings, bytes are hex; docs/decode.schema.json describes the form.
    `vmsc encode` is the inverse.
    """
    given = Input(file, **options)
    with refuse(file):
        # Nothing is written before the input, its schemas and its parameters are there.
        entries = opened(given, room=None if ram_to is None else ROOM)
        head = list(itertools.islice(entries, 1))
        with _room(ram_to) as room:
            useless = _write(sys.stdout.buffer, itertools.chain(head, entries), globs, room)
    report_gaps(given)
    if useless:
        shown = ", ".join(f"'{glob}'" for glob in useless)
        source = name_of(file)
        stop(f"{source}: error: no section fits {shown} (`vmsc info {file}` lists their names)")


def _write(
    out: IO[bytes], entries: Iterable[Entry], globs: tuple[str, ...], room: SideFile
) -> list[str]:
    """The document, a part at a time; one that an error cuts short says so and is still JSON.
    Returns those of the patterns that no section fits.
    """
    import msgspec

    from vmsc.inspect.json_document import to_part
    from vmsc.inspect.json_parts import FORMAT

    head = f'{{"vmsc-stream": {FORMAT}, ' + ('"partial": true, ' if globs else "") + '"parts": ['
    out.write(head.encode())
    between = b"\n"
    useful: set[str] = set()
    try:
        for entry in entries:
            fitting = _fitting(entry, globs)
            useful |= fitting
            if fitting or not globs:
                if (part := to_part(entry, room)) is None:
                    continue
                text = json_text(msgspec.json.encode(part))
                out.write(between + msgspec.json.format(text, indent=1))
                between = b",\n"
    except Exception:
        out.write(b'\n], "incomplete": true}\n')
        out.flush()
        raise
    out.write(b"\n]}\n")
    return [glob for glob in globs if glob not in useful]
