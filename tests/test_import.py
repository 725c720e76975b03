"""`vmsc import`: schemas from QEMU's own descriptions, and what becomes of a stream with them."""

from __future__ import annotations

import json
import lzma
import random
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import live
import pytest
from commands import run_vmsc
from streams_at_hand import DATA, MACHINES, state

from vmsc.answers import open_answers
from vmsc.backend import Artifact, ImporterError
from vmsc.diag import Report, as_text
from vmsc.driver import compile_paths
from vmsc.host import Host
from vmsc.library import open_library
from vmsc.opened import entries
from vmsc.stream.events import Section, SectionKind


def whole(name: str) -> bytes:
    """A stream of this machine's device sections, with its description behind the end."""
    text = lzma.decompress((DATA / f"{name}.vmdesc.xz").read_bytes())
    return state(name) + b"\6" + len(text).to_bytes(4, "big") + text


def write(folder: Path, artifacts: Iterable[Artifact]) -> Path:
    folder.mkdir(exist_ok=True)
    for artifact in artifacts:
        (folder / artifact.path).write_text(artifact.text)
    return folder


def check(folder: Path, host: Host) -> None:
    """Nothing is to be said of the schemas in this folder, not even a warning."""
    report = Report()
    compile_paths([folder], host, report)
    assert report.found == [], as_text(report)


def come_back(stream: bytes, folder: Path) -> Iterator[str]:
    """Decode and encode every device section with the schemas of this folder; the names."""
    library = open_library([folder])
    mine = {p.stem for p in folder.glob("*.vmsd")}
    for entry in entries(stream, library, open_answers(stream, library)):
        if isinstance(entry.event, Section) and entry.event.kind == SectionKind.FULL:
            assert entry.codec is not None, entry.event.name
            assert entry.codec.type.__module__.rpartition(".")[2] in mine, entry.event.name
            params = {**entry.params, "version": entry.event.version}
            assert entry.codec.qemu.encode(entry.value(), **params) == entry.data
            yield entry.event.name


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_imported_from_a_stream_decodes_it_to_the_same_bytes(
    name: str, host: Host, tmp_path: Path
) -> None:
    stream = whole(name)
    folder = write(tmp_path / "schemas", host.importers["stream"].run(stream, {}))
    check(folder, host)
    recorded = json.loads(stream[stream.rindex(b'{"page_size"') :])["devices"]
    assert list(come_back(stream, folder)) == [device["name"] for device in recorded]


@pytest.mark.live
def test_what_is_imported_from_a_machine_with_like_devices_of_other_forms_decodes_it(
    host: Host, tmp_path: Path
) -> None:
    args = ("-S", "-nodefaults", "-device", "nec-usb-xhci,p2=3,p3=2", "-device", "qemu-xhci",
            "-device", "ne2k_pci", "-device", "ne2k_isa", "-device", "pci-bridge,chassis_nr=1",
            "-device", "virtio-net-pci", "-device", "lsi53c895a")  # fmt: skip
    with live.running(args) as qemu:
        stream = qemu.save_stream()
    folder = write(tmp_path / "schemas", host.importers["stream"].run(stream, {}))
    check(folder, host)
    names = list(come_back(stream, folder))
    assert sum(name.endswith("xhci") for name in names) == 2
    assert "param shape: u8 max 1" in (folder / "xhci.vmsd").read_text()
    assert '// a type of the device\'s own, "virtio"' in (folder / "virtio_net.vmsd").read_text()


def field(name: str, type_: str, size: int, more: str = "") -> str:
    return f'{{"name": "{name}", {more}"type": "{type_}", "size": {size}}}'


def body(vmsd: str, *fields: str, version: int = 1, subsections: str = "") -> str:
    rest = f', "subsections": [{subsections}]' if subsections else ""
    return f'"vmsd_name": "{vmsd}", "version": {version}, "fields": [{", ".join(fields)}]{rest}'


def device(name: str, inner: str, instance: int = 0) -> str:
    return f'{{"name": "{name}", "instance_id": {instance}, {inner}}}'


def description(*devices: str) -> bytes:
    return f'{{"page_size": 4096, "devices": [{", ".join(devices)}]}}'.encode()


def struct(name: str, size: int, inner: str, more: str = "") -> str:
    head = f'{{"name": "{name}", {more}"type": "struct"'
    return f'{head}, "struct": {{{inner}}}, "size": {size}}}'


SLOT = body("slot", field("up", "bool", 1))
WIDE = body("slot", field("up", "bool", 1), field("speed", "uint16", 2))
FULL = body("slot", field("up", "bool", 1), subsections=f"{{{body('slot/log', version=2)}}}")
SHARED = struct("core", 4, body("core", field("ctl", "uint32", 4)))
UART = body(
    "uart",
    SHARED,
    field("regs", "uint16", 2, '"array_len": 4, '),
    field("version", "int32 le", 4),
    field("a.b[2]", "uint8 equal", 1),
    field("unused", "unused_buffer", 3),
    struct("slots", 1, SLOT, '"index": 0, '),
    struct("slots", 14, FULL, '"index": 1, '),
    struct("slots", 3, WIDE, '"index": 2, '),
    field("p", "nullptr", 1, '"index": 0, '),
    field("p", "timer", 8, '"array_len": 2, '),
    f'{{"name": "queue", "type": "qtailq", {SLOT}, {SLOT}, "size": 5}}',
    '{"name": "idle", "type": "qlist", "size": 1}',
    f'{{"name": "tree", "type": "gtree", {SLOT}, "size": 15}}',
    field("blob", "pci config", 256),
    field("vq", "virtio", 300),
    field("map", "bitmap", 16),
    field("name", "capability", 7),
    version=3,
    subsections=f"{{{body('uart/extra', field('core', 'CPU_Double_U', 8))}}}",
)
DMA = (
    body("dma", SHARED, field("n", "uint8", 1), field("row", "uint32", 4, '"array_len": 2, ')),
    body("dma", SHARED, field("n", "uint8", 1), field("row", "uint32", 4, '"array_len": 3, ')),
)

HEAD = """\
// From QEMU's description of a stream: names, types and order are QEMU's.
// Lengths, counts and what is there at all are as they were in that stream.

"""
COMMON_TEXT = """\
vmsd Core as "core" {
    ctl: u32
}
"""
UART_TEXT = """\
use common

/// Form 1 of 2 in the stream.
vmsd Slot as "slot" {
    up: bool

    subsection "slot/log" version 2 {}
}

/// Form 2 of 2 in the stream.
vmsd Slot2 as "slot" {
    up:    bool
    speed: u16
}

/// In the stream: 0000:00:03.0/uart instance 0.
device Uart as "uart" version 3 {
    core:      Core
    regs:      u16[4]
    `version`: s32                                // not above the target's own, or it refuses
    a_b_2:     u8             as "a.b[2]"         // as on the target, or it refuses
    unused[3]
    slots_0:   Slot[2]        as "slots"          // of slots, from element 0 on
    slots_2:   Slot2          as "slots"          // of slots, from element 2 on
    p:         nullable timer[3] present 0b110
    queue:     list Slot
    idle:      opaque[1]                          // a qlist: it was empty; was 1 in this stream
    `tree`:    tree u64 => Slot
    blob:      bytes[256]
    vq: opaque[300] // a type of the device's own, "virtio"; was 300 in this stream
    map:       bitmap[128]                        // or fewer bits, of as many words
    name:      string8

    subsection "uart/extra" {
        core: f64
    }
}
"""
DMA_TEXT = """\
use common

device Dma as "dma" {
    /// Which of the forms that the stream had:
    /// 0: dma instance 0
    /// 1: dma instance 1
    param shape: u8 max 1

    core: Core
    n:    u8
    row:  u32[2]           when shape == 0
    row2: u32[3] as "row"  when shape == 1
}
"""
FW_TEXT = """\
/// In the stream: fw instance 0 (2 of them).
device Fw as "fw" {
    data: opaque[131]  // written by open code; was 131 in this stream
}
"""
OPEN = '"size": 131, "fields": [{"name": "data", "size": 131, "type": "buffer"}]'


def squeezed(text: str) -> list[str]:
    """The lines without their columns."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_text_says_what_was_recorded_and_where_it_says_no_more(host: Host) -> None:
    text = description(
        device("0000:00:03.0/uart", UART), device("dma", DMA[0]), device("dma", DMA[1], 1),
        device("fw", OPEN), device("fw", OPEN),
    )  # fmt: skip
    found = {a.path: a.text for a in host.importers["stream"].run(text, {})}
    wanted = {"common": COMMON_TEXT, "uart": UART_TEXT, "dma": DMA_TEXT, "fw": FW_TEXT}
    assert sorted(found) == sorted(f"{name}.vmsd" for name in wanted)
    for name, each in wanted.items():
        assert squeezed(found[f"{name}.vmsd"]) == squeezed(HEAD + each), name


def test_forms_that_could_steal_each_others_subsections_stay_apart(
    host: Host, tmp_path: Path
) -> None:
    vga = body("vga", field("sr", "uint8", 1), subsections=f"{{{body('vga.endian')}}}")
    pci = body("vga", field("dev", "uint8", 1), struct("vga", 13, vga))
    text = description(device("0000:00:02.0/vga", pci), device("vga", vga))
    folder = write(tmp_path / "schemas", host.importers["stream"].run(text, {}))
    check(folder, host)
    *_, dev, inside, alone, _ = squeezed((folder / "vga.vmsd").read_text())
    assert dev == "dev: u8 when shape == 0"
    assert inside == "vga: VgaState when shape == 0"
    assert alone == "shape_1: VgaState when shape == 1"


def test_the_text_stands_in_columns(host: Host) -> None:
    (found,) = host.importers["stream"].run(description(device("dma", DMA[0])), {})
    assert found.text.endswith(
        'device Dma as "dma" {\n    core: Core\n    n:    u8\n    row:  u32[2]\n}\n'
    )


def test_importing_twice_gives_the_same_text(host: Host) -> None:
    run = host.importers["stream"].run
    assert list(run(whole("busy"), {})) == list(run(whole("busy"), {}))


def test_names_of_every_kind_become_names_that_the_language_and_python_take(
    host: Host, tmp_path: Path
) -> None:
    fields = [field(n, "uint8", 1) for n in ("when", "class", "1st", "int", "a.b", "a_b", "ä", ".")]
    names = ("Timer", "struct", "U8", "codec", "9p", "a/..", "common", "import")
    text = description(*(device(n, body(n.replace("/", "_"), *fields)) for n in names))
    folder = write(tmp_path / "schemas", host.importers["stream"].run(text, {}))
    check(folder, host)
    assert open_library([folder]).device("9p") is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{}", "the description, top: no 'devices'"),
        (b"QEVM", "the stream has no JSON description: QEMU wrote none, or it is cut off"),
        (description(device("a", body('a\\"b'))),
         "the name 'a\"b' holds what no name of a schema can hold"),
        (description(device("a", body("a\\nb"))),
         "the name 'a\\nb' holds what no name of a schema can hold"),
    ],
)  # fmt: skip
def test_a_stream_that_cannot_be_imported_is_refused(host: Host, text: bytes, message: str) -> None:
    with pytest.raises(ImporterError) as caught:
        host.importers["stream"].run(text, {})
    assert str(caught.value) == message


# --- dumps ----------------------------------------------------------------------------------------


def dumped(name: str, size: int, since: int = 0, exists: bool = False, **more: object) -> object:
    return {"field": name, "version_id": since, "field_exists": exists, "size": size, **more}


INNER = {"name": "core", "version_id": 2, "minimum_version_id": 1,
         "Fields": [dumped("ctl", 4), dumped("late", 2, 2)]}  # fmt: skip
NIC = {
    "name": "nic", "version_id": 5, "minimum_version_id": 3,
    "Fields": [
        dumped("core", 40, Description=INNER), dumped("mac", 6), dumped("rx", 0),
        dumped("old", 1, 3), dumped("new", 8, 4), dumped("never", 8, 6),
        dumped("config", 256, exists=True), dumped("wide", 4096, exists=True),
        dumped("unused", 12),
    ],
    "Subsections": [{"name": "nic/rss", "version_id": 1, "minimum_version_id": 1,
                     "Fields": [dumped("n", 2)]}],
}  # fmt: skip
SERIAL = {"name": "serial", "version_id": 3, "minimum_version_id": 2, "Fields": [dumped("a", 1)]}
SERIAL_ISA = {**SERIAL, "Fields": [dumped("core", 40, Description=INNER), dumped("a", 1)]}
EMPTY = {"name": "nvme", "version_id": 0, "minimum_version_id": 0}

DUMP_HEAD = """\
// From `qemu -dump-vmstate`, which says neither types nor counts nor conditions: each line
// with `// ?` is to be settled. A number may be signed, a bool, a timer, or an array.
// The machine: pc-1.0.

"""
DUMP = {
    "common": """\
// Types without any field, which QEMU does not migrate:
// nvme

vmsd Core as "core" version 2 minimum 1 {
    ctl: u32 // ? 4 bytes in memory
    late: u16 since 2 // ? 2 bytes in memory
}
""",
    "nic": """\
use common

/// QEMU's nic-a, nic-b.
device Nic as "nic" version 5 minimum 3 {
    param nic_rx_length: u32 max 1M
    param nic_has_config: bool
    param nic_has_wide: bool

    core: Core // ? one, an array, a list or a tree
    mac: opaque[6] // ? 6 bytes in memory
    rx: opaque[nic_rx_length] // ? of a length set at run time
    old: u8 // ? 1 byte in memory
    new: u64 since 4 // ? 8 bytes in memory
    // never: since version 6, so never there
    config: opaque[256] when nic_has_config // ? 256 bytes in memory, there under a condition
    wide: opaque[4096] when nic_has_wide // ? 4096 bytes in memory, there under a condition
    unused[12]

    subsection "nic/rss" {
        n: u16 // ? 2 bytes in memory
    }
}
""",
    "serial": """\
use common

device Serial as "serial" version 3 minimum 2 {
    /// Which of the forms it has:
    /// 0: serial-mm
    /// 1: isa-serial
    param form: u8 max 1

    core: Core when form == 1 // ? one, an array, a list or a tree
    a: u8 // ? 1 byte in memory
}
""",
}


def dump(**types: object) -> bytes:
    top: dict[str, object] = {"vmschkmachine": {"Name": "pc-1.0"}}
    for name, each in types.items():
        named = name.replace("_", "-")
        top[named] = {"Name": named, "version_id": 1, "minimum_version_id": 1, "Description": each}
    return json.dumps(top).encode()


def test_a_dump_gives_skeletons_whose_doubtful_lines_say_so(host: Host, tmp_path: Path) -> None:
    text = dump(nic_a=NIC, nic_b=NIC, serial_mm=SERIAL, isa_serial=SERIAL_ISA, nvme=EMPTY)
    artifacts = list(host.importers["dump"].run(text, {}))
    found = {a.path: a.text for a in artifacts}
    assert sorted(found) == [f"{name}.vmsd" for name in sorted(DUMP)]
    for name, each in DUMP.items():
        assert squeezed(found[f"{name}.vmsd"]) == squeezed(DUMP_HEAD + each), name
    check(write(tmp_path / "schemas", artifacts), host)


@pytest.mark.live
def test_all_of_qemus_own_dump_gives_schemas_that_are_sound(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    command = [live.require_qemu(), "-M", "pc", "-display", "none", "-dump-vmstate", str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    folder = write(tmp_path / "schemas", host.importers["dump"].run(file.read_bytes(), {}))
    check(folder, host)
    assert len(list(folder.iterdir())) > 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the dump is no JSON: Expecting value"),
        (b"[" * 100_000, "the dump nests too deep"),
        (b"{}", "no dump of `qemu -dump-vmstate`: it has no 'vmschkmachine'"),
        (dump(a=1), "type 'a': 'Description': an object expected"),
        (dump(a={"name": "a"}), "type 'a', 'a': 'version_id': a number from 0 on expected"),
        (dump(a={**SERIAL, "Fields": [{"field": "x", "version_id": 1, "size": -1}]}),
         "type 'a', 'serial', field 'x': 'size': a number from 0 on expected"),
        (dump(a={**SERIAL, "Subsections": {}}),
         "type 'a', 'serial': 'Subsections': an array expected"),
    ],
)  # fmt: skip
def test_a_dump_that_is_wrong_is_refused_with_the_place(
    host: Host, text: bytes, message: str
) -> None:
    with pytest.raises(ImporterError) as caught:
        host.importers["dump"].run(text, {})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("kind", ["stream", "dump"])
def test_damaged_input_gives_files_or_a_clear_error(host: Host, kind: str) -> None:
    seeded = random.Random(23)
    good = description(device("uart", UART), device("dma", DMA[0]), device("dma", DMA[1], 1))
    text = good if kind == "stream" else dump(nic_a=NIC, serial_mm=SERIAL, isa_serial=SERIAL_ISA)
    for _ in range(300):
        damaged = bytearray(text)
        for _ in range(seeded.randrange(1, 3)):
            at = seeded.randrange(len(damaged))
            damaged[at : at + seeded.randrange(3)] = seeded.choice(
                (b"", b"0", b'"', b"{", b"]", b"\xff", b"-1", b"7", b'"a":', b"\\u0000")
            )
        try:
            assert list(host.importers[kind].run(bytes(damaged), {}))
        except ImporterError as fault:
            assert str(fault)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_writes_schemas_and_a_machine_file_that_the_others_read(tmp_path: Path) -> None:
    stream = tmp_path / "pc.stream"
    stream.write_bytes(whole("pc"))
    folder, machine = tmp_path / "schemas", tmp_path / "pc.json"
    first = run_vmsc("import", "stream", stream, "-o", folder, "--machine", machine)
    assert (first.status, first.err) == (0, "")
    assert first.out.splitlines() == [
        f"{folder}: 34 files, 34 written",
        f"{machine}: 2 of 35 sections have parameters",
    ]
    assert json.loads(machine.read_text())["sections"][0]["name"] == "ram"
    again = run_vmsc("import", "stream", stream, "-o", folder)
    assert again.out == f"{folder}: 34 files, 0 written\n"
    assert run_vmsc("check", folder).status == 0
    assert run_vmsc("verify", stream, "--machine", machine).status == 0
    assert run_vmsc("verify", stream, "--machine", machine, "-s", folder).status == 0


def test_the_command_says_what_of_a_stream_no_schema_fits(tmp_path: Path) -> None:
    stream = tmp_path / "odd.json"
    odd = body("port92", field("outport", "uint16", 2))
    stream.write_bytes(description(device("port92", odd), device("own", body("own"))))
    done = run_vmsc(
        "import", "stream", stream, "-o", tmp_path / "s", "--machine", tmp_path / "m.json"
    )
    assert done.status == 0
    assert done.err.splitlines() == [
        "vmsc: warning: section 'port92' instance 0: port92.outport: u8 of 1 bytes expected,"
        " found uint16 of 2 bytes [size]",
        "vmsc: note: section 'own' instance 0: no schema describes it",
    ]


def test_the_command_refuses_what_it_cannot_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"QEVM")
    output = ("-o", tmp_path / "schemas")
    cases = [
        (("stream", bad), 1, f"{bad}: error: the stream has no JSON description"),
        (("nothing", bad), 2, "no importer 'nothing'; there are: dump, stream"),
        (("stream", tmp_path / "none"), 2, "No such file or directory"),
        (("dump", bad, "--machine", tmp_path / "m"), 2, "--machine goes with `import stream`"),
    ]
    for arguments, status, message in cases:
        done = run_vmsc("import", *arguments, *output)
        assert (done.status, done.out) == (status, "")
        assert message in done.err
    assert not (tmp_path / "schemas").exists()
