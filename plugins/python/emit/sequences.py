"""Code that reads sequences as QEMU has them: the loops that decode and scan share. What becomes of
an element is a `Sequence`'s matter: `Built` puts it in a list, `Counted` only counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from vmsc import plan

from ..code import attribute
from .function import Function, Tail
from .resume import resumed
from .runs import one_number

__all__ = [
    "Built", "Counted", "Form", "Sequence", "maybe", "pairs", "repeat", "stop", "tagged", "total",
]  # fmt: skip

Form = plan.Rep | plan.Maybe | plan.Tagged | plan.Stop | plan.Total | plan.Pairs

Read = Callable[[plan.Node, str | None, Tail], None]
"""Reads one value; see reader.Reader.node."""


class Sequence(Protocol):
    """What is done with a sequence's elements as they are read."""

    @property
    def function(self) -> Function: ...

    @property
    def index(self) -> str:
        """An expression for the number of elements so far."""

    def fresh(self) -> str | None:
        """A local for an element, or a part of one, if it is to be built."""

    def add(self, one: str) -> None:
        """Another element is there."""

    def loop(self, head: str, *state: str) -> AbstractContextManager[None]:
        """The loop over the elements; `state`: what else changes with each round."""

    def count(self, index: str, count: str) -> AbstractContextManager[None]:
        """The loop over as many elements, which `index` numbers."""


@dataclass(frozen=True)
class Built:
    """Elements go to the list `target`."""

    function: Function
    target: str

    @property
    def index(self) -> str:
        return f"len({self.target})"

    def fresh(self) -> str | None:
        return self.function.code.temporary("e")

    def add(self, one: str) -> None:
        self.function.code(f"{self.target}.append({one})")

    @contextmanager
    def loop(self, head: str, *_state: str) -> Iterator[None]:
        code = self.function.code
        code(f"{self.target} = []")
        with code.block(head):
            yield

    def count(self, index: str, count: str) -> AbstractContextManager[None]:
        return self.loop(f"for {index} in range({count}):")


@dataclass(frozen=True)
class Counted:
    """Elements are stepped over, and noted where there are `notes`; the local `index` counts them,
    where their loop does not.
    """

    function: Function
    index: str
    notes: str

    def fresh(self) -> str | None:
        return None

    def add(self, one: str) -> None:
        if self.index:
            self.function.code(f"{self.index} += 1")

    @contextmanager
    def loop(self, head: str, *state: str) -> Iterator[None]:
        code, kept = self.function.code, self.function.stickies
        code(f"{self.index} = 0")
        with resumed(code, self.notes, [self.index, *state, *kept]) as round_, code.block(head):
            yield
            round_()

    @contextmanager
    def count(self, index: str, count: str) -> Iterator[None]:
        code, kept, start = self.function.code, self.function.stickies, ""
        if self.notes:
            start = code.temporary("i")
            code(f"{start} = 0")
        state, after = [start, *kept], [f"{index} + 1", *kept]
        with resumed(code, self.notes, state, after) as round_:
            with code.block(f"for {index} in range({start and f'{start}, '}{count}):"):
                yield
                round_()


# --- the forms of sequences -----------------------------------------------------------------------


def repeat(rep: plan.Rep, count: str, least: int, into: Sequence, read: Read, tail: Tail) -> None:
    """As many elements as the local `count` says; each takes `least` bytes at least."""
    code = into.function.code
    if least:
        code(f"_w.place(buf, pos, {count} * {least})")
    index = code.temporary("i")
    with into.count(index, count):
        one = into.fresh()
        with code.guard("_CodecError", index):
            read(rep.node, one, tail.element(index, count))
        into.add(str(one))


def maybe(node: plan.Maybe, into: Sequence, read: Read, tail: Tail) -> None:
    """Elements that may be absent: a mask says which are there, or a marker before each."""
    function, code = into.function, into.function.code
    count, index = code.temporary("n"), code.temporary("i")
    code(f"{count} = {function.expr(node.count)}")
    there = "_w.flag(buf, pos)"
    if node.mask is not None:
        mask = code.temporary("n")
        code(f"{mask} = {function.expr(node.mask)}")
        there = f"{mask} >> {index} & 1"
    with into.count(index, count):
        one = into.fresh()
        with code.guard("_CodecError", index):
            with code.block(f"if {there}:"):
                if node.mask is None:
                    code("pos += 1")
                read(node.node, one, tail.element(index, count))
            with code.block("else:"):
                code("_w.marker(buf, pos, 0x30)")
                code("pos += 1")
                if one:
                    code(f"{one} = None")
        into.add(str(one))


def tagged(node: plan.Tagged, into: Sequence, read: Read, tail: Tail) -> None:
    """A tag before each element, a zero byte at the end."""
    code = into.function.code
    with into.loop(f"while _w.tag(buf, pos, {node.tag}):"):
        code("pos += 1")
        one = into.fresh()
        with code.guard("_CodecError", into.index):
            read(node.node, one, tail.element())
        into.add(str(one))
    code("pos += 1")


def stop(node: plan.Stop, into: Sequence, read: Read, tail: Tail) -> None:
    """Elements, until one would begin with the number that ends them."""
    code = into.function.code
    first, at = code.temporary("t"), code.temporary("n")
    with into.loop("while True:"):
        code(f"{at} = pos")
        one_number(into.function, node.num, first)
        with code.block(f"if {first} == {node.stop}:"):
            code("break")
        code(f"pos = {at}")
        one = into.fresh()
        with code.guard("_CodecError", into.index):
            read(node.call, one, tail.element())
        into.add(str(one))


def total(node: plan.Total, into: Sequence, build: Read, tail: Tail) -> None:
    """Elements, until a field of theirs adds up to a total: `build` makes them in any case."""
    function, code = into.function, into.function.code
    whole, left, at = code.temporary("n"), code.temporary("n"), code.temporary("n")
    code(f"{at} = pos")
    code(f"{whole} = {function.expr(node.total)}")
    code(f"{left} = {whole}")
    with into.loop(f"while {left} > 0:", left):
        one = code.temporary("e")
        with code.guard("_CodecError", into.index):
            build(node.call, one, tail.element())
        code(f"{left} -= {one}.{attribute(node.member)} or 0")  # absent counts as 0
        into.add(one)
    with code.block(f"if {left}:"):
        code(f"_w.bad_sum({at}, {whole}, {whole} - {left})")


def pairs(node: plan.Pairs, into: Sequence, read: Read, tail: Tail) -> None:
    """A count, tagged pairs, a zero byte."""
    code = into.function.code
    wanted, at = code.temporary("n"), code.temporary("n")
    code(f"{at} = pos")
    one_number(into.function, plan.Num("u32", 4, False, "big"), wanted)
    with into.loop("while _w.tag(buf, pos, 1):"):
        code("pos += 1")
        key, value = into.fresh(), into.fresh()
        with code.guard("_CodecError", into.index):
            read(node.key, key, tail.element())
            read(node.value, value, tail.element())
        into.add(f"({key}, {value})")
    code("pos += 1")
    with code.block(f"if {wanted} != {into.index}:"):
        code(f"_w.bad_count({at}, {wanted}, {into.index})")
