"""What a type is on the wire once its counts are known: common to reading and writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from vmsc.runtime.errors import CodecError
from vmsc.testing.interpreter.arithmetic import binary, number
from vmsc.testing.interpreter.constants import evaluate_constant
from vmsc.testing.interpreter.modules import Definition
from vmsc.testing.interpreter.scalars import SCALARS, STRINGS, Scalar
from vmsc.testing.interpreter.scope import Scope, WireType, count, evaluate, holds, named
from vmsc.testing.interpreter.syntax import (
    Arm,
    Array,
    Choice,
    Expr,
    Field,
    ListOf,
    Named,
    Nullable,
    Opaque,
    Ordered,
    Padding,
    Part,
    SchemaError,
    Subsection,
    Tree,
    Type,
    Until,
    UntilSum,
    Within,
)
from vmsc.testing.interpreter.values import F64, Value

__all__ = [
    "Bitmap",
    "Double",
    "Nested",
    "Octets",
    "Rest",
    "String",
    "Word",
    "arm_of",
    "at",
    "bits_of",
    "broken_law",
    "first_of",
    "is_present",
    "mask_of",
    "scope_of",
    "shape_of",
    "sticky_state",
    "subsection_scope",
]


@dataclass(frozen=True)
class Word:
    scalar: Scalar
    little: bool


@dataclass(frozen=True)
class Double:
    little: bool


@dataclass(frozen=True)
class String:
    """`prefix` is the size of the length."""

    prefix: int
    limit: int


@dataclass(frozen=True)
class Octets:
    size: int
    is_padding: bool = False


@dataclass(frozen=True)
class Rest:
    """All to the end."""


@dataclass(frozen=True)
class Bitmap:
    """That many words of 64 bits."""

    words: int


@dataclass(frozen=True)
class Nested:
    definition: Definition
    arguments: Mapping[str, Expr]
    version: int | None


Shape = (
    Word
    | Double
    | String
    | Octets
    | Rest
    | Bitmap
    | Nested
    | WireType
    | Array
    | Until
    | UntilSum
    | ListOf
    | Tree
    | Nullable
    | Choice
    | Within
)


def shape_of(type_: Type, scope: Scope, field: Field | None = None) -> Shape:
    """`field`, if the type is a field's own: `max` limits a string."""
    match type_:
        case Array(element=Named(name="bytes"), count=size):
            return Octets(count(size, scope))
        case Array(element=Named(name="bitmap"), count=size):
            return Bitmap(-(-count(size, scope) // 64))
        case Padding(length=length):
            return Octets(count(length, scope), is_padding=True)
        case Opaque(length=None):
            return Rest()
        case Opaque(length=length):
            return Octets(count(length, scope)) if length is not None else Rest()
        case Ordered(name="f64"):
            return Double(little=True)
        case Ordered(name=name):
            return Word(SCALARS[name], little=True)
        case Named(name="f64"):
            return Double(little=False)
        case Named(name=name) if name in SCALARS:
            return Word(SCALARS[name], little=False)
        case Named(name=name) if name in STRINGS:
            prefix, limit = STRINGS[name]
            if field is not None and field.most is not None:
                limit = min(limit, number(evaluate(field.most, scope)))
            return String(prefix, limit)
        case Named(name=name) if name in scope.run.types:
            return scope.run.types[name]
        case Named():
            return _nested(type_, scope)
        case _:
            return type_


def _nested(use: Named, scope: Scope) -> Nested:
    definition = named(use.name, scope)
    if definition is None:
        raise SchemaError(f"no type '{use.name}'")
    description = definition.description
    version = description.version if use.version is None else use.version
    return Nested(definition, use.arguments, version if description.peeks else None)


def scope_of(nested: Nested, user: Scope, wishes: Mapping[str, int] | None = None) -> Scope:
    return Scope(
        nested.definition, nested.version, user.run, user, nested.arguments, wishes=wishes or {}
    )


def subsection_scope(sub: Subsection, owner: Scope, version: int) -> Scope:
    """A subsection sees the body around it."""
    return Scope(Definition(owner.definition.module, sub.body), version, owner.run, owner)


@contextmanager
def at(*path: str | int) -> Iterator[None]:
    """Errors from within learn where they come from."""
    try:
        yield
    except CodecError as error:
        error.within(*path)
        raise


# --- fields ---------------------------------------------------------------------------------------


def is_present(field: Field, scope: Scope) -> bool:
    match field.presence:
        case None:
            return True
        case presence if presence.word == "since":
            if scope.version is None:
                raise SchemaError("`since` where there is no version")
            return scope.version >= number(evaluate(presence.condition, scope))
        case presence:
            return holds(presence.condition, scope) == (presence.word == "when")


def broken_law(field: Field, value: Value, scope: Scope) -> str | None:
    """What a present number breaks, in words."""
    if isinstance(field.type, Named) and field.type.name in STRINGS:
        return None
    bounds = (field.least, field.most, field.equals)
    if bounds != (None, None, None) and not isinstance(value, int):
        raise SchemaError(f"bounds of '{field.name}', which is not a number")
    if field.least is not None and number(value) < (low := number(evaluate(field.least, scope))):
        return f"{value} is below {low}"
    if field.most is not None and number(value) > (high := number(evaluate(field.most, scope))):
        return f"{value} is above {high}"
    if field.equals is not None and not binary("==", value, evaluate(field.equals, scope)):
        return f"{value} is not {evaluate(field.equals, scope)}"
    return None


def sticky_state(field: Field, scope: Scope) -> Value:
    """What a sticky field was last, here or before."""
    run = scope.run
    if field.name in run.sticky:
        return run.sticky[field.name]
    if field.name in run.params:
        return run.params[field.name]
    match shape_of(field.type, scope):
        case String():
            return b""
        case Double():
            return F64(0)
        case _:
            return 0


def bits_of(part: Part, scalar: Scalar) -> int:
    """The bits of the word that are the part's."""
    width = 8 * scalar.size
    low, high = (bit + width if bit < 0 else bit for bit in (part.low, part.high))
    return (1 << high + 1) - (1 << low)


def mask_of(shape: Nullable, length: int, scope: Scope) -> int | None:
    """None: markers say what is there. Without elements, nothing asks for the mask."""
    if shape.present is None or not length:
        return None
    return number(evaluate(shape.present, scope))


def arm_of(choice: Choice, scope: Scope) -> Arm | None:
    selected = evaluate(choice.selector, scope)
    module = scope.definition.module
    for arm in choice.arms:
        if arm.label is not None and binary("==", selected, evaluate_constant(arm.label, module)):
            return arm
    return next((arm for arm in choice.arms if arm.label is None), None)


def first_of(element: Type, name: str, scope: Scope) -> Word:
    """The number that an element begins with, which ends the list where it is another's."""
    shape = shape_of(element, scope)
    if isinstance(shape, Nested):
        for item in shape.definition.description.items:
            if isinstance(item, Field):
                word = shape_of(item.type, scope)
                if item.name == name and isinstance(word, Word):
                    return word
                break
    raise SchemaError(f"'{name}' is not the first number of an element")
