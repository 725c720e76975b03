"""The JSON description at a stream's end, and the parameters that it solves."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from functools import cache

from streams_at_hand import DATA

from vmsc.compiler.driver import compile_paths
from vmsc.hooks.host import load_host
from vmsc.params.solver import solve_stream
from vmsc.schema import ir
from vmsc.schema.diagnostics import Report
from vmsc.schema.shipped import shipped_schemas
from vmsc.stream.vmdesc import VmdescError, read_vmdesc

REFUSALS = (VmdescError,)
_DEVICES = 3  # of a description at once: one of a whole machine is 100 KB


def corpus() -> Iterator[bytes]:
    _schema()  # takes longer than any input
    for path in sorted(DATA.glob("*.vmdesc.xz")):
        whole = json.loads(lzma.decompress(path.read_bytes()))
        for at in range(0, len(whole["devices"]), 4 * _DEVICES):
            part = {**whole, "devices": whole["devices"][at : at + _DEVICES]}
            text = json.dumps(part).encode()
            yield b"\0\6" + len(text).to_bytes(4, "big") + text


@cache
def _schema() -> ir.Schema:
    compiled = compile_paths([shipped_schemas() / "qemu"], load_host(), Report())
    assert compiled is not None
    return compiled.schema


def enter(data: bytes) -> None:
    solve_stream(_schema(), read_vmdesc(data))
