"""What a generated module says about each of its devices: a record that tools can use without
knowing the module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from vmsc.runtime.kinds import DescriptionKind, ParamKind, SizeClass

__all__ = ["Buffer", "Codec", "Param", "Profile"]

Buffer = bytes | bytearray | memoryview


class Param(msgspec.Struct, frozen=True):
    """A parameter of a codec: a keyword argument of its functions.

    `low` and `high` bound a number (a bool is 0 or 1; for `bits`, high is the largest mask);
    `words` is not empty for a `one of`. `default` is None where the caller must give it.
    `sticky`: not configuration but state that a stream carries on from section to section, with
    an empty start. `places`: (word, "at" or "under", pattern): where the section's place in the
    machine says which word it is; see vmsc.params.device_path.
    """

    name: str
    doc: str = ""
    low: int = 0
    high: int = 0
    words: tuple[str, ...] = ()
    default: int | str | bytes | None = None
    kind: ParamKind = "number"
    sticky: bool = False
    places: tuple[tuple[str, str, str], ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """One wire form's functions. All take the parameters (and `version`) as keyword arguments.

    encode(value) -> bytes; decode(buf) -> value, all of buf; decode_from(buf, pos, final=True)
    -> (value, end); measure(value) -> length; scan(buf, pos, final=True) -> end, building no
    objects.
    """

    encode: Callable[..., bytes]
    decode: Callable[..., Any]
    decode_from: Callable[..., tuple[Any, int]]
    measure: Callable[..., int]
    scan: Callable[..., int]


class Codec(msgspec.Struct, frozen=True):
    """A description's codec: `name` is QEMU's, `kind` device, vmsd, struct or loop, `digest` (8
    bytes) is of its layout. `notes`: its scan of QEMU's bytes takes `vmsc.runtime.notes.Notes`, so
    that another try of it goes on where the lists were cut.
    """

    name: str
    kind: DescriptionKind
    version: int
    minimum: int
    type: type
    size: SizeClass
    digest: bytes
    params: tuple[Param, ...]
    qemu: Profile
    framed: Profile
    notes: bool = False
