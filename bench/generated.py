"""Generated codecs against the same codecs written by hand for speed: S, 40 bytes of 12 scalars;
M, 825 bytes of a network card.

The hand-fused code checks bounds and builds msgspec objects, as the generated code does.
"""

from __future__ import annotations

import gc
import struct
import sys
from types import ModuleType
from typing import Any

import msgspec
from measure import medians, row

from vmsc.compiler.driver import analyse, generate, load_modules
from vmsc.hooks.host import load_host
from vmsc.runtime.errors import Truncated
from vmsc.schema.diagnostics import Report, as_text
from vmsc.schema.syntax.loader import load_text

SMALL = "BBHIQBBHIQII"
WORDS = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64"}
MANY = "I" * 40 + "H" * 16 + "B" * 4


def _scalars(codes: str) -> str:
    return "\n".join(f"    f{i}: {WORDS[c]}" for i, c in enumerate(codes))


SCHEMA = f"""
struct Small {{
{_scalars(SMALL)}
}}

struct Ring {{ base: u64; size: u32; head: u16; tail: u16 }}

device "bench-nic" version 3 minimum 2 {{
{_scalars(MANY)}
    table:  u32[32]
    buffer: bytes[256]
    rings:  Ring[8]

    subsection "bench-nic/rss" version 1 {{ key: bytes[40]; kind: u32 }}
}}
"""


def build() -> ModuleType:
    """The generated module of SCHEMA."""
    report, host = Report(), load_host()
    compiled = analyse(load_text(SCHEMA, report, "bench_codecs"), host, report)
    assert compiled is not None, as_text(report)
    artifacts = generate(compiled, host.backends["python"], host, report)
    return load_modules(artifacts, "bench_generated")["bench_codecs"]


def class_of(name: str, fields: list[str]) -> Any:
    return msgspec.defstruct(name, [(f, Any) for f in fields], gc=False)


def hand_small() -> tuple[Any, Any]:
    """decode and encode of Small, fused by hand."""
    form = struct.Struct(">" + SMALL)
    names = [f"f{i}" for i in range(len(SMALL))]
    targets = ", ".join(names)
    space: dict[str, Any] = {
        "Small": class_of("Small", names), "form": form, "Truncated": Truncated,
    }  # fmt: skip
    text = f"""
def decode(buf, pos=0):
    end = pos + {form.size}
    if end > len(buf):
        raise Truncated(1, offset=len(buf))
    {targets} = form.unpack_from(buf, pos)
    return Small({targets}), end

def encode(o):
    return form.pack({", ".join("o." + n for n in names)})
"""
    exec(text, space)
    return space["decode"], space["encode"]


def hand_nic() -> tuple[Any, Any]:
    """decode and encode of bench-nic, fused by hand."""
    names = [f"f{i}" for i in range(len(MANY))]
    targets = ", ".join(names)
    space: dict[str, Any] = {
        "head": struct.Struct(">" + MANY), "words": struct.Struct(">32I"),
        "ring": struct.Struct(">QIHH"), "sub": struct.Struct(">40sI"), "Truncated": Truncated,
        "Ring": class_of("Ring", ["base", "size", "head", "tail"]),
        "Rss": class_of("Rss", ["key", "kind"]),
        "Nic": class_of("Nic", [*names, "table", "buffer", "rings", "rss"]),
    }  # fmt: skip
    fixed = space["head"].size
    text = f"""
from itertools import starmap
def decode(buf, pos=0):
    size = len(buf)
    end = pos + {fixed + 128 + 256 + 128}
    if end > size:
        raise Truncated(1, offset=size)
    {targets} = head.unpack_from(buf, pos)
    table = list(words.unpack_from(buf, pos + {fixed}))
    buffer = buf[pos + {fixed + 128}:pos + {fixed + 384}]
    rings = list(starmap(Ring, ring.iter_unpack(buf[pos + {fixed + 384}:end])))
    pos = end
    rss = None
    if buf[pos:pos + 15] == b"\\x05\\x0dbench-nic/rss":
        end = pos + 19 + 44
        if end > size:
            raise Truncated(1, offset=size)
        key, kind = sub.unpack_from(buf, pos + 19)
        rss = Rss(key, kind)
        pos = end
    return Nic({targets}, table, buffer, rings, rss), pos

def encode(o):
    out = [head.pack({", ".join("o." + n for n in names)}), words.pack(*o.table), o.buffer]
    out += [ring.pack(r.base, r.size, r.head, r.tail) for r in o.rings]
    if o.rss is not None:
        out.append(b"\\x05\\x0dbench-nic/rss\\0\\0\\0\\x01" + sub.pack(o.rss.key, o.rss.kind))
    return b"".join(out)
"""
    exec(text, space)
    return space["decode"], space["encode"]


def repeat(function: Any, *arguments: Any, times: int) -> Any:
    def task() -> None:
        for _ in range(times):
            function(*arguments)

    return task


def compare(name: str, wire: bytes, hand: tuple[Any, Any], made: tuple[Any, Any, Any],
            times: int) -> list[bool]:  # fmt: skip
    """Rows for one codec: decode and encode against the hand's, scan against decode."""
    decode, encode = hand
    decode_from, write, scan = made
    ours, theirs = decode_from(wire)[0], decode(wire)[0]
    assert write(ours) == encode(theirs) == wire
    found = medians(
        {
            "hand decode": repeat(decode, wire, times=times),
            "decode": repeat(decode_from, wire, times=times),
            "hand encode": repeat(encode, theirs, times=times),
            "encode": repeat(write, ours, times=times),
            "scan": repeat(scan, wire, times=times),
        },
        rounds=9,
    )
    return [
        row(f"{name} decode against hand-fused", found["decode"] / found["hand decode"], 1.15, "x"),
        row(f"{name} encode against hand-fused", found["encode"] / found["hand encode"], 1.15, "x"),
        row(f"{name} decode against scan", found["decode"] / found["scan"],
            20 if name == "M" else 1, "x", at_least=True),
    ]  # fmt: skip


def main() -> int:
    gc.disable()
    module = build()
    small = bytes(range(40))
    nic = bytes(i & 0x7F for i in range(196 + 128 + 256 + 128))
    nic += b"\x05\x0dbench-nic/rss\0\0\0\x01" + bytes(44)
    rows = compare("S", small, hand_small(), (
        module.decode_small_from, module.encode_small, module.scan_small), 20000)  # fmt: skip
    rows += compare("M", nic, hand_nic(), (
        module.decode_bench_nic_from, module.encode_bench_nic, module.scan_bench_nic,
    ), 4000)  # fmt: skip
    return 0 if all(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
