"""The JSON Schemas that docs/ publishes, made from the structs that vmsc reads with."""

from __future__ import annotations

from typing import Any

import msgspec

from vmsc.inspect import json_parts
from vmsc.params.machine_file import MachineForm

__all__ = ["published_schemas"]


def published_schemas() -> dict[str, dict[str, Any]]:
    """Each schema, by the name of its file."""
    return {
        "decode.schema.json": _schema(json_parts.Document),
        "machine.schema.json": _schema(MachineForm),
    }


def _schema(type_: type[msgspec.Struct]) -> dict[str, Any]:
    made = msgspec.json.schema(type_)
    for name, definition in made["$defs"].items():
        definition.pop("title")
        for names in _one_of(name):
            definition["oneOf"] = [{"required": [each]} for each in names]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_with_values(made)}


def _one_of(name: str) -> list[tuple[str, ...]]:
    """What the struct of this name has one of, at most one such list."""
    part = getattr(json_parts, name, object)
    return [names for kind, names in json_parts.ONE_OF.items() if issubclass(part, kind)]


def _with_values(made: dict[str, Any]) -> dict[str, Any]:
    """The same, where a description's value is said once."""
    for definition in list(made["$defs"].values()):
        properties = definition["properties"]
        if "array" in properties.get("value", {}).get("type", ""):
            made["$defs"]["Value"] = properties["value"]
            properties["value"] = {"$ref": "#/$defs/Value"}
    return made
