"""Sessions of COLO for tests: at their first checkpoint, fed in every way of cutting."""

from __future__ import annotations

import random
from collections.abc import Sequence

from colo_talk import LOADED, RECEIVED, REPLY, REQUEST, TALK, baseline

from vmsc.guard.colo.session import Action, Applied, Session, SessionLimits, ToPrimary, ToSecondary

__all__ = ["applied", "begun", "cuts", "fed", "ways"]


def applied(session: Session) -> None:
    """Let the session take a good checkpoint, so that there is one before the bad one."""
    assert session.from_primary(REQUEST)[0] == ToPrimary(REPLY)
    found = session.from_primary(TALK[0].wire)
    assert found[-1] == ToSecondary(REQUEST)
    found = session.from_secondary(REPLY) + session.from_secondary(RECEIVED + LOADED)
    assert isinstance(found[-1], Applied)


def begun(limit: int = 1 << 20) -> Session:
    session = Session(baseline=baseline(), limits=SessionLimits(checkpoint=limit))
    applied(session)
    return session


def cuts(data: bytes, seed: int, most: int) -> list[bytes]:
    rng, found, pos = random.Random(seed), [], 0
    while pos < len(data):
        size = rng.randint(1, most)
        found.append(data[pos : pos + size])
        pos += size
    return found


def ways(data: bytes) -> list[list[bytes]]:
    """Whole, in single bytes, and in pieces."""
    return [[data], cuts(data, 0, 1), *(cuts(data, seed, 700) for seed in (1, 2, 3))]


def fed(session: Session, pieces: Sequence[bytes]) -> list[Action]:
    return [action for piece in pieces for action in session.from_primary(piece)]
