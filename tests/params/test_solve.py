"""Parameters solved from QEMU's record of a section, and schemas checked against it."""

from __future__ import annotations

import lzma
import random
import re
import time
from collections.abc import Callable

import pytest
from helpers import compiled
from records import array, body, description, device, field, struct
from streams_at_hand import DATA, MACHINES, library

from vmsc.hooks.host import Host
from vmsc.params.constraints import Constraint, propagate
from vmsc.params.machine_file import load_machine, machine_text
from vmsc.params.solver import Solution, device_key, devices_by_name, solve, solve_stream
from vmsc.schema import ir
from vmsc.schema.diagnostics import Report
from vmsc.schema.syntax.loader import load_text
from vmsc.stream.vmdesc import Vmdesc, read_vmdesc

Solve = Callable[..., Solution]


@pytest.fixture(scope="module")
def solved(host: Host) -> Solve:
    """solved(text, *fields): the solution of device 'dev' of a schema for a section's record."""

    def run(text: str, *fields: str, version: int = 1, subsections: str = "") -> Solution:
        report = Report()
        schema = compiled(load_text(text, report), host, report).schema
        inner = body("dev", *fields, version=version, subsections=subsections)
        (section,) = read_vmdesc(description(device("dev", inner))).devices
        return solve(schema, devices_by_name(schema)["dev"][0].key, section)

    return run


def values(solution: Solution) -> dict[str, object]:
    assert solution.misfits == ()
    return dict(solution.values)


# --- what is recorded of a field ------------------------------------------------------------------


def test_an_element_count_is_a_parameters_value(solved: Solve) -> None:
    text = 'param n: u16\ndevice "dev" { a: u32[n] }'
    assert values(solved(text, array("a", "uint32", 4, 7))) == {"n": 7}
    assert values(solved(text, field("a", "uint32", 4))) == {"n": 1}
    assert values(solved(text)) == {"n": 0}


def test_elements_one_by_one_are_counted(solved: Solve) -> None:
    text = 'param n: u16\ndevice "dev" { a: u8[n] }'
    each = [field("a", "uint8", 1, f'"index": {i}, ') for i in range(3)]
    assert values(solved(text, *each)) == {"n": 3}


def test_the_length_of_a_buffer_is_a_parameters_value(solved: Solve) -> None:
    text = 'param n: u16\ndevice "dev" { a: bytes[2 * n + 1] }'
    assert values(solved(text, field("a", "buffer", 33))) == {"n": 16}


def test_an_array_of_two_dimensions_is_recorded_as_one(solved: Solve) -> None:
    text = 'param n: u16\ndevice "dev" { a: u16[n][3] }'
    assert values(solved(text, array("a", "uint16", 2, 12))) == {"n": 4}


def test_presence_decides_a_condition(solved: Solve) -> None:
    text = 'param big: bool\ndevice "dev" { a: u8 when big; b: u8 }'
    assert values(solved(text, field("a", "uint8", 1), field("b", "uint8", 1))) == {"big": True}
    assert values(solved(text, field("b", "uint8", 1))) == {"big": False}


def test_each_side_of_an_and_is_known_where_the_field_is_there(solved: Solve) -> None:
    text = 'param a: bool\nparam b: bool\ndevice "dev" { x: u8 when a and not b; y: u8 }'
    there = solved(text, field("x", "uint8", 1), field("y", "uint8", 1))
    assert values(there) == {"a": True, "b": False}
    absent = solved(text, field("y", "uint8", 1))
    assert (values(absent), absent.unresolved) == ({}, ("a", "b"))


def test_what_two_fields_say_together_is_found(solved: Solve) -> None:
    text = (
        "param a: u8 max 9\nparam b: u8 max 9\n"
        'device "dev" { x: bytes[a + b]; y: bytes[10 + a - b]; }'
    )
    assert values(solved(text, field("x", "buffer", 7), field("y", "buffer", 11))) == {
        "a": 4,
        "b": 3,
    }


def test_the_presence_of_a_version_is_no_parameters(solved: Solve) -> None:
    text = (
        'param n: u8\ndevice "dev" version 2 minimum 1 { a: u8 since 2; b: u8[n] when version < 2 }'
    )
    assert values(solved(text, field("a", "uint8", 1), version=2)) == {}
    assert values(solved(text, array("b", "uint8", 1, 5), version=1)) == {"n": 5}


def test_two_fields_of_one_name_are_told_apart_by_the_number_qemu_gives(solved: Solve) -> None:
    text = 'use std.pci\ndevice "dev" { pci: PciDevice as "parent_obj" }'
    for number, size in ((0, 256), (1, 4096)):
        pci = body(
            "PCIDevice", field("version_id", "int32 le", 4),
            field(f"config[{number}]", "pci config", size),
            field("irq_state", "pci irq state", 16), version=2,
        )  # fmt: skip
        found = solved(text, struct("parent_obj", size + 20, pci))
        assert values(found) == {"is_pcie": bool(number)}


def test_a_nested_parameter_is_solved_through_what_it_is_bound_to(solved: Solve) -> None:
    text = 'use std.fifo8\nparam words: u8\ndevice "dev" { rx: Fifo8(capacity = 4 * words) }'
    fifo = body("Fifo8", field("data", "buffer", 64), field("head", "uint32", 4),
                field("num", "uint32", 4))  # fmt: skip
    assert values(solved(text, struct("rx", 72, fifo))) == {"words": 16}


def test_a_subsections_parameters_are_solved_where_it_was_sent(solved: Solve) -> None:
    text = 'param n: u8\ndevice "dev" { a: u8; subsection "dev/x" { b: u8[n] } }'
    sub = f"{{{body('dev/x', array('b', 'uint8', 1, 9))}}}"
    assert values(solved(text, field("a", "uint8", 1), subsections=sub)) == {"n": 9}
    absent = solved(text, field("a", "uint8", 1))
    assert (values(absent), absent.unresolved) == ({}, ("n",))


def test_the_size_of_what_qemu_does_not_look_into_is_an_equation(solved: Solve) -> None:
    text = 'use std.msix\ndevice "dev" { msix: Msix }'
    msix = body("msix", field("msix", "msix state", 16 * 33 + 5), version=0)
    assert values(solved(text, struct("msix", 533, msix))) == {"msix_vectors": 33}


def test_a_size_that_depends_on_presence_is_an_equation_too(solved: Solve) -> None:
    text = 'param wide: bool\nstruct Own { a: u32; b: u64 when wide }\ndevice "dev" { own: Own }'
    assert values(solved(text, field("own", "own state", 12))) == {"wide": True}
    assert values(solved(text, field("own", "own state", 4))) == {"wide": False}


def test_null_pointers_are_a_masks_zeros(solved: Solve) -> None:
    text = 'param cpus: bits max 288\ndevice "dev" { p: nullable u32[4] present cpus }'
    fields = (
        field("p", "nullptr", 1, '"index": 0, '),
        array("p", "uint32", 4, 2),
        field("p", "nullptr", 1, '"index": 3, '),
    )
    assert values(solved(text, *fields)) == {"cpus": 0b0110}


def test_a_choices_arm_is_found_by_what_fits(solved: Solve) -> None:
    text = (
        'param wire: one of "pci", "mmio"\n'
        'vmsd Pci as "pci" { a: u8 }\nvmsd Mmio as "mmio" { a: u8 }\n'
        'device "dev" { t: choice wire { "pci": Pci; "mmio": Mmio } }'
    )
    inner = struct("t", 1, body("mmio", field("a", "uint8", 1)))
    assert values(solved(text, inner)) == {"wire": "mmio"}


def test_a_law_over_parameters_counts(solved: Solve) -> None:
    text = (
        "param a: bool\nparam b: bool\n"
        'device "dev" { require a or b "one of them"; x: u8 when a; y: u8 }'
    )
    assert values(solved(text, field("y", "uint8", 1))) == {"a": False, "b": True}


def test_a_field_whose_value_is_not_recorded_says_nothing(solved: Solve) -> None:
    text = 'param n: u8\ndevice "dev" { a: u8; b: u8 when a == n; c: bytes[min(a, n)] }'
    found = solved(text, field("a", "uint8", 1), field("c", "buffer", 3))
    assert (values(found), found.unresolved) == ({}, ("n",))


def test_a_field_that_is_not_there_reads_as_zero(solved: Solve) -> None:
    text = 'param n: u8\ndevice "dev" version 2 minimum 1 { a: u8 since 2; b: bytes[n + a] }'
    assert values(solved(text, field("b", "buffer", 9), version=1)) == {"n": 9}


def test_bytes_that_are_not_there_are_empty(solved: Solve) -> None:
    text = (
        "param n: u8\n"
        'device "dev" version 2 minimum 1 { a: bytes[9] since 2; b: bytes[n + length(a)];'
        " c: u8[n + 1] }"
    )
    found = solved(text, field("b", "buffer", 7), array("c", "uint8", 1, 8), version=1)
    assert values(found) == {"n": 7}


def test_a_word_of_bits_whose_value_is_not_recorded_says_nothing(solved: Solve) -> None:
    text = (
        "param n: u8\n"
        'device "dev" { w: u16 split { a: high 8; b: low 8 }'
        " c: u8 when w == n; d: u8 when b == n }"
    )
    found = solved(text, field("w", "uint16", 2), field("d", "uint8", 1))
    assert (values(found), found.unresolved) == ({}, ("n",))


def test_of_several_values_that_fit_the_default_is_taken_else_the_greatest(solved: Solve) -> None:
    text = 'param n: u16 max 4096{}\ndevice "dev" {{ map: bitmap[n] }}'
    found = solved(text.format(""), field("map", "bitmap", 16))
    assert values(found) == {"n": 128}
    assert [(g.name, g.taken, g.among) for g in found.guesses] == [("n", 128, "65 to 128")]
    assert values(solved(text.format(" = 100"), field("map", "bitmap", 16))) == {"n": 100}


def test_a_parameter_that_nothing_depends_on_here_is_left_to_its_default(solved: Solve) -> None:
    text = 'param n: u8 = 3\ndevice "dev" { a: u8; subsection "dev/x" { b: u8[n] } }'
    found = solved(text, field("a", "uint8", 1))
    assert (values(found), found.unresolved) == ({}, ())


def test_the_work_is_bounded(solved: Solve) -> None:
    text = (
        "param a: u64 max 0xffffffff\nparam b: u64 max 0xffffffff\n"
        'device "dev" { x: u8[(a ^ b) & 0xff]; y: u8[a & 0xf]; z: bytes[a / 3 + 1] }'
    )
    begun = time.perf_counter()
    fields = (array("x", "uint8", 1, 1 << 62), array("y", "uint8", 1, 5), field("z", "buffer", 9))
    solved(text, *fields)
    many = [field(f"f{i}", "uint8", 1) for i in range(20_000)]
    found = solved(text, *many)
    assert any("at most 4096 fields" in str(m) for m in found.misfits)
    assert time.perf_counter() - begun < 10


def test_a_long_set_is_inverted_and_not_tried(solved: Solve) -> None:
    n = ir.Ref("param", "n", 0, 1 << 300)
    twice = ir.Operation("*", (n, ir.Number(2)), 0, 1 << 301)
    wanted = Constraint(twice, 2 << 250, 2 << 250, "", "")
    domains, broken = propagate([wanted], {"n": range((1 << 300) + 1)})
    assert (domains, broken) == ({"n": range(1 << 250, (1 << 250) + 1)}, ())


# --- what does not fit ----------------------------------------------------------------------------

PLAIN = 'vmsd In as "in" { v: u16 }\ndevice "dev" version 2 minimum 1 { a: u8; b: u32; s: In }'
A, B = field("a", "uint8", 1), field("b", "uint32", 4)
S = struct("s", 2, body("in", field("v", "uint16", 2)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((A, field("bee", "uint32", 4), S), "dev.b: 'b' expected, found 'bee' [name]"),
        ((A, field("b", "int32", 4), S), "dev.b: u32 expected, found int32 [type]"),
        ((A, field("b", "uint64", 8), S),
         "dev.b: u32 of 4 bytes expected, found uint64 of 8 bytes [size]"),
        ((A, array("b", "uint32", 4, 2), S),
         "dev.b: u32 of 4 bytes expected, found uint32 of 8 bytes [size]"),
        ((A, S), "dev.b: 'b' expected, found no such field [missing]"),
        ((A, B, field("c", "bool", 1), S),
         "dev: no such field expected, found 'c', bool of 1 bytes [extra]"),
        ((A, B, struct("s", 2, body("in", field("v", "uint16", 2), version=3))),
         "dev.s: version 1 expected, found version 3 [version]"),
        ((A, B, struct("s", 2, body("other", field("v", "uint16", 2)))),
         "dev.s: 'in' expected, found 'other' [name]"),
        ((A, B, struct("s", 4, body("in", field("v", "uint32", 4)))),
         "dev.s.v: u16 of 2 bytes expected, found uint32 of 4 bytes [size]"),
        ((A, B, '{"name": "s", "type": "struct", "struct": {}, "size": 1}'),
         "dev.s: schema:In expected, found a null pointer [null]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_reported_with_its_place(
    solved: Solve, fields: tuple[str, ...], message: str
) -> None:
    assert [str(m) for m in solved(PLAIN, *fields, version=2).misfits] == [message]


@pytest.mark.parametrize(
    ("subsections", "message"),
    [
        (f"{{{body('dev/z')}}}", "dev: 'dev/x', 'dev/y' expected, found 'dev/z' [subsection]"),
        (f"{{{body('dev/y')}}}, {{{body('dev/x')}}}",
         "dev.x: each once, in order expected, found 'dev/x' [subsection]"),
        (f"{{{body('dev/x', version=4)}}}",
         "dev.x: version 1 to 2 expected, found version 4 [version]"),
    ],
)  # fmt: skip
def test_a_subsection_that_does_not_fit_is_reported(
    solved: Solve, subsections: str, message: str
) -> None:
    text = 'device "dev" { a: u8; subsection "dev/x" version 2 minimum 1 {} subsection "dev/y" {} }'
    assert [str(m) for m in solved(text, A, subsections=subsections).misfits] == [message]


def test_a_record_that_no_value_of_a_parameter_fits_is_reported(solved: Solve) -> None:
    text = 'param n: u8 max 8\ndevice "dev" { a: u16[n]; b: u16[n] }'
    twice = (array("a", "uint16", 2, 4), array("b", "uint16", 2, 5))
    assert [str(m) for m in solved(text, *twice).misfits] == [
        "dev.b: n == 5, for some value expected, found 5 elements [parameter]"
    ]
    odd = solved('param n: u8\ndevice "dev" { a: bytes[2 * n] }', field("a", "buffer", 7))
    assert [m.code for m in odd.misfits] == ["parameter"]


def test_a_record_beyond_all_bounds_is_reported(solved: Solve) -> None:
    text = 'device "dev" { n: u8 max 4; a: u16[n] }'
    found = solved(text, field("n", "uint8", 1), array("a", "uint16", 2, 5))
    assert [str(m) for m in found.misfits] == ["dev.a: n expected, found 5 elements [size]"]


def test_a_renamed_field_does_not_put_the_others_out_of_step(solved: Solve) -> None:
    text = 'param n: u8\ndevice "dev" { a: u8; b: u32; c: bytes[n]; d: u16 }'
    found = solved(
        text, A, field("bb", "uint32", 4), field("cc", "buffer", 5), field("d", "uint16", 2)
    )
    assert found.values == {"n": 5}
    assert [(m.path, m.code, m.harmless) for m in found.misfits] == [
        ("dev.b", "name", True),
        ("dev.c", "name", True),
    ]


def test_fields_that_a_schema_groups_may_be_recorded_side_by_side(solved: Solve) -> None:
    text = (
        'param n: u8\nvmsd In as "in" { b: u32; c: bytes[n]; subsection "in/x" {} }\n'
        'device "dev" { a: u8 when n > 9; inside: In }'
    )
    sub = f"{{{body('in/x')}}}"
    found = solved(text, B, field("c", "buffer", 5), subsections=sub)
    assert values(found) == {"n": 5}


# --- real machines --------------------------------------------------------------------------------


def described(name: str) -> Vmdesc:
    return read_vmdesc(lzma.decompress((DATA / f"{name}.vmdesc.xz").read_bytes()))


@pytest.mark.parametrize("name", MACHINES)
def test_the_schemas_fit_what_qemu_records_of_a_real_machine(name: str) -> None:
    _, found = solve_stream(library().schema, described(name))
    for one in found:
        assert one.solution is not None, one.device.name
        assert one.solution.misfits == (), one.device.name
        assert one.solution.guesses == (), one.device.name


@pytest.mark.parametrize("name", MACHINES)
def test_the_machine_file_of_the_test_data_is_what_is_solved_now(name: str) -> None:
    path = DATA / f"{name}.machine.json"
    machine, _ = solve_stream(library().schema, described(name), load_machine(path).name)
    assert path.read_text() == machine_text(machine), "python tests/data/take.py --machines"


def test_a_damaged_record_gives_a_solution_and_misfits_and_no_fault() -> None:
    seeded = random.Random(5)
    schema = library().schema
    devices = devices_by_name(schema)
    text = lzma.decompress((DATA / "usb.vmdesc.xz").read_bytes())
    found = 0
    for _ in range(12):
        damaged = re.sub(
            rb'("(?:size|index|array_len)": )\d+',
            lambda m: (
                m[0] if seeded.random() > 0.02 else m[1] + seeded.choice((b"0", b"7", b"9999"))
            ),
            text,
        )
        for section in read_vmdesc(damaged).devices:
            key = device_key(devices, section) or seeded.choice(list(schema.descriptions))
            found += len([str(m) for m in solve(schema, key, section).misfits])
    assert found > 100


def test_a_real_pcs_parameters_are_solved() -> None:
    machine, _ = solve_stream(library().schema, described("pc"))
    assert {s.name: dict(s.params) for s in machine.sections} == {
        "ram": {"page_size": 4096},
        "0000:00:02.0/vga": {"is_pci": True},
        "0000:00:01.3/piix4_pm": {
            "sends_smbus": True,
            "hotplug_with_bridges": True,
            "sends_acpi_index": True,
            "ram_slots": 0,
        },
    }
