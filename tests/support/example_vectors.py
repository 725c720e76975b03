"""The example schemas compiled, and the vectors that they are held against."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers import arguments, compiled, modules_of
from vector_files import Entry, entries, value_of

from vmsc.compiler.driver import Compiled
from vmsc.hooks.host import Host
from vmsc.runtime.codec import Codec
from vmsc.schema.diagnostics import Report
from vmsc.schema.syntax.loader import load

__all__ = ["EXAMPLES", "Examples", "compile_examples", "each"]


EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


@dataclasses.dataclass(frozen=True)
class Examples:
    schema: Compiled
    modules: Mapping[str, types.ModuleType]

    def codec(self, entry: Entry) -> Codec:
        codec: Codec = self.modules[f"examples.{entry.file}"].CODECS[entry.description]
        return codec

    def given(self, entry: Entry) -> dict[str, Any]:
        """The keyword arguments; what a loop carries on is text in the file."""
        codec = self.codec(entry)
        given = arguments(codec, entry.version, entry.params)
        texts = {p.name for p in codec.params if p.kind == "bytes"}
        return {n: v.encode() if n in texts else v for n, v in given.items()}

    def value(self, entry: Entry) -> Any:
        codec = self.codec(entry)
        return value_of(list[codec.type] if codec.kind == "loop" else codec.type, entry.value)  # type: ignore[name-defined]


def compile_examples(host: Host) -> Examples:
    report = Report()
    schema = compiled(load([EXAMPLES], report), host, report)
    return Examples(schema, modules_of(schema, host))


def each(kind: str) -> pytest.MarkDecorator:
    found = entries(kind)
    return pytest.mark.parametrize("entry", found, ids=[e.name for e in found])
