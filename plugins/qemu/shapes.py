"""Shapes: what a description looks like, as far as one stream shows it. Records in, shapes out.

QEMU records each section as it was, not what it could be: which subsections were sent, which fields
were there, how many elements. Two records of one description are compatible if they differ in
nothing but their subsections; `merge` makes one shape of both. What is not compatible stays apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmsc.stream.vmdesc import Body, Device, Entries, Field, entries

__all__ = [
    "Item",
    "LeafShape",
    "Lists",
    "Part",
    "Run",
    "Shape",
    "Trees",
    "merge",
    "nested",
    "shape_of",
]

_VARIABLE = ("capability",)  # words for types that say their own length


@dataclass(frozen=True)
class LeafShape:
    """A value that QEMU does not look into: its word for the type, and its bytes."""

    type: str
    size: int


@dataclass(frozen=True)
class Lists:
    """A list; `element` is None where none of its elements were seen, or they do not agree."""

    type: str
    element: Shape | None
    size: int
    agree: bool = True


@dataclass(frozen=True)
class Trees:
    """A tree; `key` is None where a key is a plain number, both are where no node was seen."""

    key: Shape | None
    value: Shape | None
    size: int


@dataclass(frozen=True)
class Shape:
    """One description: `name` and `version` are QEMU's; `items` in order."""

    name: str
    version: int
    items: tuple[Item, ...]
    subsections: tuple[Shape, ...] = ()


Part = LeafShape | Lists | Trees | Shape


@dataclass(frozen=True)
class Run:
    """`count` like elements in a row; `part` None: null pointers."""

    count: int
    part: Part | None


@dataclass(frozen=True)
class Item:
    """A field under the name that QEMU records."""

    name: str
    array: bool
    runs: tuple[Run, ...]

    @property
    def count(self) -> int:
        return sum(run.count for run in self.runs)


# --- from a record --------------------------------------------------------------------------------


def shape_of(body: Body | Device) -> Shape:
    """The shape of one record."""
    items = tuple(_item(each) for each in entries(body.fields))
    version = 1 if body.version is None else body.version
    return Shape(body.vmsd_name, version, items, tuple(map(shape_of, body.subsections)))


def _item(found: Entries) -> Item:
    runs: list[Run] = []
    for entry in found.fields:
        run = Run(entry.count, None if entry.null else _part(entry))
        joined = _joined(runs[-1], run) if runs else None
        if joined is None:
            runs.append(run)
        else:
            runs[-1] = joined
    return Item(found.name, not found.single, tuple(runs))


def _joined(one: Run, other: Run) -> Run | None:
    if one.part is None or other.part is None:
        same = one.part is None and other.part is None
        return Run(one.count + other.count, None) if same else None
    part = _merge_parts(one.part, other.part)
    return None if part is None else Run(one.count + other.count, part)


def _part(entry: Field) -> Part:
    if entry.struct is not None:
        return shape_of(entry.struct)
    if entry.type == "gtree":
        return _tree(entry)
    if entry.type not in ("qtailq", "qlist"):
        return LeafShape(entry.type, entry.size)
    shapes = list(map(shape_of, entry.elements))
    element = _all(shapes)
    return Lists(entry.type, element, entry.size, agree=element is not None or not shapes)


def _all(shapes: Sequence[Shape]) -> Shape | None:
    """One shape of all, or None."""
    whole = shapes[0] if shapes else None
    for each in shapes[1:]:
        whole = None if whole is None else merge(whole, each)
    return whole


def _tree(entry: Field) -> Trees:
    """Whether keys are descriptions shows in the size: a node is a tag, its key, its value."""
    sizes = [Device("", 0, None, "", b.fields, b.subsections).size for b in entry.elements]
    shapes = list(map(shape_of, entry.elements))
    nodes = len(shapes)
    if nodes and sum(sizes) + 9 * nodes + 5 == entry.size:
        return Trees(None, _all(shapes), entry.size)
    if nodes and sum(sizes) + nodes // 2 + 5 == entry.size:
        return Trees(_all(shapes[::2]), _all(shapes[1::2]), entry.size)
    return Trees(None, None, entry.size)


# --- merging --------------------------------------------------------------------------------------


def merge(one: Shape, other: Shape) -> Shape | None:
    """A shape for both, or None where they differ in more than their subsections."""
    if (one.name, one.version, len(one.items)) != (other.name, other.version, len(other.items)):
        return None
    items = []
    for mine, theirs in zip(one.items, other.items):
        merged = merge_items(mine, theirs)
        if merged is None:
            return None
        items.append(merged)
    subsections = _merge_subsections(one.subsections, other.subsections)
    if subsections is None:
        return None
    return replace(one, items=tuple(items), subsections=subsections)


def _merge_subsections(one: Sequence[Shape], other: Sequence[Shape]) -> tuple[Shape, ...] | None:
    """All subsections, in an order that is each one's."""
    merged = list(one)
    at = 0
    for each in other:
        place = next((i for i, s in enumerate(merged) if s.name == each.name), None)
        if place is None:
            merged.insert(at, each)
            at += 1
            continue
        both = merge(merged[place], each)
        if both is None:
            return None
        merged[place] = both
        at = place + 1
    return tuple(merged)


def merge_items(one: Item, other: Item) -> Item | None:
    """A field for both, or None."""
    if (one.name, one.array, len(one.runs)) != (other.name, other.array, len(other.runs)):
        return None
    runs = []
    for mine, theirs in zip(one.runs, other.runs):
        if mine.count != theirs.count or (mine.part is None) != (theirs.part is None):
            return None
        part = None
        if mine.part is not None and theirs.part is not None:
            part = _merge_parts(mine.part, theirs.part)
            if part is None:
                return None
        runs.append(Run(mine.count, part))
    return replace(one, runs=tuple(runs))


def _merge_parts(one: Part, other: Part) -> Part | None:
    match one, other:
        case Shape(), Shape():
            return merge(one, other)
        case LeafShape(), LeafShape() if one.type == other.type:
            return one if one.size == other.size or one.type in _VARIABLE else None
        case Lists(), Lists() if one.type == other.type:
            return _merge_lists(one, other)
        case Trees(), Trees():
            return one if one == other else None
        case _:
            return None


def _merge_lists(one: Lists, other: Lists) -> Lists | None:
    if not (one.agree and other.agree):
        return one if one.size == other.size else None
    if one.element is None or other.element is None:
        return one if other.element is None else other
    element = merge(one.element, other.element)
    return None if element is None else replace(one, element=element)


def nested(shape: Shape) -> tuple[Shape, ...]:
    """The descriptions that a shape uses, those of its subsections included."""
    parts = [run.part for item in shape.items for run in item.runs]
    found: list[Shape] = []
    for part in parts:
        match part:
            case Shape():
                found.append(part)
            case Lists(element=element) if element is not None:
                found.append(element)
            case Trees(key=key, value=value):
                found += [each for each in (key, value) if each is not None]
            case _:
                pass
    for sub in shape.subsections:
        found += nested(sub)
    return tuple(found)
