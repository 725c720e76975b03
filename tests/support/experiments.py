"""What goes wrong with two QEMUs in COLO: experiments, each with a record of what was found after.

An experiment lets the pair take some checkpoints, makes its trouble, and then does what an operator
would: looks at both sides, orders the secondary to take over, and the primary to go on alone. It
judges nothing. `front` puts something before the secondary: nothing here, a guard elsewhere.

The law of the guest is that of `pairs`; after a failover the count must also be at or past that of
the last checkpoint that the primary was told of (`least`).
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from colo_recorded import pages, whole_checkpoints
from live import Qemu, QemuError, eventually
from pairs import Link, Pair, Trouble, linked, pair
from spaces import HERE, ip, two_spaces
from witness import A, Count, counted, witness_guest

__all__ = [
    "DEAF", "EXPERIMENTS", "GONE", "Experiment", "Found", "Front", "Side", "alone", "complaints",
    "counts_sent", "examined", "experiment", "goes_on", "loaded", "state", "vanished",
]  # fmt: skip

DEAF, GONE = "deaf", "gone"  # its QMP does not answer; its process has ended
_RECEIVED, _LOADED = (number.to_bytes(4, "big") for number in (5, 6))
_STEADY = 5  # checkpoints before the trouble: enough for a front to know their pace
_AT = _STEADY + 1  # the one that has it
_SETTLED = 1.5  # seconds after which two QEMUs have done what they do of a trouble
_UNNOTICED = 6.0  # seconds in which nobody has noticed, which are not the last of them
_PATIENCE = 3.0  # seconds that an order may take

Front = Callable[[Pair, int], AbstractContextManager[int]]


@dataclass(frozen=True)
class Side:
    """One QEMU: its run state behind the trouble, the reason that its COLO_EXIT gave (empty: there
    was none), its run state behind the order to go on without the other, and its complaints.
    """

    state: str
    colo_exit: str
    ordered: str
    said: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What an experiment found. `count`: the secondary's behind the failover, if there was one;
    `primary_counts`: whether the primary's went on behind its order.
    """

    name: str
    primary: Side
    secondary: Side
    count: Count | None
    least: int
    primary_counts: bool

    @property
    def law(self) -> str:
        """What has become of the guest in the secondary: kept, torn, lost (older than what the
        primary was told of), or - where none runs.
        """
        if self.count is None:
            return "-"
        if not self.count.whole:
            return "torn"
        return "kept" if self.count.a >= self.least else "lost"


# --- looking at them ------------------------------------------------------------------------------


def alone(_pair: Pair, port: int) -> AbstractContextManager[int]:
    """The front that is none."""
    return nullcontext(port)


def state(qemu: Qemu) -> str:
    """The run state, DEAF or GONE."""
    if qemu.process.poll() is not None:
        return GONE
    try:
        return qemu.status()
    except QemuError:
        return DEAF if qemu.process.poll() is None else GONE


def complaints(qemu: Qemu) -> tuple[str, ...]:
    """The lines that it has written to its standard error."""
    return tuple(qemu.stderr().splitlines())


def loaded(link: Link) -> int:
    """How many checkpoints the secondary says that it has loaded."""
    return _answers(link).count(_LOADED)


def _answers(link: Link) -> list[bytes]:
    said = bytes(link.answered)
    return [said[at : at + 4] for at in range(0, len(said) - 3, 4)]


def counts_sent(link: Link) -> list[int]:
    """What the guest had counted (a) in each whole checkpoint that the primary has sent; 0 where
    it had not changed.
    """
    found = []
    for sent in whole_checkpoints(bytes(link.said)):
        at = [p.data for p in pages(sent) if (p.block, p.address) == ("pc.ram", 0)]
        found.append(int.from_bytes(at[0][A : A + 4], "little") if at else 0)
    return found


def goes_on(qemu: Qemu) -> bool:
    """Whether the guest counts."""
    try:
        before = qemu.counter()
        return eventually(lambda: qemu.counter() > before, "count that goes on", _PATIENCE)
    except QemuError:
        return False


def _colo_exit(qemu: Qemu) -> str:
    reasons = [e["data"]["reason"] for e in qemu.past() if e["event"] == "COLO_EXIT"]
    return str(reasons[-1]) if reasons else ""


def _ordered(qemu: Qemu) -> str:
    """Order it to go on without the other; its run state behind that."""
    try:
        qemu.command("x-colo-lost-heartbeat")
        with suppress(QemuError):
            eventually(lambda: qemu.status() == "running", "guest that runs", _PATIENCE)
    except QemuError:
        pass  # the state tells
    return state(qemu)


def examined(name: str, both: Pair, link: Link | None = None) -> Found:
    """Both sides, the secondary first ordered to take over, then the primary to go on. Without a
    link nothing tells what the primary was told.
    """
    for qemu in (both.primary, both.secondary):
        qemu.timeout = _PATIENCE
    sides = both.primary, both.secondary
    states = [state(qemu) for qemu in sides]
    exits = [_colo_exit(qemu) for qemu in sides]
    after, count = _ordered(both.secondary), None
    if after == "running":
        time.sleep(0.2)  # the guest looks whether its devices are its memory's
        with suppress(QemuError):  # a front may quit it
            count = counted(both.secondary)
        after = after if count is not None else state(both.secondary)
    ordered = [_ordered(both.primary), after]
    primary, secondary = (
        Side(found, exit_, then, complaints(qemu))
        for found, exit_, then, qemu in zip(states, exits, ordered, sides)
    )
    least = 0 if link is None else _promised(link)
    return Found(name, primary, secondary, count, least, goes_on(both.primary))


def _promised(link: Link) -> int:
    """The count in the last checkpoint that the primary was told to be the secondary's."""
    told = _answers(link).count(_RECEIVED)
    return max(counts_sent(link)[:told], default=0)


# --- what is done to them -------------------------------------------------------------------------


@dataclass(frozen=True)
class Experiment:
    """`trouble` between the two, and what is done to them (`act`) after it or after some
    checkpoints, which begin every `delay` ms; `args` are more arguments of the primary and of the
    secondary.
    """

    what: str
    trouble: Trouble | None = None
    act: Callable[[Pair, Link], None] | None = None
    args: Sequence[Sequence[str]] = ((), ())
    guest: Callable[[], bytes] = witness_guest
    delay: int = 300


def _cut_between(_both: Pair, link: Link) -> None:
    _next_loaded(link)
    link.cut()


def _next_loaded(link: Link) -> None:
    before = loaded(link)
    eventually(lambda: loaded(link) > before, "checkpoint", pause=0.001)


def _cut_after(_both: Pair, link: Link) -> None:
    """Once a changed checkpoint is loaded, no other is to hide what became of it."""
    assert link.trouble is not None
    wanted = link.trouble.epoch
    with suppress(QemuError):  # it may have ended by itself
        eventually(lambda: loaded(link) >= wanted, "checkpoint", _SETTLED, 0.001)
    link.cut()


def _cut_later(_both: Pair, link: Link) -> None:
    time.sleep(_SETTLED)
    link.cut()


def _signal(side: str, number: signal.Signals) -> Callable[[Pair, Link], None]:
    def act(both: Pair, _link: Link) -> None:
        qemu: Qemu = getattr(both, side)
        qemu.process.send_signal(number)
        if number is signal.SIGKILL:
            qemu.process.wait(10)

    return act


# A feature that the primary's device has, and the secondary's has not: as long as no driver has
# accepted it, neither the first migration nor a checkpoint says so. The serial port comes after it.
_RNG, _SERIAL = "virtio-rng-pci,addr=0x10", ("-device", "isa-serial")
_EVENT_INDEX = 1 << 29


def _accept_feature(both: Pair, _link: Link) -> None:
    """Do what a driver does, from outside: accept the feature, at offset 4 of the I/O BAR."""
    text = both.primary.hmp("info pci")
    bar = text[text.index("device  16") :].split("I/O at 0x")[1].split()[0]
    both.primary.hmp(f"o /w {int(bar, 16) + 4:#x} {_EVENT_INDEX:#x}")


SIZE = b"\x7e\0\0\0\2\0\0\0\0\4"  # RAM's footer, the end of the live sections, vmstate-size
_RTC = b"\x0bmc146818rtc"  # then its instance, its version, its CMOS
_PAGES = b"\0\0\0\3\3\0\0\0\2"  # vmstate-send, RAM's end section; then the first page's word

_TROUBLES = (
    Experiment("cut in RAM", Trouble(_AT, "cut", 3000)),
    Experiment("cut in the device state", Trouble(_AT, "cut", 3000, SIZE)),
    Experiment("cut between checkpoints", act=_cut_between),
    Experiment("stall in RAM", Trouble(_AT, "stall", 3000)),
    Experiment("stall in the device state", Trouble(_AT, "stall", 3000, SIZE)),
    Experiment("stall in RAM, then the end", Trouble(_AT, "stall", 3000), _cut_later),
    Experiment("a section's version changed", Trouble(_AT, "change", 7, _RTC)),
    Experiment("a section's name changed", Trouble(_AT, "change", 0, b"\x0bmc14")),
    Experiment("a byte of the CMOS changed", Trouble(_AT, "change", 8 + 0x51, _RTC), _cut_after),
    Experiment("a page's address changed", Trouble(_AT, "change", 5, _PAGES), _cut_after),
    Experiment("a size of 0", Trouble(_AT, "change", 0, SIZE, bytes(8))),
    Experiment("a size of 2^40", Trouble(_AT, "change", 0, SIZE, (1 << 40).to_bytes(8, "big"))),
    Experiment("a size of 2^63", Trouble(_AT, "change", 0, SIZE, (1 << 63).to_bytes(8, "big"))),
    Experiment("a size 4 MiB too large", Trouble(_AT, "change", 5, SIZE)),
    Experiment("the primary killed", act=_signal("primary", signal.SIGKILL), delay=10),
    Experiment("the secondary killed", act=_signal("secondary", signal.SIGKILL), delay=10),
    Experiment("the primary stopped", act=_signal("primary", signal.SIGSTOP)),
    Experiment("the secondary stopped", act=_signal("secondary", signal.SIGSTOP)),
    Experiment(
        "a value that the secondary refuses", act=_accept_feature,
        args=(("-device", _RNG, *_SERIAL), ("-device", f"{_RNG},event_idx=off", *_SERIAL)),
        guest=partial(witness_guest, serial=True),
    ),
)  # fmt: skip
EXPERIMENTS = {one.what: one for one in _TROUBLES}


def experiment(
    name: str,
    folder: Path,
    front: Front = alone,
    *,
    after: float = 0.0,
    settled: float = _SETTLED,
) -> Found:
    """Make this experiment in this folder, `after` seconds after some checkpoints, and look at it
    `settled` seconds later: a front may take its time.
    """
    one = EXPERIMENTS[name]
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        both = stack.enter_context(pair(place, delay=one.delay, args=one.args, guest=one.guest))
        for qemu in (both.primary, both.secondary):
            stack.callback(qemu.process.kill)  # one that is deaf or stopped would not end politely
        target = stack.enter_context(front(both, both.waits()))
        link = stack.enter_context(linked(target))
        link.trouble = one.trouble
        both.protect(link.port)
        eventually(partial(_steady, link), f"{_STEADY} checkpoints: it is not the trouble's doing")
        time.sleep(after)
        if one.trouble is not None:
            eventually(link.happened.is_set, f"moment for it: {name}", pause=0.001)
        if one.act is not None:
            one.act(both, link)
        time.sleep(settled)
        return examined(name, both, link)


def vanished(folder: Path, *, midway: bool) -> Found:
    """Let the primary's network go without a word, in hosts of their own; `midway`: while a
    checkpoint is on its way. Root's alone.
    """
    with two_spaces() as spaces, pair(folder, delay=1000, spaces=spaces) as both:
        theirs = spaces[0]
        both.protect(both.waits(HERE), HERE)
        both.pauses(_STEADY)
        if midway:
            slow = "root tbf rate 2mbit burst 16kb latency 5s"  # a checkpoint takes a second
            command = f"tc -n {theirs} qdisc add dev cable {slow}"
            subprocess.run(command.split(), check=True, timeout=10)
            both.pauses(1)
            both.secondary.event("STOP")
        time.sleep(0.4)
        ip("-n", theirs, "link", "set", "cable", "down")
        both.secondary.past()
        time.sleep(_UNNOTICED)
        found = examined("midway" if midway else "between", both)
        both.secondary.process.kill()  # one that is deaf would not end politely
        return found


def _steady(link: Link) -> bool:
    return loaded(link) >= _STEADY
