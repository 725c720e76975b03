"""Code that writes one value as QEMU has it: a node of the plan -> lines that put its bytes, or
add up how many they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

from .code import Code, attribute, struct_code
from .consts import Consts, flat_run, run_format
from .expressions import Names, condition, expression
from .linking import Linker, arguments

__all__ = ["NodeWriter", "read_field"]


def read_field(name: str) -> str:
    """A field of the value at hand."""
    return f"value.{attribute(name)}"


@dataclass
class NodeWriter:
    """Emits one function's body. `write`: bytes go to `put`; else their number is added to `n`."""

    one: plan.Plan
    link: Linker
    consts: Consts
    code: Code
    framed: bool
    write: bool = True

    def __post_init__(self) -> None:
        self.names = Names(read_field)
        self.call_stem = "putf" if self.framed else "put" if self.write else "length"

    def expr(self, expr: ir.Expr) -> str:
        return expression(expr, self.names)

    def test(self, expr: ir.Expr) -> str:
        return condition(expr, self.names)

    def _out(self, data: str, size: str) -> None:
        self.code(f"put({data})" if self.write else f"n += {size}")

    def _check(self, value: str, count: str, what: str = "elements") -> None:
        if self.write:
            with self.code.block(f"if len({value}) != {count}:"):
                self.code(f"_w.size({value}, {count}, '', {what!r})")

    def node(self, node: plan.Node, value: str) -> None:
        """Write one value."""
        code = self.code
        match node:
            case plan.Num():
                self._num(node, value)
            case plan.Blob(length=length):
                self._check(value, self.expr(length), "bytes")
                self._out(value, f"len({value})")
            case plan.Rest():
                self._out(value, f"len({value})")
            case plan.Text(prefix=prefix, limit=limit):
                self._out(f"_w.put_text({value}, {prefix}, {limit})", f"{prefix} + len({value})")
            case plan.Words(bits=bits):
                self._check(value, f"-(-({self.expr(bits)}) // 64)")
                self._numbers(plan.Num("u64", 8, False, "big"), value)
            case plan.Rep(node=plan.Num() as num, count=ir.Number(value=count)) if self.write:
                self._row(num, count, value)
            case plan.Rep(node=inner, count=count):
                self._check(value, self.expr(count))
                if isinstance(inner, plan.Num):
                    self._numbers(inner, value)
                else:
                    self._each(inner, value)
            case plan.Stop():
                self._stop(node, value)
            case plan.Total(call=call, member=member, total=total):
                self._sum(value, member, self.expr(total))
                self._each(call, value)
            case plan.Tagged(node=inner, tag=tag):
                self._each(inner, value, bytes([tag]))
                self._out('b"\\0"', "1")
            case plan.Pairs(key=key, value=inner):
                self._out(f"_w.count({value})", "4")
                one, two = code.temporary("e"), code.temporary("e")
                index = code.temporary("i")
                with code.block(f"for {index}, ({one}, {two}) in enumerate({value}):"):
                    self._out('b"\\1"', "1")
                    with code.guard("_CodecError", index):
                        self.node(key, one)
                        self.node(inner, two)
                self._out('b"\\0"', "1")
            case plan.Maybe():
                self._maybe(node, value)
            case plan.Call():
                self._call(node, value)
            case plan.Switch():
                self._switch(node, value, self.node)
            case plan.Window(length=length, node=inner):
                self._window(length, inner, value)
            case plan.Custom(name=name):
                function = self.link.custom("encode", name)
                encoded = f"_c.encoded({function}, {name!r}, {value})"
                self._out(encoded, f"len({encoded})")
            case _:
                assert_never(node)

    def _num(self, num: plan.Num, value: str) -> None:
        order = ">" if num.order == "big" or self.framed else "<"
        code = order + struct_code(num.name, num.size, num.signed)
        self._out(f"_w.put_number({self.consts.struct(code)}, {value})", str(num.size))

    def _numbers(self, num: plan.Num, value: str) -> None:
        order = ">" if num.order == "big" or self.framed else "<"
        code = order + struct_code(num.name, num.size, num.signed)
        self._out(f"_w.put_numbers({value}, {code!r})", f"len({value}) * {num.size}")

    def _row(self, num: plan.Num, count: int, value: str) -> None:
        """Write so many numbers in one go; only what does not fit is looked at one by one."""
        order = ">" if num.order == "big" or self.framed else "<"
        letter = struct_code(num.name, num.size, num.signed)
        with self.code.block("try:"):
            self.code(f"put({self.consts.struct(f'{order}{count}{letter}')}.pack(*{value}))")
        with self.code.block("except _unpackable:"):
            self._check(value, str(count))
            self._numbers(num, value)

    def _flat_each(self, node: plan.Node, value: str) -> bool:
        """Write plain structs of numbers in one go; only what does not fit is looked at one by
        one.
        """
        if not self.write or not isinstance(node, plan.Call) or node.arguments:
            return False
        run = flat_run(self.link.plan_of(node.key), self.framed)
        if run is None or not all(isinstance(f.form, plan.Num) for f in run.fields):
            return False
        code = self.code
        one = code.temporary("e")
        fields = ", ".join(f"{one}.{attribute(f.name)}" for f in run.fields)
        name = self.consts.struct(run_format(run, False))
        with code.block("try:"):
            code(f"put(b''.join([{name}.pack({fields}) for {one} in {value}]))")
        with code.block("except _unpackable:"):
            index = code.temporary("i")
            function = self.link.name("put", node.key)
            with code.block(f"for {index}, {one} in enumerate({value}):"):
                with code.guard("_CodecError", index):
                    code(f"{function}(put, {one})")
        return True

    def _each(self, node: plan.Node, value: str, before: bytes = b"") -> None:
        code = self.code
        if not before and self._flat_each(node, value):
            return
        one, index = code.temporary("e"), code.temporary("i")
        with code.block(f"for {index}, {one} in enumerate({value}):"):
            if before:
                self._out(repr(before), str(len(before)))
            with code.guard("_CodecError", index):
                self.node(node, one)

    def _stop(self, stop: plan.Stop, value: str) -> None:
        if self.write:
            self.code(f"_w.no_stop({value}, {attribute(stop.member)!r}, {stop.stop})")
        self._each(stop.call, value)
        self._num(stop.num, str(stop.stop))

    def _sum(self, value: str, member: str, total: str) -> None:
        if self.write:
            self.code(f"_w.sum_is({value}, {attribute(member)!r}, {total})")

    def _there(self, maybe: plan.Maybe, one: str, index: str) -> None:
        """Check that the mask says what the value shows."""
        if maybe.mask is not None and self.write:
            self.code(f"_w.masked({one}, ({self.expr(maybe.mask)}) >> {index} & 1)")

    def _maybe(self, maybe: plan.Maybe, value: str) -> None:
        code = self.code
        self._check(value, self.expr(maybe.count))
        one, index = code.temporary("e"), code.temporary("i")
        with code.block(f"for {index}, {one} in enumerate({value}):"):
            with code.guard("_CodecError", index):
                self._there(maybe, one, index)
                with code.block(f"if {one} is None:"):
                    self._out('b"0"', "1")
                with code.block("else:"):
                    if maybe.mask is None:
                        self._out('b"1"', "1")
                    self.node(maybe.node, one)

    def _call(self, call: plan.Call, value: str) -> None:
        called = self.link.plan_of(call.key)
        given = arguments(call, called, self.names)
        function = self.link.name(self.call_stem, call.key)
        self.code(f"{function}(put, {value}{given})" if self.write
                  else f"n += {function}({value}{given})")  # fmt: skip

    def _switch(
        self, switch: plan.Switch, value: str, write: Callable[[plan.Node, str], None]
    ) -> None:
        code = self.code
        on = code.temporary("n")
        code(f"{on} = {self.expr(switch.on)}")
        param = isinstance(switch.on, ir.Ref) and switch.on.kind == "param"
        wire = ir.expr_bounds(switch.on) is None and not param
        word = "if"
        for label, node in switch.arms:
            shown = repr(label.encode()) if wire and isinstance(label, str) else repr(label)
            with code.block(f"{word} {on} == {shown}:"):
                write(node, value)
            word = "elif"
        with code.block("else:"):
            if switch.otherwise is not None:
                write(switch.otherwise, value)
            else:
                known = ", ".join(str(label) for label, _ in switch.arms)
                code(f"_w.bad_choice_value({on}, {known!r})")

    def _window(self, length: ir.Expr, inner: plan.Node, value: str) -> None:
        code = self.code
        if not self.write:
            self.node(inner, value)
            return
        outer, whole = code.temporary("t"), code.temporary("t")
        code(f"{outer} = put")
        code(f"{whole}: list[bytes] = []")
        code(f"put = {whole}.append")
        self.node(inner, value)
        code(f"put = {outer}")
        code(f"put(_w.filled({whole}, {self.expr(length)}))")
