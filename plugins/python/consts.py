"""A module's constants: one struct.Struct for each shape of run, one table of field names for
each run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vmsc import plan
from vmsc.schema import ir

from .code import attribute, struct_code

__all__ = ["Consts", "Leaf", "flat_run", "leaves", "num_bounds", "run_format"]


@dataclass(frozen=True)
class Leaf:
    """One item of a run's struct format: `path` from the run, `code` with its count."""

    path: tuple[str, ...]
    form: plan.Num | plan.Blob | plan.Row
    offset: int
    size: int
    code: str
    parts: tuple[tuple[str, int], ...]
    via: str


def leaves(
    fields: tuple[plan.RunField, ...], path: tuple[str, ...] = (), base: int = 0
) -> list[Leaf]:
    """The run's numbers and buffers in order, plain structs set out."""
    found: list[Leaf] = []
    for each in fields:
        here = (*path, each.name)
        offset = base + each.offset
        match each.form:
            case plan.Num(name=name, size=size, signed=signed):
                code = struct_code(name, size, signed)
            case plan.Blob():
                code = f"{each.size}s"
            case plan.Row(num=num, count=count):
                code = f"{count}{struct_code(num.name, num.size, num.signed)}"
            case plan.Group(fields=inner):
                found += leaves(inner, here, offset)
                continue
        found.append(Leaf(here, each.form, offset, each.size, code, each.parts, each.via))
    return found


def num_bounds(num: plan.Num) -> tuple[int, int]:
    """The numbers that the wire can hold."""
    return ir.scalar_bounds(ir.Scalar(num.name, num.size, num.signed))


def run_format(run: plan.Run, framed: bool) -> str:
    """The struct format of a run; in the framed profile all is big-endian, behind an item's
    head.
    """
    order = ">" if framed or run.order == "big" else "<"
    return order + ("BI" if framed else "") + "".join(leaf.code for leaf in leaves(run.fields))


def flat_run(called: plan.Plan, framed: bool) -> plan.Run | None:
    """The run of a plain struct of numbers and buffers alone, of which many are read at once."""
    match called.steps:
        case (plan.Run(fields=fields, order=order) as run,) if called.kind == "struct":
            plain = all(
                isinstance(f.form, plan.Num | plan.Blob) and not f.parts and not f.via
                for f in fields
            )
            return run if plain and (order == "big" or not framed) else None
        case _:
            return None


@dataclass
class Consts:
    structs: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)

    def struct(self, format_: str) -> str:
        """The name of the Struct of this format."""
        return self.structs.setdefault(format_, f"_S{len(self.structs)}")

    def table(self, run: plan.Run, head: int = 0) -> str:
        """The name of the table of (offset, field) of a run."""
        rows = [f"({leaf.offset + head}, {'.'.join(leaf.path)!r})" for leaf in leaves(run.fields)]
        text = f"({', '.join(rows)},)"
        return self.tables.setdefault(text, f"_F{len(self.tables)}")

    def unfit_table(self, found: list[Leaf], order: str) -> str:
        """The name of the table of (attributes, code) of what a run packs as it stands in the
        value.
        """
        rows = [
            f"({'.'.join(map(attribute, leaf.path))!r}, {order + leaf.code!r})"
            for leaf in found
            if not leaf.parts and not leaf.via
        ]
        text = f"({', '.join(rows)}{',' if rows else ''})"
        return self.tables.setdefault(text, f"_F{len(self.tables)}")
