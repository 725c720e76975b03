"""Which package may import what: the table, and the functions that hold imports against it.

Names stand without `vmsc.` in front; "" is `vmsc/__init__.py`. A module belongs to the longest name
of the table that its own begins with, so that `guard.colo` has rules of its own within `guard`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "COMING", "LIBRARIES", "NEVER", "TABLE", "Import", "broken", "circle", "imports", "package_of",
]  # fmt: skip

# From the ground up. A package may import from itself and from those named; a name with a module
# in it (`runtime.errors`) stands for that module alone.
TABLE: Mapping[str, tuple[str, ...]] = {
    "": (),
    "files": (),
    "json_input": (),
    "plain_text": (),
    "runtime": (),
    "runtime.framed": ("runtime",),
    "stream": ("runtime", "runtime.framed", "json_input"),
    "schema": ("plain_text",),
    "schema.syntax": ("schema", "runtime.kinds"),
    "schema.ir": ("schema.source", "runtime.errors", "runtime.kinds", "runtime.peeks"),
    "schema.resolve": ("schema", "schema.syntax", "schema.ir", "runtime.kinds"),
    "plan": ("schema.source", "schema.ir", "runtime.kinds"),
    "hooks": ("plan", "schema", "schema.ir"),
    "backend": ("hooks",),
    "hookspecs": ("hooks",),
    "params": ("schema.ir", "stream", "runtime", "json_input"),
    "compiler": (
        "hooks", "plan", "schema", "schema.syntax", "schema.ir", "schema.resolve",
        "stream.targets", "stream.section_names", "runtime", "files",
    ),
    "inspect": (
        "compiler", "params", "stream", "runtime", "runtime.framed", "schema.ir", "files",
        "json_input",
    ),
    "guard.colo": ("inspect", "params", "stream", "runtime", "runtime.framed", "json_input"),
    "guard": (
        "guard.colo", "inspect", "stream", "runtime", "runtime.framed", "files", "plain_text",
    ),
    "testing.interpreter": ("runtime.errors",),
    "testing": (
        "testing.interpreter", "hooks", "compiler", "plan", "schema", "schema.syntax", "schema.ir",
        "schema.resolve", "runtime",
    ),
    "cli": (
        "guard", "guard.colo", "inspect", "params", "compiler", "hooks", "plan", "schema",
        "schema.ir", "stream", "runtime", "runtime.framed", "files", "plain_text",
    ),
    "plugins.python": (
        "hooks", "plan", "schema.ir", "runtime.peeks", "runtime.wire", "plain_text",
    ),
    "plugins.docs": ("hooks", "plan", "schema.ir"),
    "plugins.qemu": ("hooks", "params", "stream", "runtime.errors", "json_input"),
}  # fmt: skip

# Lines of these tables that stand for what is not there yet.
COMING: frozenset[str] = frozenset()

# Who alone may import a library: packages, or single modules.
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "click": ("cli",),
    "crc32c": ("runtime.framed",),
    "filelock": ("compiler.cache_folder",),
    "hypothesis": ("testing.schemas.strategy",),
    "jinja2": ("hooks.templates",),
    "lark": ("schema.syntax.parser", "testing.grammar"),
    "msgspec": (
        "runtime", "runtime.framed", "json_input", "stream", "params", "compiler", "inspect",
        "guard", "guard.colo", "cli", "testing.comparison",
        "testing.python_runner",
    ),
    "platformdirs": ("compiler.cache_folder",),
    "pluggy": ("hooks.specs", "hooks.host"),
    "prometheus_client": ("guard.metrics", "cli.commands.guard"),
    "qemu": ("guard.qmp", "cli.commands.guard"),
    "zstandard": ("stream.multifd",),
}  # fmt: skip

# What of the standard library would be input, output or a clock where there is none.
NEVER: Mapping[str, tuple[str, ...]] = {
    "stream": ("asyncio", "signal", "socket", "time"),
    "guard.colo": ("asyncio", "signal", "socket", "time"),
}


@dataclass(frozen=True)
class Import:
    """`module` of vmsc imports `name`: a module of vmsc if `own`, else a library. `eager`: whenever
    `module` is loaded, and not in a function of it or for its types alone.
    """

    module: str
    name: str
    own: bool = True
    eager: bool = True

    def __str__(self) -> str:
        return f"{_whole(self.module)} imports {_whole(self.name) if self.own else self.name}"


def _whole(module: str) -> str:
    return f"vmsc.{module}" if module else "vmsc"


def package_of(module: str) -> str | None:
    """The package of the table that a module belongs to; None: the table has none."""
    parts = module.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in TABLE), None)


def broken(found: Iterable[Import]) -> list[str]:
    """What is wrong with these imports, a line each, with the rule that it breaks."""
    return [f"{one}: {rule}" for one in found if (rule := _rule_broken_by(one))]


def _rule_broken_by(one: Import) -> str:
    package = package_of(one.module)
    if package is None:
        return f"say in TABLE what '{one.module}' may import"
    if not one.own:
        return _library_rule(one, package)
    if not one.name or package_of(one.name) == package:
        return ""
    may = TABLE[package]
    if package_of(one.name) in may or (one.name not in TABLE and one.name in may):
        return ""
    return f"'{package}' may import {', '.join(may) or 'nothing of vmsc'}"


def _library_rule(one: Import, package: str) -> str:
    library = one.name.split(".")[0]
    if library in NEVER.get(package, ()):
        return f"'{package}' does no input or output: never {', '.join(NEVER[package])}"
    if library in sys.stdlib_module_names:
        return ""
    if library not in LIBRARIES:
        return f"say in LIBRARIES who may import '{library}'"
    if package in LIBRARIES[library] or one.module in LIBRARIES[library]:
        return ""
    return f"only {', '.join(LIBRARIES[library])} may import '{library}'"


def circle(arrows: Mapping[str, Iterable[str]]) -> Sequence[str]:
    """A way along the arrows that leads back to where it began; empty: there is none."""
    done: set[str] = set()

    def search(at: str, way: tuple[str, ...]) -> Sequence[str]:
        if at in way:
            return (*way[way.index(at) :], at)
        if at in done:
            return ()
        for target in sorted(arrows.get(at, ())):
            if found := search(target, (*way, at)):
                return found
        done.add(at)
        return ()

    return next((found for start in sorted(arrows) if (found := search(start, ()))), ())


# --- reading a tree -------------------------------------------------------------------------------


def imports(tree: Path) -> Iterator[Import]:
    """All imports of vmsc and its plugins, wherever in a file they stand."""
    files = dict(_modules(tree))
    for module, path in files.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        parsed = ast.parse(path.read_text())
        lazy = _lazy(parsed)
        for node in ast.walk(parsed):
            for name in _names(node, package, files):
                own = name.split(".")[0] == "vmsc"
                name = name.removeprefix("vmsc").removeprefix(".") if own else name
                yield Import(module, name, own, id(node) not in lazy)


def _modules(tree: Path) -> Iterator[tuple[str, Path]]:
    for folder in ("vmsc", "plugins"):
        for path in sorted((tree / folder).rglob("*.py")):
            inside = path.relative_to(tree if folder == "plugins" else tree / folder)
            yield ".".join(inside.with_suffix("").parts).removesuffix("__init__").strip("."), path


def _lazy(parsed: ast.Module) -> set[int]:
    """The nodes that loading the module does not reach: in functions, or for types alone."""
    blocks = (
        node
        for node in ast.walk(parsed)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    )
    return {id(node) for block in blocks for node in ast.walk(block)}


def _names(node: ast.AST, package: str, files: Mapping[str, Path]) -> Iterator[str]:
    """What a node imports, by whole names: a module where it is one, else what it is taken from."""
    match node:
        case ast.Import(names=names):
            yield from (name.name for name in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            if level:
                parts = package.split(".")
                above = parts[: len(parts) - level + 1]
                base = ".".join(["vmsc", *above, *([module] if module else [])])
            else:
                base = module or ""
            for name in names:
                inner = f"{base}.{name.name}"
                yield inner if inner.removeprefix("vmsc.") in files else base
