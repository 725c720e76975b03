"""Code that encodes QEMU's form: puts a value's bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

from ..code import attribute
from ..linking import arguments
from .choice import choose
from .function import Function
from .nodes import U64, words_count
from .runs import number_code
from .sequences import Form
from .writer import Checked, Checks, each, flat_fields, subsections, write_run, write_steps

__all__ = ["QemuEncode", "check_length", "check_mask", "put_flat", "put_numbers", "refused_choice"]


@dataclass(frozen=True)
class QemuEncode:
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
        for text in subsections(self.function, "put"):
            tag = bytes([5])
            code(f"put({text.name(tag)})")
            code(text.call("put, "))

    def _loop(self) -> None:
        code = self.function.code
        code("ended = False")
        with code.block("for index, value in enumerate(rounds):"):
            with code.guard("_CodecError", "index"):
                write_steps(self, self.function.one.steps)
        code("_w.loop_end(len(rounds) - 1, len(rounds), ended)")

    def run(self, run: plan.Run) -> None:
        write_run(self.function, run, framed=False)

    def node(self, node: plan.Node, value: str) -> None:
        function, code = self.function, self.function.code
        match node:
            case plan.Num():
                struct = function.consts.struct(number_code(node))
                code(f"put(_w.put_number({struct}, {value}))")
            case plan.Blob(length=length):
                check_length(function, value, function.expr(length), "bytes")
                code(f"put({value})")
            case plan.Rest():
                code(f"put({value})")
            case plan.Text(prefix=prefix, limit=limit):
                code(f"put(_w.put_text({value}, {prefix}, {limit}))")
            case plan.Words(bits=bits):
                check_length(function, value, words_count(function, bits))
                put_numbers(function, U64, value)
            case plan.Call():
                given = arguments(node, function.link, function.names)
                code(f"{function.link.name('put', node.key)}(put, {value}{given})")
            case plan.Switch():
                choose(function, node, refused_choice, lambda arm: self.node(arm, value))
            case plan.Window():
                self._window(node, value)
            case plan.Custom(name=name):
                encode = function.link.custom("encode", name)
                code(f"put(_c.encoded({encode}, {name!r}, {value}))")
            case _:
                self._sequence(node, value)

    def _window(self, window: plan.Window, value: str) -> None:
        function, code = self.function, self.function.code
        outer, whole = code.temporary("t"), code.temporary("t")
        code(f"{outer} = put")
        code(f"{whole}: list[bytes] = []")
        code(f"put = {whole}.append")
        self.node(window.node, value)
        code(f"put = {outer}")
        code(f"put(_w.filled({whole}, {function.expr(window.length)}))")

    # --- sequences --------------------------------------------------------------------------------

    def _sequence(self, node: Form, value: str) -> None:
        function, code = self.function, self.function.code
        match node:
            case plan.Rep(node=plan.Num() as num, count=ir.Number(value=count)):
                self._row(num, count, value)
            case plan.Rep(node=inner):
                check_length(function, value, function.expr(node.count))
                if isinstance(inner, plan.Num):
                    put_numbers(function, inner, value)
                else:
                    self._each(inner, value)
            case plan.Stop(call=call, num=num, member=member, stop=stop):
                code(f"_w.no_stop({value}, {attribute(member)!r}, {stop})")
                self._each(call, value)
                self.node(num, str(stop))
            case plan.Total(call=call, member=member, total=total):
                code(f"_w.sum_is({value}, {attribute(member)!r}, {function.expr(total)})")
                self._each(call, value)
            case plan.Tagged(node=inner, tag=tag):
                tagged = f"put({bytes([tag])!r})"
                with each(function, value, before=tagged) as (_, one):
                    self.node(inner, one)
                code('put(b"\\0")')
            case plan.Pairs():
                self._pairs(node, value)
            case plan.Maybe():
                self._maybe(node, value)
            case _:
                assert_never(node)

    def _row(self, num: plan.Num, count: int, value: str) -> None:
        """Write so many numbers in one go; only what does not fit is looked at one by one."""
        function, code, word = self.function, self.function.code, number_code(num)
        struct = function.consts.struct(f"{word[0]}{count}{word[1]}")
        with code.block("try:"):
            code(f"put({struct}.pack(*{value}))")
        with code.block("except _unpackable:"):
            check_length(function, value, str(count))
            put_numbers(function, num, value)

    def _each(self, node: plan.Node, value: str) -> None:
        if not put_flat(self.function, node, value):
            with each(self.function, value) as (_, one):
                self.node(node, one)

    def _pairs(self, pairs: plan.Pairs, value: str) -> None:
        code = self.function.code
        key, inner = code.temporary("e"), code.temporary("e")
        code(f"put(_w.count({value}))")
        with each(self.function, value, before='put(b"\\1")', one=f"({key}, {inner})"):
            self.node(pairs.key, key)
            self.node(pairs.value, inner)
        code('put(b"\\0")')

    def _maybe(self, maybe: plan.Maybe, value: str) -> None:
        function, code = self.function, self.function.code
        check_length(function, value, function.expr(maybe.count))
        with each(function, value) as (index, one):
            check_mask(function, maybe, one, index)
            with code.block(f"if {one} is None:"):
                code('put(b"0")')
            with code.block("else:"):
                if maybe.mask is None:
                    code('put(b"1")')
                self.node(maybe.node, one)


# --- what the framed encoder writes alike ---------------------------------------------------------


def check_length(function: Function, value: str, count: str, what: str = "elements") -> None:
    """Refuse a value of another length than the description says."""
    with function.code.block(f"if len({value}) != {count}:"):
        function.code(f"_w.size({value}, {count}, '', {what!r})")


def check_mask(function: Function, maybe: plan.Maybe, one: str, index: str) -> None:
    """Refuse an element where the mask says otherwise."""
    if maybe.mask is not None:
        function.code(f"_w.masked({one}, ({function.expr(maybe.mask)}) >> {index} & 1)")


def put_numbers(function: Function, num: plan.Num, value: str, *, framed: bool = False) -> None:
    function.code(f"put(_w.put_numbers({value}, {number_code(num, framed=framed)!r}))")


def put_flat(function: Function, node: plan.Node, value: str, *, framed: bool = False) -> bool:
    """Write plain structs of numbers in one go, if that is what they are; only what does not fit is
    looked at one by one.
    """
    code, one = function.code, function.code.temporary("e")
    fields = flat_fields(function, node, one, framed=framed)
    if fields is None:
        return False
    assert isinstance(node, plan.Call)
    run = function.flat(node)
    assert run is not None
    with code.block("try:"):
        packed = f"{function.run_struct(run)}.pack({fields})"
        code(f"put(b''.join([{packed} for {one} in {value}]))")
    with code.block("except _unpackable:"):
        with each(function, value, one=one):
            code(f"{function.link.name('put', node.key)}(put, {one})")
    return True


def refused_choice(on: str, known: str) -> str:
    return f"_w.bad_choice_value({on}, {known})"
