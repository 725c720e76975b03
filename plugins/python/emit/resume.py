"""Scans that go on where an earlier try of them ended: the code around a list's loop.

A scan of bytes that are still arriving may be tried often. What is in a list was then looked at
before; `vmsc.runtime.notes` keeps how far it was found whole. Lists whose bytes are all there when
they begin (of equal elements, or in a substream) need no notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..code import Code

__all__ = ["resumed"]


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
