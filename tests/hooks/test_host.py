"""The host: how plugins are found, and that a faulty one is named: exit 2, one line, no trace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from commands import run_vmsc

from vmsc.hooks import BackendInput
from vmsc.hooks.host import Host, PluginError, load_host

HEAD = """
from vmsc.hooks import *
from vmsc.schema.diagnostics import Report
"""

SCHEMA = 'device "uart" { lsr: u8 }\n'

Write = Callable[[str, str], str]


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Write]:
    """plugin(name, body): a file of that name, to be loaded with -p; modules made are forgotten."""

    def write(name: str, body: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + dedent(body))
        return str(path)

    yield write
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "uart.vmsd"
    path.write_text(SCHEMA)
    return path


def line_of(text: str, path: str) -> int:
    """The number of the one line that holds the text."""
    lines = Path(path).read_text().splitlines()
    (number,) = (n for n, line in enumerate(lines, 1) if text in line)
    return number


def refused(*named: str) -> str:
    """What load_host says as it refuses these plugins."""
    with pytest.raises(PluginError) as caught:
        load_host(named)
    return str(caught.value)


def backend(name: str, generate: str = "lambda context: []") -> str:
    return f"""
@hook
def vmsc_backends():
    return [Backend("{name}", "a test", {generate})]
"""


def test_the_built_in_backends_are_plugins_like_any_other(host: Host) -> None:
    plugins = {p.name: p for p in host.plugins}
    assert {"python", "docs"} <= set(plugins) and {"python", "docs"} <= set(host.backends)
    assert plugins["docs"].origin.startswith("vmsc ")
    assert plugins["docs"].adds == (f"backend docs: {host.backends['docs'].summary}",)
    assert host.givers["backend", "docs"] == "docs"


# --- -p FILE and -p MODULE ------------------------------------------------------------------------


def test_a_file_is_loaded_with_p(plugin: Write) -> None:
    path = plugin("one_file", backend("mine"))
    host = load_host([path])
    assert "mine" in host.backends
    (mine,) = (p for p in host.plugins if p.name == "one_file")
    assert mine.origin == path and mine.adds == ("backend mine: a test",)


def test_a_plugin_that_was_written_against_the_old_names_is_loaded(plugin: Write) -> None:
    old = dedent("""
        from vmsc.backend import (
            Artifact, Backend, BackendError, Check, Context, Importer, ImporterError, Option,
            PythonName, SectionHandler, Transform, WireType,
        )
        import vmsc.hookspecs as hooks

        def generate(context: Context):
            return [Artifact("old.txt", str(len(context.modules)))]

        @hooks.hook
        def vmsc_backends():
            return [Backend("old", "a test", generate)]
    """)
    host = load_host([plugin("old_names", old)])
    assert host.backends["old"].generate.__annotations__ == {"context": BackendInput}


def test_a_module_is_loaded_with_p(plugin: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(plugin("a_module", backend("mine")))
    monkeypatch.syspath_prepend(path.parent)
    assert "mine" in load_host(["a_module"]).backends


def test_a_plugin_that_is_named_twice_is_one(
    plugin: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plugin("named_twice", backend("mine"))
    monkeypatch.syspath_prepend(Path(path).parent)
    host = load_host([path, path, "named_twice"])
    assert sum(p.name == "named_twice" for p in host.plugins) == 1


def test_the_command_line_takes_p_and_lists_what_it_adds(plugin: Write) -> None:
    path = plugin("listed", backend("mine"))
    done = run_vmsc("plugins", "-p", path)
    assert done.status == 0
    assert f"listed ({path})\n    backend mine: a test\n" in done.out


def test_a_file_that_is_not_there_is_named() -> None:
    done = run_vmsc("plugins", "-p", "nowhere.py")
    assert done.status == 2
    assert done.err == "vmsc: error: plugin 'nowhere.py': no such file\n"


def test_a_module_that_is_not_there_is_named() -> None:
    done = run_vmsc("plugins", "-p", "no_such_module")
    assert done.status == 2
    assert "plugin 'no_such_module' cannot be loaded: ModuleNotFoundError" in done.err


@pytest.mark.parametrize("name", ["with-dash", "class", "2fast"])
def test_a_file_whose_name_no_import_can_say_is_refused(plugin: Write, name: str) -> None:
    assert "is no module name: rename the file" in refused(plugin(name, ""))


@pytest.mark.parametrize("name", ["json", "antigravity", "vmsc"])
def test_a_file_may_not_hide_another_module(plugin: Write, name: str) -> None:
    modules = {n: m for n, m in sys.modules.items() if n.split(".")[0] == name}
    assert f"there is another module '{name}'" in refused(plugin(name, ""))
    assert all(sys.modules[n] is m for n, m in modules.items())


def test_a_file_that_cannot_be_run_is_named_and_forgotten(plugin: Write) -> None:
    assert "cannot be loaded: ZeroDivisionError" in refused(plugin("broken_once", "1 / 0"))
    assert "broken_once" not in sys.modules
    assert "cannot be loaded: SyntaxError" in refused(plugin("broken_twice", "def"))


# --- entry points ---------------------------------------------------------------------------------


def distribution(folder: Path, name: str, entries: str) -> None:
    """An installed package that has these entry points."""
    info = folder / f"{name}-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[vmsc.plugins]\n{entries}\n")


def test_an_installed_package_is_found_by_its_entry_point(
    plugin: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin("installed_one", backend("mine"))
    distribution(tmp_path, "pkg", "shown = installed_one")
    monkeypatch.syspath_prepend(tmp_path)
    host = load_host()
    assert "mine" in host.backends
    (mine,) = (p for p in host.plugins if p.name == "shown")
    assert mine.origin == "pkg 1.5"


def test_an_installed_plugin_that_cannot_be_loaded_is_named_with_its_package(
    plugin: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin("installed_two", "import no_such_module")
    distribution(tmp_path, "pkg", "shown = installed_two")
    monkeypatch.syspath_prepend(tmp_path)
    text = refused()
    assert text.startswith("plugin 'shown' (pkg 1.5, installed_two) cannot be loaded")
    done = run_vmsc("plugins", PYTHONPATH=str(tmp_path))
    assert done.status == 2 and text in done.err and "Traceback" not in done.err


def test_two_installed_plugins_of_one_name_are_both_named(
    plugin: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin("installed_three", "")
    plugin("installed_four", "")
    distribution(tmp_path, "pkg_a", "shown = installed_three")
    distribution(tmp_path, "pkg_b", "shown = installed_four")
    monkeypatch.syspath_prepend(tmp_path)
    text = refused()
    assert text == "two plugins are called 'shown': one of pkg_a 1.5, one of pkg_b 1.5"


# --- clashes --------------------------------------------------------------------------------------


def test_a_clash_names_both_plugins(plugin: Write) -> None:
    one, two = plugin("first_one", backend("mine")), plugin("second_one", backend("mine"))
    done = run_vmsc("plugins", "-p", one, "-p", two)
    assert done.status == 2
    expected = "plugins 'first_one' and 'second_one' both bring the backend 'mine'"
    assert done.err == f"vmsc: error: {expected}\n"


def test_a_clash_with_a_built_in_names_both(plugin: Write) -> None:
    text = refused(plugin("another_python", backend("python")))
    assert text == "plugins 'python' and 'another_python' both bring the backend 'python'"


def test_one_name_for_things_of_two_kinds_is_no_clash(plugin: Write) -> None:
    body = (
        backend("mine")
        + """
@hook
def vmsc_checks():
    return [Check("mine", "a test", (), lambda schema, report: None)]
"""
    )
    host = load_host([plugin("two_kinds", body)])
    assert "mine" in host.backends and "mine" in host.checks


# --- hooks ----------------------------------------------------------------------------------------


def test_a_misspelt_hook_is_an_error(plugin: Write, schema: Path) -> None:
    path = plugin("misspelt", "@hook\ndef vmsc_backend():\n    return []")
    done = run_vmsc("check", schema, "-p", path)
    assert done.status == 2
    assert "plugin 'misspelt': no hook 'vmsc_backend'; the hooks are vmsc_backends" in done.err


def test_a_hook_that_is_not_marked_is_an_error(plugin: Write) -> None:
    path = plugin("unmarked", "def vmsc_backends():\n    return []")
    assert "'vmsc_backends' lacks @vmsc.hooks.hook" in refused(path)


def test_a_hook_with_arguments_that_it_is_not_given_is_an_error(plugin: Write) -> None:
    path = plugin("argued", "@hook\ndef vmsc_backends(config):\n    return []")
    assert refused(path).startswith("plugin 'argued'")


def test_a_module_whose_name_begins_like_a_hook_is_none(plugin: Write) -> None:
    plugin("vmsc_helpers", "")
    path = plugin("imports_it", "import types as vmsc_helpers\nvmsc_number = 5\n" + backend("x"))
    assert "x" in load_host([path]).backends


def test_a_hook_that_raises_is_named(plugin: Write) -> None:
    path = plugin("raising", "@hook\ndef vmsc_types():\n    raise ValueError('my own')")
    line = line_of("raise ", path)
    assert (
        refused(path) == f"plugin 'raising': vmsc_types raised ValueError: my own ({path}:{line})"
    )


@pytest.mark.parametrize("given", ["None", "5"])
def test_a_hook_that_gives_no_list_is_named(plugin: Write, given: str) -> None:
    path = plugin("listless", f"@hook\ndef vmsc_types():\n    return {given}")
    assert refused(path).startswith("plugin 'listless': vmsc_types raised TypeError")


def test_a_hook_that_gives_another_record_is_named(plugin: Write) -> None:
    path = plugin("other", "@hook\ndef vmsc_types():\n    return ['u24']")
    assert refused(path) == "plugin 'other': vmsc_types gave 'u24', not a WireType"


# --- records --------------------------------------------------------------------------------------


def wire_type(name: str, **functions: str) -> str:
    at = {use: f"PythonName({where!r}, {use!r})" for use, where in functions.items()}
    python = ", ".join(f"{use!r}: {text}" for use, text in at.items())
    return f"""
    type = int
    def decode(buf, pos): return buf[pos], pos + 1
    def encode(value): return bytes([value])
    @hook
    def vmsc_types():
        return [WireType({name!r}, "a test", {{{python}}})]
    """


def test_a_good_wire_type_is_taken(plugin: Write) -> None:
    body = wire_type("u24", decode="typed", encode="typed", type="typed")
    assert "u24" in load_host([plugin("typed", body)]).types


def test_a_wire_type_without_its_three_functions_is_refused(plugin: Write) -> None:
    text = refused(plugin("short", wire_type("u24", decode="short")))
    assert text == "plugin 'short': its type 'u24' has decode for Python, not decode, encode, type"


@pytest.mark.parametrize("name", ["usb-redir", "u 24", "", "ü24"])
def test_a_wire_type_needs_a_name_that_the_language_can_write(plugin: Write, name: str) -> None:
    body = wire_type(name, decode="named", encode="named", type="named")
    assert "has a name that the language cannot write" in refused(plugin("named", body))


@pytest.mark.parametrize("name", ["u32", "bool", "bytes"])
def test_a_wire_type_may_not_have_the_name_of_one_of_the_language(plugin: Write, name: str) -> None:
    body = wire_type(name, decode="known", encode="known", type="known")
    assert "has the name of one of the language's own types" in refused(plugin("known", body))


def test_a_function_that_is_not_there_is_found_before_anything_is_generated(
    plugin: Write,
) -> None:
    body = wire_type("u24", decode="absent", encode="os.path", type="absent")
    text = refused(plugin("absent", body))
    assert "its type 'u24' names 'os.path.encode' for encode, which is not there" in text


def test_a_function_of_a_module_that_is_not_there_is_found(plugin: Write) -> None:
    body = wire_type("u24", decode="no.such", encode="gone", type="gone")
    assert "names 'no.such.decode' for decode: ModuleNotFoundError" in refused(plugin("gone", body))


def test_a_backend_needs_a_name_for_the_command_line(plugin: Write) -> None:
    assert "has a name that is not of letters" in refused(plugin("odd", backend("a b")))


# --- plugins at work ------------------------------------------------------------------------------


def test_a_backend_that_raises_is_named_with_exit_2(plugin: Write, schema: Path) -> None:
    body = "def generate(context):\n    return [1][2]\n" + backend("mine", "generate")
    path = plugin("failing", body)
    done = run_vmsc("compile", schema, "-p", path, "--backend", "mine", "-o", schema.parent / "out")
    assert done.status == 2
    message = "plugin 'failing': its backend 'mine' raised IndexError: list index out of range"
    line = line_of("return [1][2]", path)
    assert done.err == f"vmsc: error: {message} ({path}:{line})\n"
    assert not (schema.parent / "out").exists()


def test_a_check_that_raises_is_named_with_exit_2(plugin: Write, schema: Path) -> None:
    path = plugin("checking", """
    def run(schema, report):
        raise KeyError("lost")
    @hook
    def vmsc_checks():
        return [Check("strict", "a test", (), run)]
    """)  # fmt: skip
    done = run_vmsc("check", schema, "-p", path)
    assert done.status == 2
    message = "plugin 'checking': its check 'strict' raised KeyError: 'lost'"
    line = line_of("raise ", path)
    assert done.err == f"vmsc: error: {message} ({path}:{line})\n"
    traced = run_vmsc("check", schema, "-p", path, VMSC_TRACEBACK="1")
    assert traced.status == 2 and "Traceback" in traced.err and 'KeyError("lost")' in traced.err


def test_a_check_that_reports_without_a_place_is_named_with_its_line(
    plugin: Write, schema: Path
) -> None:
    path = plugin("placeless", """
    def run(schema, report):
        report.error("lost", "somewhere", None)
    @hook
    def vmsc_checks():
        return [Check("strict", "a test", ("lost",), run)]
    """)  # fmt: skip
    done = run_vmsc("check", schema, "-p", path)
    assert done.status == 2
    message = "its check 'strict' raised TypeError: 'lost' is reported at None, not at a Span"
    line = line_of("report.error", path)
    assert done.err == f"vmsc: error: plugin 'placeless': {message} ({path}:{line})\n"


def test_what_a_check_reports_is_the_users_to_mend(plugin: Write, schema: Path) -> None:
    path = plugin("rules", """
    def run(schema, report):
        for one in schema.descriptions.values():
            report.error("too-short", f"'{one.name}' is too short", one.span)
    @hook
    def vmsc_checks():
        return [Check("strict", "a test", ("too-short",), run)]
    """)  # fmt: skip
    done = run_vmsc("check", "uart.vmsd", "-p", path, cwd=schema.parent)
    assert done.status == 1
    assert done.err.startswith("uart.vmsd:1:8: error: 'Uart' is too short [too-short]\n")


def test_what_a_backend_cannot_write_is_shown_at_its_place(plugin: Write, schema: Path) -> None:
    path = plugin("limited", """
    def generate(context):
        for one in context.program.plans.values():
            raise BackendError("no devices here", one.span)
        yield
    @hook
    def vmsc_backends():
        return [Backend("mine", "a test", generate)]
    """)  # fmt: skip
    done = run_vmsc("compile", "uart.vmsd", "-p", path, "--backend", "mine", cwd=schema.parent)
    assert done.status == 1
    assert done.err.startswith("uart.vmsd:1:8: error: no devices here [backend-mine]\n")
    assert not (schema.parent / "generated").exists()


def test_an_unknown_backend_is_a_usage_error_that_lists_those_there_are(schema: Path) -> None:
    done = run_vmsc("compile", schema, "--backend", "cobol")
    assert done.status == 2
    assert "no backend 'cobol'; there are: docs, python" in done.err


def test_an_unknown_option_is_a_usage_error_that_lists_those_there_are(schema: Path) -> None:
    done = run_vmsc("compile", schema, "--backend", "docs", "--option", "font=big")
    assert done.status == 2
    assert "backend 'docs' has no option 'font'; there are: title" in done.err
