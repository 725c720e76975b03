"""Digests of plans: what tells whether two descriptions stand for the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from vmsc import plan
from vmsc.plan.text import Style, step_lines, subsection_text

__all__ = ["digest_of", "layout_text"]


def digest_of(one: plan.Plan, plans: Mapping[str, plan.Plan]) -> bytes:
    """Eight bytes that tell the layout; `plans` holds the descriptions that this one calls."""
    return hashlib.sha256(layout_text(one, plans).encode()).digest()[:8]


def layout_text(one: plan.Plan, plans: Mapping[str, plan.Plan]) -> str:
    """What decides which bytes a description stands for, and nothing else: what digests are of.

    Neither Python's names nor laws nor docs are in it; those it calls are there by their digests.
    """
    lines = [f"{one.kind} version {one.version} minimum {one.minimum}"]
    lines += [f"    param {p.name}: {p.kind} {' '.join(p.words)}" for p in one.params]
    style = Style(lambda key: plans[key].digest.hex(), partial(_group_fields, plans), layout=True)
    for step in _lawless(one.steps):
        lines += step_lines(step, style, "    ")
    return "\n".join([*lines, *(subsection_text(sub, style) for sub in one.subsections)]) + "\n"


def _group_fields(plans: Mapping[str, plan.Plan], key: str) -> tuple[plan.RunField, ...]:
    run = plans[key].only_run
    assert run is not None
    return run.fields


def _lawless(steps: Sequence[plan.Step]) -> list[plan.Step]:
    found: list[plan.Step] = []
    for step in steps:
        match step:
            case plan.Assert():
                pass
            case plan.Gate():
                found.append(replace(step, steps=tuple(_lawless(step.steps))))
            case _:
                found.append(step)
    return found
