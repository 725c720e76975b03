"""The Python backend conforms; and a backend that does not is found out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from vmsc import plan
from vmsc.hooks.records import Artifact, Backend, BackendError, BackendInput
from vmsc.testing.comparison import Effort
from vmsc.testing.compilation import host
from vmsc.testing.conformance import (
    ALL,
    ENCODE,
    Answer,
    Built,
    Good,
    Nonconformity,
    conformance,
)
from vmsc.testing.constructs import CONSTRUCTS, constructs_of
from vmsc.testing.python_runner import python_runner
from vmsc.testing.subject import Given

PYTHON = host().backends["python"]
LITTLE = frozenset({"array", "struct", "little", ENCODE})
QUICK = Effort(values=2, cuts=4, damaged=4)


def modest(can: frozenset[str], *, say: bool = True) -> Backend:
    """The Python backend, as one that can write no more than these constructs."""

    def generate(context: BackendInput) -> Iterable[Artifact]:
        for name, one in sorted(constructs_of(context.program).items()):
            if name not in can:
                raise BackendError(f"'{name if say else 'this'}' cannot be written", one.span)
        return PYTHON.generate(context)

    return replace(PYTHON, name="modest", generate=generate)


def test_a_backend_is_tried_over_what_it_claims_and_refuses_the_rest_by_name() -> None:
    found = conformance(
        modest(LITTLE), python_runner, can=LITTLE, schemas=12, plain=True, effort=QUICK
    )
    assert found.schemas == 12 and found.inputs > 100
    assert found.refused.keys() == frozenset(CONSTRUCTS) - LITTLE


def test_a_backend_that_writes_what_it_does_not_claim_is_found_out() -> None:
    with pytest.raises(Nonconformity, match="writes what it does not claim"):
        conformance(PYTHON, python_runner, can=LITTLE, schemas=6, plain=True, effort=QUICK)


def test_a_refusal_that_names_no_construct_is_found_out() -> None:
    with pytest.raises(Nonconformity, match="refuses by no construct's name"):
        conformance(
            modest(LITTLE, say=False),
            python_runner,
            can=LITTLE,
            schemas=6,
            plain=True,
            effort=QUICK,
        )


def test_a_backend_that_refuses_what_it_claims_is_found_out() -> None:
    with pytest.raises(Nonconformity, match="refuses what it claims") as found:
        conformance(
            modest(LITTLE),
            python_runner,
            can=LITTLE | {"list"},
            schemas=12,
            plain=True,
            effort=QUICK,
        )
    (text,) = found.value.texts.files.values()
    assert ": list " in text and len(text.split()) < 12


@dataclass(frozen=True)
class Wrong:
    """Codecs that say another end than the right ones, now and then."""

    right: Built

    def decode(
        self, one: plan.Plan, data: bytes, given: Given, *, final: bool, framed: bool
    ) -> Answer:
        found = self.right.decode(one, data, given, final=final, framed=framed)
        if isinstance(found, Good) and len(data) > 8 and not framed:
            return replace(found, end=found.end - 1)
        return found

    def scan(
        self, one: plan.Plan, data: bytes, given: Given, *, final: bool, framed: bool
    ) -> Answer:
        return self.right.scan(one, data, given, final=final, framed=framed)

    def encode(self, one: plan.Plan, value: Any, given: Given, *, framed: bool) -> Answer:
        return self.right.encode(one, value, given, framed=framed)


@contextlib.contextmanager
def wrong_runner(artifacts: Sequence[Artifact], program: plan.Program) -> Iterator[Built]:
    with python_runner(artifacts, program) as built:
        yield Wrong(built)


def test_a_codec_that_answers_wrong_is_found_out_and_the_schema_is_made_small() -> None:
    with pytest.raises(Nonconformity) as found:
        conformance(modest(LITTLE), wrong_runner, can=LITTLE, schemas=6, plain=True, effort=QUICK)
    (text,) = found.value.texts.files.values()
    assert len(text.split()) < 30


def test_a_claim_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no such construct: tagged lists"):
        conformance(PYTHON, python_runner, can={"tagged lists"})


def test_all_that_can_be_claimed_is_named_once() -> None:
    assert {*CONSTRUCTS} < ALL and ENCODE not in CONSTRUCTS
