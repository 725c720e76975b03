"""What `qemu -dump-vmstate` writes: the devices that a QEMU has, by type, with names, versions, and
the sizes that fields have in its memory (QEMU, migration/vmstate.c and savevm.c). No wire types, no
counts, no conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, TypeVar

import msgspec

from vmsc.json_input import JsonError, fitted, parsed

__all__ = ["Dump", "DumpDescription", "DumpField", "DumpType", "read_dump"]

_MACHINE = "vmschkmachine"
_Natural = Annotated[int, msgspec.Meta(ge=0)]


class DumpField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`conditional`: a function of QEMU decides whether it is sent."""

    name: str = msgspec.field(name="field")
    since: _Natural = msgspec.field(name="version_id")
    size: _Natural
    conditional: bool = msgspec.field(name="field_exists", default=False)
    nested: DumpDescription | None = msgspec.field(name="Description", default=None)


class DumpDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    version: _Natural = msgspec.field(name="version_id")
    minimum: _Natural = msgspec.field(name="minimum_version_id")
    fields: tuple[DumpField, ...] = msgspec.field(name="Fields", default=())
    subsections: tuple[DumpDescription, ...] = msgspec.field(name="Subsections", default=())

    def all(self, is_subsection: bool = False) -> Iterator[tuple[DumpDescription, bool]]:
        """This one and all that lie in it; whether each is a subsection."""
        yield self, is_subsection
        for subsection in self.subsections:
            yield from subsection.all(True)
        for field in self.fields:
            if field.nested is not None:
                yield from field.nested.all()


class DumpType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A type of QEMU's. What stands beside its description says the same again."""

    description: DumpDescription = msgspec.field(name="Description")
    name: str = msgspec.field(name="Name", default="")
    version: int = msgspec.field(name="version_id", default=0)
    minimum: int = msgspec.field(name="minimum_version_id", default=0)


class _Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = msgspec.field(name="Name")


class Dump(msgspec.Struct, frozen=True):
    """The machine's name, and what each type of device sends."""

    machine: str
    types: Mapping[str, DumpType]


_T = TypeVar("_T")


def _part(name: str, value: object, type_: type[_T]) -> _T:
    try:
        return fitted(value, type_)
    except JsonError as fault:
        raise JsonError(f"'{name}': {fault}") from None


def read_dump(data: bytes) -> Dump:
    """The dump in this JSON. Raises JsonError."""
    top = parsed(data, errors="surrogateescape")
    if not isinstance(top, dict) or _MACHINE not in top:
        raise JsonError(f"not the JSON of `qemu -dump-vmstate`: it has no '{_MACHINE}'")
    machine = _part(_MACHINE, top.pop(_MACHINE), _Machine)
    return Dump(machine.name, {name: _part(name, each, DumpType) for name, each in top.items()})
