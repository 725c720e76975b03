"""Import generated Python that does not lie in files: modules by what gives their code."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from importlib.abc import Loader
else:  # importlib.abc imports shutil and tempfile, and nothing asks for its classes
    Loader = object

__all__ = ["Sources", "Texts", "import_sources", "install"]


class Sources(Protocol):
    """Gives modules by their path (`std/pci.py`)."""

    def __contains__(self, path: str) -> bool: ...

    def code(self, path: str) -> types.CodeType: ...

    def text(self, path: str) -> str: ...


@dataclass(frozen=True)
class Texts:
    """Sources that are texts. `origin`: what tracebacks show before a module's path."""

    texts: Mapping[str, str]
    origin: str

    def __contains__(self, path: str) -> bool:
        return path in self.texts

    def code(self, path: str) -> types.CodeType:
        return compile(self.texts[path], f"{self.origin}/{path}", "exec", dont_inherit=True)

    def text(self, path: str) -> str:
        return self.texts[path]


def install(package: str, sources: Sources) -> None:
    """Let `package` be imported from these sources, module by module. Done again, it changes
    nothing: modules of one package come from one place.
    """
    if not any(isinstance(f, _Finder) and f.package == package for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder(sources, package))


def import_sources(sources: Mapping[str, str], package: str) -> dict[str, types.ModuleType]:
    """All modules of the sources (`std/pci.py` by its text), as parts of `package`; by dotted
    name.
    """
    finder = _Finder(Texts(sources, f"<{package}>"), package)
    sys.meta_path.insert(0, finder)
    try:
        names = (path.removesuffix(".py").replace("/", ".") for path in sources)
        wanted = [name for name in names if name.rpartition(".")[2] != "__init__"]
        return {name: importlib.import_module(f"{package}.{name}") for name in wanted}
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    """Finds the modules of one package."""

    def __init__(self, sources: Sources, package: str) -> None:
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
                loader = _Loader(self.sources, where)
                return ModuleSpec(fullname, loader, is_package=is_package)
        return None


class _Loader(Loader):
    """Loads one module; `get_source` is what tracebacks ask for its lines."""

    def __init__(self, sources: Sources, path: str) -> None:
        self.sources = sources
        self.path = path

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self.sources.code(self.path), module.__dict__)

    def get_source(self, fullname: str) -> str:
        return self.sources.text(self.path)
