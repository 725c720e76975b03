"""The payload of a RAM section (QEMU's migration/ram.c, version 4): bytes -> items, and its end.

The payload is a row of items, each a be64 word: an address, and flags in the bits below the page
size. That size is the target's and is not on the wire, and neither is whether a block list's
entries carry a page size or an address of their own: they are `RamFormat`. "The same block as
before" lasts across sections and checkpoints, so a page's block may be unknown here (None).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from enum import IntFlag
from functools import cache

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import ParamError, Truncated
from vmsc.stream.configuration import MachineConfiguration
from vmsc.stream.primitives import be16, be32, be64, refuse, string8, want
from vmsc.stream.state import Full, Measure, Paused, SectionHeader

__all__ = [
    "Block",
    "BlockList",
    "Flag",
    "Mapped",
    "Page",
    "RamFormat",
    "RamItem",
    "Sync",
    "ram_format",
    "ram_measure",
    "read_item",
    "walk_ram",
]

_WORD = struct.Struct(">Q")
_MAPPED = struct.Struct(">IQQQ")  # version, page size, the bitmap's offset, the pages'
_MAX_SPACE = 1 << 30
_XBZRLE = 1
_MIN_PAGE, _MAX_PAGE = 1 << 10, 1 << 16


class Flag(IntFlag):
    ZERO = 0x02
    MEM_SIZE = 0x04
    PAGE = 0x08
    EOS = 0x10
    CONTINUE = 0x20
    XBZRLE = 0x40
    HOOK = 0x80
    COMPRESS = 0x100
    MULTIFD_FLUSH = 0x200


_CONTINUE = int(Flag.CONTINUE)  # ~ of a Flag would clear the bits that have no name, too
_PAGES = (Flag.ZERO, Flag.PAGE, Flag.XBZRLE, Flag.COMPRESS)
_ALONE = (Flag.EOS, Flag.HOOK, Flag.MULTIFD_FLUSH)


class RamFormat(msgspec.Struct, frozen=True):
    """What the wire does not say.

    `ignore_shared`: the capability x-ignore-shared is on (the configuration says so), and every
    block carries an address. `block`: the block that "the same as before" means at first.
    `mapped`: mapped-ram is on, and each block has a bitmap and its pages behind it, at offsets in
    the file, of which the buffer's first byte has the offset `base` (None: not known).
    """

    page_size: int = 4096
    ignore_shared: bool = False
    block: str | None = None
    mapped: bool = False
    base: int | None = None


class Mapped(msgspec.Struct, frozen=True):
    """A block's pages in a file with holes: `bitmap` and `pages` are offsets in the buffer."""

    bitmap: int
    pages: int
    end: int


class Block(msgspec.Struct, frozen=True):
    name: str
    length: int
    page_size: int | None = None
    address: int | None = None
    mapped: Mapped | None = None


class BlockList(msgspec.Struct, frozen=True):
    offset: int
    total: int
    blocks: tuple[Block, ...]


class Page(msgspec.Struct, frozen=True):
    """A page: its data is `length` bytes at `data`, in the encoding that `flag` says."""

    offset: int
    flag: Flag
    block: str | None
    address: int
    data: int
    length: int


class Sync(msgspec.Struct, frozen=True):
    """A word that stands alone: EOS, HOOK or MULTIFD_FLUSH."""

    offset: int
    flag: Flag


RamItem = BlockList | Page | Sync


def read_item(buf: Buffer, pos: int, form: RamFormat) -> tuple[RamItem, int]:
    """The item at `pos` and the offset after it."""
    word = be64(buf, pos, "word")
    flags, address = word & (form.page_size - 1), word & -form.page_size
    kind = flags & ~_CONTINUE
    if kind in _PAGES:
        block, body = form.block, pos + 8
        if not flags & Flag.CONTINUE:
            block, body = string8(buf, body, "block")
        data, length = _page_data(Flag(kind), buf, body, form.page_size)
        want(buf, data, length, "page")
        return Page(pos, Flag(kind), block, address, data, length), data + length
    if flags == Flag.MEM_SIZE:
        return _block_list(buf, pos, address, form)
    if flags in _ALONE:
        return Sync(pos, Flag(flags)), pos + 8
    raise refuse(
        "bad-flags",
        f"a page's flags or the end expected, found {flags:#x} (with a page size of "
        f"{form.page_size})",
        pos,
    )


def _page_data(flag: Flag, buf: Buffer, pos: int, page_size: int) -> tuple[int, int]:
    """Where a page's data begins and how long it is."""
    if flag is Flag.ZERO:
        return pos, 1
    if flag is Flag.PAGE:
        return pos, page_size
    if flag is Flag.COMPRESS:
        length, limit = be32(buf, pos, "length"), _compress_bound(page_size)
        head = 4
    else:
        want(buf, pos, 3, "delta")
        if buf[pos] != _XBZRLE:
            raise refuse("bad-delta", f"encoding {_XBZRLE} expected, found {buf[pos]}", pos)
        length, limit = be16(buf, pos + 1, "length"), page_size
        head = 3
    if length > limit:
        raise refuse("limit", f"{length} bytes for a page are over the limit {limit}", pos)
    return pos + head, length


def _compress_bound(size: int) -> int:
    """zlib's own bound of what deflate makes of `size` bytes."""
    return size + (size >> 12) + (size >> 14) + (size >> 25) + 13


def _block_list(buf: Buffer, at: int, total: int, form: RamFormat) -> tuple[BlockList, int]:
    blocks = []
    left, pos = total, at + 8
    while left:
        start = pos
        name, pos = string8(buf, pos, "block")
        length, pos = be64(buf, pos, "length"), pos + 8
        page_size = address = mapped = None
        if form.ignore_shared:
            address, pos = be64(buf, pos, "address"), pos + 8
        if length > left:
            raise refuse(
                "bad-blocks",
                f"block '{name}' of {length} bytes where {left} of the total {total} are left",
                start,
            )
        if form.mapped:
            mapped, pos = _mapped(buf, pos, length, form)
        elif _is_page_size(buf, pos, form.page_size):
            page_size, pos = be64(buf, pos, "page_size"), pos + 8
        left -= length
        blocks.append(Block(name, length, page_size, address, mapped))
    return BlockList(at, total, tuple(blocks)), pos


def _mapped(buf: Buffer, at: int, length: int, form: RamFormat) -> tuple[Mapped | None, int]:
    """Where mapped-ram has put a block's pages, and the offset after them: the next block's."""
    want(buf, at, _MAPPED.size, "mapped")
    version, page_size, bitmap, pages = _MAPPED.unpack_from(buf, at)
    end = at + _MAPPED.size
    if version != 1 or page_size != form.page_size:
        found = f"version {version}, pages of {page_size} bytes"
        expected = f"version 1, pages of {form.page_size} bytes expected"
        raise refuse("bad-blocks", f"{expected} in a mapped block's header, found {found}", at)
    if bitmap == pages == 0:
        return None, end
    if form.base is not None and bitmap != form.base + end:
        expected = f"the bitmap at byte {form.base + end} expected, right behind its header"
        raise refuse("bad-blocks", f"{expected}, found {bitmap}", at + 12)
    space, words = pages - bitmap, -(-length // page_size // 64) * 8
    if length % page_size or not words <= space <= _MAX_SPACE:
        expected = f"{words} to {_MAX_SPACE} bytes for the bitmap of {length} bytes of pages"
        raise refuse("bad-blocks", f"{expected} expected, found {space}", at + 20)
    want(buf, end, space + length, "pages")
    return Mapped(end, end + space, end + space + length), end + space + length


def _is_page_size(buf: Buffer, pos: int, page: int) -> bool:
    """Whether a block's page size stands here, as where postcopy is possible and its pages are
    not the host's. Neither a name nor a page's word looks like one: no name is empty, and no word
    is without flags.
    """
    want(buf, pos, 1, "block")
    return buf[pos] == 0 and be64(buf, pos, "word") & (page - 1) == 0


def walk_ram(buf: Buffer, pos: int, form: RamFormat) -> Iterator[RamItem]:
    """The items from `pos` to the EOS, that one included."""
    while True:
        item, pos = read_item(buf, pos, form)
        yield item
        match item:
            case Page(block=block) if block != form.block:
                form = msgspec.structs.replace(form, block=block)
            case Sync(flag=Flag.EOS):
                return


def _advance(
    buf: Buffer, pos: int, form: RamFormat, limit: int, told: Callable[[Page], object]
) -> tuple[int, bool]:
    """As far as whole items go, and whether that is the payload's end. The common words first.

    It stops at the first item that begins at `limit` or later. `told`: see `ram_measure`.
    """
    mask, eos = form.page_size - 1, int(Flag.EOS)
    run, unpack, size = _same_block(form.page_size), _WORD.unpack_from, len(buf)
    whole = min(size, limit)
    while pos + 8 <= size and pos < limit:
        if (pages := run.match(buf, pos, whole)) is not None:
            pos = pages.end()
        elif unpack(buf, pos)[0] & mask == eos:
            return pos + 8, True
        else:
            try:
                item, pos = read_item(buf, pos, form)
            except Truncated:
                break
            if isinstance(item, Page):
                told(item)
    return pos, False


@cache
def _same_block(page_size: int) -> re.Pattern[bytes]:
    """A run of the most common items: plain and zero pages of the same block as before."""
    high = bytes(b for b in range(256) if not (b << 8) & (page_size - 1))
    some = b"[" + b"".join(b"\\x%02x" % b for b in high) + b"]"
    plain, zeroed = int(Flag.PAGE) | _CONTINUE, int(Flag.ZERO) | _CONTINUE
    item = b".{6}%b(?:\\x%02x.|\\x%02x.{%d})" % (some, zeroed, plain, page_size)
    return re.compile(b"(?:%b)++" % item, re.DOTALL)


def ram_measure(form: RamFormat, told: Callable[[Page], object] = lambda _: None) -> Measure:
    """A measure for RAM sections; what it has walked over once, it does not walk over again.

    `told` gets each page but the plain and zero ones of the same block as before, in order: the
    last block among them is what the next part means by "the same as before".
    """
    if form.page_size.bit_count() != 1 or not _MIN_PAGE <= form.page_size <= _MAX_PAGE:
        raise ParamError(
            f"a page size of {form.page_size} is no power of two from {_MIN_PAGE} to {_MAX_PAGE}",
            name="page_size",
        )

    def measure(header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        place = msgspec.structs.replace(form, base=header.payload + header.taken - pos)
        limit = len(buf) if header.room is None else pos + header.room
        end, whole = _advance(buf, pos + header.done, place, limit, told)
        if whole:
            return end
        if header.room is not None and end >= limit:
            raise Full(end - pos)
        try:
            read_item(buf, end, place)
        except Truncated as error:
            raise Paused(error.need, offset=error.offset, done=end - pos, path=error.path) from None
        raise AssertionError("an item was cut short, and then it was not")

    return measure


def ram_format(machine: MachineConfiguration, page_size: int | None = None) -> RamFormat:
    """What a stream's configuration says of its RAM; `page_size`, if given, goes before it."""
    if page_size is None:
        bits = machine.page_bits
        page_size = 4096 if bits is None else 1 << min(bits, 32)
    shared, mapped = (name in machine.capabilities for name in ("x-ignore-shared", "mapped-ram"))
    return RamFormat(page_size, shared, mapped=mapped)
