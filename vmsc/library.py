"""The library: schemas -> codecs that are ready to use, found by a section's name.

Generated modules are kept in a cache folder, under a digest of all that they are made from, so
that reading a stream does not begin with compiling schemas. Without a folder to write to, they
are made in memory.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

import msgspec

import vmsc
from vmsc import ir
from vmsc.output import OutputError, write_file
from vmsc.runtime.codec import Codec

__all__ = ["Library", "LibraryError", "open_library"]

_PARTS = ("*.py", "*.lark", "*.jinja", "*.vmsd")


class LibraryError(Exception):
    """The schemas have errors; `text` shows them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Index(msgspec.Struct, frozen=True):
    """Where each codec lies: section or vmsd name -> (module, class), by kind of description."""

    devices: dict[str, tuple[str, str]]
    vmsds: dict[str, tuple[str, str]]


@dataclass
class Library:
    """Codecs by QEMU's names; a module is imported when the first of its codecs is asked for."""

    index: _Index
    load: Callable[[str], types.ModuleType]
    schema: Callable[[], ir.Schema]
    handlers: Sequence[Callable[[str, int, int], Codec | None]] = ()
    found: dict[tuple[str, str], Codec] = field(default_factory=dict)

    def _codec(self, where: tuple[str, str]) -> Codec:
        if where not in self.found:
            module, name = where
            codec = self.load(module).CODECS[name]
            assert isinstance(codec, Codec)
            self.found[where] = codec
        return self.found[where]

    def device(self, name: str, instance: int = 0, version: int = 0) -> Codec | None:
        """The codec of a section: by its name, or by what follows the device's path in it.

        A plugin's section handler is asked only where no description fits.
        """
        parts = name.split("/")
        for start in range(len(parts)):
            where = self.index.devices.get("/".join(parts[start:]))
            if where is not None:
                return self._codec(where)
        asked = (handler(name, instance, version) for handler in self.handlers)
        return next((codec for codec in asked if codec is not None), None)

    def vmsd(self, name: str) -> Codec | None:
        """The codec of a description that is no section, such as the configuration."""
        where = self.index.vmsds.get(name)
        return None if where is None else self._codec(where)


def _tree_files(folder: Path) -> Iterable[Path]:
    for pattern in _PARTS:
        yield from folder.rglob(pattern)


def _digest(schemas: Sequence[Path]) -> str:
    """A digest of vmsc itself, of the schemas, and of the plugins that are installed."""
    from vmsc.load import shipped_schemas

    whole = hashlib.sha256(f"{vmsc.__version__} {sys.version_info[:2]}".encode())
    for entry in sorted(entry_points(group="vmsc.plugins"), key=lambda e: e.name):
        dist = entry.dist
        whole.update(f"{entry.name}={entry.value} {dist.version if dist else ''}".encode())
    package = Path(vmsc.__file__).parent
    roots = [package, shipped_schemas(), shipped_schemas().parent / "plugins", *schemas]
    for path in sorted({f for root in roots for f in _files(root)}):
        whole.update(str(path).encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:32]


def _files(root: Path) -> Iterable[Path]:
    return _tree_files(root) if root.is_dir() else [root]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vmsc"


@dataclass(frozen=True)
class _Made:
    """What compiling gives: the index, sources by path, and what the schemas mean."""

    index: _Index
    sources: Mapping[str, str]
    schema: ir.Schema


def _compile(schemas: Sequence[Path], plugins: Sequence[str]) -> _Made:
    """Compile all schemas, the given ones before those that come with vmsc."""
    from vmsc.diag import Report, as_text
    from vmsc.driver import compile_paths, generate
    from vmsc.host import load_host
    from vmsc.load import shipped_schemas

    host, report = load_host(plugins), Report()
    shipped = shipped_schemas()
    compiled = compile_paths([*schemas, shipped / "std", shipped / "qemu"], host, report)
    artifacts = generate(compiled, host.backends["python"], host, report) if compiled else []
    if report.failed:
        raise LibraryError(as_text(report))
    assert compiled is not None
    devices: dict[str, tuple[str, str]] = {}
    vmsds: dict[str, tuple[str, str]] = {}
    for one in compiled.program.plans.values():
        if one.kind == "device":
            devices.setdefault(one.wire, (one.module, one.name))
        elif one.kind == "vmsd":
            vmsds.setdefault(one.wire, (one.module, one.name))
    sources = {a.path: a.text for a in artifacts}
    return _Made(_Index(devices, vmsds), sources, compiled.schema)


def _handlers(plugins: Sequence[str]) -> list[Callable[[str, int, int], Codec | None]]:
    """Plugins' section handlers. (Installed plugins alone are asked by name: loading all costs
    time.)
    """
    from vmsc.host import load_host

    host = load_host(plugins)

    def guarded(name: str) -> Callable[[str, int, int], Codec | None]:
        find = host.sections[name].find

        def ask(section: str, instance: int, version: int) -> Codec | None:
            codec: Codec | None = host.call(
                "section handler", name, lambda: find(section, instance, version)
            )
            return codec

        return ask

    return [guarded(name) for name in sorted(host.sections)]


class _LateHandlers(Sequence[Callable[[str, int, int], "Codec | None"]]):
    """Loads the plugins only when a section is met that no description covers."""

    def __init__(self, plugins: Sequence[str]) -> None:
        self.plugins = plugins
        self.loaded: list[Callable[[str, int, int], Codec | None]] | None = None

    def _all(self) -> list[Callable[[str, int, int], Codec | None]]:
        if self.loaded is None:
            self.loaded = _handlers(self.plugins)
        return self.loaded

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._all()[index]


def _from_memory(made: _Made, plugins: Sequence[str]) -> Library:
    from vmsc.backend import Artifact
    from vmsc.driver import load_modules

    package = f"_vmsc_codecs_{len(sys.modules)}"
    artifacts = [Artifact(path, text) for path, text in made.sources.items()]
    modules = load_modules(artifacts, package)
    return Library(made.index, modules.__getitem__, lambda: made.schema, _LateHandlers(plugins))


def _from_folder(folder: Path, plugins: Sequence[str]) -> Library:
    index = msgspec.json.decode((folder / "index.json").read_bytes(), type=_Index)
    package = f"codecs_{folder.name}"
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

    def load(module: str) -> types.ModuleType:
        return importlib.import_module(f"{package}.{module}")

    def schema() -> ir.Schema:
        loaded = pickle.loads((folder / "schema.pickle").read_bytes())
        assert isinstance(loaded, ir.Schema)
        return loaded

    return Library(index, load, schema, _LateHandlers(plugins))


def _store(folder: Path, made: _Made) -> None:
    """Write the generated package; the index comes last, and only with it does the folder count."""
    for path, text in made.sources.items():
        target = folder / f"codecs_{folder.name}" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, text.encode())
    write_file(folder / "schema.pickle", pickle.dumps(made.schema))
    write_file(folder / "index.json", msgspec.json.encode(made.index))


def open_library(schemas: Sequence[Path] = (), plugins: Sequence[str] = ()) -> Library:
    """The codecs of the given schemas and of those that come with vmsc.

    Raises LibraryError if the schemas have errors, PluginError for a plugin's fault.
    """
    if plugins:  # a plugin given by name may be any code: nothing to make a digest of
        return _from_memory(_compile(schemas, plugins), plugins)
    folder = _cache_folder() / _digest(schemas)
    if (folder / "index.json").is_file():
        try:
            return _from_folder(folder, plugins)
        except (OSError, msgspec.DecodeError):
            pass  # an unreadable cache is made anew below
    made = _compile(schemas, plugins)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _store(folder, made)
    except (OSError, OutputError):
        return _from_memory(made, plugins)
    return _from_folder(folder, plugins)
