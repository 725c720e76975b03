"""A guest that bears witness: it shows a state that is made of two checkpoints.

The guest counts in two places of its memory and in its RTC's CMOS, always in this order: a, the
CMOS, b. So at any moment b <= a <= b + 1, and each of the CMOS's bytes is that of a or of b: the
law of a state that is whole. Before it writes a byte of the CMOS, the guest looks whether b's is
there, and counts the times it is not: so a state made of two checkpoints shows later on, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from live import _START, Qemu, _back, _sector

__all__ = ["A", "B", "Count", "count_at", "counted", "witness_guest"]

A, B, TORN = 0x0600, 0x0604, 0x0608
_TORN = TORN.to_bytes(2, "little")
# Of the CMOS, and which byte of the counts each has; the firmware has no use for them. They are
# more than one, so that a state taken between a look and a write shows in the others.
_REGISTERS = ((0x50, 0), (0x51, 1), (0x52, 0), (0x53, 1))


def witness_guest(pages: int = 64, *, serial: bool = False) -> bytes:
    """Counts as the law says, and writes to `pages` more pages of memory each turn. `serial`: the
    scratch register of a first serial port is one more witness, at which the guest alone looks.
    """
    setup = b""
    for place in (B, TORN):
        setup += b"\x66\xc7\x06" + place.to_bytes(2, "little") + bytes(4)  # mov dword [place], 0
    turn = bytes.fromhex(
        "0f20c0"            # mov eax, cr0
        "6635 00000100"     # xor eax, WP: QEMU forgets its TLB, and sees each page change
        "0f22c0"            # mov cr0, eax
        "66ff06 0006"       # inc dword [A]
    )  # fmt: skip
    if serial:
        select = b"\xba\xff\x03"  # mov dx, 0x3ff
        setup += select + bytes.fromhex("30c0 ee")  # xor al, al; out dx, al
        turn += select + b"\xec" + _look(B)  # in al, dx
        turn += b"\xa0" + A.to_bytes(2, "little") + b"\xee"  # mov al, [A]; out dx, al
    for register, byte in _REGISTERS:
        select = b"\xb0" + bytes([register]) + b"\xe6\x70"  # mov al, register; out 0x70, al
        setup += select + bytes.fromhex("30c0 e671")  # xor al, al; out 0x71, al
        turn += select + b"\xe4\x71" + _look(B + byte)  # in al, 0x71
        turn += b"\xa0" + (A + byte).to_bytes(2, "little") + b"\xe6\x71"  # mov al, [A+]; out
    turn += b"\x66\xff\x06" + B.to_bytes(2, "little")  # inc dword [B]
    if pages:
        turn += b"\xbb\x00\x10"  # mov bx, 0x1000
        page = bytes.fromhex("8ec3 2666ff06 0000 81c30001")  # es = bx; inc dword es:[0]; next page
        page += b"\x81\xfb" + (0x1000 + 0x100 * pages).to_bytes(2, "little")  # cmp bx, ...
        turn += page + b"\x72" + _back(page)[1:]  # jb page
    return _sector(_START + setup + turn + _far(turn))


def _look(at: int) -> bytes:
    """Count it if al is not the byte there: cmp al, [at]; je +5; inc dword [TORN]."""
    return b"\x3a\x06" + at.to_bytes(2, "little") + b"\x74\x05\x66\xff\x06" + _TORN


def _far(code: bytes) -> bytes:  # jmp near to the start of `code`, right after it
    return b"\xe9" + (-len(code) - 3).to_bytes(2, "little", signed=True)


@dataclass(frozen=True)
class Count:
    """What the guest has counted; `torn`: how often it saw a CMOS that was not b's."""

    a: int
    b: int
    torn: int = 0
    cmos: bytes = b""

    @property
    def whole(self) -> bool:
        """Whether the law holds."""
        one, other = (count.to_bytes(4, "little") for count in (self.a, self.b))
        pairs = zip(self.cmos, _REGISTERS)
        good = all(found in (one[byte], other[byte]) for found, (_, byte) in pairs)
        return good and self.torn == 0 and (self.a - self.b) % (1 << 32) in (0, 1)


def counted(qemu: Qemu) -> Count:
    """What the guest of a QEMU has counted; it is stopped for that, and stays so."""
    qemu.command("stop")
    memory = qemu.memory(A, 12)
    cmos = []
    for register, _ in _REGISTERS:
        qemu.hmp(f"o /b 0x70 {register:#x}")
        cmos.append(int(qemu.hmp("i /b 0x71").split("=")[1], 16))
    return count_at(memory, bytes(cmos))


def count_at(memory: bytes, cmos: bytes = b"") -> Count:
    """From the 12 bytes that begin at A."""
    a, b, torn = (int.from_bytes(memory[at : at + 4], "little") for at in range(0, 12, 4))
    return Count(a, b, torn, cmos)
