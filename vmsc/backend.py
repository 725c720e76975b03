"""The old name of `vmsc.hooks`, for plugins that were written against it."""

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

Context = BackendInput

__all__ = [
    "Artifact", "Backend", "BackendError", "Check", "Context", "Importer", "ImporterError",
    "Option", "PythonName", "SectionHandler", "Transform", "WireType",
]  # fmt: skip
