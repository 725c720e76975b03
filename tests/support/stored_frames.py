"""A stored checkpoint as COLO has it, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

from streams import wire

from vmsc.runtime.framed.checkpoint import write_checkpoint
from vmsc.runtime.framed.context import Context, Setting
from vmsc.runtime.framed.frame import Frame, Kind

__all__ = ["AGAIN", "FRAMES", "MORE", "PAGE", "RTC", "SAID", "STREAM", "ram", "stored"]


PAGE = bytes(range(256)) * 4


# The first page goes on in the block that the checkpoint before named last.
MORE = (
    wire("00 00 00 00 00 00 08 28  page 0x800 | CONTINUE | PAGE")
    + PAGE
    + wire("""
    00 00 00 00 00 01 00 02  page 0x10000 | ZERO
    03 76 67 61              of block vga
    55                       fill
    00 00 00 00 00 00 00 10  EOS
    """)
)


AGAIN = wire("""
    00 00 00 00 00 01 04 22  page 0x10400 | CONTINUE | ZERO
    66                       fill
    00 00 00 00 00 00 00 10  EOS
""")


RTC = wire("""
    04                       full section
    00 00 00 05              id
    03 72 74 63              rtc
    00 00 00 00              instance
    00 00 00 02              version
    01 02 03                 the payload: no description covers it
    7e 00 00 00 05           footer
    00                       EOF
""")


STREAM = (
    wire("""
    00 00 00 03              vmstate-send
    03 00 00 00 02           the end of section 2
    """)
    + MORE
    + wire("""
    7e 00 00 00 02           footer
    00                       EOF
    00 00 00 04              vmstate-size
    00 00 00 00 00 00 00 1a  26
    """)
    + RTC
)


def ram(payload: bytes, kind: int = 3) -> Frame:
    return Frame(Kind.RAM, payload, name="ram", version=4, id=2, type=kind, footer=True)


FRAMES = (
    Frame(Kind.MESSAGE, wire("00 00 00 03")),
    ram(MORE),
    Frame(Kind.EOF),
    Frame(Kind.MESSAGE, wire("00 00 00 04 00 00 00 00 00 00 00 1a")),
    Frame(Kind.OPAQUE, b"\1\2\3", name="rtc", version=2, id=5, type=4, footer=True),
    Frame(Kind.EOF),
)


SAID = (Setting("ram", "page_size", 1024), Setting("ram", "block", b"pc.ram", 0))


def stored(frames: Sequence[Frame] = FRAMES, said: Sequence[Setting] = SAID) -> bytes:
    return write_checkpoint(3, Context((), tuple(said)), frames)
