"""What readers of one value share: lengths, substreams, many plain structs at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vmsc import plan
from vmsc.schema import ir

from .function import Function

__all__ = ["U64", "bytes_length", "least_of", "many", "refused_choice", "window", "words_count"]

U64 = plan.Num("u64", 8, False, "big")


def bytes_length(function: Function, length: ir.Expr) -> str:
    """A length as an operand of a sum."""
    text = function.expr(length)
    return text if text.isidentifier() or text.isdecimal() else f"({text})"


def words_count(function: Function, bits: ir.Expr) -> str:
    """How many words a bitmap has."""
    return f"-(-({function.expr(bits)}) // 64)"


def least_of(function: Function, node: plan.Node) -> int:
    """The least bytes of an element: what is compared with the input before elements are read."""
    match node:
        case plan.Call(key=key):
            return function.link.plan_of(key).least
        case plan.Text(prefix=prefix):
            return prefix
        case plan.Blob(length=length):
            return (ir.expr_bounds(length) or (0, 0))[0]
        case _:
            return 0


def many(function: Function, target: str, run: plan.Run, key: str, source: str) -> None:
    """Plain structs of numbers and buffers alone, read at once."""
    made, struct = function.link.name("", key), function.run_struct(run)
    function.code(f"{target} = list(_starmap({made}, {struct}.iter_unpack({source})))")


def refused_choice(on: str, known: str) -> str:
    return f"_w.bad_choice(pos, {on}, {known})"


@contextmanager
def window(function: Function, node: plan.Window) -> Iterator[None]:
    """The block reads what fills the window exactly: a buffer that ends with it."""
    code = function.code
    end, outer = code.temporary("n"), code.temporary("t")
    code(f"{end} = _w.place(buf, pos, {function.expr(node.length)})")
    code(f"{outer} = buf, size")
    code(f"buf, size = memoryview(buf)[:{end}], {end}")
    with code.block("try:"):
        yield
    with code.block("except _Truncated as fault:"):
        code(f"raise _w.overrun(fault, {end}, 'the substream') from None")
    code(f"_w.leftover(pos, {end}, 'the substream') if pos != {end} else None")
    code(f"buf, size = {outer}")
