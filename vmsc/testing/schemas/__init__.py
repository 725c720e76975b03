"""Schemas drawn at random: valid text over the whole language of docs/language.md."""

from __future__ import annotations

from vmsc.testing.schemas.files import Texts, draw_schema, seeded_schema

__all__ = ["Texts", "draw_schema", "seeded_schema"]
