"""The importer `stream`: the JSON description at a stream's end -> .vmsd files.

One file a device; a nested description that several devices use lies in common.vmsd. What is
written decodes the stream that it came from. It says no more than was recorded: a length is a
number, and a type of a device's own is opaque.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vmsc.hooks import Artifact, ImporterError
from vmsc.stream.configuration import named_machine
from vmsc.stream.section_names import names_of
from vmsc.stream.vmdesc import Device, Vmdesc, VmdescError, read_vmdesc

from .schema_text import UsedNames, class_name, class_names, comment, module_name
from .schema_writer import Writer
from .shapes import Item, LeafShape, Run, Shape, merge, nested, shape_of

__all__ = ["run"]

COMMON = "common"
_SHOWN = 4  # sections that a device's doc comment names


@dataclass
class _Seen:
    """A device's shapes, each with the sections that had it."""

    wire: str
    shapes: list[Shape] = field(default_factory=list)
    sections: list[list[str]] = field(default_factory=list)

    def add(self, shape: Shape, section: str) -> None:
        for i, known in enumerate(self.shapes):
            both = merge(known, shape)
            if both is not None:
                self.shapes[i] = both
                self.sections[i].append(section)
                return
        self.shapes.append(shape)
        self.sections.append([section])


def run(data: bytes, options: Mapping[str, str]) -> Sequence[Artifact]:
    """The files. Raises ImporterError where there is no description, or none that QEMU writes."""
    try:
        vmdesc = read_vmdesc(data)
    except VmdescError as fault:
        raise ImporterError(str(fault)) from None
    devices = _devices(vmdesc, data)
    kinds = _kinds(devices.values())
    names = class_names()
    classes = {seen.wire: names.take(class_name(seen.wire)) for seen in devices.values()}
    writer = Writer(kinds, {kind: _kind_name(kind, classes.values(), names) for kind in kinds})
    return _files(devices, kinds, classes, writer, _head(named_machine(data)))


def _files(
    devices: Mapping[str, _Seen],
    kinds: Sequence[Shape],
    classes: Mapping[str, str],
    writer: Writer,
    head: Sequence[str],
) -> list[Artifact]:
    users = {wire: set(_reached(seen.shapes, writer)) for wire, seen in devices.items()}
    shared = [kind for kind in kinds if sum(kind in used for used in users.values()) > 1]
    artifacts: list[Artifact] = []
    if shared:
        lines = [line for kind in shared for line in (*writer.description(kind), "")]
        artifacts.append(_artifact(COMMON, [*head, "", *lines]))
    modules = UsedNames({COMMON, "std", "qemu"})
    for wire, seen in devices.items():
        uses = [f"use {COMMON}", ""] if users[wire] & set(shared) else []
        lines = [*head, "", *uses]
        for kind in kinds:
            if kind in users[wire] and kind not in shared:
                lines += [*writer.description(kind), ""]
        sections = list(map(_shown, seen.sections))
        lines += _doc(sections) if len(sections) == 1 else []
        lines += writer.device(wire, classes[wire], seen.shapes, sections)
        artifacts.append(_artifact(modules.take(module_name(wire)), lines))
    return artifacts


def _shown(sections: Sequence[str]) -> str:
    counted = Counter(sections)
    names = [name if n == 1 else f"{name} ({n} of them)" for name, n in counted.items()]
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return comment(", ".join(names[:_SHOWN]) + more)


def _doc(sections: Sequence[str]) -> list[str]:
    return [f"/// In the stream: {text}." for text in sections]


def _artifact(module: str, lines: Sequence[str]) -> Artifact:
    return Artifact(f"{module}.vmsd", "\n".join(lines).rstrip() + "\n")


def _head(machine: str) -> list[str]:
    source = f"a {comment(machine)} machine's stream" if machine else "a stream"
    return [
        f"// From QEMU's description of {source}: names, types and order are QEMU's.",
        "// Lengths, counts and what is there at all are as they were in that stream.",
    ]


# --- sections -------------------------------------------------------------------------------------


def _devices(vmdesc: Vmdesc, data: bytes) -> dict[str, _Seen]:
    """The sections by the name of what wrote them."""
    devices: dict[str, _Seen] = {}
    for device in vmdesc.devices:
        wire = device.vmsd_name or names_of(device.name)[-1]
        shape = shape_of(device) if device.vmsd_name else _open_code(wire, device, data)
        section = f"{device.name} instance {device.instance}"
        devices.setdefault(wire, _Seen(wire)).add(shape, section)
    for seen in devices.values():
        if len(seen.shapes) > 1 and _steals(seen.shapes):
            seen.shapes = [_whole(i, shape) for i, shape in enumerate(seen.shapes)]
    return devices


def _steals(shapes: Sequence[Shape]) -> bool:
    """Whether a description within one shape could take another shape's subsection for its own."""
    inside = {inner.name for shape in shapes for inner in nested(shape)}
    subsections = {sub.name for shape in shapes for sub in shape.subsections}
    return any(sub.startswith(name) for sub in subsections for name in inside)


def _whole(number: int, shape: Shape) -> Shape:
    """A shape with subsections as one description within the device: they stay together."""
    if not shape.subsections:
        return shape
    item = Item(f"shape_{number}", False, (Run(1, shape),))
    return Shape(shape.name, shape.version, (item,))


def _open_code(wire: str, device: Device, data: bytes) -> Shape:
    """A section that QEMU wrote without a description: its bytes, and the version of its header."""
    name = device.name.encode("utf-8", "surrogateescape")
    header = bytes([min(len(name), 255)]) + name + device.instance.to_bytes(8, "big")[4:]
    at = data.find(header)
    while at >= 5 and data[at - 5] != 4:  # a full section: 04, its id, the name
        at = data.find(header, at + 1)
    end = at + len(header)
    version = int.from_bytes(data[end : end + 4], "big") if at >= 5 else 1
    run = Run(1, LeafShape("open code", device.size))
    return Shape(wire, version, (Item("data", False, (run,)),))


# --- nested descriptions --------------------------------------------------------------------------


def _kinds(devices: Iterable[_Seen]) -> tuple[Shape, ...]:
    """The nested descriptions, alike ones made one; what is used stands before its user."""
    kinds: list[Shape] = []
    waiting = [n for seen in devices for shape in seen.shapes for n in nested(shape)]
    while waiting:
        shape = waiting.pop(0)
        for i, known in enumerate(kinds):
            both = merge(known, shape)
            if both is not None:
                if both != known:
                    kinds[i] = both
                    waiting += nested(both)
                break
        else:
            kinds.append(shape)
            waiting += nested(shape)
    ordered: dict[Shape, None] = {}
    for kind in kinds:
        _order(kind, kinds, ordered)
    return tuple(ordered)


def _order(kind: Shape, kinds: Sequence[Shape], ordered: dict[Shape, None]) -> None:
    for inner in nested(kind):
        _order(kind_of(inner, kinds), kinds, ordered)
    ordered.setdefault(kind)


def kind_of(shape: Shape, kinds: Sequence[Shape]) -> Shape:
    """The description that covers a shape."""
    return next(kind for kind in kinds if merge(kind, shape) == kind)


def _reached(shapes: Iterable[Shape], writer: Writer) -> Iterator[Shape]:
    """All descriptions that these shapes use, directly or not."""
    for shape in shapes:
        for inner in nested(shape):
            kind = writer.kind(inner)
            yield kind
            yield from _reached((kind,), writer)


def _kind_name(kind: Shape, devices: Iterable[str], names: UsedNames) -> str:
    name = class_name(kind.name)
    return names.take(f"{name}State" if name in devices else name)
