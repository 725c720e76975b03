"""Streams read and written by schema: entries, their values, and what they become."""
