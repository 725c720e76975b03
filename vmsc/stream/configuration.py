"""The CONFIGURATION body: bytes -> MachineConfiguration, and so its end.

It is not a section: it has neither an id nor a footer. Its subsections are found by QEMU's peek
rule: 0x05, a length that has room for more than the name `configuration`, a name that begins with
it. All else belongs to what follows.
"""

from __future__ import annotations

import msgspec

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError
from vmsc.stream.events import MAGIC, Mark
from vmsc.stream.primitives import be32, decode_name, refuse, string8, take, want

__all__ = ["MachineConfiguration", "configuration_end", "named_machine", "read_configuration"]

_NAME = b"configuration"
_SUBSECTION = 0x05
_MAX_NAME = 1024
_MAX_CAPABILITIES = 256


class MachineConfiguration(msgspec.Struct, frozen=True):
    """What both sides of a migration must share; None and empty where the stream says nothing."""

    name: str
    page_bits: int | None = None
    capabilities: tuple[str, ...] = ()
    uuid: bytes | None = None


def configuration_end(buf: Buffer, pos: int, final: bool = True) -> int:
    """The offset after the body at `pos`. `final`: nothing comes after the buffer's end."""
    return read_configuration(buf, pos, final)[1]


def read_configuration(
    buf: Buffer, pos: int = 0, final: bool = True
) -> tuple[MachineConfiguration, int]:
    length = be32(buf, pos, "length")
    if length > _MAX_NAME:
        raise refuse(
            "limit", f"a machine name of {length} bytes is over the limit {_MAX_NAME}", pos
        )
    name, pos = take(buf, pos + 4, length, "name")
    machine = MachineConfiguration(decode_name(name))
    while (subsection := _peek(buf, pos, final)) is not None:
        machine, pos = _read_subsection(machine, subsection, buf, pos)
    return machine, pos


def named_machine(data: Buffer) -> str:
    """The machine that a whole stream's configuration names; empty where there is none."""
    if data[:4] != MAGIC or data[8:9] != bytes([Mark.CONFIGURATION]):
        return ""
    try:
        return read_configuration(data[9:4096])[0].name
    except DecodeError:
        return ""


def _peek(buf: Buffer, pos: int, final: bool) -> bytes | None:
    """The name of the subsection at `pos`, or None if there is none of ours."""
    have = len(buf) - pos
    if have == 0 and final:
        return None
    if have and buf[pos] != _SUBSECTION:
        return None
    if have >= 2 and buf[pos + 1] <= len(_NAME):
        return None
    size = 2 + buf[pos + 1] if have >= 2 else 1 + min(have, 1)
    name = bytes(buf[pos + 2 : pos + size])
    if not name.startswith(_NAME[: len(name)]):
        return None
    want(buf, pos, size, "subsection")
    return name


def _read_subsection(
    machine: MachineConfiguration, name: bytes, buf: Buffer, at: int
) -> tuple[MachineConfiguration, int]:
    pos = at + 2 + len(name)
    want(buf, pos, 4, "version")
    pos += 4
    match name:
        case b"configuration/target-page-bits":
            bits = be32(buf, pos, "page-bits")
            return msgspec.structs.replace(machine, page_bits=bits), pos + 4
        case b"configuration/capabilities":
            capabilities, pos = _read_capabilities(buf, pos)
            return msgspec.structs.replace(machine, capabilities=capabilities), pos
        case b"configuration/uuid":
            uuid, pos = take(buf, pos, 16, "uuid")
            return msgspec.structs.replace(machine, uuid=uuid), pos
    text = decode_name(name)
    raise refuse("unknown-subsection", f"no description for the subsection '{text}'", at)


def _read_capabilities(buf: Buffer, pos: int) -> tuple[tuple[str, ...], int]:
    count = be32(buf, pos, "count")
    if count > _MAX_CAPABILITIES:
        raise refuse("limit", f"{count} capabilities are over the limit {_MAX_CAPABILITIES}", pos)
    pos += 4
    names = []
    for _ in range(count):
        name, pos = string8(buf, pos, "capability")
        names.append(name)
    return tuple(names), pos
