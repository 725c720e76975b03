"""Conformance: does what a backend writes answer as the language says?

    def test_my_backend_conforms() -> None:
        found = conformance(backend, MyRunner(), can=frozenset({"array", "struct", "when"}))
        assert found.inputs > 1000

Random schemas of the constructs that the backend claims are written by it, built and asked; what
they answer is held against the interpreter. Random schemas with other constructs have to be
refused, by a `BackendError` that names one of those.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from vmsc import plan
from vmsc.compiler.driver import Compiled, generate
from vmsc.hooks.records import Artifact, Backend
from vmsc.runtime.errors import DecodeError, EncodeError, ParamError, Truncated
from vmsc.schema.diagnostics import Report
from vmsc.testing.comparison import NORMAL, Effort, compare_codec, compared, endless
from vmsc.testing.compilation import Refused, analysed, host
from vmsc.testing.constructs import CONSTRUCTS, constructs_of
from vmsc.testing.reduction import reduced
from vmsc.testing.schemas import Texts, seeded_schema
from vmsc.testing.subject import Given
from vmsc.testing.verdict import Mismatch, Verdict, judged

__all__ = [
    "ALL", "ENCODE", "FRAMED", "SCAN", "Answer", "Built", "Conformity", "Good", "NeedMore",
    "Nonconformity", "Refusal", "Runner", "conformance",
]  # fmt: skip

ENCODE, SCAN, FRAMED = "encode", "scan", "framed"
ALL = frozenset({*CONSTRUCTS, ENCODE, SCAN, FRAMED})
"""All that a backend may claim: constructs, and what its codecs can do beside decode."""

# What a construct cannot be drawn without.
_NEEDS = {
    "outer": {"struct"},
    "sticky": {"loop", "when"},
    "text": {"string", "when"},
    "until": {"struct"},
    "until sum": {"struct"},
}
_TRIES = 60  # schemas, until one has the construct


# --- what a runner answers ------------------------------------------------------------------------


@dataclass(frozen=True)
class Good:
    """The value, as plain data (see `vmsc.testing.interpreter`), and where it ends. A scan has no
    value; the bytes of an encode are its value.
    """

    value: Any = None
    end: int = 0


@dataclass(frozen=True)
class Refusal:
    """The code of the refusal (`law`, `trailing`, `param`, ...) and its offset in the input."""

    code: str
    offset: int = 0


@dataclass(frozen=True)
class NeedMore:
    """The input ends too early: so many bytes more can be used, at least one."""

    need: int


Answer = Good | Refusal | NeedMore


class Built(Protocol):
    """The codecs of one schema, built and running.

    `one` is the description's plan: of its names, the backend made those of its functions. `final`:
    the input is all there will be. A decode takes what the value is long, and leaves the rest.
    """

    def decode(
        self, one: plan.Plan, data: bytes, given: Given, *, final: bool, framed: bool
    ) -> Answer: ...
    def scan(
        self, one: plan.Plan, data: bytes, given: Given, *, final: bool, framed: bool
    ) -> Answer: ...
    def encode(self, one: plan.Plan, value: Any, given: Given, *, framed: bool) -> Answer: ...


class Runner(Protocol):
    """Builds what a backend wrote. What is built lasts as long as the context."""

    def __call__(
        self, artifacts: Sequence[Artifact], program: plan.Program
    ) -> AbstractContextManager[Built]: ...


@dataclass(frozen=True)
class BuiltCodec:
    """A built description, as the comparison asks it."""

    built: Built
    one: plan.Plan
    can: frozenset[str]

    @property
    def name(self) -> str:
        return self.one.name

    @property
    def writes(self) -> bool:
        return ENCODE in self.can

    @property
    def scans(self) -> bool:
        return SCAN in self.can

    @property
    def framed(self) -> bool:
        return FRAMED in self.can

    def decode(
        self, data: bytes, given: Given, *, final: bool, pos: int = 0, framed: bool = False
    ) -> Verdict:
        part, ask = data[pos:], self.built.decode
        found = _asked(
            "decode", part, lambda: ask(self.one, part, given, final=final, framed=framed)
        )
        return replace(found, end=found.end + pos)

    def whole(self, data: bytes, given: Given, *, framed: bool = False) -> Verdict:
        found = self.decode(data, given, final=True, framed=framed)
        if found.refusal is None and found.end < len(data):
            trailing = DecodeError("bytes are left", offset=found.end, code="trailing")
            return Verdict(refusal=trailing)
        return found

    def scan(self, data: bytes, given: Given, *, final: bool, framed: bool = False) -> Verdict:
        ask = partial(self.built.scan, self.one, data, given, final=final, framed=framed)
        return _asked("scan", data, ask)

    def encode(self, value: Any, given: Given, *, framed: bool = False) -> Verdict:
        ask = partial(self.built.encode, self.one, value, given, framed=framed)
        found = _asked("encode", b"", ask)
        if isinstance(found.refusal, DecodeError):
            return Verdict(refusal=EncodeError("refused", code=found.refusal.code))
        return found

    def measure(self, value: Any, given: Given, *, framed: bool = False) -> Verdict:
        found = self.encode(value, given, framed=framed)
        return found if found.refusal is not None else Verdict(len(found.value))

    def plain(self, value: Any) -> Any:
        return value

    def known(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        names = {param.name for param in self.one.params}
        return {name: value for name, value in params.items() if name in names}


def _asked(what: str, data: bytes, ask: Callable[[], Answer]) -> Verdict:
    def run() -> Verdict:
        match ask():
            case Good(value=value, end=end):
                return Verdict(value, end)
            case NeedMore(need=need):
                return Verdict(refusal=Truncated(need, offset=len(data)))
            case Refusal(code="param"):
                return Verdict(refusal=ParamError("refused"))
            case Refusal(code=code, offset=offset):
                return Verdict(refusal=DecodeError("refused", offset=offset, code=code))
            case answer:
                raise TypeError(f"a runner answers Good, Refusal or NeedMore, not {answer!r}")

    return judged(what, run)


# --- the run --------------------------------------------------------------------------------------


class Nonconformity(AssertionError):
    """What is wrong with a backend, and the smallest schema found that shows it."""

    def __init__(self, seed: str, texts: Texts, mismatch: Mismatch) -> None:
        text = "\n".join(f"// {module}\n{text}" for module, text in texts.files.items())
        super().__init__(f"seed {seed}: {mismatch.label}\n{text}\n{mismatch.detail}")
        self.texts = texts
        self.label = mismatch.label


@dataclass(frozen=True)
class Conformity:
    """What was tried: schemas that were built and inputs that were asked. `refused`: the constructs
    that are not claimed, each of which a schema was refused for.
    """

    schemas: int = 0
    inputs: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def conformance(
    backend: Backend,
    runner: Runner,
    *,
    can: Iterable[str] = ALL,
    schemas: int = 60,
    seed: str = "1",
    plain: bool = False,
    effort: Effort = NORMAL,
) -> Conformity:
    """Hold a backend against the language; raises Nonconformity for the first schema that differs.

    `can` is what it claims: names of CONSTRUCTS, and ENCODE, SCAN, FRAMED. `plain`: with names that
    collide with no language's words. What differs is shrunk first.
    """
    claimed = frozenset(can)
    if unknown := claimed - ALL:
        raise ValueError(f"no such construct: {', '.join(sorted(unknown))}")
    total = Conformity()
    others = frozenset(CONSTRUCTS) - claimed
    for number in range(schemas):
        name = f"{seed}:{number}"
        tried = _Trial(backend, runner, claimed, name, effort)
        inputs = tried.checked(seeded_schema(name, plain, others))
        total = replace(total, schemas=total.schemas + 1, inputs=total.inputs + inputs)
    for construct in sorted(others):
        without = others - {construct, *_NEEDS.get(construct, ())}
        for number in range(_TRIES):
            name = f"{seed}/{construct}:{number}"
            tried = _Trial(backend, runner, claimed, name, effort)
            if construct in tried.refused(seeded_schema(name, plain, without)):
                total.refused[construct] += 1
                break
    return total


@dataclass(frozen=True)
class _Trial:
    """How schemas are tried; `seed` draws the inputs."""

    backend: Backend
    runner: Runner
    can: frozenset[str]
    seed: str
    effort: Effort

    def checked(self, texts: Texts) -> int:
        """Build and compare a schema of what is claimed; how many inputs were tried."""
        try:
            return self._compared(texts)
        except Mismatch as fault:
            raise self._smaller(texts, fault, self._compared) from None

    def refused(self, texts: Texts) -> list[str]:
        """The constructs of a schema for which the backend refuses it, as it should."""
        try:
            return self._refusal(texts)
        except Mismatch as fault:
            raise self._smaller(texts, fault, self._refusal) from None

    def _smaller(
        self, texts: Texts, fault: Mismatch, run: Callable[[Texts], object]
    ) -> Nonconformity:
        last = texts, fault

        def fails(tried: Texts) -> bool:
            nonlocal last
            try:
                run(tried)
            except Mismatch as again:
                if again.label == fault.label:
                    last = tried, again
                    return True
            return False

        reduced(texts, fails, tries=300)
        return Nonconformity(self.seed, *last)

    def _compared(self, texts: Texts) -> int:
        found = analysed(texts)
        if isinstance(found, Refused):
            return 0
        artifacts, refusal = _written(self.backend, found)
        if refusal:
            raise Mismatch("refuses what it claims", refusal)
        tried, open_ended, rng = 0, endless(found.program), random.Random(self.seed)
        with contextlib.ExitStack() as stack:
            try:
                built = stack.enter_context(self.runner(artifacts, found.program))
            except Exception as fault:
                raise Mismatch(f"build raised {type(fault).__name__}", str(fault)) from fault
            for one, oracle in compared(texts, found.program):
                subject = BuiltCodec(built, one, self.can)
                tried += compare_codec(subject, oracle, one.key in open_ended, rng, self.effort)
        return tried

    def _refusal(self, texts: Texts) -> list[str]:
        found = analysed(texts)
        if isinstance(found, Refused):
            return []
        missing = sorted(constructs_of(found.program).keys() - self.can)
        if not missing:
            return []
        _, refusal = _written(self.backend, found)
        if not refusal:
            raise Mismatch("writes what it does not claim", ", ".join(missing))
        if not any(re.search(rf"\b{name}\b", refusal) for name in missing):
            raise Mismatch("refuses by no construct's name", f"{refusal}\none of {missing}")
        return missing


def _written(backend: Backend, found: Compiled) -> tuple[Sequence[Artifact], str]:
    """What the backend wrote, or what it says of what it cannot write."""
    report = Report()
    artifacts = generate(found, backend, host(), report)
    return artifacts, "\n".join(each.message for each in report.sorted())
