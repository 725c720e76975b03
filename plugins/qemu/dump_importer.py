"""The importer `dump`: the JSON of `qemu -dump-vmstate` -> skeletons of .vmsd files.

The dump has names, versions, and sizes in memory; no types, counts, or conditions. Whatever it does
not say is marked with `// ?` and written so that it can be checked and compiled: to be settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vmsc.hooks import Artifact, ImporterError
from vmsc.json_input import JsonError
from vmsc.stream.vmstate_dump import DumpDescription, DumpField, read_dump

from .overlay import Shapes, condition, in_order, laid_over
from .schema_text import (
    SchemaLine,
    UsedNames,
    block,
    class_name,
    class_names,
    comment,
    field_name,
    laid_out,
    module_name,
    quoted,
    snake,
    subsection_name,
    version_words,
)  # fmt: skip

__all__ = ["run"]

COMMON = "common"
MAX_DEPTH = 64
_WORDS = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}
_HEAD = (
    "// From `qemu -dump-vmstate`, which says neither types nor counts nor conditions: each line",
    "// with `// ?` is to be settled. A number may be signed, a bool, a timer, or an array.",
)


@dataclass(frozen=True)
class _Field:
    name: str
    since: int
    conditional: bool
    size: int
    nested: _Description | None
    whole: bool = False  # all of one form


@dataclass(frozen=True)
class _Description:
    name: str
    version: int
    minimum: int
    fields: tuple[_Field, ...]
    subsections: tuple[_Description, ...]


@dataclass(frozen=True)
class _Device:
    """The forms that a description of one name has, with the QEMU types of each."""

    wire: str
    forms: tuple[_Description, ...]
    types: tuple[tuple[str, ...], ...]


# --- reading --------------------------------------------------------------------------------------


def _description(at: DumpDescription, place: str, depth: int = 0) -> _Description:
    if depth > MAX_DEPTH:
        raise ImporterError(f"{place}: it nests deeper than {MAX_DEPTH}")
    return _Description(
        at.name,
        at.version,
        min(at.version, at.minimum),
        tuple(_field(each, place, depth) for each in at.fields),
        tuple(_description(each, place, depth + 1) for each in at.subsections),
    )


def _field(at: DumpField, place: str, depth: int) -> _Field:
    nested = None if at.nested is None else _description(at.nested, place, depth + 1)
    return _Field(at.name, at.since, at.conditional, at.size, nested)


def _read(data: bytes) -> tuple[str, dict[str, _Description]]:
    """The machine's name, and a description for each QEMU type."""
    try:
        dump = read_dump(data)
    except JsonError as fault:
        raise ImporterError(str(fault)) from None
    types = dump.types.items()
    return dump.machine, {n: _description(each.description, f"'{n}'") for n, each in types}


def _devices(types: Mapping[str, _Description]) -> list[_Device]:
    forms: dict[str, dict[_Description, list[str]]] = {}
    for name, description in types.items():
        forms.setdefault(description.name, {}).setdefault(description, []).append(name)
    return [
        _Device(wire, _apart(tuple(found)), tuple(tuple(sorted(n)) for n in found.values()))
        for wire, found in sorted(forms.items())
    ]


def _apart(forms: tuple[_Description, ...]) -> tuple[_Description, ...]:
    """The forms; one with subsections as a description of its own, if another's could take them."""
    inside = {inner.name for form in forms for inner in _nested(form)}
    subsections = {sub.name for form in forms for sub in form.subsections}
    if len(forms) == 1 or not any(sub.startswith(n) for sub in subsections for n in inside):
        return forms
    return tuple(_whole(i, form) if form.subsections else form for i, form in enumerate(forms))


def _whole(number: int, form: _Description) -> _Description:
    field = _Field(f"form_{number}", 0, False, 0, form, whole=True)
    return replace(form, fields=(field,), subsections=())


def _nested(description: _Description) -> Iterator[_Description]:
    """All descriptions that one uses, what is used before its user."""
    for field in description.fields:
        if field.nested is not None:
            yield from _nested(field.nested)
            yield field.nested
    for sub in description.subsections:
        yield from _nested(sub)


# --- writing --------------------------------------------------------------------------------------


def run(data: bytes, options: Mapping[str, str]) -> Sequence[Artifact]:
    """The files. Raises ImporterError for what is no such dump."""
    machine, types = _read(data)
    full = {name: d for name, d in types.items() if d.fields or d.subsections}
    empty = sorted(set(types) - set(full))
    devices = _devices(full)
    classes = class_names()
    owns = {device.wire: classes.take(class_name(device.wire)) for device in devices}
    uses = {d.wire: list(dict.fromkeys(n for f in d.forms for n in _nested(f))) for d in devices}
    names: dict[_Description, str] = {}
    for nested in dict.fromkeys(n for used in uses.values() for n in used):
        name = class_name(nested.name)
        names[nested] = classes.take(f"{name}State" if name in owns.values() else name)
    writer = _Writer(names)
    shared = [n for n in names if sum(n in used for used in uses.values()) > 1]
    head = [*_HEAD, f"// The machine: {comment(machine)}."]
    artifacts = [_common(head, empty, [writer.nested(n) for n in shared])]
    modules = UsedNames({COMMON, "std", "qemu"})
    for device in devices:
        use = [f"use {COMMON}", ""] if set(uses[device.wire]) & set(shared) else []
        lines = [*head, "", *use]
        for nested in uses[device.wire]:
            lines += [] if nested in shared else [*writer.nested(nested), ""]
        lines += writer.device(device, owns[device.wire])
        artifacts.append(_artifact(modules.take(module_name(device.wire)), lines))
    return artifacts


def _common(
    head: Iterable[str], empty: Sequence[str], descriptions: Iterable[Sequence[str]]
) -> Artifact:
    lines = [*head, ""]
    if empty:
        lines += ["// Types without any field, which QEMU does not migrate:"]
        lines += [f"//     {comment(name)}" for name in empty] + [""]
    for each in descriptions:
        lines += [*each, ""]
    return _artifact(COMMON, lines)


def _artifact(module: str, lines: Sequence[str]) -> Artifact:
    return Artifact(f"{module}.vmsd", "\n".join(lines).rstrip() + "\n")


@dataclass(frozen=True)
class _Writer:
    names: Mapping[_Description, str]

    def nested(self, one: _Description) -> list[str]:
        name = self.names[one]
        head = f"vmsd {name} as {quoted(one.name)}{version_words((one.minimum, one.version))}"
        return block(head, self._body({0: one}, 1, "", name))

    def device(self, device: _Device, name: str) -> list[str]:
        forms = dict(enumerate(device.forms))
        versions = min(f.minimum for f in device.forms), max(f.version for f in device.forms)
        head = f"device {name} as {quoted(device.wire)}{version_words(versions)}"
        types = [comment(", ".join(types)) for types in device.types]
        if len(forms) == 1:
            return [f"/// QEMU's {types[0]}.", *block(head, self._body(forms, 1, "", name))]
        lines = ["    /// Which of the forms it has:"]
        lines += [f"    /// {i}: {text}" for i, text in enumerate(types)]
        lines += [f"    param form: u8 max {len(forms) - 1}", ""]
        return block(head, lines + self._body(forms, 1, "form", name))

    def _body(
        self, forms: Mapping[int, _Description], depth: int, param: str, owner: str
    ) -> list[str]:
        """The lines of a body, of all its forms; its parameters' names begin with `owner`."""
        items: list[tuple[_Field, Shapes]] = []
        for number, form in forms.items():
            items = laid_over(items, form.fields, number, lambda a, b: a if a == b else None)
        version = max(form.version for form in forms.values())
        minimum = min(form.minimum for form in forms.values())
        names = UsedNames({param})
        params: list[SchemaLine] = []
        rows: list[SchemaLine] = []
        for field, shapes in items:
            when = condition(param, shapes, frozenset(forms))
            rows += self._field(field, when, (minimum, version), names, owner, params)
        text = laid_out([*params, *([SchemaLine("")] if params else []), *rows], depth)
        for wire in in_order([s.name for s in f.subsections] for f in forms.values()):
            inner = {n: s for n, f in forms.items() for s in f.subsections if s.name == wire}
            least = min(s.minimum for s in inner.values())
            versions = least, max(s.version for s in inner.values())
            own = names.take(subsection_name(wire))
            alias = "" if own == subsection_name(wire) else f" as {own}"
            head = f"subsection {quoted(wire)}{alias}{version_words(versions)}"
            gap = [""] if text else []
            body = self._body(inner, depth + 1, param, f"{owner}_{own}")
            text += [*gap, *block(head, body, depth)]
        return text

    def _field(
        self,
        field: _Field,
        when: str,
        versions: tuple[int, int],
        names: UsedNames,
        owner: str,
        params: list[SchemaLine],
    ) -> list[SchemaLine]:
        minimum, version = versions
        if not field.conditional and field.since > version:
            return [
                SchemaLine(f"// {comment(field.name)}: since version {field.since}, so never there")
            ]
        plain = field.name == "unused" and field.nested is None
        name = field_name(field.name) if plain else names.take(field_name(field.name))
        line = self._typed(field, name, owner, params, plain)
        doubts = [line.note] if line.note else []
        since = 0
        if field.conditional:
            flag = f"{snake(owner)}_has_{f'unused_{len(params)}' if plain else name}"
            params.append(SchemaLine(f"param {flag}: bool"))
            when = f"({when}) and {flag}" if when else flag
            doubts.append("there under a condition")
        elif field.since > minimum and when:
            when = f"({when}) and version >= {field.since}"
        elif field.since > minimum:
            since = field.since
        note = f"? {', '.join(doubts)}" if doubts else ""
        return [replace(line, when=when, since=since, note=note)]

    def _typed(
        self, field: _Field, name: str, owner: str, params: list[SchemaLine], plain: bool
    ) -> SchemaLine:
        if plain:
            return SchemaLine(f"unused[{field.size}]")
        if field.nested is not None:
            note = "" if field.whole else "one, an array, a list or a tree"
            return SchemaLine(name, self.names[field.nested], field.name, note=note)
        if field.size == 0:
            length = f"{snake(owner)}_{name}_length"
            params.append(SchemaLine(f"param {length}: u32 max 1M"))
            return SchemaLine(
                name, f"opaque[{length}]", field.name, note="of a length set at run time"
            )
        note = f"{field.size} byte{'s' if field.size > 1 else ''} in memory"
        return SchemaLine(
            name, _WORDS.get(field.size, f"opaque[{field.size}]"), field.name, note=note
        )
