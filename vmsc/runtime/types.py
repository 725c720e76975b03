"""The types that generated classes name: Python's own, with the wire's word for them attached.

`U16` is an int to Python and to a type checker; tools find `Wire("u16")` in its annotation.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = [
    "F64",
    "S8",
    "S16",
    "S32",
    "S64",
    "U8",
    "U16",
    "U32",
    "U64",
    "Bitmap",
    "Bool",
    "Bytes",
    "OneOf",
    "Opaque",
    "Padding",
    "Text",
    "Timer",
    "Wire",
]  # fmt: skip


class Wire(msgspec.Struct, frozen=True):
    """The language's word for a value's wire form."""

    name: str


class OneOf(msgspec.Struct, frozen=True):
    """Marks a union as a choice: its JSON carries a tag."""


U8 = Annotated[int, Wire("u8")]
U16 = Annotated[int, Wire("u16")]
U32 = Annotated[int, Wire("u32")]
U64 = Annotated[int, Wire("u64")]
S8 = Annotated[int, Wire("s8")]
S16 = Annotated[int, Wire("s16")]
S32 = Annotated[int, Wire("s32")]
S64 = Annotated[int, Wire("s64")]
Bool = Annotated[int, Wire("bool")]
Timer = Annotated[int, Wire("timer")]
F64 = Annotated[float, Wire("f64")]
Bytes = Annotated[bytes, Wire("bytes")]
Padding = Annotated[bytes, Wire("padding")]
Opaque = Annotated[bytes, Wire("opaque")]
Text = Annotated[bytes, Wire("text")]
Bitmap = Annotated[list[int], Wire("bitmap")]
