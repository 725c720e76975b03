"""A section's names to look it up by, and what to say when none of them is known."""

from __future__ import annotations

from vmsc.runtime.errors import DecodeError
from vmsc.stream.state import SectionHeader

__all__ = ["names_of", "unknown_section"]


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
