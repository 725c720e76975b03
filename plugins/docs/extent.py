"""Widths and places: how many bytes a field takes and where it begins, as far as a plan says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

from .text import bracketed, number, shown

__all__ = ["Extent", "Place", "extent", "span_text"]


def span_text(least: int, most: int | None) -> str:
    """So many bytes: `4`, `4–12` or `4 or more`."""
    if least == most:
        return number(least)
    return f"{number(least)} or more" if most is None else f"{number(least)}–{number(most)}"


@dataclass(frozen=True)
class Extent:
    """Bytes at least and at most, and how that is said best."""

    least: int
    most: int | None
    text: str

    @property
    def constant(self) -> int | None:
        return self.least if self.least == self.most else None


def _span(least: int, most: int | None) -> Extent:
    return Extent(least, most, span_text(least, most))


@dataclass(frozen=True)
class Place:
    """An offset from the description's start, or from the end of the field `base`."""

    base: str = ""
    offset: int = 0

    def after(self, name: str, width: Extent) -> Place:
        if width.constant is None:
            return Place(name)
        return Place(self.base, self.offset + width.constant)

    def plus(self, offset: int) -> Place:
        return Place(self.base, self.offset + offset)

    @property
    def text(self) -> str:
        if not self.base:
            return number(self.offset)
        return f"after {self.base}" + (f" + {number(self.offset)}" if self.offset else "")


def _times(one: Extent, count: ir.Expr) -> Extent:
    """So many times one: with its own words where the count is no constant."""
    low, high = ir.expr_bounds(count) or (0, 0)
    least, most = low * one.least, None if one.most is None else high * one.most
    if least == most:
        return _span(least, most)
    if one.least == one.most == 1:
        return Extent(least, most, shown(count))
    unit = one.text if one.constant is not None else f"({one.text})"
    return Extent(least, most, f"{unit} × {bracketed(count)}")


def _prefixed(prefix: int, limit: int) -> Extent:
    return Extent(prefix, prefix + limit, f"{prefix} + 0–{number(limit)}")


def extent(node: plan.Node, plans: Mapping[str, plan.Plan]) -> Extent:
    """The width of one value."""
    match node:
        case plan.Num(size=size):
            return _span(size, size)
        case plan.Blob(length=length):
            return _times(_span(1, 1), length)
        case plan.Rest():
            return Extent(0, None, "to the end")
        case plan.Text(prefix=prefix, limit=limit):
            return _prefixed(prefix, limit)
        case plan.Words(bits=bits):
            low, high = ir.expr_bounds(bits) or (0, 0)
            whole = _span(-(-low // 64) * 8, -(-high // 64) * 8)
            text = f"8 × ceil_div({shown(bits)}, 64)"
            return whole if whole.constant is not None else Extent(whole.least, whole.most, text)
        case plan.Rep(node=inner, count=count):
            return _times(extent(inner, plans), count)
        case plan.Stop(num=num):
            return _span(num.size, None)
        case plan.Total():
            return _span(0, None)
        case plan.Tagged():
            return _span(1, None)
        case plan.Pairs():
            return _span(5, None)
        case plan.Maybe(node=inner, count=count, mask=mask):
            one = extent(inner, plans)
            marker = 0 if mask is not None else 1
            most = None if one.most is None else max(1, one.most + marker)
            return _times(_span(min(1, one.least + marker), most), count)
        case plan.Call(key=key):
            return _span(plans[key].least, plans[key].most)
        case plan.Switch(arms=arms, otherwise=otherwise):
            nodes = [n for _, n in arms] + ([otherwise] if otherwise is not None else [])
            sizes = [extent(n, plans) for n in nodes]
            mosts = [s.most for s in sizes]
            most = None if None in mosts else max(m for m in mosts if m is not None)
            return _span(min(s.least for s in sizes), most)
        case plan.Window(length=length):
            return _times(_span(1, 1), length)
        case plan.Custom():
            return Extent(0, None, "its own")
        case _:
            assert_never(node)
