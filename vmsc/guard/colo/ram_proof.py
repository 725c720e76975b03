"""Proof: what a checkpoint's sections must be before a secondary may see them.

RAM is walked page by page: every page lies in a block that the first migration told, and in an
encoding that stands by itself. A device's section is decoded to its end, with every law of its
description.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import msgspec

from vmsc.guard.colo.refusal import Refusal
from vmsc.runtime.codec import Buffer
from vmsc.stream.primitives import encode_name
from vmsc.stream.ram import Flag, Page, RamFormat, RamItem, Sync, read_item

__all__ = ["named_first", "prove_pages"]

_WORD = struct.Struct(">Q")
_CONTINUE = int(Flag.CONTINUE)
_PLAIN, _ZERO = int(Flag.PAGE) | _CONTINUE, int(Flag.ZERO) | _CONTINUE
_SAME = (_PLAIN, _ZERO)


def named_first(payload: Buffer, form: RamFormat, block: str | None) -> bytes | None:
    """The payload of a checkpoint's RAM with its first page naming its block; None: it does so.

    `payload` is the section's first piece. Raises Refusal if no page has named a block before.
    """
    item, _ = read_item(payload, 0, msgspec.structs.replace(form, block=block))
    (word,) = _WORD.unpack_from(payload)
    if not isinstance(item, Page) or not word & _CONTINUE:
        return None
    if block is None:
        raise Refusal("no-block", "a page of the same block as before, and no block was named")
    name = encode_name(block)
    head = _WORD.pack(word & ~_CONTINUE) + bytes([len(name)]) + name
    return b"".join((head, memoryview(payload)[8:]))


def prove_pages(
    payload: Buffer, form: RamFormat, blocks: Mapping[str, int], block: str | None, base: int
) -> str | None:
    """Walk a piece of RAM's payload that ends between two items; the block of its last page.

    `block` is that of the page before it, `base` the piece's offset in the stream. Raises Refusal.
    """
    pos, size, page_size = 0, len(payload), form.page_size
    mask, unpack = page_size - 1, _WORD.unpack_from
    last = _last(blocks, block, page_size)
    while pos < size:
        (word,) = unpack(payload, pos)
        flags = word & mask
        if flags in _SAME and word - flags <= last:
            pos += 8 + page_size if flags == _PLAIN else 9
            continue
        item, pos = read_item(payload, pos, msgspec.structs.replace(form, block=block))
        block = _prove_item(item, payload, blocks, block, page_size, base)
        last = _last(blocks, block, page_size)
    return block


def _last(blocks: Mapping[str, int], block: str | None, page_size: int) -> int:
    """The address of the block's last page; -1 if it has none."""
    return -1 if block is None else blocks.get(block, 0) - page_size


def _prove_item(
    item: RamItem,
    payload: Buffer,
    blocks: Mapping[str, int],
    block: str | None,
    page_size: int,
    base: int,
) -> str | None:
    """An item that is no plain or zero page of the same block: the block after it."""
    match item:
        case Page(block=None):
            raise Refusal("no-block", "a page of the same block as before, and no block was named")
        case Page(block=str() as name):
            _prove_page(item, name, payload, blocks, page_size, base)
            return name
        case Sync(flag=Flag.EOS):
            return block
    what = item.flag.name if isinstance(item, Sync) else "a list of blocks"
    raise Refusal(
        "bad-page",
        f"at byte {base + item.offset}: a page or the end expected in a checkpoint's RAM,"
        f" found {what}",
    )


def _prove_page(
    page: Page, name: str, payload: Buffer, blocks: Mapping[str, int], size: int, base: int
) -> None:
    where = f"at byte {base + page.offset}: a page at {page.address:#x} of RAM block '{name}'"
    if name not in blocks:
        known = ", ".join(f"'{b}'" for b in blocks)
        raise Refusal("bad-page", f"{where}, which the first migration has not: it has {known}")
    if page.address + size > blocks[name]:
        raise Refusal("bad-page", f"{where}, which is {blocks[name]:#x} bytes long")
    if page.flag is Flag.XBZRLE:
        raise Refusal(
            "xbzrle",
            f"{where} comes as an XBZRLE delta, which hangs on the checkpoint before: turn the"
            " capability 'xbzrle' off on the primary",
        )
    if page.flag is Flag.COMPRESS:
        data = memoryview(payload)[page.data : page.data + page.length]
        if not _inflates_to(data, size):
            raise Refusal("bad-page", f"{where} does not inflate to {size} bytes")


def _inflates_to(data: Buffer, size: int) -> bool:
    inflater = zlib.decompressobj()
    try:
        return len(inflater.decompress(data, size + 1)) == size and inflater.eof
    except zlib.error:
        return False
