"""A runner for conformance: what the Python backend wrote, imported, its values as plain data."""

from __future__ import annotations

import contextlib
import itertools
import struct
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from vmsc import plan
from vmsc.compiler.driver import load_modules
from vmsc.hooks.records import Artifact
from vmsc.runtime.codec import Profile
from vmsc.runtime.errors import CodecError, DecodeError, Truncated
from vmsc.testing.conformance import Answer, Built, Good, NeedMore, Refusal
from vmsc.testing.interpreter import F64, plain
from vmsc.testing.subject import Given

__all__ = ["python_runner"]

_packages = itertools.count()


@contextlib.contextmanager
def python_runner(artifacts: Sequence[Artifact], program: plan.Program) -> Iterator[Built]:
    """The modules, in a package of their own for as long as they are asked."""
    package = f"vmsc_conformance_{next(_packages)}"
    try:
        yield _Modules(load_modules(artifacts, package))
    finally:
        for name in [n for n in sys.modules if n.split(".")[0] == package]:
            del sys.modules[name]


@dataclass(frozen=True)
class _Modules:
    modules: Mapping[str, types.ModuleType]

    def _profile(self, one: plan.Plan, framed: bool) -> Profile:
        codec = self.modules[one.module].CODECS[one.name]
        profile: Profile = codec.framed if framed else codec.qemu
        return profile

    def decode(
        self, one: plan.Plan, data: bytes, given: Given, *, final: bool, framed: bool
    ) -> Answer:
        def read() -> Good:
            decode = self._profile(one, framed).decode_from
            value, end = decode(data, 0, final=final, **_named(one, given))
            return Good(plain(value), end)

        return _answer(read)

    def scan(
        self, one: plan.Plan, data: bytes, given: Given, *, final: bool, framed: bool
    ) -> Answer:
        scan = self._profile(one, framed).scan
        return _answer(lambda: Good(None, scan(data, final=final, **_named(one, given))))

    def encode(self, one: plan.Plan, value: Any, given: Given, *, framed: bool) -> Answer:
        write = self._profile(one, framed).encode
        return _answer(lambda: Good(write(self._made(value), **_named(one, given))))

    def _made(self, value: Any) -> Any:
        """A value of the generated classes: a dict is one of whichever class has its fields."""
        match value:
            case dict():
                kinds = (k for m in self.modules.values() for k in vars(m).values() if _is_class(k))
                wanted = value.keys()
                kind = next(k for k in kinds if {*_names(k)} in (wanted, wanted - {"@version"}))
                fields = zip(_names(kind), kind.__struct_fields__)
                return kind(**{field: self._made(value[name]) for name, field in fields})
            case list():
                return [self._made(each) for each in value]
            case tuple():
                return tuple(self._made(each) for each in value)
            case F64(bits=bits):
                return struct.unpack(">d", bits.to_bytes(8, "big"))[0]
            case _:
                return value


def _is_class(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, msgspec.Struct) and thing.__module__ != ""


def _names(kind: Any) -> Sequence[str]:
    names: Sequence[str] = kind.__struct_encode_fields__
    return names


def _named(one: plan.Plan, given: Given) -> dict[str, Any]:
    versioned = one.kind in ("device", "vmsd") and given.version is not None
    return {**given.params, **({"version": given.version} if versioned else {})}


def _answer(ask: Callable[[], Good]) -> Answer:
    try:
        return ask()
    except Truncated as refusal:
        return NeedMore(refusal.need)
    except DecodeError as refusal:
        return Refusal(refusal.code, refusal.offset)
    except CodecError as refusal:
        return Refusal(refusal.code)
