"""Names: what `check` calls good, the Python backend writes, whatever its things are called."""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from commands import run_vmsc
from helpers import build_text
from vmsc.plugins.python.names import GLOBALS, LOCAL_PREFIX, LOCALS, attribute, module_paths
from vmsc.plugins.python.standard_library import MODULES

import vmsc.runtime.types
import vmsc.runtime.wire
from vmsc.compiler.driver import compile_paths, generate
from vmsc.compiler.library import open_library
from vmsc.hooks.host import Host
from vmsc.inspect.json_values import from_json, to_json
from vmsc.runtime.codec import Codec, keywords
from vmsc.runtime.errors import DecodeError
from vmsc.schema.diagnostics import Report, as_text

ROOT = Path(__file__).parents[2]
SEED = 3

# --- the names of everything ----------------------------------------------------------------------


def generated(*paths: Path, host: Host) -> list[str]:
    report = Report()
    schema = compile_paths(paths, host, report)
    assert schema is not None, as_text(report)
    return [a.text for a in generate(schema, host.backends["python"], host, report)]


@pytest.fixture(scope="module")
def modules(host: Host) -> list[ast.Module]:
    """What vmsc's own schemas make."""
    return [ast.parse(text) for text in generated(ROOT / "schemas", host=host)]


def functions(module: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]


def names_in(node: ast.AST, kind: type[ast.expr_context]) -> set[str]:
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, kind)}
    if kind is ast.Store:
        found |= {n.name for n in ast.walk(node) if isinstance(n, ast.ExceptHandler) and n.name}
        found |= {a.arg for n in ast.walk(node) if isinstance(n, ast.arguments) for a in n.args}
    return found


def keywords_in(node: ast.AST) -> set[str]:
    return {a.arg for n in ast.walk(node) if isinstance(n, ast.arguments) for a in n.kwonlyargs}


def test_the_locals_of_generated_functions_are_known(modules: list[ast.Module]) -> None:
    found = {
        name
        for module in modules
        for function in functions(module)
        for name in names_in(function, ast.Store) - keywords_in(function)
    }
    own = {n for n in found if not n.startswith("_") and not LOCAL_PREFIX.fullmatch(n)}
    assert own <= LOCALS
    assert LOCALS - own <= {"version_"}
    assert {"v_size", "p_size", "l_size", "g0_size", "n_1"} == {
        n for n in ("v_size", "p_size", "l_size", "g0_size", "n_1", "size_", "Size")
        if LOCAL_PREFIX.fullmatch(n)
    }  # fmt: skip


def test_the_globals_of_generated_modules_are_known(modules: list[ast.Module]) -> None:
    found = set()
    for module in modules:
        made = {n.name for n in module.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        made |= {
            name
            for n in module.body
            if isinstance(n, ast.Assign)
            for name in names_in(n, ast.Store)
        }
        imported = {
            alias.asname or alias.name
            for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }  # fmt: skip
        used = set()
        for function in functions(module):
            inside = names_in(function, ast.Store) | keywords_in(function)
            used |= names_in(function, ast.Load) - inside
        found |= imported | (used - made - imported)
    assert {n for n in found if not n.startswith("_")} <= GLOBALS
    assert set(vmsc.runtime.types.__all__) <= GLOBALS


def test_no_two_fields_have_one_attribute() -> None:
    stems = ("int", "class", "None", "version", "U8", "x", "Struct", "_")
    names = [stem + "_" * n for stem in stems for n in range(4)]
    names += [f"__{name}" for name in ("x", "x_", "x__", "init__", "")]
    attributes = [attribute(name) for name in names]
    assert len(set(attributes)) == len(set(names))
    assert not [a for a in attributes if keyword.iskeyword(a) or re.fullmatch("__.*[^_]_?", a)]
    assert [attribute(n) for n in ("x", "max", "_x", "Bytes")] == ["x", "max", "_x", "Bytes"]


# --- any name, anywhere ---------------------------------------------------------------------------

NAMES = sorted(
    {
        *GLOBALS, *LOCALS, *keyword.kwlist, *keyword.softkwlist, *vars(builtins), *vars(msgspec),
        *vars(vmsc.runtime.types), *vars(vmsc.runtime.wire), *dir(msgspec.Struct), *MODULES,
        "_w", "_c", "_S0", "_F0", "_T0", "_struct", "_it", "_CodecError", "__all__", "__doc__", "_",
        "__", "___", "__x", "_x", "v_a", "v_b", "l_a", "p_a", "t_1", "e_1", "i_1", "n_1", "g0_a",
        "ev_a_0", "self", "cls", "get_a", "skip_a", "put_a", "decode_a", "A", "A_", "a_from",
        "A_from", "A_framed", "a_framed_from", "FooBar", "Foo_Bar", "foo_bar", "fooBar", "Foo",
        "foo",
        "None_", "int_", "class_", "version_", "final_", "codec", "made", "schema", "std",
    }
)  # fmt: skip
NAMES = [name for name in NAMES if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name)]

PLAIN = ["Inner", "Rounds", "pp", "qq", "aa", "bb", "cc", "dd", "Outer", "ll", "ss"]


def schema(names: list[str]) -> str:
    """Descriptions, parameters, fields, a let and a subsection of these names. (A word of the
    language is a name in back-quotes.)
    """
    inner, loop, p, q, a, b, c, d, outer, let, sub = (f"`{name}`" for name in names)
    return f"""
param {p}: u8 max 9
param {q}: one of "x", "y"
struct {inner} {{ {a}: u8  {b}: bytes[{a} & 3]  {c}: u16[{p} & 1]  {d}: u8 when {a} == 1 }}
loop {loop} {{ {b}: u8  {a}: u8 sticky unless {b} & 1  break when {b} & 2 }}
vmsd {let} as "v" {{ {inner}: {inner}  {loop}: u8 when {inner}.{d} == 7 }}
device {outer} as "d" version 2 minimum 1 {{
    {a}: u8
    {b}: {inner}
    {c}: {inner}[2]
    {inner}: {let}
    {loop}: {loop}
    {d}: u8 when {b}.{a} == 1 and {q} == "x"
    let {let} = {p} + {a}
    last_one: u8[{let} & 3]
    {outer}: u8 since 2
    subsection "d/s" as {sub} {{ {c}: u16  {d}: u8[{p} & 3]  {inner}: {inner} }}
}}
"""


def outcome(codec: Codec, data: bytes, given: dict[str, Any]) -> bytes | str:
    """The framed form of what the bytes stand for, or why they are refused."""
    try:
        value, end = codec.qemu.decode_from(data, 0, **given)
    except DecodeError as refusal:
        return refusal.code
    assert codec.qemu.scan(data, 0, **given) == codec.qemu.measure(value, **given) == end
    assert codec.qemu.encode(value, **given) == data[:end]
    framed = codec.framed.encode(value, **given)
    assert codec.framed.decode(framed, **given) == value
    text = json.dumps(to_json(codec.type, value))
    assert from_json(codec.type, json.loads(text)) == value
    return framed


@pytest.fixture(scope="module")
def inputs(host: Host) -> list[tuple[bytes, bytes | str]]:
    """Bytes, and what a codec of plain names makes of them."""
    chance = random.Random(SEED)
    codec = build_text(schema(PLAIN), host).CODECS["Outer"]
    found = []
    for _ in range(40):
        body = bytes(chance.choice((0, 1, 1, 2, 3, 7, 0x30)) for _ in range(90))
        tail = b"\5\3d/s\0\0\0\1" + bytes(chance.randrange(3) for _ in range(9))
        end = codec.qemu.scan(body, 0, False, pp=3, qq="x")
        data = body[:end] + tail * chance.randrange(2)
        found.append((data, outcome(codec, data, {"pp": 3, "qq": "x"})))
    assert sum(isinstance(wanted, bytes) for _, wanted in found) > 10
    return found


def check(names: list[str], inputs: list[tuple[bytes, bytes | str]], host: Host) -> None:
    """The schema of these names compiles, imports, and round-trips as that of plain names does."""
    module = build_text(schema(names), host)
    assert set(module.__all__) <= set(vars(module))
    assert len(set(module.__all__)) == len(module.__all__)
    codec = module.CODECS[names[8]]
    assert {p.name for p in codec.params if not p.sticky} == set(names[2:4])
    given = keywords({names[2]: 3, names[3]: "x"})
    for data, wanted in inputs:
        assert outcome(codec, data, given) == wanted


def rows(shift: int) -> list[list[str]]:
    """All names, each once, in rows of a schema's; in another place of it for each shift."""
    chance = random.Random(SEED)
    names = chance.sample(NAMES, len(NAMES))
    names += names[: -len(names) % len(PLAIN)]
    found = [names[i : i + len(PLAIN)] for i in range(0, len(names), len(PLAIN))]
    return [row[shift:] + row[:shift] for row in found]


@pytest.mark.parametrize("part", range(4))
def test_any_name_can_stand_anywhere(
    part: int, inputs: list[tuple[bytes, bytes | str]], host: Host
) -> None:
    for row in rows(0)[part::4]:
        check(row, inputs, host)


@pytest.mark.soak
@pytest.mark.parametrize("shift", range(1, len(PLAIN)))
def test_any_name_can_stand_everywhere(
    shift: int, inputs: list[tuple[bytes, bytes | str]], host: Host
) -> None:
    for row in rows(shift):
        check(row, inputs, host)


@pytest.mark.parametrize(
    "names",
    [
        ["FooBar", "Foo_bar", "foo_bar", "Foo_Bar"],
        ["A", "A_from", "A_framed", "A_framed_from", "a", "A_"],
        ["int", "int_", "int__", "None", "None_"],
        ["decode_a", "A", "get_a", "put_a_from", "scan_a_framed"],
    ],
)
def test_names_that_clash_are_told_apart_in_the_order_of_the_text(
    names: list[str], host: Host
) -> None:
    text = "".join(f"struct `{n}` {{ a: u8 b: u8[{i}] }}\n" for i, n in enumerate(names))
    module = build_text(text, host)
    assert list(module.CODECS) == names
    assert len({codec.type for codec in module.CODECS.values()}) == len(names)
    for i, name in enumerate(names):
        codec = module.CODECS[name]
        wire = bytes(range(i + 1))
        value = codec.qemu.decode(wire)
        assert type(value) is codec.type is getattr(module, codec.type.__name__)
        assert codec.qemu.encode(value) == wire
        assert getattr(module, codec.qemu.decode.__name__) is codec.qemu.decode
    assert build_text(text.replace("u8[", "u8 ["), host).__all__ == module.__all__


def test_a_parameter_called_like_a_codecs_own_keyword_has_an_underscore_there(host: Host) -> None:
    text = "".join(f"param `{n}`: u8 max 9\n" for n in ("version", "final", "notes", "final_"))
    text += 'device "d" version 3 { a: bytes[`version`] b: bytes[final + final_] c: bytes[notes] }'
    codec = build_text(text, host).CODECS["D"]
    given = keywords({"version": 1, "final": 2, "notes": 3, "final_": 4})
    assert list(given) == ["version_", "final_", "notes_", "final__"]
    value = codec.qemu.decode(bytes(range(10)), version=3, **given)
    assert (len(value.a), len(value.b), len(value.c)) == (1, 6, 3)
    assert codec.framed.decode(codec.framed.encode(value, **given), **given) == value


# --- modules --------------------------------------------------------------------------------------


def test_modules_have_paths_that_python_finds() -> None:
    names = ["uart", "a", "a.b", "a.b.c", "a_", "class", "x.class", "struct", "x.struct", "vmsc",
             "__init__", "x.__init__", "x.y", "json", "json_"]  # fmt: skip
    assert module_paths(reversed(names)) == {
        "uart": "uart", "a": "a__", "a_": "a_", "a.b": "a.b_", "a.b.c": "a.b.c", "class": "class_",
        "x.class": "x.class_", "struct": "struct_", "x.struct": "x.struct", "vmsc": "vmsc_",
        "__init__": "__init___", "x.__init__": "x.__init___", "x.y": "x.y", "json": "json__",
        "json_": "json_",
    }  # fmt: skip
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    assert public <= MODULES


FILES = {
    "struct.vmsd": "struct Part { a: u8 }",
    "class.vmsd": "use struct\nstruct Whole { p: Part }",
    "a.vmsd": "use class\nstruct First { w: Whole }",
    "a/b.vmsd": 'use a\nuse struct\nvmsd Second as "s" { f: First p: Part }',
    "typing.vmsd": 'use a.b\ndevice "d" { s: Second }',
    "__init__.vmsd": 'use typing\ndevice "e" { a: u8 }',
}


def test_a_module_may_be_called_like_anything(tmp_path: Path) -> None:
    source, output = tmp_path / "schemas", tmp_path / "out"
    for name, text in FILES.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = run_vmsc("compile", source, "-o", output)
    assert done.status == 0, done.err
    use = """
import sys; sys.path.insert(0, sys.argv[1])
import typing, struct, typing_, struct_, class_, a_, a.b, __init___
value = typing_.decode_d(b"\\x01\\x02")
assert value.s.f.w.p == struct_.Part(1) and typing_.encode_d(value) == b"\\x01\\x02"
assert struct.pack(">H", 1) == b"\\0\\1" and __init___.decode_e(b"\\3").a == 3
"""
    subprocess.run([sys.executable, "-c", use, output], check=True, timeout=60)
    library = open_library([source])
    codec = library.find("d", 0, 1) if hasattr(library, "find") else None
    assert codec is None or codec.qemu.decode(b"\1\2").s.p.a == 2
