"""Parameters that nothing gives, found by what fits where a section's length is known.

A stream's JSON description records the length of what QEMU writes by open code (all of virtio), and
nothing of its inside. One length is one equation: enough for a truth or a word.

Law: a value is taken only if the section then ends where it is known to, and if no other change of
as few parameters does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from vmsc.runtime.codec import Param
from vmsc.runtime.errors import CodecError

__all__ = ["open_params", "tried"]

MAX_TRIALS = 64

ParamValue = int | str


def open_params(params: Sequence[Param], given: Mapping[str, Any]) -> tuple[Param, ...]:
    """Those of few values that are not given."""
    few = (p for p in params if p.kind in ("bool", "words") and not p.sticky)
    return tuple(p for p in few if p.name not in given)


def _others(param: Param) -> tuple[ParamValue, ...]:
    values: Sequence[ParamValue] = param.words or (0, 1)
    return tuple(v for v in values if v != param.default)


def _changes(params: Sequence[Param], count: int) -> Iterator[dict[str, ParamValue]]:
    """All ways to give `count` of the parameters another value than their default."""
    for chosen in combinations(params, count):
        for values in product(*map(_others, chosen)):
            yield {p.name: value for p, value in zip(chosen, values, strict=True)}


def tried(
    params: Sequence[Param], scan: Callable[[Mapping[str, ParamValue]], int], end: int
) -> dict[str, ParamValue]:
    """The values with which `scan` ends at `end`; none where nothing fits, or too much does."""

    def fits(values: Mapping[str, ParamValue]) -> bool:
        try:
            return scan(values) == end
        except CodecError:
            return False

    left = MAX_TRIALS
    for count in range(len(params) + 1):
        found = []
        for values in _changes(params, count):
            if left == 0:
                return {}
            left -= 1
            found += [values] if fits(values) else []
        if found:
            return found[0] if len(found) == 1 else {}
    return {}
