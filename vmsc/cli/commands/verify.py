"""vmsc verify"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vmsc.cli.exit import echo
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

if TYPE_CHECKING:
    from vmsc.inspect.entry import Entry
    from vmsc.stream.events import Description

__all__ = ["command"]


def _verify(entry: Entry) -> bool:
    """Decode a section to its end, and hold what is written of it against it; False if no
    description covers it.
    """
    from vmsc.inspect.entry import located
    from vmsc.runtime.errors import DecodeError
    from vmsc.stream.events import Pages, Section

    event, codec = entry.event, entry.codec
    assert isinstance(event, Section | Pages)
    if codec is None:
        return False
    profile = codec.framed if entry.framed else codec.qemu
    again = profile.encode(entry.value(), version=event.version, **entry.params)
    if again != entry.data:
        differing = zip(again, bytes(entry.data), strict=False)
        at = next((i for i, (a, b) in enumerate(differing) if a != b), 0)
        raise located(DecodeError("decoded and encoded, this byte differs", offset=at), event)
    return True


def _readable(description: Description) -> None:
    """Refuse a JSON description that cannot be read: QEMU passes over it, its reader does not."""
    from vmsc.runtime.errors import DecodeError
    from vmsc.stream.vmdesc import VmdescError, read_vmdesc

    start = description.offset + 5  # after the mark and the length
    try:
        description.json.decode()
        read_vmdesc(description.json)
    except UnicodeDecodeError as fault:
        message = (
            f"the description is not UTF-8: {fault.reason}, found {fault.object[fault.start]:#x}"
        )
        raise DecodeError(message, offset=start + fault.start, code="bad-description") from None
    except VmdescError as fault:
        raise DecodeError(str(fault), offset=start, code="bad-description") from None


@click.command("verify")
@file_argument
@reading_options
def command(file: str, **options: Any) -> None:
    """Decode every section of FILE to its end, check every law, and encode it again; say what
    and where if it fails.
    """
    from vmsc.stream.events import Description, Pages, Section

    good, opaque, size = 0, 0, 0
    given = Input(file, **options)
    with refuse(file):
        for entry in opened(given, room=ROOM):
            if isinstance(entry.event, Pages):
                _verify(entry)
            elif isinstance(entry.event, Section):
                proven = _verify(entry)
                good += proven
                opaque += not proven
                size += entry.event.length
            elif isinstance(entry.event, Description):
                _readable(entry.event)
    report_gaps(given)
    tail = f"; {opaque} opaque" if opaque else ""
    echo(f"{name_of(file)}: good: {good} sections, {size} bytes decoded and encoded alike{tail}")
