"""Imports run one way: every import of vmsc and its plugins is read, and a step down fails."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmsc.compiler.driver import analyse, generate
from vmsc.hooks.host import Host
from vmsc.schema.diagnostics import Report
from vmsc.schema.syntax.loader import load_text

ROOT = Path(__file__).parents[2]

# From the ground up. A room may import from its own layer and from those above it in this list.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("runtime",),
    ("schema",),
    ("plan",),
    ("hooks",),
    (
        "backend",
        "hookspecs",
    ),
    ("files",),
    ("stream",),
    ("params",),
    ("plugins",),
    ("compiler",),
    ("inspect",),
    ("guard",),
    ("cli",),
)
PLACE = {room: place for place, rooms in enumerate(LAYERS) for room in rooms}

# Who alone may import a library.
ONLY = {
    "lark": ("schema",),
    "jinja2": ("hooks", "plugins"),
    "pluggy": ("hooks",),
    "click": ("cli",),
    "rich": ("cli",),
}


def sources() -> Iterator[tuple[str, Path]]:
    """(room, file) of all of vmsc."""
    for folder in ("vmsc", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder)
            if folder == "plugins":
                yield "plugins", path
            elif inside.name != "__init__.py" or len(inside.parts) > 1:
                yield inside.parts[0].removesuffix(".py"), path


def imports(path: Path) -> Iterator[str]:
    """The absolute names that a file imports, but for those that types alone need."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module="vmsc", names=names, level=0):
                yield from (f"vmsc.{name.name}" for name in names)
            case ast.ImportFrom(module=str() as module, level=0):
                yield module


def room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize(("room", "path"), [pytest.param(*s, id=str(s[1])) for s in sources()])
def test_a_room_imports_only_from_its_own_layer_and_those_below(room: str, path: Path) -> None:
    assert room in PLACE, f"say in LAYERS where '{room}' stands"
    for name in imports(path):
        if name.split(".")[0] != "vmsc" or name in ("vmsc", "vmsc.__version__"):
            continue
        other = room_of(name)
        assert other in PLACE, f"{path} imports {name}"
        assert PLACE[other] <= PLACE[room], f"{path} imports {name}: a step down"
        if room == "runtime":
            assert other == "runtime", f"{path} imports {name}"
        if room == "stream":
            assert other in ("runtime", "stream"), f"{path} imports {name}"


def test_libraries_stay_in_their_rooms() -> None:
    for room, path in sources():
        for name in imports(path):
            wanted = ONLY.get(name.split(".")[0], (room,))
            assert room in wanted, f"{path} imports {name}"


def test_nothing_imports_by_way_of_the_source_tree() -> None:
    for _, path in sources():
        for name in imports(path):
            assert not name.startswith(("vmsc.vmsc", "vmsc.tests", "plugins", "tests")), path


def test_no_layer_is_left_over() -> None:
    assert set(PLACE) == {room for room, _ in sources()}


def loaded_by(statement: str, folder: Path) -> set[str]:
    """The top-level modules that are loaded when a fresh interpreter has run a statement."""
    code = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_vmsc_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"lark", "jinja2", "pluggy", "msgspec", "click", "rich"}
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
    assert not loaded & {"lark", "jinja2", "pluggy", "click", "rich"}
