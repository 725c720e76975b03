"""Loading twice: a stored checkpoint played to a secondary again and again, and device state loaded
again and again into a paused machine, and saved after each. Which devices do not bear it, live.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from live import MACHINES, eventually, require_qemu
from pairs import Link, Trouble, counted, counts_in, linked, pair
from streams_at_hand import library, unframe

from vmsc.guard.colo.checkpoint import message
from vmsc.guard.colo.checkpoint_reader import ColoCheckpointReader
from vmsc.guard.colo.first_migration import FirstMigration
from vmsc.guard.colo.protocol import ColoMark
from vmsc.guard.store import stored
from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters
from vmsc.stream.events import Section

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("guard")]

times = pytest.mark.parametrize(
    "times", [pytest.param(10, id="a tenth"), pytest.param(100, id="all", marks=pytest.mark.soak)]
)

# The first request, and how what follows begins: vmstate-send, the end section of RAM.
_REQUEST = message("checkpoint-request") + message("vmstate-send") + b"\3\0\0\0\2"


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


def last_stored(said: bytes) -> bytes:
    """The last whole checkpoint of what a primary has said, as the guard stores it."""
    end = said.index(_REQUEST)
    first = FirstMigration(open_parameters(None, library()))
    assert b"".join(first.feed(said[:end])) == said[:end]
    baseline = first.ready()
    taking, checkpoint = ColoCheckpointReader(baseline, 1 << 30), None
    for event in taking.feed(said[end:]):
        if event is ColoMark.DEVICES_ENDED:
            checkpoint = taking.checkpoint
    assert checkpoint is not None
    return b"".join(stored(checkpoint, baseline))


def play(link: Link, checkpoint: bytes) -> None:
    """Be the primary for one checkpoint."""
    for sent, answers in (
        (message("checkpoint-request"), ("checkpoint-reply",)),
        (checkpoint, ("vmstate-received", "vmstate-loaded")),
    ):
        before = len(link.answered)
        link.ends[1].sendall(sent)
        expected = b"".join(map(message, answers))
        eventually(lambda: len(link.answered) >= before + len(expected), str(answers), pause=0.001)  # noqa: B023
        assert link.answered[before:] == expected


@times
def test_a_secondary_survives_a_stored_checkpoint_again_and_again(
    tmp_path: Path, times: int
) -> None:
    with pair(tmp_path) as both, linked(both.waits()) as link:
        link.trouble = Trouble(3, "part")
        both.protect(link.port)
        assert link.happened.wait(30)
        file = last_stored(bytes(link.said))
        checkpoint = unframe(file, open_parameters(file, library()))
        for _ in range(times):
            play(link, checkpoint)
        assert both.secondary.stderr() == ""
        both.failover()
        count = counted(both.secondary)
        stored = counts_in(file)
        assert count.whole and (stored is None or count.a >= stored.a)


# xen-load-devices-state would be the plain way, but QEMU 7.2 ends in an assertion behind every load
# of it (util/yank.c). loadvm loads the same sections, and RAM, from a snapshot.


def empty_disk(size: int) -> bytes:
    """A qcow2 image (version 2) with nothing in it: a header, a table of reference counts, a block
    of them, and a table of clusters.
    """
    cluster = 1 << 16
    numbers = struct.pack(">IQIIQIIQQIIQ", 2, 0, 0, 16, size, 0, 1, 3 * cluster, cluster, 1, 0, 0)
    parts = (b"QFI\xfb" + numbers, struct.pack(">Q", 2 * cluster), b"\0\1" * 4, b"")
    return b"".join(part.ljust(cluster, b"\0") for part in parts)


# The one that differs: a real-time clock goes on while its machine is stopped (the time of day, the
# flag of an update that has ended, the time of the next).
_CLOCK = "mc146818rtc"


def payloads(state: bytes, name: str) -> dict[tuple[str, int, int], bytes]:
    """Each section's payload, by name, instance and id."""
    machine = Path(__file__).parents[1] / "data" / f"{name}.machine.json"
    answers = open_parameters(state, library(), machine=machine)
    found = {}
    for entry in entries(state, library(), answers):
        event = entry.event
        if isinstance(event, Section):
            found[event.name, event.instance, event.id] = bytes(entry.data)
    return found


@times
@pytest.mark.parametrize("name", ["pc", "full", "usb"])
def test_no_device_but_the_clock_differs_after_its_state_was_loaded_again_and_again(
    tmp_path: Path, name: str, times: int
) -> None:
    disk = tmp_path / "vm.qcow2"
    disk.write_bytes(empty_disk(64 << 20))
    with MACHINES[name].start(tmp_path, "-drive", f"file={disk},if=none,format=qcow2") as qemu:
        MACHINES[name].settle(qemu)
        assert qemu.hmp("savevm one") == ""
        found = []
        for _ in range(times):
            assert qemu.hmp("loadvm one") == ""
            found.append(payloads(qemu.save_device_state(), name))
    differing = {key for key in found[0] for other in found[1:] if other.get(key) != found[0][key]}
    assert {name for name, _, _ in differing} <= {_CLOCK}
    assert len(found[0]) > 20
