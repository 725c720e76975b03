"""Where the schemas lie that come with vmsc: a module of its own, so that asking loads nothing."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["shipped_schemas"]


@cache
def shipped_schemas() -> Path:
    """The folder of the schemas that come with vmsc."""
    spec = find_spec("vmsc.schemas")
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))
