"""Code that measures QEMU's form: adds up how many bytes a value takes, without writing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from vmsc import plan

from ..linking import arguments
from .choice import choose
from .function import Function
from .qemu_encode import refused_choice
from .sequences import Form
from .writer import Checks, Unchecked, each, subsections, write_steps

__all__ = ["QemuMeasure"]


@dataclass(frozen=True)
class QemuMeasure:
    """A writer; see writer.Writer."""

    function: Function

    @property
    def checks(self) -> Checks:
        return Unchecked()

    def body(self) -> None:
        """The function's whole body."""
        one, code = self.function.one, self.function.code
        code("n = 0")
        if one.kind == "loop":
            with code.block("for index, value in enumerate(rounds):"):
                with code.guard("_CodecError", "index"):
                    write_steps(self, one.steps)
        else:
            write_steps(self, one.steps)
            for text in subsections(self.function, "length"):
                code(f"n += {text.header} + {text.call()}")
        code("return n")

    def run(self, run: plan.Run) -> None:
        self._add(str(run.size))

    def _add(self, size: str) -> None:
        self.function.code(f"n += {size}")

    def node(self, node: plan.Node, value: str) -> None:
        function = self.function
        match node:
            case plan.Num(size=size):
                self._add(str(size))
            case plan.Blob() | plan.Rest():
                self._add(f"len({value})")
            case plan.Text(prefix=prefix):
                self._add(f"{prefix} + len({value})")
            case plan.Words():
                self._add(f"len({value}) * 8")
            case plan.Call():
                given = arguments(node, function.link, function.names)
                self._add(f"{function.link.name('length', node.key)}({value}{given})")
            case plan.Switch():
                choose(function, node, refused_choice, lambda arm: self.node(arm, value))
            case plan.Window(node=inner):
                self.node(inner, value)
            case plan.Custom(name=name):
                encode = function.link.custom("encode", name)
                self._add(f"len(_c.encoded({encode}, {name!r}, {value}))")
            case _:
                self._sequence(node, value)

    def _sequence(self, node: Form, value: str) -> None:
        match node:
            case plan.Rep(node=plan.Num(size=size)):
                self._add(f"len({value}) * {size}")
            case plan.Rep(node=inner) | plan.Total(call=inner):
                self._each(inner, value)
            case plan.Stop(call=call, num=num):
                self._each(call, value)
                self._add(str(num.size))
            case plan.Tagged(node=inner):
                self._each(inner, value, before="n += 1")
                self._add("1")
            case plan.Pairs():
                self._pairs(node, value)
            case plan.Maybe():
                self._maybe(node, value)
            case _:
                assert_never(node)

    def _each(self, node: plan.Node, value: str, before: str = "") -> None:
        with each(self.function, value, before=before) as (_, one):
            self.node(node, one)

    def _pairs(self, pairs: plan.Pairs, value: str) -> None:
        code = self.function.code
        key, inner = code.temporary("e"), code.temporary("e")
        self._add("4")
        with each(self.function, value, before="n += 1", one=f"({key}, {inner})"):
            self.node(pairs.key, key)
            self.node(pairs.value, inner)
        self._add("1")

    def _maybe(self, maybe: plan.Maybe, value: str) -> None:
        code = self.function.code
        with each(self.function, value) as (_, one):
            with code.block(f"if {one} is None:"):
                self._add("1")
            with code.block("else:"):
                if maybe.mask is None:
                    self._add("1")
                self.node(maybe.node, one)
