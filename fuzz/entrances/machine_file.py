"""A machine file: parameter values by section, as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from streams_at_hand import DATA

from vmsc.params.machine_file import MachineError, machine_text, parse_machine

REFUSALS = (MachineError,)


def corpus() -> Iterator[bytes]:
    for path in sorted(DATA.glob("*.machine.json")):
        yield path.read_bytes()
    yield b'{"vmsc-machine": 1, "sections": [{"name": "a", "instance": 2, "params": {"b": "0x1"}}]}'


def enter(data: bytes) -> None:
    machine_text(parse_machine(data))
