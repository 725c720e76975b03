"""Checks: rules over a whole schema that names and types alone do not show.

Each reports with codes of its own. CHECKS are run in their order, all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from vmsc.schema import ir
from vmsc.schema.diagnostics import Note, Report

__all__ = ["CHECKS", "check"]


def check(schema: ir.Schema, report: Report) -> None:
    """Run every check."""
    for each in CHECKS:
        each(schema, report)


# --- names ----------------------------------------------------------------------------------------


def unique_devices(schema: ir.Schema, report: Report) -> None:
    """Two devices of one name, not told apart by their targets: a section would fit both.

    A device that is given may take the place of one that comes with vmsc.
    """
    first: dict[str, list[ir.Description]] = {}
    for description in schema.descriptions.values():
        if description.kind != "device" or description.span.source.shipped:
            continue
        others = first.setdefault(description.wire, [])
        for other in others:
            if not description.target or other.target in ("", description.target):
                message = f'a second device "{description.wire}"'
                note = Note("the first is here", other.span)
                report.error("duplicate-device", message, description.span, note)
                break
        others.append(description)


def unique_classes(schema: ir.Schema, report: Report) -> None:
    """In one module, a description and a subsection may get one name by different ways."""
    first: dict[tuple[str, str], ir.Description] = {}
    for description in schema.descriptions.values():
        other = first.setdefault((description.module, description.name), description)
        if other is not description:
            message = f"a second class '{description.name}' of the module '{description.module}'"
            note = Note("the first is made of this", other.span)
            report.error("duplicate-name", message, description.span, note)


def subsection_names(schema: ir.Schema, report: Report) -> None:
    """A subsection is found by its owner's name in front of its own, and by that alone."""
    for description in schema.descriptions.values():
        seen: dict[str, ir.Subsection] = {}
        for sub in description.subsections:
            if not _taken_for(sub.wire, description.wire):
                message = (
                    f'subsection "{sub.wire}" does not begin with "{description.wire}":'
                    " QEMU would not take it for one"
                )
                report.error("subsection-name", message, sub.span)
            if sub.version > 255:
                message = f"version {sub.version}: QEMU keeps 8 bits of a subsection's version"
                report.error("subsection-version", message, sub.span)
            other = seen.setdefault(sub.wire, sub)
            if other is not sub:
                note = Note("the first is here", other.span)
                report.error("duplicate-name", f'a second "{sub.wire}"', sub.span, note)


# --- subsections that another would take ----------------------------------------------------------


def _taken_for(name: str, owner: str) -> bool:
    """QEMU's rule: does a description called `owner` take a subsection of this name for its own?"""
    return name.startswith(owner) and name != owner


def _tails(description: ir.Description, hollow: set[str]) -> Iterator[ir.Use]:
    """The nested descriptions that the body may end with: nothing on the wire need follow them."""
    may_end = description.kind != "loop"  # which ends at any of its breaks, and there alone
    for item in reversed(description.items):
        if isinstance(item, ir.Break):
            may_end = True
        if may_end and isinstance(item, ir.Field):
            yield from _type_tails(item.type)
        if isinstance(item, ir.Field | ir.Split) and not _may_be_absent(item, hollow):
            may_end = False


def _may_be_absent(item: ir.Field | ir.Split, hollow: set[str]) -> bool:
    if item.since is not None or item.when is not None:
        return True
    return isinstance(item, ir.Field) and ir.may_be_empty(item.type, hollow)


def _type_tails(type_: ir.Type) -> Iterator[ir.Use]:
    """What a value of this type may end with. (A list ends with a byte of its own.)"""
    match type_:
        case ir.Use():
            yield type_
        case ir.Array() | ir.UntilSum() | ir.Nullable() | ir.Choice():
            for part in ir.type_parts(type_):
                yield from _type_tails(part)
        case _:
            pass


Ends = Mapping[str, ir.Description]  # those that peek at an end, by the name that they peek for


def _peeking(key: str, schema: ir.Schema, ends: Mapping[str, Ends]) -> Ends:
    """Who peeks where the description `key` ends: itself, and what it ends with."""
    one = schema.descriptions[key]
    return {one.wire: one, **ends[key]} if one.kind in ("vmsd", "subsection") else ends[key]


def subsection_prefixes(schema: ir.Schema, report: Report) -> None:
    """Who else would take a subsection: a nested vmsd at the body's end, or a sibling before it.

    Each of them peeks where it ends, and takes or refuses what begins with its own name.
    """
    hollow = _hollow(schema)
    ends: dict[str, Ends] = {}
    for key, owner in schema.descriptions.items():
        before: dict[str, ir.Description] = {}
        for use in _tails(owner, hollow):
            before |= _peeking(use.key, schema, ends)
        for sub in owner.subsections:
            _check_thieves(sub, before, report)
            before |= _peeking(sub.use.key, schema, ends)
        ends[key] = before


def _check_thieves(sub: ir.Subsection, before: Ends, report: Report) -> None:
    """Report one of those that peek before `sub` who would take it."""
    beginnings = (sub.wire[:length] for length in range(1, len(sub.wire)))
    thief = next((before[wire] for wire in beginnings if wire in before), None)
    if thief is None:
        return
    known = any(s.wire == sub.wire for s in thief.subsections)
    then = "take it for its own" if known else "look for it there"
    message = (
        f"subsection \"{sub.wire}\" can follow '{thief.name}', whose name"
        f' "{thief.wire}" it begins with: QEMU\'s loader would {then}'
    )
    report.error("subsection-prefix", message, sub.span, Note("it can follow this", thief.span))


def _hollow(schema: ir.Schema) -> set[str]:
    """The keys of the descriptions that may take no byte."""
    hollow: set[str] = set()
    for key, description in schema.descriptions.items():
        if ir.is_hollow(description, hollow):
            hollow.add(key)
    return hollow


# --- ends -----------------------------------------------------------------------------------------


def open_ends(schema: ir.Schema, report: Report) -> None:
    """`opaque` to the section's end leaves no room for what follows it, or for another of it."""
    endless: set[str] = set()
    for key, description in schema.descriptions.items():
        fields = [i for i in description.items if isinstance(i, ir.Field | ir.Split)]
        for item in fields:
            if not isinstance(item, ir.Field):
                continue
            if _repeats_open(item.type, endless):
                message = f"an element of '{item.name}' takes all that is left: none can follow it"
                report.error("open-end", message, item.span)
            if not _is_open(item.type, endless):
                continue
            endless.add(key)
            if item is not fields[-1] or description.subsections or description.kind == "loop":
                message = f"'{item.name}' takes all that is left: nothing can follow it"
                report.error("open-end", message, item.span)
        for sub in description.subsections:
            if sub.use.key in endless:
                endless.add(key)
                if sub is not description.subsections[-1]:
                    message = f"'{sub.name}' takes all that is left: nothing can follow it"
                    report.error("open-end", message, sub.span)


def _is_open(type_: ir.Type, endless: set[str]) -> bool:
    """Whether a value of this type takes all that is left."""
    match type_:
        case ir.Opaque(length=None):
            return True
        case ir.Use(key=key):
            return key in endless
        case ir.Choice():
            return any(_is_open(part, endless) for part in ir.type_parts(type_))
        case _:
            return False


def _repeats_open(type_: ir.Type, endless: set[str]) -> bool:
    parts = ir.type_parts(type_)
    once = isinstance(type_, ir.Choice | ir.Within)
    return any(_repeats_open(p, endless) or (not once and _is_open(p, endless)) for p in parts)


CHECKS: tuple[Callable[[ir.Schema, Report], None], ...] = (
    unique_devices,
    unique_classes,
    subsection_names,
    subsection_prefixes,
    open_ends,
)
