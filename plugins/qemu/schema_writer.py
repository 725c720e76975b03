"""Shapes -> the lines of descriptions.

Where a device had several shapes in one stream, they are laid over each other: what not all of them
have hangs on a parameter that says which shape it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vmsc.params.qemu_types import INFOS

from .overlay import Shapes, condition, in_order, laid_over
from .schema_text import (
    SchemaLine,
    UsedNames,
    block,
    field_name,
    laid_out,
    quoted,
    subsection_name,
    version_words,
)  # fmt: skip
from .shapes import Item, LeafShape, Lists, Part, Run, Shape, Trees, merge, merge_items

__all__ = ["Layout", "Writer", "layout_of"]

_MASK_BITS = 64
_NUMBERS = {info: word for word, infos in INFOS.items() for info in infos}
_LAWS = {
    " equal": "as on the target, or it refuses",
    " le": "not above the target's own, or it refuses",
}


# --- layouts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Shapes laid over each other: `every` numbers them, each item has those that have it."""

    every: Shapes
    versions: tuple[int, ...]
    items: tuple[tuple[Item, Shapes], ...]
    subsections: tuple[tuple[str, Layout], ...]


def layout_of(shapes: Mapping[int, Shape]) -> Layout:
    """One layout for several shapes of one description."""
    items: list[tuple[Item, Shapes]] = []
    for number, shape in shapes.items():
        items = laid_over(items, shape.items, number, merge_items)
    names = in_order([sub.name for sub in shape.subsections] for shape in shapes.values())
    subsections = []
    for name in names:
        having = {n: s for n, shape in shapes.items() for s in shape.subsections if s.name == name}
        subsections.append((name, layout_of(having)))
    versions = tuple(sorted({s.version for s in shapes.values()}))
    return Layout(frozenset(shapes), versions, tuple(items), tuple(subsections))


# --- lines ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writer:
    """Writes descriptions: `names` are those of the nested ones."""

    kinds: Sequence[Shape]
    names: Mapping[Shape, str]

    def kind(self, shape: Shape) -> Shape:
        """The nested description that covers a shape."""
        return next(kind for kind in self.kinds if merge(kind, shape) == kind)

    def name(self, shape: Shape) -> str:
        return self.names[self.kind(shape)]

    def description(self, kind: Shape) -> list[str]:
        """A nested description."""
        alike = [k for k in self.kinds if k.name == kind.name]
        doc = [f"/// Form {alike.index(kind) + 1} of {len(alike)} in the stream."]
        head = f"vmsd {self.names[kind]} as {quoted(kind.name)}{version_words((kind.version,))}"
        text = block(head, self.body(layout_of({0: kind}), 1))
        return text if len(alike) == 1 else [*doc, *text]

    def device(
        self, wire: str, name: str, shapes: Sequence[Shape], sections: Sequence[str]
    ) -> list[str]:
        """A section's description; `sections` says which had each shape."""
        layout = layout_of(dict(enumerate(shapes)))
        head = f"device {name} as {quoted(wire)}{version_words(layout.versions)}"
        lines: list[str] = []
        param = ""
        if len(shapes) > 1:
            taken = UsedNames({field_name(item.name) for item, _ in layout.items})
            param = taken.take("shape")
            lines += ["    /// Which of the forms that the stream had:"]
            lines += [f"    /// {i}: {text}" for i, text in enumerate(sections)]
            lines += [f"    param {param}: u8 max {len(shapes) - 1}", ""]
        return block(head, lines + self.body(layout, 1, param))

    def body(self, layout: Layout, depth: int, param: str = "") -> list[str]:
        """The lines of a body: fields in columns, then the subsections."""
        names = UsedNames()
        rows: list[SchemaLine] = []
        for item, shapes in layout.items:
            when = condition(param, shapes, layout.every)
            rows += [replace(line, when=when) for line in self._lines(item, names)]
        text = laid_out(rows, depth)
        for wire, inner in layout.subsections:
            own = names.take(subsection_name(wire))
            alias = "" if own == subsection_name(wire) else f" as {own}"
            head = f"subsection {quoted(wire)}{alias}{version_words(inner.versions)}"
            gap = [""] if text else []
            text += [*gap, *block(head, self.body(inner, depth + 1, param), depth)]
        return text

    # --- fields -----------------------------------------------------------------------------------

    def _lines(self, item: Item, names: UsedNames) -> list[SchemaLine]:
        """An item's line; several where its elements are not alike."""
        parts = [run.part for run in item.runs if run.part is not None]
        if len(item.runs) == 1 or (len(set(parts)) == 1 and item.count <= _MASK_BITS):
            return [self._line(item, item.runs, item.count, item.array, names)]
        lines, at = [], 0
        for run in item.runs:
            part = replace(item, name=f"{item.name}_{at}")
            line = self._line(part, (run,), run.count, run.count > 1, names)
            note = f"of {item.name}, from element {at} on" + (f"; {line.note}" if line.note else "")
            lines.append(replace(line, wire=item.name, note=note))
            at += run.count
        return lines

    def _line(
        self, item: Item, runs: Sequence[Run], count: int, array: bool, names: UsedNames
    ) -> SchemaLine:
        part = next((run.part for run in runs if run.part is not None), None)
        if part is None:
            type_, note = f"bytes[{count}]", "null pointers"
        else:
            type_, note = self._type(part, count if array else None)
            if any(run.part is None for run in runs):
                mask, at = 0, 0
                for run in runs:
                    mask |= ((1 << run.count) - 1) << at if run.part is not None else 0
                    at += run.count
                type_ = f"nullable {self._type(part, None)[0]}[{count}] present {mask:#b}"
        if type_.startswith("unused["):
            return SchemaLine(type_)
        return SchemaLine(names.take(field_name(item.name)), type_, item.name, note=note)

    def _type(self, part: Part, count: int | None) -> tuple[str, str]:
        """The type, an array of `count` if that is a number, and what is to be said of it."""
        times = "" if count is None else f"[{count}]"
        match part:
            case Shape():
                return f"{self.name(part)}{times}", ""
            case Lists(element=None, type=word, size=size, agree=agree):
                why = "its elements are not of one form" if agree is False else "it was empty"
                return _opaque(size, count, f"a {word}: {why}")
            case Lists(element=element):
                assert element is not None
                return f"list {self.name(element)}{times}", ""
            case Trees(value=None, size=size):
                return _opaque(size, count, "a tree: its nodes are not known")
            case Trees(key=key, value=value):
                assert value is not None
                first = "u64" if key is None else self.name(key)
                return f"tree {first} => {self.name(value)}{times}", ""
            case LeafShape():
                return _leaf_type(part, count)


def _leaf_type(leaf: LeafShape, count: int | None) -> tuple[str, str]:
    times = "" if count is None else f"[{count}]"
    word = _NUMBERS.get(leaf.type)
    if word is not None and leaf.size == _WIDTHS[word]:
        law = next((text for end, text in _LAWS.items() if leaf.type.endswith(end)), "")
        return f"{word}{times}", law
    match leaf.type:
        case "buffer" | "pci config":
            return f"bytes{times}[{leaf.size}]", ""
        case "unused_buffer":
            return f"unused[{leaf.size * (count or 1)}]", ""
        case "pci irq state" if leaf.size == 16 and count is None:
            return "u32[4]", ""
        case "bitmap" if leaf.size % 8 == 0:
            return f"bitmap{times}[{leaf.size * 8}]", "or fewer bits, of as many words"
        case "capability":
            return f"string8{times}", ""
        case "open code":
            return f"opaque[{leaf.size}]", f"written by open code; was {leaf.size} in this stream"
        case _:
            return _opaque(leaf.size, count, f'a type of the device\'s own, "{leaf.type}"')


def _opaque(size: int, count: int | None, what: str) -> tuple[str, str]:
    total = size * (count or 1)
    return f"opaque[{total}]", f"{what}; was {total} in this stream"


_WIDTHS = {word: 8 if word in ("timer", "f64") else 1 if word == "bool" else int(word[1:]) // 8
           for word in INFOS}  # fmt: skip
