"""The Python backend: one module a schema file, codecs in both profiles.

plan -> view (names, classes, function bodies) -> template (layout). See docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vmsc.hooks import Artifact, Backend, BackendInput, PythonName, hook
from vmsc.hooks.templates import render

from .linking import facts_of
from .view import module_view

__all__ = ["vmsc_backends"]

_TEMPLATES = Path(__file__).parent / "templates"


def _customs(context: BackendInput) -> dict[str, dict[str, PythonName]]:
    """Plugins' functions by wire type and by transform, under the words that the view uses."""
    found: dict[str, dict[str, PythonName]] = {}
    for name, wire in context.types.items():
        found.setdefault(name, {}).update(wire.python)
    for name, pair in context.transforms.items():
        functions = {"to_value": pair.to_value, "to_wire": pair.to_wire}
        if pair.type is not None:
            functions["value_type"] = pair.type
        found.setdefault(name, {}).update(functions)
    return found


def _packages(paths: Iterable[str]) -> set[str]:
    """The folders that must be packages, for modules to find each other."""
    folders: set[str] = {""}
    for path in paths:
        parts = path.split("/")[:-1]
        folders |= {"/".join(parts[: n + 1]) for n in range(len(parts))}
    return folders


def generate(context: BackendInput) -> Iterable[Artifact]:
    customs, facts = _customs(context), facts_of(context.program)
    paths = []
    for module in context.modules:
        path = module.name.replace(".", "/") + ".py"
        paths.append(path)
        view = module_view(facts, module, customs)
        yield Artifact(path, render(_TEMPLATES, "module.py.jinja", view=view))
    for folder in sorted(_packages(paths)):
        path = f"{folder}/__init__.py" if folder else "__init__.py"
        yield Artifact(path, '"""Codecs made by vmsc."""\n')


@hook
def vmsc_backends() -> list[Backend]:
    return [Backend("python", "Python modules: msgspec classes and their codecs", generate)]
