"""The first migration through a session: passed on as it comes, and no byte after it."""

from __future__ import annotations

import io
import json

import pytest
from colo_sessions import cuts, fed
from colo_talk import (
    EOS,
    PAGE,
    READY,
    REPLY,
    REQUEST,
    TALK,
    clock,
    first_migration,
    ram_section,
    section,
    talk_library,
    uart,
    word,
)

from vmsc.guard.colo.session import Actions, Ended, Outcome, Session, Side, ToPrimary, ToSecondary
from vmsc.guard.journal import json_lines
from vmsc.inspect.parameters import open_parameters


def first(wire: bytes) -> tuple[Session, bytes, Actions]:
    """The session, what was passed on and what else there was, byte by byte."""
    session = Session(open_parameters(None, talk_library()))
    passed, others = b"", []
    for action in fed(session, cuts(wire, 0, 1)):
        if isinstance(action, ToSecondary):
            passed += bytes(action.data)
        else:
            others.append(action)
    return session, passed, tuple(others)


def test_the_first_migration_is_passed_on_as_it_comes_and_ends_with_ready() -> None:
    wire = first_migration()
    session, passed, others = first(wire)
    assert passed == wire and others == () and not session.protected
    found = session.from_secondary(READY)
    assert found[-1] == ToPrimary(READY) and session.protected and session.epoch == 0


BAD_FIRST = {
    "multifd's magic": (b"\x11\x22\x33\x44\0\0\0\1" + bytes(40), "bad-magic"),
    "a web browser": (b"GET / HTTP/1.1\r\n", "bad-magic"),
    "no enable-colo": (first_migration(colo=b""), "no-colo"),
    "a device that nobody knows": (
        first_migration(sections=section(4, 3, "mystery", b"\1")), "unknown-section"),
    "RAM as a device": (
        first_migration(sections=section(4, 9, "ram", word(EOS), version=4)), "bad-kind"),
    "a broken law": (first_migration(sections=uart(0, 1000)), "law"),
    "a request before ready": (first_migration() + REQUEST, "out-of-turn"),
    "a request without a description": (
        first_migration(sections=clock(0), described=b"") + REQUEST, "out-of-turn"),
    "bytes after the end": (first_migration() + b"more", "out-of-turn"),
    "a reply": (first_migration() + REPLY, "out-of-turn"),
}  # fmt: skip


@pytest.mark.parametrize(("wire", "code"), BAD_FIRST.values(), ids=BAD_FIRST)
def test_what_is_no_migration_into_colo_is_refused(wire: bytes, code: str) -> None:
    session, passed, others = first(wire)
    if not others:  # what cannot be read waits for a description
        others = session.from_secondary(READY)
    assert len(others) == 1
    end = others[0]
    assert isinstance(end, Ended), others
    assert (end.outcome, end.code, end.epoch) == (Outcome.REFUSED, code, None), end
    assert wire.startswith(passed) and not session.protected


@pytest.mark.parametrize(
    "whole", [first_migration(), first_migration(sections=clock(0), described=b"")]
)
@pytest.mark.parametrize("more", [REQUEST, b"\0", b"\0\0\0\1\0"])
def test_nothing_after_the_first_migration_is_passed_on(whole: bytes, more: bytes) -> None:
    _, passed, others = first(whole + more)
    assert passed == whole and len(others) == 1
    for pieces in ([whole + more], [whole[:1], whole[1:] + more], [whole[:-1], whole[-1:] + more]):
        session = Session(open_parameters(None, talk_library()))
        *found, end = fed(session, pieces)
        assert isinstance(end, Ended) and end.code == "out-of-turn"
        passed = b"".join(bytes(a.data) for a in found if isinstance(a, ToSecondary))
        assert passed == whole


def test_what_cannot_be_read_is_not_passed_on_and_a_silence_names_the_parameter() -> None:
    """Without a JSON description, a checkpoint behind such a migration stays here, too."""
    wire = first_migration(described=b"")
    session = Session(open_parameters(None, talk_library()))
    found = [*session.from_primary(wire), *session.from_primary(REQUEST + TALK[0].wire)]
    passed = b"".join(bytes(a.data) for a in found if isinstance(a, ToSecondary))
    assert len(found) > 2 and wire.startswith(passed) and b"talk-nic" not in passed
    assert session.waits_for is Side.PRIMARY
    (end,) = session.primary_lost("silent", "the primary: silent")
    assert isinstance(end, Ended)
    assert (end.outcome, end.code) == (Outcome.REFUSED, "param") and "rings" in end.message


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_once_it_is_here_the_secondary_is_waited_for(size: int) -> None:
    session, wire = Session(open_parameters(None, talk_library())), first_migration()
    for at in range(0, len(wire), size):
        assert session.waits_for is Side.PRIMARY
        session.from_primary(wire[at : at + size])
    assert session.waits_for is Side.SECONDARY


def test_parameters_that_nothing_tells_are_named_when_the_secondary_is_ready() -> None:
    session, _, others = first(first_migration(described=b""))
    assert others == ()
    (end,) = session.from_secondary(READY)
    assert isinstance(end, Ended) and (end.outcome, end.code) == (Outcome.REFUSED, "param")
    assert "'rings'" in end.message and "--param" in end.message


def test_a_secondary_that_is_ready_too_early_is_not_believed() -> None:
    wire = first_migration()
    for size, code in ((0, "unread"), (4, "unread"), (100, "unread"), (len(wire) - 1, "param")):
        session, _, _ = first(wire[:size])
        (end,) = session.from_secondary(READY)
        assert isinstance(end, Ended) and (end.outcome, end.code) == (Outcome.REFUSED, code)


def test_deltas_are_refused_in_the_first_migration_too() -> None:
    delta = ram_section(word(PAGE | 0x40 | 0x20) + b"\1\0\3\0\1\5" + word(EOS), kind=2)
    _, _, (end,) = first(first_migration(sections=delta))
    assert isinstance(end, Ended) and end.code == "xbzrle"


def test_a_name_that_is_no_text_is_told_in_the_journal_all_the_same() -> None:
    wire = first_migration(sections=section(4, 3, "mystery", b"\1"))
    _, _, (end,) = first(wire.replace(b"mystery", b"myst\xffry"))
    assert isinstance(end, Ended) and end.code == "unknown-section"
    out = io.StringIO()
    json_lines(out, pytest.fail)("ended", message=end.message, more=[end.message], reason=end.code)
    told = json.loads(out.getvalue())
    assert "'myst\\udcffry'" in told["message"] and told["more"] == [told["message"]]
