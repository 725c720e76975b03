"""The binder: a section's header -> its codec and parameters, and so its payload's end.

What is known on the way through one stream: the configuration, how often each name came, the
sticky state of each section id. For whole files and for bytes that are still arriving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vmsc.compiler.library import Library
from vmsc.inspect.entry import Entry, Occurrences, ParameterSource, located
from vmsc.inspect.values import stickies
from vmsc.params.by_length import open_params, tried
from vmsc.params.device_path import Earlier, placed
from vmsc.runtime.codec import Buffer, Codec, Param
from vmsc.runtime.errors import DecodeError, ParamError, Truncated
from vmsc.runtime.framed.context import Started
from vmsc.runtime.notes import Notes
from vmsc.stream.configuration import read_configuration
from vmsc.stream.events import RAM, Configuration, Event, Pages, Section, footer
from vmsc.stream.primitives import encode_name
from vmsc.stream.ram import Page, RamFormat, ram_measure
from vmsc.stream.section_names import unknown_section
from vmsc.stream.state import Measure, Paused, SectionHeader
from vmsc.stream.targets import target_of

__all__ = ["SectionBinder", "Unsettled", "ram_form", "section_key"]

_EOS = (0x10).to_bytes(8, "big")

Bound = tuple[Codec | None, dict[str, Any]]


def ram_form(params: Mapping[str, Any]) -> RamFormat:
    """What the parameters of RAM's codec say of its sections."""
    mapped, shared = bool(params.get("mapped_ram")), bool(params.get("ignore_shared"))
    return RamFormat(int(params.get("page_size", 4096)), shared, mapped=mapped)


class Unsettled(Exception):
    """What a section needs is not known yet, and the JSON description may still tell."""

    def __init__(self, header: SectionHeader, wanted: tuple[str, ...]) -> None:
        super().__init__(header.name)
        self.header = header
        self.wanted = wanted  # parameters; none where the section has no description


Key = tuple[int, str, int, int]


def section_key(of: SectionHeader | Section | Pages | Started) -> Key:
    """What parts of one section have in common. QEMU gives no id twice, and loads a stream that
    does: it finds a device by its name (migration/savevm.c, qemu_loadvm_section_start_full).
    """
    return of.id, of.name, of.instance, of.version


@dataclass
class SectionBinder:
    library: Library
    answers: ParameterSource
    codecs: dict[Key, Bound] = field(default_factory=dict)
    occurrences: Occurrences = field(default_factory=Occurrences)
    sticky: dict[Key, dict[str, Any]] = field(default_factory=dict)
    shared: bool = False
    mapped: bool = False
    page_size: int = 4096  # QEMU says another one in the configuration
    machine: str = ""
    quick: bool = False  # lengths may be those that are recorded; no codec is loaded for them
    names: set[tuple[int, str]] = field(default_factory=set)  # ids and names so far
    earlier: Earlier = field(default_factory=Earlier)  # the same names, by place
    passed: dict[Key, str] = field(default_factory=dict)  # size classes
    block: str | None = None  # that RAM's pages named last
    encodings: int = 0  # RAM's pages', beyond plain and zero ones

    @property
    def _target(self) -> str:
        return self.answers.target or target_of(self.machine)

    def _bound(self, header: SectionHeader | Section | Pages) -> Bound:
        """The codec and parameters of a section, found once for all its parts."""
        key = section_key(header)
        if key in self.codecs:
            return self.codecs[key]
        name, instance = header.name, header.instance
        codec = self.library.device(name, instance, header.version, self._target)
        params: dict[str, Any] = {}
        if codec is not None:
            wanted = [p for p in codec.params if not p.sticky]
            params = self._answered(header, wanted)
            for param in wanted:
                word = placed(param.places, name, codec.name, self.earlier)
                if word is not None:
                    params.setdefault(param.name, word)
            missing = tuple(p.name for p in wanted if p.name not in params)
            if missing and not self.answers.complete:
                assert isinstance(header, SectionHeader)
                raise Unsettled(header, missing)
        self.codecs[key] = codec, params
        return codec, params

    def _answered(
        self, header: SectionHeader | Section | Pages, wanted: list[Param]
    ) -> dict[str, Any]:
        at = self.occurrences.of(header.name, header.instance, header.id)
        params = dict(self.answers.params_for(header.name, header.instance, at, wanted))
        if any(p.name == "page_size" for p in wanted):
            params.setdefault("page_size", self.page_size)
        if any(p.name == "ignore_shared" for p in wanted):
            params.setdefault("ignore_shared", int(self.shared))
        if any(p.name == "mapped_ram" for p in wanted):
            params.setdefault("mapped_ram", int(self.mapped))
        return params

    def measure(self, header: SectionHeader, buf: Buffer, pos: int, final: bool) -> int:
        """The payload's end; a `Measure`."""
        if (header.id, header.name) not in self.names:
            self.names.add((header.id, header.name))
            self.earlier.add(header.name)
        if self.quick and header.name == RAM:
            self._pass(header)
            page_size = self.answers.page_size or self.page_size
            form = RamFormat(page_size, self.shared, mapped=self.mapped)
            return ram_measure(form)(header, buf, pos, final)
        if self.quick and (end := self._recorded(header, buf, pos)) is not None:
            self._pass(header)
            return end
        codec, params = self._bound(header)
        if codec is None:
            return self._undescribed(header, buf, pos)
        if header.name == RAM:
            return self._ram(params)(header, buf, pos, final)
        if open_params(codec.params, params):
            self._try(codec, header, buf, pos, params)
        notes = Notes(pos, header.notes)
        try:
            return _scanned(codec, buf, pos, notes, version=header.version, final=final, **params)
        except ParamError as fault:
            numbers = (header.kind, header.id, header.name, header.instance, header.version)
            raise located(fault, Section(0, *numbers, 0, 0, False)) from None
        except DecodeError as fault:
            if final:  # a scan passes over fields without knowing their names
                codec.qemu.decode_from(buf, pos, version=header.version, **params)
            elif isinstance(fault, Truncated) and notes.fresh:
                raise Paused(
                    fault.need, offset=fault.offset, path=fault.path, notes=notes.fresh
                ) from None
            raise

    def _ram(self, params: Mapping[str, Any]) -> Measure:
        """RAM has a reader of its own, which steps over pages without looking at them."""

        def told(page: Page) -> None:
            self.encodings |= page.flag
            if page.block is not None:
                self.block = page.block

        return ram_measure(ram_form(params), told)

    def _try(
        self, codec: Codec, header: SectionHeader, buf: Buffer, pos: int, params: dict[str, Any]
    ) -> None:
        """Find what nothing gives of the parameters, if the section's length is recorded."""
        at = self.occurrences.of(header.name, header.instance, header.id)
        size = self.answers.recorded_size(header.name, header.instance, at)
        if size is None or pos + size > len(buf):
            return

        def scan(values: Mapping[str, Any]) -> int:
            return codec.qemu.scan(buf, pos, version=header.version, **params, **values)

        params.update(tried(open_params(codec.params, params), scan, pos + size))

    def granted(self, fault: DecodeError) -> DecodeError:
        """The error; within a section, with what was taken for granted in reading it."""
        if not self.codecs or fault.section != list(self.codecs)[-1][1]:
            return fault
        codec, params = list(self.codecs.values())[-1]
        taken = [p for p in codec.params if not p.sticky] if codec is not None else []
        said = [f"'{p.name}' = {p.default}" for p in taken
                if isinstance(p.default, int | str) and p.name not in params]  # fmt: skip
        if said:
            way = f"if that is wrong, give it with --param '{fault.section}:NAME=VALUE'"
            fault.message += f"; taken for granted: {', '.join(said)}; {way}"
        return fault

    def _recorded(self, header: SectionHeader, buf: Buffer, pos: int) -> int | None:
        """The end as the JSON description has it, if the footer stands there."""
        at = self.occurrences.of(header.name, header.instance, header.id)
        size = self.answers.recorded_size(header.name, header.instance, at)
        if size is None or bytes(buf[pos + size : pos + size + 5]) != footer(header.id):
            return None
        return pos + size

    def _pass(self, header: SectionHeader) -> None:
        """Note that no codec is needed for this section; its size class is known without."""
        known = self.library.size_class(header.name, header.version, self._target)
        self.passed[section_key(header)] = known or ""

    def _undescribed(self, header: SectionHeader, buf: Buffer, pos: int) -> int:
        """The end of what no schema describes, as the JSON description has it."""
        at = self.occurrences.of(header.name, header.instance, header.id)
        size = self.answers.recorded_size(header.name, header.instance, at)
        if size is None:
            if not self.answers.complete:
                raise Unsettled(header, ())
            raise unknown_section(header, pos)
        if pos + size > len(buf):
            raise Truncated(pos + size - len(buf), offset=len(buf))
        return pos + size

    def entry(self, event: Event, payload: Buffer, *, deep: bool) -> Entry:
        """The event's entry. `deep`: values will be asked for, so sticky state is followed.

        `payload` is the section's, or what of it was not given out as pages.
        """
        match event:
            case Configuration():
                machine = read_configuration(event.body)[0]
                self.shared = "x-ignore-shared" in machine.capabilities
                self.mapped = "mapped-ram" in machine.capabilities
                bits = machine.page_bits
                self.page_size = 4096 if bits is None else 1 << min(bits, 32)  # RAM refuses it
                self.machine = machine.name
                codec = None if self.quick else self.library.vmsd("configuration")
                return Entry(event, event.body, codec)
            case Section() | Pages() if (key := section_key(event)) in self.passed:
                return Entry(event, payload, known=self.passed[key])
            case Section() | Pages():
                codec, params = self._bound(event)
                if isinstance(event, Pages) and codec is not None:
                    payload = bytes(payload) + _EOS
                kept = self.sticky.get(section_key(event), {})
                found = Entry(event, payload, codec, {**params, **kept})
                if deep and codec is not None and any(p.sticky for p in codec.params):
                    self._remember(event, codec, found)
                return found
            case _:
                return Entry(event)

    def _remember(self, event: Section | Pages, codec: Codec, entry: Entry) -> None:
        """Keep the sticky state that a section leaves to the next part of its kind."""
        kept = self.sticky.setdefault(section_key(event), {})
        if event.name != RAM:
            kept.update(stickies(codec, entry.value()))
        elif self.block is not None:
            kept["block"] = encode_name(self.block)


def _scanned(codec: Codec, buf: Buffer, pos: int, notes: Notes, **given: Any) -> int:
    """The payload's end; where the codec takes notes, from them on."""
    if codec.notes:
        given["notes"] = notes
    return codec.qemu.scan(buf, pos, **given)
