"""vmsc guard"""

from __future__ import annotations

import ipaddress
import math
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from vmsc.cli.exit import USAGE, echo, stop
from vmsc.cli.input import Input, hold_option, library_of, sources_options
from vmsc.plain_text import one_line

if TYPE_CHECKING:
    from vmsc.guard.colo.session import Checks
    from vmsc.guard.config import Options

__all__ = ["command"]

Address = tuple[str, int]

_FILE = click.Path(dir_okay=False, path_type=Path)


def _address(value: str) -> Address:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"'{value}' is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


_OPTIONS = (
    click.option(
        "--listen", type=_address, metavar="HOST:PORT", required=True,
        help="Where the primary migrates to.",
    ),
    click.option(
        "--secondary", type=_address, metavar="HOST:PORT", required=True,
        help="Where the secondary waits.",
    ),
    click.option("--qmp", type=_FILE, metavar="PATH", help="A QMP socket of the secondary's."),
    click.option(
        "--primary-qmp", type=_FILE, metavar="PATH",
        help="One of the primary's, where it can be reached: it is told to go on alone.",
    ),
    click.option(
        "--failover", type=click.Choice(["never", "fence"]), default="never", show_default=True,
        help="When the primary is lost: report and wait, or fence it and order the failover.",
    ),
    click.option("--fence", metavar="CMD", help="Must exit 0 before a failover is ordered."),
    click.option(
        "--timeout", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True,
        metavar="SECONDS", help="How long a side may be silent that has to say something.",
    ),
    click.option(
        "--max-checkpoint", type=click.IntRange(1), default=1 << 30, show_default=True,
        metavar="BYTES", help="A larger checkpoint is refused.",
    ),
    click.option(
        "--keep", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
        help="Store the last committed checkpoints here, as framed files.",
    ),
    click.option(
        "--keep-last", type=click.IntRange(1), default=3, show_default=True, metavar="N",
        help="How many.",
    ),
    click.option(
        "--expect", type=click.Path(dir_okay=False, exists=True, path_type=Path), metavar="DUMP",
        help="The secondary's -dump-vmstate: its versions and subsections are held against.",
    ),
    click.option(
        "--secondary-log", type=_FILE, metavar="FILE",
        help="The secondary's standard error, quoted when it fails.",
    ),
    click.option(
        "--metrics", type=_address, metavar="HOST:PORT", help="Serve Prometheus metrics here."
    ),
    click.option("--insecure", is_flag=True, help="Allow --listen and --metrics off loopback."),
)  # fmt: skip


def _options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return sources_options(hold_option(function))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check(given: dict[str, Any]) -> None:
    """Usage that options alone cannot tell."""
    if math.isnan(given["timeout"]):
        raise click.UsageError("--timeout nan: seconds from 0.1 to 3600 expected")
    for name in ("listen", "metrics"):
        address = given[name]
        if address is not None and not given["insecure"] and not _loopback(address[0]):
            raise click.UsageError(
                f"--{name} {address[0]}: COLO has no authentication, so the guard listens on"
                " loopback alone; --insecure says otherwise"
            )
    if (given["failover"] == "fence") != (given["fence"] is not None):
        raise click.UsageError("--failover fence and --fence CMD go together")
    if given["failover"] == "fence" and given["qmp"] is None:
        raise click.UsageError("--failover fence orders it by QMP: give the secondary's --qmp PATH")


@click.command("guard")
@_options
def command(**given: Any) -> None:
    """Stand before a COLO secondary: take every checkpoint whole, prove it, and only then play it.

    Migrate the primary, with the capability x-colo, to --listen. Events come on standard output, a
    JSON line each; what an operator has to know on standard error.

    Exit status: 0 ended by SIGTERM or after a failover; 1 after a refusal, when the secondary is
    lost or does not load a checkpoint, or when the primary is lost before anything was protected; 2
    usage, or something is not there at the start.
    """
    _check(given)
    if sys.platform == "win32":
        stop("error: the guard does not run on Windows: COLO's QEMUs run on Linux", USAGE)
    try:
        import prometheus_client  # noqa: F401
        import qemu.qmp  # noqa: F401
    except ImportError as fault:
        stop(f"error: no {fault.name}, which the guard needs: pip install 'vmsc[guard]'", USAGE)
    import asyncio

    from vmsc.guard.qmp import MonitorError
    from vmsc.guard.server import guard

    options, end = _prepared(given)
    try:
        status = asyncio.run(guard(options))
    except MonitorError as fault:
        stop(f"error: {fault}", USAGE)
    finally:
        end()
    _leave(status)


def _leave(status: int) -> NoReturn:
    """Exit with this status, also where the events have no reader any more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _say(text: str) -> None:
    # A report that nobody can read must not end what it reports on.
    with suppress(OSError):
        echo(f"vmsc: {text}", err=True)


def _prepared(given: dict[str, Any]) -> tuple[Options, Callable[[], None]]:
    """The guard's options, and what ends the serving of metrics."""
    from vmsc.guard.colo.session import SessionLimits
    from vmsc.guard.config import Options
    from vmsc.guard.journal import json_lines
    from vmsc.guard.metrics import Metrics
    from vmsc.guard.store import Store
    from vmsc.inspect.parameters import open_parameters
    from vmsc.params.machine_file import MachineError

    source = Input("-", given["schemas"], given["plugins"], given["params"], given["machine"])
    try:
        answers = open_parameters(
            None, library_of(source), given["params"], given["machine"], given["target"]
        )
    except MachineError as fault:
        stop(f"error: {one_line(str(fault))}", USAGE)
    metrics, lines = Metrics(), json_lines(sys.stdout, _say)

    def tell(event: str, **fields: Any) -> None:
        metrics.tell(event, **fields)
        lines(event, **fields)

    keep = given["keep"]
    session = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    options = Options(
        listen=given["listen"],
        secondary=given["secondary"],
        answers=answers,
        tell=tell,
        say=_say,
        timeout=given["timeout"],
        limits=SessionLimits(given["max_checkpoint"], given["hold"]),
        checks=_checks(given["expect"]),
        qmp=given["qmp"],
        primary_qmp=given["primary_qmp"],
        fence=given["fence"],
        store=None if keep is None else Store(keep, given["keep_last"], session),
        log=given["secondary_log"],
    )
    if given["metrics"] is None:
        return options, lambda: None
    host, port = given["metrics"]
    port, end = metrics.serve(host, port)
    tell("metrics", host=host, port=port)
    return options, end


def _checks(expect: Path | None) -> Checks:
    from vmsc.guard.colo.peer_versions import DumpError, load_expected
    from vmsc.guard.colo.session import Checks

    if expect is None:
        return Checks()
    try:
        expected = load_expected(expect)
    except DumpError as fault:
        stop(f"error: {fault}", USAGE)
    return Checks(expected.baseline, expected.checkpoint)
