"""Schema text: parsed, resolved, checked, lowered, written as Python and compiled; never run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from vmsc.compiler.driver import analyse, generate
from vmsc.hooks.host import Host
from vmsc.schema.diagnostics import Report, as_json, as_text
from vmsc.schema.shipped import shipped_schemas
from vmsc.schema.syntax.loader import load_text
from vmsc.testing.compilation import host as testing_host
from vmsc.testing.schemas import seeded_schema

REFUSALS: tuple[type[Exception], ...] = ()


def corpus() -> Iterator[bytes]:
    for path in sorted((shipped_schemas() / "examples").glob("*.vmsd")):
        yield path.read_bytes()
    for number in range(40):
        yield seeded_schema(f"fuzz:{number}", plain=True).files["main"].encode()


@cache
def _host() -> Host:
    return testing_host()


def enter(data: bytes) -> None:
    report = Report()
    loaded = load_text(data.decode("utf-8", "replace"), report)
    compiled = None if report.failed else analyse(loaded, _host(), report)
    as_text(report)
    as_json(report)
    if compiled is None:
        assert report.failed, "nothing is wrong with it, and nothing came of it"
        return
    for artifact in generate(compiled, _host().backends["python"], _host(), report):
        compile(artifact.text, artifact.path, "exec")
