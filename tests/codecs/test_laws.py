"""The laws of the codecs, on values and bytes that nobody chose.

Values come from a model of the wire that shares no code with the generated codecs (wire_model.py);
bytes come from such values, spoiled, and from nothing at all.
"""

from __future__ import annotations

import contextlib
import copy
import tracemalloc
import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from helpers import (
    arguments,
    attempt,
    check_damage,
    check_prefix,
    check_whole,
    compiled,
    modules_of,
    same,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_model import Model

from vmsc.compiler.driver import Compiled
from vmsc.hooks.host import Host
from vmsc.runtime.codec import Codec
from vmsc.runtime.errors import CodecError, EncodeError, ParamError
from vmsc.schema import ir
from vmsc.schema.diagnostics import Report
from vmsc.schema.syntax.loader import load

SCHEMAS = Path(__file__).parents[2] / "schemas"
EXAMPLES = sorted(p.stem for p in (SCHEMAS / "examples").glob("*.vmsd"))

WORDS = (b"\0", b"\1", b"\5", b"0", b"1", b"\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\x7f\xff")


def quick(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class World(msgspec.Struct, frozen=True):
    """A schema and its generated modules."""

    compiled: Compiled
    modules: Mapping[str, types.ModuleType]

    def names(self, module: str) -> list[str]:
        """What a module describes and a caller can name."""
        return sorted(self.modules[module].CODECS)

    def described(self, data: st.DataObject, module: str) -> tuple[ir.Description, Codec]:
        name = data.draw(st.sampled_from(self.names(module)), label="description")
        return self.one(module, name)

    def one(self, module: str, name: str) -> tuple[ir.Description, Codec]:
        codec: Codec = self.modules[module].CODECS[name]
        mine = [d for d in self.compiled.schema.descriptions.values() if d.module == module]
        (description,) = (d for d in mine if d.name == name)
        return description, codec

    def drawn(
        self, data: st.DataObject, module: str, name: str = ""
    ) -> tuple[Codec, Any, bytes, dict[str, Any]]:
        """A codec, a value, the bytes that the model has for it, and the keyword arguments."""
        model = Model(data.draw, self.compiled.schema, self.modules)
        one, codec = self.one(module, name) if name else self.described(data, module)
        params = model.params(one)
        versioned = one.kind in ("device", "vmsd")
        version = model.version(one) if versioned else None
        value, wire = model.description(one.key, params, version or 0)
        return codec, value, wire, arguments(codec, version, params)


def world_of(paths: list[Path], host: Host) -> World:
    report = Report()
    schema = compiled(load(paths, report), host, report)
    return World(schema, modules_of(schema, host))


@pytest.fixture(scope="module")
def world(host: Host) -> World:
    return world_of([SCHEMAS / "examples"], host)


each_example = pytest.mark.parametrize("name", EXAMPLES)


# --- values ---------------------------------------------------------------------------------------


def check_value(
    world: World, data: st.DataObject, module: str, name: str = ""
) -> tuple[Codec, bytes, bytes, dict[str, Any]]:
    """Hold a codec against the laws; the codec, the bytes in both profiles, the arguments."""
    codec, value, wire, given_ = world.drawn(data, module, name)
    framed = check_whole(codec, codec.framed, value, None, given_)
    check_whole(codec, codec.qemu, value, wire, given_)
    for profile, whole in ((codec.qemu, wire), (codec.framed, framed)):
        for _ in range(4 if whole else 0):
            at = data.draw(st.integers(0, len(whole) - 1), label="place")
            bit = 1 << data.draw(st.integers(0, 7), label="bit")
            check_prefix(codec, profile, whole, at, given_)
            damaged = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
            check_damage(codec, profile, damaged, given_)
    return codec, wire, framed, given_


@each_example
def test_a_value_is_written_as_the_rules_of_the_wire_say(world: World, name: str) -> None:
    @quick(25)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        check_value(world, data, f"examples.{name}")

    holds()


@each_example
def test_the_model_has_values_of_every_description(world: World, name: str) -> None:
    @quick(2)
    @given(st.data())
    def holds(description: str, data: st.DataObject) -> None:
        world.drawn(data, f"examples.{name}", description)

    for description in world.names(f"examples.{name}"):
        holds(description)  # raises Unsatisfiable if there is none


# --- bytes ----------------------------------------------------------------------------------------


def spoil(data: st.DataObject, wire: bytes) -> bytes:
    """Bytes that were good: cut, doubled, moved and written over."""
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(wire)))
        stop = data.draw(st.integers(start, min(len(wire), start + 8)))
        new = data.draw(st.sampled_from([*WORDS, b"", wire[start:stop] * 2]))
        wire = wire[:start] + new + wire[stop:]
    return wire


def check_bytes(codec: Codec, wire: bytes, given_: Mapping[str, Any]) -> None:
    """Bytes are refused, or stand for a value that has these very bytes, in both profiles."""
    for profile in (codec.qemu, codec.framed):
        for final in (True, False):
            attempt(partial(profile.decode_from, wire, 0, final=final, **given_))
            attempt(partial(profile.scan, wire, 0, final=final, **given_))
        check_damage(codec, profile, wire, given_)


@each_example
def test_spoiled_bytes_are_refused_or_mean_what_they_say(world: World, name: str) -> None:
    @quick(40)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        codec, value, wire, given_ = world.drawn(data, f"examples.{name}")
        framed = codec.framed.encode(value, **given_)
        check_bytes(codec, spoil(data, data.draw(st.sampled_from([wire, framed]))), given_)

    holds()


@each_example
def test_any_bytes_are_refused_or_mean_what_they_say(world: World, name: str) -> None:
    @quick(40)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        model = Model(data.draw, world.compiled.schema, world.modules)
        one, codec = world.described(data, f"examples.{name}")
        version = model.version(one) if one.kind in ("device", "vmsd") else None
        given_ = arguments(codec, version, model.params(one))
        check_bytes(codec, data.draw(st.binary(max_size=40)), given_)

    holds()


@each_example
def test_a_hostile_length_costs_no_memory(world: World, name: str) -> None:
    @quick(10)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        codec, _, wire, given_ = world.drawn(data, f"examples.{name}")
        start = data.draw(st.integers(0, len(wire)))
        size = data.draw(st.sampled_from([1, 2, 4]))
        hostile = wire[:start] + b"\xff" * size + wire[start + size :]
        for profile in (codec.qemu, codec.framed):
            assert peak(partial(profile.decode, hostile, **given_)) < 1 << 18
            assert peak(partial(profile.scan, hostile, **given_)) < 1 << 18

    holds()


def peak(run: Callable[[], Any]) -> int:
    """The most memory that a call had, less its argument."""
    tracemalloc.start()
    try:
        attempt(run)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --- values that are none -------------------------------------------------------------------------


def places(value: Any) -> Iterator[tuple[Any, str | int]]:
    """Every place in a value that something else could be put in."""
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(type(value)):
            yield value, field.name
            yield from places(getattr(value, field.name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield value, index
            yield from places(each)


STRANGE: tuple[Any, ...] = (
    None, -1, 1 << 70, 1.5, float("nan"), "word", b"", b"\5" * 7, [], [None], {}, (), True, object,
)  # fmt: skip


@each_example
def test_a_value_of_another_shape_raises_nothing_but_an_encode_error(
    world: World, name: str
) -> None:
    @quick(60)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        codec, value, _, given_ = world.drawn(data, f"examples.{name}")
        spoiled = copy.deepcopy(value)
        found = list(places(spoiled))
        strange = data.draw(st.sampled_from(STRANGE), label="strange")
        if found and (place := data.draw(st.sampled_from(range(len(found))), label="place")):
            holder, key = found[place]
            if isinstance(holder, list):
                holder[int(key)] = strange
            else:
                setattr(holder, str(key), strange)
        else:
            spoiled = strange
        for profile in (codec.qemu, codec.framed):
            try:
                wire = profile.encode(spoiled, **given_)
            except EncodeError:
                pass
            else:
                assert isinstance(wire, bytes)
                again = profile.decode(wire, **given_)
                assert profile.encode(again, **given_) == wire
            with contextlib.suppress(EncodeError):
                profile.measure(spoiled, **given_)

    holds()


@each_example
def test_an_unfit_parameter_raises_a_param_error(world: World, name: str) -> None:
    @quick(20)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        codec, value, wire, given_ = world.drawn(data, f"examples.{name}")
        params = [p for p in codec.params if p.kind != "bytes"]
        if not params:
            return
        param = data.draw(st.sampled_from(params))
        unfit = st.sampled_from([param.low - 1, param.high + 1, "?", 1.5, b"x"])
        wrong = {**given_, param.name: data.draw(unfit)}
        for profile in (codec.qemu, codec.framed):
            calls = ((profile.encode, value), (profile.measure, value), (profile.decode, wire))
            for function, argument in calls:
                with pytest.raises(ParamError):
                    function(argument, **wrong)

    holds()


@each_example
def test_a_missing_parameter_raises_a_param_error_if_anything(world: World, name: str) -> None:
    @quick(20)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        codec, value, wire, given_ = world.drawn(data, f"examples.{name}")
        missing = {n: v for n, v in given_.items() if n == "version"}
        defaults = {p.name: p.default for p in codec.params}
        changed = any(defaults.get(n, v) != v for n, v in given_.items())
        framed = codec.framed.encode(value, **given_)
        for function, argument, wanted in (
            (codec.qemu.encode, value, wire),
            (codec.qemu.measure, value, len(wire)),
            (codec.qemu.decode, wire, value),
            (codec.qemu.scan, wire, len(wire)),
            (codec.framed.encode, value, framed),
            (codec.framed.decode, framed, value),
        ):
            try:
                found = function(argument, **missing)
            except ParamError:
                continue
            except CodecError as fault:
                found = fault
            assert changed or same(found, wanted)

    holds()


# --- the long run ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(host: Host) -> World:
    return world_of([SCHEMAS], host)


MODULES = sorted(
    ".".join(p.relative_to(SCHEMAS).with_suffix("").parts) for p in SCHEMAS.rglob("*.vmsd")
)


@pytest.mark.soak
@pytest.mark.parametrize("module", MODULES)
def test_soak_every_schema_keeps_the_laws(everything: World, module: str) -> None:
    @settings(quick(40), derandomize=False)
    @given(st.data())
    def holds(name: str, data: st.DataObject) -> None:
        codec, wire, framed, given_ = check_value(everything, data, module, name)
        check_bytes(codec, spoil(data, wire), given_)
        check_bytes(codec, spoil(data, framed), given_)

    for name in everything.names(module):
        holds(name)
