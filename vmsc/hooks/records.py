"""What plugins give to vmsc, as frozen records: backends, wire types, transforms, section handlers,
checks and importers.

A plugin module returns them from the hooks of `specs`; nothing here is a class to inherit from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmsc import VmscError, plan
from vmsc.schema import ir
from vmsc.schema.diagnostics import Report
from vmsc.schema.source import Span

__all__ = [
    "Artifact",
    "Backend",
    "BackendError",
    "BackendInput",
    "Check",
    "Importer",
    "ImporterError",
    "Option",
    "PythonName",
    "SectionHandler",
    "Transform",
    "WireType",
]  # fmt: skip


class BackendError(VmscError):
    """A schema that is good and that this backend cannot write; shown like any other error."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.message = message
        self.span = span


class ImporterError(VmscError):
    """Input that an importer cannot use; the message says what is wrong with it."""


@dataclass(frozen=True)
class Artifact:
    """A file to be written; `path` is relative, with /, and stays within the output folder."""

    path: str
    text: str


@dataclass(frozen=True)
class PythonName:
    """A function of an importable module. Generated code imports it by this name."""

    module: str
    function: str


@dataclass(frozen=True)
class WireType:
    """A type that a field may name.

    In Python, `python` names the functions `decode(buf, pos) -> (value, end)`, `encode(value) ->
    bytes` and `type`, what an annotation calls the value. decode raises DecodeError or Truncated
    and nothing else, encode EncodeError; `buf` may be bytes, a bytearray or a memoryview, and ends
    where the enclosing part of the input ends. `code` holds what other backends need, by backend
    name.
    """

    name: str
    summary: str
    python: Mapping[str, PythonName]
    code: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Transform:
    """A pair of functions, wire number to value and back, for `via`. Each refuses with ValueError.

    `type` is what an annotation calls the value; None: it is a number like that on the wire.
    """

    name: str
    summary: str
    to_value: PythonName
    to_wire: PythonName
    type: PythonName | None = None


@dataclass(frozen=True)
class SectionHandler:
    """Codecs for sections that no description covers.

    `find(name, instance, version)` gives a `vmsc.runtime.codec.Codec`, or None.
    """

    name: str
    summary: str
    find: Callable[[str, int, int], Any]


@dataclass(frozen=True)
class Check:
    """A rule over a whole schema; it reports with codes of its own, `codes`."""

    name: str
    summary: str
    codes: tuple[str, ...]
    run: Callable[[ir.Schema, Report], None]


@dataclass(frozen=True)
class Importer:
    """Another source of descriptions: `vmsc import NAME FILE -o DIR`.

    `run(data, options)` gives the files to write; it raises ImporterError for input that is wrong.
    """

    name: str
    summary: str
    run: Callable[[bytes, Mapping[str, str]], Sequence[Artifact]]


@dataclass(frozen=True)
class Option:
    """`--option name=value` of a backend."""

    name: str
    default: str
    summary: str


@dataclass(frozen=True)
class BackendInput:
    """What a backend works on.

    `modules`: those to write, in order of use; `types` and `transforms` are plugins'.
    """

    program: plan.Program
    modules: tuple[ir.Module, ...]
    options: Mapping[str, str]
    types: Mapping[str, WireType]
    transforms: Mapping[str, Transform]


@dataclass(frozen=True)
class Backend:
    """`generate` yields artifacts and writes no files; the same context gives the same text."""

    name: str
    summary: str
    generate: Callable[[BackendInput], Iterable[Artifact]]
    options: tuple[Option, ...] = ()
    templates: Path | None = None
