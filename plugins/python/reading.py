"""The bodies of the functions that read: decode in both profiles, and scan in QEMU's.

One emitter for the three: it differs in whether it builds values and in where lengths come from.
(A framed value's head tells its end: its scan needs no body.)
"""

from __future__ import annotations

from typing import assert_never

from vmsc import plan
from vmsc.schema import ir

from .code import param_name, wrapped
from .consts import Leaf, leaves, run_format
from .linking import (
    element_locals,
    local,
    path_local,
    run_names,
    step_names,
    versioned,
)
from .reading_subsections import SubsectionReader
from .resuming import resumed

__all__ = ["Reader"]

_FIXED = 1


def _has_bytes(step: plan.Step) -> bool:
    """Whether a step may read something."""
    return not isinstance(step, plan.Let | plan.Assert | plan.Break)


class Reader(SubsectionReader):
    """Emits one function's body."""

    # --- the function's body ----------------------------------------------------------------------

    def body(self) -> None:
        self.code("size = len(buf)")
        self._foresee()
        if self.one.kind == "loop":
            self._loop()
            return
        self.steps(self.one.steps)
        self.subsections()
        if not self.build:
            self.code("return pos")
        else:
            self.code.extend(self._made("return ", ", pos"))

    def _foresee(self) -> None:
        """A scan wants the least that there must be at once, so that it is not tried in vain."""
        if self.build:
            return
        found = 0
        for step in self.one.steps:
            if (size := self._passed(step)) is None:
                found += step.size if isinstance(step, plan.Run) else 0
                break
            found += size
        if self.one.least > found:
            with self.code.block(f"if pos + {self.one.least} > size:"):
                self.code(f"_w.short(buf, pos, {self.one.least})")

    def _made(self, head: str, tail: str) -> list[str]:
        members = [f"{local(m.name)}" for m in self.one.members]
        if versioned(self.one):
            members.append("version")
        name = self.link.name("", self.one.key)
        return wrapped(members, f"{head}{name}(", f"){tail}", self.code.depth)

    def _loop(self) -> None:
        code = self.code
        if self.framed:
            code("buf, pos, size, count = _w.listed(buf, pos, None)")
        code("rounds = []" if self.build else "rounds = 0")
        self.after = True  # another round may follow
        kept = [param_name(p.name) for p in self.one.params if p.sticky]
        with resumed(code, self.notes, ["rounds", *kept]) as round_, code.block("while True:"):
            index = "len(rounds)" if self.build else "rounds"
            for member in self.one.members:
                if self.wants(member.name) and (member.optional or self._after_break(member.name)):
                    code(f"{local(member.name)} = None")
            with code.guard("_CodecError", index):
                if self.framed:
                    code("outer = buf, size")
                    code("buf, pos, size = _w.closed(buf, pos, _w.STRUCT)")
                self.steps(self.one.steps)
                if self.framed:
                    code("_w.leftover(pos, size, 'a round') if pos != size else None")
                    code("buf, size = outer")
            self._round("")
            round_()
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
        after = self.after
        for index, step in enumerate(steps):
            self.after = after or any(map(_has_bytes, steps[index + 1 :]))
            self.final = "final and 2" if self.after else "final"
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
                    with self.code.block(f"if {self.test(condition)}:"):
                        if self.framed:
                            self.code("_w.leftover(pos, size, 'a round') if pos != size else None")
                            self.code("buf, size = outer")
                        self._round("break")
                case _:
                    assert_never(step)
        self.after = after
        self._pass(fixed)

    def _passed(self, step: plan.Step) -> int | None:
        """How many bytes a step always has, if a scan can pass over them; laws that it leaves
        out have none.
        """
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
            if isinstance(leaf.form, plan.Row):
                targets += element_locals(leaf.path, leaf.form.count)
            else:
                targets.append(path_local(leaf.path))
        return targets

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
        stem = path_local(leaf.path)
        if isinstance(leaf.form, plan.Row):
            parts = element_locals(leaf.path, leaf.form.count)
            self.code.extend(wrapped(parts, f"{stem} = [", "]", self.code.depth))
        for name, mask in leaf.parts:
            self.code(f"{local(name)} = {stem} & {mask:#x}")
            self.code(f"l_{leaf.path[0]} = {stem}")
        if leaf.via:
            function = self.link.custom("to_value", leaf.via)
            where = f"pos - {size - leaf.offset}, {'.'.join(leaf.path)!r}"
            self.code(f"{stem} = _c.to_value({function}, {leaf.via!r}, {stem}, {where})")

    def _group(self, fields: tuple[plan.RunField, ...], path: tuple[str, ...]) -> None:
        for each in fields:
            if not isinstance(each.form, plan.Group):
                continue
            here = (*path, each.name)
            if not self.build and here[0] not in self.needed:
                continue
            self._group(each.form.fields, here)
            inner = [path_local((*here, n)) for f in each.form.fields for n in run_names(f)]
            name = self.link.name("", each.form.key)
            self.code.extend(wrapped(inner, f"{path_local(here)} = {name}(", ")", self.code.depth))

    def _value(self, name: str, node: plan.Node) -> None:
        target = local(name) if self.wants(name) else None
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
        with self.code.block(f"if {self.test(gate.condition)}:"):
            self.steps(gate.steps)
        absent = [name for name in gate.names if self.wants(name)]
        if absent and self.one.kind != "loop":
            with self.code.block("else:"):
                self.code(f"{' = '.join(map(local, absent))} = None")

    def _keep(self, keep: plan.Keep) -> None:
        name, state = keep.value.name, param_name(keep.value.name)
        with self.code.block(f"if {self.test(keep.condition)}:"):
            with self.code.guard("_CodecError", repr(name)):
                if self.framed:
                    self.item(keep.value.node, state)
                else:
                    self.node(keep.value.node, state)
        self.code(f"{local(name)} = {state}")

    def _assert(self, law: plan.Assert) -> None:
        if not self.build and not self._law_wanted(law):
            return
        optional = any(m.name == law.field and m.optional for m in self.one.members)
        test = f"not ({self.test(law.law)})"
        if law.relation and optional and not self._in_gate(law):
            test = f"{local(law.field)} is not None and {test}"
        with self.code.block(f"if {test}:"):
            at = f"pos - {law.back}" if law.back and not self.framed else "pos"
            if law.relation:
                assert law.bound is not None
                bound = self.expr(law.bound)
                found = local(law.field)
                self.code(f"_w.broken({at}, {law.field!r}, {law.relation!r}, {bound}, {found})")
            else:
                found = self._values_of(law.law)
                text = f"_w.broken({at}, '', '', {law.text!r}, {found}, {law.why!r})"
                self.code(text)

    def _in_gate(self, law: plan.Assert) -> bool:
        return any(isinstance(step, plan.Gate) and law in step.steps for step in self.one.steps)

    def _values_of(self, law: ir.Expr) -> str:
        """Text that shows the values that a law speaks of."""
        shown = []
        for kind, name in sorted(ir.names_in(law)):
            read = {"field": local(name), "let": f"l_{name}"}.get(
                kind, param_name(name) if name else "version"
            )
            shown.append(f"{name or 'version'} = {{{read}}}")
        return f"f{', '.join(shown)!r}" if shown else "''"

    def _law_wanted(self, law: plan.Assert) -> bool:
        names = {n for kind, n in ir.names_in(law.law) if kind in ("field", "let")}
        return bool(law.field in self.needed) and names <= self.needed
