"""Fixtures for all tests: the plugin host, schemas from text, goldens that `--update` rewrites."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import helpers
import pytest
from example_vectors import Examples, compile_examples
from hypothesis import HealthCheck, settings

from vmsc.hooks.host import Host, load_host
from vmsc.schema.diagnostics import Diagnostic

# A busy machine is no fault of the code: hypothesis is not to judge by the clock.
settings.register_profile("vmsc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vmsc")


# What skips itself lacks something that this machine could have. CI must have it.
CI = os.environ.get("CI", "").lower() == "true"


# `make check` runs what these folders hold, but for what is live, slow or soak.
FAST = frozenset({"codecs", "compiler", "framed", "hooks", "params", "plan", "schema", "stream"})
TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest picks by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the fast tests."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        long = any(item.get_closest_marker(name) for name in ("live", "slow", "soak"))
        if folder in FAST and not long:
            item.add_marker(pytest.mark.fast)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test has failed; elsewhere it is skipped with its reason."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        assert isinstance(report.longrepr, tuple)
        report.longrepr = f"skipped, and with CI=true nothing may be: {report.longrepr[-1]}"
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update",
        action="store_true",
        help="rewrite the goldens that differ; the run fails if there are any",
    )


@pytest.fixture(scope="session")
def host() -> Host:
    """The built-in plugins."""
    return load_host(())


@pytest.fixture(scope="session")
def build(host: Host) -> Callable[[str], types.ModuleType]:
    """build(text): the generated module of a schema."""
    return lambda text: helpers.build_text(text, host)


@pytest.fixture(scope="session")
def report_of(host: Host) -> Callable[[str], list[Diagnostic]]:
    """report_of(text): what is wrong with a schema, sorted by place."""
    return lambda text: helpers.report_of(text, host)


@pytest.fixture(scope="session")
def examples(host: Host) -> Examples:
    """The example schemas, compiled."""
    return compile_examples(host)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Iterator[Callable[[Path, str], None]]:
    """golden(path, text): the file holds this text; with `--update` it is made to, and the test
    fails.
    """
    update: bool = request.config.getoption("--update")
    changed: list[Path] = []

    def compare(path: Path, text: str) -> None:
        old = path.read_text() if path.is_file() else None
        if update and old != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
        elif not update:
            assert old is not None, f"no golden {path}; make it with --update"
            assert text.splitlines() == old.splitlines()
            assert text == old

    yield compare
    if changed:
        pytest.fail("rewritten: " + ", ".join(map(str, changed)), pytrace=False)
