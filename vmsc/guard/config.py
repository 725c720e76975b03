"""How a guard runs, and how long it waits for what should be there at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vmsc.guard.colo.session import Checks, SessionLimits
from vmsc.guard.journal import Tell
from vmsc.guard.store import Store
from vmsc.inspect.parameters import StreamParameters

__all__ = ["Address", "Options", "Waits"]

Address = tuple[str, int]


@dataclass(frozen=True)
class Waits:
    """Seconds that the guard waits for what should be there at once.

    `answer`: for a QMP connection, and for QMP's answer to an order. `linger`: for QMP to follow a
    connection that has ended, and for a log's last lines. `haste`: for QMP to tell an order to
    take over from a load that failed. `taken_over`: for QMP to tell that an operator ordered
    the secondary to take over. `flush`: for the last bytes of a connection to be sent. `disk`: for
    the checkpoint before to be stored.
    """

    answer: float = 5.0
    linger: float = 0.5
    haste: float = 0.1
    taken_over: float = 1.0
    flush: float = 2.0
    disk: float = 1.0


@dataclass(frozen=True)
class Options:
    """How the guard runs, once: `answers` are for the one first migration that it takes.

    `timeout` and `fence_limit`: seconds. `fence`: a command that must succeed before a failover is
    ordered; None: none is ever ordered. `say`: for the operator. `log`: the secondary's standard
    error.
    """

    listen: Address
    secondary: Address
    answers: StreamParameters
    tell: Tell
    say: Callable[[str], None]
    timeout: float = 10.0
    limits: SessionLimits = field(default_factory=SessionLimits)
    checks: Checks = field(default_factory=Checks)
    qmp: Path | None = None
    primary_qmp: Path | None = None
    fence: str | None = None
    fence_limit: float = 60.0
    store: Store | None = None
    log: Path | None = None
    waits: Waits = field(default_factory=Waits)
