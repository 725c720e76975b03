"""Values as plain data, and when two of them are the same."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["F64", "VERSION", "Body", "Value", "plain", "same"]

# None | int | bytes | F64 | list | tuple | dict
Value: TypeAlias = Any

# Where a subsection's dict has its version, beside its fields.
VERSION = "@version"


@dataclass(frozen=True)
class F64:
    """A double by its bits, so that a NaN is itself and 0.0 is not -0.0."""

    bits: int

    @classmethod
    def of(cls, number: float) -> F64:
        return cls(int.from_bytes(struct.pack(">d", number), "big"))


class Body(dict[str, Value]):
    """A description's fields; its words that are split are beside them, for expressions alone."""

    def __init__(self) -> None:
        super().__init__()
        self.words: dict[str, int] = {}


def plain(thing: Any) -> Value:
    """A codec's value (msgspec's structs) as plain data, its fields by the schema's names."""
    if hasattr(thing, "__struct_fields__"):
        names = zip(thing.__struct_encode_fields__, thing.__struct_fields__, strict=True)
        return {name: plain(getattr(thing, field)) for name, field in names}
    match thing:
        case list():
            return [plain(each) for each in thing]
        case tuple():
            return tuple(plain(each) for each in thing)
        case float():
            return F64.of(thing)
        case bool():
            return int(thing)
        case bytes() | bytearray() | memoryview():
            return bytes(thing)
        case None | int():
            return thing
        case _:
            raise TypeError(f"a value of {type(thing).__name__}")


def same(oracle: Value, codec: Value) -> bool:
    """Whether they are equal to the last bit.

    A codec does not keep the version of a subsection that has only one.
    """
    match oracle, codec:
        case dict(), dict():
            keys = oracle.keys() - ({VERSION} - codec.keys())
            return keys == codec.keys() and all(same(oracle[k], codec[k]) for k in keys)
        case (list(), list()) | (tuple(), tuple()):
            return len(oracle) == len(codec) and all(map(same, oracle, codec))
        case _:
            return type(oracle) is type(codec) and bool(oracle == codec)
