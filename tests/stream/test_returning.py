"""What a destination answers: typed by hand, and from live postcopy and COLO."""

from __future__ import annotations

import pytest
from live import require_qemu
from recordings import record
from streams import wire

from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.stream.events import Message
from vmsc.stream.return_path import AnswerReader, Return, looks_like_answers, read_answers

POSTCOPY = wire("""
    00 02 00 04              pong, 4 bytes
    00 00 00 01              1
    00 03 00 13              request-pages-of, 19 bytes
    00 00 00 00 00 20 00 00  from 2 MiB
    00 00 10 00              4096 bytes
    06 70 63 2e 72 61 6d     of pc.ram
    00 04 00 0c              request-pages
    00 00 00 00 00 30 00 00  from 3 MiB
    00 00 10 00              4096 bytes
    00 05 00 07              received-bitmap
    06 70 63 2e 72 61 6d     of pc.ram
    00 00 00 00 00 00 00 08  8 bytes:
    ff 00 00 00 00 00 00 00  the first eight pages
    01 23 45 67 89 ab cd ef  the end
    00 06 00 04 00 00 00 01  resume-acknowledged
    00 01 00 04 00 00 00 00  shut
""")
COLO = wire("""
    00 02 00 04 00 00 00 01  pong
    00 00 00 00              checkpoint-ready
    00 00 00 02              checkpoint-reply
    00 00 00 05              vmstate-received
    00 00 00 06              vmstate-loaded
""")


def names(data: bytes) -> list[str]:
    return [answer.name for answer in read_answers(data)]


def test_every_message_of_the_return_path_is_read() -> None:
    found = list(read_answers(POSTCOPY))
    assert [a.name for a in found] == [
        "pong", "request-pages-of", "request-pages", "received-bitmap", "resume-acknowledged",
        "shut",
    ]  # fmt: skip
    bitmap = found[3]
    assert isinstance(bitmap, Return) and bitmap.bitmap == b"\xff" + bytes(7)
    assert sum(a.size for a in found) == len(POSTCOPY)
    assert looks_like_answers(POSTCOPY[:4])


def test_colo_follows_the_return_path() -> None:
    assert names(COLO) == [
        "pong", "checkpoint-ready", "checkpoint-reply", "vmstate-received", "vmstate-loaded",
    ]  # fmt: skip


@pytest.mark.parametrize("data", [POSTCOPY, COLO])
def test_answers_in_single_bytes_are_the_same(data: bytes) -> None:
    reader = AnswerReader()
    found = [a for i in range(len(data)) for a in reader.feed(data[i : i + 1])]
    reader.close()
    assert found == list(read_answers(data))
    with pytest.raises(Truncated):
        list(read_answers(data[:-1]))


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("type 0 to 7 of an answer expected, found 9", b"\0\x09\0\0"),
        ("4 bytes of pong expected, found 3", b"\0\2\0\3abc"),
        ("message 0 to 6 expected, found 7", b"\0\0\0\0\0\0\0\7"),
        ("over the limit", b"\0\5\0\2\1a" + b"\xff" * 8),
        ("expected after the bitmap", b"\0\5\0\2\1a" + bytes(16)),
    ],
)
def test_what_is_no_answer_is_refused(what: str, data: bytes) -> None:
    with pytest.raises(DecodeError, match=what):
        list(read_answers(data))


@pytest.mark.live
@pytest.mark.xdist_group("recordings")
def test_live_postcopy_answers_pings_and_shuts() -> None:
    require_qemu()
    found = names(record("postcopy").answers)
    assert found.count("pong") >= 4 and found[-1] == "shut"


@pytest.mark.live
@pytest.mark.xdist_group("recordings")
def test_live_colo_answers_each_checkpoint_in_three_steps() -> None:
    require_qemu()
    found = list(read_answers(record("colo").answers))
    assert all(isinstance(a, Message) for a in found)
    assert found[0].name == "checkpoint-ready"
    steps = ["checkpoint-reply", "vmstate-received", "vmstate-loaded"] * 4
    assert [a.name for a in found[1:13]] == steps
