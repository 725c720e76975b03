"""The work of reading a stream that comes byte by byte is in proportion to its bytes.

Counted are the functions that are called, not the time that they take.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from arrivals import bytewise
from counting import counted, work
from helpers import attempt
from streams_at_hand import MACHINES, answers, library, state

from vmsc.compiler.library import open_library
from vmsc.inspect.file_reader import stream_measure
from vmsc.inspect.parameters import open_parameters
from vmsc.runtime.codec import Buffer, Codec
from vmsc.runtime.errors import Truncated
from vmsc.runtime.notes import Kept, Notes
from vmsc.stream.reader import StreamReader
from vmsc.stream.state import SectionHeader

# --- a real stream --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MACHINES)
def test_of_a_real_stream_in_single_bytes_no_section_is_tried_for_each_byte(name: str) -> None:
    data = state(name)
    tries: Counter[int] = Counter()
    scans: Counter[str] = Counter()
    plain = stream_measure(library(), answers(name))

    def measure(header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        tries[header.id] += 1
        with counted() as calls:
            try:
                return plain(header, buf, pos, final)
            finally:
                scans.update(calls)

    reader = StreamReader(measure)
    pieces = [piece for byte in bytewise(data) for piece in reader.feed(byte)]
    pieces += reader.close()
    assert b"".join(piece.data for piece in pieces) == data
    assert max(tries.values()) < 100, "a section is tried where it may end, or lacks what it must"
    assert work(scans) < 60_000, "whatever the sections' length"


def test_eight_times_the_bytes_of_a_real_stream_take_eight_times_the_work() -> None:
    """Checkpoints follow one another on one connection: the eighth is read like the first."""
    head, body = state("minimal")[:8], state("minimal")[8:-1]

    def calls(rounds: int) -> int:
        reader = StreamReader(stream_measure(library(), answers("minimal")))
        with counted() as found:
            for byte in bytewise(head + body * rounds + b"\0"):
                for _ in reader.feed(byte):
                    pass
        return work(found)

    calls(1)  # loads the codecs
    assert calls(8) < 8.4 * calls(1)


# --- lists ----------------------------------------------------------------------------------------

LISTS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "until a tag": (
        'device "d" { q: list Element }',
        lambda n: b"\1\2ab" * n + b"\0",
    ),
    "until a tag, in a list": (
        'device "d" { q: list Inner }\nstruct Inner { q: list Element }',
        lambda n: (b"\1" + b"\1\1a" * 10 + b"\0") * (n // 10) + b"\0",
    ),
    "until a value": (
        'device "d" { q: Code[until code == 0] }\nstruct Code { code: u8; data: bytes[code] }',
        lambda n: b"\2ab" * n + b"\0",
    ),
    "until a sum": (
        'device "d" { total: u32; q: Part[until sum(len) == total] }\n'
        "struct Part { len: u8 min 1; data: bytes[len] }",
        lambda n: (2 * n).to_bytes(4, "big") + b"\2ab" * n,
    ),
    "a tree": (
        'device "d" { q: tree u16 => string8 }',
        lambda n: n.to_bytes(4, "big") + b"\1\0\0\1a" * n + b"\0",
    ),
    "counted": (
        'device "d" { n: u16; q: Element[n] }',
        lambda n: n.to_bytes(2, "big") + b"\3abc" * n,
    ),
    "nullable": (
        'device "d" { n: u16; q: nullable Element[n] marked }',
        lambda n: n.to_bytes(2, "big") + b"\x31\1a\x30" * (n // 2),
    ),
    "rounds": (
        'device "d" { q: Rounds }\n'
        "loop Rounds { w: u8; break when w == 0; block: string8 sticky when w & 2 }",
        lambda n: b"\2\1a\1" * (n // 2) + b"\0",
    ),
}


def arrived(codec: Codec, data: bytes, noted: bool) -> int:
    """The calls that it takes to find the end of bytes that come one by one."""
    kept: Kept = {}
    with counted() as calls:
        for size in range(len(data) + 1):
            notes = Notes(0, kept)
            given = {"notes": notes} if noted else {}
            end = attempt(lambda g=given, s=size: codec.qemu.scan(data[:s], final=False, **g))  # type: ignore[misc]
            kept = notes.fresh
            if not isinstance(end, Truncated):
                assert end == size == len(data)
    return work(calls)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_twice_as_long_takes_twice_the_work(
    name: str, build: Callable[[str], types.ModuleType]
) -> None:
    text, bytes_of = LISTS[name]
    codec = build(f"{text}\nstruct Element {{ n: u8; data: bytes[n] }}").CODECS["D"]
    assert codec.notes
    once, twice = (arrived(codec, bytes_of(n), True) for n in (100, 200))
    assert twice < 2.1 * once
    assert arrived(codec, bytes_of(200), False) > 5 * twice, "and without notes, far more"


# --- a list in a stream ---------------------------------------------------------------------------

LISTED = """
device "listed" {
    before: u32
    q:      list Element
    after:  u8
}
struct Element { n: u8; data: bytes[n] }
"""


def test_a_stream_whose_section_has_a_long_list_takes_no_more(tmp_path: Path) -> None:
    (tmp_path / "listed.vmsd").write_text(LISTED)
    known = open_library([tmp_path])
    head = b"QEVM\0\0\0\3\4\0\0\0\7\6listed" + bytes(4) + (1).to_bytes(4, "big")

    def calls(count: int) -> int:
        data = head + bytes(4) + b"\1\2ab" * count + b"\0\0" + b"\x7e\0\0\0\7" + b"\0"
        answers = open_parameters(b"", known)
        reader = StreamReader(stream_measure(known, answers))
        with counted() as found:
            pieces = [piece for byte in bytewise(data) for piece in reader.feed(byte)]
            pieces += reader.close()
        assert b"".join(piece.data for piece in pieces) == data
        return work(found)

    calls(1)  # loads the codec
    assert calls(600) < 2.1 * calls(300)
