"""vmsc encode"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmsc.cli.exit import echo
from vmsc.cli.input import (
    Input,
    all_taken,
    library_of,
    output_option,
    read_input,
    refuse,
    save,
    sources_options,
)

if TYPE_CHECKING:
    from vmsc.inspect.json_document import SideFile
    from vmsc.runtime.codec import Buffer

__all__ = ["command"]


def _room(path: Path | None) -> SideFile:
    from vmsc.inspect.json_document import SideFile
    from vmsc.runtime.errors import EncodeError

    if path is None:
        return SideFile()
    data = memoryview(read_input(str(path)))

    def read(offset: int, length: int) -> Buffer:
        if not 0 <= offset <= offset + length <= len(data):
            message = f"bytes {offset} to {offset + length} of a side file of {len(data)}"
            raise EncodeError(message, code="ram")
        return data[offset : offset + length]

    return SideFile(read=read)


@click.command("encode")
@click.argument("file", metavar="JSON")
@output_option
@click.option("--ram-from", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="The side file that `decode --ram-to` wrote.")  # fmt: skip
@sources_options
def command(file: str, output: Path, ram_from: Path | None, **options: Any) -> None:
    """Write the stream that JSON says (- is standard input).

    The inverse of decode: byte-identical if nothing was edited. JSON has the parameters that it was
    decoded with; those that are given here count before them.
    """
    from vmsc.inspect.json_document import from_document
    from vmsc.inspect.parameters import open_parameters
    from vmsc.stream.writer import write_stream

    text = read_input(file)
    given = Input(file, **options)
    library = library_of(given)
    with refuse(file):
        answers = open_parameters(None, library, given.params, given.machine, given.target)
        events = from_document(text, library, _room(ram_from), answers)
        size = save(output, all_taken(write_stream(events), given, answers))
    echo(f"{output}: {size} bytes")
