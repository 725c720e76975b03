"""Where the schemas lie that come with vmsc: a room of its own, so that asking loads nothing."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

__all__ = ["shipped_schemas"]


@cache
def shipped_schemas() -> Path:
    """The folder of the schemas that come with vmsc."""
    return Path(str(files("vmsc.schemas") / "std")).parent
