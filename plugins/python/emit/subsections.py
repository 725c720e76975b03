"""Code that reads the subsections after a description's fields: found by peeking in QEMU's form,
items in the framed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from vmsc import plan

from ..code import Code, param_name
from ..consts import Consts
from .choice import CHAIN, by_halves
from .function import Function

__all__ = ["peeked", "subsection_arguments", "subsection_items"]

# Of so many subsections the headers are compared as a whole; one of more is looked up by its name.
_FEW = 4

Line = Callable[[plan.Subsection], str]
"""The line that reads a subsection's body."""


def peeked(function: Function, line: Line) -> None:
    """QEMU looks for subsections where the fields end, even if the description has none."""
    code, subs = function.code, function.one.subsections
    owner = repr(function.one.wire.encode())
    guard = "buf[pos] == 5 if pos < size else not final"
    if not subs:
        with code.block(f"if {guard}:"):
            code(f"peeked = _w.peek(buf, pos, {owner}, final)")
            with code.block("if peeked:"):
                code("_w.unknown_subsection(pos, peeked[0], ())")
        return
    code("last = -1")
    with code.block(f"while {guard}:"):
        with _usual_headers(code, subs):
            code(f"peeked = _w.peek(buf, pos, {owner}, final)")
            with code.block("if peeked is None:"):
                code("break")
            code("name, version_, body = peeked")
        _arms(code, function.consts, subs, line)


@contextmanager
def _usual_headers(code: Code, subs: Sequence[plan.Subsection]) -> Iterator[None]:
    """Compare with the whole header that each subsection has at its own version; the block is for
    all others.
    """
    if len(subs) > _FEW:
        yield
        return
    word = "if"
    for sub in subs:
        name, version = sub.wire.encode(), min(sub.version, 255)
        head = bytes([5, len(name)]) + name + version.to_bytes(4)
        with code.block(f"{word} buf[pos:pos + {len(head)}] == {head!r}:"):
            code(f"name, version_, body = {name!r}, {version}, pos + {len(head)}")
        word = "elif"
    with code.block("else:"):
        yield


def subsection_items(function: Function, line: Line) -> None:
    """Framed, what follows the fields are subsections, and nothing else."""
    code = function.code
    code("last = -1")
    with code.block("while pos < size:"):
        code("name, version_, sub, body, stop = _w.subsection_item(buf, pos)")
        with code.block("try:"):
            _arms(code, function.consts, function.one.subsections, line)
        with code.block("except _Truncated as fault:"):
            code("raise _w.overrun(fault, stop, 'the subsection') from None")
        code("_w.leftover(pos, stop, 'the subsection') if pos != stop else None")


def _arms(code: Code, consts: Consts, subs: Sequence[plan.Subsection], line: Line) -> None:
    names = [sub.wire.encode() for sub in subs]
    unknown = f"_w.unknown_subsection(pos, name, ({''.join(f'{name!r}, ' for name in names)}))"
    if len(subs) > CHAIN:
        table = consts.arms(list(map(repr, names)), range(len(subs)))
        code(f"which = {table}.get(name, -1)")
        with code.block("if which <= last:"):
            code(unknown)
        by_halves(code, "which", range(len(subs)), lambda index: _arm(code, index, subs, line))
        return
    word = "if"
    for index, name in enumerate(names):
        with code.block(f"{word} name == {name!r} and last < {index}:"):
            _arm(code, index, subs, line)
        word = "elif"
    if not subs:
        code(unknown)
        return
    with code.block("else:"):
        code(unknown)


def _arm(code: Code, index: int, subs: Sequence[plan.Subsection], line: Line) -> None:
    sub = subs[index]
    with code.guard("_CodecError", repr(sub.name)):
        code(f"last = {index}")
        low, high = min(sub.minimum, 255), sub.version
        with code.block(f"if not {low} <= version_ <= {high}:"):
            code(f"_w.check_version(version_, {low}, {high}, pos)")
        code(line(sub))


def subsection_arguments(function: Function, sub: plan.Subsection, version: str) -> str:
    """What a subsection's function is given beside the bytes, with a comma in front."""
    given = f", version={version}" if function.link.takes_version(sub.call.key) else ""
    for name, expr in sub.call.arguments:
        given += f", {param_name(name)}={function.expr(expr)}"
    return given
