"""The steps of a description as code that reads: what all readers write alike."""

from __future__ import annotations

from typing import Protocol, assert_never

from vmsc import plan
from vmsc.plan.analysis import reads, step_names
from vmsc.schema import ir

from ..code import param_name, sticky_name
from ..linking import local
from .function import Function, Tail

__all__ = ["Reader", "all_names", "read_step"]


class Reader(Protocol):
    """Writes one function that reads."""

    @property
    def function(self) -> Function: ...

    @property
    def tail(self) -> Tail:
        """What is told of the description's own end."""

    def steps(self, steps: tuple[plan.Step, ...]) -> None: ...

    def run(self, run: plan.Run) -> None: ...

    def node(self, node: plan.Node, target: str | None, tail: Tail) -> None:
        """Read one value at `pos` and leave `pos` at its end; without a target, step over it."""

    def holds(self, law: plan.Assert) -> bool:
        """Whether the law is checked."""

    def back(self, law: plan.Assert) -> int:
        """How many bytes ago the law's field began; 0: not known."""

    def end_round(self, absent: frozenset[str]) -> None:
        """Close a loop's round, which lacks the fields `absent`."""


def all_names(one: plan.Plan) -> frozenset[str]:
    """What a function that builds a value needs: its fields, and the lets and words that are
    read.
    """
    read = {name for kind, name in reads(one.steps) if kind == "let"}
    read |= {
        name
        for sub in one.subsections
        for _, expr in sub.call.arguments
        for kind, name in ir.names_in(expr)
        if kind == "let"
    }
    return frozenset({m.name for m in one.members} | read)


def read_step(reader: Reader, step: plan.Step) -> None:
    function, code = reader.function, reader.function.code
    match step:
        case plan.Run():
            reader.run(step)
        case plan.Value(name=name, node=node):
            with code.guard("_CodecError", repr(name)):
                reader.node(node, function.target(name), reader.tail)
        case plan.Gate():
            _gate(reader, step)
        case plan.Keep():
            _keep(reader, step)
        case plan.Let(name=name, expr=expr):
            if name in function.wanted:
                code(f"l_{name} = {function.expr(expr)}")
        case plan.Assert():
            if reader.holds(step):
                _assert(reader, step)
        case plan.Break():
            _break(reader, step)
        case _:
            assert_never(step)


def _gate(reader: Reader, gate: plan.Gate) -> None:
    function, code = reader.function, reader.function.code
    with code.block(f"if {function.test(gate.condition)}:"):
        reader.steps(gate.steps)
    absent = [local(name) for name in gate.names if name in function.wanted]
    words = [f"l_{name}" for name in gate.words if name in function.wanted]
    if absent or words:
        with code.block("else:"):
            for names, value in ((absent, "None"), (words, "0")):
                if names:
                    code(f"{' = '.join(names)} = {value}")


def _keep(reader: Reader, keep: plan.Keep) -> None:
    """A sticky field: what it last was is kept for all loops that have it."""
    function, code = reader.function, reader.function.code
    name, state = keep.value.name, sticky_name(keep.value.name)
    with code.block(f"if {function.test(keep.condition)}:"):
        with code.guard("_CodecError", repr(name)):
            reader.node(keep.value.node, state, reader.tail)
    if name in function.wanted:
        code(f"{local(name)} = {state}")


def _break(reader: Reader, step: plan.Break) -> None:
    code, steps = reader.function.code, reader.function.one.steps
    behind = steps[steps.index(step) + 1 :]
    with code.block(f"if {reader.function.test(step.condition)}:"):
        reader.end_round(frozenset(name for each in behind for name in step_names(each)))
        code("break")


def _assert(reader: Reader, law: plan.Assert) -> None:
    function, code, back = reader.function, reader.function.code, reader.back(law)
    with code.block(f"if not ({function.test(law.law)}):"):
        at = f"pos - {back}" if back else "pos"
        if law.bound is not None:
            told = f"{law.field!r}, {law.relation!r}, {function.expr(law.bound)}"
            code(f"_w.broken({at}, {told}, {local(law.field)})")
        else:
            told = f"{law.text!r}, {_shown(law.law)}, {law.why!r}"
            code(f"_w.broken({at}, '', '', {told})")


def _shown(law: ir.Expr) -> str:
    """Text that shows the values that a law speaks of."""
    shown = []
    for kind, name in sorted(ir.names_in(law)):
        read = {"field": local(name), "let": f"l_{name}"}.get(
            kind, param_name(name) if name else "version"
        )
        shown.append(f"{name or 'version'} = {{{read}}}")
    return f"f{', '.join(shown)!r}" if shown else "''"
