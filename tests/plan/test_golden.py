"""Goldens: for each tests/golden/CASE the schema's IR and plan as text; for three cases the
generated Python.

`pytest --update` rewrites what differs, and fails the run. A golden that no test reads fails it
too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmsc.compiler.driver import Compiled, analyse, generate
from vmsc.hooks.host import Host
from vmsc.plan.text import plan_text
from vmsc.schema.diagnostics import Report, as_text
from vmsc.schema.ir.text import ir_text
from vmsc.schema.syntax.loader import load_text

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
PYTHON = ("smallest", "everything", "versions")

Compare = Callable[[Path, str], None]


def compiled(case: str, host: Host) -> Compiled:
    report = Report()
    text = (GOLDEN / case / "schema.vmsd").read_text()
    result = analyse(load_text(text, report, case), host, report)
    assert result is not None, as_text(report)
    return result


def own(case: str, key: str) -> bool:
    """Whether a description is of the case itself, not of a schema that it uses."""
    return key.partition(":")[0] == case


@pytest.mark.parametrize("case", CASES)
def test_ir_is_as_it_was(case: str, host: Host, golden: Compare) -> None:
    golden(GOLDEN / case / "ir.txt", ir_text(compiled(case, host).schema))


@pytest.mark.parametrize("case", CASES)
def test_plan_is_as_it_was(case: str, host: Host, golden: Compare) -> None:
    plans = compiled(case, host).program.plans
    text = "\n".join(plan_text(plan) for key, plan in plans.items() if own(case, key))
    golden(GOLDEN / case / "plan.txt", text)


@pytest.mark.parametrize("case", PYTHON)
def test_generated_python_is_as_it_was(case: str, host: Host, golden: Compare) -> None:
    report = Report()
    artifacts = generate(compiled(case, host), host.backends["python"], host, report)
    (text,) = (a.text for a in artifacts if a.path == f"{case}.py")
    golden(GOLDEN / case / "python.py", text)


def test_every_golden_is_read() -> None:
    found = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file()}
    wanted = {f"{c}/{name}" for c in CASES for name in ("schema.vmsd", "ir.txt", "plan.txt")}
    wanted |= {f"{case}/python.py" for case in PYTHON}
    assert found == wanted
