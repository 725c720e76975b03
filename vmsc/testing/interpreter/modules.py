"""Files and their names: what a word of a file stands for, there and in the files that it uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vmsc.testing.interpreter.parser import parse
from vmsc.testing.interpreter.syntax import Description, Expr, File, Param, SchemaError

__all__ = ["Definition", "Module", "link"]


@dataclass(frozen=True, eq=False)
class Module:
    """A file and the files that it uses, which are not used on behalf of those that use it."""

    file: File
    used: tuple[Module, ...]

    def _near(self) -> Iterator[Module]:
        yield self
        yield from self.used

    def constant(self, name: str) -> tuple[Module, Expr] | None:
        for module in self._near():
            if name in module.file.constants:
                return module, module.file.constants[name]
        return None

    def param(self, name: str) -> tuple[Module, Param] | None:
        for module in self._near():
            if name in module.file.params:
                return module, module.file.params[name]
        return None

    def description(self, name: str) -> Definition | None:
        for module in self._near():
            for one in module.file.descriptions:
                if one.name == name:
                    return Definition(module, one)
        return None


@dataclass(frozen=True, eq=False)
class Definition:
    """A description where it is written, which is where its names are looked up."""

    module: Module
    description: Description


def link(text: str, others: Mapping[str, str]) -> Module:
    """The module of a text; `others` has the texts that `use` names."""
    made: dict[str, Module] = {}

    def module(name: str, text: str, outer: tuple[str, ...]) -> Module:
        if name in outer:
            raise SchemaError(f"'{name}' uses itself")
        if name not in made:
            file = parse(text)
            missing = [path for path in file.uses if path not in others]
            if missing:
                raise SchemaError(f"no text for 'use {missing[0]}'")
            used = (module(path, others[path], (*outer, name)) for path in file.uses)
            made[name] = Module(file, tuple(used))
        return made[name]

    return module("", text, ())
