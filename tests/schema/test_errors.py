"""Bad schemas: tests/errors/*.vmsd, each with the report that it earns in its first lines.

The lines that begin with `//|` hold the report; `pytest --update` rewrites them, and fails the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import vmsc
from vmsc.compiler.driver import analyse
from vmsc.hooks.host import Host
from vmsc.schema.diagnostics import Report, as_text
from vmsc.schema.syntax.loader import load_text

ERRORS = Path(__file__).parents[1] / "errors"
CASES = sorted(ERRORS.glob("*.vmsd"))
MARK = "//|"


def report_of(path: Path, text: str, host: Host) -> str:
    """What vmsc says of the schema, as text."""
    report = Report()
    loaded = load_text(text, report, path.stem)
    if not report.failed:
        analyse(loaded, host, report)
    assert report.found, f"{path.name} is a good schema"
    return as_text(report)


def split(text: str) -> tuple[list[str], str]:
    """The expected report's lines, and the schema with its places kept."""
    lines = text.split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith(MARK)), len(lines))
    expected = [line.removeprefix(MARK).removeprefix(" ") for line in lines[:count]]
    return expected, "\n".join(lines[count:])


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_a_bad_schema_earns_its_report(
    path: Path, host: Host, golden: Callable[[Path, str], None]
) -> None:
    _, schema = split(path.read_text())
    found = report_of(path, schema, host)
    header = "\n".join(f"{MARK} {line}".rstrip() for line in found.splitlines())
    golden(path, f"{header}\n{schema}")


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60


def test_every_code_has_a_bad_schema() -> None:
    """The codes that the compiler's source reports, against those that the reports show."""
    folder = Path(vmsc.__file__).parent
    rooms = (f for f in folder.rglob("*.py") if f.name not in ("diagnostics.py", "driver.py"))
    text = "\n".join(room.read_text() for room in rooms)
    reported = set(re.findall(r'(?:\berror|\bwarning|_error)\(\s*"([a-z][a-z0-9-]+)"', text))
    assert len(reported) >= 60, "the source was not found"
    shown = {
        code
        for path in CASES
        for line in split(path.read_text())[0]
        for code in re.findall(r": (?:error|warning): .* \[([a-z0-9-]+)\]$", line)
    }
    # Files and folders are wrong with these, not a text alone; test_robust.py has them.
    files = {
        "ambiguous-name", "duplicate-module", "encoding", "module-name", "no-schemas",
        "too-large", "unreadable", "use-circle",
    }  # fmt: skip
    assert sorted(reported - files - shown) == []
