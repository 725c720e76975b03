"""What no file can bring a QEMU: multifd's connections, and device state alone, encoded again."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from live import boot, counting_guest, eventually, require_qemu, running
from recordings import RECORDINGS, listen, record
from streams_at_hand import library, opened
from test_live_recordings import encoded, known

from vmsc.inspect.parameters import open_parameters
from vmsc.stream.events import Section
from vmsc.stream.writer import write_stream

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("recordings")]

PATIENCE = 60.0  # seconds for each connection


@pytest.fixture(scope="module", autouse=True)
def qemu() -> str:
    return require_qemu()


def again(stream: bytes) -> bytes:
    """The stream, every section decoded and encoded."""
    pairs = [
        (e.event, encoded(e) if isinstance(e.event, Section) else e.data)
        for e in opened(stream, known(stream))
    ]
    return b"".join(write_stream(pairs))


def sent(port: int, connections: list[bytes], stack: ExitStack) -> None:
    """Send each on a connection of its own; they are made in this order, and sent side by side."""

    def send(end: socket.socket, data: bytes) -> None:
        with suppress(OSError):  # the target has gone, and says why itself
            end.sendall(data)

    for data in connections:
        end = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        thread = threading.Thread(target=send, args=(end, data), daemon=True)
        thread.start()
        stack.callback(thread.join, PATIENCE)


@pytest.mark.parametrize("method", ["", " zlib", " zstd"])
def test_qemu_loads_multifd_whose_main_channel_was_encoded_again(
    method: str, tmp_path: Path
) -> None:
    name = f"multifd{method}"
    made, plan = record(name), RECORDINGS[name]
    main = again(made.stream)
    assert main == made.stream
    args = [*made.args, *boot(tmp_path, counting_guest())]
    with running(args, incoming=True) as target, ExitStack() as stack:
        port = listen(target, plan)
        sent(port, [main, *made.channels], stack)
        eventually(lambda: target.status() != "inmigrate", "end of the load", PATIENCE)
        assert target.migrated()
        count = target.counter()
        assert count > 1
        eventually(lambda: target.counter() > count, "count beyond the one that was loaded")


def test_qemu_loads_device_state_that_was_encoded_again(tmp_path: Path) -> None:
    """By way of an ordinary load, told not to expect more: xen-load-devices-state of 7.2 ends in an
    assertion after it.
    """
    args = [
        "-nodefaults", "-vga", "std", "-machine", "suppress-vmdesc=on",
        "-global", "migration.send-configuration=off",
    ]  # fmt: skip
    answers = open_parameters(b"", library())
    with running(args) as source:
        source.command("stop")
        source.hmp("o /b 0x70 0x0e")  # an index of the clock's memory: it is in the device state
        state = source.save_device_state()
    pairs = [
        (e.event, encoded(e) if isinstance(e.event, Section) else e.data)
        for e in opened(state, answers)
    ]
    written = b"".join(write_stream(pairs))
    assert written == state
    with running(args, incoming=True) as target:
        target.load_stream(written)
        found = target.save_device_state()
    clocks = [
        e.value()
        for e in opened(found, answers)
        if isinstance(e.event, Section) and e.event.name == "mc146818rtc"
    ]
    assert [clock.cmos_index for clock in clocks] == [0x0E]
