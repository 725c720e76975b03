"""Questions to values, the objects of generated classes."""

from __future__ import annotations

from typing import Any

import msgspec

from vmsc.runtime.codec import Codec

SectionValue = Any  # an object of a generated class

__all__ = ["SectionValue", "count_fields", "last_sticky", "stickies"]


def count_fields(value: SectionValue) -> int:
    """How many fields a value has, those of nested descriptions counted one by one."""
    if isinstance(value, msgspec.Struct):
        names = type(value).__struct_fields__
        return sum(count_fields(getattr(value, n)) for n in names if getattr(value, n) is not None)
    if isinstance(value, list) and value and isinstance(value[0], msgspec.Struct | list | tuple):
        return sum(map(count_fields, value))
    return 1


def last_sticky(value: SectionValue, name: str) -> Any:
    """The last value that a sticky field had."""
    if isinstance(value, msgspec.Struct):
        own = getattr(value, name, None)
        if own is not None:
            return own
        parts = (getattr(value, f) for f in reversed(type(value).__struct_fields__))
        return next((v for p in parts if (v := last_sticky(p, name)) is not None), None)
    if isinstance(value, list) and value and isinstance(value[-1], msgspec.Struct):
        return next((v for p in reversed(value) if (v := last_sticky(p, name)) is not None), None)
    return None


def stickies(codec: Codec, value: SectionValue) -> dict[str, Any]:
    """What a value leaves behind for the next part of its section."""
    names = [p.name for p in codec.params if p.sticky]
    return {name: last for name in names if (last := last_sticky(value, name)) is not None}
