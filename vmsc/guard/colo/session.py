"""Session: one primary's protection, sans-IO. Bytes and events of both sides in, actions out.

Toward the primary the guard is a secondary, toward the secondary a primary (`protocol`).

Laws:
1. The secondary is sent no byte of a checkpoint before all of it is here and proven.
2. Once it is sent a checkpoint's first byte it is sent all of it, primary or not; before, a lost
   primary leaves it at the checkpoint before, running.
3. `vmstate-received` and `vmstate-loaded` go to the primary when the secondary has said them.
4. What is wrong while a checkpoint is applied ends the session only when that is settled.
5. A session ends once, in one `Ended`; after it nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from vmsc.guard.colo.checkpoint import Checkpoint, message
from vmsc.guard.colo.checkpoint_reader import ColoCheckpointReader
from vmsc.guard.colo.first_migration import Baseline, FirstMigration
from vmsc.guard.colo.protocol import (
    PRIMARY,
    SECONDARY,
    ColoEvent,
    ColoMark,
    ColoState,
    ProtocolError,
    after,
    heard,
    said,
)
from vmsc.guard.colo.refusal import Refusal
from vmsc.inspect.parameters import StreamParameters
from vmsc.inspect.pipe_reader import HOLD
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError
from vmsc.stream.events import Message
from vmsc.stream.return_path import AnswerReader, Return

__all__ = [
    "Action",
    "Actions",
    "Applied",
    "Checks",
    "Committed",
    "Ended",
    "Outcome",
    "Play",
    "Protected",
    "Proven",
    "Requested",
    "Session",
    "SessionLimits",
    "Side",
    "ToPrimary",
    "ToSecondary",
]  # fmt: skip


class Outcome(Enum):
    """How a session ends."""

    STOPPED = "stopped"
    REFUSED = "refused"
    PRIMARY_LOST = "primary-lost"
    SECONDARY_LOST = "secondary-lost"
    APPLY_FAILED = "apply-failed"
    TAKEN_OVER = "taken-over"


class Side(Enum):
    PRIMARY = "primary"
    SECONDARY = "secondary"


@dataclass(frozen=True)
class ToPrimary:
    data: Buffer


@dataclass(frozen=True)
class ToSecondary:
    data: Buffer


@dataclass(frozen=True)
class Play:
    """Send the secondary this checkpoint, to its last byte (`Checkpoint.wire`)."""

    checkpoint: Checkpoint


@dataclass(frozen=True)
class Protected:
    """The first migration is loaded: from now on there are checkpoints."""

    baseline: Baseline


@dataclass(frozen=True)
class Requested:
    """The primary begins a checkpoint; it has been replied to."""

    epoch: int


@dataclass(frozen=True)
class Proven:
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Committed:
    """The secondary holds all of it. A primary that is still there is told so, and releases what
    it held back.
    """

    checkpoint: Checkpoint


@dataclass(frozen=True)
class Applied:
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Ended:
    """`epoch`: the checkpoint that the secondary is at, 0 being the first migration; None: it has
    no whole state, or nothing tells which. `code` and `message` say why.
    """

    outcome: Outcome
    code: str
    message: str
    epoch: int | None


Action = (
    ToPrimary | ToSecondary | Play | Protected | Requested | Proven | Committed | Applied | Ended
)  # fmt: skip
Actions = tuple[Action, ...]


@dataclass(frozen=True)
class SessionLimits:
    """Bytes: of one checkpoint, and of what is held until parameters are known."""

    checkpoint: int = 1 << 30
    hold: int = HOLD


@dataclass(frozen=True)
class Checks:
    """What more is held against a first migration and each checkpoint. They raise Refusal."""

    baseline: Callable[[Baseline], None] = lambda _: None
    checkpoint: Callable[[Checkpoint], None] = lambda _: None


_STOPPED = (Outcome.STOPPED, "stopped", "ended as it was asked to")

# What is done when a checkpoint is played, in the protocol's words.
_PLAYED: tuple[ColoEvent, ...] = (
    said("vmstate-send"), ColoMark.LIVE_ENDED, said("vmstate-size"), ColoMark.DEVICES_ENDED,
)  # fmt: skip


class Session:
    """What its methods are told of gives actions, to be carried out in order.

    `baseline`: the session begins between checkpoints, after the first migration that gave it.
    """

    def __init__(
        self,
        answers: StreamParameters | None = None,
        *,
        baseline: Baseline | None = None,
        limits: SessionLimits = SessionLimits(),
        checks: Checks = Checks(),
    ) -> None:
        assert (answers is None) != (baseline is None)
        self.limits, self._checks = limits, checks
        self.toward_primary = self.toward_secondary = ColoState.MIGRATING
        self.epoch: int | None = None  # that the secondary is at
        self.ended: Ended | None = None
        self._first = FirstMigration(answers, limits.hold) if answers is not None else None
        self._taking: ColoCheckpointReader | None = None
        self._playing: Checkpoint | None = None
        # An end that waits for what is played.
        self._pending: tuple[Outcome, str, str] | None = None
        self._stopping = False
        self._answers = AnswerReader()
        if baseline is not None:
            self._protect(baseline)

    # --- where it is ------------------------------------------------------------------------------

    @property
    def protected(self) -> bool:
        """Whether the first migration is loaded."""
        return self._taking is not None

    @property
    def applying(self) -> bool:
        """Whether the secondary has a checkpoint in part, or loads it."""
        return self._playing is not None and self.toward_secondary is not ColoState.REQUESTED

    @property
    def waits_for(self) -> Side | None:
        """Who has to say something now; None between checkpoints."""
        if self._playing is not None:
            return Side.SECONDARY
        if self._first is not None:
            return Side.SECONDARY if self._first.whole else Side.PRIMARY
        return None if self.toward_primary is ColoState.RUNNING else Side.PRIMARY

    @property
    def size(self) -> int:
        """Bytes that are here of the checkpoint that is not whole yet."""
        return self._taking.size if self._taking is not None else 0

    # --- what comes -------------------------------------------------------------------------------

    def from_primary(self, data: Buffer) -> Actions:
        """The primary has sent this."""
        return tuple(self._from_primary(data))

    def from_secondary(self, data: Buffer) -> Actions:
        """The secondary has sent this."""
        return tuple(self._from_secondary(data))

    def primary_lost(self, code: str, message: str) -> Actions:
        """The primary's connection has ended, or it is silent for too long."""
        if self._pending is not None:
            return ()
        if self._first is not None and code != "closed":
            # It may be silent since the secondary, which has no part of what cannot be read yet,
            # is: without a JSON description, for want of parameters.
            try:
                for _ in self._first.settle():
                    pass
            except Refusal as fault:
                return tuple(self._ends(Outcome.REFUSED, fault.code, fault.message))
        if self.size and self._playing is None and self.epoch is not None:
            message += f"; {self.size} bytes of checkpoint {self.epoch + 1} are dropped"
        return tuple(self._ends(Outcome.PRIMARY_LOST, code, message))

    def secondary_lost(self, code: str, message: str) -> Actions:
        """The secondary is gone, its process with it."""
        return tuple(self._end(Outcome.SECONDARY_LOST, code, message, None))

    def secondary_failed(self, code: str, message: str) -> Actions:
        """The secondary says that it does not go on, or nothing, or what it has no turn for."""
        return tuple(self._failed(code, message))

    def taken_over(self, code: str, message: str) -> Actions:
        """Somebody else has ordered the secondary to take over. In the middle of applying, nothing
        tells what it is at.
        """
        epoch = None if self.applying else self.epoch
        return tuple(self._end(Outcome.TAKEN_OVER, code, message, epoch))

    def refuse(self, code: str, message: str) -> Actions:
        """What the primary does beside its connection is not to be had with checkpoints."""
        if self._pending is not None:
            return ()
        return tuple(self._ends(Outcome.REFUSED, code, message))

    def stop(self) -> Actions:
        """End between checkpoints: now, or after the one that is on its way."""
        self._stopping = True
        if self.waits_for is None or not self.protected:
            return tuple(self._end(*_STOPPED, self.epoch))
        return ()

    # --- inside -----------------------------------------------------------------------------------

    def _from_primary(self, data: Buffer) -> Iterator[Action]:
        if self.ended is not None or self._pending is not None:
            return
        try:
            if self._first is not None:
                yield from map(ToSecondary, self._first.feed(data))
            elif self._taking is not None:
                for event in self._taking.feed(data):
                    self.toward_primary = after(SECONDARY, self.toward_primary, event)
                    yield from self._primary_did(event)
        except ProtocolError as fault:
            yield from self._ends(Outcome.REFUSED, fault.code, f"the primary: {fault.message}")
        except Refusal as fault:
            yield from self._ends(Outcome.REFUSED, fault.code, fault.message)

    def _from_secondary(self, data: Buffer) -> Iterator[Action]:
        if self.ended is not None:
            return
        try:
            for answer in self._answers.feed(data):
                match answer:
                    case Return():
                        yield ToPrimary(answer.wire)
                    case Message():
                        yield from self._secondary_said(answer.name)
                    case _:
                        assert_never(answer)
        except ProtocolError as fault:
            yield from self._failed(fault.code, f"the secondary: {fault.message}")
        except DecodeError as fault:
            yield from self._failed(fault.code, f"the secondary's answers: {fault}")
        except Refusal as fault:
            yield from self._ends(Outcome.REFUSED, fault.code, fault.message)

    def _failed(self, code: str, text: str) -> Iterator[Action]:
        if self.applying:
            yield from self._end(Outcome.APPLY_FAILED, code, text, None)
        else:
            yield from self._end(Outcome.SECONDARY_LOST, code, text, self.epoch)

    def _protect(self, baseline: Baseline) -> None:
        self._taking, self._first = ColoCheckpointReader(baseline, self.limits.checkpoint), None
        self.toward_primary = self.toward_secondary = ColoState.RUNNING
        self.epoch = 0

    def _primary_did(self, event: ColoEvent) -> Iterator[Action]:
        if event == heard("checkpoint-request"):
            yield self._to_primary("checkpoint-reply")
            assert self.epoch is not None
            yield Requested(self.epoch + 1)
        elif event is ColoMark.DEVICES_ENDED:
            assert self._taking is not None and self._taking.checkpoint is not None
            checkpoint, self._taking.checkpoint = self._taking.checkpoint, None
            self._checks.checkpoint(checkpoint)
            self._playing = checkpoint
            yield Proven(checkpoint)
            self.toward_secondary = after(
                PRIMARY, self.toward_secondary, said("checkpoint-request")
            )
            yield ToSecondary(message("checkpoint-request"))

    def _to_primary(self, name: str) -> ToPrimary:
        self.toward_primary = after(SECONDARY, self.toward_primary, said(name))
        return ToPrimary(message(name))

    def _secondary_said(self, name: str) -> Iterator[Action]:
        if name == "checkpoint-ready" and self._first is not None:
            baseline = self._first.ready()
            self._checks.baseline(baseline)
            self._protect(baseline)
            yield Protected(baseline)
            yield ToPrimary(message(name))
            return
        self.toward_secondary = after(PRIMARY, self.toward_secondary, heard(name))
        checkpoint = self._playing
        assert checkpoint is not None, f"{name} is in its turn, and nothing is played"
        match name:
            case "checkpoint-reply":
                for event in _PLAYED:
                    self.toward_secondary = after(PRIMARY, self.toward_secondary, event)
                yield Play(checkpoint)
            case "vmstate-received":
                yield from self._told(name)
                yield Committed(checkpoint)
            case "vmstate-loaded":
                self._playing, self.epoch = None, checkpoint.epoch
                yield from self._told(name)
                yield Applied(checkpoint)
                yield from self._settled()

    def _told(self, name: str) -> Iterator[Action]:
        """Pass the secondary's word on, if the primary is still there to hear it."""
        if self._pending is None:
            yield self._to_primary(name)

    def _settled(self) -> Iterator[Action]:
        """What was applied is applied: what had to wait for that may end the session now."""
        if self._pending is not None:
            outcome, code, text = self._pending
            yield from self._end(outcome, code, text, self.epoch)
        elif self._stopping:
            yield from self._end(*_STOPPED, self.epoch)

    def _ends(self, outcome: Outcome, code: str, text: str) -> Iterator[Action]:
        """End for the primary's sake: once the secondary is settled."""
        if self._playing is not None:
            self._pending = outcome, code, text
        else:
            yield from self._end(outcome, code, text, self.epoch)

    def _end(self, outcome: Outcome, code: str, text: str, epoch: int | None) -> Iterator[Action]:
        if self.ended is None:
            if self._pending is not None and self._pending[0] is not outcome:
                text += f"; before that, {self._pending[0].value}: {self._pending[2]}"
            self.ended = Ended(outcome, code, text, epoch)
            yield self.ended
