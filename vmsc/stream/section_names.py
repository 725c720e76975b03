"""From a section's name to its measure: a table, and what to say when it has no entry."""

from __future__ import annotations

from collections.abc import Mapping

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError
from vmsc.stream.state import Measure, SectionHeader

__all__ = ["measure_by_name", "names_of", "unknown_section"]


def names_of(section: str) -> tuple[str, ...]:
    """The names to look a section up by, best first.

    QEMU puts a device's path before its description's name: 0000:00:03.0/virtio-net.
    """
    parts = section.split("/")
    return tuple("/".join(parts[i:]) for i in range(len(parts)))


def unknown_section(header: SectionHeader, offset: int) -> DecodeError:
    return DecodeError(
        f"no description for '{header.name}' version {header.version}: "
        "give its schema with -s DIR or a plugin with -p FILE",
        offset=offset,
        code="unknown-section",
    )


def measure_by_name(table: Mapping[str, Measure]) -> Measure:
    """A measure that hands on to the entry for the section's name."""

    def measure(header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        for name in names_of(header.name):
            if name in table:
                return table[name](header, buf, pos, final)
        raise unknown_section(header, pos)

    return measure
