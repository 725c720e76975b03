"""Checks: rules over a whole schema that names and types alone do not show. Each reports with a code of its own."""

from __future__ import annotations

from collections.abc import Callable

from vmsc import ir
from vmsc.diag import Note, Report

__all__ = ["CHECKS", "check"]


def check(schema: ir.Schema, report: Report) -> None:
    """Run every check."""
    for each in CHECKS:
        each(schema, report)


def unique_devices(schema: ir.Schema, report: Report) -> None:
    """Two devices of one name: a stream's section would fit both."""
    first: dict[str, ir.Description] = {}
    for description in schema.descriptions.values():
        if description.kind != "device":
            continue
        other = first.setdefault(description.wire, description)
        if other is not description:
            message = f"a second device \"{description.wire}\""
            report.error("duplicate-device", message, description.span, Note("first", other.span))


def subsection_names(schema: ir.Schema, report: Report) -> None:
    """A subsection is found by its owner's name in front of its own, and by that alone."""
    for description in schema.descriptions.values():
        seen: dict[str, ir.Subsection] = {}
        for sub in description.subsections:
            if not sub.wire.startswith(description.wire) or sub.wire == description.wire:
                message = (
                    f"subsection \"{sub.wire}\" does not begin with \"{description.wire}\":"
                    " QEMU would not take it for one"
                )
                report.error("subsection-name", message, sub.span)
            if sub.version > 255:
                message = f"version {sub.version}: QEMU keeps 8 bits of a subsection's version"
                report.error("subsection-version", message, sub.span)
            other = seen.setdefault(sub.wire, sub)
            if other is not sub:
                message = f"a second subsection \"{sub.wire}\""
                report.error("duplicate-name", message, sub.span, Note("first", other.span))


def _tails(description: ir.Description, schema: ir.Schema) -> list[ir.Use]:
    """The nested descriptions that the body may end with (what follows them may be absent or empty)."""
    found: list[ir.Use] = []
    for item in reversed(description.items):
        if not isinstance(item, ir.Field | ir.Split):
            continue
        if isinstance(item, ir.Field):
            found += _type_tails(item.type)
        if item.since is None and item.when is None:
            if isinstance(item, ir.Field) and _may_be_empty(item.type):
                continue
            break
    return found


def _may_be_empty(type_: ir.Type) -> bool:
    match type_:
        case ir.Bytes(length=e) | ir.Padding(length=e) | ir.Bitmap(bits=e) | ir.Array(count=e):
            return (ir.expr_bounds(e) or (0, 0))[0] == 0
        case ir.Opaque():
            return True
        case _:
            return False


def _type_tails(type_: ir.Type) -> list[ir.Use]:
    match type_:
        case ir.Use():
            return [type_]
        case ir.Array(element=e) | ir.UntilSum(element=e) | ir.Nullable(element=e):
            return _type_tails(e)
        case ir.Choice(arms=arms, otherwise=otherwise):
            types = [t for _, t in arms] + ([otherwise] if otherwise else [])
            return [use for t in types for use in _type_tails(t)]
        case _:
            return []


def _ends_with(description: ir.Description, schema: ir.Schema) -> list[ir.Description]:
    """All descriptions whose peek happens right where `description`'s own does, nested to any depth."""
    found = []
    for use in _tails(description, schema):
        inner = schema.descriptions[use.key]
        found += [inner, *_ends_with(inner, schema)]
    return found


def subsection_prefixes(schema: ir.Schema, report: Report) -> None:
    """Who else would take a subsection for its own: a nested vmsd at the body's end, or a sibling before it."""
    for owner in schema.descriptions.values():
        nested = [d for d in _ends_with(owner, schema) if d.kind == "vmsd"]
        for index, sub in enumerate(owner.subsections):
            siblings = [schema.descriptions[s.use.key] for s in owner.subsections[:index]]
            inside = [n for s in siblings for n in _ends_with(s, schema) if n.kind == "vmsd"]
            for thief in dict.fromkeys(d.key for d in (*nested, *siblings, *inside)):
                taker = schema.descriptions[thief]
                own = {s.wire for s in taker.subsections}
                if sub.wire.startswith(taker.wire) and sub.wire not in own:
                    message = (
                        f"subsection \"{sub.wire}\" can follow '{taker.name}', whose name"
                        f" \"{taker.wire}\" it begins with: QEMU's loader would look for it there"
                    )
                    note = Note(f"'{taker.name}' is here", taker.span)
                    report.error("subsection-prefix", message, sub.span, note)


def open_ends(schema: ir.Schema, report: Report) -> None:
    """`opaque` to the section's end leaves no room for what follows it."""
    for description in schema.descriptions.values():
        fields = [i for i in description.items if isinstance(i, ir.Field | ir.Split)]
        for index, item in enumerate(fields):
            if not isinstance(item, ir.Field):
                continue
            open_end = isinstance(item.type, ir.Opaque) and item.type.length is None
            last = index == len(fields) - 1
            if open_end and (not last or description.subsections):
                message = f"'{item.name}' takes all that is left: nothing can follow it"
                report.error("open-end", message, item.span)
            for use in ir.type_uses(item.type):
                if _open_ended(use, schema) and not (last and not description.subsections):
                    message = f"'{item.name}' ends with an open `opaque`: nothing can follow it"
                    report.error("open-end", message, item.span)


def _open_ended(use: ir.Use, schema: ir.Schema) -> bool:
    items = schema.descriptions[use.key].items
    fields = [i for i in items if isinstance(i, ir.Field)]
    if not fields:
        return False
    last = fields[-1].type
    if isinstance(last, ir.Opaque) and last.length is None:
        return True
    return any(_open_ended(u, schema) for u in ir.type_uses(last))


CHECKS: tuple[Callable[[ir.Schema, Report], None], ...] = (
    unique_devices,
    subsection_names,
    subsection_prefixes,
    open_ends,
)
