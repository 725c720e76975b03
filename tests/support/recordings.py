"""Recordings of live migrations: two real QEMUs, and a proxy that writes down what they say.

Each is made once a run, when a test first asks for it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from live import Qemu, QemuError, boot, counting_guest, eventually, rewriting_guest, running
from proxy import Proxy, Talk, recording

__all__ = ["RECORDINGS", "Plan", "Recording", "listen", "record", "record_checkpoints", "shim"]

_ARGS = ("-nodefaults", "-vga", "std")
_FAST = 1 << 40


@dataclass(frozen=True)
class Recording:
    """What was said. The first connection is the main channel; multifd has more.

    `args` and `capabilities` are what a QEMU needs that is to load the stream; `memory` what lay
    in the file that both sides share, if there was one.
    """

    talks: tuple[tuple[bytes, bytes], ...]
    args: tuple[str, ...]
    capabilities: tuple[str, ...]
    memory: bytes = b""

    @property
    def stream(self) -> bytes:
        return self.talks[0][0]

    @property
    def answers(self) -> bytes:
        return self.talks[0][1]

    @property
    def channels(self) -> list[bytes]:
        return [sent for sent, _ in self.talks[1:]]


@dataclass(frozen=True)
class Plan:
    """How a migration is made; `during` goes on while it runs."""

    capabilities: tuple[str, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    args: tuple[str, ...] = _ARGS
    guest: Callable[[], bytes] = counting_guest
    during: Callable[[Qemu, Qemu, Proxy], None] | None = None
    colo: bool = False


def _sent(qemu: Qemu, key: str, least: int) -> Callable[[], bool]:
    return lambda: qemu.command("query-migrate").get("ram", {}).get(key, 0) >= least


def _some_rounds(source: Qemu, _target: Qemu, _proxy: Proxy) -> None:
    """Let the guest rewrite its pages for some rounds, then let it go."""
    eventually(_sent(source, "dirty-sync-count", 4), "rounds of the migration")
    source.command("migrate-set-parameters", **{"max-bandwidth": _FAST, "downtime-limit": 2000})


def _postcopy(source: Qemu, _target: Qemu, _proxy: Proxy) -> None:
    """Switch over in the middle of RAM."""
    eventually(_sent(source, "transferred", 300_000), "first pages")
    source.command("migrate-start-postcopy")


def _checkpoints(source: Qemu, _target: Qemu, proxy: Proxy, count: int = 4) -> None:
    """Wait for some checkpoints, and cut the connection."""
    eventually(lambda: source.command("query-migrate").get("status") == "colo", "COLO")
    loaded = (6).to_bytes(4, "big")
    answered = proxy.talks[0].answered
    eventually(lambda: bytes(answered).count(loaded) >= count, "checkpoints")
    proxy.cut()
    proxy.finish()


_THREE = {"multifd-channels": 3}
_SHARED = (
    *_ARGS, "-object", "memory-backend-file,id=shared,size=32M,mem-path=@/memory,share=on",
    "-machine", "memory-backend=shared",
)  # fmt: skip

RECORDINGS: dict[str, Plan] = {
    "precopy": Plan(),
    "without description": Plan(args=(*_ARGS, "-machine", "suppress-vmdesc=on")),
    "compressed": Plan(("compress",), {"compress-threads": 2, "decompress-threads": 2}),
    "xbzrle": Plan(
        ("xbzrle",), {"max-bandwidth": 1 << 20, "downtime-limit": 1},
        guest=rewriting_guest, during=_some_rounds,
    ),
    "multifd": Plan(("multifd",), {**_THREE, "multifd-compression": "none"}),
    "multifd zlib": Plan(("multifd",), {**_THREE, "multifd-compression": "zlib"}),
    "multifd zstd": Plan(("multifd",), {**_THREE, "multifd-compression": "zstd"}),
    "postcopy": Plan(
        ("postcopy-ram", "return-path"), {"max-bandwidth": 1 << 20},
        guest=rewriting_guest, during=_postcopy,
    ),
    "ignore-shared": Plan(("x-ignore-shared",), args=_SHARED),
    "colo": Plan(
        ("x-colo",), {"x-checkpoint-delay": 100},
        guest=rewriting_guest, during=_checkpoints, colo=True,
    ),
}  # fmt: skip


@cache
def shim() -> str:
    """A library that lets QEMU 7.2 run COLO without KVM, for LD_PRELOAD."""
    made = Path(tempfile.mkdtemp(prefix="vmsc-shim-")) / "tcg_shim.so"
    source = Path(__file__).parent / "tcg_shim.c"
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return str(made)


def listen(target: Qemu, plan: Plan) -> int:
    """Make the target wait for a migration on loopback; the port."""
    target.allow(plan.capabilities)
    target.command("migrate-set-parameters", **plan.parameters)
    target.command("migrate-incoming", uri="tcp:127.0.0.1:0")
    bound = eventually(
        lambda: target.command("query-migrate").get("socket-address"), "port to migrate to"
    )
    return int(bound[0]["port"])


@contextmanager
def _two(args: Sequence[str], plan: Plan) -> Iterator[tuple[Qemu, Qemu]]:
    environment = {"LD_PRELOAD": shim()} if plan.colo else {}
    with (
        running(args, environment=environment) as source,
        running(args, environment=environment, incoming=True) as target,
    ):
        eventually(lambda: source.counter() > 1, "count of the guest")
        yield source, target


@cache
def record(name: str) -> Recording:
    """The recording of this name. COLO without KVM now and then hangs at a checkpoint, in QEMU: it
    is tried twice.
    """
    plan = RECORDINGS[name]
    try:
        return _recorded(plan)
    except QemuError:
        if not plan.colo:
            raise
        return _recorded(plan)


@cache
def record_checkpoints(count: int) -> Recording:
    """A recording of COLO that has so many checkpoints at least."""
    return _recorded(replace(RECORDINGS["colo"], during=partial(_checkpoints, count=count)))


def _recorded(plan: Plan) -> Recording:
    with tempfile.TemporaryDirectory(prefix="vmsc-recording-") as folder:
        placed = [arg.replace("@", folder) for arg in plan.args]
        args = [*placed, *boot(Path(folder), plan.guest())]
        with _two(args, plan) as (source, target), recording(listen(target, plan)) as proxy:
            source.allow(plan.capabilities)
            parameters = {"max-bandwidth": _FAST, **plan.parameters}
            source.command("migrate-set-parameters", **parameters)
            source.command("migrate", uri=proxy.uri)
            if plan.during is not None:
                plan.during(source, target, proxy)
            if not plan.colo:
                eventually(source.migrated, "end of the migration")
                eventually(lambda: target.status() != "inmigrate", "end of the load")
            talks = tuple(map(_said, proxy.finish()))
        memory = Path(folder) / "memory"
        shared = memory.read_bytes() if memory.exists() else b""
    return Recording(talks, plan.args, plan.capabilities, shared)


def _said(talk: Talk) -> tuple[bytes, bytes]:
    return bytes(talk.sent), bytes(talk.answered)
