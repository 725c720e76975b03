"""The laws of design section 6 on a real machine's state: every prefix, every bit, every cut.

All of them take long; without `soak` a tenth is tried, another tenth of the places in each test.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from streams_at_hand import answers, frame, library, state

from vmsc.inspect.file_reader import entries, stream_measure
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.runtime.framed.checkpoint import CheckpointReader, Delivered, decode_checkpoint
from vmsc.stream.reader import StreamReader, read_stream

NAME = "minimal"
ALL = pytest.param(1.0, marks=pytest.mark.soak, id="all")
TENTH = pytest.param(0.1, id="a tenth")
share = pytest.mark.parametrize("part", [TENTH, ALL])


def some(count: int, part: float, seed: int) -> Iterator[int]:
    """That part of the numbers below `count`, always the same ones."""
    if part == 1.0:
        yield from range(count)
        return
    yield from sorted(random.Random(seed).sample(range(count), int(count * part)))


@pytest.fixture(scope="module")
def checkpoint() -> bytes:
    return frame(state(NAME), answers(NAME))


@share
def test_every_strict_prefix_of_a_checkpoint_is_truncated(checkpoint: bytes, part: float) -> None:
    for cut in some(len(checkpoint), part, 1):
        with pytest.raises(Truncated):
            decode_checkpoint(checkpoint[:cut])


@share
def test_every_flipped_bit_of_a_checkpoint_is_found(checkpoint: bytes, part: float) -> None:
    damaged = bytearray(checkpoint)
    for bit in some(8 * len(checkpoint), part, 2):
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            decode_checkpoint(damaged)
        damaged[bit // 8] ^= 1 << bit % 8


@share
def test_a_checkpoint_cut_anywhere_is_the_same(checkpoint: bytes, part: float) -> None:
    whole = decode_checkpoint(checkpoint)
    for cut in some(len(checkpoint), part, 3):
        reader = CheckpointReader()
        reader.feed(checkpoint[:cut])
        match reader.feed(checkpoint[cut:]):
            case Delivered(checkpoint=found):
                assert found == whole
            case _:
                pytest.fail(f"cut at {cut}: not committed")


@share
def test_every_strict_prefix_of_a_stream_is_truncated(part: float) -> None:
    data = state(NAME)
    for cut in some(len(data), part / 2, 4):
        with pytest.raises(Truncated):
            for _ in entries(data[:cut], library(), answers(NAME), deep=False):
                pass


@share
def test_a_stream_cut_anywhere_gives_the_same_events(part: float) -> None:
    data = state(NAME)
    measure = stream_measure(library(), answers(NAME))
    whole = list(read_stream(data, measure))
    for cut in some(len(data), part / 2, 5):
        reader = StreamReader(stream_measure(library(), answers(NAME)))
        found = [*reader.feed(data[:cut]), *reader.feed(data[cut:]), *reader.close()]
        assert [piece.event for piece in found] == whole
        assert b"".join(piece.data for piece in found) == data


@share
def test_a_changed_byte_of_a_stream_gives_a_result_or_one_error(part: float) -> None:
    data = bytearray(state(NAME))
    rng = random.Random(6)
    for at in some(len(data), part, 6):
        old = data[at]
        data[at] = rng.randrange(256)
        try:
            for entry in entries(bytes(data), library(), answers(NAME), deep=False):
                if entry.codec is not None and entry.codec.kind == "device":
                    entry.value()
        except DecodeError:
            pass
        data[at] = old
