"""docs/coverage.md: which sections QEMU 7.2's machines send, and how each one's length is known.

    python tests/support/coverage_page.py        (make coverage)

Takes a stream of every machine of `configurations`, and QEMU's own list of the devices that it
could have. `test_machines` holds the page against what QEMU sends then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from configurations import CONFIGURATIONS, Configuration, configuration_stream
from live import require_qemu
from streams_at_hand import library, opened

from vmsc.inspect.file_reader import Entry
from vmsc.inspect.parameters import open_parameters
from vmsc.stream.events import Section

__all__ = ["Row", "machine_lines", "page", "row_line", "rows"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"

_HEAD = """\
# Coverage

Made by `make coverage` from what the machines below send: QEMU 7.2, under TCG. Every section of
theirs is decoded to its end, comes back byte-identical from JSON and from a frame, and agrees with
QEMU's own description of it, value by value (`tests/live/test_machines.py`).
"""
_CLASSES = """\
## Sections

The class says how a section's length is known: `constant`; `computed` from fields and parameters;
`bounded`, by walking it, with a static limit; `measured`, by walking it; `opaque`, from outside
alone: no description covers it. Parameters are what the wire does not say; a stream's JSON
description tells them, else a machine file or `--param`.
"""
_UNSENT = "Described here too, from QEMU's source, and sent by no machine of this page:"
_NOT_COVERED = """\
## Not covered

What follows has no description here: a stream that has it is stepped over where its JSON
description says how long it is, and refused where not.
"""
_NOTES = """\
Beside these:

- a processor's state is that of 64-bit x86 and of Arm's A profile; what only the M and R profiles
  have, and other targets' processors, are not described;
- no machine of this page ran under KVM, which sends some subsections that TCG never does;
- the network cards i82550 to i82801 (eepro100), whose sections have the model's name;
- some old machine types (pc-i440fx-2.0) send no JSON description: parameters have to be given;
- the blobs of an emulated TPM are bytes of a length that is sent; what they hold is the emulator's
  own.
"""

# Devices with a description of their state that says it cannot be sent.
_REFUSING = frozenset({
    "amd-iommu", "hv-syndbg", "nvme", "rocker", "usb-audio", "usb-mtp", "usb-net", "usb-serial",
    "usb-uas", "usb-wacom", "vhost-user-fs", "vhost-user-gpio", "vhost-user-i2c",
    "vhost-user-input", "vhost-user-rng", "vhost-user-vsock", "virtio-crypto", "virtio-input-host",
    "vfio-amd-xgbe", "vfio-calxeda-xgmac", "vfio-platform",
})  # fmt: skip
# What QEMU lists and no section is: parts of devices, and classes that have no state of their own.
_PARTS = frozenset({"SCSIDevice", "u2f-key"})


@dataclass(frozen=True, order=True)
class Row:
    """A section, whichever machine sends it; `params` are those that were told."""

    name: str
    version: int
    size: str
    params: tuple[str, ...]


def rows(entries: Iterable[Entry]) -> Counter[Row]:
    """The sections of a stream, and how many of each."""
    found: Counter[Row] = Counter()
    ids: set[int] = set()
    for entry in entries:
        event = entry.event
        if not isinstance(event, Section) or event.id in ids:
            continue
        ids.add(event.id)
        if entry.codec is None:
            row = Row(event.name.rpartition("/")[2], event.version, "opaque", ())
        else:
            params = tuple(p.name for p in entry.codec.params if not p.sticky)
            row = Row(entry.codec.name, event.version, entry.codec.size, params)
        found[row] += 1
    return found


def row_line(row: Row) -> str:
    """A row of the page's table."""
    params = ", ".join(f"`{name}`" for name in row.params)
    return f"| `{row.name}` | {row.version} | {row.size} | {params} |"


def machine_lines(name: str, found: Mapping[Row, int]) -> str:
    """A machine's part of the page."""
    one = CONFIGURATIONS[name]
    counts: Counter[str] = Counter()
    for row, count in found.items():
        counts[row.name] += count
    listed = ", ".join(
        f"`{each}`" + (f" ×{counts[each]}" if counts[each] > 1 else "") for each in sorted(counts)
    )
    total = sum(counts.values())
    return f"### {name}\n\n    {_command(one)}\n\n{total} sections: {listed}\n"


def _command(one: Configuration) -> str:
    words = [f"qemu-system-{one.target}", "-M", one.machine, *one.args]
    text = " ".join(words)
    return text + "".join(
        f" # {what}" for what, there in (("a busy guest", one.guest or one.bios),
                                         ("an emulated TPM", one.tpm)) if there
    )  # fmt: skip


# --- what is not covered --------------------------------------------------------------------------


def _listed(target: str, machine: str) -> set[str]:
    """The descriptions of all devices that this QEMU has."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vmstate.json"
        command = [require_qemu(target), "-M", machine, "-nodefaults", "-display", "none",
                   "-dump-vmstate", str(file)]  # fmt: skip
        subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
        devices = json.loads(file.read_text())
    return {d["Description"]["name"] for d in devices.values() if "Description" in d}


def _described() -> set[str]:
    """The devices that the shipped schemas describe."""
    schema = library().schema
    return {d.wire for d in schema.descriptions.values() if d.kind == "device"}


def _not_covered() -> Iterator[str]:
    described = _described()
    x86 = _listed("x86_64", "q35") - described - _PARTS
    arm = _listed("aarch64", "virt") - described - _PARTS - x86
    yield from _names("Devices of x86_64 machines:", x86 - _REFUSING)
    yield from _names("Devices that QEMU itself does not let migrate:", (x86 | arm) & _REFUSING)
    yield (
        f"Of the {len(arm - _REFUSING)} devices that qemu-system-aarch64 has beside those, on other"
        " boards than `virt`, none is described.\n"
    )


def _names(title: str, names: Iterable[str]) -> Iterator[str]:
    yield f"{title} {', '.join(f'`{name}`' for name in sorted(names))}.\n"


def page(found: Mapping[str, Mapping[Row, int]]) -> str:
    """The whole page, from each machine's sections."""
    parts = [_HEAD, "## Machines\n", *(machine_lines(n, each) for n, each in found.items())]
    every = sorted({row for each in found.values() for row in each})
    table = ["| section | version | class | parameters |", "|---|---|---|---|"]
    parts += [_CLASSES, "\n".join([*table, *map(row_line, every)]) + "\n"]
    parts += _names(_UNSENT, _described() - _PARTS - {row.name for row in every})
    return "\n".join([*parts, _NOT_COVERED, *_not_covered(), _NOTES])


def sections_of(name: str) -> Counter[Row]:
    stream = configuration_stream(name)
    return rows(opened(stream, open_parameters(stream, library())))


def main() -> int:
    """Write the page anew."""
    found = {}
    for name in CONFIGURATIONS:
        found[name] = sections_of(name)
        print(f"{name}: {sum(found[name].values())} sections", file=sys.stderr)
    PAGE.write_text(page(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
