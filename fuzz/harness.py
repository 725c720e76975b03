"""What every entrance is held to, and how its inputs are damaged."""

from __future__ import annotations

import random
import signal
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

__all__ = [
    "MEMORY", "SECONDS_EACH", "Broken", "Entrance", "damaged", "limit_memory", "tried",
]  # fmt: skip

SECONDS_EACH = 10
MEMORY = 2 << 30  # bytes of address space: with the program itself, and all that it may ask for

# What lengths, counts, tags and texts turn on.
_TELLING = (
    b"\x00", b"\x01", b"\x02", b"\x04", b"\x05", b"\x07", b"\x08", b"\x30", b"\x31", b"\x7e",
    b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\x00\x00\x00\x00\x00\x00\x00", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"-1",
    b"1e999", b"null", b"\n", b"///", b"`", b"(", b")",
)  # fmt: skip


class Entrance(Protocol):
    """A module of `entrances`: what goes in, and which refusals are documented."""

    REFUSALS: tuple[type[Exception], ...]
    corpus: Callable[[], Iterable[bytes]]
    enter: Callable[[bytes], None]


class Broken(Exception):
    """An input that breaks the invariant."""

    def __init__(self, message: str, data: bytes) -> None:
        super().__init__(message)
        self.data = data


class _Late(BaseException):
    """Not an Exception: no code that is tried may take it for one of its own."""


def limit_memory() -> None:
    """Let the process have no more than MEMORY, where the system can tell it so."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return

    def late(number: int, frame: types.FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tried(entrance: Entrance, data: bytes, seconds: int = SECONDS_EACH) -> None:
    """One input; raises Broken if it breaks the invariant."""
    try:
        with _alarm(seconds):
            entrance.enter(data)
    except entrance.REFUSALS:
        pass
    except _Late:
        raise Broken(f"takes more than {seconds} seconds", data) from None
    except MemoryError as fault:
        raise Broken("takes more memory than any input may", data) from fault
    except Exception as fault:
        raise Broken(f"raises {type(fault).__name__}: {fault}", data) from fault


# --- damage ---------------------------------------------------------------------------------------


def damaged(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One of the corpus with a few wounds; small ones are chosen more often."""
    data = bytearray(min(rng.choice(corpus), rng.choice(corpus), key=len))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        _wound(rng, data, corpus)
    return bytes(data)


def _wound(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    # The first bytes say what the rest is: they are hit as often as all others.
    reach = len(data) if rng.random() < 0.5 else min(len(data), 400)
    at, size = rng.randrange(reach + 1), rng.choice((1, 1, 2, 4, 8, 64))
    match rng.randrange(7):
        case 0:
            data[at : at + 1] = bytes(byte ^ (1 << rng.randrange(8)) for byte in data[at : at + 1])
        case 1:
            told = rng.choice(_TELLING)
            data[at : at + len(told)] = told
        case 2:
            data[at:at] = rng.choice(_TELLING)
        case 3:
            del data[at : at + size]
        case 4:
            del data[at:]
        case 5:
            data[at:at] = data[at : at + size] * rng.choice((1, 2, 100))
        case _:
            other = rng.choice(corpus)
            start = rng.randrange(len(other) + 1)
            data[at:at] = other[start : start + rng.choice((1, 8, 100, 2000))]
