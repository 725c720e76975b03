"""Code that writes one value as an item of the framed profile (docs/framed-format.md, section
4).
"""

from __future__ import annotations

from typing import assert_never

from vmsc import plan

from .code import attribute
from .consts import flat_run
from .linking import arguments
from .writing_nodes import NodeWriter

__all__ = ["ItemWriter"]

_FIXED, _NULL = 1, 7


class ItemWriter(NodeWriter):
    """Adds items to nodes."""

    def item(self, node: plan.Node, value: str) -> None:
        """Write one value as an item."""
        code = self.code
        match node:
            case plan.Num(size=size):
                code(f"put(_w.item_header({_FIXED}, {size}))")
                self._num(node, value)
            case plan.Blob(length=length):
                self._check(value, self.expr(length), "bytes")
                code(f"put(_w.bytes_item({value}))")
            case plan.Rest():
                code(f"put(_w.bytes_item({value}))")
            case plan.Text(limit=limit):
                code(f"put(_w.bytes_item({value}, {limit}))")
            case plan.Words(bits=bits):
                self._check(value, f"-(-({self.expr(bits)}) // 64)")
                self._array(plan.Num("u64", 8, False, "big"), value)
            case plan.Rep():
                self._check(value, self.expr(node.count))
                self._rep_item(node, value)
            case plan.Call():
                self._call_item(node, value)
            case plan.Window(node=inner):
                self.item(inner, value)
            case plan.Switch():
                self._switch(node, value, self.item)
            case plan.Custom(name=name):
                function = self.link.custom("encode", name)
                code(f"put(_w.bytes_item(_c.encoded({function}, {name!r}, {value})))")
            case plan.Stop(call=call):
                code(f"_w.no_stop({value}, {attribute(node.member)!r}, {node.stop})")
                self._list(call, value)
            case plan.Total(call=call, member=member, total=total):
                self._sum(value, member, self.expr(total))
                self._list(call, value)
            case plan.Tagged(node=inner):
                self._list(inner, value)
            case plan.Maybe():
                self._check(value, self.expr(node.count))
                self._maybe_list(node, value)
            case plan.Pairs(key=key, value=inner):
                self._pairs_list(key, inner, value)
            case _:
                assert_never(node)

    def _array(self, num: plan.Num, value: str) -> None:
        self.code(f"put(_w.array_header(len({value}), {num.size}))")
        self._numbers(num, value)

    def _rep_item(self, rep: plan.Rep, value: str) -> None:
        if isinstance(rep.node, plan.Num):
            self._array(rep.node, value)
            return
        flat = None
        if isinstance(rep.node, plan.Call) and not rep.node.arguments:
            flat = flat_run(self.link.plan_of(rep.node.key), True)
        if flat is None:
            self._list(rep.node, value)
            return
        assert isinstance(rep.node, plan.Call)
        self.code(f"put(_w.array_header(len({value}), {flat.size}))")
        if not self._flat_each(rep.node, value):
            one, index = self.code.temporary("e"), self.code.temporary("i")
            function = self.link.name("put", rep.node.key)
            with self.code.block(f"for {index}, {one} in enumerate({value}):"):
                with self.code.guard("_CodecError", index):
                    self.code(f"{function}(put, {one})")

    def _open(self) -> tuple[str, str]:
        code = self.code
        outer, inner = code.temporary("t"), code.temporary("t")
        code(f"{outer} = put")
        code(f"{inner}: list[bytes] = []")
        code(f"put = {inner}.append")
        return outer, inner

    def _close(self, outer: str, inner: str, count: str) -> None:
        self.code(f"put = {outer}")
        self.code(f"put(_w.put_list({count}, {inner}))")

    def _list(self, node: plan.Node, value: str) -> None:
        code = self.code
        outer, inner = self._open()
        one, index = code.temporary("e"), code.temporary("i")
        with code.block(f"for {index}, {one} in enumerate({value}):"):
            with code.guard("_CodecError", index):
                self.item(node, one)
        self._close(outer, inner, f"len({value})")

    def _maybe_list(self, maybe: plan.Maybe, value: str) -> None:
        code = self.code
        outer, inner = self._open()
        one, index = code.temporary("e"), code.temporary("i")
        with code.block(f"for {index}, {one} in enumerate({value}):"):
            with code.guard("_CodecError", index):
                self._there(maybe, one, index)
                with code.block(f"if {one} is None:"):
                    code(f"put(_w.item_header({_NULL}, 0))")
                with code.block("else:"):
                    self.item(maybe.node, one)
        self._close(outer, inner, f"len({value})")

    def _pairs_list(self, key: plan.Node, node: plan.Node, value: str) -> None:
        code = self.code
        outer, inner = self._open()
        one, two = code.temporary("e"), code.temporary("e")
        index = code.temporary("i")
        with code.block(f"for {index}, ({one}, {two}) in enumerate({value}):"):
            with code.guard("_CodecError", index):
                self.item(key, one)
                self.item(node, two)
        self._close(outer, inner, f"2 * len({value})")

    def _call_item(self, call: plan.Call, value: str) -> None:
        code = self.code
        if self.link.plan_of(call.key).kind == "loop":
            self._call(call, value)
            return
        whole = code.temporary("t")
        code(f"{whole}: list[bytes] = []")
        given = arguments(call, self.link.plan_of(call.key), self.names)
        code(f"{self.link.name('putf', call.key)}({whole}.append, {value}{given})")
        code(f"put(_w.struct_item({whole}))")
