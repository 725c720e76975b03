"""Random descriptions: devices, vmsds, structs and loops, with their subsections."""

from __future__ import annotations

from vmsc.testing.schemas.bodies import Body, Presence, add_field
from vmsc.testing.schemas.choices import Choices
from vmsc.testing.schemas.expressions import string
from vmsc.testing.schemas.items import draw_flat, draw_items
from vmsc.testing.schemas.names import doc_lines, label, pick_descriptions
from vmsc.testing.schemas.parameters import description_param
from vmsc.testing.schemas.scopes import BodyScope, Described, FileScope
from vmsc.testing.schemas.types import Type

__all__ = ["draw_description"]

_NESTED = 3  # subsections within each other


def _versions(choices: Choices) -> tuple[str, int, int]:
    """What stands of versions before a body, the minimum and the version."""
    if not choices.often(50):
        return "", 1, 1
    version = choices.one((1, 2, 3, 4, 7))
    if not choices.often(70):
        return f" version {version}", version, version
    minimum = choices.between(0 if choices.often(10) else 1, version)
    return f" version {version} minimum {minimum}", minimum, version


def _wire(file: FileScope, choices: Choices) -> str:
    """A name on the wire. None begins with another, so that none takes another's subsections."""
    wires = file.schema.wires
    number = len(wires)
    head = choices.one(("", "é", "a b-", "\\", "5", "{}")) if choices.often(15) else ""
    name = f"{head}{chr(97 + number % 26)}{number // 26}{choices.one(('', '/x', '.y'))}="
    wires.add(name)
    return name


def _indented(lines: list[str]) -> list[str]:
    return ["    " + line for each in lines for line in each.split("\n")]


def _body_lines(choices: Choices, head: str, lines: list[str]) -> list[str]:
    """The description's lines; of a short one without comments, one line."""
    if len(lines) <= 4 and choices.often(30) and not any("//" in line for line in lines):
        separator = choices.one(("; ", " ", ";"))
        return [f"{head} {{ {separator.join(lines)} }}"]
    return [f"{head} {{", *_indented(lines), "}"]


# --- subsections ----------------------------------------------------------------------------------


def _identifier(wire: str) -> str:
    """The field's name where none is given: the last part of the name on the wire."""
    return wire.rsplit("/", 1)[-1]


def _subsections(body: Body, wire: str, depth: int, percent: int) -> None:
    choices = body.choices
    number = 0
    while choices.may("subsection") and choices.often(percent) and number < 3 and depth < _NESTED:
        made = _subsection(body, f"{wire}/{chr(97 + number)}", depth)
        # They come last on the wire, wherever they stand in the text.
        at = choices.below(len(body.blocks) + 1) if choices.often(25) else len(body.blocks)
        body.blocks.insert(at, made)
        number += 1


def _subsection(body: Body, wire: str, depth: int) -> list[str]:
    choices, scope = body.choices, body.scope
    last = choices.one(("", "", "0", "ux"))
    wire += last
    name = _identifier(wire)
    head = f"subsection {string(wire)}"
    taken = {*scope.own, *scope.declared, *scope.used, *scope.needs}
    if name in taken or choices.often(40):
        name = scope.fresh()
        head += f" as {scope.label(name)}"
    scope.define(name)
    versions, minimum, version = _versions(choices)
    inner = BodyScope(scope.file, "subsection", (minimum, version), scope)
    made = Body(inner, level=body.level + 1)
    draw_items(made, choices.between(0, 4))
    _subsections(made, wire, depth + 1, 15)
    body.level = max(body.level, made.level)
    return [*doc_lines(choices), *_body_lines(choices, head + versions, made.lines)]


# --- descriptions ---------------------------------------------------------------------------------


def _generic(body: Body) -> tuple[str, ...]:
    """A description parameter of a struct or vmsd, and a field of it."""
    scope = body.scope
    if scope.kind == "device" or not body.choices.often(15):
        return ()
    name = description_param(scope)
    body.add(f"param {scope.label(name)}: description")
    add_field(body, Type(scope.write(name), hollow=True), Presence())
    return (name,)


def _head(file: FileScope, kind: str) -> tuple[str, str, str, int, int]:
    """The description's first words, its name, its wire name and its versions."""
    choices = file.schema.choices
    name = pick_descriptions(choices, file.taken())
    shown = label(name, choices)
    if kind in ("struct", "loop"):
        return f"{kind} {shown}", name, "", 1, 1
    wire = _wire(file, choices)
    versions, minimum, version = _versions(choices)
    target = ' target "x86_64"' if kind == "device" and choices.often(10) else ""
    if kind == "device" and choices.often(30):
        return f"device {string(wire)}{versions}{target}", wire, wire, minimum, version
    head = f"{kind} {shown} as {string(wire)}{versions}{target}"
    return head, name, wire, minimum, version


def draw_description(file: FileScope, kind: str, items: int) -> list[str]:
    """The lines of a description, which the file knows from here on."""
    choices = file.schema.choices
    head, name, wire, minimum, version = _head(file, kind)
    versioned = kind in ("device", "vmsd")
    scope = BodyScope(file, kind, (minimum, version) if versioned else None)
    body = Body(scope)
    generics = _generic(body) if kind != "loop" else ()
    if kind == "struct" and not generics and choices.often(40):
        draw_flat(body, choices.between(1, 4))
    else:
        draw_items(body, items)
    if versioned:
        _subsections(body, wire, 0, 35)
    rest = kind in ("device", "struct") and not generics and choices.often(4)
    rest = rest and choices.may("opaque")
    if rest and all("subsection" not in line for line in body.lines):
        add_field(body, Type("opaque", hollow=True, open=True), Presence())
    doc = doc_lines(choices)
    file.described[name] = Described(
        name, kind, minimum, version, tuple(scope.needs.values()),
        tuple(body.members) if kind != "loop" else (), body.first,
        tuple(body.sums), body.size if kind == "struct" and not generics else None, body.hollow,
        body.open, generics, body.level + 2 * len(generics),
    )  # fmt: skip
    return [*doc, *_body_lines(choices, head, body.lines)]
