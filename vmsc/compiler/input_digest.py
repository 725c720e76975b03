"""A digest of all that codecs are made from: by content, as a time stamp tells nothing.

That is vmsc itself, the interpreter, the plugins that are installed, the schemas that come with
vmsc, those that are given, and what these use.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import MAGIC_NUMBER, find_spec
from pathlib import Path

import vmsc
from vmsc.schema.shipped import shipped_schemas

__all__ = ["input_digest"]

_CODE = (".py", ".lark", ".jinja", ".so", ".pyd")
_SCHEMAS = (".vmsd",)
_OTHER = ("cli", "guard", "testing")  # whose code has no part in what codecs are
_GROUP = b"vmsc.plugins"
_USES = re.compile(rb"^\s*use\s+([\w.]+)", re.MULTILINE)
_LIMIT = 1 << 24  # bytes of a given schema; the loader refuses one that is longer


def input_digest(schemas: Sequence[Path]) -> str | None:
    """The digest; None where there cannot be one: a schema that is a pipe is read only once."""
    whole = hashlib.sha256(_of_code())
    try:
        for path, data in _schema_files(schemas):
            _add(whole, path, data)
    except OSError:
        return None  # the loader says what is wrong
    return whole.hexdigest()[:32]


def _add(whole: hashlib._Hash, name: str, data: bytes) -> None:
    """Name and content, each with its length: two files never look like two others."""
    for part in (name.encode("utf-8", "surrogateescape"), data):
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)


# --- schemas --------------------------------------------------------------------------------------


def _schema_files(given: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """All files that may be read for the given schemas, and their content."""
    shipped = str(shipped_schemas())
    folders = [str(path) for path in given if path.is_dir()]
    for folder in (shipped, *folders):
        if not folder.startswith(shipped + os.sep):
            yield from _tree(folder, _SCHEMAS)
    single = [str(path) for path in given if not path.is_dir()]
    roots = dict.fromkeys((*folders, *(os.path.dirname(path) for path in single)))
    todo, seen = list(single), set(single)
    for path in todo:
        data = _read_schema(path)
        yield path, data
        for module in _USES.findall(data):
            inside = module.decode().replace(".", os.sep) + _SCHEMAS[0]
            found = {os.path.join(root, inside) for root in roots} - seen
            todo += sorted(name for name in found if os.path.isfile(name))
            seen |= found


def _read_schema(path: str) -> bytes:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("not a file")
    with open(path, "rb") as file:
        return file.read(_LIMIT)


def _tree(
    folder: str, ends: tuple[str, ...], without: Sequence[str] = ()
) -> Iterator[tuple[str, bytes]]:
    """The files below a folder whose names end so, sorted, and their content; `without` names
    folders directly in it.
    """
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__" and entry.name not in without:
                yield from _tree(entry.path, ends)
        elif entry.name.endswith(ends) and entry.is_file():
            with open(entry.path, "rb") as file:
                yield entry.path, file.read()


# --- code -----------------------------------------------------------------------------------------


@cache
def _of_code() -> bytes:
    """Of what compiles: it does not change while it runs."""
    optimized = sys.flags.optimize  # whether `assert` is compiled
    whole = hashlib.sha256(f"{vmsc.__version__} {optimized} ".encode() + MAGIC_NUMBER)
    package = str(Path(vmsc.__file__).parent)
    others = (folder for part in ("vmsc.plugins", "vmsc.grammars") for folder in _folders(part))
    for folder in (package, *(f for f in others if not f.startswith(package + os.sep))):
        for path, data in _tree(folder, _CODE, _OTHER if folder == package else ()):
            _add(whole, path, data)
    for name, entries in sorted(_installed()):
        _add(whole, name, entries)
        for module in sorted(_modules_in(entries)):
            for path, data in _module_files(module):
                _add(whole, path, data)
    return whole.digest()


def _folders(package: str) -> Sequence[str]:
    spec = find_spec(package)
    return () if spec is None else tuple(spec.submodule_search_locations or ())


def _installed() -> Iterator[tuple[str, bytes]]:
    """Each distribution that brings plugins: its name with its version, and its entry points.

    `importlib.metadata` tells the same, and would cost each command 25 ms.
    """
    for place in dict.fromkeys(sys.path):
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    with open(os.path.join(place, name, "entry_points.txt"), "rb") as file:
                        entries = file.read()
                except OSError:
                    continue
                if _GROUP in entries:
                    yield name, entries


def _modules_in(entries: bytes) -> set[str]:
    """The top-level modules that vmsc's group of entry points names, but for vmsc itself."""
    found, inside = set(), False
    for line in entries.decode("utf-8", "replace").splitlines():
        if line.startswith("["):
            inside = line.strip() == f"[{_GROUP.decode()}]"
        elif inside and "=" in line:
            found.add(re.split(r"[.:\s]", line.split("=", 1)[1].strip())[0])
    return found - {"", "vmsc"}


def _module_files(module: str) -> Iterator[tuple[str, bytes]]:
    """The code of a top-level module, which is a package or a file."""
    spec = find_spec(module)
    if spec is None:
        return
    for folder in spec.submodule_search_locations or ():
        yield from _tree(folder, _CODE)
    if spec.submodule_search_locations is None and spec.origin and os.path.isfile(spec.origin):
        yield spec.origin, Path(spec.origin).read_bytes()
