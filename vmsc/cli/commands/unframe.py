"""vmsc unframe"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vmsc.cli.exit import echo, stop
from vmsc.cli.input import (
    Input,
    file_argument,
    opened,
    output_option,
    read_input,
    reading_options,
    refuse,
    save,
)

__all__ = ["command"]


@click.command("unframe")
@file_argument
@output_option
@reading_options
def command(file: str, output: Path, **options: Any) -> None:
    """Write the stream that a framed checkpoint was made of, the same to the last byte."""
    from vmsc.inspect.file_reader import is_framed
    from vmsc.inspect.framed_writer import unframed
    from vmsc.stream.writer import write_stream

    data = read_input(file)
    if not is_framed(data):
        stop(f"{file}: error: not a framed checkpoint (`vmsc frame` makes one)")
    with refuse(file):
        entries = opened(Input(file, **options), data=data)
        size = save(output, write_stream(unframed(entries)))
    echo(f"{output}: {size} bytes")
