"""Random parameters. A name stands for one domain in all of a schema, wherever it is declared: two
parameters of one name and different domains could not meet in one description.
"""

from __future__ import annotations

from dataclasses import replace

from vmsc.testing.schemas.arithmetic import Bounds
from vmsc.testing.schemas.choices import Choices
from vmsc.testing.schemas.expressions import Known, constant
from vmsc.testing.schemas.names import fresh, label, written
from vmsc.testing.schemas.scopes import BodyScope, FileScope, Need, SchemaScope

__all__ = ["declare", "declare_outer", "description_param", "file_param", "sticky_param"]

_WORDS = (("pci", "mmio"), ("a", "b", "c"), ("it's", "\\"), ("on",))
_PLACES = ('at "[0-9a-f]*:*.[0-7]"', 'under "virtio-*"', 'at "*"', 'under "a?[!b]"')
_OUTER_TYPES = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "bool": 8}


def _number(choices: Choices) -> tuple[str, Bounds]:
    """A domain of numbers, as written, and its bounds."""
    word = choices.weighted(((5, "u8"), (3, "u16"), (2, "u32"), (1, "u64"), (1, "s8"), (3, "bool")))
    if word == "bool":
        return word, (0, 1)
    low, high = (-128, 127) if word == "s8" else (0, (1 << int(word[1:])) - 1)
    if choices.often(20):
        low = choices.between(1, 3) if choices.often(70) or word != "s8" else -2
        word += f" min {constant(choices, low).text}"
    if choices.often(85):
        high = max(low, choices.one((4, 8, 1, 3, 16, 100)))
        word += f" max {constant(choices, high).text}"
    return word, (low, high)


def _domain(choices: Choices, path: str) -> tuple[str, Known]:
    """Any domain, with its default, and what an expression can say of the parameter."""
    kind = choices.weighted(((6, "number"), (3, "words"), (2, "bits")))
    if kind == "words":
        words = choices.one(_WORDS)
        shown = []
        for word in words:
            place = f" {choices.one(_PLACES)}" if choices.often(15) else ""
            shown.append(f'"{word}"{place}')
        default = f' = "{choices.one(words)}"' if choices.often(20) else ""
        return f"one of {', '.join(shown)}{default}", Known(path, "words", words=words)
    if kind == "bits":
        bits = choices.one((4, 8, 64, 65, 100, 288))
        bounds = 0, (1 << bits) - 1
        text = f"bits max {bits}"
    else:
        text, bounds = _number(choices)
    if choices.often(20):
        text += f" = {constant(choices, choices.between(bounds[0], min(bounds[1], 4))).text}"
    return text, Known(path, "bits" if kind == "bits" else "number", bounds)


def _taken(scope: BodyScope) -> set[str]:
    """The names that no parameter may have; one of a subsection is bound in the body around it."""
    around = {name for each in scope.chain() for name in each.own}
    return {*around, *scope.declared, *scope.used, *scope.needs}


def _new_name(schema: SchemaScope, taken: set[str]) -> str:
    return fresh(schema.choices, {*schema.params, *taken})


def _again(scope: BodyScope, outer: bool) -> Need | None:
    """A parameter that another description has declared, mostly none."""
    taken = _taken(scope)
    found = [
        need
        for name, need in scope.file.schema.params.items()
        if name not in taken
        and need.domain not in ("sticky", "description")
        and (need.outer if outer else need.domain not in ("bytes", "bool") or not need.outer)
    ]
    return scope.choices.one(found) if found and scope.choices.often(35) else None


def declare(scope: BodyScope) -> str:
    """A parameter of a description: the line that declares it."""
    need = _again(scope, outer=False)
    if need is None:
        name = _new_name(scope.file.schema, _taken(scope))
        domain, known = _domain(scope.choices, written(name, scope.choices))
        need = scope.file.schema.params[name] = Need(name, domain, known)
    scope.declared[need.name] = replace(need, outer=False)
    return f"param {scope.label(need.name)}: {need.domain}"


def declare_outer(scope: BodyScope) -> str:
    """A name of what encloses the description: the line that declares it."""
    need = _again(scope, outer=True)
    if need is None:
        # Where nothing encloses the description, the name would be a constant of the file.
        name = _new_name(scope.file.schema, {*_taken(scope), *scope.file.taken()})
        need = _outer(scope.choices, name, written(name, scope.choices))
        scope.file.schema.params[name] = need
    scope.declared[need.name] = need
    return f"outer {scope.label(need.name)}: {need.domain}"


def _outer(choices: Choices, name: str, path: str) -> Need:
    if choices.often(25):
        return Need(name, "bytes", Known(path, "string", (0, (1 << 32) - 1)), outer=True)
    word = choices.one(tuple(_OUTER_TYPES))
    return Need(name, word, Known(path, "number", (0, (1 << _OUTER_TYPES[word]) - 1)), outer=True)


def file_param(file: FileScope) -> str:
    """A parameter of a file: the line that declares it."""
    choices = file.schema.choices
    name = _new_name(file.schema, file.taken())
    domain, known = _domain(choices, written(name, choices))
    file.params[name] = file.schema.params[name] = Need(name, domain, known)
    return f"param {label(name, choices)}: {domain}"


def description_param(scope: BodyScope) -> str:
    """The name of a parameter that stands for a description."""
    name = _new_name(scope.file.schema, {*_taken(scope), *scope.file.taken()})
    scope.file.schema.params[name] = Need(name, "description", Known(name, "description"))
    scope.used.add(name)
    return name


def sticky_param(scope: BodyScope, kind: str, bounds: Bounds) -> str:
    """The name of a loop's sticky field, which is a parameter of the loop."""
    name = _new_name(scope.file.schema, _taken(scope))
    need = Need(name, "sticky", Known(scope.write(name), kind, bounds), sticky=True)
    scope.file.schema.params[name] = scope.needs[name] = need
    return name
