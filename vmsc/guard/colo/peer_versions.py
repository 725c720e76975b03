"""Versions of the peer: the secondary's own -dump-vmstate, against what the primary sends.

The dump has QEMU's devices by type; sections that are no device's (cpu, timer, ...) are not in it
and not held against it, nor are subsections of what a device loads by a function of its own, as
virtio's common state. (A subsection's name begins with that of the description that it is one of:
QEMU takes no other for its own, migration/vmstate.c.) Several types may have one description's
name: one that fits is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmsc import VmscError
from vmsc.guard.colo.checkpoint import Checkpoint
from vmsc.guard.colo.first_migration import Baseline
from vmsc.guard.colo.refusal import Refusal
from vmsc.inspect.entry import Entry
from vmsc.json_input import JsonError
from vmsc.runtime.codec import Buffer
from vmsc.runtime.wire import ITEM, LIST, STRUCT, SUBSECTION
from vmsc.stream.events import Section
from vmsc.stream.section_names import names_of
from vmsc.stream.vmstate_dump import DumpDescription, read_dump

__all__ = ["DumpError", "Expected", "load_expected", "subsections_in"]

MAX_SIZE = 1 << 26

Versions = tuple[int, int]
"""The newest version that is loaded, and the oldest."""


class DumpError(VmscError):
    """A file that is no -dump-vmstate."""


@dataclass(frozen=True)
class _Device:
    """A type. `names` are those of all descriptions in it. What lies in it twice may have
    subsections of one name twice.
    """

    versions: Versions
    names: frozenset[str]
    subsections: Mapping[str, Sequence[Versions]]


@dataclass(frozen=True)
class Expected:
    """What the secondary loads, by description."""

    devices: Mapping[str, Sequence[_Device]]

    def baseline(self, baseline: Baseline) -> None:
        """Hold the versions of a first migration's devices against it. Raises Refusal."""
        for _, name, instance, version in baseline.devices:
            known = self._of(name)
            if known and not any(_within(version, device.versions) for device in known):
                loaded = " or ".join(dict.fromkeys(_words(device.versions) for device in known))
                raise Refusal(
                    "expect-version",
                    f"section '{name}' instance {instance} has version {version}, and the"
                    f" secondary loads {loaded}",
                )

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Hold the subsections of a checkpoint's devices against it. Raises Refusal."""
        for taken in checkpoint.devices:
            entry = taken.entry
            if entry is not None and isinstance(entry.event, Section) and entry.codec is not None:
                known = self._of(entry.event.name)
                if known:
                    self._subsections(entry, entry.event, known)

    def _subsections(self, entry: Entry, event: Section, known: Sequence[_Device]) -> None:
        assert entry.codec is not None
        encode = entry.codec.framed.encode
        item = encode(entry.value(), version=event.version, **entry.params)
        for name, version in subsections_in(item):
            loaded = list(dict.fromkeys(v for d in known for v in d.subsections.get(name, ())))
            told = any(name.startswith(tuple(device.names)) for device in known)
            if not told or any(_within(version, versions) for versions in loaded):
                continue
            what = " or ".join(map(_words, loaded)) or "no such subsection"
            raise Refusal(
                "expect-subsection",
                f"section '{event.name}' instance {event.instance} has subsection '{name}' version"
                f" {version}, and the secondary loads {what}",
            )

    def _of(self, section: str) -> Sequence[_Device]:
        return next((self.devices[n] for n in names_of(section) if n in self.devices), ())


def load_expected(path: Path) -> Expected:
    """Read a file that `qemu -dump-vmstate` wrote. Raises DumpError, and OSError."""
    if path.stat().st_size > MAX_SIZE:
        raise DumpError(f"{path}: a dump of more than {MAX_SIZE} bytes")
    try:
        dump = read_dump(path.read_bytes())
    except JsonError as fault:
        raise DumpError(f"{path}: {fault}") from None
    devices: dict[str, list[_Device]] = {}
    for type_ in dump.types.values():
        devices.setdefault(type_.description.name, []).append(_device(type_.description))
    return Expected(devices)


def _device(description: DumpDescription) -> _Device:
    subsections: dict[str, list[Versions]] = {}
    inside = tuple(description.all())
    for one, is_subsection in inside:
        if is_subsection:
            subsections.setdefault(one.name, []).append(_versions(one))
    names = frozenset(one.name for one, _ in inside)
    return _Device(_versions(description), names, subsections)


def _versions(description: DumpDescription) -> Versions:
    return description.version, description.minimum


def subsections_in(item: Buffer, pos: int = 0, end: int | None = None) -> Iterator[tuple[str, int]]:
    """The subsections in a value's framed encoding, nested ones too: name and version."""
    end = len(item) if end is None else end
    while pos < end:
        kind, length = ITEM.unpack_from(item, pos)
        body = pos + ITEM.size
        pos = body + length
        if kind == SUBSECTION:
            at = body + 1 + item[body]
            yield bytes(item[body + 1 : at]).decode(), int.from_bytes(item[at : at + 4], "big")
            yield from subsections_in(item, at + 4, pos)
        elif kind in (STRUCT, LIST):
            yield from subsections_in(item, body + 4 * (kind == LIST), pos)


def _within(version: int, versions: Versions) -> bool:
    newest, oldest = versions
    return oldest <= version <= newest


def _words(versions: Versions) -> str:
    newest, oldest = versions
    return f"version {newest}" if newest == oldest else f"versions {oldest} to {newest}"
