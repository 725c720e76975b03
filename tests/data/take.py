"""Take the data of this folder anew, from the QEMU of this machine.

    python tests/data/take.py [NAME...] [--streams DIR | --machines]

For every machine of live.MACHINES it writes NAME.state.xz: the device state alone, without RAM, so
without firmware; NAME.vmdesc.xz: the JSON description of a whole stream of the same moment; and
NAME.machine.json: the parameters that vmsc solves from it. With --streams it also writes to DIR,
for development and not to be committed, that stream (NAME.stream), its description laid out
(NAME.json; the second of two equal keys is called KEY#2), and a list of every field (NAME.txt).
With --machines it takes nothing: it writes NAME.machine.json anew from NAME.vmdesc.xz.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

from live import MACHINES, QemuError  # noqa: E402
from oracle import Leaf, Section, describe, machine, sections  # noqa: E402

from vmsc.compiler.driver import compile_paths  # noqa: E402
from vmsc.hooks.host import load_host  # noqa: E402
from vmsc.params.machine_file import load_machine, machine_text  # noqa: E402
from vmsc.params.solver import solve_stream  # noqa: E402
from vmsc.schema.diagnostics import Report  # noqa: E402
from vmsc.schema.shipped import shipped_schemas  # noqa: E402
from vmsc.stream.vmdesc import find_vmdesc, read_vmdesc  # noqa: E402

SHOWN = 24  # bytes of a buffer in the list


def take(name: str) -> tuple[bytes, bytes]:
    """The device state and the whole stream of one machine at one moment."""
    machine = MACHINES[name]
    with tempfile.TemporaryDirectory() as folder, machine.start(Path(folder)) as qemu:
        machine.settle(qemu)
        return qemu.save_device_state(), qemu.save_stream()


def write_machine(name: str, description: bytes, machine_name: str) -> None:
    """NAME.machine.json, from the JSON description of a stream."""
    compiled = compile_paths([shipped_schemas()], load_host(), Report())
    assert compiled is not None, "the schemas have errors"
    solved, _ = solve_stream(compiled.schema, read_vmdesc(description), machine_name)
    (HERE / f"{name}.machine.json").write_text(machine_text(solved))


def write_machine_anew(name: str) -> None:
    """NAME.machine.json, from NAME.vmdesc.xz."""
    description = lzma.decompress((HERE / f"{name}.vmdesc.xz").read_bytes())
    write_machine(name, description, load_machine(HERE / f"{name}.machine.json").name)


def plain(value: object) -> object:
    """A description as plain JSON: equal keys of an object get numbers."""
    if not isinstance(value, tuple):
        return [plain(item) for item in value] if isinstance(value, list) else value
    seen: Counter[str] = Counter()
    result = {}
    for key, item in value:
        seen[key] += 1
        result[key if seen[key] == 1 else f"{key}#{seen[key]}"] = plain(item)
    return result


def field_line(leaf: Leaf, payload: int) -> str:
    """One line of the list: offset in the section, size, type, path, value."""
    path = "/".join(f"[{p}]" if isinstance(p, int) else p for p in leaf.path)
    dots = "..." if leaf.size > SHOWN else ""
    value = leaf.raw[:SHOWN].hex() + dots if leaf.value is None else leaf.value
    return f"  {leaf.offset - payload:<7}{leaf.size:<7}{leaf.type:<16}{path} = {value}"


def section_lines(section: Section, stream: bytes) -> Iterator[str]:
    """A section's header and its fields, with the bytes between the fields where they stand."""
    yield (
        f"\n{section.kind} '{section.name}' instance {section.instance} version {section.version}"
        f" id {section.id} at {section.offset} length {section.end - section.payload}"
    )
    rows = [(leaf.offset, field_line(leaf, section.payload)) for leaf in section.leaves]
    for at, size in section.marks:
        rows.append((at, f"  {at - section.payload:<7}{size:<7}- {stream[at : at + size]!r}"))
    yield from (text for _, text in sorted(rows))


def write_stream(folder: Path, name: str, stream: bytes) -> None:
    """The files of --streams."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for section in sections(stream) for line in section_lines(section, stream)]
    (folder / f"{name}.stream").write_bytes(stream)
    (folder / f"{name}.json").write_text(json.dumps(plain(describe(stream)), indent=1) + "\n")
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def main() -> int:
    """Take what was asked for; 1 if a machine failed."""
    parser = argparse.ArgumentParser(description="take the test data anew")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(MACHINES)}")
    parser.add_argument("--streams", type=Path, metavar="DIR", help="write whole streams there")
    parser.add_argument("--machines", action="store_true", help="write NAME.machine.json alone")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(MACHINES)):
        parser.error(f"no such machine: {', '.join(unknown)}")
    for name in given.names or MACHINES:
        if given.machines:
            write_machine_anew(name)
            continue
        try:
            state, stream = take(name)
        except QemuError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        list(sections(state, like=stream))  # what the oracle cannot read is not written
        file = HERE / f"{name}.state.xz"
        file.write_bytes(lzma.compress(state, preset=9))
        description = find_vmdesc(stream)
        assert description is not None
        (HERE / f"{name}.vmdesc.xz").write_bytes(lzma.compress(description, preset=9))
        write_machine(name, description, machine(stream)[0])
        if given.streams is not None:
            write_stream(given.streams, name, stream)
        print(f"{name}: {len(state)} bytes of device state, {file.stat().st_size} in {file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
