"""A source that makes its bytes up: what a decoder asks of it is drawn, and written down."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from vmsc.runtime.errors import DecodeError
from vmsc.testing.interpreter.parameters import Parameter
from vmsc.testing.interpreter.scalars import Scalar
from vmsc.testing.interpreter.scope import Run, WireType
from vmsc.testing.interpreter.source import Source, Wish
from vmsc.testing.interpreter.syntax import Description, Expr, Name
from vmsc.testing.interpreter.values import F64, Value
from vmsc.testing.interpreter.wishes import Hints

__all__ = ["DrawSource", "GiveUp", "draw_parameter"]

T = TypeVar("T")

# How often a description is begun again where a law refuses it, and how often all in all; how many
# are begun in all, as a loop need not end.
ATTEMPTS = 6
BUDGET = 300
MOST_BEGUN = 10_000
LARGEST = 1 << 19

_COUNTS = (0, 1, 1, 2, 2, 3, 4, 5, 7, 9)


class GiveUp(ValueError):
    """Laws refused all that was drawn."""


class _Misfit(DecodeError):
    """What a window holds is not as long as the field says that was drawn for its length."""

    def __init__(self, name: str, size: int, offset: int) -> None:
        super().__init__(f"{name} should be {size}", offset=offset, code="misfit")
        self.name = name
        self.size = size


@dataclass(eq=False)
class DrawSource:
    rng: random.Random
    hints: Hints
    run: Run
    out: bytearray = field(default_factory=bytearray)
    avoid: int | None = None
    forced: Mapping[str, int] = field(default_factory=dict)
    budget: int = BUDGET
    begun: int = 0

    @property
    def pos(self) -> int:
        return len(self.out)

    def _refused(self, why: str) -> DecodeError:
        return DecodeError(why, offset=self.pos, code="drawn")

    def _write(self, data: bytes) -> bytes:
        if len(self.out) + len(data) > LARGEST:
            raise self._refused("too large")
        self.out += data
        return data

    # --- numbers ----------------------------------------------------------------------------------

    def number(self, scalar: Scalar, little: bool, wish: Callable[[], Wish]) -> int:
        wanted = wish()
        avoid, self.avoid = self.avoid, None
        value = self._drawn(scalar, wanted)
        for _ in range(20):
            if value != avoid:
                break
            value = self._drawn(scalar, wanted)
        value = self.forced.get(wanted.name, value)
        if value == avoid or not scalar.least <= value <= scalar.most:
            raise self._refused(f"{value} will not do")
        self._number(value, scalar, little)
        return value

    def _number(self, value: int, scalar: Scalar, little: bool) -> None:
        order: Literal["little", "big"] = "little" if little else "big"
        self._write(value.to_bytes(scalar.size, order, signed=scalar.signed))

    def _drawn(self, scalar: Scalar, wish: Wish) -> int:
        if wish.exact is not None:
            return wish.exact
        least = scalar.least if wish.least is None else max(scalar.least, wish.least)
        most = scalar.most if wish.most is None else min(scalar.most, wish.most)
        if least > most:
            raise self._refused(f"nothing between {least} and {most}")
        return draw_number(self.rng, least, most, wish)

    def byte(self, *likely: int) -> int:
        return self._write(bytes((self.rng.choice(likely),)))[0]

    def stops(self, scalar: Scalar, little: bool, stop: int) -> bool:
        if self.rng.random() < 0.4:
            self._number(stop, scalar, little)
            return True
        self.avoid = stop
        return False

    # --- bytes ------------------------------------------------------------------------------------

    def octets(self, size: int) -> bytes:
        if size > LARGEST:
            raise self._refused("too large")
        match self.rng.randrange(6):
            case 0:
                data = bytes(size)
            case 1:
                data = bytes(self.rng.choice((0, 1, 5, 0x30, 0x31, 255)) for _ in range(size))
            case _:
                data = self.rng.randbytes(size)
        if self.hints.has_capabilities and size >= 64 and self.rng.random() < 0.7:
            data = self._with_capabilities(data)
        return self._write(data)

    def _with_capabilities(self, data: bytes) -> bytes:
        """A configuration space with a list of capabilities, which at times runs in a circle."""
        config = bytearray(data)
        config[0x06] |= 0x10
        last = 0x34
        for _ in range(self.rng.randrange(5)):
            place = 4 * self.rng.randrange(0x10, max(0x11, min(len(config), 256) // 4))
            config[last] = place | self.rng.randrange(4)
            if place + 4 > len(config):
                return bytes(config)
            config[place] = self.rng.choice((*(n & 255 for n in self.hints.numbers), 5))
            config[place + 2 : place + 4] = bytes((self.rng.randrange(6), 0x80))
            last = place + 1
        config[last] = self.rng.choice((0, 0, 0, config[0x34]))
        return bytes(config)

    def text(self, prefix: int, limit: int) -> bytes:
        fitting = [text for text in self.hints.texts if len(text) <= limit]
        if fitting and self.rng.random() < 0.6:
            data = self.rng.choice(fitting)
        else:
            size = self.rng.choice((0, 1, 2, 3, 5, 8, 20, limit % 999))
            data = self.rng.randbytes(min(limit, size))
        self._write(len(data).to_bytes(prefix, "big"))
        return self._write(data)

    def rest(self) -> bytes:
        return self._write(self.rng.randbytes(self.rng.randrange(20)))

    def external(self, wire: WireType) -> Value:
        value = wire.draw(self.rng)
        self._write(wire.encode(value))
        return value

    # --- structure --------------------------------------------------------------------------------

    def window(self, size: int, length: Expr, read: Callable[[Source], T]) -> T:
        """Where the length is a field's, the field is made to fit; else it is tried again."""
        start = self.pos
        for _ in range(1 if isinstance(length, Name) else 60):
            found = read(self)
            if self.pos - start == size:
                return found
            taken = self.pos - start
            del self.out[start:]
        if isinstance(length, Name):
            raise _Misfit(length.name, taken, start)
        raise self._refused(f"nothing of {size} bytes")

    def subsection(self, owner: Description, last: int) -> tuple[int, int] | None:
        for index in range(last + 1, len(owner.subsections)):
            body = owner.subsections[index].body
            if self.rng.random() < 0.5:
                version = self.rng.randint(body.minimum, body.version)
                name = body.wire.encode()
                self._write(bytes((5, len(name))) + name + version.to_bytes(4, "big"))
                return index, version
        return None

    def attempt(self, read: Callable[[], T]) -> T:
        """Begin again where a law refuses: `require` is not drawn for, but hoped for."""
        avoid = self.avoid
        for tries in range(ATTEMPTS):
            self.avoid = avoid
            self.begun += 1
            if self.begun > MOST_BEGUN:
                raise GiveUp("what is drawn does not end")
            try:
                return self._once(read)
            except DecodeError:
                self.budget -= 1
                if self.budget < 0:
                    raise GiveUp("laws refuse what is drawn") from None
                if tries == ATTEMPTS - 1:
                    raise
        raise AssertionError("an attempt returns or raises")

    def _once(self, read: Callable[[], T]) -> T:
        """With the same luck again, if a length that was drawn has to be another.

        What is `forced` is a field of this description, not one of that name within.
        """
        outer, seed = self.rng, self.rng.getrandbits(64)
        start, avoid = self.pos, self.avoid
        sticky, forced, self.forced = dict(self.run.sticky), self.forced, {}
        try:
            for _ in range(4):
                self.rng, self.avoid = random.Random(seed), avoid
                try:
                    return read()
                except DecodeError as error:
                    del self.out[start:]
                    self.run.sticky.clear()
                    self.run.sticky.update(sticky)
                    if not isinstance(error, _Misfit) or error.name in self.forced:
                        raise
                    misfit = error
                    self.forced = {**self.forced, error.name: error.size}
            raise misfit
        finally:
            self.rng, self.forced = outer, forced


def draw_number(rng: random.Random, least: int, most: int, wish: Wish) -> int:
    luck = rng.random()
    labels = [value for value in wish.labels if least <= value <= most]
    likely = [value for value in wish.likely if least <= value <= most]
    if wish.is_count and luck < 0.95:
        return min(most, max(least, rng.choice(_COUNTS)))
    if labels and luck < 0.7:
        return rng.choice(labels)
    if likely and luck < (0.95 if labels else 0.55):
        return rng.choice(likely)
    if luck < 0.7:
        return min(most, max(least, rng.randrange(-4, 12)))
    if luck < 0.8:
        return rng.choice((least, most, min(most, max(least, 0))))
    return rng.randint(least, most if not wish.is_count else min(most, least + 40))


def draw_parameter(rng: random.Random, one: Parameter, hints: Hints) -> Value:
    match one.kind:
        case "words":
            return rng.choice(one.words)
        case "bytes":
            return rng.randbytes(min(one.most, rng.choice((0, 1, 3, 8, 64, 256))))
        case "f64":
            return F64(rng.getrandbits(64))
        case "bits":
            return rng.randint(one.least, one.most)
        case "bool":
            return rng.random() < 0.5
        case "number":
            wish = Wish(likely=hints.numbers, is_count=one.name in hints.counts)
            return draw_number(rng, one.least, one.most, wish)
