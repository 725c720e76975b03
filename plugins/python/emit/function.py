"""The function that is being written, and what a node in it is told of what follows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vmsc import plan
from vmsc.plan.analysis import flat_run, has_followed_call, versioned
from vmsc.schema import ir

from ..code import Code, sticky_name, wrapped
from ..consts import Consts, run_format
from ..expressions import Names, condition, expression
from ..linking import Linker, local

__all__ = ["START", "WINDOW", "Function", "Tail", "begin", "made"]

# Python takes 20 blocks within each other. Lists in lists are noted so deep only: a scan that is
# tried again looks at one element of such a list anew.
_NOTED_LAYERS = 3


@dataclass(frozen=True)
class Tail:
    """What a node is told of what follows it. What a nested description is told of the input's end,
    as Python text (see wire.peek): `last` if it comes last, `followed` if fields may follow it.
    `notes`: the name of the scan's notes, if it takes some. `layer`: how many lists the node lies
    in.
    """

    last: str = "final"
    followed: str = "more"
    notes: str = ""
    layer: int = 0

    def final(self, call: plan.Call) -> str:
        """What a nested description is told of the input's end."""
        return self.last if call.tail is plan.Tail.LAST else self.followed

    def element(self, index: str = "", count: str = "") -> Tail:
        """That of a list's element: of its number `index` of `count`, where they are known."""
        last = self.followed
        if index and self.last != self.followed:
            inner = self.last if self.last.isidentifier() else f"({self.last})"
            last = f"{inner} if {index} == {count} - 1 else {self.followed}"
        return replace(self, last=last, layer=self.layer + 1)

    @property
    def kept(self) -> str:
        """The name of the notes in which a list here is kept."""
        return self.notes if self.layer < _NOTED_LAYERS else ""


START = Tail()
"""Of a description's own fields."""

WINDOW = Tail(last="True", followed="3")
"""Of what fills a substream: it ends there, whatever follows."""


@dataclass(frozen=True)
class Function:
    """A function of the description `one`. `wanted`: the fields, lets and words whose values it
    needs.
    """

    one: plan.Plan
    link: Linker
    consts: Consts
    code: Code
    names: Names
    wanted: frozenset[str]

    @property
    def stickies(self) -> list[str]:
        """What sticky fields last were, where the description has any in it."""
        return [sticky_name(p.name) for p in self.one.params if p.sticky]

    def expr(self, expr: ir.Expr) -> str:
        return expression(expr, self.names)

    def test(self, expr: ir.Expr) -> str:
        return condition(expr, self.names)

    def target(self, name: str) -> str | None:
        """The local that a field goes to, None if nobody asks for it."""
        return local(name) if name in self.wanted else None

    def flat(self, node: plan.Node, *, framed: bool = False) -> plan.Run | None:
        """The run of a plain struct, of which many are read or written at once. Framed, all is
        big-endian.
        """
        if not isinstance(node, plan.Call) or node.arguments:
            return None
        run = flat_run(self.link.plan_of(node.key))
        return None if run is None or (framed and run.order != "big") else run

    def run_struct(self, run: plan.Run, *, framed: bool = False) -> str:
        """The name of a run's Struct."""
        return self.consts.struct(run_format(run, self.link.plans, framed=framed))


def begin(function: Function) -> None:
    """The locals that a reader of QEMU's form begins with."""
    function.code("size = len(buf)")
    if has_followed_call(function.one):
        function.code("more = final and final | 2")


def made(function: Function, head: str, tail: str, absent: frozenset[str] = frozenset()) -> None:
    """`head Class(fields) tail`: the value, made of the locals; fields in `absent` are None."""
    one, code = function.one, function.code
    values = ["None" if m.name in absent else local(m.name) for m in one.members]
    if versioned(one):
        values.append("version")
    name = function.link.name("", one.key)
    code.extend(wrapped(values, f"{head}{name}(", f"){tail}", code.depth))
