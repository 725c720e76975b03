"""The secondary's pause a checkpoint, with the guard and without, on links of 100 Mbit/s and of
1 Gbit/s: real QEMUs in two network namespaces, a cable between them that tc holds to the rate.

Without the guard the secondary is stopped while the checkpoint is on the wire; with it the pause
must not depend on the link. Needs root, QEMU and iproute2; without them nothing is measured, and a
line says so.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import row

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "support"))

from live import qemu_binary  # noqa: E402
from pairs import guarded, pair, witness_guest  # noqa: E402
from spaces import HERE, two_spaces  # noqa: E402

RATES = {"100 Mbit/s": "100mbit", "1 Gbit/s": "1gbit"}
CHECKPOINTS = 40
PAGES = 100  # that the guest writes to between two checkpoints
GATE = 1.5  # with the guard, the slow link's pause over the fast one's; a busy machine varies so


def held(space: str, rate: str) -> None:
    """Let the primary's end of the cable send no faster than this."""
    command = f"tc -n {space} qdisc replace dev cable root tbf rate {rate} burst 64kb latency 1s"
    subprocess.run(command.split(), check=True, timeout=10)


def pause(rate: str, *, with_guard: bool) -> float:
    """The median pause in milliseconds."""
    with (
        tempfile.TemporaryDirectory(prefix="vmsc-bench-") as name,
        two_spaces() as (ours, theirs),
        pair(Path(name), guest=lambda: witness_guest(PAGES), spaces=(ours, theirs)) as both,
    ):
        held(ours, rate)
        if not with_guard:
            both.protect(both.waits(HERE), HERE)
            return 1000 * statistics.median(both.pauses(CHECKPOINTS))
        inside = ("ip", "netns", "exec", theirs)
        with guarded(both, both.waits(), "--insecure", host=HERE, before=inside) as (_, port):
            both.protect(port, HERE)
            return 1000 * statistics.median(both.pauses(CHECKPOINTS))


def main() -> int:
    if os.geteuid() != 0 or shutil.which("tc") is None or qemu_binary() is None:
        print("pause: not measured, it needs root, QEMU and iproute2")
        return 0
    found = {}
    for with_guard in (False, True):
        for name, rate in RATES.items():
            found[with_guard, name] = pause(rate, with_guard=with_guard)
            who = "with the guard" if with_guard else "two QEMUs alone"
            print(f"the secondary's pause, {who}, {name}: {found[with_guard, name]:.1f} ms")
    slow, fast = RATES
    print(f"two QEMUs alone, slow link over fast: {found[False, slow] / found[False, fast]:.2f} x")
    ratio = found[True, slow] / found[True, fast]
    return 0 if row("with the guard, slow link over fast", ratio, GATE, "x") else 1


if __name__ == "__main__":
    sys.exit(main())
