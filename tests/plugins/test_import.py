"""`vmsc import`: schemas from QEMU's own descriptions, and what becomes of a stream with them."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import live
import pytest
from commands import run_vmsc
from imports import check, check_damage, squeezed, write
from records import body, description, device, field, struct
from streams_at_hand import DATA, MACHINES, state

from vmsc.compiler.library import open_library
from vmsc.hooks import ImporterError
from vmsc.hooks.host import Host
from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters
from vmsc.stream.events import Section, SectionKind


def whole(name: str) -> bytes:
    """A stream of this machine's device sections, with its description behind the end."""
    text = lzma.decompress((DATA / f"{name}.vmdesc.xz").read_bytes())
    return state(name) + b"\6" + len(text).to_bytes(4, "big") + text


def come_back(stream: bytes, folder: Path) -> Iterator[str]:
    """Decode and encode every device section with the schemas of this folder; the names."""
    library = open_library([folder])
    mine = {p.stem for p in folder.glob("*.vmsd")}
    for entry in entries(stream, library, open_parameters(stream, library)):
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


def test_a_damaged_description_gives_files_or_a_clear_error(host: Host) -> None:
    whole = description(device("uart", UART), device("dma", DMA[0]), device("dma", DMA[1], 1))
    check_damage(host.importers["stream"], whole)


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
