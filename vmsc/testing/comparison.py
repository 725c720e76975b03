"""One schema's codecs against the interpreter: every answer of a codec, for good and bad input."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from vmsc import plan
from vmsc.compiler.driver import Compiled
from vmsc.runtime import codec as generated
from vmsc.runtime.errors import Truncated
from vmsc.testing import interpreter, plugin
from vmsc.testing.compilation import modules_of
from vmsc.testing.schemas import Texts
from vmsc.testing.subject import GeneratedCodec, Given, Subject, check_resumed
from vmsc.testing.verdict import Mismatch, Verdict, agree, judged, must

__all__ = [
    "NORMAL", "Effort", "compare", "compare_codec", "compared", "endless", "oracles",
]  # fmt: skip

_TYPES = {
    "test24": interpreter.WireType(plugin.decode, plugin.encode, lambda rng: rng.randrange(1 << 24))
}
_TRANSFORMS = {
    "flipped": interpreter.Transform(plugin.flipped, plugin.flipped),
    "halved": interpreter.Transform(plugin.halved, plugin.doubled),
}
NOISE = bytes.fromhex("a500ff31")
_RETRIES = 8
_LONG = 1 << 16


@dataclass(frozen=True)
class Effort:
    """How much is tried: values a codec, cuts and damaged inputs a value."""

    values: int = 3
    cuts: int = 16
    damaged: int = 8


NORMAL = Effort()


@dataclass(frozen=True)
class Pair:
    """A codec and its oracle, which have to say the same, `given` version and parameters.

    `endless`: it takes all that is left, so nothing of it can be cut off or follow it.
    """

    subject: Subject
    oracle: interpreter.Codec
    given: Given
    endless: bool

    @property
    def _asked(self) -> dict[str, Any]:
        versioned = self.oracle.kind in ("device", "vmsd")
        version = self.given.version if versioned else None
        return {"params": self.given.params, "version": version}

    def expected(self, data: bytes, final: bool) -> Verdict:
        def run() -> Verdict:
            found = self.oracle.decode_from(data, final=final, **self._asked)
            return Verdict(found.value, found.end)

        return judged("interpreter", run)

    def expected_bytes(self, value: Any) -> Verdict:
        write = self.oracle.encode
        return judged("interpreter", lambda: Verdict(write(value, **self._asked)))

    def decoded(self, data: bytes, final: bool, pos: int = 0) -> Verdict:
        return self.subject.decode(data, self.given, final=final, pos=pos)

    def agree(self, what: str, found: Verdict, oracle: Verdict, left: int | None = None) -> None:
        agree(what, self.plain(found), oracle, left)

    def plain(self, verdict: Verdict) -> Verdict:
        """The verdict, its value as plain data."""
        if verdict.refusal is not None:
            return verdict
        value = judged("annotations", lambda: Verdict(self.subject.plain(verdict.value))).value
        return replace(verdict, value=value)


# --- one input ------------------------------------------------------------------------------------


def _check_input(pair: Pair, data: bytes, left: int | None = None) -> None:
    """Any bytes: the codec and the oracle take them alike, or refuse them alike."""
    for final in (True,) if pair.endless else (True, False):
        expected = pair.expected(data, final)
        found: Verdict | None = pair.decoded(data, final)
        if found and found.code == "truncated" and expected.code not in ("truncated", "good"):
            found = _after_more(pair, data, final, found, expected)
        if found is not None:
            pair.agree("decode", found, expected, left)
        if pair.subject.scans:
            _check_scan(pair, data, final, expected)


def _after_more(
    pair: Pair, data: bytes, final: bool, found: Verdict, expected: Verdict
) -> Verdict | None:
    """What the codec says once it has the bytes it asks for; None if it asks for too many."""
    for _ in range(_RETRIES):
        if not isinstance(found.refusal, Truncated):
            return found
        if found.refusal.need > _LONG:
            return None
        data += bytes(found.refusal.need)
        again = pair.expected(data, final)
        label = "interpreter: another refusal with more input"
        must(again.code == expected.code, label, again, expected)
        found = pair.decoded(data, final)
    return found


def _check_scan(pair: Pair, data: bytes, final: bool, expected: Verdict) -> None:
    """A scan finds the end of what is good; it need not see that laws are broken."""
    found = pair.subject.scan(data, pair.given, final=final)
    label = f"scan: {found.code}, expected {expected.code}"
    if expected.refusal is None:
        must(found.code == "good", label, "found", found, "expected", expected)
        must(found.end == expected.end, "scan: another end", "found", found, "expected", expected)
    elif final and 5 in data[-2:] and found.code == "good":
        pass  # what a nested description may begin with is data, to who sees no laws
    elif isinstance(expected.refusal, Truncated):
        must(isinstance(found.refusal, Truncated), label, "found", found, "expected", expected)


# --- one value ------------------------------------------------------------------------------------


def _check_value(pair: Pair, drawn: interpreter.Drawn, rng: random.Random) -> None:
    """A good value: both profiles write it, measure it, find its end and read it back."""
    subject, data, given = pair.subject, drawn.data, pair.given
    whole = subject.whole(data, given)
    pair.agree("decode", whole, Verdict(drawn.value, len(data)))
    if subject.writes:
        written = subject.encode(whole.value, given)
        must(written.value == data, "encode: other bytes", written, f"for {data!r}")
        measured = subject.measure(whole.value, given)
        must(measured.value == len(data), "measure: another length", measured)
    if not pair.endless:
        _check_place(pair, data, whole)
    if subject.framed and subject.writes:
        _check_framed(pair, whole.value, rng)


def _check_place(pair: Pair, data: bytes, whole: Verdict) -> None:
    """With bytes before and behind, the value and its end are the same."""
    around = b"\x05" * 3 + data + NOISE
    for final in (True, False):
        found = pair.decoded(around, final, pos=3)
        pair.agree("decode within", replace(found, end=found.end - 3), pair.plain(whole))
    tail = pair.subject.whole(data + NOISE, pair.given)
    must(tail.code == "trailing", "decode: bytes behind are good", tail)


def _check_framed(pair: Pair, value: Any, rng: random.Random) -> None:
    subject, given = pair.subject, pair.given
    written = subject.encode(value, given, framed=True)
    must(written.refusal is None, f"framed encode: {written.code}", written)
    data = written.value
    back = subject.decode(data, given, final=True, framed=True)
    pair.agree("framed decode", back, pair.plain(Verdict(value, len(data))))
    measured = subject.measure(value, given, framed=True)
    must(measured.value == len(data), "framed measure: another length", measured)
    if subject.scans:
        scanned = subject.scan(data + NOISE, given, final=True, framed=True)
        must(scanned.end == len(data), "framed scan: another end", scanned)
    for size in sorted({0, rng.randrange(len(data)), len(data) - 1}):
        cut = subject.whole(data[:size], given, framed=True)
        must(cut.code == "truncated", f"framed decode: a cut is {cut.code}", cut)
    for damaged in interpreter.mutations(rng, data, 4):
        found = subject.whole(damaged, given, framed=True)
        if found.refusal is None:
            again = subject.encode(found.value, given, framed=True)
            must(again.value == damaged, "framed: another value's bytes", found)


# --- what cannot be written -----------------------------------------------------------------------


def _check_unfit(pair: Pair, value: Any, rng: random.Random) -> None:
    """A value that was changed somewhere is written alike, or refused alike."""
    changed = _changed(copy.deepcopy(value), rng)
    try:
        data = pair.subject.plain(changed)
    except TypeError:
        return
    expected = pair.expected_bytes(data)
    found = pair.subject.encode(changed, pair.given)
    # Of another type than its field's may be what a codec has no need to look at; and what is
    # changed may break several rules, of which either is said.
    if expected.code == "type" or None not in (expected.refusal, found.refusal):
        return
    both = repr(changed), "found", found, "expected", expected
    must(found.code == expected.code, f"encode: {found.code}, expected {expected.code}", *both)
    must(found.value == expected.value, "encode: other bytes", *both)


def _changed(value: Any, rng: random.Random) -> Any:
    """The value with one of its parts replaced."""
    match value:
        case msgspec.Struct() if msgspec.structs.fields(type(value)) and rng.random() < 0.9:
            name = rng.choice(msgspec.structs.fields(type(value))).name
            setattr(value, name, _changed(getattr(value, name), rng))
            return value
        case dict() if value and rng.random() < 0.9:
            name = rng.choice(sorted(value.keys() - {"@version"}) or ["@version"])
            return {**value, name: _changed(value[name], rng)}
        case list() if value and rng.random() < 0.7:
            at = rng.randrange(len(value))
            value[at] = _changed(value[at], rng)
            return value
        case list():
            return value[:-1] if rng.random() < 0.5 else value + value[-1:]
        case bytes():
            return value[:-1] if rng.random() < 0.5 else value + b"\x05"
        case int() if not isinstance(value, bool):
            return rng.choice((value ^ 1, value + 1, -value, 0, 1 << 64, -1, 256))
        case float():
            return rng.choice((0.0, -1.5, float("nan"), None))
        case _:
            return 0


# --- parameters -----------------------------------------------------------------------------------


def _check_params(codec: generated.Codec, oracle: interpreter.Codec) -> None:
    """Both know the same parameters, with the same bounds; a codec has none that nothing reads."""
    for param in codec.params:
        known = oracle.parameters.get(param.name)
        must(known is not None, "parameters: one too many", param.name)
        assert known is not None
        empty = param.kind == "bytes" or param.sticky  # where nothing is said
        ours = param.kind, param.words, param.sticky, empty or param.default is not None
        theirs = known.kind, known.words, known.sticky, empty or known.has_default
        must(ours == theirs, "parameters: another form", ours, theirs)
        if param.kind in ("number", "bits"):
            bounds = (param.low, param.high), (known.least, known.most)
            must(bounds[0] == bounds[1], "parameters: other bounds", param.name, bounds)


def _check_missing(pair: Pair, data: bytes, rng: random.Random) -> None:
    """A parameter that is asked for and not given is missed; a codec may ask too early."""
    given = pair.given.params
    known = pair.oracle.parameters.items()
    required = [n for n, p in known if n in given and not p.has_default and p.kind != "bytes"]
    if not required:
        return
    gone = rng.choice(required)
    less = {name: value for name, value in given.items() if name != gone}
    poor = replace(pair, given=replace(pair.given, params=less))
    expected, found = poor.expected(data, True), poor.decoded(data, True)
    label = f"missing parameter: {found.code}, expected {expected.code}"
    both = f"without {gone}: found", found, "expected", expected
    must(found.code in (expected.code, "param"), label, *both)


# --- one schema -----------------------------------------------------------------------------------


def oracles(texts: Texts) -> interpreter.Schema:
    """The interpreter's codecs of the main file."""
    others = {module: text for module, text in texts.files.items() if module != texts.main}
    return interpreter.load(
        texts.files[texts.main], modules=others, transforms=_TRANSFORMS, types=_TYPES
    )


def compared(texts: Texts, program: plan.Program) -> Iterator[tuple[plan.Plan, interpreter.Codec]]:
    """The descriptions of the main file that codecs are made of, each with its oracle."""
    known = oracles(texts)
    for one in program.plans.values():
        if one.module != texts.main or one.kind == "subsection":
            continue
        name = one.wire if one.kind == "device" else one.name
        if one.kind == "device" or name in known.names:
            yield one, known.codec(name)


def endless(program: plan.Program) -> set[str]:
    """The keys of the descriptions that end with `opaque`, or with one that does."""
    found: set[str] = set()
    for key, one in program.plans.items():
        nodes = list(_nodes((one.steps, one.subsections)))
        rests = any(isinstance(node, plan.Rest) for node in nodes)
        if rests or any(isinstance(node, plan.Call) and node.key in found for node in nodes):
            found.add(key)
    return found


def _nodes(thing: Any) -> Iterator[Any]:
    """All records of a plan within, but for what lies in a window, which has an end of its own."""
    if isinstance(thing, tuple):
        for each in thing:
            yield from _nodes(each)
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, plan.Window):
        yield thing
        for each in dataclasses.fields(thing):
            yield from _nodes(getattr(thing, each.name))


def compare(texts: Texts, compiled: Compiled, rng: random.Random, effort: Effort = NORMAL) -> int:
    """Raise Mismatch where a generated codec and the interpreter differ; how many inputs were
    tried.
    """
    with contextlib.ExitStack() as stack:
        try:
            modules = stack.enter_context(modules_of(compiled))
        except Exception as fault:
            raise Mismatch(f"compile raised {type(fault).__name__}", str(fault)) from fault
        codecs = modules[texts.main].CODECS
        open_ended, tried = endless(compiled.program), 0
        for one, oracle in compared(texts, compiled.program):
            _check_params(codecs[one.name], oracle)
            subject = GeneratedCodec(codecs[one.name])
            tried += compare_codec(subject, oracle, one.key in open_ended, rng, effort)
        return tried


def compare_codec(
    subject: Subject,
    oracle: interpreter.Codec,
    is_endless: bool,
    rng: random.Random,
    effort: Effort = NORMAL,
) -> int:
    """Raise Mismatch where one codec and its oracle differ; how many inputs were tried."""
    tried = 0
    for _ in range(effort.values):
        try:
            drawn = oracle.draw(rng, tries=3)
        except interpreter.GiveUp:
            continue
        given = Given(drawn.version, subject.known(drawn.params))
        pair = Pair(subject, oracle, given, is_endless)
        try:
            tried += _check_drawn(pair, drawn, rng, effort)
        except Mismatch as fault:
            where = f"{subject.name} ({given}) of {drawn.data.hex(' ')}"
            raise Mismatch(fault.label, f"{where}\n{fault.detail}") from fault
    return tried


def _check_drawn(pair: Pair, drawn: interpreter.Drawn, rng: random.Random, effort: Effort) -> int:
    _check_value(pair, drawn, rng)
    data, sizes = drawn.data, range(0 if pair.endless else len(drawn.data))
    some = list(sizes) if len(sizes) <= effort.cuts else sorted(rng.sample(sizes, effort.cuts))
    inputs: list[tuple[bytes, int | None]] = [(data[:size], len(data) - size) for size in some]
    inputs += [(bad, None) for bad in interpreter.mutations(rng, data, effort.damaged)]
    for each, left in inputs:
        try:
            _check_input(pair, each, left)
        except Mismatch as fault:
            raise Mismatch(fault.label, f"input {each.hex(' ')}\n{fault.detail}") from fault
    if isinstance(pair.subject, GeneratedCodec) and pair.subject.codec.notes:
        for each in (data, inputs[-1][0]):
            check_resumed(pair.subject, each, pair.given, [n for n in some if n < len(each)])
    if pair.subject.writes:
        value = pair.subject.whole(data, pair.given).value
        for _ in range(effort.damaged // 2):
            _check_unfit(pair, value, rng)
    _check_missing(pair, data, rng)
    return len(inputs) + 1
