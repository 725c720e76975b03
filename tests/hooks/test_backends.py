"""What every backend owes to every schema; what generated Python owes to those who import it."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import helpers
import pytest
from commands import BIN, run_vmsc
from helpers import check_codec

from vmsc.compiler.artifacts import check_paths
from vmsc.compiler.driver import Compiled, compile_paths, generate
from vmsc.hooks import Artifact
from vmsc.hooks.host import Host, load_host
from vmsc.schema.diagnostics import Report, as_text

TREE = Path(__file__).parents[2]
EXAMPLES = TREE / "docs" / "examples"
PLUGINS = ("registers", "usb_redir")
SCHEMAS = (
    *sorted(p.relative_to(TREE).as_posix() for p in (TREE / "schemas").rglob("*.vmsd")),
    *(f"docs/examples/{name}.vmsd" for name in PLUGINS),
)
BACKENDS = sorted(load_host().backends)


@pytest.fixture(scope="session")
def rich() -> Iterator[Host]:
    """The built-in plugins and those of the examples that bring types and transforms."""
    yield load_host([str(EXAMPLES / f"{name}.py") for name in PLUGINS])
    for name in PLUGINS:
        sys.modules.pop(name, None)


def understood(path: str, host: Host) -> Compiled:
    report = Report()
    compiled = compile_paths([TREE / path], host, report)
    assert compiled is not None, as_text(report)
    return compiled


def made(compiled: Compiled, backend: str, host: Host) -> list[Artifact]:
    report = Report()
    artifacts = generate(compiled, host.backends[backend], host, report)
    assert not report.found, as_text(report)
    return artifacts


# --- every backend, every schema ------------------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_backend_makes_is_in_order(backend: str, schema: str, rich: Host) -> None:
    artifacts = made(understood(schema, rich), backend, rich)
    assert artifacts
    check_paths(artifacts)
    for artifact in artifacts:
        path = PurePosixPath(artifact.path)
        assert not path.is_absolute() and ".." not in path.parts
        assert artifact.text.endswith("\n") and not artifact.text.endswith("\n\n"), artifact.path
        assert "\r" not in artifact.text and "\t" not in artifact.text, artifact.path
        assert not [
            n for n, line in enumerate(artifact.text.split("\n"), 1) if line != line.rstrip()
        ]
        assert str(TREE) not in artifact.text


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_generating_twice_gives_the_same(backend: str, schema: str, rich: Host) -> None:
    assert made(understood(schema, rich), backend, rich) == made(
        understood(schema, rich), backend, rich
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_processes_generate_the_same(backend: str, tmp_path: Path) -> None:
    trees = []
    for seed, at in (("1", TREE), ("2", tmp_path)):
        out = tmp_path / seed
        done = run_vmsc(
            "compile", os.path.relpath(TREE / "schemas", at), "--backend", backend, "-o", out,
            cwd=at, PYTHONHASHSEED=seed,
        )  # fmt: skip
        assert done.status == 0, done.err
        trees.append({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert trees[0] == trees[1] and trees[0]


# --- generated Python -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def modules(rich: Host) -> dict[str, dict[str, types.ModuleType]]:
    """The generated modules of each schema, with those that it uses."""
    return {path: helpers.modules_of(understood(path, rich), rich) for path in SCHEMAS}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_generated_python_compiles_without_a_warning(schema: str, rich: Host) -> None:
    for artifact in made(understood(schema, rich), "python", rich):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(artifact.text, artifact.path, "exec")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_generated_module_has_the_names_that_it_promises(
    schema: str, modules: dict[str, dict[str, types.ModuleType]], rich: Host
) -> None:
    compiled = understood(schema, rich)
    for module in compiled.schema.modules:
        generated = modules[schema][module.name]
        names = generated.__all__
        assert list(names) == sorted(set(names))
        assert all(hasattr(generated, name) for name in names)
        plans = [compiled.program.plans[key] for key in module.descriptions]
        assert {one.name for one in plans} <= set(names)
        public = {one.name for one in plans if one.kind != "subsection"}
        assert set(generated.CODECS) == public
        for codec in generated.CODECS.values():
            assert codec.type.__name__ in names
            for profile in (codec.qemu, codec.framed):
                for function in (profile.encode, profile.decode, profile.decode_from,
                                 profile.measure, profile.scan):  # fmt: skip
                    assert function.__name__ in names and function.__doc__


def test_no_linter_finds_a_name_undefined_in_generated_python(tmp_path: Path) -> None:
    assert run_vmsc("compile", TREE / "schemas", "-o", tmp_path / "out").status == 0
    rules = ("--isolated", "--no-cache", "--select", "E9,F63,F7,F81,F82")
    done = subprocess.run(
        [BIN / "ruff", "check", *rules, tmp_path / "out"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_a_program_that_imports_a_codec_loads_no_compiler(tmp_path: Path) -> None:
    names = ["build.std.pci", "build.qemu.usb_redir", "build.examples.subsections"]
    assert run_vmsc("compile", TREE / "schemas", "-o", tmp_path / "build").status == 0
    program = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
loaded = {{name.split(".")[0] for name in sys.modules}}
assert not loaded & {{"lark", "jinja2", "click", "pluggy"}}, loaded
parts = sorted(name for name in sys.modules if name.startswith("vmsc."))
assert all(name.split(".")[1] == "runtime" for name in parts), parts
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_field_that_is_named_like_an_element_is_another(
    build: Callable[[str], types.ModuleType],
) -> None:
    module = build("""
        struct Inner { b: u8; row: u8[2] }
        struct Twins { x_0: u8; x: u8[2]; a: Inner; a__b: u8; a__row: u8[2]; x_0_1: u8 }
    """)
    wire = bytes(range(1, 11))
    value = module.decode_twins(wire)
    assert (value.x_0, value.x, value.x_0_1) == (1, [2, 3], 10)
    assert (value.a.b, value.a.row, value.a__b, value.a__row) == (4, [5, 6], 7, [8, 9])
    check_codec(module.CODECS["Twins"], value, wire)
