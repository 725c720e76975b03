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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vmsc import VmscError
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
        top = json.loads(text.decode())
    except RecursionError:
        raise MachineError(f"{source}: it nests too deep") from None
    except ValueError as fault:
        raise MachineError(f"{source}: no JSON: {fault}") from None
    if not isinstance(top, dict) or "vmsc-machine" not in top:
        raise MachineError(f"{source}: no machine file: it has no 'vmsc-machine'")
    if top["vmsc-machine"] != FORMAT:
        found = json.dumps(top["vmsc-machine"])[:40]
        raise MachineError(f"{source}: format {FORMAT} expected, found {found}")
    _only(top, ("vmsc-machine", "machine", "sections"), source)
    name = _typed(top, "machine", str, f"{source}:", "")
    sections = _typed(top, "sections", list, f"{source}:", None)
    read = (_section(each, f"{source}: sections[{i}]") for i, each in enumerate(sections))
    return MachineFile(tuple(read), name, source)


def _only(found: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    for key in found:
        if key not in known:
            raise MachineError(f"{place}: unknown key '{key}'; there are {', '.join(known)}")


def _typed(found: Mapping[str, Any], key: str, kind: type, place: str, default: Any) -> Any:
    value = found.get(key, default)
    if value is None:
        raise MachineError(f"{place} no '{key}'")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        what = {str: "a string", list: "an array", dict: "an object", int: "a number"}[kind]
        shown = json.dumps(value)[:40]
        raise MachineError(f"{place} '{key}': {what} expected, found {shown}")
    return value


def _section(found: object, place: str) -> SectionParams:
    if not isinstance(found, dict):
        raise MachineError(f"{place}: an object expected, found {json.dumps(found)[:40]}")
    _only(found, ("name", "instance", "params"), place)
    name = _typed(found, "name", str, f"{place}:", None)
    instance = _typed(found, "instance", int, f"{place}:", 0) if "instance" in found else None
    params = _typed(found, "params", dict, f"{place}:", None)
    for key, value in params.items():
        if not isinstance(value, int | str):
            shown = json.dumps(value)[:40]
            raise MachineError(f"{place}: '{key}': a number or a word expected, found {shown}")
    return SectionParams(name, instance, params)


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
