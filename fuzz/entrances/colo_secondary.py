"""What a secondary says to the guard, while it is sent a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from colo_sessions import begun
from colo_talk import LOADED, READY, RECEIVED, REPLY, REQUEST, TALK

from vmsc.guard.colo.session import Action, Ended

REFUSALS: tuple[type[Exception], ...] = ()


def corpus() -> Iterator[bytes]:
    begun()  # opens the library, which takes longer than any input
    yield REPLY + RECEIVED + LOADED
    yield REPLY + RECEIVED
    yield READY
    # What a return path may carry beside: a shutdown, an answer to a ping, a request for pages.
    yield REPLY + b"\0\1\0\4\0\0\0\0" + RECEIVED
    yield b"\0\2\0\4\0\0\0\1" + REPLY + RECEIVED + LOADED
    yield REPLY + b"\0\4\0\x0c" + bytes(12) + RECEIVED + LOADED


def enter(data: bytes) -> None:
    session = begun()
    actions: list[Action] = [*session.from_primary(REQUEST + TALK[1].wire)]
    for at in range(0, len(data), 7):
        actions += session.from_secondary(data[at : at + 7])
    actions += session.secondary_lost("closed", "the connection is closed")
    actions += session.stop()
    ends = [action for action in actions if isinstance(action, Ended)]
    assert len(ends) <= 1, "a session ends once"
    assert not ends or isinstance(actions[-1], Ended), "after its end nothing is sent"
