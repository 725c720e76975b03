"""How a run ends: what the user can mend exits 1; usage, or a fault of vmsc or a plugin, exits 2.

No tracebacks, but: VMSC_TRACEBACK=1 shows the traceback of a fault of vmsc, for a report of it.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import click

__all__ = ["Stop", "guarded", "leave_in_order", "plain", "stop"]

GOOD, WRONG, USAGE = 0, 1, 2


class Stop(Exception):
    """End the run with this status; the message was said, or is `message`."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def stop(message: str, status: int = WRONG) -> NoReturn:
    """End the run with one error message."""
    raise Stop(status, message)


def plain(text: str) -> str:
    """One line that a terminal shows and does not obey: names come from the input, and what of
    them cannot be printed is escaped.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _say(message: str) -> None:
    click.echo(f"vmsc: {message}", err=True)


def _known(fault: Exception) -> tuple[int, str] | None:
    """The status and message of an error that a user can mend."""
    from vmsc.host import PluginError
    from vmsc.output import OutputError

    match fault:
        case Stop(status=status, message=message):
            return status, message
        case click.UsageError():
            context = f"{fault.ctx.get_usage()}\n" if fault.ctx else ""
            return USAGE, f"{context}error: {fault.format_message()}"
        case click.ClickException():
            return USAGE, f"error: {fault.format_message()}"
        case FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
            return USAGE, f"error: {fault.filename}: {fault.strerror or 'no such file or folder'}"
        case PluginError() | OutputError():
            return USAGE, f"error: {fault}"
        case OSError():
            where = f"{fault.filename}: " if fault.filename else ""
            return USAGE, f"error: {where}{fault.strerror or fault}"
        case _:
            return None


def leave_in_order() -> None:
    """Let a run that is terminated or loses its terminal end as one that is interrupted does: what
    it has half written is removed.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda got, _: sys.exit(128 + got))


def guarded(run: Callable[[], Any]) -> int:
    """Run, and turn whatever comes out into an exit status."""
    try:
        result = run()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return 130
    except BrokenPipeError:
        # The reader of our output is gone: nobody to tell, and not our fault.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except Exception as fault:
        known = _known(fault)
        if known is not None:
            status, message = known
            if message:
                _say(message)
            return status
        if os.environ.get("VMSC_TRACEBACK"):
            traceback.print_exc()
        _say(f"error: a fault of vmsc: {type(fault).__name__}: {fault} (VMSC_TRACEBACK=1: where)")
        return USAGE
    return result if isinstance(result, int) else GOOD
