"""Schema texts to checked programs and imported codecs, in memory but for the texts themselves."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmsc.compiler.driver import Compiled, compile_paths, generate, load_modules
from vmsc.hooks.host import Host, load_host
from vmsc.schema.diagnostics import Report, as_text
from vmsc.testing.schemas import Texts

__all__ = ["BackendRefusal", "Refused", "analysed", "host", "modules_of"]

_packages = itertools.count()


class BackendRefusal(Exception):
    """The backend cannot write what `vmsc check` calls good."""


@dataclass(frozen=True)
class Refused:
    """What `vmsc check` says of texts that it does not take: the codes, and all of it as text."""

    codes: tuple[str, ...]
    text: str


@functools.cache
def host() -> Host:
    """The plugins that random schemas need, beside those that come with vmsc."""
    return load_host(["vmsc.testing.plugin"])


def analysed(texts: Texts) -> Compiled | Refused:
    """The schema's meaning and its program, or why it has none."""
    report = Report()
    with tempfile.TemporaryDirectory(prefix="vmsc-") as folder:
        for module, text in texts.files.items():
            path = Path(folder, *module.split(".")).with_suffix(".vmsd")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        found = compile_paths([Path(folder)], host(), report)
    if found is None:
        codes = tuple(sorted({each.code for each in report.sorted() if each.severity == "error"}))
        return Refused(codes, as_text(report))
    return found


@contextlib.contextmanager
def modules_of(found: Compiled) -> Iterator[Mapping[str, types.ModuleType]]:
    """The generated modules, by name, in a package of their own, for as long as they are used."""
    report = Report()
    artifacts = generate(found, host().backends["python"], host(), report)
    if report.failed:
        raise BackendRefusal(as_text(report))
    package = f"vmsc_random_{next(_packages)}"
    try:
        yield load_modules(artifacts, package)
    finally:
        for name in [n for n in sys.modules if n.split(".")[0] == package]:
            del sys.modules[name]
