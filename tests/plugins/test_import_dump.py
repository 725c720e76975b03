"""`vmsc import dump`: skeletons from `qemu -dump-vmstate`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import live
import pytest
from imports import check, check_damage, squeezed, write

from vmsc.hooks import ImporterError
from vmsc.hooks.host import Host


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
        (b"", "not JSON: Expecting value"),
        (b"[" * 100_000, "it nests too deep"),
        (b"{}", "not the JSON of `qemu -dump-vmstate`: it has no 'vmschkmachine'"),
        (dump(a=1), "'a': Description: 1 found, expected an object"),
        (dump(a={"name": "a"}), "'a': Description: no 'version_id'"),
        (dump(a={**SERIAL, "Fields": [{"field": "x", "version_id": 1, "size": -1}]}),
         "'a': Description.Fields[0].size: -1 found, expected a whole number of at least 0"),
        (dump(a={**SERIAL, "Subsections": {}}),
         "'a': Description.Subsections: {} found, expected an array"),
    ],
)  # fmt: skip
def test_a_dump_that_is_wrong_is_refused_with_the_place(
    host: Host, text: bytes, message: str
) -> None:
    with pytest.raises(ImporterError) as caught:
        host.importers["dump"].run(text, {})
    assert str(caught.value).startswith(message)


def test_a_damaged_dump_gives_files_or_a_clear_error(host: Host) -> None:
    text = dump(nic_a=NIC, serial_mm=SERIAL, isa_serial=SERIAL_ISA)
    check_damage(host.importers["dump"], text)
