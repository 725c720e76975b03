"""Extents: how a plan's length is known, and its bounds. A part of lowering.

`least` is never more and `most` never less than what a value takes: readers refuse by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from vmsc import plan
from vmsc.runtime.kinds import DescriptionKind, SizeClass
from vmsc.schema import ir

__all__ = ["CLASSES", "Extent", "plan_extent"]

CLASSES: tuple[SizeClass, ...] = ("constant", "computed", "bounded", "measured", "opaque")
_CONSTANT, _COMPUTED, _BOUNDED, _MEASURED, _OPAQUE = range(5)

MAX_LIMIT = 1 << 63  # more bytes than that are no limit

Plans = Mapping[str, plan.Plan]


@dataclass(frozen=True)
class Extent:
    """Bytes at least and at most (None: no limit), and a size class."""

    least: int
    most: int | None
    rank: int

    @property
    def size_class(self) -> SizeClass:
        return CLASSES[self.rank]

    def plus(self, other: Extent) -> Extent:
        """One behind the other."""
        most = None if self.most is None or other.most is None else self.most + other.most
        return Extent(self.least + other.least, most, max(self.rank, other.rank))._settled()

    def times(self, low: int, high: int, alike: bool = False) -> Extent:
        """From `low` to `high` of them; all of one length if they are `alike`."""
        most = None if self.most is None else self.most * high
        rank = max(self.rank, _CONSTANT if low == high else _COMPUTED)
        if self.rank > _CONSTANT and high > 1 and not alike:
            rank = max(rank, _BOUNDED)  # its elements have to be walked
        return Extent(self.least * low, most, rank)._settled()

    def either(self, other: Extent) -> Extent:
        """One or the other."""
        most = None if self.most is None or other.most is None else max(self.most, other.most)
        same = self.least == other.least == most and self.most == other.most
        rank = max(self.rank, other.rank, _CONSTANT if same else _COMPUTED)
        return Extent(min(self.least, other.least), most, rank)._settled()

    def at_least(self, rank: int) -> Extent:
        return replace(self, rank=max(self.rank, rank))._settled()

    def _settled(self) -> Extent:
        """Without a static limit, what has to be walked is measured."""
        most = None if self.most is None or self.most > MAX_LIMIT else self.most
        rank = _MEASURED if most is None and self.rank == _BOUNDED else self.rank
        return Extent(min(self.least, MAX_LIMIT), most, rank)


_NOTHING = Extent(0, 0, _CONSTANT)
_BYTE = Extent(1, 1, _CONSTANT)


def _exactly(size: int) -> Extent:
    return Extent(size, size, _CONSTANT)


def _bounds(expr: ir.Expr) -> tuple[int, int]:
    return ir.expr_bounds(expr) or (0, 0)


def _bytes(expr: ir.Expr) -> Extent:
    return _BYTE.times(*_bounds(expr))


def _node(node: plan.Node, plans: Plans) -> Extent:
    match node:
        case plan.Num(size=size):
            return _exactly(size)
        case plan.Blob(length=length) | plan.Window(length=length):
            return _bytes(length)
        case plan.Rest():
            return Extent(0, None, _OPAQUE)
        case plan.Text(prefix=prefix, limit=limit):
            return Extent(prefix, prefix + limit, _COMPUTED)
        case plan.Words(bits=bits):
            low, high = _bounds(bits)
            return (
                _exactly(8)
                .times(-(-low // 64), -(-high // 64))
                .at_least(_CONSTANT if low == high else _COMPUTED)
            )
        case plan.Rep(node=inner, count=count):
            return _node(inner, plans).times(*_bounds(count), _alike(inner))
        case plan.Maybe(node=inner, count=count, mask=mask):
            there = _node(inner, plans)
            element = _BYTE.either(there if mask is not None else there.plus(_BYTE))
            return element.times(*_bounds(count)).at_least(_BOUNDED)
        case plan.Stop(num=num, call=call):
            return _unlimited(num.size, _node(call, plans))
        case plan.Total(call=call):
            return _unlimited(0, _node(call, plans))
        case plan.Tagged(node=inner):
            return _unlimited(1, _node(inner, plans))
        case plan.Pairs(key=key, value=value):
            return _unlimited(5, _node(key, plans), _node(value, plans))
        case plan.Custom():
            return _unlimited(0)
        case plan.Call(key=key):
            called = plans[key]
            return Extent(called.least, called.most, CLASSES.index(called.size_class))
        case plan.Switch(arms=arms, otherwise=otherwise):
            nodes = [n for _, n in arms] + ([] if otherwise is None else [otherwise])
            extent, *rest = (_node(n, plans) for n in nodes)
            for each in rest:
                extent = extent.either(each)
            return extent
        case _:
            assert_never(node)


def _alike(node: plan.Node) -> bool:
    """Whether all elements are as long as the first: nothing within them says how long they are."""
    match node:
        case plan.Num() | plan.Blob() | plan.Words() | plan.Window():
            return True
        case plan.Rep(node=inner):
            return _alike(inner)
        case plan.Switch(arms=arms, otherwise=otherwise):
            nodes = [n for _, n in arms] + ([] if otherwise is None else [otherwise])
            return all(map(_alike, nodes))
        case _:
            return False


def _unlimited(least: int, *parts: Extent) -> Extent:
    return Extent(least, None, max((_MEASURED, *(p.rank for p in parts))))


def _steps(steps: tuple[plan.Step, ...], plans: Plans) -> Extent:
    total = _NOTHING
    for step in steps:
        match step:
            case plan.Run(size=size):
                total = total.plus(_exactly(size))
            case plan.Value(node=node):
                total = total.plus(_node(node, plans))
            case plan.Gate(steps=inner):
                total = total.plus(_NOTHING.either(_steps(inner, plans)))
            case plan.Keep(value=value):
                total = total.plus(_NOTHING.either(_node(value.node, plans)))
            case plan.Let() | plan.Assert() | plan.Break():
                pass
            case _:
                assert_never(step)
    return total


def _subsection(sub: plan.Subsection, plans: Plans) -> Extent:
    header = 1 + 1 + len(sub.wire.encode()) + 4
    whole = _node(sub.call, plans).plus(_exactly(header))
    return _NOTHING.either(whole).at_least(_BOUNDED)


def plan_extent(
    kind: DescriptionKind,
    steps: tuple[plan.Step, ...],
    subsections: tuple[plan.Subsection, ...],
    plans: Plans,
) -> Extent:
    """What a description takes; `plans` holds those that it calls."""
    extent = _steps(steps, plans)
    for sub in subsections:
        extent = extent.plus(_subsection(sub, plans))
    if kind == "loop":  # it may end in its first round, at the first break
        first = next((i for i, s in enumerate(steps) if isinstance(s, plan.Break)), len(steps))
        least = _steps(steps[:first], plans).least
        return Extent(least, None, max(_MEASURED, extent.rank))
    return extent
