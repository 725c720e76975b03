"""Imports run one way: every import of vmsc and its plugins is held against one table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from imports_table import COMING, LIBRARIES, TABLE, Import, broken, circle, imports, package_of

from vmsc.compiler.driver import analyse, generate
from vmsc.hooks.host import Host
from vmsc.schema.diagnostics import Report
from vmsc.schema.syntax.loader import load_text

ROOT = Path(__file__).parents[2]
FOUND = tuple(imports(ROOT))


def test_every_import_is_one_that_the_table_allows() -> None:
    assert len(FOUND) > 1000, "the source was not found"
    assert broken(FOUND) == []


def test_the_table_and_the_modules_have_no_circle() -> None:
    assert circle({package: map(_package, may) for package, may in TABLE.items()}) == ()
    modules: dict[str, set[str]] = {}
    for one in FOUND:
        if one.own and one.eager and one.name != one.module:
            modules.setdefault(one.module, set()).add(one.name)
    assert circle(modules) == ()


def test_nothing_is_read_back_that_could_run_code() -> None:
    unsafe = {"pickle", "shelve", "dill", "cloudpickle"}
    assert not [one for one in FOUND if not one.own and one.name.split(".")[0] in unsafe]


def _package(name: str) -> str:
    found = package_of(name)
    assert found is not None, f"'{name}' of the table is in no package"
    return found


def test_no_line_of_the_tables_is_left_over() -> None:
    assert set(TABLE) - {package_of(one.module) for one in FOUND} <= COMING | {""}
    used = {one.name.split(".")[0] for one in FOUND if not one.own}
    assert set(LIBRARIES) - used <= COMING


# --- that the rules can fail ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "rule"),
    [
        pytest.param(
            Import("plan.nodes", "compiler.driver"),
            "vmsc.plan.nodes imports vmsc.compiler.driver: "
            "'plan' may import schema.source, schema.ir, runtime.kinds",
            id="a step up",
        ),
        pytest.param(
            Import("schema.ir.text", "schema.syntax.tree"),
            "vmsc.schema.ir.text imports vmsc.schema.syntax.tree: "
            "'schema.ir' may import schema.source, runtime.errors, runtime.kinds, runtime.peeks",
            id="a step aside in the same folder",
        ),
        pytest.param(
            Import("schema.ir.nodes", "runtime.codec"),
            "vmsc.schema.ir.nodes imports vmsc.runtime.codec: "
            "'schema.ir' may import schema.source, runtime.errors, runtime.kinds, runtime.peeks",
            id="another module of a package that has one open",
        ),
        pytest.param(
            Import("runtime.codec", "runtime.framed.frame"),
            "vmsc.runtime.codec imports vmsc.runtime.framed.frame: "
            "'runtime' may import nothing of vmsc",
            id="a package's own subpackage",
        ),
        pytest.param(
            Import("testing.interpreter", "runtime.wire"),
            "vmsc.testing.interpreter imports vmsc.runtime.wire: "
            "'testing.interpreter' may import runtime.errors",
            id="a module with a rule of its own",
        ),
        pytest.param(
            Import("web.viewer", "inspect.entry"),
            "vmsc.web.viewer imports vmsc.inspect.entry: say in TABLE what 'web.viewer' may import",
            id="a package that the table lacks",
        ),
        pytest.param(
            Import("cli.input", "tests.helpers"),
            "vmsc.cli.input imports vmsc.tests.helpers: 'cli' may import "
            + ", ".join(TABLE["cli"]),
            id="by way of the source tree",
        ),
        pytest.param(
            Import("schema.syntax.loader", "lark.exceptions", own=False),
            "vmsc.schema.syntax.loader imports lark.exceptions: "
            f"only {', '.join(LIBRARIES['lark'])} may import 'lark'",
            id="a library in the wrong module",
        ),
        pytest.param(
            Import("plan.text", "msgspec", own=False),
            "vmsc.plan.text imports msgspec: "
            f"only {', '.join(LIBRARIES['msgspec'])} may import 'msgspec'",
            id="a library in the wrong package",
        ),
        pytest.param(
            Import("params.solver", "numpy", own=False),
            "vmsc.params.solver imports numpy: say in LIBRARIES who may import 'numpy'",
            id="a library that nobody has",
        ),
        pytest.param(
            Import("guard.colo.session", "asyncio", own=False),
            "vmsc.guard.colo.session imports asyncio: "
            "'guard.colo' does no input or output: never asyncio, signal, socket, time",
            id="a clock or a socket where there is none",
        ),
    ],
)
def test_a_wrong_import_is_refused_with_the_rule_that_it_breaks(one: Import, rule: str) -> None:
    assert broken([Import("guard.store", "guard.colo.session"), one]) == [rule]


def test_a_circle_is_found_and_told_as_the_way_that_leads_back() -> None:
    arrows = {"a": ["b", "c"], "b": ["d"], "c": ["a"], "d": []}
    assert circle(arrows) == ("a", "c", "a")
    assert circle({**arrows, "c": ["d"]}) == ()
    assert circle({"a": ["a"]}) == ("a", "a")


def test_imports_are_read_wherever_they_stand_and_however_they_are_written(tmp_path: Path) -> None:
    source = {
        "vmsc/plan/__init__.py": "from . import nodes\n",
        "vmsc/plan/nodes.py": "import vmsc.guard.server as s\nfrom vmsc import plan\n",
        "vmsc/schema/ir/text.py": (
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from ..syntax.tree import Field\n"
            "def late():\n    import lark.exceptions\n"
        ),
        "plugins/c/view.py": "from vmsc.inspect import entry\n",
        "vmsc/inspect/entry.py": "",
    }
    for name, text in source.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = set(imports(tmp_path)) - {Import("schema.ir.text", "typing", own=False)}
    assert found == {
        Import("plan", "plan.nodes"),
        Import("plan.nodes", "guard.server"),
        Import("plan.nodes", "plan"),
        Import("schema.ir.text", "schema.syntax.tree", eager=False),
        Import("schema.ir.text", "lark.exceptions", own=False, eager=False),
        Import("plugins.c.view", "inspect.entry"),
    }
    assert len(broken(found)) == 4


# --- what is loaded -------------------------------------------------------------------------------


def loaded_by(statement: str, folder: Path) -> set[str]:
    """The top-level modules that are loaded when a fresh interpreter has run a statement."""
    code = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_vmsc_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"lark", "jinja2", "pluggy", "msgspec", "click"}
    assert not loaded_by("import vmsc", tmp_path) & heavy


def test_a_generated_codec_loads_neither_parser_nor_templates(
    tmp_path: Path, host: Host, build: Callable[[str], object]
) -> None:
    report = Report()
    text = 'device "nic" { n: u8 max 9; data: bytes[n]; q: list E }\nstruct E { a: u16 }'
    compiled = analyse(load_text(text, report, "nic"), host, report)
    assert compiled is not None
    for artifact in generate(compiled, host.backends["python"], host, report):
        (tmp_path / "made").mkdir(exist_ok=True)
        (tmp_path / "made" / artifact.path).write_text(artifact.text)
    loaded = loaded_by("import made.nic as n; assert n.scan_nic(b'\\1x\\0') == 3", tmp_path)
    assert "msgspec" in loaded
    assert not loaded & {"lark", "jinja2", "pluggy", "click"}


def test_reading_a_stream_by_codecs_that_are_kept_loads_nothing_that_it_does_not_need(
    tmp_path: Path,
) -> None:
    slow = "vmsc.schema.syntax", "vmsc.hooks", "crc32c", "filelock", "importlib.metadata"
    statement = (
        "import vmsc.inspect.file_reader, vmsc.inspect.parameters;"
        f"found = [m for m in sys.modules if m.startswith({slow})]; assert not found, found"
    )
    assert "msgspec" in loaded_by(statement, tmp_path)
