"""How a run ends: what the user can mend exits 1; usage, or a fault of vmsc or a plugin, exits 2.

No tracebacks, but: VMSC_TRACEBACK=1 shows that of a fault of vmsc or of a plugin, to report it.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import click

from vmsc.plain_text import lines, one_line

__all__ = ["Stop", "echo", "guarded", "leave_in_order", "stop"]

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


def echo(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Print: the way of all of vmsc to a terminal, which obeys nothing of it."""
    click.echo(lines(text) + end, err=err, nl=False)


def _say(message: str) -> None:
    echo(f"vmsc: {message}", err=True)


def _trace() -> None:
    """The traceback of the fault at hand, where it was asked for."""
    if os.environ.get("VMSC_TRACEBACK"):
        traceback.print_exc()


def _is_plugins(fault: Exception) -> bool:
    from vmsc.hooks.host import PluginError

    return isinstance(fault, PluginError)


def _sentence(text: str) -> str:
    """A message of click's in the form of ours: "No such option '-x'." -> "no such option '-x'"."""
    return text[:1].lower() + text[1:].removesuffix(".")


def _file(fault: OSError) -> str:
    """The file that an error of the system is about, for in front of what is wrong with it."""
    return f"{one_line(str(fault.filename))}: " if fault.filename else ""


def _known(fault: Exception) -> tuple[int, str] | None:
    """The status and message of an error that a user can mend."""
    from vmsc.compiler.artifacts import OutputError
    from vmsc.hooks.host import PluginError

    match fault:
        case Stop(status=status, message=message):
            return status, message
        case click.UsageError():
            return USAGE, f"error: {one_line(_sentence(fault.format_message()))}"
        case click.ClickException():
            return USAGE, f"error: {fault.format_message()}"
        case FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
            return USAGE, f"error: {_file(fault)}{fault.strerror or 'no such file or folder'}"
        case PluginError() | OutputError():
            return USAGE, f"error: {fault}"
        case OSError():
            return USAGE, f"error: {_file(fault)}{fault.strerror or fault}"
        case _:
            return None


def leave_in_order() -> None:
    """Let a run that is terminated or loses its terminal end as one that is interrupted does: what
    it has half written is removed.
    """
    import signal

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda got, _: sys.exit(128 + got))


def _open_standard_streams() -> None:
    """A standard stream that is closed becomes the null device: else the next file to be opened
    would take its number, and what is printed would end up in there.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def guarded(run: Callable[[], Any]) -> int:
    """Run, and turn whatever comes out into an exit status."""
    _open_standard_streams()
    try:
        result = run()
        sys.stdout.flush()  # what cannot be written is to be known here, and not at the very end
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.exceptions.NoArgsIsHelpError as fault:
        echo(fault.format_message(), err=True)
        return USAGE
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
            if isinstance(fault, click.UsageError) and fault.ctx:
                echo(fault.ctx.get_usage(), err=True)
            if _is_plugins(fault):
                _trace()
            if message:
                _say(message)
            return status
        _trace()
        _say(f"error: a fault of vmsc: {type(fault).__name__}: {fault} (VMSC_TRACEBACK=1: where)")
        return USAGE
    return result if isinstance(result, int) else GOOD
