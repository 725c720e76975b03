"""An ir as rows of plain values is the same ir when it is read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vmsc.compiler.driver import analyse
from vmsc.compiler.ir_rows import schema_from_rows, schema_to_rows
from vmsc.hooks.host import Host, load_host
from vmsc.schema import ir
from vmsc.schema.diagnostics import Report
from vmsc.schema.syntax.loader import load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def host() -> Host:
    return load_host()


def meant(host: Host, *folders: str) -> ir.Schema:
    report = Report()
    compiled = analyse(load([ROOT / "schemas" / f for f in folders], report), host, report)
    assert compiled is not None
    return compiled.schema


@pytest.mark.parametrize("folders", [("std", "qemu"), ("examples",)])
def test_all_schemas_come_back_as_they_were(host: Host, folders: tuple[str, ...]) -> None:
    schema = meant(host, *folders)
    back = schema_from_rows(schema_to_rows(schema))
    assert back == schema
    assert list(back.descriptions) == list(schema.descriptions)
    spans = [d.span for d in back.descriptions.values()]
    assert len({id(s.source) for s in spans}) == len({d.module for d in back.descriptions.values()})


def test_numbers_of_any_size_come_back(host: Host) -> None:
    schema = meant(host, "std")
    key, first = next(iter(schema.descriptions.items()))
    for value in (0, -1, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**40):
        item = ir.Let("n", ir.Number(value), first.span)
        changed = replace(schema, descriptions={key: replace(first, items=(item,))})
        assert schema_from_rows(schema_to_rows(changed)) == changed
