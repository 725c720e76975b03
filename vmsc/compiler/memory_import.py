"""Import generated Python that lies in memory: sources by path -> modules."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

__all__ = ["import_sources"]


def import_sources(sources: Mapping[str, str], package: str) -> dict[str, types.ModuleType]:
    """All modules of the sources (`std/pci.py` by its text), as parts of `package`; by dotted
    name.
    """
    finder = _Finder(sources, package)
    sys.meta_path.insert(0, finder)
    try:
        names = (path.removesuffix(".py").replace("/", ".") for path in sources)
        wanted = [name for name in names if name.rpartition(".")[2] != "__init__"]
        return {name: importlib.import_module(f"{package}.{name}") for name in wanted}
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Finds the modules of one package."""

    def __init__(self, sources: Mapping[str, str], package: str) -> None:
        self.sources = sources
        self.package = package

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != self.package and not fullname.startswith(self.package + "."):
            return None
        inner = fullname.removeprefix(self.package).removeprefix(".").replace(".", "/")
        as_package = f"{inner}/__init__.py".removeprefix("/")
        for where, is_package in ((as_package, True), (f"{inner}.py", False)):
            if where in self.sources:
                loader = _Loader(self.sources[where], f"<{self.package}>/{where}")
                return ModuleSpec(fullname, loader, is_package=is_package)
        return None


class _Loader(Loader):
    def __init__(self, text: str, origin: str) -> None:
        self.text = text
        self.origin = origin

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self.text, self.origin, "exec"), module.__dict__)
