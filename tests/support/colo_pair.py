"""A guarded pair in a model: a fake primary, a session, a fake secondary, and four channels between
them that deliver what they hold in any pieces, in any order among them, or lose their ends.

The fakes know the protocol by themselves: the primary by its table, the secondary by counting. What
the secondary may have been sent is worked out from the hand-made talk.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from colo_talk import (
    FIRST,
    LOADED,
    READY,
    RECEIVED,
    REPLY,
    REQUEST,
    SEND,
    TALK,
    baseline,
    talk_library,
)

from vmsc.guard.colo.protocol import PRIMARY, ColoMark, ColoState, after, heard, said
from vmsc.guard.colo.session import Actions, Ended, Outcome, Play, Session, ToPrimary, ToSecondary
from vmsc.inspect.parameters import open_parameters

__all__ = ["Pair"]

_NAMES = {
    READY: "checkpoint-ready", REPLY: "checkpoint-reply", RECEIVED: "vmstate-received",
    LOADED: "vmstate-loaded",
}  # fmt: skip


class Channel:
    """Bytes on their way; `all` that were ever put in, `out` how many came out."""

    def __init__(self) -> None:
        self.all, self.out, self.cut = b"", 0, False

    @property
    def waiting(self) -> int:
        return len(self.all) - self.out

    def put(self, data: bytes) -> None:
        if not self.cut:
            self.all += data

    def take(self, size: int) -> bytes:
        data = self.all[self.out : self.out + size]
        self.out += len(data)
        return data

    def lose(self, keep: int) -> None:
        """Nothing more goes in, and of what is on its way so many bytes at most come out."""
        self.all, self.cut = self.all[: self.out + keep], True


class Pair:
    """`migrates`: it begins with the first migration, else after it."""

    def __init__(self, migrates: bool) -> None:
        self.migrates = migrates
        self.first = FIRST if migrates else b""
        known = open_parameters(None, talk_library()) if migrates else None
        self.session = Session(known, baseline=None if migrates else baseline())
        self.primary = ColoState.MIGRATING if migrates else ColoState.RUNNING
        self.wedged = False  # the primary has misbehaved, and says nothing more
        self.requests = 0
        self.p_to_g, self.g_to_p, self.g_to_s, self.s_to_g = (Channel() for _ in range(4))
        self.told = self.sent = b""  # all that the guard said to the primary, to the secondary
        self.says = (READY,) * migrates + (REPLY, RECEIVED, LOADED) * len(TALK)
        self.said = 0  # how many of those the secondary has said
        self.ended: Ended | None = None
        self.faults: set[Outcome] = set()  # the ends that there is a reason for
        # Where in the secondary's bytes and in the primary's each checkpoint ends, 0 the first.
        self.played = [*accumulate((4 + len(c.played) for c in TALK), initial=len(self.first))]
        self.sendings = [*accumulate((4 + len(c.wire) for c in TALK), initial=len(self.first))]
        self.expected = self.first + b"".join(REQUEST + c.played for c in TALK)

    # --- the primary ---

    @property
    def primary_can_send(self) -> bool:
        states = (ColoState.MIGRATING, ColoState.RUNNING, ColoState.REPLIED, ColoState.SIZING)
        more = self.primary is not ColoState.RUNNING or self.requests < len(TALK)
        return self.primary in states and not self.wedged and not self.p_to_g.cut and more

    def primary_sends(self) -> None:
        one = TALK[max(0, self.requests - 1)]
        match self.primary:
            case ColoState.MIGRATING:
                self._sends(FIRST, ColoMark.MIGRATED)
            case ColoState.RUNNING:
                self.requests += 1
                self._sends(REQUEST, said("checkpoint-request"))
            case ColoState.REPLIED:
                self._sends(SEND + one.live, said("vmstate-send"), ColoMark.LIVE_ENDED)
            case _:
                self._sends(one.size + one.devices, said("vmstate-size"), ColoMark.DEVICES_ENDED)

    def _sends(self, data: bytes, *events: ColoMark | str) -> None:
        for event in events:
            self.primary = after(PRIMARY, self.primary, event)
        self.p_to_g.put(data)

    def primary_errs(self, data: bytes) -> None:
        """Say what no good primary says, and nothing after it."""
        self.wedged = True
        self.faults.add(Outcome.REFUSED)
        self.p_to_g.put(data)

    def primary_hears(self) -> None:
        """Everything that is whole: it must be in its turn."""
        while self.g_to_p.waiting >= 4:
            name = _NAMES[self.g_to_p.take(4)]
            if not self.wedged:
                self.primary = after(PRIMARY, self.primary, heard(name))

    # --- the secondary ---

    @property
    def secondary_can_say(self) -> bool:
        """Whether it has been delivered what its next answer is about."""
        if self.s_to_g.cut or self.said == len(self.says):
            return False
        number, turn = divmod(self.said - self.migrates, 3)
        if number < 0:
            return self.g_to_s.out >= len(self.first)
        wanted = self.played[number] + 4 if turn == 0 else self.played[number + 1]
        return self.g_to_s.out >= wanted

    def secondary_says(self) -> None:
        self.s_to_g.put(self.says[self.said])
        self.said += 1

    def secondary_errs(self, data: bytes) -> None:
        self.faults |= {Outcome.SECONDARY_LOST, Outcome.APPLY_FAILED}
        self.s_to_g.put(data)
        self.s_to_g.cut = True

    # --- the guard ---

    @property
    def heard(self) -> int:
        """How many of the secondary's own answers have reached the guard whole."""
        return min(self.s_to_g.out // 4, self.said)

    @property
    def loaded(self) -> int:
        """How many checkpoints the secondary has told the guard that it has loaded."""
        return (self.heard - self.migrates) // 3 if self.heard > self.migrates else 0

    @property
    def ready(self) -> bool:
        return self.heard >= self.migrates

    def deliver_primary(self, size: int) -> None:
        self.do(self.session.from_primary(self.p_to_g.take(size)))

    def deliver_secondary(self, size: int) -> None:
        """What the secondary said is taken answer by answer, so that each can be looked at."""
        while size > 0 and self.s_to_g.waiting:
            step = min(size, 4 - self.s_to_g.out % 4)
            self.do(self.session.from_secondary(self.s_to_g.take(step)))
            size -= step

    def do(self, actions: Actions) -> None:
        """Carry out what the session wants, and hold it against the laws."""
        for action in actions:
            assert self.ended is None, f"after the end: {action}"
            match action:
                case ToPrimary(data=data):
                    self.told += bytes(data)
                    self.g_to_p.put(bytes(data))
                case ToSecondary(data=data):
                    self._to_secondary(bytes(data))
                case Play(checkpoint=checkpoint):
                    self._to_secondary(b"".join(checkpoint.wire()))
                case Ended():
                    self.ended = action
                    self._check_end(action)
        self.check()

    def _to_secondary(self, data: bytes) -> None:
        self.sent += data
        self.g_to_s.put(data)

    # --- the laws ---

    def check(self) -> None:
        assert self.expected.startswith(self.sent), "the secondary was sent something else"
        whole = {end + more for end in self.played for more in (0, 4)}
        assert len(self.sent) <= len(self.first) or len(self.sent) in whole, "a part was sent"
        begun = sum(end < len(self.sent) for end in self.played)
        assert self.p_to_g.out >= self.sendings[begun] or not begun, "sent before it was here"
        self._check_told()

    def _check_told(self) -> None:
        """The primary heard ready, and then a reply, received and loaded for each checkpoint; no
        reply before its request was here, nothing else before the secondary had said it.
        """
        count = len(self.told) // 4
        words = [self.told[4 * n : 4 * n + 4] for n in range(count)]
        assert words == list(self.says[:count])
        for at, word in enumerate(words):
            number = (at - self.migrates) // 3
            if word == REPLY:
                assert self.p_to_g.out >= self.sendings[number] + 4
            else:
                assert self.heard > at, "the primary was told what the secondary had not said"

    def _check_end(self, end: Ended) -> None:
        assert end is self.session.ended
        assert end.outcome in self.faults, f"no reason for {end}"
        at, length = self.played[self.loaded], len(self.sent)
        epoch = self.loaded if self.ready else None
        applying = length > at + 4
        match end.outcome:
            case Outcome.APPLY_FAILED:
                assert applying and end.epoch is None
            case Outcome.SECONDARY_LOST:
                assert end.epoch == (None if end.code == "gone" else epoch)
                assert not applying or end.code == "gone"
            case Outcome.TAKEN_OVER:
                assert end.epoch == (None if applying else epoch)
            case _:
                assert end.epoch == epoch
                assert length == at if self.ready else length <= at, "ended while it was played"

    # --- all of it to the end ---

    def settle(self) -> None:
        """Deliver everything, let all answer, and see that it ended for its reason, or goes on."""
        for _ in range(200):
            before = self._moved()
            self.deliver_primary(1 << 20)
            self.primary_hears()
            self.g_to_s.take(1 << 20)
            self.deliver_secondary(1 << 20)
            if self.secondary_can_say:
                self.secondary_says()
            if self.primary is not ColoState.RUNNING and self.primary_can_send:
                self.primary_sends()
            if self._moved() == before:
                break
        else:
            raise AssertionError("it does not come to rest")
        if self.p_to_g.cut:
            self.faults.add(Outcome.PRIMARY_LOST)
            self.do(self.session.primary_lost("closed", "its connection is cut"))
        if self.s_to_g.cut:
            self.faults |= {Outcome.SECONDARY_LOST, Outcome.APPLY_FAILED}
            self.do(self.session.secondary_failed("closed", "its connection is cut"))
        if self.faults:
            assert self.ended is not None, "a reason to end, and no end"
        else:
            assert self.ended is None
            assert self.loaded == self.requests == (self.session.epoch or 0)

    def _moved(self) -> Sequence[object]:
        channels = (self.p_to_g, self.g_to_p, self.g_to_s, self.s_to_g)
        return [*((len(c.all), c.out) for c in channels), self.primary]
