"""Syntax to ir: every name resolved, every expression bounded; then the rules over a schema."""
