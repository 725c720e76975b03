"""The guard's own time a checkpoint, sans-IO: from the last byte in to the proof done.

Checkpoints of 30 KB, 1 MB and 64 MB: a live recording's device state, and plain pages of RAM. They
are fed in pieces of 256 KiB that are cut from the end, so that the last one is as large as it can
be. What was done while the pieces before it came is in the CPU time of taking, reported beside it,
as is the replay over loopback.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from measure import row

if TYPE_CHECKING:
    from colo_recorded import Recorded

    from vmsc.guard.colo.checkpoint import Checkpoint

ROOT = Path(__file__).resolve().parent.parent
PIECE = 256 << 10
PAGE = 4096
SIZES = {"30 KB": 30_000, "1 MB": 1_000_000, "64 MB": 64_000_000}
ROUNDS = {"30 KB": 200, "1 MB": 100, "64 MB": 7}
LATENCY, A_MEGABYTE = 2.0, 1.0  # ms
MEMORY, FIXED = 2, 128 << 10  # times the checkpoint; bytes that a checkpoint of any size takes


def pieces(talk: Recorded, size: int) -> list[bytes]:
    """A request and a checkpoint of about so many bytes."""
    from colo_talk import REQUEST, SEND, word

    one = talk.checkpoints[0]
    count = max(1, (size - len(one.devices)) // (PAGE + 8))
    body = bytes(range(256)) * (PAGE // 256)
    items = b"".join(word(n % 4096 * PAGE | 0x28) + body for n in range(count))
    ram = one.live[:5] + items + word(0x10) + one.live[-6:]
    wire = REQUEST + SEND + ram + one.size + one.devices
    first = len(wire) % PIECE or PIECE
    starts = range(first, len(wire), PIECE)
    return [wire[:first], *(wire[at : at + PIECE] for at in starts)]


def timed(talk: Recorded, wire: Sequence[bytes]) -> tuple[float, float]:
    """Milliseconds: of the last piece, wall clock; of all of them, CPU."""
    from vmsc.guard.colo.session import Session, ToSecondary

    session, cpu = Session(baseline=talk.baseline), time.process_time()
    for piece in wire[:-1]:
        session.from_primary(piece)
    start = time.perf_counter()
    found = session.from_primary(wire[-1])
    end = time.perf_counter()
    assert isinstance(found[-1], ToSecondary)
    return 1000 * (end - start), 1000 * (time.process_time() - cpu)


def replayed(talk: Recorded, wire: Sequence[bytes]) -> float:
    """Milliseconds to play the checkpoint over loopback to one who only reads, to its last byte."""
    from vmsc.guard.colo.session import Proven, Session

    session = Session(baseline=talk.baseline)
    actions = [action for piece in wire for action in session.from_primary(piece)]
    (checkpoint,) = (action.checkpoint for action in actions if isinstance(action, Proven))
    return asyncio.run(_played(checkpoint))


async def _played(checkpoint: Checkpoint) -> float:
    from vmsc.guard.connection import Connection

    size, whole = sum(map(len, checkpoint.wire())), asyncio.Event()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = size
        while left and (data := await reader.read(PIECE)):
            left -= len(data)
        whole.set()
        writer.close()

    async def told(_data: bytes | None, _why: str) -> None:
        pass

    async with await asyncio.start_server(read, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = Connection(*await asyncio.open_connection("127.0.0.1", port), told, 60)
        line.start()
        start = time.perf_counter()
        line.play(checkpoint.wire())
        await asyncio.wait_for(whole.wait(), 60)
        end = time.perf_counter()
        await line.close()
    return 1000 * (end - start)


def peak(work: Callable[[], object]) -> int:
    """Bytes at the most, beyond what was there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measured(talk: Recorded, name: str) -> list[bool]:
    wire = pieces(talk, SIZES[name])
    size = sum(map(len, wire))
    found = [timed(talk, wire) for _ in range(ROUNDS[name])]
    last = sorted(one[0] for one in found)
    print(
        f"{name} ({size} bytes): CPU of taking {statistics.median(f[1] for f in found):.2f} ms,"
        f" slowest proof {last[-1]:.2f} ms"
    )
    played = statistics.median(replayed(talk, wire) for _ in range(7))
    print(f"  {name}: replay over loopback {played:.2f} ms")
    gate = round(LATENCY + A_MEGABYTE * size / 1e6, 2)
    held = peak(lambda: timed(talk, wire))
    most = round((MEMORY * size + FIXED) / 1e6, 2)
    return [
        row(f"  {name}: last byte in to proof done", statistics.median(last), gate, "ms"),
        row(f"  {name}: memory at its peak", held / 1e6, most, "MB"),
    ]


def main() -> int:
    sys.path.append(str(ROOT / "tests" / "support"))
    from live import qemu_binary

    if qemu_binary() is None:
        print("guard: not measured, QEMU could not be had")
        return 0
    from colo_recorded import recorded

    talk = recorded()
    timed(talk, pieces(talk, SIZES["30 KB"]))
    good = [held for name in SIZES for held in measured(talk, name)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
