"""Random schemas: the files of one, in the order of their use, and the strategy that draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vmsc.testing.schemas.choices import Choices, seeded
from vmsc.testing.schemas.descriptions import draw_description
from vmsc.testing.schemas.expressions import Known, bounded, number
from vmsc.testing.schemas.names import doc_lines, fresh, label, written
from vmsc.testing.schemas.parameters import file_param
from vmsc.testing.schemas.scopes import FileScope, SchemaScope

__all__ = ["Texts", "draw_schema", "seeded_schema"]

_MODULES = ("lib.a", "lib.b", "other")


@dataclass(frozen=True)
class Texts:
    """A schema: its files' texts by the name of their module; `main` uses the others."""

    files: Mapping[str, str]
    main: str = "main"


def _const(file: FileScope) -> str:
    choices = file.schema.choices
    known = list(file.consts.values())
    found = number(choices, known, 2)
    if not -1000 <= found.bounds[0] <= 1000:
        found = bounded(choices, known, 0, 40)
    # What constants are made of is known to the compiler alone: here it is only within bounds.
    name = fresh(choices, {*file.taken(), *file.schema.params})
    path = written(name, choices)
    if found.bounds[0] != found.bounds[1]:
        return ""
    file.consts[name] = Known(path, "number", found.bounds, fixed=True)
    return f"const {label(name, choices)} = {found.text}"


def _file(file: FileScope, devices: int, others: int) -> list[str]:
    choices = file.schema.choices
    blocks: list[list[str]] = []
    for _ in range(choices.weighted(((4, 0), (2, 1), (1, 3)))):
        if line := _const(file):
            blocks.append([*doc_lines(choices), line])
    for _ in range(choices.weighted(((4, 0), (3, 1), (1, 2))) * choices.may("param")):
        blocks.append([*doc_lines(choices), file_param(file)])
    kinds = choices.allowed(((6, "struct"), (5, "vmsd"), (3, "loop")))
    for _ in range(others if kinds else 0):
        blocks.append(draw_description(file, choices.weighted(kinds), choices.between(0, 5)))
    for _ in range(devices):
        items = min(choices.between(1, 12), max(2, file.schema.left))
        blocks.append(draw_description(file, "device", items))
    lines: list[str] = []
    for block in blocks:
        lines += [*block, ""] if choices.often(70) else block
    return lines


def _head(file: FileScope, uses: tuple[str, ...]) -> list[str]:
    lines = [f"use {module}" for module in uses]
    if file.schema.choices.often(15):
        lines.insert(0, "// a comment; 'of' no \\ consequence")
    return lines


def draw_schema(choices: Choices) -> Texts:
    """A schema over all of the language, valid as far as can be seen while it is written."""
    schema = SchemaScope(choices)
    files: dict[str, str] = {}
    known: dict[str, FileScope] = {}
    for module in _MODULES[: choices.weighted(((7, 0), (2, 1), (1, 2)))]:
        file, uses = _using(schema, known if choices.often(50) else {})
        lines = _head(file, uses) + _file(file, 0, choices.between(1, 2))
        if file.own():
            files[module], known[module] = "\n".join(lines) + "\n", file
    file, uses = _using(schema, known)
    lines = _head(file, uses) + _file(file, choices.between(1, 2), choices.between(0, 4))
    files["main"] = "\n".join(lines) + "\n"
    return Texts(files)


def _using(
    schema: SchemaScope, known: Mapping[str, FileScope]
) -> tuple[FileScope, tuple[str, ...]]:
    """A file that uses those before it: it knows what stands in them, not what they use."""
    file = FileScope(schema)
    givers = [name for used in known.values() for name in used.own()]
    for used in known.values():
        for name in used.own():
            if givers.count(name) > 1:  # of two that have a name, neither gives it
                file.given.add(name)
            elif name in used.consts:
                file.consts[name] = used.consts[name]
            elif name in used.params:
                file.params[name] = used.params[name]
            else:
                file.described[name] = used.described[name]
    file.given |= file.taken()
    return file, tuple(known)


def seeded_schema(seed: str, plain: bool = False, without: frozenset[str] = frozenset()) -> Texts:
    """The schema that a seed stands for. `plain`: with names that collide with nothing; `without`:
    of the part of the language that lacks these constructs.
    """
    return draw_schema(seeded(seed, plain, without))
