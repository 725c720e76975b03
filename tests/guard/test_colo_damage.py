"""Every byte of a hand-made talk changed: refused by a name, or what is sent on is what came; no
other exception, and nothing in between.
"""

from __future__ import annotations

import pytest
from colo_sessions import begun
from colo_talk import (
    FIRST,
    LOADED,
    READY,
    RECEIVED,
    REPLY,
    REQUEST,
    TALK,
    talk_library,
)

from vmsc.guard.colo.session import (
    Applied,
    Ended,
    Outcome,
    Play,
    Proven,
    Requested,
    Session,
    Side,
    ToPrimary,
    ToSecondary,
)
from vmsc.inspect.parameters import open_parameters

FLIPS = (0x01, 0x20, 0x80, 0xFF)


def changed(data: bytes, at: int, flip: int) -> bytes:
    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]


@pytest.mark.parametrize("flip", FLIPS)
def test_a_changed_checkpoint_is_refused_or_sent_on_as_it_came(flip: int) -> None:
    one, found = TALK[1], {"refused": 0, "sent on": 0}
    at_live, after_live = 4, 4 + len(one.live)
    for at in range(len(one.wire)):
        wire, session = changed(one.wire, at, flip), begun()
        actions = (*session.from_primary(REQUEST), *session.from_primary(wire))
        kinds = [type(action) for action in actions]
        if kinds == [ToPrimary, Requested, Ended]:
            end = actions[-1]
            assert isinstance(end, Ended) and (end.outcome, end.epoch) == (Outcome.REFUSED, 1)
            assert end.code and end.message
            found["refused"] += 1
            continue
        if kinds == [ToPrimary, Requested]:  # RAM seems to go on: the guard's timeout ends it
            assert session.waits_for is Side.PRIMARY and at < after_live
            continue
        assert kinds == [ToPrimary, Requested, Proven, ToSecondary], (at, actions)
        (play,) = session.from_secondary(REPLY)
        assert isinstance(play, Play)
        sent = b"".join(play.checkpoint.wire())
        tail = len(wire) - after_live
        assert sent[-tail:] == wire[-tail:] and sent[:at_live] == wire[:at_live], at
        # Of RAM, all behind the first page's word is as it came; a page that names its block by
        # itself, all of it.
        assert sent[:-tail].endswith(wire[at_live + 13 : after_live]), at
        assert isinstance(session.from_secondary(RECEIVED + LOADED)[-1], Applied)
        found["sent on"] += 1
    assert found["refused"] > 200 and found["sent on"] > 1000, found


@pytest.mark.parametrize("flip", FLIPS)
def test_a_changed_first_migration_is_refused_or_taken(flip: int) -> None:
    refused = 0
    for at in (*range(330), *range(1300, len(FIRST))):  # what lies between are pages' bytes
        session = Session(open_parameters(None, talk_library()))
        actions = session.from_primary(changed(FIRST, at, flip)) + session.from_secondary(READY)
        ends = [action for action in actions if isinstance(action, Ended)]
        assert len(ends) + session.protected == 1, (at, actions)
        assert not ends or (ends[0].outcome, ends[0].epoch) == (Outcome.REFUSED, None)
        refused += len(ends)
    assert refused > 300
