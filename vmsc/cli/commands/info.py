"""vmsc info"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from vmsc.cli.exit import echo
from vmsc.cli.input import (
    ROOM,
    Input,
    beginning,
    file_argument,
    opened,
    pieces,
    reading_options,
    refuse,
    report_gaps,
)
from vmsc.plain_text import one_line
from vmsc.stream.events import MAGIC, RAM, Pages

if TYPE_CHECKING:
    from vmsc.inspect.entry import Entry

__all__ = ["command"]

_COLUMNS = ("offset", "length", "kind", "id", "name", "inst", "vers", "class")


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
                "class": entry.size_class,
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


def _row(facts: dict[str, Any], counted: bool) -> list[str]:
    name = facts.get("name") or facts.get("command") or facts.get("message") or ""
    shown = [facts["offset"], facts.get("length", ""), facts["kind"], facts.get("id", ""), name]
    shown += [facts.get("instance", ""), facts.get("version", "")]
    shown += [facts.get("class", ""), *([facts.get("fields", "")] if counted else [])]
    return [one_line(str(cell)) for cell in shown]


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = {"offset", "length", "id", "inst", "vers", "fields", "number"}
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for cell, width, column in zip(row, widths, rows[0], strict=True)
        ]
        echo("  ".join(cells).rstrip())


def _fields(entry: Entry) -> int | None:
    from vmsc.inspect.values import count_fields
    from vmsc.stream.events import Section

    event = entry.event
    if not isinstance(event, Section) or entry.codec is None or event.name == RAM:
        return None
    return count_fields(entry.value())


def _summary(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


@click.command("info")
@file_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--fields", "counted", is_flag=True, help="How many fields each section has, too.")
@reading_options
def command(file: str, as_json: bool, counted: bool, **options: Any) -> None:
    """List what FILE holds (a QEMU stream or a framed checkpoint; - is standard input).

    One line for each section: where it begins, its payload's length, kind, id, name, instance,
    version, and how its length is known. Below them, for a framed checkpoint, the frames by kind.
    A FILE that ends early or goes wrong is shown as far as it is good.
    """
    from vmsc.inspect.file_reader import is_framed

    given = Input(file, **options)
    start = beginning(given)
    framed = is_framed(start)
    if not framed and start != MAGIC and _aside(given, start, as_json):
        return
    rows = [[*_COLUMNS, "fields"] if counted else [*_COLUMNS]]
    frames: dict[str, int] = {}
    try:
        with refuse(file):
            for entry in opened(given, deep=counted, room=ROOM):
                if isinstance(entry.event, Pages):
                    continue
                facts = _facts(entry)
                if counted and (fields := _fields(entry)) is not None:
                    facts["fields"] = fields
                if as_json:
                    echo(json.dumps(facts))
                    continue
                rows.append(_row(facts, counted))
                if framed:
                    frames[_frame_kind(entry)] = frames.get(_frame_kind(entry), 0) + 1
    finally:
        if not as_json and len(rows) > 1:
            _print_table(rows)
    if frames and not as_json:
        echo(f"a framed checkpoint; frames: {_summary(frames)}")
    report_gaps(given)


def _aside(given: Input, start: bytes, as_json: bool) -> bool:
    """List what is no stream and goes along with one: answers, or a multifd channel."""
    from vmsc.stream.multifd import is_channel
    from vmsc.stream.return_path import looks_like_answers

    rows: list[list[Any]] = [["offset", "length", "kind", "number", "name"]]
    try:
        with refuse(given.file):
            if looks_like_answers(start):
                rows.extend(_answers(pieces(given)))
            elif is_channel(start):
                rows.extend(_packets(pieces(given)))
            else:
                return False
    finally:
        if as_json:
            for row in rows[1:]:
                echo(json.dumps(dict(zip(rows[0], row, strict=True))))
        elif len(rows) > 1:
            _print_table([[one_line(str(cell)) for cell in row] for row in rows])
    return True


def _answers(data: Iterator[bytes]) -> Iterator[list[Any]]:
    from vmsc.stream.return_path import AnswerReader

    reader = AnswerReader()
    for piece in data:
        for one in reader.feed(piece):
            yield [one.offset, one.size, "answer", one.number, one.name]
    reader.close()


def _packets(data: Iterator[bytes]) -> Iterator[list[Any]]:
    from vmsc.stream.multifd import ChannelReader

    reader = ChannelReader()
    for piece in data:
        for one in reader.feed(piece):
            kind = "sync" if one.sync else "packet"
            yield [one.offset, one.size, kind, one.number, one.block]
    reader.close()


def _frame_kind(entry: Entry) -> str:
    from vmsc.runtime.framed.frame import Kind
    from vmsc.stream.frames import frame_of

    if entry.framed:
        return "section"
    return Kind(frame_of(entry.event).kind).name.lower()
