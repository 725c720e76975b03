"""What no good primary sends, made by hand: each is refused by its own name, however it is cut, and
the secondary is sent nothing of it.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from colo_sessions import begun, cuts, fed, ways
from colo_talk import (
    DEVICES,
    EOS,
    LOADED,
    PAGE,
    READY,
    RECEIVED,
    REPLY,
    REQUEST,
    SEND,
    SIZE,
    TALK,
    Page,
    baseline,
    clock,
    devices,
    live,
    name,
    nic,
    page,
    pages,
    ram_payload,
    ram_section,
    section,
    uart,
    walk,
    word,
)

from vmsc.guard.colo.session import (
    Ended,
    Outcome,
    Play,
    Proven,
    Requested,
    Session,
    ToPrimary,
    ToSecondary,
)

GOOD = TALK[1]  # the checkpoint of which the bad ones are made
XBZRLE, HOOK, COMPRESS, MULTIFD_FLUSH = 0x40, 0x80, 0x100, 0x200
ONE = Page("vga.vram", PAGE, b"\5" * PAGE)


def refusal(wire: bytes, limit: int = 1 << 20) -> Ended:
    """The one end to which these bytes lead after a good checkpoint and a request."""
    found = []
    for pieces in ways(REQUEST + wire):
        actions = fed(begun(limit), pieces)
        assert [type(a) for a in actions] == [ToPrimary, Requested, Ended], actions
        found.append(actions[-1])
    last = found[-1]
    assert isinstance(last, Ended) and last.outcome is Outcome.REFUSED and last.epoch == 1
    if last.code != "max-checkpoint":  # it says how much was here
        assert all(end == last for end in found)
    assert {end.code for end in found if isinstance(end, Ended)} == {last.code}
    return last


def taken(wire: bytes, limit: int = 1 << 20) -> bytes:
    """What the secondary is sent of this checkpoint, which is a good one."""
    sent = []
    for pieces in ways(REQUEST + wire):
        session = begun(limit)
        actions = fed(session, pieces)
        assert [type(a) for a in actions] == [ToPrimary, Requested, Proven, ToSecondary], actions
        (play,) = session.from_secondary(REPLY)
        assert isinstance(play, Play)
        sent.append(b"".join(play.checkpoint.wire()))
    assert len(set(sent)) == 1
    return sent[0]


# --- RAM ------------------------------------------------------------------------------------------


def with_ram(payload: bytes) -> bytes:
    return replace(GOOD, live=live(payload)).wire


def items(*more: bytes) -> bytes:
    """RAM with some good pages, these items, and the end."""
    return ram_payload(pages(2), "vga.vram")[: -len(word(EOS))] + b"".join(more) + word(EOS)


def deflated(data: bytes, flags: int = COMPRESS) -> bytes:
    packed = zlib.compress(data)
    return word(2 * PAGE | flags | 0x20) + len(packed).to_bytes(4, "big") + packed


BAD_RAM = {
    "a block that is not there": (page(Page("pc.rom", 0, b"\0"), named=True), "bad-page"),
    "a page right after its block": (
        page(Page("pc.ram", 16 * PAGE, b"\0"), named=True), "bad-page"),
    "a page far after its block": (
        page(Page("pc.ram", -PAGE % 2**64, b"\0"), named=True), "bad-page"),
    "a page after it, same block": (
        page(Page("pc.ram", 16 * PAGE, b"\0"), named=False), "bad-page"),
    "plain, after it, same block": (
        page(Page("pc.ram", 16 * PAGE, bytes(PAGE)), named=False), "bad-page"),
    "far after it, same block": (page(Page("pc.ram", 2**63, b"\0"), named=False), "bad-page"),
    "a list of blocks": (word(PAGE | 4) + name("pc.ram") + word(PAGE), "bad-page"),
    "a hook": (word(HOOK), "bad-page"),
    "a flush of multifd": (word(MULTIFD_FLUSH), "bad-page"),
    "a delta": (word(PAGE | XBZRLE | 0x20) + b"\1\0\3\0\1\5", "xbzrle"),
    "a delta of a longer page": (word(PAGE | XBZRLE | 0x20) + b"\1\xff\xff", "limit"),
    "flags that are none": (word(PAGE | 1), "bad-flags"),
    "two encodings at once": (word(PAGE | 0x28 | 2), "bad-flags"),
    "an end of the same block": (word(0x30), "bad-flags"),
    "damaged deflated": (deflated(b"\1" * PAGE).replace(b"\x78", b"\x79", 1), "bad-page"),
    "cut deflated": (
        word(0x120) + b"\0\0\0\4" + zlib.compress(bytes(PAGE))[:4], "bad-page"),
    "deflated of less": (deflated(bytes(PAGE - 1)), "bad-page"),
    "deflated of more": (deflated(bytes(PAGE + 1)), "bad-page"),
    "deflated of a bomb": (deflated(bytes(PAGE * 900)), "bad-page"),
    "deflated, too long": (word(0x120) + b"\xff\xff\xff\xff", "limit"),
}  # fmt: skip


@pytest.mark.parametrize(("item", "code"), BAD_RAM.values(), ids=BAD_RAM)
def test_ram_that_a_checkpoint_may_not_have_is_refused(item: bytes, code: str) -> None:
    assert refusal(with_ram(items(item))).code == code


@pytest.mark.parametrize(("item", "code"), BAD_RAM.values(), ids=BAD_RAM)
def test_it_is_refused_where_it_comes_first(item: bytes, code: str) -> None:
    assert refusal(with_ram(item + word(EOS))).code == code


def test_the_last_page_of_a_block_is_good() -> None:
    for one in (Page("pc.ram", 15 * PAGE, b"\1"), Page("vga.vram", 3 * PAGE, bytes(PAGE))):
        for named in (True, False):
            before = Page(one.block, 0, b"\0")
            sent = taken(with_ram(items(page(before, named=True), page(one, named=named))))
            assert walk(sent[4 : -len(GOOD.size + GOOD.devices)])[-1] == one


def test_a_deflated_page_goes_on_as_it_came_and_names_its_block_if_it_is_the_first() -> None:
    packed = deflated(ONE.data)
    assert packed in taken(with_ram(items(packed)))
    sent = taken(with_ram(packed + word(EOS)))
    named = word(2 * PAGE | COMPRESS) + name("vga.vram") + packed[8:]
    assert sent == replace(GOOD, standing=live(named + word(EOS))).played


def test_a_checkpoint_stands_by_itself_whatever_came_before() -> None:
    for before in (TALK[0], TALK[2], TALK[4]):
        session = Session(baseline=baseline())
        for one in (before, GOOD):
            session.from_primary(REQUEST)
            session.from_primary(one.wire)
            (play,) = session.from_secondary(REPLY)
            session.from_secondary(RECEIVED + LOADED)
        assert isinstance(play, Play)
        sent = b"".join(play.checkpoint.wire())
        assert sent == GOOD.played
        assert walk(sent[4 : 4 + len(GOOD.standing)]) == pages(2)


def test_a_checkpoint_without_pages_changes_nothing_and_the_next_goes_on_from_before_it() -> None:
    empty = replace(GOOD, live=live(word(EOS)), standing=live(word(EOS)))
    session = begun()
    for one in (empty, GOOD):
        session.from_primary(REQUEST)
        session.from_primary(one.wire)
        (play,) = session.from_secondary(REPLY)
        session.from_secondary(RECEIVED + LOADED)
        assert isinstance(play, Play) and b"".join(play.checkpoint.wire()) == one.played


def test_a_page_of_the_block_before_is_refused_if_there_is_none() -> None:
    session = Session(baseline=replace(baseline(), block=None))
    session.from_primary(REQUEST)
    (end,) = session.from_primary(TALK[0].wire)
    assert isinstance(end, Ended) and (end.outcome, end.code) == (Outcome.REFUSED, "no-block")


# --- sections -------------------------------------------------------------------------------------


def with_devices(*sections: bytes, end: bytes = b"\0") -> bytes:
    return replace(GOOD, devices=b"".join(sections) + end).wire


CLOCK, UART0, UART1, NIC = devices(2)
COMMAND = b"\x08\0\1\0\0"  # open-return-path

BAD_DEVICES = {
    "one missing": (with_devices(CLOCK, UART0, NIC), "other-devices"),
    "the last missing": (with_devices(CLOCK, UART0, UART1), "other-devices"),
    "none": (with_devices(), "other-devices"),
    "one twice": (with_devices(CLOCK, UART0, UART0, UART1, NIC), "other-devices"),
    "the last twice": (with_devices(CLOCK, UART0, UART1, NIC, NIC), "other-devices"),
    "two swapped": (with_devices(CLOCK, UART1, UART0, NIC), "other-devices"),
    "an older version": (
        with_devices(CLOCK, uart(0, 2, version=2), UART1, NIC), "other-devices"),
    "a version nobody knows": (
        with_devices(CLOCK, uart(0, 2, version=9), UART1, NIC), "other-devices"),
    "another instance": (
        with_devices(CLOCK, uart(7, 2, id_=4), UART1, NIC), "other-devices"),
    "another id": (with_devices(CLOCK, uart(0, 2, id_=99), UART1, NIC), "other-devices"),
    "another name": (
        with_devices(CLOCK, section(4, 4, "talk-clock", bytes(8)), UART1, NIC), "other-devices"),
    "a device that nobody knows": (
        with_devices(CLOCK, section(4, 4, "mystery", b"\1\2"), UART1, NIC), "other-devices"),
    "a known one under an unknown id": (
        with_devices(CLOCK, clock(5, id=77), UART1, NIC), "other-devices"),
    "the start of a device": (
        with_devices(section(1, 3, "talk-clock", word(1)), UART0, UART1, NIC), "bad-kind"),
    "RAM": (with_devices(CLOCK, ram_section(word(EOS)), UART0, UART1, NIC), "other-devices"),
    "a part of nothing": (with_devices(section(2, 50, "", b""), UART0, UART1, NIC), "not-started"),
    "a command": (with_devices(CLOCK, COMMAND, UART0, UART1, NIC), "no-section"),
    "an unknown command": (with_devices(CLOCK, b"\x08\0\x63\0\0"), "unknown-command"),
    "a section of no kind": (with_devices(CLOCK, b"\5" + UART0[1:], UART1, NIC), "bad-type"),
    "another footer": (with_devices(CLOCK[:-1] + b"\4", UART0, UART1, NIC), "bad-footer"),
    "no footer": (with_devices(CLOCK[:-5], UART0, UART1, NIC), "bad-footer"),
    "a broken law": (with_devices(CLOCK, uart(0, 1000), UART1, NIC), "law"),
    "a count of 2^32-1": (with_devices(CLOCK, UART0, UART1, nic((), count=2**32 - 1)), "law"),
    "a count one too high": (with_devices(CLOCK, UART0, UART1, nic((1,), count=2)), "past-end"),
    "other rings": (with_devices(CLOCK, UART0, UART1, nic((1,), rings=4)), "bad-footer"),
    "a fifo over its limit": (
        with_devices(CLOCK, uart(0, 2, fifo=bytes(17)), UART1, NIC), "law"),
    "a section after the end": (with_devices(CLOCK, UART0, UART1, NIC, b"\0", NIC), "trailing"),
    "no end": (with_devices(CLOCK, UART0, UART1, NIC, end=b""), "past-end"),
    "a description": (with_devices(CLOCK, UART0, UART1, NIC, b"\6\0\0\0\2{}"), "bad-type"),
}  # fmt: skip


@pytest.mark.parametrize(("wire", "code"), BAD_DEVICES.values(), ids=BAD_DEVICES)
def test_device_state_that_is_not_that_of_this_machine_is_refused(wire: bytes, code: str) -> None:
    found = refusal(wire)
    assert found.code == code, found
    assert "at byte" in found.message


def test_another_device_is_refused_by_its_header_before_its_payload_is_waited_for() -> None:
    other = section(4, 4, "mystery", b"")[:-5]
    wire = replace(GOOD, devices=CLOCK + other, said=1 << 19).wire
    found = refusal(wire)
    assert found.code == "other-devices"
    assert "section 'talk-uart' instance 0 version 3 (id 4) expected" in found.message
    assert "found section 'mystery' instance 0 version 1 (id 4)" in found.message


def test_a_refused_section_leaves_no_trace_in_what_the_first_migration_taught() -> None:
    before = repr(baseline().binding.codecs.keys()), set(baseline().binding.names)
    for wire, _ in BAD_DEVICES.values():
        fed(begun(), [REQUEST + wire])
    assert (repr(baseline().binding.codecs.keys()), baseline().binding.names) == before
    assert tuple(name for _, name, _, _ in baseline().devices) == DEVICES


def with_live(data: bytes) -> bytes:
    return replace(GOOD, live=data).wire


RAM = ram_section(ram_payload(pages(2), "vga.vram"))
BAD_LIVE = {
    "nothing": (with_live(b"\0"), "missing"),
    "RAM twice": (with_live(RAM + RAM + b"\0"), "doubled"),
    "a start of RAM": (with_live(ram_section(word(EOS), kind=1) + b"\0"), "bad-kind"),
    "a part of RAM": (with_live(ram_section(word(EOS), kind=2) + RAM + b"\0"), "bad-kind"),
    "an end of nothing": (with_live(section(3, 50, "", b"") + RAM + b"\0"), "not-started"),
    "an end of a device": (with_live(section(3, 4, "", b"") + RAM + b"\0"), "not-started"),
    "a device": (with_live(CLOCK + RAM + b"\0"), "bad-kind"),
    "an unknown device": (with_live(section(4, 9, "mystery", b"") + RAM + b"\0"), "bad-kind"),
    "a command": (with_live(COMMAND + RAM + b"\0"), "no-section"),
    "a package": (with_live(b"\x08\0\7\0\4\0\0\0\1" + RAM + b"\0"), "no-section"),
    "a header": (with_live(b"QEVM\0\0\0\3" + RAM + b"\0"), "bad-type"),
    "RAM with another footer": (with_live(RAM[:-1] + b"\3\0"), "bad-footer"),
}


@pytest.mark.parametrize(("wire", "code"), BAD_LIVE.values(), ids=BAD_LIVE)
def test_live_sections_that_are_not_the_end_of_ram_are_refused(wire: bytes, code: str) -> None:
    assert refusal(wire).code == code


# --- sizes ----------------------------------------------------------------------------------------

LENGTH = len(GOOD.devices)
BAD_SIZES = {
    0: "past-end",
    1: "past-end",
    LENGTH - 1: "past-end",
    LENGTH + 1: "trailing",
    1 << 63: "max-checkpoint",
    (1 << 64) - 1: "max-checkpoint",
}


@pytest.mark.parametrize(("size", "code"), BAD_SIZES.items())
def test_a_size_that_is_not_that_of_the_device_state_is_refused(size: int, code: str) -> None:
    assert refusal(replace(GOOD, said=size).wire).code == code


def test_a_size_over_the_limit_is_refused_when_it_is_said_with_the_numbers() -> None:
    wire = SEND + GOOD.live + SIZE + word(1 << 63)
    whole = len(GOOD.standing) + (1 << 63)
    assert f"{whole} bytes or more, and the limit is 5000 " in refusal(wire, 5000).message


def test_the_limit_is_the_last_size_that_is_taken() -> None:
    size = len(GOOD.standing) + LENGTH
    assert taken(GOOD.wire, size) == GOOD.played
    assert refusal(GOOD.wire, size - 1).code == "max-checkpoint"


def test_ram_that_grows_over_the_limit_is_refused_before_its_end() -> None:
    zeros = page(Page("vga.vram", 0, b"\0"), named=False) * 1000
    wire = SEND + ram_section(zeros)[:-5]
    assert refusal(wire, 8000).code == "max-checkpoint"
    session, here = begun(8000), 0
    session.from_primary(REQUEST + SEND)
    for piece in cuts(wire[4:], 0, 1):
        here += 1
        if session.from_primary(piece):
            break
    assert 8000 - 2 * PAGE < here <= 8001


# --- messages -------------------------------------------------------------------------------------

OUT_OF_TURN = {
    "a request, again": (REQUEST, "out-of-turn"),
    "a size before the sections": (SIZE + word(1), "out-of-turn"),
    "a vast size before the sections": (SIZE + word(1 << 63), "out-of-turn"),
    "sections, again": (GOOD.wire[: -len(GOOD.size + GOOD.devices)] + SEND, "out-of-turn"),
    "a request after the live sections": (SEND + GOOD.live + REQUEST, "out-of-turn"),
    "ready": (READY, "wrong-side"),
    "a reply": (REPLY, "wrong-side"),
    "received": (RECEIVED, "wrong-side"),
    "loaded": (SEND + GOOD.live + LOADED, "wrong-side"),
    "message 7": (b"\0\0\0\7", "unknown-message"),
    "multifd's magic": (b"\x11\x22\x33\x44", "unknown-message"),
    "a section": (RAM, "unknown-message"),
}


@pytest.mark.parametrize(("wire", "code"), OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_a_message_out_of_its_turn_is_refused(wire: bytes, code: str) -> None:
    assert refusal(wire).code == code


@pytest.mark.parametrize("wire", [SEND, SIZE + word(5), SIZE + word(1 << 63)])
def test_a_checkpoint_without_a_request_is_refused(wire: bytes) -> None:
    for pieces in ways(wire):
        (end,) = fed(begun(), pieces)
        assert isinstance(end, Ended) and (end.code, end.epoch) == ("out-of-turn", 1)


@pytest.mark.parametrize("said", [REQUEST, REPLY, b"\0\0\0\7", NIC])
def test_what_the_primary_says_while_a_checkpoint_is_applied_ends_it_after_that(
    said: bytes,
) -> None:
    for pieces in ways(REQUEST + GOOD.wire + said):
        session = begun()
        actions = fed(session, pieces)
        assert [type(a) for a in actions] == [ToPrimary, Requested, Proven, ToSecondary]
        answers = [session.from_secondary(said) for said in (REPLY, RECEIVED, LOADED)]
        found = [action for some in answers for action in some]
        assert not [a for a in found if isinstance(a, ToPrimary)]
        end = found[-1]
        assert isinstance(end, Ended) and (end.outcome, end.epoch) == (Outcome.REFUSED, 2)


def test_every_checkpoint_of_the_talk_is_taken_and_sent_on_as_it_must_be() -> None:
    session = Session(baseline=baseline())
    for number, one in enumerate(TALK, 1):
        session.from_primary(REQUEST)
        session.from_primary(one.wire)
        (play,) = session.from_secondary(REPLY)
        session.from_secondary(RECEIVED + LOADED)
        assert isinstance(play, Play) and play.checkpoint.epoch == number == session.epoch
        assert b"".join(play.checkpoint.wire()) == one.played
        assert walk(one.standing) == pages(number)
