"""mapped-ram: a file in which each page of RAM has its place, with holes between them.

QEMU writes it from 9.0 on; the file here is made by hand from its layout (migration/ram.c).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from arrivals import bytewise, cuts, machine_file, seen
from commands import run_vmsc
from helpers import attempt, hexed
from streams_at_hand import frame, library, opened, state, unframe

from vmsc.inspect.entry import ParameterSource
from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters
from vmsc.inspect.pipe_reader import arriving
from vmsc.runtime.errors import CodecError, DecodeError, Truncated
from vmsc.stream.events import Section

PAGE = 4096
MIB = 1 << 20
HEAD = hexed("""
    "QEVM" 00 00 00 03
    07 00 00 00 02 "pc"                                 # configuration: the machine type
    05 1a "configuration/capabilities" 00 00 00 01      # a subsection of it
    00 00 00 01 0a "mapped-ram"                         # one capability
    01 00 00 00 02 03 "ram" 00 00 00 00 00 00 00 04     # START of section 2
    00 00 00 00 00 04 20 04                             # 66 pages in all | MEM_SIZE
""")
TAIL = hexed("""
    00 00 00 00 00 00 00 10                             # EOS
    7e 00 00 00 02
    03 00 00 00 02 00 00 00 00 00 00 00 10              # END of section 2: its EOS
    7e 00 00 00 02
""")


def block(
    file: bytes, name: bytes, pages: dict[int, bytes], count: int, *, bitmap: int | None = None
) -> bytes:
    """The file with one more block of `count` pages, of which these are there."""
    file += bytes([len(name)]) + name + struct.pack(">Q", count * PAGE)
    at = len(file) + 28
    start = -(-(at + 8 * -(-count // 64)) // MIB) * MIB  # the next MiB
    file += struct.pack(">IQQQ", 1, PAGE, at if bitmap is None else bitmap, start)
    words = [sum(1 << n % 64 for n in pages if n // 64 == w) for w in range(-(-count // 64))]
    file += struct.pack(f"<{len(words)}Q", *words)
    file = file.ljust(start, b"\0")
    return file + b"".join(pages.get(n, bytes(PAGE)) for n in range(count))


def mapped(**options: int) -> bytes:
    file = block(HEAD, b"pc.ram", {0: b"\1" * PAGE, 64: b"\2" * PAGE}, 65, **options)
    return block(file, b"vga", {}, 1) + TAIL + state("pc")[8:]


FILE = mapped()
# Not sent: shared memory that is left out has both offsets 0.
SHARED = hexed('06 "pc.ram" 00 00 00 00 00 04 20 00  00 00 00 01') + struct.pack(">QQQ", PAGE, 0, 0)
WITHOUT = HEAD + SHARED + TAIL + state("pc")[8:]


def known() -> ParameterSource:
    return open_parameters(b"", library(), (), machine_file("pc"))


def ram(data: bytes) -> Section:
    found = (e.event for e in opened(data, known()))
    return next(e for e in found if isinstance(e, Section) and e.name == "ram")


def test_the_section_of_the_blocks_ends_behind_their_pages() -> None:
    section = ram(FILE)
    end = 2 * MIB + PAGE  # the first block's pages begin at 1 MiB, the second's one at 2 MiB
    assert FILE[end : end + 8] == bytes.fromhex("0000000000000010")
    assert section.payload + section.length == end + 8


def test_bitmap_and_pages_are_values() -> None:
    entry = next(
        e for e in opened(FILE, known()) if isinstance(e.event, Section) and e.event.name == "ram"
    )
    pc, vga = entry.value().pages[0].body
    assert (pc.id, vga.id) == (b"pc.ram", b"vga")
    assert pc.mapped.bitmap == bytes.fromhex("0100000000000000 0100000000000000")
    assert [n for n, page in enumerate(pc.mapped.pages) if any(page)] == [0, 64]
    assert (pc.mapped.pages_offset, vga.mapped.pages_offset) == (MIB, 2 * MIB)
    assert pc.mapped.padding == bytes(MIB - pc.mapped.bitmap_offset - 16)


@pytest.mark.parametrize("data", [FILE, WITHOUT], ids=["file", "nothing sent"])
def test_it_comes_back_and_may_be_cut(data: bytes) -> None:
    assert unframe(frame(data, known()), known()) == data
    whole = seen(entries(data, library(), known()))
    assert whole[1] == ""
    for pieces in (cuts(data, 1, 100_000), cuts(data, 2, 700), bytewise(data[: 2 * MIB])):
        answers = open_parameters(None, library(), (), machine_file("pc"))
        found, error = seen(arriving(pieces, answers))
        assert found == whole[0][: len(found)]
        assert not error or sum(map(len, pieces)) < len(data)


@pytest.mark.parametrize("command", ["info", "verify"])
def test_commands_read_it(command: str, tmp_path: Path) -> None:
    (tmp_path / "mapped").write_bytes(FILE)
    done = run_vmsc(command, tmp_path / "mapped", "--machine", machine_file("pc"))
    assert done.status == 0, done.err


@pytest.mark.parametrize("aside", [True, False])
def test_decode_and_encode_bring_it_back(aside: bool, tmp_path: Path) -> None:
    (tmp_path / "mapped").write_bytes(FILE)
    more: list[str | Path] = ["--ram-to", tmp_path / "ram"] if aside else []
    text = run_vmsc("decode", tmp_path / "mapped", "--machine", machine_file("pc"), *more)
    assert text.status == 0, text.err
    (tmp_path / "json").write_text(text.out)
    sections = [p for p in json.loads(text.out)["parts"] if p.get("name") == "ram"]
    assert ("ram" in sections[0]) == aside
    more = ["--ram-from", tmp_path / "ram"] if aside else []
    done = run_vmsc("encode", tmp_path / "json", "-o", tmp_path / "back", *more)
    assert done.status == 0, done.err
    assert (tmp_path / "back").read_bytes() == FILE


def test_a_file_cut_short_is_truncated() -> None:
    for cut in (*range(len(HEAD), len(HEAD) + 60), MIB, MIB + 64 * PAGE, 2 * MIB + 1):
        found = attempt(lambda c=cut: opened(FILE[:c], known()))  # type: ignore[misc]
        assert isinstance(found, Truncated), cut


def error_of(data: bytes) -> CodecError:
    with pytest.raises(DecodeError) as caught:
        opened(data, known())
    return caught.value


def test_a_bitmap_elsewhere_is_refused() -> None:
    error = error_of(mapped(bitmap=4096))
    at = len(HEAD) + 15 + 28
    assert f"the bitmap at byte {at} expected" in str(error) and "found 4096" in str(error)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (0, 2, "version 1, pages of 4096 bytes expected"),
        (4, 2 * PAGE, "version 1, pages of 4096 bytes expected"),
        (20, 2 << 30, "bytes for the bitmap"),
        (20, len(HEAD) + 15 + 28 + 8, "16 to 1073741824 bytes for the bitmap"),
    ],
)
def test_a_header_that_cannot_be_is_refused(at: int, value: int, said: str) -> None:
    place = len(HEAD) + 15 + at
    data = bytearray(FILE)
    size = 4 if at == 0 else 8
    data[place : place + size] = value.to_bytes(size, "big")
    assert said in str(error_of(bytes(data)))
