"""The host: finds plugins, asks each hook once, and keeps what they add, by name and with its giver.

The built-in backends come in by the same door: entry points of the group `vmsc.plugins`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from vmsc import hookspecs
from vmsc.backend import Backend, Check, Importer, SectionHandler, Transform, WireType

__all__ = ["Host", "Plugin", "PluginError", "load_host"]

GROUP = "vmsc.plugins"

_T = TypeVar("_T")


class PluginError(Exception):
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
            message = f"plugin '{giver}': its {kind} '{name}' raised {type(fault).__name__}: {fault}"
            raise PluginError(message) from fault


_HOOKS: dict[str, tuple[str, type]] = {
    "vmsc_backends": ("backend", Backend),
    "vmsc_types": ("type", WireType),
    "vmsc_transforms": ("transform", Transform),
    "vmsc_sections": ("section handler", SectionHandler),
    "vmsc_checks": ("check", Check),
    "vmsc_importers": ("importer", Importer),
}


def _module_from_file(path: Path) -> ModuleType:
    """Import a file as a module of its own name, so that generated code can import it again."""
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin '{path}': not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
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


def _register(manager: pluggy.PluginManager, named: Sequence[str]) -> dict[str, str]:
    """Register entry points and the named plugins; their origins by plugin name."""
    origins: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            module = entry.load()
        except Exception as fault:
            message = f"plugin '{entry.name}' ({entry.value}) cannot be loaded: {fault}"
            raise PluginError(message) from fault
        dist = entry.dist
        where = f"{dist.name} {dist.version}" if dist else entry.value
        if not manager.is_registered(module):
            manager.register(module, entry.name)
            origins[entry.name] = where
    for name in named:
        module = _load(name)
        if not manager.is_registered(module):
            own = module.__name__
            if manager.has_plugin(own):
                raise PluginError(f"two plugins are called '{own}'; the second is {name}")
            manager.register(module, own)
            origins[own] = _origin(module)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as fault:
        raise PluginError(f"{fault}; the hooks are {', '.join(_HOOKS)}") from fault
    return origins


def _check_names(manager: pluggy.PluginManager) -> None:
    """A function called vmsc_something that no hook is called is a misspelling."""
    for name, module in manager.list_name_plugin():
        for attribute in vars(module) if isinstance(module, ModuleType) else ():
            if attribute.startswith("vmsc_") and attribute not in _HOOKS:
                known = ", ".join(_HOOKS)
                raise PluginError(f"plugin '{name}': no hook '{attribute}'; the hooks are {known}")


def load_host(named: Sequence[str] = ()) -> Host:
    """All plugins that are installed, and those that are named (a file or a module). Raises PluginError."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    origins = _register(manager, named)
    _check_names(manager)
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
    return Host(plugins, *(found[hook] for hook in _HOOKS), givers)


def _ask(call: Any, hook: str, record: type) -> list[Any]:
    try:
        given = list(call.function())
    except Exception as fault:
        message = f"plugin '{call.plugin_name}': {hook} raised {type(fault).__name__}: {fault}"
        raise PluginError(message) from fault
    for each in given:
        if not isinstance(each, record):
            message = f"plugin '{call.plugin_name}': {hook} gave {each!r}, not a {record.__name__}"
            raise PluginError(message)
    return given
