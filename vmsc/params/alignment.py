"""Align a description's items with the fields that QEMU recorded: which is which, what is absent.

QEMU may rename a field as it likes, as names are not on the wire: the order is what counts, and
names are the best hint. Of all alignments the cheapest is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from vmsc.schema import ir
from vmsc.stream.vmdesc import Body, Entries, Field

__all__ = ["Wanted", "align", "folded", "may_vanish", "same_name"]

_RENAMED, _WRONG, _EXTRA, _MISSING = 4, 3, 6, 6
_SUFFIX = re.compile(r"\[(\d+)\]$")


@dataclass(frozen=True)
class Wanted:
    """An item of the description: `twin` counts the earlier ones of its name, None if there is one.

    `present` is what decides about it, a number once that is known. `may_vanish`: it may be there
    without any entry.
    """

    wire: str
    twin: int | None
    item: ir.Field | ir.Split
    present: ir.Expr | None
    may_vanish: bool

    @property
    def absent(self) -> bool:
        return isinstance(self.present, ir.Number) and not self.present.value

    @property
    def optional(self) -> bool:
        decided = self.present is None or isinstance(self.present, ir.Number)
        return self.may_vanish or not decided


def same_name(wanted: Wanted, name: str) -> int | None:
    """How far the recorded name is from the item's: 0 or 1 if it is the same, None if another.

    Where a description has several fields of one name, QEMU appends `[k]`, counting from 0.
    """
    if name == wanted.wire:
        return 0
    suffix = _SUFFIX.search(name)
    if suffix is None or name[: suffix.start()] != wanted.wire:
        return None
    return 0 if int(suffix[1]) == wanted.twin else 1


def _skip(wanted: Wanted) -> int:
    return 0 if wanted.absent or wanted.optional else _MISSING


def align(
    wanted: Sequence[Wanted],
    found: Sequence[Entries],
    fits: Callable[[Wanted, Entries], bool],
) -> list[tuple[Wanted | None, Entries | None]]:
    """Pairs in order; None stands where one side has nothing. `fits`: their sizes could agree."""

    def cost(one: Wanted, entries: Entries) -> int | None:
        if one.absent:
            return None
        near = same_name(one, entries.name)
        if fits(one, entries):
            return _RENAMED if near is None else near
        return None if near is None else _WRONG + near

    rows, columns = len(wanted) + 1, len(found) + 1
    best = [[0] * columns for _ in range(rows)]
    way = [[""] * columns for _ in range(rows)]
    for i in range(rows):
        for j in range(columns):
            choices = []
            if i and j and (pair := cost(wanted[i - 1], found[j - 1])) is not None:
                choices.append((best[i - 1][j - 1] + pair, "pair"))
            if i:
                choices.append((best[i - 1][j] + _skip(wanted[i - 1]), "skip"))
            if j:
                choices.append((best[i][j - 1] + _EXTRA, "extra"))
            if choices:
                best[i][j], way[i][j] = min(choices, key=lambda c: c[0])
    return _followed(wanted, found, way)


def _followed(
    wanted: Sequence[Wanted], found: Sequence[Entries], way: list[list[str]]
) -> list[tuple[Wanted | None, Entries | None]]:
    pairs: list[tuple[Wanted | None, Entries | None]] = []
    i, j = len(wanted), len(found)
    while i or j:
        step = way[i][j]
        i, j = i - (step != "extra"), j - (step != "skip")
        pairs.append((None if step == "extra" else wanted[i], None if step == "skip" else found[j]))
    return pairs[::-1]


def folded(description: ir.Description, body: Body, find: Mapping[str, ir.Description]) -> Body:
    """The record, with a nested description's fields together where QEMU has them side by side.

    The bytes are the same: a schema may give a name to a group of fields that are recorded as its
    user's own.
    """
    for item in description.items:
        if not isinstance(item, ir.Field) or not isinstance(item.type, ir.Use):
            continue
        called = find[item.type.key]
        wires = {i.wire for i in called.items if isinstance(i, ir.Field | ir.Split)}
        names = [f.name for f in body.fields]
        inside = [i for i, name in enumerate(names) if name in wires]
        if item.wire in names or called.kind == "loop" or 2 * len(inside) <= len(wires):
            continue
        first, end = inside[0], inside[-1] + 1
        subs = {s.wire for s in called.subsections} - {s.wire for s in description.subsections}
        taken = tuple(s for s in body.subsections if s.vmsd_name in subs)
        nested = Body(called.wire, _version(item.type, called), body.fields[first:end], taken)
        size = sum(f.count * f.size for f in nested.fields)
        whole = Field(item.wire, "struct", size, struct=nested)
        body = replace(
            body,
            fields=(*body.fields[:first], whole, *body.fields[end:]),
            subsections=tuple(s for s in body.subsections if s not in taken),
        )
    return body


def _version(use: ir.Use, called: ir.Description) -> int:
    return called.version if use.version is None else use.version


def may_vanish(item: ir.Field | ir.Split) -> bool:
    """Whether QEMU records nothing of it where it has no elements."""
    if not isinstance(item, ir.Field):
        return False
    match item.type:
        case ir.Array(count=count, element=element):
            low = (ir.expr_bounds(count) or (0, 0))[0]
            while isinstance(element, ir.Array):
                low = min(low, (ir.expr_bounds(element.count) or (0, 0))[0])
                element = element.element
            return low <= 0
        case ir.Nullable(count=count) | ir.Bytes(length=count) | ir.Bitmap(bits=count):
            return (ir.expr_bounds(count) or (0, 0))[0] <= 0
        case ir.Within(length=count):
            return (ir.expr_bounds(count) or (0, 0))[0] <= 0
        case _:
            return False
