"""Code that reads a run: one bounds check, one unpack, and what becomes of the items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmsc import plan

from ..code import struct_code, wrapped
from ..consts import Leaf, leaves
from .function import Function

__all__ = ["finish_run", "is_wanted", "numbers", "one_number", "run_leaves", "unpack", "want"]


def want(function: Function, length: str, table: str = "") -> None:
    """One bounds check: `end` is `length` bytes further, and they are there. `table` names the
    fields that the input's end may cut.
    """
    function.code(f"end = pos + {length}")
    with function.code.block("if end > size:"):
        function.code(f"_w.short(buf, pos, {length}{table and f', {table}'})")


def unpack(function: Function, targets: Sequence[str], struct: str, at: str) -> None:
    """`targets = struct.unpack_from(buf, at)`."""
    code = function.code
    if not targets:
        return
    one = f"{', '.join(targets)}{',' * (len(targets) == 1)} = {struct}.unpack_from(buf, {at})"
    if len(one) + 4 * code.depth <= 98:
        code(one)
    else:
        code.extend(wrapped(targets, "(", f") = {struct}.unpack_from(buf, {at})", code.depth))


def number_code(num: plan.Num, *, framed: bool = False) -> str:
    """The struct module's word for a number alone; framed, all is big-endian."""
    order = ">" if framed or num.order == "big" else "<"
    return order + struct_code(num.name, num.size, num.signed)


def one_number(
    function: Function, num: plan.Num, target: str | None, *, framed: bool = False
) -> None:
    """Read a number by itself, or step over it."""
    want(function, str(num.size))
    word = number_code(num, framed=framed)
    if target and word[1:] == "B":
        function.code(f"{target} = buf[pos]")
    elif target:
        unpack(function, [target], function.consts.struct(word), "pos")
    function.code("pos = end")


def numbers(function: Function, num: plan.Num, count: str, target: str) -> None:
    """Read an array of numbers."""
    word = number_code(num)
    if not count.isdecimal():
        function.code(f"{target}, pos = _w.numbers(buf, pos, {count}, {word!r}, {num.size})")
        return
    want(function, str(int(count) * num.size))
    struct = function.consts.struct(f"{word[0]}{count}{word[1]}")
    function.code(f"{target} = list({struct}.unpack_from(buf, pos))")
    function.code("pos = end")


# --- what becomes of a run's items ----------------------------------------------------------------


def run_leaves(function: Function, run: plan.Run) -> list[Leaf]:
    return leaves(run, function.link.plans)


def is_wanted(function: Function, leaf: Leaf) -> bool:
    """Whether the function needs the item, or a part of it."""
    names = [leaf.path[0]]
    if len(leaf.path) == 1:
        names += [name for name, _ in leaf.parts]
    return not function.wanted.isdisjoint(names)


def finish_run(function: Function, run: plan.Run, found: Sequence[Leaf]) -> None:
    """Make rows, parts of words, transformed values and plain structs of what was unpacked."""
    for leaf in found:
        if is_wanted(function, leaf):
            _finish(function, leaf, run.size)
    _values(function, run, iter(found), None)


def _finish(function: Function, leaf: Leaf, size: int) -> None:
    code = function.code
    if isinstance(leaf.form, plan.Row):
        code.extend(wrapped(leaf.elements, f"{leaf.slot} = [", "]", code.depth))
    for name, mask in leaf.parts:
        if len(leaf.path) > 1 or name in function.wanted:
            code(f"{leaf.part(name)} = {leaf.slot} & {mask:#x}")
    if leaf.via:
        to_value = function.link.custom("to_value", leaf.via)
        where = f"pos - {size - leaf.offset}, {leaf.shown!r}"
        code(f"{leaf.slot} = _c.to_value({to_value}, {leaf.via!r}, {leaf.slot}, {where})")


def _values(
    function: Function, run: plan.Run, found: Iterator[Leaf], inside: bool | None
) -> list[str]:
    """The locals of the run's fields, after making those of plain structs. `inside`: whether the
    struct that the run lies in is wanted; None where it lies in none.
    """
    code, values = function.code, list[str]()
    for each in run.fields:
        if not isinstance(each.form, plan.Group):
            leaf = next(found)
            values += [leaf.part(name) for name, _ in leaf.parts] or [leaf.slot]
            continue
        inner = function.link.plan_of(each.form.key).only_run
        assert inner is not None
        wanted = each.name in function.wanted if inside is None else inside
        parts = _values(function, inner, found, wanted)
        target = function.target(each.name) if inside is None else f"o_{parts[0]}"
        if wanted and target:
            name = function.link.name("", each.form.key)
            code.extend(wrapped(parts, f"{target} = {name}(", ")", code.depth))
        values.append(target or "")
    return values
