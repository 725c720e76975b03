"""Where a decoder's bytes come from: an input, or (see `drawing`) chance.

The peek rule. After the fields of every `device`, `vmsd` and subsection, 05, a length over that of
its own name, and a name that begins with its own are a subsection; anything else is not its own. At
the end of an input that is not `final`, what could become one asks for more. At a final end, 05 and
a length alone are in doubt: they are data if the fields that follow take all of them and refuse
nothing, else they are a header that is cut. A header that shows its name, too, is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.testing.interpreter.scalars import Scalar
from vmsc.testing.interpreter.scope import WireType
from vmsc.testing.interpreter.syntax import Description, Expr
from vmsc.testing.interpreter.values import Value

__all__ = ["NO_WISH", "ByteSource", "Source", "Wish"]

T = TypeVar("T")

_SUBSECTION = 5


@dataclass(frozen=True)
class Wish:
    """What a drawn number or length should be; an input does not care.

    `exact` is kept, `least` and `most` as well; `likely` are values that make a difference,
    `labels` those that a choice has arms for.
    """

    name: str = ""
    least: int | None = None
    most: int | None = None
    exact: int | None = None
    likely: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()
    is_count: bool = False


NO_WISH = Wish()


class Source(Protocol):
    @property
    def pos(self) -> int: ...

    def number(self, scalar: Scalar, little: bool, wish: Callable[[], Wish]) -> int: ...

    def octets(self, size: int) -> bytes: ...

    def text(self, prefix: int, limit: int) -> bytes: ...

    def rest(self) -> bytes: ...

    def byte(self, *likely: int) -> int: ...

    def stops(self, scalar: Scalar, little: bool, stop: int) -> bool: ...

    def external(self, wire: WireType) -> Value: ...

    def window(self, size: int, length: Expr, read: Callable[[Source], T]) -> T: ...

    def subsection(self, owner: Description, last: int) -> tuple[int, int] | None: ...

    def attempt(self, read: Callable[[], T]) -> T: ...


@dataclass(eq=False)
class ByteSource:
    """An input from `pos` to `end`; `inside` a window, its end is not the input's."""

    data: bytes
    pos: int
    end: int
    final: bool
    inside: bool = False
    doubts: list[DecodeError] = field(default_factory=list)

    def _short(self, need: int) -> DecodeError:
        if self.inside:
            return DecodeError(
                f"{need} more bytes than the length says", offset=self.end, code="overrun"
            )
        return Truncated(need, offset=self.end)

    def octets(self, size: int) -> bytes:
        if self.end - self.pos < size:
            raise self._short(size - (self.end - self.pos))
        found = self.data[self.pos : self.pos + size]
        self.pos += size
        return found

    def number(
        self, scalar: Scalar, little: bool, wish: Callable[[], Wish] = lambda: NO_WISH
    ) -> int:
        return int.from_bytes(
            self.octets(scalar.size), "little" if little else "big", signed=scalar.signed
        )

    def text(self, prefix: int, limit: int) -> bytes:
        start = self.pos
        size = int.from_bytes(self.octets(prefix), "big")
        if size > limit:
            raise DecodeError(f"{size} bytes, at most {limit}", offset=start, code="limit")
        return self.octets(size)

    def rest(self) -> bytes:
        """All to the end, which must have been said from outside."""
        if not self.final:
            raise self._short(1)
        return self.octets(self.end - self.pos)

    def byte(self, *likely: int) -> int:
        return self.octets(1)[0]

    def stops(self, scalar: Scalar, little: bool, stop: int) -> bool:
        """Whether the number that ends a list is next; it is taken."""
        start = self.pos
        if self.number(scalar, little) == stop:
            return True
        self.pos = start
        return False

    def external(self, wire: WireType) -> Value:
        """A plugin's type knows no windows: what is too short for it may be one that ends."""
        try:
            value, self.pos = wire.decode(self.data[: self.end], self.pos)
        except Truncated as short:
            raise self._short(short.need) from None
        return value

    def window(self, size: int, length: Expr, read: Callable[[Source], T]) -> T:
        start = self.pos
        self.octets(size)
        inner = ByteSource(self.data, start, self.pos, final=True, inside=True)
        found = inner.settled(read)
        if inner.pos < inner.end:
            raise DecodeError(
                f"{inner.end - inner.pos} bytes are left", offset=inner.pos, code="leftover"
            )
        return found

    def settled(self, read: Callable[[Source], T]) -> T:
        """What is read, once it shows whether doubtful headers were data."""
        try:
            found = read(self)
        except DecodeError:
            if self.doubts:
                raise self.doubts[0] from None
            raise
        if self.doubts and self.pos < self.end:
            raise self.doubts[0]
        return found

    def attempt(self, read: Callable[[], T]) -> T:
        return read()

    def subsection(self, owner: Description, last: int) -> tuple[int, int] | None:
        """(index, version) of the owner's subsection that is next; `last` was before it."""
        seen = self.data[self.pos : self.end]
        own = owner.wire.encode()
        if not seen:
            if not self.final:
                raise self._short(1)
            return None
        if seen[0] != _SUBSECTION:
            return None
        if len(seen) == 1:
            self._doubt(self._short(1))
            return None
        size = seen[1]
        if size < len(own) + 1:
            return None
        name = seen[2 : 2 + size]
        if name[: len(own)] != own[: len(name)]:
            return None
        short = 2 + size + 4 - len(seen)
        if not name:
            self._doubt(self._short(1))
            return None
        if len(name) < size:
            raise self._short(short)
        return self._header(owner, last, name, short)

    def _doubt(self, error: DecodeError) -> None:
        if not self.final:
            raise error
        self.doubts.append(error)

    def _header(self, owner: Description, last: int, name: bytes, short: int) -> tuple[int, int]:
        start = self.pos
        wires = [sub.body.wire.encode() for sub in owner.subsections]
        if name not in wires:
            raise DecodeError(f"no subsection {name!r}", offset=start, code="unknown-subsection")
        if short > 0:
            raise self._short(short)
        index = wires.index(name)
        if index <= last:
            raise DecodeError(f"{name!r} comes twice, or late", offset=start, code="non-canonical")
        self.octets(2 + len(name))
        at = self.pos
        version = int.from_bytes(self.octets(4), "big")
        if version > 255:
            raise DecodeError(f"version {version}", offset=at, code="non-canonical")
        return index, version
