"""QEMU's words for types (VMStateInfo.name), and which of the language's numbers they are."""

from __future__ import annotations

from vmsc.schema import ir

__all__ = ["INFOS", "same_type"]


# What QEMU calls the wire types of the language's numbers (VMStateInfo.name).
INFOS: dict[str, tuple[str, ...]] = {
    **{f"u{bits}": (f"uint{bits}", f"uint{bits} equal") for bits in (8, 16, 32)},
    **{f"s{bits}": (f"int{bits}", f"int{bits} equal", f"int{bits} le") for bits in (8, 16, 32)},
    "u64": ("uint64", "int64 equal"),
    "s64": ("int64",),
    "bool": ("bool",),
    "timer": ("timer",),
    "f64": ("CPU_Double_U",),
}


_KNOWN = frozenset(info for infos in INFOS.values() for info in infos)


def same_type(scalar: ir.Scalar, info: str) -> bool:
    """Whether QEMU's word can be this number; a word of a device's own can be any of its size."""
    if info not in _KNOWN:
        return True
    return scalar.order == "big" and info in INFOS[scalar.name]
