"""vmsc frame"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vmsc.cli.exit import echo
from vmsc.cli.input import (
    Input,
    file_argument,
    opened,
    output_option,
    reading_options,
    refuse,
    report_gaps,
    save,
)

__all__ = ["command"]


@click.command("frame")
@file_argument
@output_option
@reading_options
def command(file: str, output: Path, **options: Any) -> None:
    """Write FILE as one framed checkpoint (docs/framed-format.md): every length known, every
    byte proven.
    """
    from vmsc.inspect.framed_writer import framed
    from vmsc.stream.events import Section

    with refuse(file):
        given = Input(file, **options)
        entries = list(opened(given))
        report_gaps(given)
        size = save(output, framed(entries))
    sections = sum(isinstance(e.event, Section) for e in entries)
    opaque = sum(isinstance(e.event, Section) and e.codec is None for e in entries)
    tail = f", {opaque} of them opaque" if opaque else ""
    echo(f"{output}: {size} bytes, {sections} sections{tail}")
