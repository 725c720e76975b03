"""The library: schemas -> codecs that are ready to use, found by a section's name.

It has shelves: the schemas that were given, then those that come with vmsc; the first that knows
a name has it. Generated modules are kept in the cache, so that reading a stream does not begin
with compiling schemas.
"""

from __future__ import annotations

import importlib
import itertools
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vmsc import VmscError
from vmsc.compiler.cache import Index, KeptCodecs, Place, TornError, keep_codecs, kept_codecs
from vmsc.compiler.cache_folder import CacheError
from vmsc.compiler.input_digest import input_digest
from vmsc.compiler.memory_import import Texts, install
from vmsc.runtime.codec import Codec
from vmsc.runtime.errors import DecodeError
from vmsc.schema.shipped import shipped_schemas
from vmsc.stream.section_names import names_of
from vmsc.stream.targets import meant

if TYPE_CHECKING:
    from vmsc.schema import ir

__all__ = ["Library", "LibraryError", "Shelf", "open_library", "open_shelf"]

Handler = Callable[[str, int, int], "Codec | None"]


class LibraryError(VmscError):
    """The schemas have errors; `text` shows them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass
class Shelf:
    """The codecs of one set of schemas; a module is imported when one of its codecs is asked
    for.
    """

    index: Index
    package: str
    schema: Callable[[], ir.Schema]
    digest: str | None = None  # of all that it is made of, where that can be known

    def codec(self, place: Place) -> Codec:
        module = importlib.import_module(f"{self.package}.{place.module}")
        codec = module.CODECS[place.name]
        assert isinstance(codec, Codec)
        return codec


@dataclass
class Library:
    """Codecs by QEMU's names."""

    shelves: Sequence[Shelf]
    plugins: Sequence[str] = ()
    found: dict[tuple[str, int, str], Codec | None] = field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """A digest of all shelves; None if one of them has none."""
        known = [shelf.digest for shelf in self.shelves if shelf.digest is not None]
        return " ".join(known) if len(known) == len(self.shelves) else None

    def device(
        self, name: str, instance: int = 0, version: int = 0, target: str = ""
    ) -> Codec | None:
        """The codec of a section: by its name, or by what follows the device's path in it.

        Of several devices of this name, the one of the target, else of the version; DecodeError
        if that is not one. Plugins' section handlers are asked where no description fits.
        """
        key = name, version, target
        if key not in self.found:
            place = self._described(*key)
            self.found[key] = None if place is None else place[0].codec(place[1])
        codec = self.found[key]
        if codec is not None:
            return codec
        asked = (handler(name, instance, version) for handler in self._handlers)
        return next((answer for answer in asked if answer is not None), None)

    def size_class(self, name: str, version: int = 0, target: str = "") -> str | None:
        """The size class of a section, without loading its codec; None: no schema describes it."""
        place = self._described(name, version, target)
        return None if place is None else place[1].size

    def of_layout(self, name: str, digest: bytes) -> Codec | None:
        """The codec of a section that was framed with the layout of this digest, if it is known."""
        codecs = (shelf.codec(p) for shelf, places in self._places(name) for p in places)
        return next((codec for codec in codecs if codec.digest == digest), None)

    def _described(self, name: str, version: int, target: str) -> tuple[Shelf, Place] | None:
        for shelf, places in self._places(name):
            fits = meant(places, version, target)
            if len(fits) > 1:
                targets = " or ".join(p.target for p in fits)
                message = f"a section '{name}' of {targets}: say which with --target"
                raise DecodeError(message, offset=0, code="target")
            if fits:
                return shelf, fits[0]
        return None

    def _places(self, name: str) -> Iterator[tuple[Shelf, Sequence[Place]]]:
        """The devices of this name, or of what follows the device's path in it, best first."""
        for each in names_of(name):
            for shelf in self.shelves:
                if each in shelf.index.devices:
                    yield shelf, shelf.index.devices[each]

    def vmsd(self, name: str) -> Codec | None:
        """The codec of a description that is no section, such as the configuration."""
        shelves = (s for s in self.shelves if name in s.index.vmsds)
        return next((s.codec(s.index.vmsds[name]) for s in shelves), None)

    @cached_property
    def schema(self) -> ir.Schema:
        """What all schemas mean; a device that is on several shelves counts on the first."""
        from vmsc.schema import ir

        modules: list[ir.Module] = []
        descriptions: dict[str, ir.Description] = {}
        for shelf in reversed(self.shelves):
            schema = shelf.schema()
            modules += schema.modules
            descriptions |= schema.descriptions
        return ir.Schema(tuple(modules), descriptions)

    @cached_property
    def _handlers(self) -> Sequence[Handler]:
        """Plugins' section handlers; loaded late, as most streams need none."""
        from vmsc.hooks.host import load_host

        host = load_host(self.plugins)

        def guarded(name: str) -> Handler:
            find = host.sections[name].find

            def ask(section: str, instance: int, version: int) -> Codec | None:
                codec: Codec | None = host.call(
                    "section handler", name, lambda: find(section, instance, version)
                )
                return codec

            return ask

        return [guarded(name) for name in sorted(host.sections)]


# --- shelves --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Made:
    """What compiling gives: the index, sources by path, and what the schemas mean."""

    index: Index
    sources: dict[str, str]
    schema: ir.Schema


def _compile(paths: Sequence[Path], plugins: Sequence[str]) -> _Made:
    """Compile schemas. What they only use comes along and has no place in the index."""
    from vmsc.compiler.driver import compile_paths, generate
    from vmsc.hooks.host import load_host
    from vmsc.schema.diagnostics import Report, as_text

    host, report = load_host(plugins), Report()
    compiled = compile_paths(paths, host, report)
    artifacts = generate(compiled, host.backends["python"], host, report) if compiled else []
    if report.failed:
        raise LibraryError(as_text(report))
    assert compiled is not None
    index = Index({}, {})
    for one in compiled.program.plans.values():
        if one.module not in compiled.asked:
            continue
        place = Place(
            one.module, one.name, one.size_class, one.target, one.minimum, one.version
        )  # fmt: skip
        if one.kind == "device":
            index.devices.setdefault(one.wire, []).append(place)
        elif one.kind == "vmsd":
            index.vmsds.setdefault(one.wire, place)
    return _Made(index, {a.path: a.text for a in artifacts}, compiled.schema)


_ORIGIN = "<vmsc codecs>"  # what tracebacks show before a module's path
_UNKEPT = itertools.count()  # sets of codecs that are in memory alone


def _shelf_in_memory(made: _Made) -> Shelf:
    package = f"_vmsc_codecs_{next(_UNKEPT)}"
    install(package, Texts(made.sources, f"<{package}>"))
    return Shelf(made.index, package, lambda: made.schema)


def _ignore(reason: str) -> None:
    pass


class _Kept:
    """Codecs from the cache, which are made again where the file has been spoilt since."""

    def __init__(self, kept: KeptCodecs, again: Callable[[], _Made]) -> None:
        self._kept, self._again = kept, again

    @cached_property
    def _made(self) -> _Made:
        return self._again()

    def __contains__(self, path: str) -> bool:
        return path in self._kept

    def code(self, path: str) -> types.CodeType:
        try:
            return self._kept.code(path)
        except TornError:
            return Texts(self._made.sources, _ORIGIN).code(path)

    def text(self, path: str) -> str:
        try:
            return self._kept.text(path)
        except TornError:
            return self._made.sources[path]

    def schema(self) -> ir.Schema:
        try:
            return self._kept.schema()
        except TornError:
            return self._made.schema


def open_shelf(
    paths: Sequence[Path], plugins: Sequence[str] = (), unkept: Callable[[str], None] = _ignore
) -> Shelf:
    """The codecs of these schemas: from the cache, or compiled and kept there."""
    # A plugin that is named may be any code: nothing to make a digest of.
    digest = None if plugins else input_digest(paths)
    if digest is None:
        return _shelf_in_memory(_compile(paths, plugins))

    def make() -> _Made:
        made = _compile(paths, plugins)
        if input_digest(paths) == digest:  # nothing was changed while it was read
            try:
                keep_codecs(digest, made.index, made.sources, made.schema, _ORIGIN)
            except CacheError as fault:
                unkept(str(fault))
        return made

    kept = kept_codecs(digest)
    if kept is None:
        made = make()
        return replace(_shelf_in_memory(made), digest=digest)
    codecs, package = _Kept(kept, make), f"_vmsc_codecs_{digest}"
    install(package, codecs)
    return Shelf(kept.index, package, codecs.schema, digest)


def open_library(
    schemas: Sequence[Path] = (),
    plugins: Sequence[str] = (),
    unkept: Callable[[str], None] = _ignore,
) -> Library:
    """The codecs of the given schemas and of those that come with vmsc. `unkept` is told why what
    was compiled cannot be kept, if it cannot.

    Raises LibraryError if the schemas have errors, PluginError for a plugin's fault.
    """
    shipped = shipped_schemas()
    own = [open_shelf(schemas, plugins, unkept)] if schemas else []
    return Library([*own, open_shelf([shipped / "std", shipped / "qemu"], (), unkept)], plugins)
