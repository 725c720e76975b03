"""The loader: paths -> syntax files, with all that they `use`, so that what is used comes first.

Reads no more of a file than a schema may have, and only files.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vmsc.schema import syntax
from vmsc.schema.diagnostics import Note, Report
from vmsc.schema.shipped import shipped_schemas
from vmsc.schema.source import Source, Span
from vmsc.schema.syntax.parser import MAX_SIZE, parse

__all__ = ["Loaded", "load", "load_text"]

SUFFIX = ".vmsd"
MAX_BYTES = 4 * MAX_SIZE  # UTF-8 takes up to four a character
MAX_USES = 32  # files, each used by the one before it
MAX_LISTED = 500  # files looked at for a hint


@dataclass(frozen=True)
class Loaded:
    """`files` in order of use; `asked` names the modules that were asked for, not only used."""

    files: tuple[syntax.File, ...]
    asked: tuple[str, ...]


# --- names ----------------------------------------------------------------------------------------


def _real(path: Path) -> Path:
    """Where the path lies; a link counts as what it is called, not as what it points to."""
    return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name


def _holds(folder: Path, path: Path) -> bool:
    return _real(path).is_relative_to(folder.resolve())


def _parts(path: Path, root: Path) -> tuple[str, ...]:
    """The parts of a file's module name."""
    return _real(path).relative_to(root.resolve()).with_suffix("").parts


def _check_name(path: Path, parts: Sequence[str], report: Report) -> bool:
    """Whether the parts are names: of a module of another name nothing could be used."""
    for part in parts:
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", part):
            message = f"'{part}' is no name, so this can be no module: letters, digits and _ are"
            report.error("module-name", message, Span.whole(Source(path.as_posix(), "", "")))
            return False
    return True


def _as_written(path: Path, folder: Path) -> Path:
    """`folder`, which holds `path`, spelt as in `path`: messages show what the user wrote."""
    for _ in _real(path).relative_to(folder.resolve()).parts:
        if path.name in ("", ".."):
            return folder
        path = path.parent
    return path


def _root_of(path: Path, folders: Sequence[Path]) -> Path:
    """The folder that module names start from: the outermost that is given and holds the path."""
    for folder in (shipped_schemas(), *folders):
        if _holds(folder, path):
            return _as_written(path, folder)
    return path if path.is_dir() else path.parent


# --- reading --------------------------------------------------------------------------------------


def _read(path: Path, module: str, report: Report) -> Source | None:
    """The file's text, or None after reporting why there is none."""
    shipped = _holds(shipped_schemas(), path)
    whole = Span.whole(Source(path.as_posix(), module, "", shipped))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as fault:
        report.error("unreadable", f"cannot read the file: {fault.strerror}", whole)
        return None
    if len(data) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES} bytes: split it"
        report.error("too-large", message, whole)
        return None
    data = data.removeprefix(b"\xef\xbb\xbf")
    text = data.decode("utf-8", "replace")
    source = Source(path.as_posix(), module, text, shipped)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as fault:
        before = data[: fault.start].decode("utf-8")
        at = Span(source, before.count("\n") + 1, len(before) - before.rfind("\n"))
        report.error("encoding", f"not UTF-8: byte 0x{data[fault.start]:02x}", at)
        return None
    return source


def _schemas_in(folder: Path) -> list[Path]:
    """All schemas below a folder, sorted. What only looks like one (a folder, a pipe) is none."""
    found = []
    for path in sorted(folder.rglob("*" + SUFFIX)):
        try:
            mode = path.stat().st_mode
        except OSError:
            mode = stat.S_IFREG  # reading it will tell
        if stat.S_ISREG(mode):
            found.append(path)
    return found


class _Loader:
    """The state of one load: what is read already, and the way to it."""

    def __init__(self, roots: Sequence[Path], report: Report) -> None:
        self.roots = roots
        self.report = report
        self.paths: dict[str, Path] = {}
        self.order: list[syntax.File] = []

    def add(self, path: Path, module: str, via: tuple[syntax.Use, ...] = ()) -> None:
        """Read a file, and what it uses before it."""
        if (other := self.paths.get(module)) is not None:
            self._check_same(path, other, module)
            return
        self.paths[module] = path
        source = _read(path, module, self.report)
        if source is not None:
            self.add_source(source, via)

    def add_source(self, source: Source, via: tuple[syntax.Use, ...] = ()) -> None:
        file = parse(source, self.report)
        if file is None:
            return
        if not (file.uses or file.consts or file.params or file.descriptions):
            self.report.error("empty-file", "the file describes nothing", Span.whole(source))
        for use in file.uses:
            self._follow(use, (*via, use))
        self.order.append(file)

    def _check_same(self, path: Path, other: Path, module: str) -> None:
        """Two files of one module name; one that comes with vmsc stands back for a given one."""
        shipped = shipped_schemas()
        if _real(path) == _real(other) or _holds(shipped, path) or _holds(shipped, other):
            return
        here, there = (Span.whole(Source(p.as_posix(), module, "")) for p in (path, other))
        message = f"a second file for the module '{module}'"
        self.report.error("duplicate-module", message, here, Note("the first", there))

    def _find(self, module: str) -> Path | None:
        relative = Path(*module.split(".")).with_suffix(SUFFIX)
        return next((p for root in self.roots if (p := root / relative).is_file()), None)

    def _near(self, module: str) -> set[str]:
        """Modules that may be meant: those at the top of each root and those where it should be."""
        found: set[str] = set()
        inner = Path(*module.split(".")[:-1])
        for root in self.roots:
            for folder in {root, root / inner}:
                for path in islice(folder.glob("*" + SUFFIX), MAX_LISTED):
                    found.add(".".join(_parts(path, root)))
        return found

    def _follow(self, use: syntax.Use, via: tuple[syntax.Use, ...]) -> None:
        way = tuple(Note(f"by way of '{v.module}'", v.span) for v in via[:-1])
        if use.module in (v.span.source.module for v in via):
            self.report.error("use-circle", f"'{use.module}' uses itself", use.span, *way)
        elif len(via) > MAX_USES:
            message = f"more than {MAX_USES} files, each used by the one before it"
            self.report.error("too-deep", message, use.span)
        elif (path := self._find(use.module)) is None:
            hint = self.report.did_you_mean(use.module, use.span, self._near(use.module))
            shipped = shipped_schemas()
            folders = [f"'{root.as_posix()}'" for root in self.roots if root != shipped]
            where = " or ".join([*folders, "the schemas that come with vmsc"])
            message = f"no schema '{use.module}' in {where}"
            self.report.error("unknown-module", message, use.span, *hint)
        else:
            self.add(self.paths.get(use.module, path), use.module, via)


def load(paths: Iterable[Path], report: Report, search: Sequence[Path] = ()) -> Loaded:
    """Read files, and folders with all .vmsd files in them; `search` holds more folders for `use`.

    Raises FileNotFoundError for a path that is not there.
    """
    given = list(paths)
    for path in given:
        if not path.exists():
            raise FileNotFoundError(path)
    folders = [p for p in (*given, *search) if p.is_dir()]
    folders.sort(key=lambda p: len(p.resolve().parts))
    roots = [*(_root_of(p, folders) for p in given), *search, shipped_schemas()]
    loader = _Loader(list(dict.fromkeys(roots)), report)
    asked: list[str] = []
    for path in given:
        root = _root_of(path, folders)
        found = _schemas_in(path) if path.is_dir() else [path]
        if not found:
            empty = Span.whole(Source(path.as_posix(), "", ""))
            report.error("no-schemas", f"no {SUFFIX} file in this folder", empty)
        for each in found:
            parts = _parts(each, root)
            if _check_name(each, parts, report):
                asked.append(".".join(parts))
                loader.add(each, asked[-1])
    return Loaded(tuple(loader.order), tuple(dict.fromkeys(asked)))


def load_text(text: str, report: Report, name: str = "schema") -> Loaded:
    """A schema that is not in a file, for tests and programs; it may `use` the shipped ones."""
    loader = _Loader([shipped_schemas()], report)
    loader.add_source(Source(f"{name}{SUFFIX}", name, text))
    return Loaded(tuple(loader.order), (name,))
