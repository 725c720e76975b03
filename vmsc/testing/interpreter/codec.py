"""One description's codec: what a caller asks, and the refusals of whole inputs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from vmsc.runtime.errors import DecodeError, EncodeError, ParamError
from vmsc.testing.interpreter.decoder import read_description
from vmsc.testing.interpreter.drawing import DrawSource, GiveUp, draw_parameter
from vmsc.testing.interpreter.encoder import write_description
from vmsc.testing.interpreter.modules import Definition, link
from vmsc.testing.interpreter.parameters import Parameter, parameters
from vmsc.testing.interpreter.scope import Run, Scope, Transform, WireType
from vmsc.testing.interpreter.source import ByteSource
from vmsc.testing.interpreter.syntax import Param, SchemaError
from vmsc.testing.interpreter.values import Value
from vmsc.testing.interpreter.wishes import hints_of

__all__ = ["Codec", "Decoded", "Drawn", "Schema", "load"]

_NONE: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True)
class Decoded:
    """`carried` is the sticky state that the next section of the kind begins with."""

    value: Value
    end: int
    carried: Mapping[str, Value]


@dataclass(frozen=True)
class Drawn:
    """`data` decodes to `value`, which encodes to `data`."""

    version: int
    params: Mapping[str, Value]
    value: Value
    data: bytes


@dataclass(frozen=True, eq=False)
class Codec:
    definition: Definition
    parameters: Mapping[str, Parameter]
    transforms: Mapping[str, Transform] = field(default_factory=dict)
    types: Mapping[str, WireType] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.definition.description.name or self.definition.description.wire

    @property
    def kind(self) -> Literal["device", "vmsd", "struct", "loop"]:
        kind = self.definition.description.kind
        if kind == "subsection":
            raise AssertionError("a subsection has no codec of its own")
        return kind

    @property
    def version(self) -> int:
        return self.definition.description.version

    @property
    def minimum(self) -> int:
        return self.definition.description.minimum

    def decode(
        self, data: bytes, *, version: int | None = None, params: Mapping[str, Value] = _NONE
    ) -> Value:
        """The value of a whole input."""
        found = self.decode_from(data, version=version, params=params, final=True)
        if found.end < len(data):
            raise DecodeError(
                f"{len(data) - found.end} bytes too many", offset=found.end, code="trailing"
            )
        return found.value

    def decode_from(
        self,
        data: bytes,
        pos: int = 0,
        *,
        version: int | None = None,
        params: Mapping[str, Value] = _NONE,
        final: bool = False,
    ) -> Decoded:
        """The value that begins at `pos`; `final`: nothing will follow the input."""
        scope = self._scope(version, params)
        if not self._has(version):
            raise DecodeError(f"version {version}", offset=pos, code="version")
        source = ByteSource(bytes(data), pos, len(data), final)
        value = source.settled(lambda whole: read_description(scope, whole))
        return Decoded(value, source.pos, scope.run.sticky)

    def encode(
        self, value: Value, *, version: int | None = None, params: Mapping[str, Value] = _NONE
    ) -> bytes:
        scope = self._scope(version, params)
        if not self._has(version):
            raise EncodeError(f"version {version}", code="version")
        out = bytearray()
        write_description(value, scope, out)
        return bytes(out)

    def draw(
        self,
        rng: random.Random,
        *,
        version: int | None = None,
        params: Mapping[str, Value] | None = None,
        tries: int = 100,
    ) -> Drawn:
        """A good value and its bytes; version and parameters, too, where they are not given."""
        for _ in range(tries):
            one = version if version is not None else rng.randint(self.minimum, self.version)
            given = dict(params) if params is not None else self._draw_parameters(rng)
            scope = self._scope(one, given)
            source = DrawSource(rng, hints_of(self.definition), scope.run)
            try:
                read_description(scope, source)
                # What was drawn as data may read as a subsection: so it is read again.
                value = self.decode(bytes(source.out), version=one, params=given)
            except (DecodeError, GiveUp):
                continue
            return Drawn(one, given, value, bytes(source.out))
        raise GiveUp(f"{self.name}: nothing good in {tries} tries")

    def _draw_parameters(self, rng: random.Random) -> dict[str, Value]:
        hints = hints_of(self.definition)
        return {
            one.name: draw_parameter(rng, one, hints)
            for one in self.parameters.values()
            if not (one.has_default or one.sticky) or rng.random() < 0.6
        }

    def _has(self, version: int | None) -> bool:
        return version is None or self.minimum <= version <= self.version

    def _scope(self, version: int | None, params: Mapping[str, Value]) -> Scope:
        for name, value in params.items():
            if name not in self.parameters:
                raise TypeError(f"{self.name} has no parameter '{name}'")
            if not self.parameters[name].allows(value):
                raise ParamError(f"'{name}' may not be {value!r}", name=name)
        run = Run(params, {}, self.transforms, self.types)
        own = self.version if self.definition.description.peeks else None
        return Scope(self.definition, own if own is None or version is None else version, run)


@dataclass(frozen=True, eq=False)
class Schema:
    """The descriptions of a text, by their names; a device that has none, by its wire name."""

    codecs: Mapping[str, Codec]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.codecs)

    def codec(self, name: str) -> Codec:
        for key, codec in self.codecs.items():
            if name in (key, codec.definition.description.wire):
                return codec
        raise SchemaError(f"no description '{name}'")


def load(
    text: str,
    *,
    modules: Mapping[str, str] = MappingProxyType({}),
    transforms: Mapping[str, Transform] = MappingProxyType({}),
    types: Mapping[str, WireType] = MappingProxyType({}),
) -> Schema:
    """The codecs of schema text. A description that only a parameter completes has none."""
    module = link(text, modules)
    codecs = {}
    for one in module.file.descriptions:
        if any(isinstance(i, Param) and i.domain.kind == "description" for i in one.items):
            continue
        definition = Definition(module, one)
        codecs[one.name or one.wire] = Codec(definition, parameters(definition), transforms, types)
    return Schema(codecs)
