"""Loading: which files are read, as which modules, and what is said of those that cannot be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from vmsc.schema.diagnostics import Report, as_text
from vmsc.schema.shipped import shipped_schemas
from vmsc.schema.syntax.loader import MAX_BYTES, MAX_USES, Loaded, load, load_text


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path: str, text: str | bytes = "struct A { a: u8 }\n") -> Path:
    """A file in the working directory."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def good(*paths: str, search: Sequence[str] = ()) -> Loaded:
    report = Report()
    loaded = load(map(Path, paths), report, [Path(s) for s in search])
    assert not report.found, as_text(report)
    return loaded


def said(*paths: str) -> str:
    report = Report()
    load(map(Path, paths), report)
    return as_text(report)


def modules(loaded: Loaded) -> list[str]:
    return [file.source.module for file in loaded.files]


# --- names of modules -----------------------------------------------------------------------------


def test_a_file_is_a_module_of_its_own_folder(tree: Path) -> None:
    put("deep/down/nic.vmsd")
    assert modules(good("deep/down/nic.vmsd")) == ["nic"]
    assert modules(good(str(tree / "deep/down/nic.vmsd"))) == ["nic"]


def test_a_folders_files_are_named_from_it(tree: Path) -> None:
    put("all/b/nic.vmsd")
    put("all/a.vmsd")
    put("all/b/a.vmsd")
    assert modules(good("all")) == ["a", "b.a", "b.nic"]
    os.chdir("all")
    assert modules(good(".")) == ["a", "b.a", "b.nic"]
    assert modules(good("../all/b")) == ["a", "nic"]


def test_a_file_of_a_folder_that_is_given_too_is_named_from_the_folder(tree: Path) -> None:
    put("all/b/nic.vmsd")
    loaded = good("all/b/nic.vmsd", "all", "all/b", "./all/../all/b/nic.vmsd")
    assert modules(loaded) == ["b.nic"] and loaded.asked == ("b.nic",)
    assert good("all/b/nic.vmsd", search=["all"]).asked == ("b.nic",)


def test_shipped_schemas_keep_their_names_however_they_are_reached(tree: Path) -> None:
    shipped = shipped_schemas()
    assert good(str(shipped / "std" / "pci.vmsd")).asked == ("std.pci",)
    assert "std.pci" in good(str(shipped / "std")).asked
    os.chdir(shipped)
    assert good("std/pci.vmsd").asked == ("std.pci",)


def test_what_is_used_comes_first_and_once(tree: Path) -> None:
    put("a.vmsd", "use sub.b\nuse c\nstruct A { a: u8 }")
    put("sub/b.vmsd", "use c\nstruct B { a: u8 }")
    put("c.vmsd", "struct C { a: u8 }")
    loaded = good("a.vmsd")
    assert modules(loaded) == ["c", "sub.b", "a"] and loaded.asked == ("a",)


def test_a_given_folder_counts_before_the_shipped_schemas(tree: Path) -> None:
    put("mine/std/pci.vmsd", "struct Mine { a: u8 }")
    put("mine/nic.vmsd", "use std.pci\nstruct A { a: Mine }")
    loaded = good("mine", str(shipped_schemas() / "std" / "pci.vmsd"))
    (pci,) = (f for f in loaded.files if f.source.module == "std.pci")
    assert pci.source.path == "mine/std/pci.vmsd" and not pci.source.shipped


def test_a_search_folder_is_used_from_and_not_asked_for(tree: Path) -> None:
    put("more/lib.vmsd", "struct L { a: u8 }")
    put("nic.vmsd", "use lib\nstruct A { a: L }")
    loaded = good("nic.vmsd", search=["more"])
    assert modules(loaded) == ["lib", "nic"] and loaded.asked == ("nic",)


def test_a_text_may_use_the_shipped_schemas() -> None:
    report = Report()
    loaded = load_text("use std.pci\nstruct A { a: u8 }", report)
    assert not report.found and modules(loaded) == ["std.pci", "schema"]


# --- what cannot be read --------------------------------------------------------------------------


def test_a_path_that_is_not_there_is_the_callers_to_mend(tree: Path) -> None:
    Path("lost.vmsd").symlink_to("nowhere")
    for path in ("none.vmsd", "lost.vmsd"):
        with pytest.raises(FileNotFoundError):
            load([Path(path)], Report())


def test_a_folder_without_schemas_is_an_error(tree: Path) -> None:
    Path("empty").mkdir()
    assert said("empty") == "empty:1:1: error: no .vmsd file in this folder [no-schemas]"


def test_bytes_that_are_not_utf8_are_shown_where_they_are(tree: Path) -> None:
    put("a.vmsd", b"\xef\xbb\xbfstruct A {\n    na\xc3\xafve: \xe9u8\n}")
    assert said("a.vmsd").splitlines() == [
        "a.vmsd:2:12: error: not UTF-8: byte 0xe9 [encoding]",
        "        na\xefve: \ufffdu8",
        "               ^",
    ]


def test_a_mark_at_the_head_and_other_line_ends_are_good(tree: Path) -> None:
    put("a.vmsd", b"\xef\xbb\xbf// x\r\nstruct A {\r\n    a: u8\r\n}\r\n")
    assert len(good("a.vmsd").files[0].descriptions) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "// words\n", "\ufeff"])
def test_an_empty_file_is_refused(tree: Path, text: str) -> None:
    put("a.vmsd", text)
    assert said("a.vmsd") == "a.vmsd:1:1: error: the file describes nothing [empty-file]"


@pytest.mark.parametrize("text", ["use std.pci", "const A = 1", "param n: u8"])
def test_a_file_without_descriptions_may_serve_others(tree: Path, text: str) -> None:
    put("a.vmsd", text)
    assert said("a.vmsd") == ""


def test_a_file_has_a_limit_and_no_more_is_read(tree: Path) -> None:
    put("a.vmsd", b" " * (MAX_BYTES + 1))
    message = f"a.vmsd:1:1: error: the file has more than {MAX_BYTES} bytes: split it [too-large]"
    assert said("a.vmsd") == message
    assert said("/dev/zero").startswith("/dev/zero:1:1: error: the file has more than")


def test_what_only_looks_like_a_schema_in_a_folder_is_passed_over(tree: Path) -> None:
    put("all/nic.vmsd")
    Path("all/folder.vmsd").mkdir()
    os.mkfifo("all/pipe.vmsd")
    Path("all/loop").symlink_to(".")
    assert modules(good("all")) == ["nic"]


def test_a_link_that_leads_nowhere_is_an_error(tree: Path) -> None:
    put("all/nic.vmsd")
    Path("all/lost.vmsd").symlink_to("nowhere")
    Path("all/self.vmsd").symlink_to("self.vmsd")
    assert said("all").splitlines() == [
        "all/lost.vmsd:1:1: error: cannot read the file: No such file or directory [unreadable]",
        "all/self.vmsd:1:1: error: cannot read the file: Too many levels of symbolic links"
        " [unreadable]",
    ]


# --- what cannot be a module ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my-nic", "2nd", "a.b", "naïve", "a b"])
def test_a_file_name_must_be_a_name(tree: Path, name: str) -> None:
    put(f"{name}.vmsd")
    message = f"'{name}' is no name, so this can be no module: letters, digits and _ are"
    assert said(f"{name}.vmsd") == f"{name}.vmsd:1:1: error: {message} [module-name]"


def test_so_must_the_names_of_its_folders(tree: Path) -> None:
    put("all/v1.2/nic.vmsd")
    assert "error: 'v1.2' is no name" in said("all")
    assert modules(good("all/v1.2")) == ["nic"]


def test_two_files_of_one_module_are_an_error(tree: Path) -> None:
    put("one/nic.vmsd")
    put("two/nic.vmsd")
    assert said("one", "two").splitlines() == [
        "two/nic.vmsd:1:1: error: a second file for the module 'nic' [duplicate-module]",
        "one/nic.vmsd:1:1: note: the first",
    ]


# --- use ------------------------------------------------------------------------------------------


def test_an_unknown_module_is_shown_with_a_near_one(tree: Path) -> None:
    put("a.vmsd", "use std.pcii\nuse sub.libb\nstruct A { a: u8 }")
    put("sub/lib.vmsd")
    text = said("a.vmsd")
    assert "no schema 'std.pcii' in '.' or the schemas that come with vmsc" in text
    assert "did you mean 'sub.lib'?" in text


def test_modules_that_use_each_other_are_shown_with_the_way(tree: Path) -> None:
    put("a.vmsd", "use b\nstruct A { a: u8 }")
    put("b.vmsd", "\nuse c\nstruct B { a: u8 }")
    put("c.vmsd", "use a\nstruct C { a: u8 }")
    assert said("a.vmsd").splitlines() == [
        "c.vmsd:1:1: error: 'a' uses itself [use-circle]",
        "    use a",
        "    ^~~~~",
        "a.vmsd:1:1: note: by way of 'b'",
        "    use b",
        "    ^~~~~",
        "b.vmsd:2:1: note: by way of 'c'",
        "    use c",
        "    ^~~~~",
    ]


def test_a_module_that_uses_itself_is_an_error(tree: Path) -> None:
    put("a.vmsd", "use a\nstruct A { a: u8 }")
    assert "a.vmsd:1:1: error: 'a' uses itself [use-circle]" in said("a.vmsd")


def test_a_long_row_of_uses_is_an_error(tree: Path) -> None:
    for n in range(MAX_USES + 5):
        put(f"m{n}.vmsd", f"use m{n + 1}\nstruct A {{ a: u8 }}")
    put(f"m{MAX_USES + 5}.vmsd")
    assert "[too-deep]" in said("m0.vmsd")


def test_a_broken_file_is_reported_once_however_often_it_is_used(tree: Path) -> None:
    put("a.vmsd", "use c\nuse b\nstruct A { a: u8 }")
    put("b.vmsd", "use c\nstruct B { a: u8 }")
    put("c.vmsd", "struct C { a: }")
    assert said("a.vmsd", "b.vmsd", "c.vmsd").count("error:") == 1
