"""Journal: what the guard does, as events with names and fields, in JSON lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any

import msgspec

from vmsc.plain_text import json_text

__all__ = ["Tell", "json_lines"]

Tell = Callable[..., None]
"""tell(event, **fields)"""


def json_lines(out: IO[str], lost: Callable[[str], None]) -> Tell:
    """Write each event as a line: time (UTC), event, its fields. An output that fails must not end
    what is told of: `lost` gets why, once, and what can be written later is.
    """
    failed = False

    def tell(event: str, **fields: Any) -> None:
        nonlocal failed
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = msgspec.json.encode(_plain({"time": time, "event": event, **fields}))
        try:
            out.write(json_text(line).decode() + "\n")
            out.flush()
        except OSError as fault:
            if not failed:
                lost(f"events are lost: {fault.strerror}")
            failed = True

    return tell


def _plain(value: Any) -> Any:
    """The value with its texts fit for UTF-8: a name that a primary says may be any bytes."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value
