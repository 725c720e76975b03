"""Choices: where a random schema's decisions come from.

The same generator runs on a seeded `random.Random`, which is fast and repeats itself on every
machine, and on hypothesis, which shrinks. In both, 0 is the simplest choice: options are listed
with the simplest first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Choices", "seeded"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Choices:
    """`below(n)` is a number from 0 to n - 1. `plain`: names that collide with nothing; `without`:
    constructs (as in vmsc.testing.constructs) that are not drawn.
    """

    below: Callable[[int], int]
    plain: bool = False
    without: frozenset[str] = frozenset()

    def may(self, construct: str) -> bool:
        return construct not in self.without

    def allowed(self, options: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
        """The weighted options but for constructs that are not drawn."""
        return [(weight, each) for weight, each in options if each not in self.without]

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def one(self, options: Sequence[_T]) -> _T:
        return options[self.below(len(options))]

    def often(self, percent: int) -> bool:
        """True in so many cases of a hundred; False is simpler."""
        return self.below(100) >= 100 - percent

    def weighted(self, options: Sequence[tuple[int, _T]]) -> _T:
        """One of the options, each as often as its weight says."""
        at = self.below(sum(weight for weight, _ in options))
        for weight, option in options:
            if at < weight:
                return option
            at -= weight
        raise AssertionError("the weights do not add up")


def seeded(seed: str, plain: bool = False, without: frozenset[str] = frozenset()) -> Choices:
    """The choices that this seed stands for."""
    return Choices(random.Random(seed).randrange, plain, without)
