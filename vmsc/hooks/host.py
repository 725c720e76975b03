"""The host: finds plugins, asks each hook once, keeps what they add by name and with its giver.

The built-in backends come in by the same door: entry points of the group `vmsc.plugins`.
"""

from __future__ import annotations

import importlib
import importlib.util
import keyword
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from inspect import isfunction
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from vmsc import VmscError
from vmsc.hooks import specs
from vmsc.hooks.records import (
    Backend,
    Check,
    Importer,
    PythonName,
    SectionHandler,
    Transform,
    WireType,
)
from vmsc.schema.ir import SCALARS

__all__ = ["Host", "Plugin", "PluginError", "load_host"]

GROUP = "vmsc.plugins"

_T = TypeVar("_T")

_HOME = Path(__file__).resolve().parents[1]


class PluginError(VmscError):
    """A fault of a plugin, which it names: it cannot be loaded, clashes with another, or raised."""


@dataclass(frozen=True)
class Plugin:
    """`origin`: where it comes from; `adds`: what it adds, a line each."""

    name: str
    origin: str
    adds: tuple[str, ...]


@dataclass(frozen=True)
class Host:
    """What all plugins add, by name."""

    plugins: tuple[Plugin, ...]
    backends: Mapping[str, Backend]
    types: Mapping[str, WireType]
    transforms: Mapping[str, Transform]
    sections: Mapping[str, SectionHandler]
    checks: Mapping[str, Check]
    importers: Mapping[str, Importer]
    givers: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def call(self, kind: str, name: str, function: Callable[[], _T]) -> _T:
        """Run a plugin's function; what it raises by mistake is laid at its door."""
        try:
            return function()
        except PluginError:
            raise
        except Exception as fault:
            giver = self.givers.get((kind, name), "?")
            raised = f"{type(fault).__name__}: {fault} ({_place(fault)})"
            message = f"plugin '{giver}': its {kind} '{name}' raised {raised}"
            raise PluginError(message) from fault


_HOOKS: dict[str, tuple[str, type]] = {
    "vmsc_backends": ("backend", Backend),
    "vmsc_types": ("type", WireType),
    "vmsc_transforms": ("transform", Transform),
    "vmsc_sections": ("section handler", SectionHandler),
    "vmsc_checks": ("check", Check),
    "vmsc_importers": ("importer", Importer),
}


def _place(fault: Exception) -> str:
    """The plugin's line: the last of the traceback that is not vmsc's own, where it calls us."""
    frames = traceback.extract_tb(fault.__traceback__)
    theirs = [f for f in frames if not Path(f.filename).is_relative_to(_HOME)]
    last = (theirs or frames)[-1]
    return f"{last.filename}:{last.lineno}"


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _taken(name: str, path: Path) -> str | None:
    """Where another module of this name comes from, or None."""
    module = sys.modules.get(name)
    origin: str | None
    if module is not None:
        origin = getattr(module, "__file__", None)
    else:
        found = importlib.util.find_spec(name)
        if found is None:
            return None
        origin = found.origin
    if origin is not None and Path(origin).exists() and Path(origin).samefile(path):
        return None
    return origin or "built in"


def _module_from_file(path: Path) -> ModuleType:
    """Import a file as a module of its own name, so that generated code can import it again."""
    name = path.stem
    if not _is_name(name):
        raise PluginError(f"plugin '{path}': '{name}' is no module name: rename the file")
    origin = _taken(name, path)
    if origin is not None:
        message = f"plugin '{path}': there is another module '{name}' ({origin}): rename the file"
        raise PluginError(message)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin '{path}': not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load(named: str) -> ModuleType:
    path = Path(named)
    try:
        if named.endswith(".py") or path.is_file():
            if not path.is_file():
                raise PluginError(f"plugin '{named}': no such file")
            return _module_from_file(path)
        return importlib.import_module(named)
    except PluginError:
        raise
    except Exception as fault:
        message = f"plugin '{named}' cannot be loaded: {type(fault).__name__}: {fault}"
        raise PluginError(message) from fault


def _origin(module: Any) -> str:
    return str(getattr(module, "__file__", None) or getattr(module, "__name__", "?"))


def _add(
    manager: pluggy.PluginManager,
    origins: dict[str, str],
    module: ModuleType,
    name: str,
    where: str,
) -> None:
    """Register a plugin, once. Raises PluginError for a name that another has."""
    if manager.is_registered(module):
        return
    if name in origins:
        message = f"two plugins are called '{name}': one of {origins[name]}, one of {where}"
        raise PluginError(message)
    try:
        manager.register(module, name)
    except pluggy.PluginValidationError as fault:
        raise PluginError(f"plugin '{name}' ({where}): {_flat(fault)}") from fault
    origins[name] = where


def _flat(fault: Exception) -> str:
    """An error's message on one line."""
    return " ".join(str(fault).split())


def _entry_order(entry: EntryPoint) -> tuple[str, str, str]:
    return entry.name, entry.dist.name if entry.dist else "", entry.value


def _entry(entry: EntryPoint) -> tuple[ModuleType, str]:
    """An installed plugin, and where it comes from."""
    dist = entry.dist
    where = f"{dist.name} {dist.version}" if dist else entry.value
    try:
        return entry.load(), where
    except Exception as fault:
        message = f"cannot be loaded: {type(fault).__name__}: {fault}"
        raise PluginError(f"plugin '{entry.name}' ({where}, {entry.value}) {message}") from fault


def _register(manager: pluggy.PluginManager, named: Sequence[str]) -> dict[str, str]:
    """Register entry points and the named plugins; their origins by plugin name."""
    origins: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=_entry_order):
        module, where = _entry(entry)
        _add(manager, origins, module, entry.name, where)
    for name in named:
        module = _load(name)
        where = name if Path(name).is_file() else _origin(module)
        _add(manager, origins, module, module.__name__, where)
    return origins


def _check_hooks(manager: pluggy.PluginManager) -> None:
    """A function called vmsc_something is a hook: not a misspelt one, and marked as one."""
    known = ", ".join(_HOOKS)
    for name, module in manager.list_name_plugin():
        for attribute, value in vars(module).items():
            if not attribute.startswith("vmsc_") or not isfunction(value):
                continue
            if attribute not in _HOOKS:
                raise PluginError(f"plugin '{name}': no hook '{attribute}'; the hooks are {known}")
            if not hasattr(value, f"{specs.PROJECT}_impl"):
                raise PluginError(f"plugin '{name}': '{attribute}' lacks @vmsc.hooks.hook")
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as fault:
        raise PluginError(f"{_flat(fault)}; the hooks are {known}") from fault


def load_host(named: Sequence[str] = ()) -> Host:
    """All plugins that are installed, and those that are named (a file or a module).

    Raises PluginError.
    """
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    origins = _register(manager, named)
    _check_hooks(manager)
    found: dict[str, dict[str, Any]] = {hook: {} for hook in _HOOKS}
    givers: dict[tuple[str, str], str] = {}
    adds: dict[str, list[str]] = {name: [] for name in origins}
    for hook, (kind, record) in _HOOKS.items():
        for call in getattr(manager.hook, hook).get_hookimpls():
            for each in _ask(call, hook, record):
                giver = givers.setdefault((kind, each.name), call.plugin_name)
                if each.name in found[hook]:
                    message = f"plugins '{giver}' and '{call.plugin_name}' both bring the"
                    raise PluginError(f"{message} {kind} '{each.name}'")
                found[hook][each.name] = each
                adds[call.plugin_name].append(f"{kind} {each.name}: {each.summary}")
    plugins = tuple(Plugin(name, origins[name], tuple(adds[name])) for name in sorted(origins))
    return Host(
        plugins,
        backends=found["vmsc_backends"],
        types=found["vmsc_types"],
        transforms=found["vmsc_transforms"],
        sections=found["vmsc_sections"],
        checks=found["vmsc_checks"],
        importers=found["vmsc_importers"],
        givers=givers,
    )


def _ask(call: Any, hook: str, record: type[Any]) -> list[Any]:
    plugin = call.plugin_name
    try:
        given = list(call.function())
    except Exception as fault:
        raised = f"{type(fault).__name__}: {fault} ({_place(fault)})"
        message = f"plugin '{plugin}': {hook} raised {raised}"
        raise PluginError(message) from fault
    for each in given:
        if not isinstance(each, record):
            message = f"plugin '{plugin}': {hook} gave {each!r}, not a {record.__name__}"
            raise PluginError(message)
        fault_found = _unfit(each)
        if fault_found:
            kind = _HOOKS[hook][0]
            raise PluginError(f"plugin '{plugin}': its {kind} '{each.name}' {fault_found}")
    return given


# Words that stand before a type or are one; a wire type of such a name could never be named.
_WORDS = frozenset({*SCALARS, "bytes", "bitmap", "string8", "string32"})
_FUNCTIONS = frozenset({"decode", "encode", "type"})


def _unfit(each: Any) -> str:
    """What is wrong with a record ("" if nothing): its name, and the functions that it names."""
    match each:
        case WireType(name=name, python=python):
            if set(python) != _FUNCTIONS:
                wanted = ", ".join(sorted(_FUNCTIONS))
                return f"has {', '.join(sorted(python)) or 'nothing'} for Python, not {wanted}"
            functions: dict[str, PythonName] = dict(python)
        case Transform(name=name):
            functions = {"to_value": each.to_value, "to_wire": each.to_wire}
            functions |= {} if each.type is None else {"type": each.type}
        case _:
            good = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", str(each.name))
            return "" if good else "has a name that is not of letters, digits, '-', '_' and '.'"
    if not (name.isascii() and name.isidentifier()):
        return "has a name that the language cannot write: letters, digits and '_' alone"
    if name in _WORDS:
        return "has the name of one of the language's own types"
    return next((f for use, at in functions.items() if (f := _missing(use, at))), "")


def _missing(use: str, at: PythonName) -> str:
    """What is wrong with the name of a function ("" if nothing): generated code will import it."""
    spelt = f"{at.module}.{at.function}"
    if not all(map(_is_name, spelt.split("."))):
        return f"names '{spelt}' for {use}, which no import can reach"
    try:
        module = importlib.import_module(at.module)
    except Exception as fault:
        return f"names '{spelt}' for {use}: {type(fault).__name__}: {fault}"
    return "" if hasattr(module, at.function) else f"names '{spelt}' for {use}, which is not there"
