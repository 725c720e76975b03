"""The demo's guest: a boot sector that counts on its screen, 18 times a second, and writes to a
hundred pages of memory each time. Machine code, so that no assembler is needed.

Without KVM, QEMU 7.2 does not see a page change whose address its processor holds: a checkpoint
would leave out just the pages that are written most. So this guest makes the processor forget all
addresses each time it counts: it flips a bit of CR0 that means nothing to it.
"""

from __future__ import annotations

__all__ = ["COUNTER", "boot_sector"]

COUNTER = 0x0600  # where the count lies in memory: 32 bits, little-endian

_ORIGIN = 0x7C00
_TEXT = b"a count, protected by vmsc guard:\0"


def _at(row: int, column: int) -> bytes:
    """A place on the text screen."""
    return (2 * (80 * row + column)).to_bytes(2, "little")


def boot_sector() -> bytes:
    """512 bytes."""
    start = bytes.fromhex(
        "31c0"           # xor ax, ax
        "8ed8"           # mov ds, ax
        "8ed0"           # mov ss, ax
        "bc007c"         # mov sp, 0x7c00
        "b80300"         # mov ax, 3
        "cd10"           # int 0x10          text mode
        "b401"           # mov ah, 1
        "b90726"         # mov cx, 0x2607
        "cd10"           # int 0x10          no cursor
        "b800b8"         # mov ax, 0xb800
        "8ec0"           # mov es, ax
    )  # fmt: skip
    put = bytes.fromhex(
        "b41f"           # mov ah, 0x1f      white on blue
        "ac"             # lodsb
        "84c0"           # test al, al
        "7403"           # jz +3
        "ab"             # stosw
        "ebf8"           # jmp to lodsb
        "fb"             # sti
    )  # fmt: skip
    turn = bytes.fromhex(
        "f4"             # hlt               until the next tick
        "0f20c0"         # mov eax, cr0
        "6635 00000100"  # xor eax, 0x10000
        "0f22c0"         # mov cr0, eax
        "66ff06 0006"    # inc dword [0x0600]
        "ba0010"         # mov dx, 0x1000    a page every 0x100 paragraphs
    )  # fmt: skip
    page = bytes.fromhex(
        "8ee2"           # mov fs, dx
        "6466ff06 0000"  # inc dword fs:[0]
        "81c20001"       # add dx, 0x100
        "81fa0080"       # cmp dx, 0x8000
    )  # fmt: skip
    turn += page + b"\x72" + _back(page)  # jb
    turn += bytes.fromhex(
        "66a1 0006"      # mov eax, [0x0600]
        "fd"             # std               from the last digit to the first
        "66bb 0a000000"  # mov ebx, 10
        "b90a00"         # mov cx, 10
        "bf"             # mov di, ...
    ) + _at(12, 45)  # fmt: skip
    digit = bytes.fromhex(
        "6631d2"         # xor edx, edx
        "66f7f3"         # div ebx
        "50"             # push ax
        "88d0"           # mov al, dl
        "0430"           # add al, '0'
        "b42e"           # mov ah, 0x2e      yellow on green
        "ab"             # stosw
        "58"             # pop ax
    )  # fmt: skip
    digits = digit + b"\xe2" + _back(digit)  # loop
    turn += digits + b"\xfc"  # cld
    turn += b"\xeb" + _back(turn)  # jmp
    text = _ORIGIN + len(start) + 6 + len(put) + len(turn)
    point = b"\xbe" + text.to_bytes(2, "little") + b"\xbf" + _at(10, 24)  # mov si, di
    code = start + point + put + turn + _TEXT
    return code.ljust(510, b"\0") + b"\x55\xaa"


def _back(body: bytes) -> bytes:
    """How far a jump of two bytes behind this goes back to its beginning."""
    return (256 - len(body) - 2).to_bytes(1, "little")
