"""Code that reads one value as an item of the framed profile (docs/framed-format.md, section 4)."""

from __future__ import annotations

from typing import assert_never

from vmsc import plan

from .code import attribute, struct_code
from .linking import arguments
from .reading_nodes import NodeReader

__all__ = ["ItemReader"]

_FIXED, _BYTES = 1, 2


class ItemReader(NodeReader):
    """Adds items to nodes."""

    def item(self, node: plan.Node, target: str | None) -> None:
        """Read one value as an item. (Runs are items of their own, see _run.)"""
        code = self.code
        match node:
            case plan.Num(size=size):
                code(f"pos, end = _w.item(buf, pos, {_FIXED}, {size})")
                self._num(node, target)
            case plan.Blob(length=length):
                code(f"pos, end = _w.item(buf, pos, {_BYTES}, {self.expr(length)})")
                code(f"{target} = bytes(buf[pos:end])")
                code("pos = end")
            case plan.Rest() | plan.Text():
                code(f"pos, end = _w.item(buf, pos, {_BYTES})")
                if isinstance(node, plan.Text):
                    code(f"_w.text_limit(pos, end - pos, {node.limit})")
                code(f"{target} = bytes(buf[pos:end])")
                code("pos = end")
            case plan.Words(bits=bits, limit=limit):
                count = f"-(-({self.expr(bits)}) // 64)"
                self._array(plan.Num("u64", 8, False, "big"), count, -(-limit // 64), target)
            case plan.Rep():
                self._rep_item(node, target)
            case plan.Call() | plan.Window(node=plan.Call()):
                call = node if isinstance(node, plan.Call) else node.node
                assert isinstance(call, plan.Call)
                self._call_item(call, target)
            case plan.Window(node=inner):
                self.item(inner, target)
            case plan.Switch():
                self._switch(node, target, self.item)
            case plan.Custom(name=name):
                self._custom_item(name, target)
            case plan.Stop(call=call, member=member, stop=stop):
                self._list_item(call, None, target)
                code(f"_w.no_stop({target}, {attribute(member)!r}, {stop}, pos)")
            case plan.Total(call=call, member=member, total=total):
                self._list_item(call, None, target)
                code(f"_w.sum_is({target}, {attribute(member)!r}, {self.expr(total)}, pos)")
            case plan.Tagged(node=inner):
                self._list_item(inner, None, target)
            case plan.Maybe(node=inner, count=count_expr):
                self._maybe_item(node, inner, self.expr(count_expr), target)
            case plan.Pairs(key=key, value=value):
                self._pairs_item(key, value, target)
            case _:
                assert_never(node)

    def _array(self, num: plan.Num, count: str, limit: int, target: str | None) -> None:
        code = self.code
        code(f"pos, end, n = _w.array(buf, pos, {count}, {num.size}, {limit})")
        letter = struct_code(num.name, num.size, num.signed)
        code(f"{target}, pos = _w.numbers(buf, pos, n, '>{letter}', {num.size})")

    def _rep_item(self, rep: plan.Rep, target: str | None) -> None:
        code, count = self.code, self.expr(rep.count)
        if isinstance(rep.node, plan.Num):
            self._array(rep.node, count, rep.limit, target)
            return
        flat = self._flat(rep.node)
        if flat is not None and target:
            run, key = flat
            code(f"pos, end, n = _w.array(buf, pos, {count}, {run.size}, {rep.limit})")
            self._many(target, run, key, "buf[pos:end]")
            code("pos = end")
            return
        self._list_item(rep.node, count, target)

    def _enter(self, count: str | None, target: str | None) -> tuple[str, str, str]:
        """Open a LIST: the names of its outer buffer, its end and its count."""
        code = self.code
        outer, end, n = code.temporary("t"), code.temporary("n"), code.temporary("n")
        code(f"{outer} = buf, size")
        code(f"buf, pos, {end}, {n} = _w.listed(buf, pos, {count})")
        code(f"size = {end}")
        self._start(target)
        return outer, end, n

    def _leave(self, outer: str, end: str) -> None:
        self.code(f"_w.leftover(pos, {end}, 'the list') if pos != {end} else None")
        self.code(f"buf, size = {outer}")

    def _list_item(self, node: plan.Node, count: str | None, target: str | None) -> None:
        code = self.code
        outer, end, n = self._enter(count, target)
        index, one = code.temporary("i"), code.temporary("e")
        with code.block(f"for {index} in range({n}):"):
            with code.guard("_CodecError", index):
                self.item(node, one)
            code(f"{target}.append({one})")
        self._leave(outer, end)

    def _maybe_item(
        self, maybe: plan.Maybe, node: plan.Node, count: str, target: str | None
    ) -> None:
        code = self.code
        outer, end, n = self._enter(count, target)
        index, one = code.temporary("i"), code.temporary("e")
        there = "buf[pos] != _w.NULL"
        if maybe.mask is not None:
            mask = code.temporary("n")
            code(f"{mask} = {self.expr(maybe.mask)}")
            there = f"{mask} >> {index} & 1"
        with code.block(f"for {index} in range({n}):"):
            with code.guard("_CodecError", index):
                code("_w.place(buf, pos, 1)")
                with code.block(f"if {there}:"):
                    self.item(node, one)
                with code.block("else:"):
                    code("pos, _ = _w.item(buf, pos, _w.NULL, 0)")
                    code(f"{one} = None")
            code(f"{target}.append({one})")
        self._leave(outer, end)

    def _pairs_item(self, key: plan.Node, value: plan.Node, target: str | None) -> None:
        code = self.code
        outer, end, n = self._enter(None, target)
        index, one, two = code.temporary("i"), code.temporary("e"), code.temporary("e")
        with code.block(f"if {n} % 2:"):
            code(f"_w.bad_count(pos, {n}, {n} - 1)")
        with code.block(f"for {index} in range({n} // 2):"):
            with code.guard("_CodecError", index):
                self.item(key, one)
                self.item(value, two)
            code(f"{target}.append(({one}, {two}))")
        self._leave(outer, end)

    def _call_item(self, call: plan.Call, target: str | None) -> None:
        code = self.code
        called = self.link.plan_of(call.key)
        if called.kind == "loop":
            self._call(call, target)
            return
        sub, end = code.temporary("t"), code.temporary("n")
        code(f"{sub}, pos, {end} = _w.closed(buf, pos, _w.STRUCT)")
        given = arguments(call, called, self.names)
        function = self.link.name(self.get, call.key)
        self._closed(f"{target}, pos = {function}({sub}, pos{given})", end, "the description")

    def _closed(self, text: str, end: str, what: str) -> None:
        """Decode a part whose length is known: it may neither want more nor leave anything."""
        code = self.code
        with code.block("try:"):
            code(text)
        with code.block("except _Truncated as fault:"):
            code(f"raise _w.overrun(fault, {end}, {what!r}) from None")
        code(f"_w.leftover(pos, {end}, {what!r}) if pos != {end} else None")

    def _custom_item(self, name: str, target: str | None) -> None:
        code = self.code
        sub, end = code.temporary("t"), code.temporary("n")
        code(f"{sub}, pos, {end} = _w.closed(buf, pos, _w.BYTES)")
        function = self.link.custom("decode", name)
        call = f"{target}, pos = _c.decoded({function}, {name!r}, {sub}, pos)"
        self._closed(call, end, "the value")
