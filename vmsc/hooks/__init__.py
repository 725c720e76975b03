"""What a plugin's author imports: the records that hooks give, and the mark `hook`."""

from __future__ import annotations

from vmsc.hooks.records import (
    Artifact,
    Backend,
    BackendError,
    BackendInput,
    Check,
    Importer,
    ImporterError,
    Option,
    PythonName,
    SectionHandler,
    Transform,
    WireType,
)
from vmsc.hooks.specs import (
    hook,
)

__all__ = [
    "Artifact",
    "Backend",
    "BackendError",
    "BackendInput",
    "Check",
    "Importer",
    "ImporterError",
    "Option",
    "PythonName",
    "SectionHandler",
    "Transform",
    "WireType",
    "hook",
]  # fmt: skip
