"""Code that reads one value as QEMU has it: a node of the plan -> lines that leave `pos` behind it.

Emits for decode and scan alike: with a target the value is built, without one it is stepped over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

from .code import Code, attribute, struct_code, wrapped
from .consts import Consts, flat_run, leaves
from .expressions import Names, condition, expression
from .linking import Linker, arguments, is_param, local, step_exprs
from .resuming import noted, resumed

__all__ = ["NodeReader"]


@dataclass
class NodeReader:
    """Emits one function's body: `framed` or as QEMU has it, `build`ing values or only stepping
    over them.
    """

    one: plan.Plan
    link: Linker
    consts: Consts
    code: Code
    framed: bool
    build: bool

    def __post_init__(self) -> None:
        self.after = False  # whether fields may follow what is being read
        self.final = "final"  # what a nested description is told of that
        self.names = Names(local)
        self.get = "getf" if self.framed else "get" if self.build else "skip"
        self.needed: set[str] = set()
        self.notes = ""  # the name of a scan's notes, where it takes some
        if not self.build:
            self.needed = self._needed()
            self.notes = "notes" if noted(self.one, self.link) else ""

    def _needed(self) -> set[str]:
        exprs = step_exprs(self.one.steps, laws=False)
        exprs += [e for s in self.one.subsections for _, e in s.call.arguments]
        return {name for e in exprs for kind, name in ir.names_in(e) if kind in ("field", "let")}

    def expr(self, expr: ir.Expr) -> str:
        return expression(expr, self.names)

    def test(self, expr: ir.Expr) -> str:
        return condition(expr, self.names)

    def wants(self, name: str) -> bool:
        return self.build or name in self.needed

    def _unpack(self, targets: list[str], name: str, at: str) -> None:
        if not targets:
            return
        tail = "," if len(targets) == 1 else ""
        one = f"{', '.join(targets)}{tail} = {name}.unpack_from(buf, {at})"
        if len(one) + 4 * self.code.depth <= 98:
            self.code(one)
        else:
            self.code.extend(
                wrapped(targets, "(", f") = {name}.unpack_from(buf, {at})", self.code.depth)
            )

    def node(self, node: plan.Node, target: str | None) -> None:
        """Read one value at `pos` and leave `pos` behind it."""
        code = self.code
        match node:
            case plan.Num():
                self._num(node, target)
            case plan.Blob(length=length):
                self._bytes(self.expr(length), target)
            case plan.Rest():
                code(f"{target} = bytes(buf[pos:])" if target else "")
                code("pos = size")
            case plan.Text(prefix=prefix, limit=limit):
                code(f"{target or '_'}, pos = _w.text(buf, pos, {prefix}, {limit})")
            case plan.Words(bits=bits):
                self._numbers(
                    f"-(-({self.expr(bits)}) // 64)", plan.Num("u64", 8, False, "big"), target
                )
            case plan.Rep():
                self._rep(node, target)
            case plan.Stop():
                self._stop(node, target)
            case plan.Total():
                self._total(node, target)
            case plan.Tagged(node=inner, tag=tag):
                self._start(target)
                count = self._count(target)
                with resumed(code, self.notes, [count]) as round_:
                    with code.block(f"while _w.tag(buf, pos, {tag}):"):
                        code("pos += 1")
                        self._element(inner, target, count)
                        round_()
                code("pos += 1")
            case plan.Pairs():
                self._pairs(node, target)
            case plan.Maybe():
                self._maybe(node, target)
            case plan.Call():
                self._call(node, target)
            case plan.Switch():
                self._switch(node, target, self.node)
            case plan.Window():
                self._window(node, target)
            case plan.Custom(name=name):
                self._custom(name, target, "buf, pos")
            case _:
                assert_never(node)

    def _want(self, length: str) -> None:
        """One bounds check: `end` is that many bytes further, and they are there."""
        self.code(f"end = pos + {length}")
        with self.code.block("if end > size:"):
            self.code(f"_w.short(buf, pos, {length})")

    def _num(self, num: plan.Num, target: str | None) -> None:
        code = struct_code(num.name, num.size, num.signed)
        self._want(str(num.size))
        if target and code == "B":
            self.code(f"{target} = buf[pos]")
        elif target:
            order = ">" if num.order == "big" or self.framed else "<"
            self._unpack([target], self.consts.struct(order + code), "pos")
        self.code("pos = end")

    def _bytes(self, length: str, target: str | None) -> None:
        self._want(length if length.isidentifier() or length.isdecimal() else f"({length})")
        if target:
            self.code(f"{target} = bytes(buf[pos:end])")
        self.code("pos = end")

    def _numbers(self, count: str, num: plan.Num, target: str | None) -> None:
        if target and count.isdecimal():
            self._want(str(int(count) * num.size))
            order = ">" if num.order == "big" or self.framed else "<"
            letter = struct_code(num.name, num.size, num.signed)
            name = self.consts.struct(f"{order}{count}{letter}")
            self.code(f"{target} = list({name}.unpack_from(buf, pos))")
            self.code("pos = end")
            return
        if not target:
            self.code(f"pos = _w.place(buf, pos, ({count}) * {num.size})")
            return
        order = ">" if num.order == "big" or self.framed else "<"
        code = order + struct_code(num.name, num.size, num.signed)
        self.code(f"{target}, pos = _w.numbers(buf, pos, {count}, {code!r}, {num.size})")

    def _start(self, target: str | None) -> None:
        if target:
            self.code(f"{target} = []")

    def _count(self, target: str | None) -> str:
        """An expression for the index of the next element."""
        if target:
            return f"len({target})"
        index = self.code.temporary("i")
        self.code(f"{index} = -1")
        return index

    def _element(self, node: plan.Node, target: str | None, index: str) -> None:
        """Read one element and append it to `target`; an error in it learns its index."""
        code = self.code
        if not target and not index.startswith("len("):
            code(f"{index} += 1")
        one = code.temporary("e") if target else None
        with code.guard("_CodecError", index):
            self.node(node, one)
        if target:
            code(f"{target}.append({one})")

    def _rep(self, rep: plan.Rep, target: str | None) -> None:
        code = self.code
        if isinstance(rep.node, plan.Num):
            self._numbers(self.expr(rep.count), rep.node, target)
            return
        count = code.temporary("n")
        code(f"{count} = {self.expr(rep.count)}")
        flat = self._flat(rep.node)
        if flat is not None:
            run, key = flat
            self._want(f"{count} * {run.size}")
            if target:
                self._many(target, run, key, "buf[pos:end]")
            code("pos = end")
            return
        least = self._least(rep.node)
        if least:
            code(f"_w.place(buf, pos, {count} * {least})")
        self._start(target)
        index = code.temporary("i")
        if self.final == "final":
            self.final = f"final if {index} == {count} - 1 else final and 2"
        with self._counted(index, count):
            one = code.temporary("e") if target else None
            with code.guard("_CodecError", index):
                self.node(rep.node, one)
            if target:
                code(f"{target}.append({one})")

    @contextmanager
    def _counted(self, index: str, count: str) -> Iterator[None]:
        """The block is done for each `index` below `count`; on a scan, from the noted one on."""
        code, start = self.code, ""
        if self.notes:
            start = code.temporary("i")
            code(f"{start} = 0")
        with resumed(code, self.notes, [start], [f"{index} + 1"]) as round_:
            with code.block(f"for {index} in range({start and f'{start}, '}{count}):"):
                yield
                round_()

    def _least(self, node: plan.Node) -> int:
        match node:
            case plan.Call(key=key):
                return self.link.plan_of(key).least
            case plan.Text(prefix=prefix):
                return prefix
            case plan.Blob(length=length):
                return (ir.expr_bounds(length) or (0, 0))[0]
            case _:
                return 0

    def _flat(self, node: plan.Node) -> tuple[plan.Run, str] | None:
        """A plain struct of numbers and buffers alone: many of them are read at once."""
        if not isinstance(node, plan.Call) or node.arguments:
            return None
        run = flat_run(self.link.plan_of(node.key), self.framed)
        return None if run is None else (run, node.key)

    def _many(self, target: str, run: plan.Run, key: str, source: str) -> None:
        order = ">" if run.order == "big" or self.framed else "<"
        name = self.consts.struct(order + "".join(leaf.code for leaf in leaves(run.fields)))
        made = self.link.name("", key)
        self.code(f"{target} = list(_starmap({made}, {name}.iter_unpack({source})))")

    def _stop(self, stop: plan.Stop, target: str | None) -> None:
        code = self.code
        self._start(target)
        count = self._count(target)
        first = code.temporary()
        self.final = "final and 2"
        with (
            resumed(code, self.notes, [count]) as round_,
            code.block("while True:"),
        ):
            code("at = pos")
            self._num(stop.num, first)
            with code.block(f"if {first} == {stop.stop}:"):
                code("break")
            code("pos = at")
            self._element(stop.call, target, count)
            round_()

    def _total(self, total: plan.Total, target: str | None) -> None:
        code = self.code
        builder = self if target else type(self)(
            self.one, self.link, self.consts, code, self.framed, True
        )  # fmt: skip
        left = code.temporary("n")
        code("at = pos")
        code(f"{left} = {self.expr(total.total)}")
        self._start(target)
        count = self._count(target)
        with (
            resumed(code, self.notes, [left, count]) as round_,
            code.block(f"while {left} > 0:"),
        ):
            one = code.temporary("e")
            if not target:
                code(f"{count} += 1")
            with code.guard("_CodecError", count):
                builder.node(total.call, one)
            code(f"{left} -= {one}.{attribute(total.member)} or 0")  # absent counts as 0
            if target:
                code(f"{target}.append({one})")
            round_()
        with code.block(f"if {left}:"):
            whole = self.expr(total.total)
            code(f"_w.bad_sum(at, {whole}, ({whole}) - {left})")

    def _pairs(self, pairs: plan.Pairs, target: str | None) -> None:
        code = self.code
        wanted, found = code.temporary("n"), code.temporary("i")
        code("at = pos")
        self._num(plan.Num("u32", 4, False, "big"), wanted)
        self._start(target)
        code(f"{found} = 0")
        with (
            resumed(code, self.notes, [found]) as round_,
            code.block("while _w.tag(buf, pos, 1):"),
        ):
            code("pos += 1")
            key = code.temporary("e") if target else None
            value = code.temporary("e") if target else None
            with code.guard("_CodecError", found):
                self.node(pairs.key, key)
                self.node(pairs.value, value)
            code(f"{found} += 1")
            if target:
                code(f"{target}.append(({key}, {value}))")
            round_()
        code("pos += 1")
        with code.block(f"if {wanted} != {found}:"):
            code(f"_w.bad_count(at, {wanted}, {found})")

    def _maybe(self, maybe: plan.Maybe, target: str | None) -> None:
        code = self.code
        self._start(target)
        index = code.temporary("i")
        there = "_w.flag(buf, pos)"
        if maybe.mask is not None:
            mask = code.temporary("n")
            code(f"{mask} = {self.expr(maybe.mask)}")
            there = f"{mask} >> {index} & 1"
        with self._counted(index, self.expr(maybe.count)):
            one = code.temporary("e") if target else None
            with code.guard("_CodecError", index):
                with code.block(f"if {there}:"):
                    if maybe.mask is None:
                        code("pos += 1")
                    self.node(maybe.node, one)
                with code.block("else:"):
                    code("_w.marker(buf, pos, 0x30)")
                    code("pos += 1")
                    if one:
                        code(f"{one} = None")
            if target:
                code(f"{target}.append({one})")

    def _call(self, call: plan.Call, target: str | None) -> None:
        called = self.link.plan_of(call.key)
        given = arguments(call, called, self.names)
        final = "" if self.framed else f", {self.final}"
        if not self.build and noted(called, self.link):
            final += f", {self.notes or 'None'}"
        function = self.link.name(self.get, call.key)
        result = f"{target}, pos" if self.build else "pos"
        if self.build and not target:
            result = "_, pos"
        self.code(f"{result} = {function}(buf, pos{final}{given})")

    def _switch(
        self,
        switch: plan.Switch,
        target: str | None,
        read: Callable[[plan.Node, str | None], None],
    ) -> None:
        code = self.code
        on = code.temporary("n")
        code(f"{on} = {self.expr(switch.on)}")
        wire = ir.expr_bounds(switch.on) is None and not is_param(switch.on)
        word = "if"
        for label, node in switch.arms:
            shown = repr(label.encode()) if wire and isinstance(label, str) else repr(label)
            with code.block(f"{word} {on} == {shown}:"):
                read(node, target)
            word = "elif"
        with code.block("else:"):
            if switch.otherwise is not None:
                read(switch.otherwise, target)
            else:
                known = ", ".join(str(label) for label, _ in switch.arms)
                code(f"_w.bad_choice(pos, {on}, {known!r})")

    def _window(self, window: plan.Window, target: str | None) -> None:
        code = self.code
        end, outer = code.temporary("n"), code.temporary("t")
        code(f"{end} = _w.place(buf, pos, {self.expr(window.length)})")
        code(f"{outer} = buf, size, final")
        code(f"buf, size, final = memoryview(buf)[:{end}], {end}, True")
        after, self.final = self.final, "final"  # within the window, nothing follows
        notes, self.notes = self.notes, ""  # and all is there
        with code.block("try:"):
            self.node(window.node, target)
        self.final, self.notes = after, notes
        with code.block("except _Truncated as fault:"):
            code(f"raise _w.overrun(fault, {end}, 'the substream') from None")
        code(f"_w.leftover(pos, {end}, 'the substream') if pos != {end} else None")
        code(f"buf, size, final = {outer}")

    def _custom(self, name: str, target: str | None, at: str) -> None:
        function = self.link.custom("decode", name)
        self.code(f"{target or '_'}, pos = _c.decoded({function}, {name!r}, {at})")
