"""A module's constants: one struct.Struct for each shape of run, one table of field names for
each run, one table of arms for each large choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

from .code import attribute, struct_code
from .linking import local

__all__ = ["Consts", "Leaf", "leaves", "num_bounds", "run_format"]


@dataclass(frozen=True)
class Leaf:
    """One item of a run's struct format: `path` from the run, `code` with its count, `slot` the
    local that holds it.
    """

    path: tuple[str, ...]
    form: plan.Num | plan.Blob | plan.Row | plan.Split
    offset: int
    size: int
    code: str
    via: str
    slot: str

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """(name, mask) of the fields, where they are the parts of a word."""
        return self.form.parts if isinstance(self.form, plan.Split) else ()

    @property
    def shown(self) -> str:
        """The path in messages."""
        return ".".join(self.path)

    @property
    def elements(self) -> list[str]:
        """The locals of a row's numbers."""
        count = self.form.count if isinstance(self.form, plan.Row) else 0
        return [f"e{self.slot}_{i}" for i in range(count)]

    def part(self, name: str) -> str:
        """The local of one of the word's parts."""
        head, _, _ = self.slot.partition("_")
        return local(name) if len(self.path) == 1 else f"{head}_{name}"

    @property
    def targets(self) -> list[str]:
        """The locals that the item is unpacked to."""
        return self.elements if isinstance(self.form, plan.Row) else [self.slot]


def leaves(run: plan.Run, plans: Mapping[str, plan.Plan]) -> list[Leaf]:
    """The run's numbers and buffers in order, plain structs laid out."""
    found: list[Leaf] = []
    _gather(run.fields, plans, (), 0, found)
    return found


def _gather(
    fields: Sequence[plan.RunField],
    plans: Mapping[str, plan.Plan],
    path: tuple[str, ...],
    base: int,
    found: list[Leaf],
) -> None:
    for each in fields:
        here, offset = (*path, each.name), base + each.offset
        match each.form:
            case plan.Num() as num:
                code = _code(num)
            case plan.Split(num=num):
                code = _code(num)
            case plan.Blob():
                code = f"{each.size}s"
            case plan.Row(num=num, count=count):
                code = f"{count}{_code(num)}"
            case plan.Group(key=key):
                inner = plans[key].only_run
                assert inner is not None
                _gather(inner.fields, plans, here, offset, found)
                continue
            case _:
                assert_never(each.form)
        slot = _slot(here, each.form, len(found))
        found.append(Leaf(here, each.form, offset, each.size, code, each.via, slot))


def _code(num: plan.Num) -> str:
    return struct_code(num.name, num.size, num.signed)


# Each kind of local has a prefix of its own: a field called x_0 is not element 0 of x, and b of a
# group a is not a field called a__b.
def _slot(path: tuple[str, ...], form: plan.Form, index: int) -> str:
    if len(path) > 1:
        return f"g{index}_{path[-1]}"
    return f"l_{path[0]}" if isinstance(form, plan.Split) else local(path[0])


def num_bounds(num: plan.Num) -> tuple[int, int]:
    """The numbers that the wire can hold."""
    return ir.scalar_bounds(ir.Scalar(num.name, num.size, num.signed))


def run_format(run: plan.Run, plans: Mapping[str, plan.Plan], *, framed: bool = False) -> str:
    """The struct format of a run; in the framed profile all is big-endian, after an item's
    head.
    """
    order = ">" if framed or run.order == "big" else "<"
    return order + ("BI" if framed else "") + "".join(leaf.code for leaf in leaves(run, plans))


@dataclass
class Consts:
    """Constants by what they hold, in the order in which they were asked for."""

    structs: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)

    def struct(self, format_: str) -> str:
        """The name of the Struct of this format."""
        return self.structs.setdefault(format_, f"_S{len(self.structs)}")

    def _table(self, text: str) -> str:
        return self.tables.setdefault(text, f"_F{len(self.tables)}")

    def table(self, found: Sequence[Leaf], head: int = 0) -> str:
        """The name of the table of (offset, field) of a run's leaves."""
        rows = [f"({leaf.offset + head}, {leaf.shown!r})" for leaf in found]
        return self._table(f"({', '.join(rows)},)")

    def unfit_table(self, found: Sequence[Leaf], order: str) -> str:
        """The name of the table of (attributes, code) of what a run packs as it stands in the
        value.
        """
        rows = [
            f"({'.'.join(map(attribute, leaf.path))!r}, {order + leaf.code!r})"
            for leaf in found
            if not leaf.parts and not leaf.via
        ]
        return self._table(f"({', '.join(rows)}{',' if rows else ''})")

    def arms(self, labels: Sequence[str], numbers: Sequence[int]) -> str:
        """The name of the table from labels, as Python text, to numbers."""
        rows = (f"{label}: {number}" for label, number in zip(labels, numbers, strict=True))
        return self._table(f"{{{', '.join(rows)}}}")
