"""What random schemas name of plugins: a wire type, and two transforms.

A transform of numbers may refuse some of them, each way; one that never does is its own inverse.
"""

from __future__ import annotations

from vmsc.hooks.records import PythonName, Transform, WireType
from vmsc.hooks.specs import hook
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import EncodeError
from vmsc.runtime.types import U32 as Value
from vmsc.runtime.wire import place

__all__ = [
    "Value", "decode", "encode", "flipped", "halved", "doubled", "vmsc_transforms", "vmsc_types",
]  # fmt: skip


def decode(buf: Buffer, pos: int) -> tuple[int, int]:
    """A number of 24 bits."""
    end = place(buf, pos, 3)
    return int.from_bytes(buf[pos:end], "big"), end


def encode(value: int) -> bytes:
    if not 0 <= value < 1 << 24:
        raise EncodeError(f"{value} does not fit into 24 bits", code="range")
    return value.to_bytes(3, "big")


def flipped(number: int) -> int:
    """Its lowest bit the other way round."""
    return number ^ 1


def halved(number: int) -> int:
    """Half of an even number; an odd one is refused."""
    if number % 2:
        raise ValueError("odd")
    return number // 2


def doubled(number: int) -> int:
    return number * 2


@hook
def vmsc_types() -> list[WireType]:
    names = {"decode": "decode", "encode": "encode", "type": "Value"}
    python = {use: PythonName(__name__, name) for use, name in names.items()}
    return [WireType("test24", "a number of 24 bits", python)]


@hook
def vmsc_transforms() -> list[Transform]:
    flip, half, double = (PythonName(__name__, name) for name in ("flipped", "halved", "doubled"))
    return [
        Transform("flipped", "the lowest bit the other way round", flip, flip),
        Transform("halved", "an even number, kept as its half", half, double),
    ]
