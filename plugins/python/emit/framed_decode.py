"""Code that decodes the framed profile (docs/framed-format.md, section 4): every value is an item.
A scan of it needs no code: an item's head says where it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

from vmsc import plan
from vmsc.runtime.wire import BYTES, FIXED

from ..code import attribute
from ..linking import arguments, local
from .choice import choose
from .function import START, Function, Tail, made
from .nodes import U64, many, refused_choice, words_count
from .reader import read_step
from .runs import finish_run, number_code, one_number, run_leaves, unpack, want
from .sequences import Form
from .subsections import subsection_arguments, subsection_items

__all__ = ["FramedDecode"]

_HEAD = 5  # bytes of an item's kind and length


@dataclass(frozen=True)
class FramedDecode:
    """A reader; see reader.Reader. Nothing depends on what follows a value: there is no peeking."""

    function: Function
    tail: Tail = START

    def body(self) -> None:
        """The function's whole body."""
        code, one = self.function.code, self.function.one
        code("size = len(buf)")
        if one.kind == "loop":
            self._loop()
            return
        self.steps(one.steps)
        if one.peeks:
            for sub in one.subsections:
                code(f"{local(sub.name)} = None")
            subsection_items(self.function, self._subsection)
        made(self.function, "return ", ", pos")

    def _loop(self) -> None:
        code = self.function.code
        code("buf, pos, size, count = _w.listed(buf, pos, None)")
        code("rounds = []")
        with code.block("while True:"):
            with code.guard("_CodecError", "len(rounds)"):
                code("outer = buf, size")
                code("buf, pos, size = _w.closed(buf, pos, _w.STRUCT)")
                self.steps(self.function.one.steps)
                self._close_round()
            made(self.function, "rounds.append(", ")")
        code("_w.bad_count(pos, count, len(rounds)) if count != len(rounds) else None")
        code("_w.leftover(pos, size, 'a loop') if pos != size else None")
        code("return rounds, pos")

    def _close_round(self) -> None:
        self.function.code("_w.leftover(pos, size, 'a round') if pos != size else None")
        self.function.code("buf, size = outer")

    def _subsection(self, sub: plan.Subsection) -> str:
        given = subsection_arguments(self.function, sub, "version_")
        get = self.function.link.name("getf", sub.call.key)
        return f"{local(sub.name)}, pos = {get}(sub, body{given})"

    # --- what a Reader has ------------------------------------------------------------------------

    def steps(self, steps: tuple[plan.Step, ...]) -> None:
        for step in steps:
            read_step(self, step)

    def run(self, run: plan.Run) -> None:
        function, found = self.function, run_leaves(self.function, run)
        want(function, str(run.size + _HEAD), function.consts.table(found, _HEAD))
        targets = [target for leaf in found for target in leaf.targets]
        struct = function.run_struct(run, framed=True)
        unpack(function, ["kind", "length", *targets], struct, "pos")
        with function.code.block(f"if kind != {FIXED} or length != {run.size}:"):
            function.code(f"_w.item(buf, pos, {FIXED}, {run.size})")
        function.code("pos = end")
        finish_run(function, run, found)

    def holds(self, law: plan.Assert) -> bool:
        return True

    def back(self, law: plan.Assert) -> int:
        return 0

    def end_round(self, absent: frozenset[str]) -> None:
        self._close_round()
        made(self.function, "rounds.append(", ")", absent)

    def node(self, node: plan.Node, target: str | None, tail: Tail) -> None:
        """Read one value as an item. (Runs are items of their own.)"""
        assert target is not None, "what is decoded is built"
        function, code = self.function, self.function.code
        match node:
            case plan.Num(size=size):
                code(f"pos, end = _w.item(buf, pos, {FIXED}, {size})")
                one_number(function, node, target, framed=True)
            case plan.Blob(length=length):
                self._bytes(f", {function.expr(length)}", target)
            case plan.Rest():
                self._bytes("", target)
            case plan.Text(limit=limit):
                self._bytes("", target, limit)
            case plan.Words(bits=bits, limit=limit):
                self._array(U64, words_count(function, bits), -(-limit // 64), target)
            case plan.Call():
                self._call(node, target)
            case plan.Window(node=inner):
                self.node(inner, target, tail)
            case plan.Switch():
                choose(function, node, refused_choice, lambda arm: self.node(arm, target, tail))
            case plan.Custom(name=name):
                decode = function.link.custom("decode", name)
                with self._closed("BYTES", "the value") as sub:
                    code(f"{target}, pos = _c.decoded({decode}, {name!r}, {sub}, pos)")
            case _:
                self._sequence(node, target, tail)

    def _bytes(self, length: str, target: str, limit: int | None = None) -> None:
        code = self.function.code
        code(f"pos, end = _w.item(buf, pos, {BYTES}{length})")
        if limit is not None:
            code(f"_w.text_limit(pos, end - pos, {limit})")
        code(f"{target} = bytes(buf[pos:end])")
        code("pos = end")

    def _array(self, num: plan.Num, count: str, limit: int, target: str) -> None:
        code, word = self.function.code, number_code(num, framed=True)
        code(f"pos, end, n = _w.array(buf, pos, {count}, {num.size}, {limit})")
        code(f"{target}, pos = _w.numbers(buf, pos, n, {word!r}, {num.size})")

    def _call(self, call: plan.Call, target: str) -> None:
        function = self.function
        given = arguments(call, function.link, function.names)
        get = function.link.name("getf", call.key)
        if function.link.plan_of(call.key).kind == "loop":  # it reads its own head
            function.code(f"{target}, pos = {get}(buf, pos{given})")
        else:
            with self._closed("STRUCT", "the description") as sub:
                function.code(f"{target}, pos = {get}({sub}, pos{given})")

    @contextmanager
    def _closed(self, kind: str, what: str) -> Iterator[str]:
        """The block decodes an item on its own, which may neither want more than it has nor leave
        anything; given is the local of the buffer that ends with it.
        """
        code = self.function.code
        sub, end = code.temporary("t"), code.temporary("n")
        code(f"{sub}, pos, {end} = _w.closed(buf, pos, _w.{kind})")
        with code.block("try:"):
            yield sub
        with code.block("except _Truncated as fault:"):
            code(f"raise _w.overrun(fault, {end}, {what!r}) from None")
        code(f"_w.leftover(pos, {end}, {what!r}) if pos != {end} else None")

    # --- lists ------------------------------------------------------------------------------------

    def _sequence(self, node: Form, target: str, tail: Tail) -> None:
        function, code = self.function, self.function.code
        match node:
            case plan.Rep():
                self._repeat(node, target, tail)
            case plan.Maybe():
                self._maybe(node, target, tail)
            case plan.Stop(call=call, member=member, stop=stop):
                self._list(call, None, target, tail)
                code(f"_w.no_stop({target}, {attribute(member)!r}, {stop}, pos)")
            case plan.Total(call=call, member=member, total=total):
                self._list(call, None, target, tail)
                whole = function.expr(total)
                code(f"_w.sum_is({target}, {attribute(member)!r}, {whole}, pos)")
            case plan.Tagged(node=inner):
                self._list(inner, None, target, tail)
            case plan.Pairs():
                self._pairs(node, target, tail)
            case _:
                assert_never(node)

    def _repeat(self, rep: plan.Rep, target: str, tail: Tail) -> None:
        function, count = self.function, self.function.expr(rep.count)
        if isinstance(rep.node, plan.Num):
            self._array(rep.node, count, rep.limit, target)
            return
        run = function.flat(rep.node, framed=True)
        if run is None:
            self._list(rep.node, count, target, tail)
            return
        assert isinstance(rep.node, plan.Call)
        function.code(f"pos, end, n = _w.array(buf, pos, {count}, {run.size}, {rep.limit})")
        many(function, target, run, rep.node.key, "buf[pos:end]")
        function.code("pos = end")

    @contextmanager
    def _listed(self, count: str | None, target: str) -> Iterator[str]:
        """The block reads the items of a LIST; given is the local that counts them."""
        code = self.function.code
        outer, end, n = code.temporary("t"), code.temporary("n"), code.temporary("n")
        code(f"{outer} = buf, size")
        code(f"buf, pos, {end}, {n} = _w.listed(buf, pos, {count})")
        code(f"size = {end}")
        code(f"{target} = []")
        yield n
        code(f"_w.leftover(pos, {end}, 'the list') if pos != {end} else None")
        code(f"buf, size = {outer}")

    def _list(self, node: plan.Node, count: str | None, target: str, tail: Tail) -> None:
        code = self.function.code
        with self._listed(count, target) as n:
            index, one = code.temporary("i"), code.temporary("e")
            with code.block(f"for {index} in range({n}):"):
                with code.guard("_CodecError", index):
                    self.node(node, one, tail)
                code(f"{target}.append({one})")

    def _maybe(self, maybe: plan.Maybe, target: str, tail: Tail) -> None:
        function, code = self.function, self.function.code
        with self._listed(function.expr(maybe.count), target) as n:
            index, one = code.temporary("i"), code.temporary("e")
            there = "buf[pos] != _w.NULL"
            if maybe.mask is not None:
                mask = code.temporary("n")
                code(f"{mask} = {function.expr(maybe.mask)}")
                there = f"{mask} >> {index} & 1"
            with code.block(f"for {index} in range({n}):"):
                with code.guard("_CodecError", index):
                    code("_w.place(buf, pos, 1)")
                    with code.block(f"if {there}:"):
                        self.node(maybe.node, one, tail)
                    with code.block("else:"):
                        code("pos, _ = _w.item(buf, pos, _w.NULL, 0)")
                        code(f"{one} = None")
                code(f"{target}.append({one})")

    def _pairs(self, pairs: plan.Pairs, target: str, tail: Tail) -> None:
        code = self.function.code
        with self._listed(None, target) as n:
            index, one, two = code.temporary("i"), code.temporary("e"), code.temporary("e")
            with code.block(f"if {n} % 2:"):
                code(f"_w.bad_count(pos, {n}, {n} - 1)")
            with code.block(f"for {index} in range({n} // 2):"):
                with code.guard("_CodecError", index):
                    self.node(pairs.key, one, tail)
                    self.node(pairs.value, two, tail)
                code(f"{target}.append(({one}, {two}))")
