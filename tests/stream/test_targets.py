"""Devices of one name and different targets: which one a section is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmsc.compiler.library import Library, open_library
from vmsc.runtime.errors import DecodeError
from vmsc.schema.diagnostics import Diagnostic
from vmsc.stream.targets import target_of

TWO = """
    device Big as "acme" version 3 minimum 2 target "x86_64" { a: u32 }
    device Small as "acme" version 3 target "i386" { a: u16 }
    device Other as "acme" version 7 target "aarch64" { a: u8 }
    device "plain" { a: u8 }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder: Path = tmp_path_factory.mktemp("targets")
    (folder / "two.vmsd").write_text(TWO)
    return open_library([folder], ["vmsc.plugins.docs"])  # with a plugin: not from the cache


def found(library: Library, name: str, version: int, target: str = "") -> str | None:
    codec = library.device(name, 0, version, target)
    return None if codec is None else codec.type.__name__


@pytest.mark.parametrize(
    ("machine", "target"),
    [
        ("pc-i440fx-7.2", "x86_64"), ("pc-q35-2.4", "x86_64"), ("isapc", "x86_64"),
        ("microvm", "x86_64"), ("virt-7.2", "aarch64"), ("virt", ""), ("none", ""), ("", ""),
        ("pseries-7.2", ""),
    ],
)  # fmt: skip
def test_a_machine_type_tells_its_target(machine: str, target: str) -> None:
    assert target_of(machine) == target


def test_the_target_says_which_device_it_is(library: Library) -> None:
    assert found(library, "acme", 3, "x86_64") == "Big"
    assert found(library, "0000:00:02.0/acme", 3, "i386") == "Small"
    assert found(library, "acme", 7, "aarch64") == "Other"
    assert found(library, "plain", 1, "i386") == "Plain"


def test_a_device_of_another_target_is_not_taken(library: Library) -> None:
    assert found(library, "acme", 7, "riscv64") is None


def test_a_version_that_the_target_does_not_have_is_not_looked_for_elsewhere(
    library: Library,
) -> None:
    assert found(library, "acme", 3, "aarch64") == "Other"  # whose decoder names both versions


def test_without_a_target_the_version_says_which(library: Library) -> None:
    assert found(library, "acme", 2) == "Big"
    assert found(library, "acme", 7) == "Other"


def test_where_nothing_tells_the_target_is_asked_for(library: Library) -> None:
    with pytest.raises(DecodeError, match=r"'acme' of x86_64 or i386: say which with --target"):
        library.device("acme", 0, 3)


def test_a_frame_is_read_with_the_layout_that_it_was_made_with(library: Library) -> None:
    for target in ("x86_64", "i386", "aarch64"):
        codec = library.device("acme", 0, 7 if target == "aarch64" else 3, target)
        assert codec is not None
        assert library.of_layout("acme", codec.digest) is codec
    assert library.of_layout("acme", bytes(8)) is None


@pytest.mark.parametrize("targets", [("", ""), ('target "a"', ""), ('target "a"', 'target "a"')])
def test_two_devices_of_one_name_need_different_targets(
    targets: tuple[str, str], report_of: Callable[[str], list[Diagnostic]]
) -> None:
    one, other = targets
    report = report_of(f'device A as "x" {one} {{}} device B as "x" {other} {{}}')
    assert [d.code for d in report] == ["duplicate-device"]


def test_a_field_may_be_called_target(report_of: Callable[[str], list[Diagnostic]]) -> None:
    assert report_of('device "x" { target: u8 }') == []
