"""Every exception that a caller may see has one base, `vmsc.VmscError`."""

from __future__ import annotations

import importlib
import pkgutil

import vmsc
from vmsc import VmscError

# Raised and caught within vmsc: they carry control from one function to another.
INTERNAL = {"Full", "Stop", "Unsettled"}


def exceptions() -> dict[str, type[Exception]]:
    """The exception classes that modules of vmsc define, by name. Those of vmsc.testing are not
    among them: they are verdicts on what is tested.
    """
    found = {}
    for module in pkgutil.walk_packages(vmsc.__path__[:1], "vmsc."):
        if module.name.startswith("vmsc.testing"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            own = isinstance(value, type) and value.__module__.startswith("vmsc.")
            if own and issubclass(value, Exception) and not name.startswith("_"):
                found[name] = value
    return found


def test_every_exception_that_a_caller_may_see_is_a_vmsc_error() -> None:
    found = exceptions()
    assert {"DecodeError", "PluginError", "MachineError", "LibraryError", *INTERNAL} <= set(found)
    strays = {name for name, one in found.items() if not issubclass(one, VmscError)}
    assert strays == INTERNAL
