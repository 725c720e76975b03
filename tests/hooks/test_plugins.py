"""Plugins' wire types, transforms and the rest: the examples, and what faulty ones do."""

from __future__ import annotations

import importlib
import json
import struct
import subprocess
import sys
import types
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import helpers
import pytest
from commands import run_vmsc
from helpers import attempt, check_codec, hexed

from vmsc.compiler.driver import compile_paths
from vmsc.hooks.host import Host, load_host
from vmsc.inspect.json_values import from_json, to_json
from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.schema.diagnostics import Report, as_text

TREE = Path(__file__).parents[2]
EXAMPLES = TREE / "docs" / "examples"
NAMES = ("dbus_vmstate", "house_rules", "offsets", "registers", "table_importer", "usb_redir")


@pytest.fixture(scope="session")
def examples() -> Iterator[Host]:
    """The examples' plugins but for the check, which would find fault with every test's schema."""
    yield load_host([str(EXAMPLES / f"{name}.py") for name in NAMES if name != "house_rules"])
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def generated(examples: Host) -> Callable[[str], types.ModuleType]:
    """generated(name): the module of an example's schema."""

    def make(name: str) -> types.ModuleType:
        report = Report()
        compiled = compile_paths([EXAMPLES / f"{name}.vmsd"], examples, report)
        assert compiled is not None, as_text(report)
        return helpers.modules_of(compiled, examples)[name]

    return make


@pytest.fixture(scope="session")
def usb(generated: Callable[[str], types.ModuleType]) -> types.ModuleType:
    return generated("usb_redir")


def codec(usb: types.ModuleType, name: str) -> Any:
    return usb.CODECS[name]


# --- wire types: the queues of usb-redir ----------------------------------------------------------


def test_a_queue_of_ids_is_a_count_and_as_many_be64(usb: types.ModuleType) -> None:
    value = usb.UsbRedirIdQueue([1, 1 << 63])
    wire = hexed("00000002 0000000000000001 8000000000000000")
    check_codec(codec(usb, "UsbRedirIdQueue"), value, wire)
    check_codec(codec(usb, "UsbRedirIdQueue"), usb.UsbRedirIdQueue([]), hexed("00000000"))


def test_a_queue_of_packets_is_a_count_and_each_packets_length_status_and_bytes(
    usb: types.ModuleType,
) -> None:
    packet = importlib.import_module("usb_redir").Packet
    packets = [packet(-1, b"ab"), packet(0, b"")]
    value = usb.UsbRedirEndpoint(2, 0, 1, 512, 0, 0, 0, 0, 1, 0, packets, 8, None, None)
    value.stream_state = usb.UsbRedirEndpointStreamState(5)
    wire = hexed("""
        02 00 01 0200 00 00 00 00 01 00
        00000002 00000002 ffffffff 6162 00000000 00000000
        00000008
        05 19 7573622d72656469722d65702f73747265616d2d7374617465 00000001 00000005
    """)
    check_codec(codec(usb, "UsbRedirEndpoint"), value, wire)


def shipped_usb_redir(host: Host) -> types.ModuleType:
    report = Report()
    compiled = compile_paths([TREE / "schemas" / "qemu" / "usb_redir.vmsd"], host, report)
    assert compiled is not None, as_text(report)
    return helpers.modules_of(compiled, host)["qemu.usb_redir"]


def usb_redir_bytes() -> bytes:
    """A device with a parser's state, packets in its first endpoint, and ids of both kinds."""
    device = hexed("05 00000003 00000000 00000000 00000000 00000000 8006000100001200")
    empty = hexed("ff 00 00 0000 00 00 00 00 00 00 00000000 00000000")
    first = hexed("01 02 03 0040 00 00 00 00 01 00 00000001 00000003 00000000 616263 00000004")
    ids = hexed("00000001 0000000000000007 00000002 0000000000000008 0000000000000009")
    info = hexed("02 00 00 00 046d c077 7200") + hexed("00000001") + bytes(128)
    parser = hexed("00000004 deadbeef")
    return device + hexed("ff x8") + parser + first + empty * 31 + ids + info


def test_the_example_reads_what_the_shipped_schema_reads(
    usb: types.ModuleType, examples: Host
) -> None:
    data = usb_redir_bytes()
    mine = usb.decode_usb_redir(data)
    theirs = shipped_usb_redir(examples).decode_usb_redir(data)
    assert mine.parser == theirs.parser.data == hexed("deadbeef")
    assert mine.cancelled.queue == theirs.cancelled.queue.ids == [7]
    assert mine.already_in_flight.queue == theirs.already_in_flight.queue.ids == [8, 9]
    assert mine.endpoint[0].bufpq[0].data == theirs.endpoint[0].bufpq.packets[0].data == b"abc"
    assert usb.encode_usb_redir(mine) == data
    assert usb.decode_usb_redir_framed(usb.encode_usb_redir_framed(mine)) == mine


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ("00010001", "queue at byte 0: count 65537 is over the limit 65536"),
        ("ffffffff", "queue at byte 0: count 4294967295 is over the limit 65536"),
    ],
)
def test_a_count_over_the_limit_is_refused_before_anything_is_read(
    usb: types.ModuleType, wire: str, message: str
) -> None:
    for read in (usb.decode_usb_redir_id_queue, usb.scan_usb_redir_id_queue):
        found = attempt(lambda read=read: read(hexed(wire)))  # type: ignore[misc]
        assert (found.code, str(found)) == ("limit", message)


def test_an_error_in_a_wire_type_knows_its_whole_path_and_offset(usb: types.ModuleType) -> None:
    data = bytearray(usb_redir_bytes())
    at = data.index(b"abc") - 8
    data[at : at + 4] = b"\xff\xff\xff\xff"
    found = attempt(lambda: usb.decode_usb_redir(bytes(data)))
    assert found.field == "endpoint[0].bufpq[0]" and found.offset == at
    assert found.message == "length 4294967295 is over the limit 16777216"


def test_a_wire_type_that_is_cut_short_says_how_much_it_wants(usb: types.ModuleType) -> None:
    found = attempt(lambda: usb.decode_usb_redir_id_queue(hexed("00000003 00")))
    assert isinstance(found, Truncated) and (found.need, found.field) == (23, "queue")


def test_what_a_wire_type_cannot_write_names_the_field(usb: types.ModuleType) -> None:
    with pytest.raises(EncodeError, match="queue: an id does not fit into 64 bits"):
        usb.encode_usb_redir_id_queue(usb.UsbRedirIdQueue([1 << 64]))
    with pytest.raises(
        EncodeError, match="queue: no value of the wire type 'usb_redir_packet_id_q'"
    ):
        usb.encode_usb_redir_id_queue(usb.UsbRedirIdQueue(None))


def test_a_wire_types_value_has_a_json_form(usb: types.ModuleType) -> None:
    value = usb.decode_usb_redir(usb_redir_bytes())
    form = to_json(usb.UsbRedir, value)
    assert form["parser"] == "deadbeef" and form["cancelled"] == {"queue": ["7"]}
    assert form["endpoint"][0]["bufpq"] == [{"status": 0, "data": "616263"}]
    assert from_json(usb.UsbRedir, form) == value


def test_a_wire_type_stands_wherever_a_type_may(examples: Host) -> None:
    module = helpers.build_text(
        """
        struct Holder {
            n:     u8 max 4
            some:  usb_redir_parser[n]
            all:   list usb_redir_parser
            pairs: tree u8 => usb_redir_packet_id_q
            maybe: nullable usb_redir_parser[2] marked
            one:   choice n { 0: usb_redir_parser; else: usb_redir_packet_id_q }
            part:  within[6] usb_redir_parser
            late:  usb_redir_parser when n > 1
        }
        """,
        examples,
    )
    value = module.Holder(1, [b"x"], [b"", b"yz"], [(5, [9])], [None, b"w"], [3], b"ab")
    wire = hexed("""
        01  00000001 78
        01 00000000 01 00000002 797a 00
        00000001 01 05 00000001 0000000000000009 00
        30 31 00000001 77
        00000001 0000000000000003
        00000002 6162
    """)
    check_codec(module.CODECS["Holder"], value, wire)


def test_a_description_of_the_same_name_comes_before_a_plugins_type(examples: Host) -> None:
    module = helpers.build_text(
        "struct usb_redir_parser { a: u8 }  struct X { p: usb_redir_parser }", examples
    )
    assert module.decode_x(b"\5").p.a == 5


# --- transforms -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def registers(generated: Callable[[str], types.ModuleType]) -> types.ModuleType:
    return generated("registers")


def test_a_transform_stands_between_the_wire_and_the_value(registers: types.ModuleType) -> None:
    short = registers.Divider(2, 1 << 63, 2.5, None)
    full = registers.Divider(1, 1, 65535 + 65535 / 65536, 1 << 31)
    check_codec(registers.CODECS["Divider"], short, hexed("02 3f 00028000"))
    check_codec(registers.CODECS["Divider"], full, hexed("01 00 ffffffff 0000001f"))


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ("02 40 00028000", "period at byte 1: 64 is no 'power_of_two': the exponent is over 63"),
        (
            "01 00 00000000 ffffffff",
            "limit at byte 6: -1 is no 'power_of_two': negative shift count",
        ),
    ],
)
def test_a_number_that_stands_for_nothing_is_refused_at_its_place(
    registers: types.ModuleType, wire: str, message: str
) -> None:
    found = attempt(lambda: registers.decode_divider(hexed(wire)))
    assert isinstance(found, DecodeError)
    assert (str(found), found.code) == (message, "transform")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 3, 1.0, None), "period: 3 is no 'power_of_two': not a power of two"),
        ((0, None, 1.0, None), "period: None is no 'power_of_two': "),
        ((0, 1, 0.1, None), "rate: 0.1 is no 'q16': finer than 1/65536"),
        ((0, 1, 1e9, None), "rate: 1000000000.0 does not fit: it is 65536000000000, "),
        ((0, 1, "x", None), "rate: 'x' is no 'q16': "),
    ],
)
def test_a_value_that_the_wire_cannot_hold_names_the_field(
    registers: types.ModuleType, values: tuple[Any, ...], message: str
) -> None:
    for encode in (registers.encode_divider, registers.encode_divider_framed):
        with pytest.raises(EncodeError) as caught:
            encode(registers.Divider(*values))
        assert str(caught.value).startswith(message)


def test_a_transformed_value_has_a_json_form(registers: types.ModuleType) -> None:
    value = registers.Divider(2, 1 << 63, 2.5, None)
    form = to_json(registers.Divider, value)
    assert form == {"control": 2, "period": "9223372036854775808", "rate": 2.5}
    assert from_json(registers.Divider, form) == value


def test_a_transform_stands_in_structs_and_behind_conditions_too(examples: Host) -> None:
    module = helpers.build_text(
        """
        struct Step { at: u8; size: little u16 via power_of_two }
        device "x" version 2 minimum 1 {
            one:  Step
            n:    u8 max 3
            many: Step[n]
            late: u8 via power_of_two since 2
        }
        """,
        examples,
    )
    value = module.X(module.Step(1, 2), 2, [module.Step(2, 4), module.Step(3, 8)], 16)
    check_codec(module.CODECS["X"], value, hexed("01 0100  02  02 0200 03 0300  04"))
    found = attempt(lambda: module.decode_x(hexed("01 0100  02  02 0200 03 ff00  04")))
    assert (found.field, found.offset) == ("many[1].size", 8)


# --- faults of plugins, at work -------------------------------------------------------------------

FAULTY = """
from vmsc.hooks import PythonName, Transform, WireType, hook

Value = bytes

def wild(buf, pos): raise KeyError("lost")
def far(buf, pos): return b"", len(buf) + 1
def back(buf, pos): return b"", pos - 1
def nothing(buf, pos): return None
def words(value): return "text"
def broken(value): raise RuntimeError("out of order")

def one(name, decode, encode):
    at = {"decode": decode, "encode": encode, "type": "Value"}
    return WireType(name, "faulty", {k: PythonName(__name__, f) for k, f in at.items()})

@hook
def vmsc_types():
    return [one("wild", "wild", "broken"), one("far", "far", "words"),
            one("back", "back", "words"), one("nothing", "nothing", "words")]

@hook
def vmsc_transforms():
    at = PythonName(__name__, "broken")
    return [Transform("upset", "faulty", at, at)]
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    path = tmp_path_factory.mktemp("faulty") / "faulty_types.py"
    path.write_text(FAULTY)
    yield load_host([str(path)])
    del sys.modules["faulty_types"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wild", "value at byte 1: a fault of the wire type 'wild': KeyError: 'lost'"),
        ("far", "value at byte 1: a fault of the wire type 'far': it ends at 5, not within 1 to 4"),
        (
            "back",
            "value at byte 1: a fault of the wire type 'back': it ends at 0, not within 1 to 4",
        ),
        ("nothing", "value at byte 1: a fault of the wire type 'nothing': TypeError: "),
    ],
)
def test_a_wire_type_that_raises_or_lies_is_named_in_a_decode_error(
    faulty: Host, name: str, message: str
) -> None:
    module = helpers.build_text(f"struct X {{ a: u8; value: {name} }}", faulty)
    for read in (module.decode_x, module.scan_x):
        found = attempt(lambda read=read: read(bytes(4)))  # type: ignore[misc]
        assert isinstance(found, DecodeError) and found.code == "plugin"
        assert str(found).startswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wild", "value: a fault of the wire type 'wild': RuntimeError: out of order"),
        ("far", "value: a fault of the wire type 'far': it gave str, not bytes"),
    ],
)
def test_a_wire_type_that_cannot_encode_is_named_in_an_encode_error(
    faulty: Host, name: str, message: str
) -> None:
    module = helpers.build_text(f"struct X {{ a: u8; value: {name} }}", faulty)
    for write in (module.encode_x, module.encode_x_framed, module.measure_x):
        with pytest.raises(EncodeError) as caught:
            write(module.X(1, b""))
        assert (caught.value.code, str(caught.value)) == ("plugin", message)


def test_a_transform_that_raises_is_named(faulty: Host) -> None:
    module = helpers.build_text("struct X { a: u8; value: u16 via upset }", faulty)
    found = attempt(lambda: module.decode_x(bytes(3)))
    message = "a fault of the transform 'upset': RuntimeError: out of order"
    assert str(found) == f"value at byte 1: {message}" and found.code == "plugin"
    with pytest.raises(EncodeError, match="value: a fault of the transform 'upset'"):
        module.encode_x(module.X(1, 2))


def test_what_a_plugins_module_is_called_never_hides_what_generated_code_needs(
    tmp_path: Path,
) -> None:
    names = ("w", "c", "field", "S0", "qemu_usb")
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"""
from vmsc.hooks import PythonName, WireType, hook
Value = int
def decode(buf, pos): return buf[pos], pos + 1
def encode(value): return bytes([value])
@hook
def vmsc_types():
    at = {{"decode": "decode", "encode": "encode", "type": "Value"}}
    return [WireType("t_{name}", "x", {{k: PythonName("{name}", f) for k, f in at.items()}})]
""")
    host = load_host([str(tmp_path / f"{name}.py") for name in names])
    try:
        fields = "; ".join(f"f_{name}: t_{name}" for name in names)
        text = f"use qemu.usb\nstruct X {{ class: u8; usb: UsbDevice; {fields} }}"
        module = helpers.build_text(text, host)
        data = bytes(1 + 29 + len(names))
        assert module.encode_x(module.decode_x(data)) == data
        assert module.decode_x_framed(module.encode_x_framed(module.decode_x(data)))
    finally:
        for name in names:
            sys.modules.pop(name, None)


# --- the other examples ---------------------------------------------------------------------------


def test_a_backend_of_ones_own_writes_headers(tmp_path: Path) -> None:
    done = run_vmsc(
        "compile", TREE / "schemas" / "std" / "ptimer.vmsd", "-p", EXAMPLES / "offsets.py",
        "--backend", "offsets", "--option", "prefix=QEMU", "-o", tmp_path,
    )  # fmt: skip
    assert (done.status, done.out) == (0, f"{tmp_path}: 1 files, 1 written\n")
    text = (tmp_path / "std" / "ptimer.h").read_text()
    assert "#define QEMU_PTIMER_PERIOD_FRAC_OFFSET 17\n" in text


def test_a_check_of_ones_own_fails_a_schema(tmp_path: Path) -> None:
    (tmp_path / "uart.vmsd").write_text('device "uart" { lsr: u8 }\n')
    rules = EXAMPLES / "house_rules.py"
    done = run_vmsc("check", "uart.vmsd", "-p", rules, cwd=tmp_path)
    assert done.status == 1
    message = 'error: device "uart" has no doc comment (///) [undocumented-device]\n'
    assert done.err.startswith(f"uart.vmsd:1:8: {message}")
    (tmp_path / "uart.vmsd").write_text('/// A UART.\ndevice "uart" { lsr: u8 }\n')
    assert run_vmsc("check", "uart.vmsd", "-p", rules, cwd=tmp_path).status == 0


def test_a_section_handler_gives_a_codec_that_keeps_all_laws(examples: Host) -> None:
    find = examples.sections["dbus-vmstate"].find
    assert find("fw_cfg", 0, 2) is None
    found = find("dbus-vmstate", 0, 0)
    assert find("0000:00:03.0/dbus-vmstate", 0, 0) is found
    value = found.type(b"abc")
    check_codec(found, value, hexed("00000003 616263"))
    over = attempt(lambda: found.qemu.decode(hexed("00100001")))
    assert str(over) == "data at byte 0: length 1048577 is over the limit 1048576"


def section(id: int, name: str, version: int, payload: str) -> bytes:
    head = struct.pack(">BI", 4, id) + bytes([len(name)]) + name.encode()
    return head + struct.pack(">II", 0, version) + hexed(payload) + struct.pack(">BI", 0x7E, id)


def test_all_commands_that_read_take_what_plugins_bring(tmp_path: Path) -> None:
    stream = (
        hexed("5145564d 00000003")
        + section(1, "dbus-vmstate", 0, "00000003 616263")
        + section(2, "divider", 2, "02 3f 00028000")
        + b"\0"
    )
    (tmp_path / "in").write_bytes(stream)
    plugins: list[str | Path] = ["-s", EXAMPLES]
    for name in ("dbus_vmstate", "registers", "usb_redir"):
        plugins += ["-p", EXAMPLES / f"{name}.py"]

    def run(*command: str) -> str:
        done = run_vmsc(*command, *plugins, cwd=tmp_path)
        assert done.status == 0, done.err
        return done.out

    run("verify", "in")
    parts = json.loads(run("decode", "in"))["parts"]
    values = [part["value"] for part in parts if "value" in part]
    divider = {"control": 2, "period": str(1 << 63), "rate": 2.5}
    assert values == [{"data": "616263"}, divider]
    (tmp_path / "json").write_text(json.dumps({"vmsc-stream": 1, "parts": parts}))
    run("encode", "json", "-o", "again")
    run("frame", "in", "-o", "framed")
    run("unframe", "framed", "-o", "unframed")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "unframed").read_bytes() == stream


def test_an_importer_makes_a_schema_that_compiles(examples: Host) -> None:
    made = examples.importers["table"].run(b"uart\nthr,8\nbaud,16\n", {})
    (artifact,) = made
    assert artifact.path == "uart.vmsd"
    module = helpers.build_text(artifact.text, examples)
    assert module.encode_uart(module.Uart(1, 0x1234)) == hexed("01 1234")


# --- the package ----------------------------------------------------------------------------------


def test_the_package_and_the_file_are_the_same_codecs() -> None:
    source = EXAMPLES / "vmsc-usb-redir" / "src" / "vmsc_usb_redir"

    def codecs(text: str) -> str:
        return text[text.index("# Counts and lengths") :].partition("# --- the hook")[0].rstrip()

    one_file = (EXAMPLES / "usb_redir.py").read_text()
    assert codecs((source / "codec.py").read_text()) == codecs(one_file)
    hook = one_file[one_file.index("def _type(") :]
    assert (source / "plugin.py").read_text().endswith(hook.replace("__name__", "_CODEC"))


USE = """
import sys
from generated import usb_redir
ids = usb_redir.UsbRedirIdQueue([1, 2])
data = usb_redir.encode_usb_redir_id_queue(ids)
assert data.hex() == "0000000200000000000000010000000000000002", data.hex()
assert usb_redir.decode_usb_redir_id_queue(data) == ids
assert not {"lark", "jinja2", "click", "pluggy"} & set(sys.modules)
print("used")
"""


@pytest.mark.slow
def test_the_package_works_in_a_fresh_environment(tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    package = EXAMPLES / "vmsc-usb-redir"

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(python, "-m", "pip", "install", "--quiet", TREE, package)
    listed = run(home / "bin" / "vmsc", "plugins")
    assert "usb-redir (vmsc-usb-redir 1.0)\n    type usb_redir_parser: " in listed
    run(home / "bin" / "vmsc", "compile", EXAMPLES / "usb_redir.vmsd")
    run(home / "bin" / "vmsc", "compile", EXAMPLES / "usb_redir.vmsd", "--backend", "docs")
    assert run(python, "-c", USE) == "used\n"

    both = (home / "bin" / "vmsc", "plugins", "-p", EXAMPLES / "usb_redir.py")
    clash = subprocess.run(both, cwd=tmp_path, capture_output=True, text=True)
    assert clash.returncode == 2
    assert (
        "plugins 'usb-redir' and 'usb_redir' both bring the type 'usb_redir_parser'" in clash.stderr
    )
