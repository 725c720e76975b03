"""The bodies of the functions that write: encode in both profiles, and measure in QEMU's."""

from __future__ import annotations

from typing import assert_never

from vmsc import plan

from .code import attribute, param_name, wrapped
from .consts import Leaf, leaves, num_bounds, run_format
from .linking import step_names, takes_version, versioned
from .writing_items import ItemWriter
from .writing_nodes import read_field

__all__ = ["Writer"]

_FIXED, _SUBSECTION = 1, 6


class Writer(ItemWriter):
    """Emits one function's body."""

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

    @property
    def only_run(self) -> plan.Run | None:
        """The run that is all of the description, if that is so."""
        match self.one.steps:
            case (plan.Run() as run,) if self.one.kind != "loop" and not self.one.subsections:
                return run
            case _:
                return None

    def returned(self, run: plan.Run) -> None:
        """Return the bytes of the only run: there is no list of pieces to join."""
        self._run(run, "return ")

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
        for at, step in enumerate(steps):
            match step:
                case plan.Run():
                    self._run(step)
                case plan.Value(name=name, node=node):
                    with self.code.guard("_CodecError", repr(name)):
                        self._top(node, read_field(name))
                case plan.Gate(condition=condition, steps=inner):
                    with self.code.block(f"if {self.test(condition)}:"):
                        self.steps(inner)
                    if self.write:
                        for name in step.names:
                            with self.code.block(f"elif {read_field(name)} is not None:"):
                                self.code(f"_w.not_here({name!r}, {read_field(name)})")
                case plan.Keep():
                    self._keep(step)
                case plan.Let(name=name, expr=expr):
                    self.code(f"l_{name} = {self.expr(expr)}")
                case plan.Assert():
                    if self.write:
                        self._assert(step)
                case plan.Break(condition=condition):
                    with self.code.block(f"if {self.test(condition)}:"):
                        if self.write:
                            self._nothing_behind(steps[at + 1 :])
                            self.code("ended = True")
                            self.code("_w.loop_end(index, len(rounds), ended)")
                        self.code("break")
                case _:
                    assert_never(step)

    def _nothing_behind(self, steps: tuple[plan.Step, ...]) -> None:
        """The round that ends a loop has no fields behind its break."""
        for name in (n for step in steps for n in step_names(step)):
            with self.code.block(f"if {read_field(name)} is not None:"):
                self.code(f"_w.not_here({name!r}, {read_field(name)})")

    def _top(self, node: plan.Node, value: str) -> None:
        if self.framed:
            self.item(node, value)
        else:
            self.node(node, value)

    def _keep(self, keep: plan.Keep) -> None:
        code, name = self.code, keep.value.name
        state = param_name(name)
        with code.block(f"if {self.test(keep.condition)}:"):
            with code.guard("_CodecError", repr(name)):
                self._top(keep.value.node, read_field(name))
            code(f"{state} = {read_field(name)}")
        if self.write:
            with code.block(f"elif {read_field(name)} != {state}:"):
                code(f"_w.not_sticky({name!r}, {read_field(name)}, {state})")

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
                assert isinstance(leaf.form, plan.Num)
                low, high = num_bounds(leaf.form)
                args = f"{leaf.via!r}, {read}, {path!r}, {low:#x}, {high:#x}"
                read = f"_c.to_wire({function}, {args})"
            values.append(f"*{read}" if isinstance(leaf.form, plan.Row) else read)
        return values

    def _run(self, run: plan.Run, into: str = "put(") -> None:
        """`into`: what becomes of the bytes."""
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
            tail = ")" * into.count("(")
            code.extend(wrapped([*head, *values], f"{into}{name}.pack(", f"){tail}", code.depth))
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
        test = f"not ({self.test(law.law)})"
        if law.relation and optional:
            test = f"{read_field(law.field)} is not None and {test}"
        with self.code.block(f"if {test}:"):
            if law.relation:
                assert law.bound is not None
                bound, found = self.expr(law.bound), read_field(law.field)
                self.code(f"_w.broken_value({law.field!r}, {law.relation!r}, {bound}, {found})")
            else:
                self.code(f"_w.broken_value('', '', {law.text!r}, '', {law.why!r})")

    # --- subsections
    # --------------------------------------------------------------------------------

    def _subsections(self) -> None:
        for sub in self.one.subsections:
            value = read_field(sub.name)
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
