"""Scopes of random schemas: which names a place of a body may use, and which it may give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from vmsc.testing.schemas.arithmetic import Bounds
from vmsc.testing.schemas.choices import Choices
from vmsc.testing.schemas.expressions import Expr, Known
from vmsc.testing.schemas.names import fresh, label, written

__all__ = ["BodyScope", "Described", "FileScope", "Need", "SchemaScope"]

_WORD = re.compile(r'"[^"]*"|`(\w+)`|(?<![.\w`])([A-Za-z_]\w*)(?![\w(`])')
_OPERATORS = ("and", "or", "not", "true", "false", "version")
_OUTER_BYTES = (0, (1 << 32) - 1)


@dataclass(frozen=True)
class Need:
    """A parameter of a description. All parameters of one name have one domain, `domain`.

    `known` is the name for expressions; `outer`: bound by itself to what the name means where the
    description is used; `sticky`: it cannot be bound.
    """

    name: str
    domain: str
    known: Known
    outer: bool = False
    sticky: bool = False


@dataclass(frozen=True)
class Described:
    """What a user of a description has to know of it.

    `first` is the number that an `until` may look for, `sums` are the numbers that an `until sum`
    may add up, `members` what a path through a field of this description leads to. `size` is not
    None for a struct that always has as many bytes, `hollow`: it may have none; `open`: it takes
    all that is left. `generics` are its description parameters; `level`: how deep it nests.
    """

    name: str
    kind: str
    minimum: int = 1
    version: int = 1
    needs: tuple[Need, ...] = ()
    members: tuple[Known, ...] = ()
    first: tuple[str, Bounds] | None = None
    sums: tuple[str, ...] = ()
    size: int | None = None
    hollow: bool = False
    open: bool = False
    generics: tuple[str, ...] = ()
    level: int = 1


@dataclass
class SchemaScope:
    """What all files of a schema share. `params`: a name stands for one domain in all of it.

    `wires` are the names on the wire so far, `left` is how many more items may be drawn.
    """

    choices: Choices
    params: dict[str, Need] = field(default_factory=dict)
    wires: set[str] = field(default_factory=set)
    left: int = 60


@dataclass
class FileScope:
    """What a file knows at its top: its own names and those of the files it uses, `given`."""

    schema: SchemaScope
    consts: dict[str, Known] = field(default_factory=dict)
    params: dict[str, Need] = field(default_factory=dict)
    described: dict[str, Described] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def taken(self) -> set[str]:
        return {*self.consts, *self.params, *self.described, *self.given}

    def own(self) -> list[str]:
        """The names that stand in the file itself."""
        names = (*self.consts, *self.params, *self.described)
        return [name for name in names if name not in self.given]


@dataclass
class BodyScope:
    """The names at one place of a body, which grow with it.

    `own`: what the body defines, and what of it an expression may name; `declared`: its parameters;
    `used`: what it has read from outside, so that it cannot define it any more; `needs`: the
    parameters that its description turns out to have.
    """

    file: FileScope
    kind: str
    versions: Bounds | None
    parent: BodyScope | None = None
    own: dict[str, tuple[Known, ...]] = field(default_factory=dict)
    declared: dict[str, Need] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    needs: dict[str, Need] = field(default_factory=dict)

    @property
    def choices(self) -> Choices:
        return self.file.schema.choices

    # --- names ------------------------------------------------------------------------------------

    def chain(self) -> Iterator[BodyScope]:
        """This scope and those around it."""
        scope: BodyScope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def fresh(self) -> str:
        """A name that this body may define."""
        return fresh(self.choices, {*self.own, *self.declared, *self.used, *self.needs})

    def write(self, name: str) -> str:
        return written(name, self.choices)

    def label(self, name: str) -> str:
        return label(name, self.choices)

    def define(self, name: str, *known: Known) -> None:
        """From here on the name means this; nothing: it is of no use to expressions."""
        self.own[name] = known

    def hides(self, name: str) -> bool:
        """Whether a field of this body or of one around it has the name."""
        return any(name in scope.own for scope in self.chain())

    def meaning(self, name: str) -> Known | None:
        """What the name by itself means here."""
        found = self._visible().get(name, ())
        return found[0] if len(found) == 1 and found[0].path.strip("`") == name else None

    def visible(self) -> list[Known]:
        """All that an expression may name here, what was defined last at the end."""
        names = [known for found in reversed(self._visible().values()) for known in found]
        if self.versions is not None and self.choices.may("version"):
            names.insert(0, Known("version", "number", self.versions))
        return names

    def _visible(self) -> dict[str, tuple[Known, ...]]:
        """By name, the nearest first."""
        found: dict[str, tuple[Known, ...]] = {}
        for scope in self.chain():
            for name in reversed(scope.own):
                known = scope.own[name] if scope is self else _from_inside(name, scope.own[name])
                found.setdefault(name, known)
            for name, need in scope.declared.items():
                found.setdefault(name, (need.known,))
        for name, const in self.file.consts.items():
            found.setdefault(name, (const,))
        for name, need in self.file.params.items():
            found.setdefault(name, (need.known,))
        return found

    # --- uses -------------------------------------------------------------------------------------

    def expr(self, found: Expr) -> str:
        """The text of an expression of this body; what it names is noted."""
        self.note(found.text)
        return found.text

    def note(self, text: str) -> None:
        for quoted, plain in _WORD.findall(text):
            word = quoted or plain
            if word and plain not in _OPERATORS and word not in self.own:
                self.reach(word)

    def reach(self, name: str) -> None:
        """Note the use of a name that is not a field of this body."""
        self.used.add(name)
        if name in self.own:
            return
        if name in self.declared:
            self.require(self.declared[name])
        elif self.parent is not None and self.parent.knows(name):
            self.parent.reach(name)
        elif name not in self.file.consts and name in self.file.params:
            self.require(self.file.params[name])

    def knows(self, name: str) -> bool:
        return any(name in scope.own or name in scope.declared for scope in self.chain())

    def saved(self) -> list[tuple[set[str], dict[str, Need]]]:
        """What is used and needed so far, to go back to."""
        return [(set(scope.used), dict(scope.needs)) for scope in self.chain()]

    def restore(self, saved: list[tuple[set[str], dict[str, Need]]]) -> None:
        """Forget what was used and needed since: the text that did so is thrown away."""
        for scope, (used, needs) in zip(self.chain(), saved):
            scope.used, scope.needs = used, needs

    def require(self, need: Need) -> None:
        """Make a parameter one of this description's, and of those around it."""
        for scope in self.chain():
            scope.used.add(need.name)
            scope.needs.setdefault(need.name, need)


def _from_inside(name: str, found: tuple[Known, ...]) -> tuple[Known, ...]:
    """What a subsection may name of the body around it: numbers, and bytes of whatever length."""
    if len(found) != 1 or found[0].path.strip("`") != name:
        return ()
    match found[0].kind:
        case "number":
            return found
        case "bytes":
            return (replace(found[0], bounds=_OUTER_BYTES, least=0),)
        case _:
            return ()
