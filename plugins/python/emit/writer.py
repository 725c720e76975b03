"""The steps of a description as code that writes: what encode and measure write alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, assert_never

from vmsc import plan
from vmsc.plan.analysis import step_names, versioned

from ..code import attribute, sticky_name, wrapped
from ..consts import Leaf, leaves, num_bounds
from .function import Function
from .subsections import subsection_arguments

__all__ = [
    "Checked", "Checks", "Unchecked", "Writer", "each", "flat_fields", "only_run", "read_field",
    "subsections", "write_run", "write_steps",
]  # fmt: skip


def read_field(name: str) -> str:
    """A field of the value at hand."""
    return f"value.{attribute(name)}"


class Checks(Protocol):
    """What is refused of a value that its description cannot write."""

    def absent(self, names: Sequence[str]) -> None:
        """After an `if`: the fields are not present here."""

    def law(self, law: plan.Assert) -> None: ...

    def sticky(self, name: str, state: str) -> None:
        """After an `if`: the field is not sent here, so it is what it last was."""

    def end(self, names: Iterable[str]) -> None:
        """A loop ends with this round, which has no fields `names`."""


class Writer(Protocol):
    """Writes one function that writes, or measures."""

    @property
    def function(self) -> Function: ...

    @property
    def checks(self) -> Checks: ...

    def run(self, run: plan.Run) -> None: ...

    def node(self, node: plan.Node, value: str) -> None:
        """Write one value."""


@dataclass(frozen=True)
class Unchecked:
    """Measure takes the value as it is."""

    def absent(self, names: Sequence[str]) -> None:
        pass

    def law(self, law: plan.Assert) -> None:
        pass

    def sticky(self, name: str, state: str) -> None:
        pass

    def end(self, names: Iterable[str]) -> None:
        pass


@dataclass(frozen=True)
class Checked:
    """Encode refuses what a reader would not understand as it is meant."""

    function: Function

    def absent(self, names: Sequence[str]) -> None:
        for name in names:
            with self.function.code.block(f"elif {read_field(name)} is not None:"):
                self.function.code(f"_w.not_here({name!r}, {read_field(name)})")

    def law(self, law: plan.Assert) -> None:
        function, code = self.function, self.function.code
        with code.block(f"if not ({function.test(law.law)}):"):
            if law.bound is not None:
                told = f"{law.field!r}, {law.relation!r}, {function.expr(law.bound)}"
                code(f"_w.broken_value({told}, {read_field(law.field)})")
            else:
                code(f"_w.broken_value('', '', {law.text!r}, '', {law.why!r})")

    def sticky(self, name: str, state: str) -> None:
        with self.function.code.block(f"elif {read_field(name)} != {state}:"):
            self.function.code(f"_w.not_sticky({name!r}, {read_field(name)}, {state})")

    def end(self, names: Iterable[str]) -> None:
        code = self.function.code
        for name in names:
            with code.block(f"if {read_field(name)} is not None:"):
                code(f"_w.not_here({name!r}, {read_field(name)})")
        code("ended = True")
        code("_w.loop_end(index, len(rounds), ended)")


# --- steps ----------------------------------------------------------------------------------------


def write_steps(writer: Writer, steps: Sequence[plan.Step]) -> None:
    for at, step in enumerate(steps):
        _write_step(writer, step, steps[at + 1 :])


def _write_step(writer: Writer, step: plan.Step, behind: Sequence[plan.Step]) -> None:
    function, code = writer.function, writer.function.code
    match step:
        case plan.Run():
            _name_words(function, step)
            writer.run(step)
        case plan.Value(name=name, node=node):
            with code.guard("_CodecError", repr(name)):
                writer.node(node, read_field(name))
        case plan.Gate():
            _gate(writer, step)
        case plan.Keep():
            _keep(writer, step)
        case plan.Let(name=name, expr=expr):
            if name in function.wanted:
                code(f"l_{name} = {function.expr(expr)}")
        case plan.Assert():
            writer.checks.law(step)
        case plan.Break(condition=condition):
            with code.block(f"if {function.test(condition)}:"):
                writer.checks.end(name for each in behind for name in step_names(each))
                code("break")
        case _:
            assert_never(step)


def _name_words(function: Function, run: plan.Run) -> None:
    """Name the split words that later expressions read."""
    for each in run.fields:
        if isinstance(each.form, plan.Split) and each.name in function.wanted:
            word = " | ".join(read_field(name) for name, _ in each.form.parts)
            function.code(f"l_{each.name} = {word}")


def _gate(writer: Writer, gate: plan.Gate) -> None:
    function, code = writer.function, writer.function.code
    with code.block(f"if {function.test(gate.condition)}:"):
        write_steps(writer, gate.steps)
    writer.checks.absent(gate.names)
    words = [f"l_{name}" for name in gate.words if name in function.wanted]
    if words:
        with code.block("else:"):
            code(f"{' = '.join(words)} = 0")


def _keep(writer: Writer, keep: plan.Keep) -> None:
    function, code, name = writer.function, writer.function.code, keep.value.name
    state = sticky_name(name)
    with code.block(f"if {function.test(keep.condition)}:"):
        with code.guard("_CodecError", repr(name)):
            writer.node(keep.value.node, read_field(name))
        code(f"{state} = {read_field(name)}")
    writer.checks.sticky(name, state)


# --- runs -----------------------------------------------------------------------------------------


def only_run(one: plan.Plan) -> plan.Run | None:
    """The run that is all of the description's bytes, if that is so."""
    return None if one.kind == "loop" or one.subsections else one.only_run


def write_run(function: Function, run: plan.Run, into: str = "put(", *, framed: bool) -> None:
    """Pack a run; `into`: what becomes of the bytes."""
    code, found = function.code, leaves(run, function.link.plans)
    values = [_packed(function, leaf) for leaf in found]
    for leaf, value in zip(found, values, strict=True):
        if isinstance(leaf.form, plan.Blob):
            with code.block(f"if len({value}) != {leaf.size}:"):
                code(f"_w.size({value}, {leaf.size}, {leaf.shown!r}, 'bytes')")
    head = ["1", str(run.size)] if framed else []
    struct = function.run_struct(run, framed=framed)
    with code.block("try:"):
        tail = ")" * into.count("(")
        code.extend(wrapped([*head, *values], f"{into}{struct}.pack(", f"){tail}", code.depth))
    with code.block("except _unpackable as fault:"):
        order = ">" if framed or run.order == "big" else "<"
        table = function.consts.unfit_table(found, order)
        code(f"raise _w.outside(fault, value, {table}) from None")


def _packed(function: Function, leaf: Leaf) -> str:
    """What a run packs for a leaf."""
    *above, _ = stem = [attribute(name) for name in leaf.path]
    if leaf.parts:
        whole = ".".join(["value", *above])
        return " | ".join(
            f"_w.part({whole}.{attribute(name)}, {mask:#x}, {name!r})" for name, mask in leaf.parts
        )
    read = ".".join(["value", *stem])
    if leaf.via:
        to_wire = function.link.custom("to_wire", leaf.via)
        assert isinstance(leaf.form, plan.Num)
        low, high = num_bounds(leaf.form)
        told = f"{leaf.via!r}, {read}, {leaf.shown!r}, {low:#x}, {high:#x}"
        return f"_c.to_wire({to_wire}, {told})"
    return f"*{read}" if isinstance(leaf.form, plan.Row) else read


def flat_fields(function: Function, call: plan.Node, one: str, *, framed: bool) -> str | None:
    """What to pack of the local `one`, a plain struct of numbers; None for anything else. (Bytes
    would have to be measured first.)
    """
    run = function.flat(call, framed=framed)
    if run is None or not all(isinstance(f.form, plan.Num) for f in run.fields):
        return None
    return ", ".join(f"{one}.{attribute(f.name)}" for f in run.fields)


# --- sequences and subsections --------------------------------------------------------------------


@contextmanager
def each(
    function: Function, value: str, *, before: str = "", one: str = ""
) -> Iterator[tuple[str, str]]:
    """The block writes one element, the local that is given after its index; an error in it learns
    the index. `before`: a line in front of each element. `one`: what the elements are taken apart
    to, if they are.
    """
    code = function.code
    one, index = one or code.temporary("e"), code.temporary("i")
    with code.block(f"for {index}, {one} in enumerate({value}):"):
        if before:
            code(before)
        with code.guard("_CodecError", index):
            yield index, one


@dataclass(frozen=True)
class SubsectionText:
    """How a subsection that is there is written. `given`: the arguments after the value."""

    sub: plan.Subsection
    stem: str
    given: str
    versioned: bool

    @property
    def header(self) -> int:
        """The bytes of its header in QEMU's form."""
        return 1 + 1 + len(self.sub.wire.encode()) + 4

    def name(self, tag: bytes = b"") -> str:
        """The bytes of `tag`, the name after its length, and the version."""
        wire = self.sub.wire.encode()
        name = tag + bytes([len(wire)]) + wire
        if self.versioned:
            return f"{name!r} + version_.to_bytes(4)"
        return repr(name + self.sub.version.to_bytes(4))

    def call(self, put: str = "") -> str:
        """The call of the function for its body."""
        return f"{self.stem}({put}{read_field(self.sub.name)}{self.given})"


def subsections(function: Function, stem: str) -> Iterator[SubsectionText]:
    """For each subsection, within the code for one that is there."""
    code = function.code
    for sub in function.one.subsections:
        called = function.link.plan_of(sub.call.key)
        with code.block(f"if {read_field(sub.name)} is not None:"):
            with code.guard("_CodecError", repr(sub.name)):
                version = str(sub.version)
                if versioned(called):
                    version = "version_"
                    code(f"version_ = {read_field(sub.name)}.version_")
                    code(f"_w.check_version(version_, {sub.minimum}, {sub.version}, None)")
                given = subsection_arguments(function, sub, version)
                name = function.link.name(stem, sub.call.key)
                yield SubsectionText(sub, name, given, versioned(called))
