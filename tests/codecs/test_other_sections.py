"""Sections of open code that no machine here writes: bytes typed by hand from the rules."""

from __future__ import annotations

from typing import Any

import pytest
from streams import wire
from streams_at_hand import library

from vmsc.runtime.errors import DecodeError, Truncated

BLOCK = (
    wire("""
    00 00 00 00 00 00 02 01  sector 1 | DEVICE_BLOCK
    03 68 64 30              of hd0
    """)
    + bytes(range(256)) * 4096
    + wire("""
    00 00 00 00 00 10 00 09  sector 2048 | DEVICE_BLOCK | ZERO_BLOCK
    03 68 64 30              of hd0
    00 00 00 00 00 00 64 04  50 | PROGRESS
    00 00 00 00 00 00 00 02  EOS
    """)
)
BITMAPS = wire("""
    1c                       DEVICE_NAME | BITMAP_NAME | START
    03 68 64 30              node hd0
    02 62 30                 bitmap b0
    00 01 00 00              granularity 64 KiB
    01                       enabled
    40                       BITS of the same bitmap
    00 00 00 00 00 00 00 80  from sector 128
    00 00 04 00              1024 sectors
    00 00 00 00 00 00 00 02  2 bytes:
    ff 01
    42                       BITS | ZEROES
    00 00 00 00 00 00 04 80  from sector 1152
    00 00 00 08              8 sectors
    24                       BITMAP_NAME | COMPLETE
    02 62 31                 bitmap b1
    01                       EOS
""")
HTAB = wire("""
    00 00 00 00              runs
    00 00 00 10              from entry 16
    00 01 00 02              1 valid, 2 invalid
    00 11 22 33 44 55 66 77  the valid one
    88 99 aa bb cc dd ee ff
    00 00 00 00 00 00 00 00  the end
""")
SKEYS = wire("""
    00 00 00 00 00 00 10 02  from page 1 | SKEYS
    00 00 00 00 00 00 00 03  3 keys:
    06 06 30
    00 00 00 00 00 00 00 01  EOS
""")
STATTRIB = wire("""
    00 00 00 00 00 00 20 02  from page 2 | MORE
    00 00 00 00 00 00 00 02  2 values:
    01 02
    00 00 00 00 00 00 00 08  DONE
    00 00 00 00 00 00 00 01  EOS
""")
TOD = wire("01 02 00 00 00 00 00 00 01 00  present, epoch 2, 256")
VFIO = (
    wire("""
    ff ff ff ff ef 10 00 03  SETUP_STATE
    ff ff ff ff ef 10 00 04  DEV_DATA_STATE
    00 00 00 00 00 00 00 03  3 bytes
    aa bb cc
    ff ff ff ff ef 10 00 02  DEV_CONFIG_STATE
    00 00 00 02              PCIDevice's version
    """)
    + bytes(256)
    + bytes(16)
    + bytes(2 * 16 + 1)
    + wire("ff ff ff ff ef 10 00 01  END_OF_STATE")
)
PCI = {"is_pcie": 0, "msix_vectors": 2}

SECTIONS: dict[str, tuple[str, int, bytes, dict[str, Any]]] = {
    "block": ("block", 1, BLOCK, {}),
    "dirty bitmaps": ("dirty-bitmap", 1, BITMAPS, {}),
    "htab": ("spapr/htab", 1, HTAB, {}),
    "htab, the start": ("spapr/htab", 1, b"\0\0\0\x18", {}),
    "htab, none": ("spapr/htab", 1, b"\xff\xff\xff\xff", {}),
    "storage keys": ("s390-skeys", 1, SKEYS, {}),
    "storage attributes": ("s390-storage_attributes", 0, STATTRIB, {}),
    "time of day": ("todclock", 1, TOD, {}),
    "time of day, missing": ("todclock", 1, b"\0", {}),
    "vfio": ("0000:00:05.0/vfio", 1, VFIO, PCI),
}
every_section = pytest.mark.parametrize("name", SECTIONS)


@every_section
def test_the_description_reads_and_writes_what_was_typed(name: str) -> None:
    section, version, data, params = SECTIONS[name]
    codec = library().device(section)
    assert codec is not None
    value = codec.qemu.decode(data, version=version, **params)
    assert codec.qemu.encode(value, version=version, **params) == data
    assert codec.qemu.scan(data, version=version, **params) == len(data)
    made = codec.framed.encode(value, version=version, **params)
    assert codec.framed.decode(made, version=version, **params) == value


@every_section
def test_a_prefix_is_truncated(name: str) -> None:
    section, version, data, params = SECTIONS[name]
    codec = library().device(section)
    assert codec is not None
    for size in {*range(min(len(data), 400)), len(data) - 1}:
        with pytest.raises(Truncated):
            codec.qemu.decode(data[:size], version=version, **params)


def test_a_bitmap_chunk_keeps_the_names_before_it() -> None:
    codec = library().device("dirty-bitmap")
    assert codec is not None
    chunks = codec.qemu.decode(BITMAPS, version=1).chunks
    assert [(c.node, c.bitmap) for c in chunks] == [(b"hd0", b"b0")] * 3 + [(b"hd0", b"b1")] * 2
    assert chunks[1].bits.bits == b"\xff\x01" and chunks[2].bits.bits is None
    assert {p.name for p in codec.params if p.sticky} == {"node", "bitmap"}


def test_what_the_sender_could_not_read_is_refused() -> None:
    codec = library().device("s390-skeys")
    assert codec is not None
    with pytest.raises(DecodeError, match="could read its storage keys"):
        codec.qemu.decode(b"\0\0\0\0\0\0\0\4" + b"\0\0\0\0\0\0\0\1", version=1)
