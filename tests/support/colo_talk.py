"""A COLO talk made by hand: a small machine's first migration and its checkpoints, byte by byte.

The bytes are put together here from the format's rules, and taken apart by a walker of this file's
own: nothing of vmsc writes or reads them. The machine has two blocks of RAM in pages of 1 KiB and
four devices, of which the network card has as many rings as only the JSON description tells. Every
checkpoint's first page carries CONTINUE.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from records import array, body, device, field

from vmsc.compiler.library import Library, open_library
from vmsc.guard.colo.first_migration import Baseline, FirstMigration
from vmsc.inspect.parameters import open_parameters

__all__ = [
    "BLOCKS",
    "CONTINUE",
    "DEVICES",
    "EOS",
    "FIRST",
    "FULL_PAGE",
    "LOADED",
    "PAGE",
    "READY",
    "RECEIVED",
    "REPLY",
    "REQUEST",
    "SEND",
    "SIZE",
    "TALK",
    "Page",
    "Sent",
    "baseline",
    "checkpoint",
    "clock",
    "devices",
    "first_migration",
    "live",
    "name",
    "nic",
    "page",
    "pages",
    "ram_payload",
    "ram_section",
    "section",
    "talk_library",
    "talk_schemas",
    "uart",
    "walk",
    "walk_ram",
    "word",
]  # fmt: skip

PAGE = 1024
BLOCKS = {"pc.ram": 16 * PAGE, "vga.vram": 4 * PAGE}
READY, REQUEST, REPLY, SEND, SIZE, RECEIVED, LOADED = (n.to_bytes(4, "big") for n in range(7))
ZERO, MEM_SIZE, FULL_PAGE, EOS, CONTINUE = 0x02, 0x04, 0x08, 0x10, 0x20
_RAM, _CLOCK, _UART, _NIC = 2, 3, 4, 6  # section ids; the second uart is 5

_SCHEMA = """
device "talk-clock" { ticks: u64 }

device "talk-uart" version 3 minimum 2 {
    level: u16
    regs:  u8[4]
    spare: u8 since 3
    require level < 1000 "a level has three digits"

    subsection "talk-uart/fifo" { n: u16 max 16; data: bytes[n] }
}

device "talk-nic" {
    param rings: u16 max 64
    mac:   bytes[6]
    count: u32 max 1024
    queue: u16[count]
    table: bytes[4 * rings]
}
"""


def word(number: int) -> bytes:
    return number.to_bytes(8, "big")


def name(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


# --- sections -------------------------------------------------------------------------------------


def section(
    kind: int, id_: int, what: str, payload: bytes, *, instance: int = 0, version: int = 1
) -> bytes:
    """A section of kind 1 START, 2 PART, 3 END or 4 FULL, with its footer."""
    head = bytes([kind]) + id_.to_bytes(4, "big")
    if kind in (1, 4):
        head += name(what) + instance.to_bytes(4, "big") + version.to_bytes(4, "big")
    return head + payload + b"\x7e" + id_.to_bytes(4, "big")


def clock(ticks: int, **more: int) -> bytes:
    return section(4, more.pop("id", _CLOCK), "talk-clock", word(ticks), **more)


def uart(instance: int, level: int, *, version: int = 3, fifo: bytes = b"", id_: int = 0) -> bytes:
    """Registers 1 to 4; its FIFO is sent if there is something in it."""
    payload = level.to_bytes(2, "big") + b"\1\2\3\4" + b"\x55" * (version > 2)
    if fifo:
        payload += b"\5" + name("talk-uart/fifo") + b"\0\0\0\1" + len(fifo).to_bytes(2, "big")
        payload += fifo
    id_ = id_ or _UART + instance
    return section(4, id_, "talk-uart", payload, instance=instance, version=version)


def nic(queue: Sequence[int], *, rings: int = 3, count: int | None = None) -> bytes:
    """`count`: what it says of its queue, if that is not its length."""
    said = len(queue) if count is None else count
    payload = b"\x52\x54\0\0\0\1" + said.to_bytes(4, "big")
    payload += b"".join(n.to_bytes(2, "big") for n in queue) + b"\xaa\xbb\xcc\xdd" * rings
    return section(4, _NIC, "0000:00:03.0/talk-nic", payload)


DEVICES = ("talk-clock", "talk-uart", "talk-uart", "0000:00:03.0/talk-nic")


def devices(number: int) -> tuple[bytes, ...]:
    """The machine's devices at the checkpoint of this number; 0 is the first migration."""
    fifo = bytes(range(number % 5))
    queue = range(number, 3 * number)
    return clock(1000 * number), uart(0, number), uart(1, 7, fifo=fifo), nic(queue)


# --- RAM ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """A page as it is at a checkpoint: `data` is PAGE bytes, or one with which it is filled."""

    block: str
    address: int
    data: bytes

    @property
    def content(self) -> bytes:
        return self.data if len(self.data) == PAGE else self.data * PAGE


def page(one: Page, *, named: bool, flag: int = 0) -> bytes:
    """A page's item. Not named: it is of the block before."""
    flag = flag or (FULL_PAGE if len(one.data) == PAGE else ZERO)
    head = word(one.address | flag | (0 if named else CONTINUE))
    return head + (name(one.block) if named else b"") + one.data


def pages(number: int) -> tuple[Page, ...]:
    """The pages of this checkpoint. It begins in the block where the one before it ended, and
    checkpoints of even numbers end in the other one.
    """
    start, other = ("pc.ram", "vga.vram") if number % 2 else ("vga.vram", "pc.ram")
    fill = bytes([number])
    raw = bytes((number + i) % 256 for i in range(PAGE))
    return (
        Page(start, PAGE, raw),
        Page(start, 3 * PAGE, fill),
        Page("vga.vram", 0, fill),
        Page(other, 2 * PAGE, raw[::-1]),
    )


def ram_payload(of: Sequence[Page], block: str | None) -> bytes:
    """The pages, none named that lies in the block of the page before; `block`: of the last one
    before all of them.
    """
    found = b""
    for one in of:
        found += page(one, named=one.block != block)
        block = one.block
    return found + word(EOS)


def ram_section(payload: bytes, kind: int = 3) -> bytes:
    return section(kind, _RAM, "ram", payload, version=4)


def live(payload: bytes) -> bytes:
    """What follows vmstate-send: RAM, and the end mark."""
    return ram_section(payload) + b"\0"


def walk_ram(data: bytes, pos: int, size: int = PAGE, block: str = "") -> tuple[list[Page], int]:
    """The pages from `pos` on, and where their end mark ends. `size` is a page's; `block`: of the
    last page before them, empty if they may hang on nothing.
    """
    found: list[Page] = []
    while True:
        item = int.from_bytes(data[pos : pos + 8], "big")
        pos += 8
        flags = item % size
        if flags == EOS:
            return found, pos
        if not flags & CONTINUE:
            length = data[pos]
            block = data[pos + 1 : pos + 1 + length].decode()
            pos += 1 + length
        assert block, "the first page names no block"
        length = {FULL_PAGE: size, ZERO: 1}[flags & ~CONTINUE]
        found.append(Page(block, item - flags, data[pos : pos + length]))
        pos += length


def walk(sent: bytes) -> tuple[Page, ...]:
    """The pages of a checkpoint's live sections, which may hang on nothing before them."""
    assert sent[:5] == b"\3" + _RAM.to_bytes(4, "big")
    found, end = walk_ram(sent, 5)
    assert sent[end:] == b"\x7e" + _RAM.to_bytes(4, "big") + b"\0"
    return tuple(found)


# --- the talk -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A checkpoint. `live` and `devices` are as the primary sends them, `standing` is `live` as the
    secondary must be sent it.
    """

    live: bytes
    devices: bytes
    standing: bytes = b""
    said: int | None = None  # the device state's size, where the primary lies

    @property
    def size(self) -> bytes:
        """The message vmstate-size."""
        return SIZE + word(len(self.devices) if self.said is None else self.said)

    @property
    def wire(self) -> bytes:
        """What the primary sends once it has its reply."""
        return SEND + self.live + self.size + self.devices

    @property
    def played(self) -> bytes:
        """What the secondary is sent once it has replied."""
        return SEND + self.standing + self.size + self.devices


def checkpoint(number: int) -> Sent:
    """The machine's checkpoint of this number, from 1 on."""
    of = pages(number)
    state = b"".join(devices(number)) + b"\0"
    standing = ram_payload(of, None)
    return Sent(live(ram_payload(of, of[0].block)), state, live(standing))


def description(rings: int = 3) -> bytes:
    """QEMU's JSON description of the devices of the first migration."""
    card = body(
        "talk-nic",
        field("mac", "buffer", 6),
        field("count", "uint32", 4),
        array("queue", "uint16", 2, 0),
        field("table", "buffer", 4 * rings),
    )
    text = f'{{"page_size": {PAGE}, "devices": [{device(DEVICES[3], card)}]}}'
    return b"\6" + len(text).to_bytes(4, "big") + text.encode()


_HEADER = b"QEVM\0\0\0\3"
_CONFIGURATION = (
    b"\7\0\0\0\4talk\5" + name("configuration/target-page-bits") + b"\0\0\0\1" + b"\0\0\0\x0a"
)
ENABLE_COLO = b"\x08\0\x08\0\0"


def first_migration(
    *, colo: bytes = ENABLE_COLO, described: bytes | None = None, sections: bytes | None = None
) -> bytes:
    """What the primary sends up to the message that it waits for."""
    total = sum(BLOCKS.values())
    blocks = b"".join(name(block) + word(length) for block, length in BLOCKS.items())
    start = ram_section(word(total | MEM_SIZE) + blocks + word(EOS), kind=1)
    part = ram_section(ram_payload(pages(0), None), kind=2)
    end = ram_section(ram_payload((Page("pc.ram", 0, b"\xee"),), "pc.ram"))
    state = b"".join(devices(0)) if sections is None else sections
    told = description() if described is None else described
    return _HEADER + _CONFIGURATION + colo + start + part + end + state + b"\0" + told


FIRST = first_migration()
TALK = tuple(checkpoint(number) for number in range(1, 9))


@cache
def talk_schemas() -> Path:
    """A folder with the descriptions of the machine's devices."""
    folder = Path(tempfile.mkdtemp(prefix="vmsc-talk-"))
    (folder / "talk.vmsd").write_text(_SCHEMA)
    return folder


@cache
def talk_library() -> Library:
    """A library with the machine's devices."""
    return open_library([talk_schemas()])


@cache
def baseline() -> Baseline:
    """What the first migration teaches."""
    first = FirstMigration(open_parameters(None, talk_library()))
    assert b"".join(first.feed(FIRST)) == FIRST
    return first.ready()
