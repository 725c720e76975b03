"""Schemas: from text to meaning."""
