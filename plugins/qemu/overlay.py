"""Sequences laid over each other: what several forms of one thing have in common, in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

__all__ = ["Shapes", "condition", "in_order", "laid_over"]

Shapes = frozenset[int]

_T = TypeVar("_T")


def laid_over(
    base: Sequence[tuple[_T, Shapes]],
    items: Sequence[_T],
    number: int,
    merge: Callable[[_T, _T], _T | None],
) -> list[tuple[_T, Shapes]]:
    """The longest row that `base` and the form `number` share, with what one alone has between."""
    rows, columns = len(base), len(items)
    same = [[merge(b, item) for item in items] for b, _ in base]
    longest = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            both = longest[i + 1][j + 1] + 1 if same[i][j] is not None else 0
            longest[i][j] = max(both, longest[i + 1][j], longest[i][j + 1])
    result: list[tuple[_T, Shapes]] = []
    i = j = 0
    while i < rows or j < columns:
        merged = same[i][j] if i < rows and j < columns else None
        if merged is not None and longest[i][j] == longest[i + 1][j + 1] + 1:
            result.append((merged, base[i][1] | {number}))
            i, j = i + 1, j + 1
        elif i < rows and longest[i + 1][j] == longest[i][j]:
            result.append(base[i])
            i += 1
        else:
            result.append((items[j], frozenset({number})))
            j += 1
    return result


def in_order(rows: Iterable[Sequence[str]]) -> list[str]:
    """All names, in an order that is each row's where they agree on one."""
    names: list[str] = []
    for row in rows:
        at = 0
        for name in row:
            if name in names:
                at = names.index(name) + 1
            else:
                names.insert(at, name)
                at += 1
    return names


def condition(param: str, shapes: Shapes, every: Shapes) -> str:
    """When a thing is there that only these of all forms have."""
    if not param or shapes == every:
        return ""
    if len(every) > 2 and len(shapes) == len(every) - 1:
        (other,) = every - shapes
        return f"{param} != {other}"
    return " or ".join(f"{param} == {n}" for n in sorted(shapes))
