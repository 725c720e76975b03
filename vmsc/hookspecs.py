"""The old name of `vmsc.hooks.specs`, for plugins that were written against it."""

from __future__ import annotations

from vmsc.hooks.specs import (
    PROJECT,
    hook,
    spec,
)

__all__ = [
    "PROJECT", "hook", "spec",
]  # fmt: skip
