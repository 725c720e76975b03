"""The driver: paths -> checked schema -> program -> artifacts, as a list of phases. Prints
nothing, writes nothing.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmsc import ir, plan
from vmsc.backend import Artifact, Backend, BackendError, Context
from vmsc.checks import check
from vmsc.diag import Report
from vmsc.host import Host
from vmsc.load import Loaded, load
from vmsc.lower import lower
from vmsc.output import check_paths
from vmsc.resolve import resolve

__all__ = ["Compiled", "analyse", "compile_paths", "generate", "load_modules"]


@dataclass(frozen=True)
class Compiled:
    """A schema without errors and its program; `asked` names the modules that were asked for."""

    schema: ir.Schema
    program: plan.Program
    asked: tuple[str, ...]


def analyse(loaded: Loaded, host: Host, report: Report) -> Compiled | None:
    """Resolve, check and lower; None if the report has errors."""
    schema = resolve(loaded.files, report, host.types, host.transforms)
    if report.failed:
        return None
    check(schema, report)
    for name, extra in host.checks.items():
        host.call("check", name, lambda extra=extra: extra.run(schema, report))  # type: ignore[misc]
    if report.failed:
        return None
    return Compiled(schema, lower(schema), loaded.asked)


def compile_paths(
    paths: Iterable[Path], host: Host, report: Report, search: Sequence[Path] = ()
) -> Compiled | None:
    """Load and analyse; None if the report has errors. Raises FileNotFoundError."""
    loaded = load(paths, report, search)
    if report.failed:
        # The files that could be read still have things to tell.
        resolve(loaded.files, report, host.types, host.transforms)
        return None
    return analyse(loaded, host, report)


def generate(
    compiled: Compiled,
    backend: Backend,
    host: Host,
    report: Report,
    options: Mapping[str, str] = {},
) -> list[Artifact]:
    """A backend's artifacts, sorted by path. Raises OutputError for paths outside the folder."""
    defaults = {o.name: o.default for o in backend.options}
    context = Context(
        compiled.program,
        compiled.schema.modules,
        types.MappingProxyType({**defaults, **options}),
        host.types,
        host.transforms,
    )

    def run() -> list[Artifact]:
        try:
            return list(backend.generate(context))
        except BackendError as fault:
            report.error(f"backend-{backend.name}", fault.message, fault.span)
            return []

    artifacts = sorted(host.call("backend", backend.name, run), key=lambda a: a.path)
    check_paths(artifacts)
    return artifacts


def load_modules(artifacts: Sequence[Artifact], package: str) -> dict[str, types.ModuleType]:
    """Import generated Python without files, as modules of `package`; by dotted name."""
    import sys

    sources = {a.path: a.text for a in artifacts if a.path.endswith(".py")}
    found: dict[str, types.ModuleType] = {}
    finder = _Finder(sources, package)
    sys.meta_path.insert(0, finder)
    try:
        for path in sources:
            name = path.removesuffix(".py").replace("/", ".")
            if name.endswith("__init__"):
                continue
            found[name] = __import__(f"{package}.{name}", fromlist=["_"])
    finally:
        sys.meta_path.remove(finder)
    return found


class _Finder:
    """Finds modules of one package among texts in memory."""

    def __init__(self, sources: Mapping[str, str], package: str) -> None:
        self.sources = sources
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        from importlib.machinery import ModuleSpec

        if name != self.package and not name.startswith(self.package + "."):
            return None
        inner = name.removeprefix(self.package).removeprefix(".").replace(".", "/")
        as_package = f"{inner}/__init__.py".removeprefix("/")
        for where, is_package in ((as_package, True), (f"{inner}.py", False)):
            if where in self.sources:
                loader = _Loader(self.sources[where], f"<{self.package}>/{where}")
                return ModuleSpec(name, loader, is_package=is_package)  # type: ignore[arg-type]
        return None


class _Loader:
    def __init__(self, text: str, origin: str) -> None:
        self.text = text
        self.origin = origin

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self.text, self.origin, "exec"), module.__dict__)
