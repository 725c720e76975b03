"""Load: paths -> syntax files, with all that they `use`, in an order in which what is used comes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from vmsc import syntax
from vmsc.diag import Note, Report, did_you_mean
from vmsc.parse import MAX_SIZE, parse
from vmsc.source import Source, Span

__all__ = ["Loaded", "load", "load_text", "shipped_schemas"]

SUFFIX = ".vmsd"


@dataclass(frozen=True)
class Loaded:
    """`files` in order of use; `asked` names the modules that were asked for, not only used."""

    files: tuple[syntax.File, ...]
    asked: tuple[str, ...]


def shipped_schemas() -> Path:
    """The folder of the schemas that come with vmsc."""
    return Path(str(files("vmsc.schemas") / "std")).parent


def _module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts)


def _root_of(path: Path) -> Path:
    """The folder that names start from: a given folder, or, for a file, its own, or the shipped schemas."""
    shipped = shipped_schemas()
    if path.resolve().is_relative_to(shipped.resolve()):
        return Path(_shared_prefix(path, shipped))
    return path if path.is_dir() else path.parent


def _shared_prefix(path: Path, shipped: Path) -> Path:
    """`shipped` as it is spelt in `path`, so that messages show what the user wrote."""
    depth = len(path.resolve().relative_to(shipped.resolve()).parts)
    for _ in range(depth):
        if path.name in ("", ".", ".."):
            return shipped
        path = path.parent
    return path


def _read(path: Path, module: str, report: Report) -> Source | None:
    source = Source(path.as_posix(), module, "")
    start = Span(source, 1, 1)
    try:
        size = path.stat().st_size
        if size > 4 * MAX_SIZE:
            report.error("too-large", f"the file has {size} bytes: split it", start)
            return None
        data = path.read_bytes()
    except OSError as fault:
        report.error("unreadable", f"cannot read the file: {fault.strerror}", start)
        return None
    try:
        return Source(path.as_posix(), module, data.decode("utf-8-sig"))
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        column = fault.start - data.rfind(b"\n", 0, fault.start)
        at = Span(source, line, column)
        report.error("encoding", f"not UTF-8: byte 0x{data[fault.start]:02x}", at)
        return None


class _Loader:
    """The state of one load: what is read already, and the way to it."""

    def __init__(self, roots: Sequence[Path], report: Report) -> None:
        self.roots = roots
        self.report = report
        self.done: dict[str, syntax.File | None] = {}
        self.order: list[syntax.File] = []

    def _find(self, module: str) -> Path | None:
        relative = Path(*module.split(".")).with_suffix(SUFFIX)
        candidates = (root / relative for root in self.roots)
        return next((path for path in candidates if path.is_file()), None)

    def _known(self) -> set[str]:
        return {_module_name(p, root) for root in self.roots for p in root.rglob("*" + SUFFIX)}

    def add(self, path: Path, module: str, via: tuple[syntax.Use, ...] = ()) -> None:
        if module in self.done:
            return
        self.done[module] = None
        source = _read(path, module, self.report)
        if source is not None:
            self.add_source(source, via)

    def add_source(self, source: Source, via: tuple[syntax.Use, ...] = ()) -> None:
        self.done[source.module] = file = parse(source, self.report)
        if file is None:
            return
        for use in file.uses:
            self._follow(use, (*via, use))
        self.order.append(file)

    def _follow(self, use: syntax.Use, via: tuple[syntax.Use, ...]) -> None:
        if use.module in (v.span.source.module for v in via):
            way = tuple(Note(f"which uses '{v.module}'", v.span) for v in via[:-1])
            self.report.error("use-circle", f"'{use.module}' uses itself", use.span, *way)
            return
        path = self._find(use.module)
        if path is None:
            known = self._known()
            hint = did_you_mean(use.module, known, use.span)
            message = f"no schema '{use.module}' in " + ", ".join(f"'{r}'" for r in self.roots)
            self.report.error("unknown-module", message, use.span, *hint)
            return
        self.add(path, use.module, via)


def load(paths: Iterable[Path], report: Report, search: Sequence[Path] = ()) -> Loaded:
    """Read files, and folders with all .vmsd files in them; `search` holds more folders for `use`.

    Raises FileNotFoundError for a path that is not there.
    """
    given = list(paths)
    for path in given:
        if not path.exists():
            raise FileNotFoundError(path)
    roots = list(dict.fromkeys([*map(_root_of, given), *search, shipped_schemas()]))
    loader = _Loader(roots, report)
    asked: list[str] = []
    for path in given:
        root = _root_of(path)
        found = sorted(path.rglob("*" + SUFFIX)) if path.is_dir() else [path]
        if not found:
            empty = Span(Source(path.as_posix(), "", ""), 1, 1)
            report.error("no-schemas", f"no {SUFFIX} file in this folder", empty)
        for each in found:
            module = _module_name(each, root)
            asked.append(module)
            loader.add(each, module)
    return Loaded(tuple(loader.order), tuple(dict.fromkeys(asked)))


def load_text(text: str, report: Report, name: str = "schema") -> Loaded:
    """A schema that is not in a file, for tests and programs; it may `use` the shipped ones."""
    loader = _Loader([shipped_schemas()], report)
    loader.add_source(Source(f"{name}{SUFFIX}", name, text))
    return Loaded(tuple(loader.order), (name,))
