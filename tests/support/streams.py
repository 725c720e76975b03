"""QEMU streams typed by hand from the format's rules, measures for the devices in them, readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.stream.events import Event, Section
from vmsc.stream.primitives import want
from vmsc.stream.ram import RamFormat, ram_measure
from vmsc.stream.reader import StreamReader, payload_of, read_stream
from vmsc.stream.section_names import names_of, unknown_section
from vmsc.stream.state import Measure, SectionHeader

__all__ = [
    "COLO",
    "DEVICES_ONLY",
    "PLAIN",
    "POSTCOPY",
    "STREAMS",
    "Result",
    "chunked",
    "events",
    "every_stream",
    "measure",
    "outcome",
    "pairs",
    "refused",
    "wire",
]


def wire(text: str) -> bytes:
    """Bytes from lines of hex; what stands after two blanks says what they are."""
    lines = (line.strip().partition("  ")[0] for line in text.strip().splitlines())
    return bytes.fromhex(" ".join(lines))


def _uart(header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
    """A device of four bytes."""
    want(buf, pos, 4, "regs")
    return pos + 4


def _fifo(header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
    """A device of a count, as many bytes, 16 at most, and perhaps subsections without a body."""
    want(buf, pos, 1, "count")
    if buf[pos] > 16:
        raise DecodeError(f"{buf[pos]} is over 16", offset=pos, code="limit", path=("count",))
    end = pos + 1 + buf[pos]
    want(buf, pos, end - pos, "data")
    while end < len(buf) or not final:
        want(buf, end, 1)
        if buf[end] != 5:
            break
        want(buf, end, 2, "subsection")
        want(buf, end, 6 + buf[end + 1], "subsection")
        end += 6 + buf[end + 1]
    return end


def measure_by_name(table: Mapping[str, Measure]) -> Measure:
    """A measure that hands on to the entry for the section's name."""

    def measure(header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        for name in names_of(header.name):
            if name in table:
                return table[name](header, buf, pos, final)
        raise unknown_section(header, pos)

    return measure


def measure() -> Measure:
    ram = ram_measure(RamFormat(page_size=1024))
    return measure_by_name({"uart": _uart, "fifo": _fifo, "ram": ram})


_HEADER = wire("""
    51 45 56 4d  QEVM
    00 00 00 03  version
""")
_EOF = wire("00  EOF")

_CONFIGURATION = wire("""
    07                                      configuration
    00 00 00 04  length
    6d 69 6e 69                             mini
    05 1a                                   a subsection, 26 letters:
    63 6f 6e 66 69 67 75 72 61 74 69 6f 6e  configuration
    2f                                      /
    63 61 70 61 62 69 6c 69 74 69 65 73     capabilities
    00 00 00 01                             version
    00 00 00 01                             one capability:
    02 78 79                                xy
""")

_RAM_START = wire("""
    01                       START
    00 00 00 02              section id
    03 72 61 6d              ram
    00 00 00 00              instance
    00 00 00 04              version
    00 00 00 00 00 00 08 04  2048 bytes in all | MEM_SIZE
    02 70 63                 block pc
    00 00 00 00 00 00 08 00  of 2048 bytes
    00 00 00 00 00 00 00 10  EOS
    7e 00 00 00 02           footer
""")
_RAM_PART = wire("""
    02                       PART
    00 00 00 02              section id
    00 00 00 00 00 00 00 02  page 0 | ZERO
    02 70 63                 of block pc
    00                       fill
    00 00 00 00 00 00 04 22  page 1024 | CONTINUE | ZERO
    ff                       fill
    00 00 00 00 00 00 00 10  EOS
    7e 00 00 00 02           footer
""")
_RAM_END = (
    wire("""
    03                       END
    00 00 00 02              section id
    00 00 00 00 00 00 00 28  page 0 | CONTINUE | PAGE
""")
    + bytes(range(256)) * 4
    + wire("""
    00 00 00 00 00 00 00 10  EOS
    7e 00 00 00 02           footer
""")
)

_UART = wire("""
    04                                   FULL
    00 00 00 05                          section id
    11                                   17 letters:
    30 30 30 30 3a 30 30 3a 30 33 2e 30  0000:00:03.0
    2f 75 61 72 74                       /uart
    00 00 00 00                          instance
    00 00 00 01                          version
    de ad be ef                          regs
    7e 00 00 00 05                       footer
""")
_FIFO = wire("""
    04                 FULL
    00 00 00 06        section id
    04 66 69 66 6f     fifo
    00 00 00 01        instance
    00 00 00 03        version
    02 aa bb           count, data
    05                 a subsection
    06                 6 letters:
    66 69 66 6f 2f 78  fifo/x
    00 00 00 01        version
    7e 00 00 00 06     footer
""")
_BARE_FIFO = wire("""
    04              FULL
    00 00 00 07     section id
    04 66 69 66 6f  fifo
    00 00 00 02     instance
    00 00 00 03     version
    01 cc           count, data
""")
_DESCRIPTION = wire("""
    06           description
    00 00 00 02  length
    7b 7d        {}
""")

PLAIN = b"".join(
    (_HEADER, _CONFIGURATION, _RAM_START, _RAM_PART, _RAM_END, _UART, _FIFO, _EOF, _DESCRIPTION)
)

DEVICES_ONLY = _HEADER + _BARE_FIFO + _BARE_FIFO + _EOF

POSTCOPY = b"".join(
    (
        _HEADER,
        wire("""
    08           command
    00 01        open-return-path
    00 00        length
    08           command
    00 02        ping
    00 04        length
    00 00 00 01  1
    08           command
    00 03        postcopy-advise
    00 10        length
    00 00 00 00 00 00 10 00  page sizes
    00 00 00 00 00 00 04 00  target page size
"""),
        _RAM_START,
        wire("""
    08                       command
    00 06                    postcopy-ram-discard
    00 15                    length
    00                       version
    02 70 63 00              block pc
    00 00 00 00 00 00 00 00  from
    00 00 00 00 00 00 04 00  length
    08                       command
    00 07                    packaged
    00 04                    length
    00 00 00 58              of the package: 88
    08 00 04 00 00           . postcopy-listen
"""),
        _UART,
        _FIFO,
        wire("""
    08 00 05 00 00  . postcopy-run
"""),
        _RAM_END,
        _EOF,
    )
)

_CHECKPOINT = b"".join(
    (
        wire("""
    00 00 00 01  checkpoint-request
    00 00 00 03  vmstate-send
"""),
        _RAM_END,
        _EOF,
        wire("""
    00 00 00 04              vmstate-size
    00 00 00 00 00 00 00 4f  79
"""),
        _UART,
        _FIFO,
        _EOF,
    )
)

COLO = b"".join(
    (
        _HEADER,
        wire("08 00 08 00 00  enable-colo"),
        _RAM_START,
        _RAM_END,
        _UART,
        _EOF,
        _DESCRIPTION,
        _CHECKPOINT,
        _CHECKPOINT,
    )
)

STREAMS = {"plain": PLAIN, "devices": DEVICES_ONLY, "postcopy": POSTCOPY, "colo": COLO}

every_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
Result = tuple[list[Event], bytes, tuple[str, str] | None]


def events(stream: Buffer) -> list[Event]:
    return list(read_stream(stream, measure()))


def outcome(stream: bytes) -> Result:
    """What the whole reader makes of a stream: events, their bytes, and the error."""
    found: list[Event] = []
    error = None
    try:
        found.extend(read_stream(stream, measure()))
    except DecodeError as caught:
        error = caught.code, str(caught)
    size = sum(event.size for event in found)
    return found, stream[:size], error


def chunked(pieces: Sequence[bytes]) -> Result:
    """The same for a stream in pieces."""
    reader = StreamReader(measure())
    found: list[Event] = []
    data = b""
    try:
        for piece in pieces:
            for got in reader.feed(piece):
                found.append(got.event)
                data += got.data
        for got in reader.close():
            found.append(got.event)
            data += got.data
    except DecodeError as caught:
        return found, data, (caught.code, str(caught))
    return found, data, None


def pairs(stream: bytes) -> list[tuple[Event, Buffer]]:
    """Events with their payloads."""
    return [
        (event, payload_of(event, stream, 0) if isinstance(event, Section) else b"")
        for event in events(stream)
    ]


def refused(stream: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        events(stream)
    assert not isinstance(caught.value, Truncated)
    return caught.value
