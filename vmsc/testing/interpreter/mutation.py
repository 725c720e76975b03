"""Damage: inputs that are nearly good."""

from __future__ import annotations

import random
from collections.abc import Iterator

__all__ = ["mutations"]

# What tags, markers, subsections and edges of numbers are made of.
_TELLING = (0x00, 0x01, 0x02, 0x05, 0x10, 0x30, 0x31, 0x7F, 0x80, 0xFF)


def mutations(rng: random.Random, data: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            _damage(rng, damaged)
        yield bytes(damaged)


def _damage(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data) + 1)
    span = rng.choice((1, 1, 2, 4, 8))
    if place == len(data) or rng.random() < 0.25:
        match rng.randrange(3):
            case 0:
                data[place:place] = rng.randbytes(span)
            case 1:
                data.insert(place, rng.choice(_TELLING))
            case _:
                data[place:place] = data[max(0, place - span) : place]
        return
    match rng.randrange(7):
        case 0:
            data[place] ^= 1 << rng.randrange(8)
        case 1:
            data[place] = rng.choice(_TELLING)
        case 2:
            data[place] = rng.randrange(256)
        case 3:
            data[place] = (data[place] + rng.choice((1, -1))) % 256
        case 4:
            del data[place:]
        case 5:
            del data[place : place + span]
        case _:
            other = rng.randrange(len(data))
            data[place : place + span] = data[other : other + span]
