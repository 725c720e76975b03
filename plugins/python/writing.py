"""The bodies of the functions that write: encode in both profiles, and measure in QEMU's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from vmsc import ir, plan

from .code import Code, Names, attribute, expression, param_name, struct_code, wrapped
from .consts import Consts, Leaf, flat_run, leaves, run_format
from .reading import Linker, arguments, takes_version, versioned

__all__ = ["Writer"]

_FIXED, _BYTES, _STRUCT, _SUBSECTION, _NULL = 1, 2, 5, 6, 7


def _field(name: str) -> str:
    return f"value.{attribute(name)}"


@dataclass
class Writer:
    """Emits one function's body. `write`: bytes go to `put`; else their number is added to `n`."""

    one: plan.Plan
    link: Linker
    consts: Consts
    code: Code
    framed: bool
    write: bool = True

    def __post_init__(self) -> None:
        self.names = Names(_field)
        self.call_stem = "putf" if self.framed else "put" if self.write else "length"

    def expr(self, expr: ir.Expr) -> str:
        return expression(expr, self.names)

    # --- the function's body ----------------------------------------------------------------------

    def body(self) -> None:
        if self.one.kind == "loop":
            self._loop()
            return
        if not self.write:
            self.code("n = 0")
        self.steps(self.one.steps)
        self._subsections()
        if not self.write:
            self.code("return n")

    def _loop(self) -> None:
        code = self.code
        code("n = 0" if not self.write else "ended = False")
        if self.framed:
            code("put_ = put")
            code("items: list[bytes] = []")
        with code.block("for index, value in enumerate(rounds):"):
            with code.guard("_CodecError", "index"):
                if self.framed:
                    code("out: list[bytes] = []")
                    code("put = out.append")
                self.steps(self.one.steps)
            if self.framed:
                code("items.append(_w.struct_item(out))")
        if self.write:
            code("_w.loop_end(len(rounds) - 1, len(rounds), ended)")
        if self.framed:
            code("items.append(_w.struct_item(out))  # the round that ended the loop")
            code("put_(_w.put_list(len(items), items))")
        if not self.write:
            code("return n")

    # --- steps ------------------------------------------------------------------------------------

    def steps(self, steps: tuple[plan.Step, ...]) -> None:
        for step in steps:
            match step:
                case plan.Run():
                    self._run(step)
                case plan.Value(name=name, node=node):
                    with self.code.guard("_CodecError", repr(name)):
                        self._top(node, _field(name))
                case plan.Gate(condition=condition, steps=inner):
                    with self.code.block(f"if {self.expr(condition)}:"):
                        self.steps(inner)
                    if self.write:
                        for name in step.names:
                            with self.code.block(f"elif {_field(name)} is not None:"):
                                self.code(f"_w.not_here({name!r}, {_field(name)})")
                case plan.Keep():
                    self._keep(step)
                case plan.Let(name=name, expr=expr):
                    self.code(f"l_{name} = {self.expr(expr)}")
                case plan.Assert():
                    if self.write:
                        self._assert(step)
                case plan.Break(condition=condition):
                    with self.code.block(f"if {self.expr(condition)}:"):
                        if self.write:
                            self.code("ended = True")
                            self.code("_w.loop_end(index, len(rounds), ended)")
                        self.code("break")
                case _:
                    assert_never(step)

    def _top(self, node: plan.Node, value: str) -> None:
        if self.framed:
            self.item(node, value)
        else:
            self.node(node, value)

    def _keep(self, keep: plan.Keep) -> None:
        code, name = self.code, keep.value.name
        state = param_name(name)
        with code.block(f"if {self.expr(keep.condition)}:"):
            with code.guard("_CodecError", repr(name)):
                self._top(keep.value.node, _field(name))
            code(f"{state} = {_field(name)}")
        if self.write:
            with code.block(f"elif {_field(name)} != {state}:"):
                code(f"_w.not_sticky({name!r}, {_field(name)}, {state})")

    def _values(self, found: list[Leaf]) -> list[str]:
        values = []
        for leaf in found:
            read = "value." + ".".join(map(attribute, leaf.path))
            if leaf.parts:
                stem = "value" + "".join(f".{attribute(p)}" for p in leaf.path[:-1])
                read = " | ".join(
                    f"_w.part({stem}.{attribute(name)}, {mask:#x}, {name!r})"
                    for name, mask in leaf.parts
                )
            if leaf.via:
                function = self.link.custom("to_wire", leaf.via)
                path = ".".join(leaf.path)
                read = f"_c.to_wire({function}, {leaf.via!r}, {read}, {path!r})"
            values.append(f"*{read}" if isinstance(leaf.form, plan.Row) else read)
        return values

    def _run(self, run: plan.Run) -> None:
        code = self.code
        self._split_words(run)
        if not self.write:
            code(f"n += {run.size}")
            return
        found = leaves(run.fields)
        values = self._values(found)
        for leaf, value in zip(found, values, strict=True):
            if isinstance(leaf.form, plan.Blob):
                with code.block(f"if len({value}) != {leaf.size}:"):
                    code(f"_w.size({value}, {leaf.size}, {'.'.join(leaf.path)!r}, 'bytes')")
        head = [str(_FIXED), str(run.size)] if self.framed else []
        name = self.consts.struct(run_format(run, self.framed))
        with code.block("try:"):
            code.extend(wrapped([*head, *values], f"put({name}.pack(", "))", code.depth))
        with code.block("except _unpackable as fault:"):
            order = ">" if self.framed or run.order == "big" else "<"
            table = self.consts.unfit_table(found, order)
            code(f"raise _w.outside(fault, value, {table}) from None")

    def _split_words(self, run: plan.Run) -> None:
        """Name the whole words that later expressions read."""
        for each in run.fields:
            if each.parts:
                word = " | ".join(f"value.{attribute(name)}" for name, _ in each.parts)
                self.code(f"l_{each.name} = {word}")

    def _assert(self, law: plan.Assert) -> None:
        optional = any(m.name == law.field and m.optional for m in self.one.members)
        test = f"not ({self.expr(law.law)})"
        if law.relation and optional:
            test = f"{_field(law.field)} is not None and {test}"
        with self.code.block(f"if {test}:"):
            if law.relation:
                assert law.bound is not None
                bound, found = self.expr(law.bound), _field(law.field)
                self.code(f"_w.broken_value({law.field!r}, {law.relation!r}, {bound}, {found})")
            else:
                self.code(f"_w.broken_value('', '', {law.text!r}, '', {law.why!r})")

    # --- nodes, as QEMU has them --------------------------------------------------------------------

    def _out(self, data: str, size: str) -> None:
        self.code(f"put({data})" if self.write else f"n += {size}")

    def _check(self, value: str, count: str, what: str = "elements") -> None:
        if self.write:
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
                self._switch(node, value)
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

    def _flat_each(self, node: plan.Node, value: str) -> bool:
        """Write plain structs of numbers in one go; only what does not fit is looked at one by one."""
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

    def _switch(self, switch: plan.Switch, value: str) -> None:
        code = self.code
        on = code.temporary("n")
        code(f"{on} = {self.expr(switch.on)}")
        param = isinstance(switch.on, ir.Ref) and switch.on.kind == "param"
        wire = ir.expr_bounds(switch.on) is None and not param
        word = "if"
        for label, node in switch.arms:
            shown = repr(label.encode()) if wire and isinstance(label, str) else repr(label)
            with code.block(f"{word} {on} == {shown}:"):
                self._top(node, value)
            word = "elif"
        with code.block("else:"):
            if switch.otherwise is not None:
                self._top(switch.otherwise, value)
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

    # --- nodes, framed ------------------------------------------------------------------------------

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
                self._switch(node, value)
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

    # --- subsections --------------------------------------------------------------------------------

    def _subsections(self) -> None:
        for sub in self.one.subsections:
            value = _field(sub.name)
            called = self.link.plan_of(sub.call.key)
            with self.code.block(f"if {value} is not None:"):
                with self.code.guard("_CodecError", repr(sub.name)):
                    self._subsection(sub, called, value)

    def _subsection(self, sub: plan.Subsection, called: plan.Plan, value: str) -> None:
        code = self.code
        given = "".join(f", {param_name(n)}={self.expr(e)}" for n, e in sub.call.arguments)
        version = str(sub.version)
        if versioned(called):
            code(f"version_ = {value}.version_")
            code(f"_w.check_version(version_, {sub.minimum}, {sub.version}, None)")
            version = "version_"
        if takes_version(called):
            given = f", version={version}{given}"
        wire = sub.wire.encode()
        function = self.link.name(self.call_stem, sub.call.key)
        if not self.write:
            code(f"n += {1 + 1 + len(wire) + 4} + {function}({value}{given})")
            return
        name = bytes([len(wire)]) + wire
        number = f"{version}.to_bytes(4)" if version == "version_" else ""
        head = repr(name) if number else repr(name + sub.version.to_bytes(4))
        tail = f" + {number}" if number else ""
        if not self.framed:
            first = repr(b"\x05" + (name if number else name + sub.version.to_bytes(4)))
            code(f"put({first}{tail})")
            code(f"{function}(put, {value}{given})")
            return
        whole = code.temporary("t")
        code(f"{whole}: list[bytes] = [{head}{tail}]")
        code(f"{function}({whole}.append, {value}{given})")
        code(f"put(_w.struct_item({whole}, {_SUBSECTION}))")
