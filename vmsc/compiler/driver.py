"""The driver: paths -> checked schema -> program -> artifacts, as a list of phases. Prints
nothing, writes nothing.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmsc import plan
from vmsc.compiler.artifacts import check_paths
from vmsc.compiler.memory_import import import_sources
from vmsc.hooks.host import Host
from vmsc.hooks.records import Artifact, Backend, BackendError, BackendInput
from vmsc.plan.lower import lower
from vmsc.schema import ir
from vmsc.schema.diagnostics import Report
from vmsc.schema.resolve import check, resolve
from vmsc.schema.syntax.loader import Loaded, load

__all__ = ["Compiled", "analyse", "compile_paths", "generate", "load_modules"]


@dataclass(frozen=True)
class Compiled:
    """A schema without errors and its program; `asked` names the modules that were asked for."""

    schema: ir.Schema
    program: plan.Program
    asked: tuple[str, ...]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's search for unused circles of objects. What the compiler makes are trees,
    which need none, and a search through millions of their nodes takes as long as parsing.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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


@_uncollected()
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


@_uncollected()
def generate(
    compiled: Compiled,
    backend: Backend,
    host: Host,
    report: Report,
    options: Mapping[str, str] = {},
) -> list[Artifact]:
    """A backend's artifacts, sorted by path. Raises PluginError for paths outside the folder."""
    defaults = {o.name: o.default for o in backend.options}
    context = BackendInput(
        compiled.program,
        compiled.schema.modules,
        types.MappingProxyType({**defaults, **options}),
        host.types,
        host.transforms,
    )

    def run() -> list[Artifact]:
        try:
            artifacts = sorted(backend.generate(context), key=lambda a: a.path)
        except BackendError as fault:
            report.error(f"backend-{backend.name}", fault.message, fault.span)
            return []
        check_paths(artifacts)
        return artifacts

    return host.call("backend", backend.name, run)


def load_modules(artifacts: Sequence[Artifact], package: str) -> dict[str, types.ModuleType]:
    """Import generated Python without files, as modules of `package`; by dotted name."""
    sources = {a.path: a.text for a in artifacts if a.path.endswith(".py")}
    return import_sources(sources, package)
