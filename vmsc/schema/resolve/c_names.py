"""What C, QEMU's macros (include/migration/vmstate.h) and other languages call the types of the
language, for hints.
"""

from __future__ import annotations

import re

from vmsc.schema.diagnostics import Note
from vmsc.schema.source import Span

__all__ = ["c_type_hint", "in_our_words"]

_NUMBER = re.compile(r"(?:([ui])|(u?)int)(8|16|32|64)(?:_t)?(_?be|_?le)?", re.IGNORECASE)

_WORDS = {
    "char": "u8", "byte": "u8", "uchar": "u8", "short": "s16", "ushort": "u16", "int": "s32",
    "uint": "u32", "unsigned": "u32", "hwaddr": "u64", "ram_addr_t": "u64", "_Bool": "bool",
    "boolean": "bool", "double": "f64", "float64": "f64", "CPU_DoubleU": "f64",
    "QEMUTimer": "timer", "string": "string8", "buffer": "bytes[n]",
}  # fmt: skip
# By how the macro's name begins; an array's goes on with it (VMSTATE_UINT8_2DARRAY_V).
_MACROS = {
    **{f"VMSTATE_INT{bits}": f"s{bits}" for bits in (8, 16, 32, 64)},
    **{f"VMSTATE_UINT{bits}": f"u{bits}" for bits in (8, 16, 32, 64)},
    "VMSTATE_BOOL": "bool", "VMSTATE_TIMER": "timer", "VMSTATE_CPUDOUBLE": "f64",
    "VMSTATE_BUFFER": "bytes[n]", "VMSTATE_STATIC_BUFFER": "bytes[n]",
    "VMSTATE_VBUFFER": "bytes[n]", "VMSTATE_PARTIAL_BUFFER": "bytes[n]",
    "VMSTATE_UNUSED": "unused[n]", "VMSTATE_BITMAP": "bitmap[n]", "VMSTATE_QTAILQ": "list T",
    "VMSTATE_QLIST": "list T", "VMSTATE_GTREE": "tree K => V",
}  # fmt: skip


def in_our_words(name: str) -> str | None:
    """The language's type for one that C or QEMU calls so; None if there is none."""
    if name in _WORDS:
        return _WORDS[name]
    if found := _NUMBER.fullmatch(name):
        letter, unsigned, bits, order = found.groups()
        little = order is not None and order.lower().endswith("le")
        sign = "u" if letter in ("u", "U") or unsigned else "s"
        return f"{'little ' if little else ''}{sign}{bits}"
    for macro, ours in _MACROS.items():
        if name == macro or name.startswith(f"{macro}_"):
            return f"{ours}[n]" if "ARRAY" in name else ours
    return None


def c_type_hint(name: str, span: Span) -> tuple[Note, ...]:
    """A note with the language's word for a type of C, or none."""
    ours = in_our_words(name)
    return () if ours is None else (Note(f"'{name}' is called '{ours}' here", span),)
