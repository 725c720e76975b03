"""Machine files and `--param`: what they may say, which section gets it, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmsc.params.machine_file import (
    MachineError,
    MachineFile,
    SectionParams,
    Settings,
    load_machine,
    machine_text,
    parse_given,
    parse_machine,
)
from vmsc.runtime.codec import Param

PARAMS = (
    Param("capacity", low=1, high=64),
    Param("is_pci", high=1, kind="bool"),
    Param("cpus", high=(1 << 288) - 1, kind="bits"),
    Param("wire", words=("pci", "mmio"), kind="words"),
    Param("block", kind="bytes", sticky=True),
)


def given(*texts: str, machine: MachineFile | None = None) -> Settings:
    return Settings(machine or MachineFile(), tuple(map(parse_given, texts)))


def ask(settings: Settings, name: str = "dev", instance: int = 0, occurrence: int = 0) -> object:
    return settings.params_for(name, instance, occurrence, PARAMS)


# --- files ----------------------------------------------------------------------------------------

FILE = """\
{"vmsc-machine": 1,
 "machine": "pc-i440fx-7.2",
 "sections": [
  {"name": "ram", "params": {"page_size": 4096}},
  {"name": "0000:00:03.0/dev", "instance": 2, "params": {"is_pci": true, "wire": "mmio"}},
  {"name": "uart", "instance": 0, "params": {"cpus": "0x10000000000000001"}}
 ]}
"""


def test_a_file_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text(FILE)
    machine = load_machine(path)
    assert machine.name == "pc-i440fx-7.2"
    assert machine.sections[1] == SectionParams(
        "0000:00:03.0/dev", 2, {"is_pci": True, "wire": "mmio"}
    )
    assert machine_text(machine) == FILE
    assert machine_text(MachineFile()) == '{"vmsc-machine": 1,\n "sections": []}\n'
    assert parse_machine(machine_text(MachineFile()).encode()).sections == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.json: not JSON: Expecting value"),
        ("[" * 100_000, "m.json: it nests too deep"),
        ('{"vmsc-machine": 1, "sections": ' + "[" * 500 + "]" * 500 + "}",
         "m.json: sections[0]: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[... found, expected an object"),
        ("[]", "m.json: not a machine file: it has no 'vmsc-machine'"),
        ('{"vmsc-machine": 2, "other": 1}',
         "m.json: a machine file of format 2; vmsc reads format 1"),
        ('{"vmsc-machine": 1}', "m.json: no 'sections'"),
        ('{"vmsc-machine": 1, "sections": 1}', "m.json: sections: 1 found, expected an array"),
        ('{"vmsc-machine": 1, "sections": [], "x": 1}',
         "m.json: unknown key 'x'; there are vmsc-machine, sections, machine"),
        ('{"vmsc-machine": 1, "sections": [7]}',
         "m.json: sections[0]: 7 found, expected an object"),
        ('{"vmsc-machine": 1, "sections": [{"params": {}}]}', "m.json: sections[0]: no 'name'"),
        ('{"vmsc-machine": 1, "sections": [{"name": "a", "params": {}, "Params": {}}]}',
         "m.json: sections[0]: unknown key 'Params'; there are name, params, instance"),
        ('{"vmsc-machine": 1, "sections": [{"name": "a", "instance": true, "params": {}}]}',
         "m.json: sections[0].instance: true found, expected a whole number"),
        ('{"vmsc-machine": 1, "sections": [{"name": "a", "instance": -1, "params": {}}]}',
         "m.json: sections[0].instance: -1 found, expected a whole number of at least 0"),
        ('{"vmsc-machine": 1, "sections": [{"name": "a", "params": {"m": 1, "n": 1.5}}]}',
         "m.json: sections[0].params.n: 1.5 found,"
         " expected true or false, a whole number or a string"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(MachineError) as caught:
        parse_machine(text.encode(), "m.json")
    assert str(caught.value).startswith(message)


def test_sections_of_one_name_and_instance_are_told_apart_by_their_order() -> None:
    entries = (
        SectionParams("dev", 0, {"capacity": 1}),
        SectionParams("dev", 0, {"capacity": 2}),
        SectionParams("dev", 5, {"capacity": 5}),
        SectionParams("dev", None, {"capacity": 9}),
    )
    settings = Settings(MachineFile(entries))
    assert [ask(settings, "dev", 0, n) for n in range(3)] == [
        {"capacity": 1},
        {"capacity": 2},
        {"capacity": 1},
    ]
    assert ask(settings, "dev", 5) == {"capacity": 5}
    assert ask(settings, "dev", 6) == {"capacity": 9}
    assert ask(settings, "other") == {}


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("capacity=16", {"capacity": 16}),
        ("capacity=0x10", {"capacity": 16}),
        ("is_pci=true", {"is_pci": 1}),
        ("is_pci=off", {"is_pci": 0}),
        ("cpus=0b101", {"cpus": 5}),
        ("wire=pci", {"wire": "pci"}),
        ("dev:capacity=3", {"capacity": 3}),
        ("0000:00:03.0/dev:capacity=3", {"capacity": 3}),
        ("*dev:capacity=3", {"capacity": 3}),
        ("03.0/dev:capacity=3", {}),
        ("0000:00:04*:capacity=3", {}),
        ("unknown=1", {}),
    ],
)
def test_a_setting_is_for_the_sections_whose_name_fits(text: str, value: object) -> None:
    assert ask(given(text), "0000:00:03.0/dev") == value


def test_what_is_given_counts_before_the_file_and_later_before_earlier() -> None:
    machine = MachineFile((SectionParams("dev", 0, {"capacity": 1, "is_pci": False}),))
    assert ask(given("capacity=2", "dev:capacity=3", machine=machine)) == {
        "capacity": 3,
        "is_pci": 0,
    }


def test_a_section_without_parameters_takes_none_from_the_file() -> None:
    machine = MachineFile((SectionParams("dev", 0, {"capacity": 1}),))
    assert Settings(machine).params_for("dev", 0, 0, ()) == {}


@pytest.mark.parametrize("text", ["", "=1", "a", "a:b", "1a=2", "a b=1"])
def test_a_setting_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(MachineError, match=r"is not \[SECTION-GLOB:\]NAME=VALUE"):
        parse_given(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("capacity=65", "--param capacity=65: 'capacity' is 65; its bounds are 1 to 64"),
        ("capacity=0", "--param capacity=0: 'capacity' is 0; its bounds are 1 to 64"),
        ("capacity=x", "--param capacity=x: 'capacity' is a number, not 'x'"),
        ("wire=isa", "--param wire=isa: 'wire' is one of 'pci', 'mmio', not 'isa'"),
    ],
)
def test_a_value_that_its_parameter_cannot_have_is_refused(text: str, message: str) -> None:
    with pytest.raises(MachineError) as caught:
        ask(given(text))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"capcity": 1},
         "m.json: section 'dev' has no parameter 'capcity'; did you mean 'capacity'?"),
        ({"x": 1},
         "m.json: section 'dev' has no parameter 'x'; it has capacity, cpus, is_pci, wire"),
        ({"block": 1}, "m.json: section 'dev' has no parameter 'block'"),
        ({"capacity": 99}, "m.json: section 'dev': 'capacity' is 99; its bounds are 1 to 64"),
    ],
)  # fmt: skip
def test_a_file_whose_values_do_not_fit_is_refused_with_the_section(
    params: dict[str, int], message: str
) -> None:
    machine = MachineFile((SectionParams("dev", 0, params),), source="m.json")
    with pytest.raises(MachineError) as caught:
        ask(Settings(machine))
    assert str(caught.value).startswith(message)
