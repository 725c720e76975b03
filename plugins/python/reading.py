"""The bodies of the functions that read: decode (both profiles) and scan (qemu; a framed value's head tells its end).

One emitter for the three: it differs in whether it builds values and in where lengths come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from vmsc import ir, plan

from .code import Code, Names, attribute, expression, param_name, struct_code, wrapped
from .consts import Consts, Leaf, flat_run, leaves, run_format

__all__ = ["Linker", "Reader", "arguments", "reads_version"]

_FIXED, _BYTES, _ARRAY, _LIST, _STRUCT = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Linker:
    """What a module's code must know of the others: a description's plan, and how to spell a thing of it."""

    program: plan.Program
    name: Callable[[str, str], str]  # (stem, key) -> `_std_pci.get_PciDevice`
    custom: Callable[[str, str], str]  # (function, wire type) -> `_scsi.decode_requests`

    def plan_of(self, key: str) -> plan.Plan:
        return self.program.plans[key]


def reads_version(one: plan.Plan) -> bool:
    """Whether the description's own body depends on its version."""
    return any(("version", "") in ir.names_in(e) for e in step_exprs(one.steps)) or any(
        ("version", "") in ir.names_in(e) for s in one.subsections for _, e in s.call.arguments
    )


def step_exprs(steps: Iterable[plan.Step], laws: bool = True) -> list[ir.Expr]:
    """All expressions of the steps; without those of laws, if so asked."""
    found: list[ir.Expr] = []
    for step in steps:
        match step:
            case plan.Value(node=node):
                found += node_exprs(node)
            case plan.Gate(condition=condition, steps=inner):
                found += [condition, *step_exprs(inner, laws)]
            case plan.Keep(condition=condition, value=value):
                found += [condition, *node_exprs(value.node)]
            case plan.Let(expr=expr) | plan.Break(condition=expr):
                found.append(expr)
            case plan.Assert(law=law):
                found += [law] if laws else []
            case plan.Run():
                pass
            case _:
                assert_never(step)
    return found


def node_exprs(node: plan.Node) -> list[ir.Expr]:
    match node:
        case plan.Num() | plan.Rest() | plan.Text() | plan.Custom():
            return []
        case plan.Blob(length=e) | plan.Words(bits=e):
            return [e]
        case plan.Rep(node=inner, count=e) | plan.Window(node=inner, length=e):
            return [e, *node_exprs(inner)]
        case plan.Stop(call=call):
            return node_exprs(call)
        case plan.Total(call=call, total=e):
            return [e, *node_exprs(call)]
        case plan.Tagged(node=inner):
            return node_exprs(inner)
        case plan.Pairs(key=key, value=value):
            return [*node_exprs(key), *node_exprs(value)]
        case plan.Maybe(node=inner, count=count, mask=mask):
            return [count, *([mask] if mask is not None else []), *node_exprs(inner)]
        case plan.Call(arguments=bound):
            return [e for _, e in bound]
        case plan.Switch(on=on, arms=arms, otherwise=otherwise):
            rest = [n for _, n in arms] + ([otherwise] if otherwise else [])
            return [on, *(e for n in rest for e in node_exprs(n))]
        case _:
            assert_never(node)


def arguments(call: plan.Call, called: plan.Plan, names: Names) -> str:
    """The bound parameters of a call, with a comma in front; the version only where the body reads it."""
    text = ""
    if reads_version(called):
        text += f", version={call.version or called.version}"
    for name, value in call.arguments:
        text += f", {param_name(name)}={expression(value, names)}"
    return text


def _var(name: str) -> str:
    return f"v_{name}"


@dataclass
class Reader:
    """Emits one function's body: `framed` or as QEMU has it, `build`ing values or only stepping over them."""

    one: plan.Plan
    link: Linker
    consts: Consts
    code: Code
    framed: bool
    build: bool

    def __post_init__(self) -> None:
        self.names = Names(_var)
        self.get = "getf" if self.framed else "get" if self.build else "skip"
        self.needed: set[str] = set()
        if not self.build:
            self.needed = self._needed()

    def _needed(self) -> set[str]:
        exprs = step_exprs(self.one.steps, laws=False)
        exprs += [e for s in self.one.subsections for _, e in s.call.arguments]
        return {name for e in exprs for kind, name in ir.names_in(e) if kind in ("field", "let")}

    def expr(self, expr: ir.Expr) -> str:
        return expression(expr, self.names)

    def wants(self, name: str) -> bool:
        return self.build or name in self.needed

    # --- the function's body ----------------------------------------------------------------------

    def body(self) -> None:
        self.code("size = len(buf)")
        if self.one.kind == "loop":
            self._loop()
            return
        self.steps(self.one.steps)
        self._subsections()
        if not self.build:
            self.code("return pos")
        else:
            self.code.extend(self._made("return ", ", pos"))

    def _made(self, head: str, tail: str) -> list[str]:
        members = [f"{_var(m.name)}" for m in self.one.members]
        if versioned(self.one):
            members.append("version")
        name = self.link.name("", self.one.key)
        return wrapped(members, f"{head}{name}(", f"){tail}", self.code.depth)

    def _loop(self) -> None:
        code = self.code
        if self.framed:
            code("buf, pos, size, count = _w.listed(buf, pos, None)")
        code("rounds = []" if self.build else "rounds = 0")
        with code.block("while True:"):
            index = "len(rounds)" if self.build else "rounds"
            for member in self.one.members:
                if self.wants(member.name) and (member.optional or self._after_break(member.name)):
                    code(f"{_var(member.name)} = None")
            with code.guard("_CodecError", index):
                if self.framed:
                    code("outer = buf, size")
                    code("buf, pos, size = _w.closed(buf, pos, _w.STRUCT)")
                self.steps(self.one.steps)
                if self.framed:
                    code("_w.leftover(pos, size, 'a round') if pos != size else None")
                    code("buf, size = outer")
            self._round("")
        if self.framed:
            code("_w.bad_count(pos, count, len(rounds)) if count != len(rounds) else None")
            code("_w.leftover(pos, size, 'a loop') if pos != size else None")
        code("return rounds, pos" if self.build else "return pos")

    def _after_break(self, name: str) -> bool:
        seen = False
        for step in self.one.steps:
            if isinstance(step, plan.Break):
                seen = True
            elif name in step_names(step):
                return seen
        return False

    def _round(self, end: str) -> None:
        if self.build:
            self.code.extend(self._made("rounds.append(", ")"))
        else:
            self.code("rounds += 1")
        if end:
            self.code(end)

    # --- steps ------------------------------------------------------------------------------------

    def steps(self, steps: tuple[plan.Step, ...]) -> None:
        fixed = 0  # bytes that a scan passes over in one go
        for step in steps:
            if (size := self._passed(step)) is not None:
                fixed += size
                continue
            self._pass(fixed)
            fixed = 0
            match step:
                case plan.Run():
                    self._run(step)
                case plan.Value(name=name, node=node):
                    self._value(name, node)
                case plan.Gate():
                    self._gate(step)
                case plan.Keep():
                    self._keep(step)
                case plan.Let(name=name, expr=expr):
                    if self.wants(name):
                        self.code(f"l_{name} = {self.expr(expr)}")
                case plan.Assert():
                    self._assert(step)
                case plan.Break(condition=condition):
                    with self.code.block(f"if {self.expr(condition)}:"):
                        if self.framed:
                            self.code("_w.leftover(pos, size, 'a round') if pos != size else None")
                            self.code("buf, size = outer")
                        self._round("break")
                case _:
                    assert_never(step)
        self._pass(fixed)

    def _passed(self, step: plan.Step) -> int | None:
        """How many bytes a step always has, if a scan can pass over them; laws that it leaves out have none."""
        if self.build:
            return None
        match step:
            case plan.Run(fields=fields, size=size):
                return None if any(map(self._leaf_wanted, leaves(fields))) else size
            case plan.Value(name=name, node=node) if not self.wants(name):
                return self._fixed(node)
            case plan.Assert():
                return None if self._law_wanted(step) else 0
            case plan.Let(name=name):
                return None if self.wants(name) else 0
            case _:
                return None

    def _fixed(self, node: plan.Node) -> int | None:
        """The bytes of a node that has always as many."""
        match node:
            case plan.Num(size=size):
                return size
            case plan.Blob(length=ir.Number(value=value)):
                return value
            case plan.Words(bits=ir.Number(value=value)):
                return -(-value // 64) * 8
            case plan.Rep(node=inner, count=ir.Number(value=value)):
                one = self._fixed(inner)
                return None if one is None else one * value
            case plan.Call(key=key):
                called = self.link.plan_of(key)
                return called.constant if called.kind == "struct" else None
            case _:
                return None

    def _pass(self, size: int) -> None:
        if size:
            self.code(f"pos += {size}")
            with self.code.block("if pos > size:"):
                self.code(f"_w.short(buf, pos - {size}, {size})")

    def _run(self, run: plan.Run) -> None:
        code = self.code
        found = leaves(run.fields)
        if self.framed:
            table = self.consts.table(run, 5)
            name = self.consts.struct(run_format(run, True))
            code(f"end = pos + {run.size + 5}")
            with code.block("if end > size:"):
                code(f"_w.short(buf, pos, {run.size + 5}, {table})")
            self._unpack(["kind", "length", *self._targets(found)], name, "pos")
            with code.block(f"if kind != {_FIXED} or length != {run.size}:"):
                code(f"_w.item(buf, pos, {_FIXED}, {run.size})")
        else:
            code(f"end = pos + {run.size}")
            with code.block("if end > size:"):
                code(f"_w.short(buf, pos, {run.size}, {self.consts.table(run)})")
            if self.build:
                name = self.consts.struct(run_format(run, False))
                self._unpack(self._targets(found), name, "pos")
            else:
                self._pick(run, found)
        code("pos = end")
        for leaf in found:
            self._finish(leaf, run.size)
        self._group(run.fields, ())

    def _targets(self, found: list[Leaf]) -> list[str]:
        targets: list[str] = []
        for leaf in found:
            stem = _var("_".join(leaf.path)) if len(leaf.path) == 1 else _path_var(leaf.path)
            if isinstance(leaf.form, plan.Row):
                targets += [f"{stem}_{i}" for i in range(leaf.form.count)]
            else:
                targets.append(stem)
        return targets

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

    def _pick(self, run: plan.Run, found: list[Leaf]) -> None:
        """On a scan, read those fields alone that say how long something is."""
        order = ">" if run.order == "big" else "<"
        for leaf in found:
            if not self._leaf_wanted(leaf):
                continue
            at = f"pos + {leaf.offset}" if leaf.offset else "pos"
            if leaf.size == 1 and leaf.code == "B":
                self.code(f"{self._targets([leaf])[0]} = buf[{at}]")
            else:
                self._unpack(self._targets([leaf]), self.consts.struct(order + leaf.code), at)

    def _leaf_wanted(self, leaf: Leaf) -> bool:
        names = {leaf.path[0], *(name for name, _ in leaf.parts)}
        return self.build or bool(names & self.needed)

    def _finish(self, leaf: Leaf, size: int) -> None:
        """Make a row's list, a split word's parts, a transformed value."""
        if not self._leaf_wanted(leaf):
            return
        stem = self._stem(leaf.path)
        if isinstance(leaf.form, plan.Row):
            parts = [f"{stem}_{i}" for i in range(leaf.form.count)]
            self.code.extend(wrapped(parts, f"{stem} = [", "]", self.code.depth))
        for name, mask in leaf.parts:
            self.code(f"{_var(name)} = {stem} & {mask:#x}")
            self.code(f"l_{leaf.path[0]} = {stem}")
        if leaf.via:
            function = self.link.custom("to_value", leaf.via)
            where = f"pos - {size - leaf.offset}, {'.'.join(leaf.path)!r}"
            self.code(f"{stem} = _c.to_value({function}, {leaf.via!r}, {stem}, {where})")

    def _stem(self, path: tuple[str, ...]) -> str:
        return _var(path[0]) if len(path) == 1 else _path_var(path)

    def _group(self, fields: tuple[plan.RunField, ...], path: tuple[str, ...]) -> None:
        for each in fields:
            if not isinstance(each.form, plan.Group):
                continue
            here = (*path, each.name)
            if not self.build and here[0] not in self.needed:
                continue
            self._group(each.form.fields, here)
            inner = [self._stem((*here, n)) for f in each.form.fields for n in _member_names(f)]
            name = self.link.name("", each.form.key)
            self.code.extend(wrapped(inner, f"{self._stem(here)} = {name}(", ")", self.code.depth))

    def _value(self, name: str, node: plan.Node) -> None:
        target = _var(name) if self.wants(name) else None
        with self.code.guard("_CodecError", repr(name)):
            self._with_target(node, target)

    def _with_target(self, node: plan.Node, target: str | None) -> None:
        """Emit a node; on a scan, one whose value is needed is built after all."""
        if target is None or self.build or self.framed:
            self.item(node, target) if self.framed else self.node(node, target)
            return
        builder = Reader(self.one, self.link, self.consts, self.code, False, True)
        builder.node(node, target)

    def _gate(self, gate: plan.Gate) -> None:
        with self.code.block(f"if {self.expr(gate.condition)}:"):
            self.steps(gate.steps)
        absent = [name for name in gate.names if self.wants(name)]
        if absent and self.one.kind != "loop":
            with self.code.block("else:"):
                self.code(f"{' = '.join(map(_var, absent))} = None")

    def _keep(self, keep: plan.Keep) -> None:
        name, state = keep.value.name, param_name(keep.value.name)
        with self.code.block(f"if {self.expr(keep.condition)}:"):
            with self.code.guard("_CodecError", repr(name)):
                if self.framed:
                    self.item(keep.value.node, state)
                else:
                    self.node(keep.value.node, state)
        self.code(f"{_var(name)} = {state}")

    def _assert(self, law: plan.Assert) -> None:
        if not self.build and not self._law_wanted(law):
            return
        optional = any(m.name == law.field and m.optional for m in self.one.members)
        test = f"not ({self.expr(law.law)})"
        if law.relation and optional and not self._in_gate(law):
            test = f"{_var(law.field)} is not None and {test}"
        with self.code.block(f"if {test}:"):
            at = f"pos - {law.back}" if law.back and not self.framed else "pos"
            if law.relation:
                assert law.bound is not None
                bound = self.expr(law.bound)
                found = _var(law.field)
                self.code(f"_w.broken({at}, {law.field!r}, {law.relation!r}, {bound}, {found})")
            else:
                found = self._values_of(law.law)
                text = f"_w.broken({at}, '', '', {law.text!r}, {found}, {law.why!r})"
                self.code(text)

    def _in_gate(self, law: plan.Assert) -> bool:
        return any(
            isinstance(step, plan.Gate) and law in step.steps for step in self.one.steps
        )

    def _values_of(self, law: ir.Expr) -> str:
        """Text that shows the values that a law speaks of."""
        shown = []
        for kind, name in sorted(ir.names_in(law)):
            read = {"field": _var(name), "let": f"l_{name}"}.get(kind, param_name(name) or "version")
            shown.append(f"{name or 'version'} = {{{read}}}")
        return f"f{', '.join(shown)!r}" if shown else "''"

    def _law_wanted(self, law: plan.Assert) -> bool:
        names = {n for kind, n in ir.names_in(law.law) if kind in ("field", "let")}
        return bool(law.field in self.needed) and names <= self.needed

    # --- nodes, as QEMU has them --------------------------------------------------------------------

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
                self._numbers(f"-(-({self.expr(bits)}) // 64)", plan.Num("u64", 8, False, "big"), target)
            case plan.Rep():
                self._rep(node, target)
            case plan.Stop():
                self._stop(node, target)
            case plan.Total():
                self._total(node, target)
            case plan.Tagged(node=inner, tag=tag):
                self._start(target)
                count = self._count(target)
                with code.block(f"while _w.tag(buf, pos, {tag}):"):
                    code("pos += 1")
                    self._element(inner, target, count)
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
        with code.block(f"for {index} in range({count}):"):
            one = code.temporary("e") if target else None
            with code.guard("_CodecError", index):
                self.node(rep.node, one)
            if target:
                code(f"{target}.append({one})")

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
        with code.block("while True:"):
            code("at = pos")
            self._num(stop.num, first)
            with code.block(f"if {first} == {stop.stop}:"):
                code("break")
            code("pos = at")
            self._element(stop.call, target, count)

    def _total(self, total: plan.Total, target: str | None) -> None:
        code = self.code
        builder = self if target else Reader(
            self.one, self.link, self.consts, code, self.framed, True
        )  # fmt: skip
        left = code.temporary("n")
        code("at = pos")
        code(f"{left} = {self.expr(total.total)}")
        self._start(target)
        count = self._count(target)
        with code.block(f"while {left} > 0:"):
            one = code.temporary("e")
            if not target:
                code(f"{count} += 1")
            with code.guard("_CodecError", count):
                builder.node(total.call, one)
            code(f"{left} -= {one}.{attribute(total.member)}")
            if target:
                code(f"{target}.append({one})")
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
        with code.block("while _w.tag(buf, pos, 1):"):
            code("pos += 1")
            key = code.temporary("e") if target else None
            value = code.temporary("e") if target else None
            with code.guard("_CodecError", found):
                self.node(pairs.key, key)
                self.node(pairs.value, value)
            code(f"{found} += 1")
            if target:
                code(f"{target}.append(({key}, {value}))")
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
        with code.block(f"for {index} in range({self.expr(maybe.count)}):"):
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
        final = "" if self.framed else ", final"
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
        wire = ir.expr_bounds(switch.on) is None and not _is_param(switch.on)
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
        with code.block("try:"):
            self.node(window.node, target)
        with code.block("except _Truncated as fault:"):
            code(f"raise _w.overrun(fault, {end}, 'the substream') from None")
        code(f"_w.leftover(pos, {end}, 'the substream') if pos != {end} else None")
        code(f"buf, size, final = {outer}")

    def _custom(self, name: str, target: str | None, at: str) -> None:
        function = self.link.custom("decode", name)
        self.code(f"{target or '_'}, pos = _c.decoded({function}, {name!r}, {at})")

    # --- nodes, framed ------------------------------------------------------------------------------

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
            case plan.Stop(call=inner_call) | plan.Total(call=inner_call):
                self._list_item(inner_call, None, target)
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

    # --- subsections --------------------------------------------------------------------------------

    def _subsections(self) -> None:
        if not self.one.peeks:
            return
        for sub in self.one.subsections:
            if self.build:
                self.code(f"{_var(sub.name)} = None")
        if self.framed:
            self._subsection_items()
            return
        code, owner = self.code, repr(self.one.wire.encode())
        known = "(" + "".join(f"{s.wire.encode()!r}, " for s in self.one.subsections) + ")"
        guard = "pos >= size or buf[pos] == 5"
        if not self.one.subsections:
            with code.block(f"if {guard}:"):
                code(f"peeked = _w.peek(buf, pos, {owner}, final)")
                with code.block("if peeked:"):
                    code("_w.unknown_subsection(pos, peeked[0], ())")
            return
        code("last = -1")
        with code.block(f"while {guard}:"):
            code(f"peeked = _w.peek(buf, pos, {owner}, final)")
            with code.block("if peeked is None:"):
                code("break")
            code("name, version_, body = peeked")
            self._subsection_arms(known, "body", "buf, body, final", "pos")

    def _subsection_items(self) -> None:
        code = self.code
        known = "(" + "".join(f"{s.wire.encode()!r}, " for s in self.one.subsections) + ")"
        code("last = -1")
        with code.block("while pos < size:"):
            code("name, version_, sub, body, stop = _w.subsection_item(buf, pos)")
            with code.block("try:"):
                self._subsection_arms(known, "body", "sub, body", "pos")
            with code.block("except _Truncated as fault:"):
                code("raise _w.overrun(fault, stop, 'the subsection') from None")
            code("_w.leftover(pos, stop, 'the subsection') if pos != stop else None")

    def _subsection_arms(self, known: str, body: str, args: str, at: str) -> None:
        code = self.code
        word = "if"
        for index, sub in enumerate(self.one.subsections):
            head = f"{word} name == {sub.wire.encode()!r} and last < {index}:"
            with code.block(head), code.guard("_CodecError", repr(sub.name)):
                code(f"last = {index}")
                low, high = min(sub.minimum, 255), sub.version
                code(f"_w.check_version(version_, {low}, {high}, {at})")
                called = self.link.plan_of(sub.call.key)
                given = "".join(
                    f", {param_name(n)}={self.expr(e)}" for n, e in sub.call.arguments
                )
                if takes_version(called):
                    given = f", version=version_{given}"
                function = self.link.name(self.get, sub.call.key)
                result = f"{_var(sub.name)}, pos" if self.build else "pos"
                code(f"{result} = {function}({args}{given})")
            word = "elif"
        if not self.one.subsections:
            code(f"_w.unknown_subsection({at}, name, ())")
            return
        with code.block("else:"):
            code(f"_w.unknown_subsection({at}, name, {known})")


def versioned(one: plan.Plan) -> bool:
    """A subsection of several versions keeps its own in the value."""
    return one.kind == "subsection" and one.minimum < one.version


def takes_version(one: plan.Plan) -> bool:
    return reads_version(one) or versioned(one)


def step_names(step: plan.Step) -> tuple[str, ...]:
    """The value's fields that a step reads."""
    match step:
        case plan.Run(fields=fields):
            return tuple(n for f in fields for n in _member_names(f))
        case plan.Value(name=name) | plan.Keep(value=plan.Value(name=name)):
            return (name,)
        case plan.Gate(names=names):
            return names
        case _:
            return ()


def _member_names(each: plan.RunField) -> tuple[str, ...]:
    return tuple(name for name, _ in each.parts) or (each.name,)


def _path_var(path: tuple[str, ...]) -> str:
    """A local for a field of a plain struct; two underscores keep it apart from a field called a_b."""
    return "v_" + "__".join(path)


def _is_param(expr: ir.Expr) -> bool:
    return isinstance(expr, ir.Ref) and expr.kind == "param"
