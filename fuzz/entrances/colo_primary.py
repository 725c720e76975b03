"""What a primary sends to the guard: the first migration, then checkpoints. The first byte says
where the session is when the rest comes.
"""

from __future__ import annotations

from collections.abc import Iterator

from colo_sessions import begun
from colo_talk import FIRST, LOADED, RECEIVED, REPLY, REQUEST, TALK, talk_library

from vmsc.guard.colo.session import Action, Ended, Session, SessionLimits
from vmsc.inspect.parameters import open_parameters

REFUSALS: tuple[type[Exception], ...] = ()


def corpus() -> Iterator[bytes]:
    begun()  # opens the library, which takes longer than any input
    yield b"\0" + FIRST
    for sent in TALK[1:4]:
        yield b"\1" + REQUEST + sent.wire
    yield b"\1" + REQUEST + TALK[1].wire + REQUEST + TALK[2].wire


def enter(data: bytes) -> None:
    limits = SessionLimits(checkpoint=1 << 20)
    if data[:1] == b"\1":
        session = begun()
    else:
        session = Session(open_parameters(None, talk_library()), limits=limits)
    actions: list[Action] = []
    half = len(data) // 2
    for piece in (data[1:half], data[max(1, half) :]):
        actions += session.from_primary(piece)
    for said in (REPLY, RECEIVED, LOADED):
        actions += session.from_secondary(said)
    actions += session.primary_lost("closed", "the connection is closed")
    actions += session.stop()
    ends = [action for action in actions if isinstance(action, Ended)]
    assert len(ends) <= 1, "a session ends once"
    assert not ends or isinstance(actions[-1], Ended), "after its end nothing is sent"
