"""What a QEMU stream is made of: one frozen record for each thing that stands in it.

Law: the events of a stream cover it. Each says where its bytes begin (`offset`, in the file) and
how many they are (`size`); the next one begins where they end. Whatever is small is in the record;
a section's payload is not, but its place is (`payload`, `length`).
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

__all__ = [
    "COMMANDS",
    "MESSAGES",
    "Command",
    "CommandShape",
    "Configuration",
    "Description",
    "Eof",
    "Event",
    "FileHeader",
    "Gap",
    "MAGIC",
    "Mark",
    "Message",
    "Pages",
    "RAM",
    "Section",
    "SectionKind",
    "Trailing",
    "footer",
]


MAGIC = b"QEVM"  # QEMU_VM_FILE_MAGIC of migration/savevm.h: the first bytes of a stream
RAM = "ram"  # the name of RAM's sections (migration/ram.c)


class Mark(IntEnum):
    """The byte that stands before each thing at a stream's top level, but for the sections'."""

    EOF = 0x00
    DESCRIPTION = 0x06
    CONFIGURATION = 0x07
    COMMAND = 0x08
    FOOTER = 0x7E


class SectionKind(IntEnum):
    """A section's mark. START and FULL carry a name; PART and END go on from a START by its id."""

    START = 1
    PART = 2
    END = 3
    FULL = 4

    @property
    def named(self) -> bool:
        return self in (SectionKind.START, SectionKind.FULL)


def footer(id_: int) -> bytes:
    """What stands after a section of this id; machine types before 2.4 have none (savevm.c)."""
    return bytes([Mark.FOOTER]) + id_.to_bytes(4, "big")


class CommandShape(msgspec.Struct, frozen=True):
    """A command's name and the lengths its data may have; None is any."""

    name: str
    lengths: tuple[int, ...] | None


PACKAGED = 7
ENABLE_COLO = 8

COMMANDS: dict[int, CommandShape] = {
    1: CommandShape("open-return-path", (0,)),
    2: CommandShape("ping", (4,)),
    3: CommandShape("postcopy-advise", (0, 16)),
    4: CommandShape("postcopy-listen", (0,)),
    5: CommandShape("postcopy-run", (0,)),
    6: CommandShape("postcopy-ram-discard", None),
    PACKAGED: CommandShape("packaged", (4,)),
    ENABLE_COLO: CommandShape("enable-colo", (0,)),
    9: CommandShape("postcopy-resume", (0,)),
    10: CommandShape("recv-bitmap", None),
    11: CommandShape("switchover-start", (0,)),  # from QEMU 10.0 on
}

VMSTATE_SEND = 3
VMSTATE_SIZE = 4

MESSAGES = (
    "checkpoint-ready",
    "checkpoint-request",
    "checkpoint-reply",
    "vmstate-send",
    "vmstate-size",
    "vmstate-received",
    "vmstate-loaded",
)


class FileHeader(msgspec.Struct, frozen=True):
    """`QEVM` and the version."""

    offset: int
    version: int

    @property
    def size(self) -> int:
        return 8


class Configuration(msgspec.Struct, frozen=True):
    """The machine's name and what else both sides must share; `body` is what follows the mark."""

    offset: int
    body: bytes

    @property
    def size(self) -> int:
        return 1 + len(self.body)


class Section(msgspec.Struct, frozen=True):
    """One section. A part's and an end's name, instance and version are those of their start.

    `inside`: it lies in a package, or in the device state of a COLO checkpoint. `taken`: so many
    bytes of the payload, and the header, stood in the `Pages` before; the bytes after them are
    this event's.
    """

    offset: int
    kind: SectionKind
    id: int
    name: str
    instance: int
    version: int
    payload: int
    length: int
    footer: bool
    inside: bool = False
    taken: int = 0

    @property
    def start(self) -> int:
        """Where this event's own bytes begin."""
        return self.payload + self.taken if self.taken else self.offset

    @property
    def size(self) -> int:
        return self.payload + self.length + 5 * self.footer - self.start


class Pages(msgspec.Struct, frozen=True):
    """A piece of a RAM section that is too large to be waited for; its `Section` comes last.

    `payload` and `length` are those of the piece. The first piece's bytes begin with the section's
    header.
    """

    offset: int
    kind: SectionKind
    id: int
    name: str
    instance: int
    version: int
    payload: int
    length: int
    inside: bool = False

    @property
    def size(self) -> int:
        return self.payload + self.length - self.offset


class Command(msgspec.Struct, frozen=True):
    """A command to the loader. A package's content are the events `inside` that follow it."""

    offset: int
    number: int
    data: bytes
    inside: bool = False

    @property
    def name(self) -> str:
        shape = COMMANDS.get(self.number)
        return f"command-{self.number}" if shape is None else shape.name

    @property
    def package(self) -> int:
        """The length of the package that follows this command's own bytes."""
        return int.from_bytes(self.data, "big") if self.number == PACKAGED else 0

    @property
    def size(self) -> int:
        return 5 + len(self.data)


class Message(msgspec.Struct, frozen=True):
    """A COLO message; `value` is there where it carries one (vmstate-size)."""

    offset: int
    number: int
    value: int | None = None

    @property
    def name(self) -> str:
        return MESSAGES[self.number]

    @property
    def size(self) -> int:
        return 4 if self.value is None else 12


class Eof(msgspec.Struct, frozen=True):
    """The end of the sections: of the stream, of COLO's live sections, or of its device state."""

    offset: int
    inside: bool = False

    @property
    def size(self) -> int:
        return 1


class Description(msgspec.Struct, frozen=True):
    """The JSON description after the end."""

    offset: int
    json: bytes

    @property
    def size(self) -> int:
        return 5 + len(self.json)


class Gap(msgspec.Struct, frozen=True):
    """Bytes that could not be read, up to where a stream's next part seems to begin, and why."""

    offset: int
    data: bytes
    reason: str

    @property
    def size(self) -> int:
        return len(self.data)


class Trailing(msgspec.Struct, frozen=True):
    """Bytes after everything that a stream is made of."""

    offset: int
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)


Event = (
    FileHeader | Configuration | Section | Pages | Command | Message | Eof | Description | Gap
    | Trailing
)  # fmt: skip
