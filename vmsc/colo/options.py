"""Options: how a guard runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vmsc.answers import StreamAnswers
from vmsc.colo.journal import Tell
from vmsc.colo.session import Checks, Limits
from vmsc.colo.store import Store

__all__ = ["Address", "Options"]

Address = tuple[str, int]


@dataclass(frozen=True)
class Options:
    """How the guard runs, once: `answers` are for the one first migration that it takes.

    `timeout` and `fence_limit`: seconds. `fence`: a command that must succeed before a failover is
    ordered; None: none is ever ordered. `say`: for the operator. `log`: the secondary's standard
    error.
    """

    listen: Address
    secondary: Address
    answers: StreamAnswers
    tell: Tell
    say: Callable[[str], None]
    timeout: float = 10.0
    limits: Limits = field(default_factory=Limits)
    checks: Checks = field(default_factory=Checks)
    qmp: Path | None = None
    primary_qmp: Path | None = None
    fence: str | None = None
    fence_limit: float = 60.0
    store: Store | None = None
    log: Path | None = None
