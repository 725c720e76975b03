"""vmsc info"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from vmsc.cli.reading import Input, file_argument, opened, reading_options, refuse

if TYPE_CHECKING:
    from vmsc.opened import Entry

__all__ = ["command"]

_COLUMNS = ("offset", "length", "kind", "id", "name", "inst", "vers", "fields", "class")


def _facts(entry: Entry) -> dict[str, Any]:
    """One entry as `info --json` shows it."""
    from vmsc.stream.events import Command, FileHeader, Message, Section

    event = entry.event
    kind = "header" if isinstance(event, FileHeader) else type(event).__name__.lower()
    facts: dict[str, Any] = {"offset": event.offset, "kind": kind}
    match event:
        case Section():
            facts |= {
                "kind": event.kind.name.lower(), "id": event.id, "name": event.name,
                "instance": event.instance, "version": event.version,
                "payload": event.payload, "length": event.length,
                "class": entry.codec.size if entry.codec else "opaque",
            }  # fmt: skip
        case Command():
            facts |= {"kind": "command", "command": event.name, "length": len(event.data)}
        case Message():
            facts |= {"message": event.name}
        case _:
            facts |= {"length": event.size}
    if entry.framed:
        facts["framed"] = True
    return facts


def _row(facts: dict[str, Any], fields: int | None) -> list[str]:
    name = facts.get("name") or facts.get("command") or facts.get("message") or ""
    shown = [facts["offset"], facts.get("length", ""), facts["kind"], facts.get("id", ""), name]
    shown += [facts.get("instance", ""), facts.get("version", "")]
    return [*map(str, shown), "" if fields is None else str(fields), facts.get("class", "")]


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    right = {"offset", "length", "id", "inst", "vers", "fields"}
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for cell, width, column in zip(row, widths, _COLUMNS, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _fields(entry: Entry) -> int | None:
    from vmsc.opened import count_fields
    from vmsc.stream.events import Section

    event = entry.event
    if not isinstance(event, Section) or entry.codec is None or event.name == "ram":
        return None
    return count_fields(entry.value())


def _summary(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


@click.command("info")
@file_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@reading_options
def command(file: str, as_json: bool, **options: Any) -> None:
    """List what FILE holds (a QEMU stream or a framed checkpoint; - is standard input).

    One line for each section: where it begins, its payload's length, kind, id, name, instance,
    version, how many fields it has, and how its length is known. Below them, for a framed
    checkpoint, the frames by kind.
    """
    given = Input(file, **options)
    rows = [list(_COLUMNS)]
    frames: dict[str, int] = {}
    try:
        with refuse(file):
            for entry in opened(given, deep=not as_json):
                facts = _facts(entry)
                if as_json:
                    click.echo(json.dumps(facts))
                    continue
                rows.append(_row(facts, _fields(entry)))
                frames[_frame_kind(entry)] = frames.get(_frame_kind(entry), 0) + 1
    finally:
        if not as_json and len(rows) > 1:
            _print_table(rows)
    if not as_json and frames and given.file != "-":
        _print_frames(given.file, frames)


def _frame_kind(entry: Entry) -> str:
    from vmsc.runtime.frame import Kind
    from vmsc.stream.container import frame_of

    if entry.framed:
        return "section"
    return Kind(frame_of(entry.event).kind).name.lower()


def _print_frames(file: str, frames: dict[str, int]) -> None:
    from pathlib import Path

    from vmsc.opened import is_framed

    with Path(file).open("rb") as handle:
        if is_framed(handle.read(4)):
            click.echo(f"a framed checkpoint; frames: {_summary(frames)}")
