"""Syntax to ir: every name resolved, every expression bounded; then the rules over a schema."""

from __future__ import annotations

from vmsc.schema.resolve.checks import check
from vmsc.schema.resolve.resolver import resolve

__all__ = ["check", "resolve"]
