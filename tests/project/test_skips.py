"""One rule for what a machine lacks: with CI=true a skipped test fails, elsewhere it is skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
LACKING = """
import pytest

def test_that_skips_itself():
    pytest.skip("no swtpm")

@pytest.mark.skipif(True, reason="no root")
def test_that_is_marked():
    pass

@pytest.mark.xfail(reason="known")
def test_that_is_expected_to_fail():
    assert False
"""


@pytest.mark.parametrize(
    ("ci", "closing"),
    [("true", "1 failed, 1 xfailed, 1 error"), ("", "2 skipped, 1 xfailed")],
)
def test_a_skipped_test_fails_in_ci_alone(tmp_path: Path, ci: str, closing: str) -> None:
    (tmp_path / "test_lacking.py").write_text(LACKING)
    rule = "-p", "conftest", "-p", "no:cacheprovider", "--rootdir", tmp_path
    paths = os.pathsep.join(map(str, (CONFTEST.parent, CONFTEST.parent / "support")))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *rule, tmp_path],
        env={**os.environ, "CI": ci, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert closing in done.stdout, done.stdout + done.stderr
    assert ("nothing may be: Skipped: no swtpm" in done.stdout) == (ci == "true")
