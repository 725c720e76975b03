"""Code that encodes the framed profile (docs/framed-format.md, section 4): puts a value's items."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

from vmsc import plan
from vmsc.runtime.wire import FIXED, NULL, SUBSECTION

from ..code import attribute
from ..linking import arguments
from .choice import choose
from .function import Function
from .nodes import U64, words_count
from .qemu_encode import check_length, check_mask, put_flat, put_numbers, refused_choice
from .runs import number_code
from .sequences import Form
from .writer import Checked, Checks, each, subsections, write_run, write_steps

__all__ = ["FramedEncode"]


@dataclass(frozen=True)
class FramedEncode:
    """A writer; see writer.Writer."""

    function: Function

    @property
    def checks(self) -> Checks:
        return Checked(self.function)

    def body(self) -> None:
        """The function's whole body."""
        one, code = self.function.one, self.function.code
        if one.kind == "loop":
            self._loop()
            return
        write_steps(self, one.steps)
        for text in subsections(self.function, "putf"):
            whole = code.temporary("t")
            code(f"{whole}: list[bytes] = [{text.name()}]")
            code(text.call(f"{whole}.append, "))
            code(f"put(_w.struct_item({whole}, {SUBSECTION}))")

    def _loop(self) -> None:
        code = self.function.code
        code("ended = False")
        code("put_ = put")
        code("items: list[bytes] = []")
        with code.block("for index, value in enumerate(rounds):"):
            with code.guard("_CodecError", "index"):
                code("out: list[bytes] = []")
                code("put = out.append")
                write_steps(self, self.function.one.steps)
            code("items.append(_w.struct_item(out))")
        code("_w.loop_end(len(rounds) - 1, len(rounds), ended)")
        code("items.append(_w.struct_item(out))  # the round that ended the loop")
        code("put_(_w.put_list(len(items), items))")

    def run(self, run: plan.Run) -> None:
        write_run(self.function, run, framed=True)

    def node(self, node: plan.Node, value: str) -> None:
        """Write one value as an item. (Runs are items of their own.)"""
        function, code = self.function, self.function.code
        match node:
            case plan.Num(size=size):
                struct = function.consts.struct(number_code(node, framed=True))
                code(f"put(_w.item_header({FIXED}, {size}))")
                code(f"put(_w.put_number({struct}, {value}))")
            case plan.Blob(length=length):
                check_length(function, value, function.expr(length), "bytes")
                code(f"put(_w.bytes_item({value}))")
            case plan.Rest():
                code(f"put(_w.bytes_item({value}))")
            case plan.Text(limit=limit):
                code(f"put(_w.bytes_item({value}, {limit}))")
            case plan.Words(bits=bits):
                check_length(function, value, words_count(function, bits))
                self._array(U64, value)
            case plan.Call():
                self._call(node, value)
            case plan.Window(node=inner):
                self.node(inner, value)
            case plan.Switch():
                choose(function, node, refused_choice, lambda arm: self.node(arm, value))
            case plan.Custom(name=name):
                encode = function.link.custom("encode", name)
                code(f"put(_w.bytes_item(_c.encoded({encode}, {name!r}, {value})))")
            case _:
                self._sequence(node, value)

    def _array(self, num: plan.Num, value: str) -> None:
        self.function.code(f"put(_w.array_header(len({value}), {num.size}))")
        put_numbers(self.function, num, value, framed=True)

    def _call(self, call: plan.Call, value: str) -> None:
        function, code = self.function, self.function.code
        given = arguments(call, function.link, function.names)
        put = function.link.name("putf", call.key)
        if function.link.plan_of(call.key).kind == "loop":  # it writes its own head
            code(f"{put}(put, {value}{given})")
            return
        whole = code.temporary("t")
        code(f"{whole}: list[bytes] = []")
        code(f"{put}({whole}.append, {value}{given})")
        code(f"put(_w.struct_item({whole}))")

    # --- lists ------------------------------------------------------------------------------------

    def _sequence(self, node: Form, value: str) -> None:
        function, code = self.function, self.function.code
        match node:
            case plan.Rep():
                check_length(function, value, function.expr(node.count))
                self._repeat(node, value)
            case plan.Stop(call=call, member=member, stop=stop):
                code(f"_w.no_stop({value}, {attribute(member)!r}, {stop})")
                self._list(call, value)
            case plan.Total(call=call, member=member, total=total):
                code(f"_w.sum_is({value}, {attribute(member)!r}, {function.expr(total)})")
                self._list(call, value)
            case plan.Tagged(node=inner):
                self._list(inner, value)
            case plan.Pairs():
                self._pairs(node, value)
            case plan.Maybe():
                check_length(function, value, function.expr(node.count))
                self._maybe(node, value)
            case _:
                assert_never(node)

    def _repeat(self, rep: plan.Rep, value: str) -> None:
        function, code, inner = self.function, self.function.code, rep.node
        if isinstance(inner, plan.Num):
            self._array(inner, value)
            return
        run = function.flat(inner, framed=True)
        if run is None:
            self._list(inner, value)
            return
        assert isinstance(inner, plan.Call)
        code(f"put(_w.array_header(len({value}), {run.size}))")
        if not put_flat(function, inner, value, framed=True):
            with each(function, value) as (_, one):
                code(f"{function.link.name('put', inner.key)}(put, {one})")

    @contextmanager
    def _listed(self, count: str) -> Iterator[None]:
        """The block puts the items of a LIST, as many as `count` says."""
        code = self.function.code
        outer, inner = code.temporary("t"), code.temporary("t")
        code(f"{outer} = put")
        code(f"{inner}: list[bytes] = []")
        code(f"put = {inner}.append")
        yield
        code(f"put = {outer}")
        code(f"put(_w.put_list({count}, {inner}))")

    def _list(self, node: plan.Node, value: str) -> None:
        with self._listed(f"len({value})"), each(self.function, value) as (_, one):
            self.node(node, one)

    def _maybe(self, maybe: plan.Maybe, value: str) -> None:
        code = self.function.code
        with self._listed(f"len({value})"), each(self.function, value) as (index, one):
            check_mask(self.function, maybe, one, index)
            with code.block(f"if {one} is None:"):
                code(f"put(_w.item_header({NULL}, 0))")
            with code.block("else:"):
                self.node(maybe.node, one)

    def _pairs(self, pairs: plan.Pairs, value: str) -> None:
        code = self.function.code
        key, inner = code.temporary("e"), code.temporary("e")
        with self._listed(f"2 * len({value})"):
            with each(self.function, value, one=f"({key}, {inner})"):
                self.node(pairs.key, key)
                self.node(pairs.value, inner)
