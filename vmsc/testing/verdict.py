"""Verdicts: what a codec and the interpreter say of one input, and whether they agree.

They need not say the same words. A codec checks a whole run of fields for its length at once, so
it may ask for more bytes, name what encloses the field that is cut, and find that the input is too
short before it finds what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vmsc.runtime.errors import CodecError, DecodeError, EncodeError, ParamError, Truncated
from vmsc.testing.interpreter import same

__all__ = ["Mismatch", "Verdict", "agree", "judged", "must", "shown"]


class Mismatch(Exception):
    """The codec is wrong, or the interpreter. `label` is of the kind: it stays while a schema
    shrinks.
    """

    def __init__(self, label: str, detail: str = "") -> None:
        super().__init__(f"{label}: {detail}")
        self.label = label
        self.detail = detail


@dataclass(frozen=True)
class Verdict:
    """A value and its end, or a refusal."""

    value: Any = None
    end: int = 0
    refusal: CodecError | None = None

    @property
    def code(self) -> str:
        return self.refusal.code if self.refusal is not None else "good"

    @property
    def offset(self) -> int:
        return self.refusal.offset if isinstance(self.refusal, DecodeError) else self.end


def shown(verdict: Verdict) -> str:
    if verdict.refusal is None:
        return f"{verdict.value!r}, end {verdict.end}"
    need = f" (need {verdict.refusal.need})" if isinstance(verdict.refusal, Truncated) else ""
    return f"[{verdict.code}] {verdict.refusal}{need}"


def judged(what: str, run: Callable[[], Verdict]) -> Verdict:
    """The verdict; what is raised and is not documented is a mismatch of its own."""
    try:
        return run()
    except (DecodeError, EncodeError, ParamError) as refusal:
        return Verdict(refusal=refusal)
    except Exception as fault:
        raise Mismatch(f"{what} raised {type(fault).__name__}", f"{fault}") from fault


def must(holds: bool, label: str, *parts: object) -> None:
    """Raise Mismatch unless it holds; the parts are its detail, a line each."""
    if not holds:
        texts = (shown(part) if isinstance(part, Verdict) else str(part) for part in parts)
        raise Mismatch(label, "\n".join(texts))


def _along(one: Sequence[str | int], other: Sequence[str | int]) -> bool:
    """Whether one path leads to the other's place, or to what encloses it.

    A codec names a field of a struct that lies in a run by both their names at once.
    """
    left, right = _steps(one), _steps(other)
    size = min(len(left), len(right))
    return left[:size] == right[:size]


def _steps(path: Sequence[str | int]) -> list[str | int]:
    return [
        step for part in path for step in (part.split(".") if isinstance(part, str) else [part])
    ]


def _at_one_place(codec: Verdict, oracle: Verdict) -> bool:
    """Whether both found the fault at one offset.

    A codec tries a `require` once the run around it is read, and may find a wrong count of pairs
    where they end or where the count stands.
    """
    match codec.code:
        case "count":
            return True
        case "law":
            return codec.offset >= oracle.offset
        case _:
            return codec.offset == oracle.offset


def _both_of_a_header(codec: Verdict, oracle: Verdict) -> bool:
    """A subsection that is unknown, late or there twice, and whose version is over 255, too: a
    codec finds the latter first.
    """
    codes = oracle.code in ("unknown-subsection", "non-canonical")
    return codes and codec.code == "non-canonical" and codec.offset > oracle.offset


def agree(what: str, codec: Verdict, oracle: Verdict, left: int | None = None) -> None:
    """Raise Mismatch where the verdicts, of plain values, differ; `left`: so many bytes of a good
    input were cut off.
    """
    both = "found", codec, "expected", oracle
    if _both_of_a_header(codec, oracle):
        return
    if codec.code == "transform" and oracle.code == "law" and codec.offset >= oracle.offset:
        return  # a codec transforms what lies in a run before it tries the laws of that run
    must(codec.code == oracle.code, f"{what}: {codec.code}, expected {oracle.code}", *both)
    if codec.refusal is None or oracle.refusal is None:
        must(codec.end == oracle.end, f"{what}: another end", *both)
        must(same(oracle.value, codec.value), f"{what}: another value", *both)
        return
    must(_at_one_place(codec, oracle), f"{what}: {codec.code} at another offset", *both)
    paths = codec.refusal.path, oracle.refusal.path
    must(_along(*paths), f"{what}: {codec.code} at another field", *both)
    if isinstance(codec.refusal, Truncated) and isinstance(oracle.refusal, Truncated):
        asks = codec.refusal.need
        must(asks > 0, f"{what}: needs nothing", *both)
        must(left is None or asks <= left, f"{what}: needs more than was cut", *both)
