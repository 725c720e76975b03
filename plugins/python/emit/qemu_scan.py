"""Code that scans QEMU's form: finds where a value ends, and builds nothing but what it needs for
that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from vmsc import plan
from vmsc.plan.analysis import checked_by_scan, fixed_size

from ..consts import Leaf
from ..linking import arguments
from . import sequences
from .choice import choose
from .function import WINDOW, Function, Tail, begin
from .nodes import bytes_length, least_of, refused_choice, window, words_count
from .qemu_decode import QemuDecode
from .reader import read_step
from .resume import resumed
from .runs import finish_run, is_wanted, one_number, run_leaves, unpack, want
from .subsections import peeked, subsection_arguments

__all__ = ["QemuScan"]


@dataclass(frozen=True)
class QemuScan:
    """A reader; see reader.Reader."""

    function: Function
    tail: Tail

    def body(self) -> None:
        """The function's whole body."""
        code, one = self.function.code, self.function.one
        begin(self.function)
        self._foresee()
        if one.kind == "loop":
            self._loop()
            return
        self.steps(one.steps)
        if one.peeks:
            peeked(self.function, self._subsection)
        code("return pos")

    def _foresee(self) -> None:
        """Want the least that there must be at once, so that the scan is not tried in vain."""
        code, one, found = self.function.code, self.function.one, 0
        for step in one.steps:
            size = self._passed(step)
            if size is None:
                found += step.size if isinstance(step, plan.Run) else 0
                break
            found += size
        if one.least > found:
            with code.block(f"if pos + {one.least} > size:"):
                code(f"_w.short(buf, pos, {one.least})")

    def _loop(self) -> None:
        code, one = self.function.code, self.function.one
        code("rounds = 0")
        state = ["rounds", *self.function.stickies]
        with resumed(code, self.tail.notes, state) as round_, code.block("while True:"):
            with code.guard("_CodecError", "rounds"):
                self.steps(one.steps)
            self.end_round(frozenset())
            round_()
        code("return pos")

    def _subsection(self, sub: plan.Subsection) -> str:
        given = subsection_arguments(self.function, sub, "version_")
        notes = self._notes(sub.call, self.tail)
        skip = self.function.link.name("skip", sub.call.key)
        return f"pos = {skip}(buf, body, final{notes}{given})"

    def _notes(self, call: plan.Call, tail: Tail) -> str:
        """The notes that a nested scan is given, with a comma in front."""
        return f", {tail.notes or 'None'}" if self.function.link.is_resumable(call.key) else ""

    # --- what a Reader has ------------------------------------------------------------------------

    def steps(self, steps: tuple[plan.Step, ...]) -> None:
        """Fixed bytes that nobody asks for are passed over in one go."""
        fixed = 0
        for step in steps:
            size = self._passed(step)
            if size is not None:
                fixed += size
                continue
            self._pass(fixed)
            fixed = 0
            read_step(self, step)
        self._pass(fixed)

    def _passed(self, step: plan.Step) -> int | None:
        """How many bytes a step always has, if it can be passed over; one that is left out, as a
        law of what is not read, has none.
        """
        wanted = self.function.wanted
        match step:
            case plan.Run(size=size):
                leaves = run_leaves(self.function, step)
                return None if any(is_wanted(self.function, leaf) for leaf in leaves) else size
            case plan.Value(name=name, node=node) if name not in wanted:
                return fixed_size(node, self.function.link.plans)
            case plan.Assert():
                return None if self.holds(step) else 0
            case plan.Let(name=name):
                return None if name in wanted else 0
            case _:
                return None

    def _pass(self, size: int) -> None:
        if size:
            code = self.function.code
            code(f"pos += {size}")
            with code.block("if pos > size:"):
                code(f"_w.short(buf, pos - {size}, {size})")

    def run(self, run: plan.Run) -> None:
        """Read those fields alone that say how long something is."""
        function, found = self.function, run_leaves(self.function, run)
        want(function, str(run.size), function.consts.table(found))
        order = ">" if run.order == "big" else "<"
        for leaf in found:
            if is_wanted(function, leaf):
                self._pick(leaf, order)
        function.code("pos = end")
        finish_run(function, run, found)

    def _pick(self, leaf: Leaf, order: str) -> None:
        at = f"pos + {leaf.offset}" if leaf.offset else "pos"
        if leaf.code == "B":
            self.function.code(f"{leaf.slot} = buf[{at}]")
        else:
            struct = self.function.consts.struct(order + leaf.code)
            unpack(self.function, leaf.targets, struct, at)

    def holds(self, law: plan.Assert) -> bool:
        return checked_by_scan(law, self.function.wanted)

    def back(self, law: plan.Assert) -> int:
        return law.back

    def end_round(self, absent: frozenset[str]) -> None:
        self.function.code("rounds += 1")

    def node(self, node: plan.Node, target: str | None, tail: Tail) -> None:
        if target is not None:
            QemuDecode(self.function).node(node, target, replace(tail, notes=""))
            return
        function, code = self.function, self.function.code
        match node:
            case plan.Num():
                one_number(function, node, None)
            case plan.Blob(length=length):
                want(function, bytes_length(function, length))
                code("pos = end")
            case plan.Rest():
                code("pos = size")
            case plan.Text(prefix=prefix, limit=limit):
                code(f"_, pos = _w.text(buf, pos, {prefix}, {limit})")
            case plan.Words(bits=bits):
                code(f"pos = _w.place(buf, pos, ({words_count(function, bits)}) * 8)")
            case plan.Call():
                given = arguments(node, function.link, function.names)
                skip, notes = function.link.name("skip", node.key), self._notes(node, tail)
                code(f"pos = {skip}(buf, pos, {tail.final(node)}{notes}{given})")
            case plan.Switch():
                choose(function, node, refused_choice, lambda arm: self.node(arm, None, tail))
            case plan.Window():
                with window(function, node):
                    self.node(node.node, None, WINDOW)
            case plan.Custom(name=name):
                decode = function.link.custom("decode", name)
                code(f"_, pos = _c.decoded({decode}, {name!r}, buf, pos)")
            case _:
                self._sequence(node, tail)

    def _sequence(self, node: sequences.Form, tail: Tail) -> None:
        function = self.function
        if isinstance(node, plan.Rep):
            self._repeat(node, tail)
            return
        if isinstance(node, plan.Maybe):
            into = sequences.Counted(function, "", tail.kept)
            sequences.maybe(node, into, self.node, tail)
            return
        into = sequences.Counted(function, function.code.temporary("i"), tail.kept)
        match node:
            case plan.Tagged():
                sequences.tagged(node, into, self.node, tail)
            case plan.Stop():
                sequences.stop(node, into, self.node, tail)
            case plan.Total():
                build = QemuDecode(function)
                sequences.total(node, into, build.node, replace(tail, notes=""))
            case plan.Pairs():
                sequences.pairs(node, into, self.node, tail)
            case _:
                assert_never(node)

    def _repeat(self, rep: plan.Rep, tail: Tail) -> None:
        function, code = self.function, self.function.code
        if isinstance(rep.node, plan.Num):
            code(f"pos = _w.place(buf, pos, ({function.expr(rep.count)}) * {rep.node.size})")
            return
        count = code.temporary("n")
        code(f"{count} = {function.expr(rep.count)}")
        run = function.flat(rep.node)
        if run is not None:
            want(function, f"{count} * {run.size}")
            code("pos = end")
            return
        into, least = sequences.Counted(function, "", tail.kept), least_of(function, rep.node)
        sequences.repeat(rep, count, least, into, self.node, tail)
