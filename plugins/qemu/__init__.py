"""QEMU's own descriptions of device state as sources of schemas: two importers."""

from __future__ import annotations

from vmsc.hooks import Importer, hook

from . import dump_importer, vmdesc_importer

__all__ = ["vmsc_importers"]


@hook
def vmsc_importers() -> list[Importer]:
    return [
        Importer(
            "stream", "the JSON description at the end of a migration stream", vmdesc_importer.run
        ),
        Importer("dump", "skeletons from the JSON of `qemu -dump-vmstate`", dump_importer.run),
    ]
