"""Code that decodes QEMU's form: reads a value and builds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from vmsc import plan

from ..linking import arguments, local
from . import sequences
from .choice import choose
from .function import START, WINDOW, Function, Tail, begin, made
from .nodes import U64, bytes_length, least_of, many, refused_choice, window, words_count
from .reader import read_step
from .runs import finish_run, numbers, one_number, run_leaves, unpack, want
from .subsections import peeked, subsection_arguments

__all__ = ["QemuDecode"]


@dataclass(frozen=True)
class QemuDecode:
    """A reader; see reader.Reader."""

    function: Function
    tail: Tail = START

    def body(self) -> None:
        """The function's whole body."""
        code, one = self.function.code, self.function.one
        begin(self.function)
        if one.kind == "loop":
            self._loop()
            return
        self.steps(one.steps)
        if one.peeks:
            for sub in one.subsections:
                code(f"{local(sub.name)} = None")
            peeked(self.function, self._subsection)
        made(self.function, "return ", ", pos")

    def _loop(self) -> None:
        code = self.function.code
        code("rounds = []")
        with code.block("while True:"):
            with code.guard("_CodecError", "len(rounds)"):
                self.steps(self.function.one.steps)
            self.end_round(frozenset())
        code("return rounds, pos")

    def _subsection(self, sub: plan.Subsection) -> str:
        given = subsection_arguments(self.function, sub, "version_")
        get = self.function.link.name("get", sub.call.key)
        return f"{local(sub.name)}, pos = {get}(buf, body, final{given})"

    # --- what a Reader has ------------------------------------------------------------------------

    def steps(self, steps: tuple[plan.Step, ...]) -> None:
        for step in steps:
            read_step(self, step)

    def run(self, run: plan.Run) -> None:
        function, found = self.function, run_leaves(self.function, run)
        want(function, str(run.size), function.consts.table(found))
        targets = [target for leaf in found for target in leaf.targets]
        unpack(function, targets, function.run_struct(run), "pos")
        function.code("pos = end")
        finish_run(function, run, found)

    def holds(self, law: plan.Assert) -> bool:
        return True

    def back(self, law: plan.Assert) -> int:
        return law.back

    def end_round(self, absent: frozenset[str]) -> None:
        made(self.function, "rounds.append(", ")", absent)

    def node(self, node: plan.Node, target: str | None, tail: Tail) -> None:
        assert target is not None, "what is decoded is built"
        function, code = self.function, self.function.code
        match node:
            case plan.Num():
                one_number(function, node, target)
            case plan.Blob(length=length):
                want(function, bytes_length(function, length))
                code(f"{target} = bytes(buf[pos:end])")
                code("pos = end")
            case plan.Rest():
                code(f"{target} = bytes(buf[pos:])")
                code("pos = size")
            case plan.Text(prefix=prefix, limit=limit):
                code(f"{target}, pos = _w.text(buf, pos, {prefix}, {limit})")
            case plan.Words(bits=bits):
                numbers(function, U64, words_count(function, bits), target)
            case plan.Call():
                given = arguments(node, function.link, function.names)
                get = function.link.name("get", node.key)
                code(f"{target}, pos = {get}(buf, pos, {tail.final(node)}{given})")
            case plan.Switch():
                choose(function, node, refused_choice, lambda arm: self.node(arm, target, tail))
            case plan.Window():
                with window(function, node):
                    self.node(node.node, target, WINDOW)
            case plan.Custom(name=name):
                decode = function.link.custom("decode", name)
                code(f"{target}, pos = _c.decoded({decode}, {name!r}, buf, pos)")
            case _:
                self._sequence(node, target, tail)

    def _sequence(self, node: sequences.Form, target: str, tail: Tail) -> None:
        into = sequences.Built(self.function, target)
        match node:
            case plan.Rep():
                self._repeat(node, target, tail)
            case plan.Maybe():
                sequences.maybe(node, into, self.node, tail)
            case plan.Tagged():
                sequences.tagged(node, into, self.node, tail)
            case plan.Stop():
                sequences.stop(node, into, self.node, tail)
            case plan.Total():
                sequences.total(node, into, self.node, tail)
            case plan.Pairs():
                sequences.pairs(node, into, self.node, tail)
            case _:
                assert_never(node)

    def _repeat(self, rep: plan.Rep, target: str, tail: Tail) -> None:
        function, code = self.function, self.function.code
        if isinstance(rep.node, plan.Num):
            numbers(function, rep.node, function.expr(rep.count), target)
            return
        count = code.temporary("n")
        code(f"{count} = {function.expr(rep.count)}")
        run = function.flat(rep.node)
        if run is None:
            into, least = sequences.Built(function, target), least_of(function, rep.node)
            sequences.repeat(rep, count, least, into, self.node, tail)
            return
        assert isinstance(rep.node, plan.Call)
        want(function, f"{count} * {run.size}")
        many(function, target, run, rep.node.key, "buf[pos:end]")
        code("pos = end")
