"""A plugin in one file: an importer, that turns a table of registers into a description.

The table is what hardware manuals come with: a line for each register, its name and its bits. The
first line names the device.

    uart
    thr,8
    baud,16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmsc.hooks import Artifact, Importer, hook

__all__ = ["vmsc_importers"]


def run(data: bytes, options: Mapping[str, str]) -> Sequence[Artifact]:
    name, *rows = data.decode().split()
    lines = [f'device "{name}" {{']
    for row in rows:
        register, _, bits = row.partition(",")
        lines.append(f"    {register}: u{bits}")
    return [Artifact(f"{name}.vmsd", "\n".join([*lines, "}"]) + "\n")]


@hook
def vmsc_importers() -> list[Importer]:
    return [Importer("table", "a table of registers, as manuals have it", run)]
