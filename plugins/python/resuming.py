"""Scans that go on where an earlier try of them ended: which lists are noted, and the code for it.

A scan of bytes that are still arriving may be tried often. What is in a list was then looked at
before; `vmsc.runtime.notes` keeps how far it was found whole. Lists whose bytes are all there when
they begin (of equal elements, or in a substream) need no notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import assert_never

from vmsc import plan

from .code import Code
from .linking import Linker

__all__ = ["noted", "resumed"]


def noted(one: plan.Plan, link: Linker) -> bool:
    """Whether a scan of the description takes notes: it has a list, or what it calls has."""
    if one.kind == "loop":
        return True
    calls = any(noted(link.plan_of(sub.call.key), link) for sub in one.subsections)
    return calls or any(_noted_node(node, link) for node in _nodes(one.steps))


def _nodes(steps: Iterable[plan.Step]) -> Iterator[plan.Node]:
    for step in steps:
        match step:
            case plan.Value(node=node) | plan.Keep(value=plan.Value(node=node)):
                yield node
            case plan.Gate(steps=inner):
                yield from _nodes(inner)
            case plan.Run() | plan.Let() | plan.Assert() | plan.Break():
                pass
            case _:
                assert_never(step)


def _noted_node(node: plan.Node, link: Linker) -> bool:
    match node:
        case plan.Stop() | plan.Total() | plan.Tagged() | plan.Pairs() | plan.Maybe():
            return True
        case plan.Rep(node=inner):
            return not isinstance(inner, plan.Num)
        case plan.Call(key=key):
            return noted(link.plan_of(key), link)
        case plan.Switch(arms=arms, otherwise=otherwise):
            inner_ = [n for _, n in arms] + ([otherwise] if otherwise else [])
            return any(_noted_node(n, link) for n in inner_)
        case _:
            return False


@contextmanager
def resumed(
    code: Code, notes: str, state: Sequence[str], after: Sequence[str] = ()
) -> Iterator[Callable[[], None]]:
    """The block is a list's loop: it begins with `pos` and `state` as they are noted, and what it
    yields is called at the end of each round; `after`: the state then, if it is another text.

    `notes` is the name of the notes, empty where there are none.
    """
    if not notes:
        yield lambda: None
        return
    number, mark = code.temporary("n"), code.temporary("m")
    names = ", ".join(["pos", *state])
    code(f"{number} = 0")
    with code.block(f"if {notes} is not None:"):
        code(f"{number}, {names} = {notes}.enter({names})")
    code(f"{mark} = {names}, {notes} and {notes}.entered")
    with code.block("try:"):
        yield lambda: code(
            f"{mark} = {', '.join(['pos', *(after or state)])}, {notes} and {notes}.entered"
        )
    with code.block("except _Truncated:"):
        with code.block(f"if {notes} is not None:"):
            code(f"{notes}.keep({number}, *{mark})")
        code("raise")
