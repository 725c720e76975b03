"""What the names of a body stand for while it is read or written, and what expressions are there.

A `Scope` is one description in one place: a section, an element, a round of a loop. It is made when
the description begins and filled as fields go by, so a name that is not there yet is not known.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vmsc.runtime.errors import ParamError
from vmsc.testing.interpreter.arithmetic import FUNCTIONS, binary, is_true, number, unary
from vmsc.testing.interpreter.constants import evaluate_constant
from vmsc.testing.interpreter.modules import Definition, Module
from vmsc.testing.interpreter.syntax import (
    Binary,
    Call,
    Expr,
    Index,
    Logic,
    Member,
    Name,
    Number,
    Outer,
    Param,
    SchemaError,
    Text,
    Unary,
    Version,
)
from vmsc.testing.interpreter.values import Body, Value

__all__ = ["Run", "Scope", "Transform", "WireType", "count", "evaluate", "holds", "named"]


@dataclass(frozen=True)
class Transform:
    """The pair of functions that `via` names. Each refuses, with ValueError, what has no other."""

    to_value: Callable[[Any], Any]
    to_wire: Callable[[Any], Any]


@dataclass(frozen=True)
class WireType:
    """What a plugin adds to the language's types: how it is read, written and drawn.

    `decode` takes the bytes up to where what is around it ends, and a place in them.
    """

    decode: Callable[[bytes, int], tuple[Any, int]]
    encode: Callable[[Any], bytes]
    draw: Callable[[random.Random], Any]


@dataclass(frozen=True)
class Run:
    """One decoding or encoding: the parameters that were given, and what loops remember."""

    params: Mapping[str, Value]
    sticky: dict[str, Value]
    transforms: Mapping[str, Transform]
    types: Mapping[str, WireType]


@dataclass(frozen=True, eq=False)
class Scope:
    """`user` is the description that this one is used in; of a subsection, the one it belongs to.

    `fields` are those that went by, the parts of words and the words themselves among them; `known`
    are the values of `lets` that were asked for; `wishes` is what a drawn field should add up to.
    """

    definition: Definition
    version: int | None
    run: Run
    user: Scope | None = None
    arguments: Mapping[str, Expr] = field(default_factory=dict)
    fields: dict[str, Value] = field(default_factory=dict)
    lets: dict[str, Expr] = field(default_factory=dict)
    known: dict[str, Value] = field(default_factory=dict)
    wishes: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_subsection(self) -> bool:
        return self.definition.description.kind == "subsection"

    def again(self) -> Scope:
        """The same place with nothing gone by: a round, an attempt."""
        return replace(self, fields={}, lets={}, known={})

    def declared(self, name: str) -> Param | Outer | None:
        for item in self.definition.description.items:
            if isinstance(item, Param | Outer) and item.name == name:
                return item
        return None


# --- names ----------------------------------------------------------------------------------------


def _lookup(name: str, scope: Scope) -> Value:
    place: Scope | None = scope
    while place is not None:
        if name in place.fields:
            return place.fields[name]
        if name in place.lets:
            if name not in place.known:
                place.known[name] = evaluate(place.lets[name], place)
            return place.known[name]
        match place.declared(name):
            case Param() as param:
                return _parameter(param, place, place.definition.module)
            case Outer():
                return _outer(name, place)
        place = place.user if place.is_subsection else None
    module = scope.definition.module
    if module.constant(name) is not None:
        return evaluate_constant(Name(name), module)
    if (shared := module.param(name)) is not None:
        return _parameter(shared[1], scope, shared[0])
    raise SchemaError(f"'{name}' is not known here")


def _parameter(param: Param, scope: Scope, module: Module) -> Value:
    """Bound by the nearest that binds it; else what was given to all; else its default."""
    default = None if param.default is None else (param.default, module)
    place: Scope | None = scope
    while place is not None:
        if param.name in place.arguments and place.user is not None:
            return evaluate(place.arguments[param.name], place.user)
        own = place.declared(param.name)
        if default is None and isinstance(own, Param) and own.default is not None:
            default = own.default, place.definition.module
        place = place.user
    if param.name in scope.run.params:
        return scope.run.params[param.name]
    if default is None:
        raise ParamError(f"'{param.name}' is not given", name=param.name)
    return evaluate_constant(*default)


def _outer(name: str, scope: Scope) -> Value:
    """The nearest enclosing field or parameter of that name, that is there by now."""
    place = scope
    while True:
        if name in place.arguments and place.user is not None:
            return evaluate(place.arguments[name], place.user)
        if place.user is None:
            break
        place = place.user
        if name in place.fields:
            return place.fields[name]
        if isinstance(param := place.declared(name), Param):
            return _parameter(param, place, place.definition.module)
    if name in scope.run.params:
        return scope.run.params[name]
    raise ParamError(f"'{name}' is not given", name=name)


def named(name: str, scope: Scope) -> Definition | None:
    """The description that a word stands for, a parameter's included."""
    place: Scope | None = scope
    while place is not None:
        param = place.declared(name)
        if isinstance(param, Param) and param.domain.kind == "description":
            bound = place.arguments.get(name)
            if not isinstance(bound, Name) or place.user is None:
                raise SchemaError(f"'{name}' is bound to no description")
            return named(bound.name, place.user)
        place = place.user if place.is_subsection else None
    return scope.definition.module.description(name)


# --- expressions ----------------------------------------------------------------------------------


def evaluate(expr: Expr, scope: Scope) -> Value:
    match expr:
        case Number(value=value) | Text(value=value):
            return value
        case Version():
            if scope.version is None:
                raise SchemaError("a struct and a loop have no version")
            return scope.version
        case Name(name=name):
            found = _lookup(name, scope)
            return found.encode() if isinstance(found, str) else found
        case Member(base=base, name=name):
            return _member(evaluate(base, scope), name)
        case Index(base=base, at=at):
            return _element(evaluate(base, scope), number(evaluate(at, scope)))
        case Call(function=function, operands=operands):
            if function not in FUNCTIONS:
                raise SchemaError(f"no function '{function}'")
            return FUNCTIONS[function]([evaluate(o, scope) for o in operands])
        case Unary(op=op, operand=operand):
            return unary(op, evaluate(operand, scope))
        case Binary(op=op, left=left, right=right):
            return binary(op, evaluate(left, scope), evaluate(right, scope))
        case Logic(op=op, left=left, right=right):
            first = is_true(evaluate(left, scope))
            if first == (op == "or"):
                return int(first)
            return int(is_true(evaluate(right, scope)))


def _member(base: Value, name: str) -> Value:
    match base:
        case None:
            return None
        case dict() if name in base:
            return base[name]
        case Body() if name in base.words:
            return base.words[name]
        case _:
            raise SchemaError(f"{base!r} has no '{name}'")


def _element(base: Value, at: int) -> Value:
    """What is not there reads as what is absent."""
    match base:
        case None:
            return None
        case bytes() | list():
            return base[at] if 0 <= at < len(base) else None
        case _:
            raise SchemaError(f"{base!r} has no elements")


def holds(expr: Expr, scope: Scope) -> bool:
    return is_true(evaluate(expr, scope))


def count(expr: Expr, scope: Scope) -> int:
    return max(0, number(evaluate(expr, scope)))
