"""Uses of descriptions in random schemas: their parameters are bound, or handed on to the user."""

from __future__ import annotations

from vmsc.testing.schemas.arithmetic import HIGHEST
from vmsc.testing.schemas.expressions import Known, bounded
from vmsc.testing.schemas.scopes import BodyScope, Described, Need

__all__ = ["can_bind", "use"]


def can_bind(scope: BodyScope, described: Described) -> bool:
    """Whether each of its parameters can be bound here, or become one of this description's."""
    return all(_bindable(scope, need) for need in described.needs) and (
        not described.generics or bool(_candidates(scope))
    )


def _free(scope: BodyScope, name: str) -> bool:
    """Whether the name may become a parameter here."""
    return not scope.hides(name) and name not in scope.file.consts


def _bindable(scope: BodyScope, need: Need) -> bool:
    if need.sticky:
        return _free(scope, need.name)
    if not need.outer:
        return _free(scope, need.name) or need.known.kind != "bits"
    known = scope.meaning(need.name)
    if known is not None:
        return _fits(known, need)
    *_, outermost = scope.chain()
    return _free(scope, need.name) and (need.known.kind == "number" or outermost.kind != "device")


def _fits(known: Known, need: Need) -> bool:
    """Whether what a name means can be bound to the parameter."""
    match need.known.kind:
        case "number":
            low, high = need.known.bounds
            return known.kind == "number" and low <= known.bounds[0] and known.bounds[1] <= high
        case "string":
            return known.kind in ("bytes", "string")
        case kind:
            return known.kind == kind and known.words == need.known.words


def _candidates(scope: BodyScope) -> list[Described]:
    """The descriptions that a description parameter may stand for."""
    return [
        one
        for one in scope.file.described.values()
        if one.kind in ("struct", "vmsd") and not (one.needs or one.generics or one.open)
    ]


def _argument(scope: BodyScope, need: Need) -> str:
    """What the parameter is bound to, as it is written."""
    choices, wanted = scope.choices, need.known
    match wanted.kind:
        case "words":
            same = [k for k in scope.visible() if _fits(k, need)]
            if same and choices.often(40):
                scope.note(same[-1].path)
                return same[-1].path
            return f'"{choices.one(wanted.words)}"'
        case "string":
            fit = [k for k in scope.visible() if _fits(k, need)]
            known = choices.one(fit)
            scope.note(known.path)
            return known.path
        case _:
            low, high = wanted.bounds
            return scope.expr(bounded(choices, scope.visible(), low, min(high, HIGHEST)))


def use(scope: BodyScope, described: Described) -> str:
    """The description's name, with what is bound."""
    choices = scope.choices
    bound: list[tuple[str, str]] = []
    for need in described.needs:
        known = scope.meaning(need.name)
        if need.sticky:
            scope.require(need)
        elif need.outer and known is not None:
            if choices.often(15):
                bound.append((need.name, _argument(scope, need)))
            else:
                scope.reach(need.name)
        elif _free(scope, need.name) and (need.outer or choices.often(50)):
            scope.require(need)
        else:
            bound.append((need.name, _argument(scope, need)))
    for name in described.generics:
        bound.append((name, scope.write(choices.one(_candidates(scope)).name)))
    if choices.often(30):
        bound.reverse()
    text = ", ".join(f"{scope.label(name)} = {value}" for name, value in bound)
    return scope.write(described.name) + (f"({text})" if bound or choices.often(3) else "")
