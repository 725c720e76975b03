"""Single bytes of a live primary's checkpoints changed at random: how many the proof catches.

COLO's wire has no checksum: a page with another byte in it is as good a page, and so is a register.
What has a form of its own is caught: this tells how much that is, by part. A change is refused; or
the checkpoint waits for bytes that never come, which the guard's timeout ends; in both cases the
secondary stays untouched. Or it is sent on. Anything else (another exception, a trial that does not
end) fails the run.

    python bench/caught.py [CHANGES]        10,000 by default, the same number for each part
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colo_recorded import Recorded
    from colo_talk import Sent

ROOT = Path(__file__).resolve().parent.parent
PAGE = 4096
SLOW = 5.0  # seconds that one trial may take
PARTS = ("messages", "RAM words", "RAM pages", "device heads", "device state")


def ram_parts(live: bytes, base: int) -> Iterator[tuple[str, range]]:
    """Where words (with names, the section's head and foot) and pages' content lie."""
    pos, start = 5, 0
    while True:
        word = int.from_bytes(live[pos : pos + 8], "big")
        flags = word % PAGE
        pos += 8
        if flags & 0x10:
            yield "RAM words", range(base + start, base + len(live))
            return
        if not flags & 0x20:
            pos += 1 + live[pos]
        size = PAGE if flags & 0x08 else 1
        yield "RAM words", range(base + start, base + pos)
        yield "RAM pages", range(base + pos, base + pos + size)
        pos += size
        start = pos


def device_parts(state: bytes, base: int, talk: Recorded) -> Iterator[tuple[str, range]]:
    """Where heads (with footers and the end mark) and payloads lie."""
    pos = 0
    for id_, name, instance, version in talk.baseline.devices:
        head = b"\4" + id_.to_bytes(4, "big") + bytes([len(name)]) + name.encode()
        head += instance.to_bytes(4, "big") + version.to_bytes(4, "big")
        at = state.index(head, pos)
        if pos:
            yield "device state", range(base + pos, base + at - 5)
            yield "device heads", range(base + at - 5, base + at)
        pos = at + len(head)
        yield "device heads", range(base + at, base + pos)
    yield "device state", range(base + pos, base + len(state) - 6)
    yield "device heads", range(base + len(state) - 6, base + len(state))


def parts(one: Sent, talk: Recorded) -> dict[str, list[int]]:
    """The places of a request and its checkpoint, by part."""
    found: dict[str, list[int]] = {part: [] for part in PARTS}
    devices = 8 + len(one.live) + 12
    found["messages"] += [*range(8), *range(8 + len(one.live), devices)]
    for part, places in ram_parts(one.live, 8):
        found[part] += places
    for part, places in device_parts(one.devices, devices, talk):
        found[part] += places
    assert sum(map(len, found.values())) == 4 + len(one.wire)
    return found


def outcome(talk: Recorded, wire: bytes) -> str:
    """What becomes of a request and a checkpoint, and of a primary that then only waits."""
    from vmsc.guard.colo.session import Ended, Outcome, Play, Session, ToSecondary

    session = Session(baseline=talk.baseline)
    actions = session.from_primary(wire)
    ended = [action for action in actions if isinstance(action, Ended)]
    sent = [action for action in actions if isinstance(action, Play | ToSecondary)]
    if not ended and not sent:
        return "timeout"
    if ended:
        assert ended[0].outcome is Outcome.REFUSED and not sent
        return "refused"
    return "sent on"


def main() -> int:
    sys.path.append(str(ROOT / "tests" / "support"))
    from live import qemu_binary

    if qemu_binary() is None:
        print("caught: not measured, QEMU could not be had")
        return 0
    from colo_recorded import recorded
    from colo_talk import REQUEST

    talk, rng = recorded(), random.Random(11)
    one = talk.checkpoints[0]
    wire, places = REQUEST + one.wire, parts(one, talk)
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    slowest = 0.0
    for part in PARTS:
        found: Counter[str] = Counter()
        for _ in range(changes // len(PARTS)):
            at = rng.choice(places[part])
            changed = bytearray(wire)
            changed[at] ^= rng.randint(1, 255)
            begun = time.perf_counter()
            found[outcome(talk, bytes(changed))] += 1
            slowest = max(slowest, time.perf_counter() - begun)
        print(line(part, found, len(places[part])))
    print(f"the slowest trial took {1000 * slowest:.1f} ms")
    return 0 if slowest < SLOW else 1


def line(part: str, found: Mapping[str, int], size: int) -> str:
    total = sum(found.values())
    shares = ", ".join(
        f"{what} {100 * found.get(what, 0) / total:.1f} %"
        for what in ("refused", "timeout", "sent on")
    )
    return f"{part} ({size} bytes): of {total} changed bytes {shares}"


if __name__ == "__main__":
    sys.exit(main())
