"""Parameter values by section: machine files (JSON), `--param`, and what both give to a codec.

    {"vmsc-machine": 1,
     "machine": "pc-i440fx-7.2",
     "sections": [
      {"name": "ram", "params": {"page_size": 4096}},
      {"name": "0000:00:01.3/piix4_pm", "instance": 0, "params": {"ram_slots": 0}}
     ]}

An entry without `instance` is for all instances. Where a stream has several sections of one name
and instance, there are as many entries, in the stream's order; a checkpoint begins with the first
again. A set (`bits`) is a number, written "0x..." where it is long; a truth is true or false.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from vmsc import VmscError
from vmsc.json_input import JsonError, fitted, parsed
from vmsc.runtime.codec import Param
from vmsc.stream.section_names import names_of

__all__ = [
    "Given",
    "MachineError",
    "MachineFile",
    "SectionParams",
    "Settings",
    "load_machine",
    "machine_text",
    "parse_given",
    "parse_machine",
]  # fmt: skip

FORMAT = 1
MAX_SIZE = 1 << 24
_PLAIN = 1 << 53  # numbers up to here survive every reader of JSON
_GIVEN = re.compile(r"(?:(?P<glob>.+?):)?(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.DOTALL)
_TRUTHS = {"true": 1, "yes": 1, "on": 1, "false": 0, "no": 0, "off": 0}

ParamValue = int | str


def _said(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class MachineError(VmscError):
    """A machine file or setting that cannot be used; the message says where."""


@dataclass(frozen=True)
class SectionParams:
    """The parameters of sections of a name; `instance` None: whatever theirs is."""

    name: str
    instance: int | None
    params: Mapping[str, ParamValue]


@dataclass(frozen=True)
class MachineFile:
    sections: tuple[SectionParams, ...] = ()
    name: str = ""
    source: str = "machine file"


class SectionForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of the sections of one name. Where a stream has several of one name and instance,
    there are as many entries, in the stream's order.
    """

    name: Annotated[str, _said("QEMU's name, with the device's path if it has one.")]
    params: Annotated[
        dict[str, bool | int | str],
        _said('A value for each name. A number over 2^53 is written as a string, "0x...".'),
    ]
    instance: Annotated[
        Annotated[int, msgspec.Meta(ge=0)] | msgspec.UnsetType,
        _said("Whose they are; without it, those of all instances."),
    ] = msgspec.UNSET


class MachineForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters by section, as `vmsc import stream --machine` writes them and `--machine` reads
    them.
    """

    format: Annotated[Literal[1], _said("The version of this form.")] = msgspec.field(
        name="vmsc-machine"
    )
    sections: list[SectionForm]
    machine: Annotated[str, _said("The machine type, such as pc-q35-8.1.")] = ""


@dataclass(frozen=True)
class Given:
    """`--param [SECTION-GLOB:]NAME=VALUE`; without a glob it is for all that have the parameter."""

    glob: str
    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.glob}:{self.name}={self.value}" if self.glob else f"{self.name}={self.value}"

    def matches(self, section: str) -> bool:
        """Whether it is for this section: its full name, or what follows its path."""
        return not self.glob or any(fnmatchcase(name, self.glob) for name in names_of(section))


# --- machine files --------------------------------------------------------------------------------


def load_machine(path: Path) -> MachineFile:
    """Read a machine file. Raises MachineError, and OSError."""
    if path.stat().st_size > MAX_SIZE:
        raise MachineError(f"{path}: a machine file of over {MAX_SIZE} bytes")
    return parse_machine(path.read_bytes(), str(path))


def parse_machine(text: bytes, source: str = "machine file") -> MachineFile:
    """The machine of a file's text. Raises MachineError."""
    try:
        top = parsed(text)
        if not isinstance(top, dict) or "vmsc-machine" not in top:
            raise JsonError("not a machine file: it has no 'vmsc-machine'")
        if top["vmsc-machine"] != FORMAT:  # another may have other keys
            found = json.dumps(top["vmsc-machine"])[:40]
            raise JsonError(f"a machine file of format {found}; vmsc reads format {FORMAT}")
        form = fitted(top, MachineForm)
    except JsonError as fault:
        raise MachineError(f"{source}: {fault}") from None
    return MachineFile(tuple(map(_section, form.sections)), form.machine, source)


def _section(form: SectionForm) -> SectionParams:
    instance = None if form.instance is msgspec.UNSET else form.instance
    return SectionParams(form.name, instance, form.params)


def machine_text(machine: MachineFile) -> str:
    """The file's text, a line a section."""
    head = {"vmsc-machine": FORMAT, "machine": machine.name}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items() if value]
    sections = ",\n".join(f"  {json.dumps(_plain(s))}" for s in machine.sections)
    lines.append(f'"sections": [\n{sections}\n ]}}' if sections else '"sections": []}')
    return "{" + "\n ".join(lines) + "\n"


def _plain(section: SectionParams) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": section.name}
    if section.instance is not None:
        entry["instance"] = section.instance
    entry["params"] = {
        name: hex(value) if isinstance(value, int) and value >= _PLAIN else value
        for name, value in section.params.items()
    }
    return entry


# --- settings -------------------------------------------------------------------------------------


def parse_given(text: str) -> Given:
    """One `--param`. Raises MachineError."""
    match = _GIVEN.fullmatch(text)
    if match is None:
        raise MachineError(f"--param '{text}' is not [SECTION-GLOB:]NAME=VALUE")
    return Given(match["glob"] or "", match["name"], match["value"])


@dataclass(frozen=True)
class Settings:
    """All values of a run: `given` ones count before the machine's, later ones before earlier."""

    machine: MachineFile = field(default_factory=MachineFile)
    given: tuple[Given, ...] = ()

    def params_for(
        self, name: str, instance: int, occurrence: int, params: Iterable[Param]
    ) -> dict[str, ParamValue]:
        """The values for the section that is the `occurrence`th (from 0) of its name and instance.

        Raises MachineError for a value that its parameter cannot have.
        """
        wanted = {p.name: p for p in params if not p.sticky}
        values: dict[str, ParamValue] = {}
        entry = self._entry(name, instance, occurrence)
        # A description without any parameter is another one than the file was written for, such as
        # an imported one: it is let be.
        if entry is not None and wanted:
            place = f"{self.machine.source}: section '{name}'"
            for key, value in entry.params.items():
                if key not in wanted:
                    raise MachineError(f"{place} has no parameter '{key}'{_known(key, wanted)}")
                values[key] = _fit(value, wanted[key], place)
        for each in self.given:
            if each.name in wanted and each.matches(name):
                place = f"--param {each.name}={each.value}"
                values[each.name] = _fit(each.value, wanted[each.name], place)
        return values

    def _entry(self, name: str, instance: int, occurrence: int) -> SectionParams | None:
        own = [s for s in self.machine.sections if s.name == name]
        for wanted in (instance, None):
            found = [s for s in own if s.instance == wanted]
            if found:
                return found[occurrence % len(found)]
        return None


def _known(name: str, wanted: Mapping[str, Param]) -> str:
    import difflib

    near = difflib.get_close_matches(name, sorted(wanted), n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; it has {', '.join(sorted(wanted))}" if wanted else ""


def _fit(value: ParamValue, param: Param, place: str) -> ParamValue:
    """The value as the parameter takes it."""
    if param.kind == "words":
        if value not in param.words:
            wanted = ", ".join(f"'{word}'" for word in param.words)
            raise MachineError(f"{place}: '{param.name}' is one of {wanted}, not {value!r}")
        return value
    number = _number(value)
    if number is None:
        raise MachineError(f"{place}: '{param.name}' is a number, not {value!r}")
    if not param.low <= number <= param.high:
        bounds = f"its bounds are {param.low} to {_short(param.high)}"
        raise MachineError(f"{place}: '{param.name}' is {_short(number)}; {bounds}")
    return number


def _short(number: int) -> str:
    return str(number) if number < _PLAIN else hex(number)


def _number(value: ParamValue) -> int | None:
    if isinstance(value, int):
        return int(value)
    text = value.strip().lower()
    if text in _TRUTHS:
        return _TRUTHS[text]
    try:
        return int(text, 0)
    except ValueError:
        return None
