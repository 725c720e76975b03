"""Random schemas: valid, the same from the same seed, and over all of the language."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from vmsc.schema import ir
from vmsc.schema.ir.evaluate import Known as Names
from vmsc.schema.ir.evaluate import value_of
from vmsc.testing.compilation import Refused, analysed
from vmsc.testing.coverage import Coverage, covered
from vmsc.testing.schemas import Texts, seeded_schema
from vmsc.testing.schemas.choices import seeded
from vmsc.testing.schemas.expressions import Expr, Known, binary, condition, constant, number
from vmsc.testing.schemas.strategy import schemas

SEED = "valid"
NUMBER = seeded("numbers")


def test_all_but_a_few_are_good_and_they_use_every_word_of_the_language() -> None:
    print(f"seeds {SEED}:0 to {SEED}:299")
    refused: list[str] = []
    seen = Coverage()
    for index in range(300):
        texts = seeded_schema(f"{SEED}:{index}")
        found = analysed(texts)
        if isinstance(found, Refused):
            refused.append(f"{SEED}:{index}\n{found.text}")
        else:
            seen += covered(texts, found.program)
    assert len(refused) <= 3, "\n".join(refused)
    assert seen.missing() == []


def test_what_was_never_drawn_is_named() -> None:
    seen = Coverage()
    texts = Texts({"main": 'device "d" { a: u8 }'})
    found = analysed(texts)
    assert not isinstance(found, Refused)
    seen += covered(texts, found.program)
    missing = seen.missing()
    assert "grammar: sticky" in missing and "plan: Keep" in missing
    assert not {"grammar: device", "plan: Run", "plan: Num"} & set(missing)


def test_a_seed_gives_one_schema_in_every_process() -> None:
    code = "from vmsc.testing.schemas import seeded_schema as s; print(s('same:1'), s('same:2'))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1 and "device" in told.pop()


@seed(1)
@settings(
    max_examples=15,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(texts=schemas())
def test_hypothesis_draws_them_too(texts: Texts) -> None:
    found = analysed(texts)
    assert not isinstance(found, Refused), found.text


# --- expressions ----------------------------------------------------------------------------------


def named(name: str) -> Expr:
    return Expr(name, 13, (0, 3))


def joined(left: Expr, op: str, right: Expr) -> Expr:
    found = binary(op, left, right)
    assert found is not None
    return found


A, B, C = map(named, "abc")


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        pytest.param(joined(joined(A, "+", B), "*", C), "(a + b) * c", id="weaker on the left"),
        pytest.param(joined(joined(A, "*", B), "+", C), "a * b + c", id="tighter on the left"),
        pytest.param(joined(joined(A, "-", B), "-", C), "a - b - c", id="equal on the left"),
        pytest.param(joined(A, "-", joined(B, "-", C)), "a - (b - c)", id="equal on the right"),
        pytest.param(joined(A, "*", joined(B, "+", C)), "a * (b + c)", id="weaker on the right"),
        pytest.param(joined(joined(A, "<", B), "==", C), "(a < b) == c", id="no chains"),
        pytest.param(joined(A, "and", joined(B, "or", C)), "a and (b or c)", id="or within and"),
        pytest.param(joined(A, "|", joined(B, "&", C)), "a | b & c", id="bits"),
        pytest.param(joined(A, "+", constant(NUMBER, 0)), "a + 0", id="a constant"),
    ],
)
def test_an_expression_has_the_parentheses_that_it_needs(expr: Expr, text: str) -> None:
    assert expr.text == text


NAMES = {"a": ("u8", (0, 255)), "b": ("s8", (-128, 127)), "c": ("u64", (0, (1 << 64) - 1))}
KNOWN = [Known(name, "number", bounds) for name, (_, bounds) in NAMES.items()]


def meaning(text: str) -> ir.Expr:
    """What the compiler takes an expression over a, b and c for."""
    fields = "; ".join(f"{name}: {kind}" for name, (kind, _) in NAMES.items())
    found = analysed(Texts({"main": f"struct S {{ {fields}; let it = {text} }}"}))
    assert not isinstance(found, Refused), found.text
    (law,) = (i for i in found.schema.descriptions["main:S"].items if isinstance(i, ir.Let))
    return law.value


def test_a_drawn_number_is_within_the_bounds_that_it_was_drawn_with() -> None:
    choices = seeded("bounds")
    for _ in range(120):
        found = number(choices, KNOWN, 3)
        expr = meaning(found.text)
        (low, high), bounds = found.bounds, ir.expr_bounds(expr)
        assert bounds is not None and low <= bounds[0] and bounds[1] <= high, found
        for _ in range(5):
            values = {name: choices.between(*bounds) for name, (_, bounds) in NAMES.items()}
            assert low <= value_of(expr, Names(fields=values)) <= high, (found, values)


def test_a_condition_may_hold_and_may_fail_as_far_as_can_be_told() -> None:
    choices = seeded("conditions")
    for _ in range(200):
        found = condition(choices, KNOWN)
        low, high = found.bounds
        assert found.text == "true" or low <= 0 <= high > low
