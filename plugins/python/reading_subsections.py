"""Code that reads the subsections behind a description's fields: found by peeking in QEMU's form,
items in the framed one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .code import param_name
from .linking import local, takes_version
from .reading_items import ItemReader
from .resuming import noted

__all__ = ["SubsectionReader"]

# Of so many subsections the headers are compared as a whole; one of more is looked up by its name.
_FEW = 4


class SubsectionReader(ItemReader):
    """Adds subsections to items."""

    def subsections(self) -> None:
        if not self.one.peeks:
            return
        for sub in self.one.subsections:
            if self.build:
                self.code(f"{local(sub.name)} = None")
        if self.framed:
            self._subsection_items()
            return
        code, owner = self.code, repr(self.one.wire.encode())
        known = "(" + "".join(f"{s.wire.encode()!r}, " for s in self.one.subsections) + ")"
        guard = "buf[pos] == 5 if pos < size else not final"
        if not self.one.subsections:
            with code.block(f"if {guard}:"):
                code(f"peeked = _w.peek(buf, pos, {owner}, final)")
                with code.block("if peeked:"):
                    code("_w.unknown_subsection(pos, peeked[0], ())")
            return
        code("last = -1")
        with code.block(f"while {guard}:"):
            with self._usual_headers():
                code(f"peeked = _w.peek(buf, pos, {owner}, final)")
                with code.block("if peeked is None:"):
                    code("break")
                code("name, version_, body = peeked")
            self._subsection_arms(known, "buf, body, final", "pos")

    @contextmanager
    def _usual_headers(self) -> Iterator[None]:
        """Compare with the whole header that each subsection has at its own version; the block is
        for all others.
        """
        few = self.one.subsections if len(self.one.subsections) <= _FEW else ()
        word = "if"
        for sub in few:
            name, version = sub.wire.encode(), min(sub.version, 255)
            head = bytes([5, len(name)]) + name + version.to_bytes(4)
            with self.code.block(f"{word} buf[pos:pos + {len(head)}] == {head!r}:"):
                self.code(f"name, version_, body = {name!r}, {version}, pos + {len(head)}")
            word = "elif"
        if not few:
            yield
            return
        with self.code.block("else:"):
            yield

    def _subsection_items(self) -> None:
        code = self.code
        known = "(" + "".join(f"{s.wire.encode()!r}, " for s in self.one.subsections) + ")"
        code("last = -1")
        with code.block("while pos < size:"):
            code("name, version_, sub, body, stop = _w.subsection_item(buf, pos)")
            with code.block("try:"):
                self._subsection_arms(known, "sub, body", "pos")
            with code.block("except _Truncated as fault:"):
                code("raise _w.overrun(fault, stop, 'the subsection') from None")
            code("_w.leftover(pos, stop, 'the subsection') if pos != stop else None")

    def _subsection_arms(self, known: str, args: str, at: str) -> None:
        code = self.code
        word = "if"
        for index, sub in enumerate(self.one.subsections):
            head = f"{word} name == {sub.wire.encode()!r} and last < {index}:"
            with code.block(head), code.guard("_CodecError", repr(sub.name)):
                code(f"last = {index}")
                low, high = min(sub.minimum, 255), sub.version
                with code.block(f"if not {low} <= version_ <= {high}:"):
                    code(f"_w.check_version(version_, {low}, {high}, {at})")
                called = self.link.plan_of(sub.call.key)
                given = "".join(f", {param_name(n)}={self.expr(e)}" for n, e in sub.call.arguments)
                if takes_version(called):
                    given = f", version=version_{given}"
                if not self.build and noted(called, self.link):
                    given = f", notes{given}"
                function = self.link.name(self.get, sub.call.key)
                result = f"{local(sub.name)}, pos" if self.build else "pos"
                code(f"{result} = {function}({args}{given})")
            word = "elif"
        if not self.one.subsections:
            code(f"_w.unknown_subsection({at}, name, ())")
            return
        with code.block("else:"):
            code(f"_w.unknown_subsection({at}, name, {known})")
