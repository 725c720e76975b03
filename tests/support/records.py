"""QEMU's JSON description of a stream, put together from what it writes for each field."""

from __future__ import annotations

__all__ = ["array", "body", "description", "device", "field", "struct"]


def field(name: str, type_: str, size: int, more: str = "") -> str:
    return f'{{"name": "{name}", {more}"type": "{type_}", "size": {size}}}'


def array(name: str, type_: str, size: int, count: int) -> str:
    """A field of `count` elements, of which QEMU looked at the first."""
    return field(name, type_, size, f'"array_len": {count}, ')


def struct(name: str, size: int, inner: str, more: str = "") -> str:
    """A field that has a nested description, `inner`."""
    head = f'{{"name": "{name}", {more}"type": "struct"'
    return f'{head}, "struct": {{{inner}}}, "size": {size}}}'


def body(vmsd: str, *fields: str, version: int = 1, subsections: str = "") -> str:
    """What one VMStateDescription wrote."""
    rest = f', "subsections": [{subsections}]' if subsections else ""
    return f'"vmsd_name": "{vmsd}", "version": {version}, "fields": [{", ".join(fields)}]{rest}'


def device(name: str, inner: str, instance: int = 0) -> str:
    return f'{{"name": "{name}", "instance_id": {instance}, {inner}}}'


def description(*devices: str) -> bytes:
    return f'{{"page_size": 4096, "devices": [{", ".join(devices)}]}}'.encode()
