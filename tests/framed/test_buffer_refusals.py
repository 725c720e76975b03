"""What is refused of checkpoints over several channels, by name, read and written."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import framed_reader
import pytest
from commands import run_vmsc
from frames import BLOB, EOF, ONE, SMALL, TWO, chunked, forge, item, outcome
from test_buffer import outcome as outcome_of_all
from test_buffer import read, whole

from vmsc.runtime.errors import DecodeError, EncodeError
from vmsc.runtime.framed.checkpoint import CheckpointWriter, write_channels, write_checkpoint
from vmsc.runtime.framed.collector import CheckpointCollector
from vmsc.runtime.framed.context import Context
from vmsc.runtime.framed.frame import Frame, Kind

# --- channels put together by the page alone ----------------------------------------------------


def begin(epoch: int, channels: int) -> bytes:
    return forge(1, epoch.to_bytes(8, "big") + item(3, channels.to_bytes(4, "big")))


def opened(epoch: int, channel: int) -> bytes:
    """A PART frame."""
    return forge(13, struct.pack(">QI", epoch, channel))


def heads(frames: Sequence[bytes]) -> bytes:
    return b"".join(frame[: 52 + frame[41]] for frame in frames)


def part(epoch_: int, channel_: int, /, *frames: bytes, **wrong: int | bytes) -> list[bytes]:
    """A part's frames; `wrong`: what its PART-END says that is not so."""
    sent = [opened(epoch_, channel_), *frames]
    said: dict[str, int | bytes] = {"epoch": epoch_, "channel": channel_, "count": len(frames)}
    said |= {"bytes": len(b"".join(sent)), "sha": sha256(heads(sent)).digest()}
    return [*sent, forge(14, struct.pack(">QIQQ32s", *(said | wrong).values()))]


def commit(frames: Sequence[bytes], parts: Sequence[list[bytes]], **wrong: int | bytes) -> bytes:
    """The COMMIT of epoch 7 over BEGIN and what follows it, and over the parts."""
    every = [frame for one in (frames, *parts) for frame in one]
    digest = sha256(heads(frames) + b"".join(one[-1] for one in parts)).digest()
    said: dict[str, int | bytes] = {"epoch": 7, "count": len(every) - 1}
    said |= {"bytes": len(b"".join(every)), "sha": digest}
    return forge(2, struct.pack(">QQQ32s", *(said | wrong).values()))


BEGIN = begin(7, 2)
FIRST, SECOND = part(7, 1, ONE), part(7, 2)
COMMIT = commit([BEGIN, TWO], [FIRST, SECOND])
GOOD = (BEGIN + TWO + COMMIT, b"".join(FIRST), b"".join(SECOND))


def refusal(main: bytes, *sides: bytes) -> str:
    """The code that both readers refuse these channels with, whichever of them comes first."""
    channels = [(0, main), *enumerate(sides, 1)]
    codes = {str(outcome_of_all(*order)) for order in (channels, channels[::-1])}
    with pytest.raises(framed_reader.Refused) as caught:
        framed_reader.read_channels([main, *sides])
    assert codes == {caught.value.code}
    return caught.value.code


def test_what_the_page_alone_puts_together_is_what_the_writer_writes() -> None:
    one = Frame(Kind.OPAQUE, b"one", name="one", type=4)
    two = Frame(Kind.OPAQUE, b"two", name="two", type=4)
    assert write_channels(7, None, [two], [[one], []]) == GOOD
    assert whole(GOOD).parts == ((one,), ())


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [
        ("no-part", ONE + b"".join(FIRST), GOOD[2]),
        ("no-part", FIRST[-1], GOOD[2]),
        ("no-end", FIRST[0] + GOOD[1], GOOD[2]),
        ("bad-channel", GOOD[0], GOOD[2]),
        ("bad-channel", FIRST[0] + COMMIT, GOOD[2]),
        ("bad-part", b"".join(part(8, 1, ONE)), GOOD[2]),
        ("bad-part", b"".join(part(6, 1, ONE)), GOOD[2]),
        ("bad-part", b"".join(part(7, 0, ONE)), GOOD[2]),
        ("bad-part", b"".join(part(7, 3, ONE)), GOOD[2]),
        ("bad-part", b"".join(part(7, 2, ONE)), GOOD[2]),
        ("bad-part", b"".join(part(7, 1, ONE, epoch=8)), GOOD[2]),
        ("bad-part", b"".join(part(7, 1, ONE, channel=2)), GOOD[2]),
        ("bad-part", b"".join(part(7, 1, ONE, count=2)), GOOD[2]),
        ("bad-part", b"".join(part(7, 1, ONE, bytes=0)), GOOD[2]),
        ("bad-part", b"".join(part(7, 1, ONE, sha=bytes(32))), GOOD[2]),
        ("bad-part", FIRST[0] + FIRST[-1], GOOD[2]),
        ("bad-part", FIRST[0] + TWO + FIRST[-1], GOOD[2]),
        ("bad-part", FIRST[0] + ONE + ONE + FIRST[-1], GOOD[2]),
        ("bad-commit", b"".join(part(7, 1, TWO)), GOOD[2]),
        ("bad-commit", b"".join(part(7, 1)), GOOD[2]),
        ("bad-commit", b"".join(part(7, 2, ONE)), b"".join(part(7, 1))),
        ("bad-frame", forge(13, bytes(13)) + GOOD[1], GOOD[2]),
        ("bad-frame", FIRST[0] + ONE + forge(14, bytes(56)), GOOD[2]),
    ],
)
def test_a_part_that_breaks_a_rule_is_refused(code: str, first: bytes, second: bytes) -> None:
    assert refusal(GOOD[0], first, second) == code


@pytest.mark.parametrize(
    ("code", "main"),
    [
        ("bad-channel", FIRST[0] + GOOD[0]),
        ("bad-channel", BEGIN + FIRST[0] + TWO + COMMIT),
        ("bad-channel", BEGIN + TWO + FIRST[-1] + COMMIT),
        ("bad-commit", BEGIN + TWO + commit([BEGIN, TWO], [SECOND, FIRST])),
        ("bad-commit", BEGIN + TWO + commit([BEGIN, TWO], [FIRST])),
        ("bad-commit", BEGIN + TWO + commit([BEGIN, TWO], [])),
        ("bad-commit", BEGIN + TWO + commit([BEGIN, TWO], [FIRST, SECOND], count=5)),
        ("bad-commit", BEGIN + TWO + commit([BEGIN, TWO], [FIRST, SECOND], epoch=8)),
        ("bad-commit", BEGIN + TWO + commit([BEGIN, TWO], [FIRST, SECOND], bytes=0)),
        ("bad-commit", BEGIN + COMMIT),
        ("bad-context", forge(1, bytes(8) + item(3, bytes(4)))),
        ("bad-context", forge(1, bytes(8) + item(3, b"\1"))),
        ("bad-context", forge(1, bytes(8) + 2 * item(3, b"\0\0\0\2"))),
        ("limit", begin(7, 256)),
    ],
)
def test_a_main_channel_that_breaks_a_rule_is_refused(code: str, main: bytes) -> None:
    assert refusal(main, *GOOD[1:]) == code


def test_a_part_too_many_is_refused_before_the_commit_and_after_it() -> None:
    main = begin(7, 1) + commit([begin(7, 1)], [FIRST])
    assert outcome_of_all((2, GOOD[2]), (0, main), (1, GOOD[1])) == "bad-part"
    buffer = CheckpointCollector()
    assert len(list(read(buffer, [(0, main), (1, GOOD[1])]))) == 1
    with pytest.raises(DecodeError) as caught:
        buffer.feed(GOOD[2], 2)
    assert caught.value.code == "old-epoch"


def test_a_refusal_names_the_connection_and_the_place_in_it() -> None:
    buffer = CheckpointCollector()
    assert buffer.feed(b"".join(part(8, 1)), 12) is None
    wanted = r"channel\[12\] at byte 52: a part of epoch 8 for checkpoint 7"
    with pytest.raises(DecodeError, match=wanted):
        buffer.feed(BEGIN)


# --- epochs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [0, 6, 7])
def test_an_epoch_that_does_not_rise_is_refused(epoch: int) -> None:
    main, *sides = (
        a + b for a, b in zip(GOOD, write_channels(epoch, None, [], [[], []]), strict=True)
    )
    with pytest.raises(framed_reader.Refused, match="old-epoch"):
        framed_reader.read_channels([main, *sides])
    for pieces in ([(0, main), (1, sides[0]), (2, sides[1])], [(2, sides[1]), (1, sides[0])]):
        buffer = CheckpointCollector()
        found = list(read(buffer, enumerate(GOOD)))
        assert len(found) == 1
        later = [(channel, data[len(GOOD[channel]) :]) for channel, data in pieces]
        with pytest.raises(DecodeError, match="epoch 7 is committed already") as caught:
            list(read(buffer, later))
        assert caught.value.code == "old-epoch"


def test_a_cut_does_not_forget_which_epoch_was_committed() -> None:
    buffer = CheckpointCollector()
    assert len(list(read(buffer, enumerate(GOOD)))) == 1
    buffer.cut()
    assert buffer.epoch == 7
    with pytest.raises(DecodeError, match="epoch 7 is committed already"):
        buffer.feed(GOOD[0])


def test_a_file_may_hold_checkpoints_of_any_epochs() -> None:
    assert len(framed_reader.read_file(SMALL + SMALL)) == 2


# --- one channel ----------------------------------------------------------------------------------


def test_readers_of_one_channel_refuse_several_by_name() -> None:
    main, side, _ = GOOD
    for data, code in ((main, "channels"), (side, "bad-channel")):
        found = outcome(data)
        assert isinstance(found, tuple) and found[0] == code
        assert chunked([data[:70], data[70:]]) == found
        with pytest.raises(framed_reader.Refused, match=code):
            framed_reader.read_file(data)


@pytest.mark.parametrize("command", ["info", "decode", "verify", "unframe"])
def test_commands_refuse_several_channels_and_say_the_way_out(command: str, tmp_path: Path) -> None:
    file = tmp_path / "main.vmsf"
    file.write_bytes(GOOD[0])
    more: list[str | Path] = ["-o", tmp_path / "out"] if command == "unframe" else []
    done = run_vmsc(command, file, *more)
    assert done.status == 1
    assert "checkpoint 7 comes over 2 side channels as well" in done.err
    assert (
        "vmsc.runtime.framed.collector.CheckpointCollector" in done.err and "[channels]" in done.err
    )


# --- writing ------------------------------------------------------------------------------------


def test_a_checkpoint_that_no_reader_would_take_is_not_written() -> None:
    writer = CheckpointWriter(7, Context(channels=2))
    for channel in (0, 3):
        with pytest.raises(EncodeError, match="from 1 to 2, once each, expected"):
            writer.part(channel)
    first = writer.part(1)
    with pytest.raises(EncodeError, match="found 1"):
        writer.part(1)
    writer.begin()
    first.begin()
    for kind in (Kind.BEGIN, Kind.COMMIT, Kind.PART, Kind.PART_END):
        with pytest.raises(EncodeError, match="within a part"):
            first.add(Frame(kind, bytes(60)))
        with pytest.raises(EncodeError, match="within a checkpoint"):
            writer.add(Frame(kind, bytes(60)))
    with pytest.raises(EncodeError, match="the part of channel 1 has not ended"):
        writer.commit()
    with pytest.raises(EncodeError, match="the part of channel 1 has not ended"):
        write_checkpoint(7, Context(channels=1), [BLOB])
    with pytest.raises(EncodeError, match="do not fit in 32 bits"):
        write_checkpoint(7, Context(channels=1 << 32), [EOF])
