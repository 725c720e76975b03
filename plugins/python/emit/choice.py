"""Code that takes one of a choice's arms: a chain of comparisons for a few, a table for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vmsc import plan
from vmsc.schema import ir

from ..code import Code
from .function import Function

__all__ = ["CHAIN", "by_halves", "choose"]

# Python's parser nests `elif`s, so a chain of thousands cannot be imported; and a chain is slow.
CHAIN = 16

_SHOWN = 8  # labels that a message names

Arm = Callable[[plan.Node], None]
"""Writes the code for an arm."""


def choose(
    function: Function, switch: plan.Switch, bad: Callable[[str, str], str], arm: Arm
) -> None:
    """`bad` is given the value and, as text, what would have been good: the line that refuses."""
    code = function.code
    on = code.temporary("n")
    code(f"{on} = {function.expr(switch.on)}")
    wire = not ir.is_word(switch.on)
    labels = [
        repr(label.encode() if wire and isinstance(label, str) else label)
        for label, _ in switch.arms
    ]
    nodes = [node for _, node in switch.arms]

    def otherwise() -> None:
        if switch.otherwise is not None:
            arm(switch.otherwise)
            return
        known = ", ".join(str(label) for label, _ in switch.arms[:_SHOWN])
        if len(switch.arms) > _SHOWN:
            known += f", ... ({len(switch.arms)} labels)"
        code(bad(on, repr(known)))

    if len(labels) <= CHAIN:
        tests = [f"{on} == {label}" for label in labels]
        _chain(function, tests, nodes, arm, otherwise)
    else:
        _table(function, on, labels, nodes, arm, otherwise)


def _chain(
    function: Function,
    tests: Sequence[str],
    nodes: Sequence[plan.Node],
    arm: Arm,
    otherwise: Callable[[], None],
) -> None:
    word = "if"
    for test, node in zip(tests, nodes, strict=True):
        with function.code.block(f"{word} {test}:"):
            arm(node)
        word = "elif"
    with function.code.block("else:"):
        otherwise()


def _table(
    function: Function,
    on: str,
    labels: Sequence[str],
    nodes: Sequence[plan.Node],
    arm: Arm,
    otherwise: Callable[[], None],
) -> None:
    """A table from labels to the arms' numbers; arms that are alike share one."""
    code = function.code
    numbers: dict[plan.Node, int] = {}
    for node in nodes:
        numbers.setdefault(node, len(numbers))
    distinct = list(numbers)
    table = function.consts.arms(labels, [numbers[node] for node in nodes])
    which = code.temporary("n")
    code(f"{which} = {table}.get({on}, -1)")
    with code.block(f"if {which} < 0:"):
        otherwise()
    with code.block("else:"):
        by_halves(code, which, range(len(distinct)), lambda number: arm(distinct[number]))


def by_halves(code: Code, which: str, numbers: range, arm: Callable[[int], None]) -> None:
    """The arm whose number is `which`, found among `numbers` by halves."""
    if len(numbers) == 1:
        arm(numbers[0])
        return
    half = len(numbers) // 2
    with code.block(f"if {which} < {numbers[half]}:"):
        by_halves(code, which, numbers[:half], arm)
    with code.block("else:"):
        by_halves(code, which, numbers[half:], arm)
