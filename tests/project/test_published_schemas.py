"""The published JSON Schemas are made from the structs that vmsc reads with, and refuse the same.

`pytest --update tests/project/test_published_schemas.py` writes docs/*.schema.json anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from vmsc.inspect.json_parts import read_document, read_part
from vmsc.inspect.json_schemas import published_schemas
from vmsc.json_input import JsonError
from vmsc.params.machine_file import MachineError, parse_machine

ROOT = Path(__file__).parents[2]
SECTION = {"part": "full", "id": 1, "name": "a", "instance": 0, "version": 1, "footer": True}


@pytest.mark.parametrize("name", published_schemas())
def test_a_published_schema_is_up_to_date(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(ROOT / "docs" / name, json.dumps(published_schemas()[name], indent=2) + "\n")


def test_no_other_schema_is_published() -> None:
    assert {p.name for p in (ROOT / "docs").glob("*.schema.json")} == set(published_schemas())


def taken(name: str, value: Any) -> bool:
    """Whether vmsc takes the document or machine file."""
    text = msgspec.json.encode(value)
    try:
        if name == "machine.schema.json":
            parse_machine(text)
        else:
            for part in read_document(text).parts:
                read_part(part)
    except (JsonError, MachineError):
        return False
    return True


def document(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"vmsc-stream": 1, "parts": list(parts), **more}


def machine(*sections: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"vmsc-machine": 1, "sections": list(sections), **more}


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (document(), True),
        (document({"part": "header", "version": 3}, partial=True), True),
        (document({**SECTION, "value": {"x": 1}, "params": {"n": 1, "b": True, "w": "pci"}}), True),
        (document({**SECTION, "bytes": "00ff"}), True),
        (document({**SECTION, "ram": {"offset": 0, "length": 4096}, "inside": True}), True),
        (document({"part": "message", "message": 4, "value": "12"}), True),
        (document({"part": "description", "text": "{}"}), True),
        (document(other=1), False),
        ({"vmsc-stream": 1}, False),
        ({"vmsc-stream": 2, "parts": []}, False),
        (document({"part": "circle"}), False),
        (document({"part": "header"}), False),
        (document({"part": "header", "version": 1 << 32}), False),
        (document({"part": "eof", "more": 1}), False),
        (document(SECTION), False),
        (document({**SECTION, "bytes": "", "value": {}}), False),
        (document({**SECTION, "ram": {"offset": -1, "length": 1}}), False),
        (document({**SECTION, "bytes": "", "params": {"n": 1.5}}), False),
        (document({"part": "configuration"}), False),
        (document({"part": "message", "message": 7}), False),
        (document({"part": "message", "message": 4, "value": "x"}), False),
        (machine(), True),
        (machine({"name": "a", "params": {"n": 1, "b": True, "w": "0x1"}}, machine="pc"), True),
        (machine({"name": "a", "instance": 0, "params": {}}), True),
        (machine({"name": "a"}), False),
        (machine({"name": "a", "params": {}, "instance": -1}), False),
        (machine({"name": "a", "params": {}, "more": 1}), False),
        (machine({"name": "a", "params": {"n": None}}), False),
        ({"vmsc-machine": 2, "sections": []}, False),
    ],
)
def test_a_schema_and_vmsc_are_of_one_mind(value: dict[str, Any], good: bool) -> None:
    name = "machine.schema.json" if "vmsc-machine" in value else "decode.schema.json"
    schema = json.loads((ROOT / "docs" / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(value) is good
    assert taken(name, value) is good
