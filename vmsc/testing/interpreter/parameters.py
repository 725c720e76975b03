"""Which parameters a description can be given: its own, and those that nothing within it binds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Literal

from vmsc.testing.interpreter.arithmetic import number
from vmsc.testing.interpreter.constants import evaluate_constant
from vmsc.testing.interpreter.modules import Definition, Module
from vmsc.testing.interpreter.scalars import SCALARS, STRINGS
from vmsc.testing.interpreter.syntax import (
    Array,
    Binary,
    Break,
    Call,
    Choice,
    Domain,
    Expr,
    Field,
    Index,
    Let,
    ListOf,
    Logic,
    Member,
    Name,
    Named,
    Nullable,
    Number,
    Opaque,
    Ordered,
    Outer,
    Padding,
    Param,
    Require,
    Subsection,
    Text,
    Tree,
    Type,
    Unary,
    Until,
    UntilSum,
    Version,
    Within,
)
from vmsc.testing.interpreter.values import F64

__all__ = ["Parameter", "inner_types", "names_in", "parameters", "type_expressions"]


@dataclass(frozen=True)
class Parameter:
    """What may be given. A loop's sticky state is 0, or no bytes, where it is not.

    A sticky double is an `F64`; no other parameter is one.
    """

    name: str
    kind: Literal["number", "bool", "bits", "words", "bytes", "f64"]
    least: int = 0
    most: int = 0
    words: tuple[str, ...] = ()
    has_default: bool = False
    sticky: bool = False
    outer: bool = False

    def allows(self, value: object) -> bool:
        match self.kind:
            case "words":
                return value in self.words
            case "bytes":
                return isinstance(value, bytes) and len(value) <= self.most
            case "f64":
                return isinstance(value, F64)
            case _:
                return isinstance(value, int) and self.least <= value <= self.most


# --- what is written where ------------------------------------------------------------------------


def names_in(expr: Expr) -> Iterator[str]:
    match expr:
        case Number() | Text() | Version():
            return
        case Name(name=name):
            yield name
        case Member(base=base):
            yield from names_in(base)
        case Index(base=base, at=at):
            yield from names_in(base)
            yield from names_in(at)
        case Call(operands=operands):
            for operand in operands:
                yield from names_in(operand)
        case Unary(operand=operand):
            yield from names_in(operand)
        case Binary(left=left, right=right) | Logic(left=left, right=right):
            yield from names_in(left)
            yield from names_in(right)


def inner_types(type_: Type) -> tuple[Type, ...]:
    match type_:
        case Array() | Until() | UntilSum() | ListOf() | Nullable():
            return (type_.element,)
        case Tree(key=key, value=value):
            return key, value
        case Choice(arms=arms):
            return tuple(arm.type for arm in arms)
        case Within(inner=inner):
            return (inner,)
        case Named() | Ordered() | Padding() | Opaque():
            return ()


def type_expressions(type_: Type) -> Iterator[Expr]:
    """Those of the type itself and of what is within it, arguments left out."""
    match type_:
        case Array(count=count):
            yield count
        case Nullable(count=count, present=present):
            yield count
            if present is not None:
                yield present
        case UntilSum(total=total):
            yield total
        case Until(stop=stop):
            yield stop
        case Choice(selector=selector):
            yield selector
        case Within(length=length) | Padding(length=length):
            yield length
        case Opaque(length=length) if length is not None:
            yield length
        case _:
            pass
    for inner in inner_types(type_):
        yield from type_expressions(inner)


def _uses(type_: Type) -> Iterator[Named]:
    if isinstance(type_, Named):
        yield type_
    for inner in inner_types(type_):
        yield from _uses(inner)


# --- needs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Place:
    """A description, what its description parameters are bound to, and the names around it.

    Names of `let` are apart: no `outer` is bound to one.
    """

    definition: Definition
    bound: Mapping[str, Definition]
    around: Set[str] = frozenset()
    lets: Set[str] = frozenset()


def parameters(definition: Definition) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for one in _needs(_Place(definition, {})):
        old = found.get(one.name)
        if old is None or (old.outer and not one.outer):
            found[one.name] = one
    return found


def _needs(place: _Place) -> Iterator[Parameter]:
    module = place.definition.module
    known, lets = set(place.around), set(place.lets)
    for item in place.definition.description.items:
        match item:
            case Param(name=name, domain=domain, default=default):
                if domain.kind != "description":
                    yield _from_domain(name, domain, default is not None, module)
                known.add(name)
            case Outer(name=name, type=type_):
                yield _from_type(name, type_, outer=True)
                known.add(name)
            case Let(name=name, value=value):
                yield from _shared(value, known | lets, module)
                lets.add(name)
            case Require(law=expr) | Break(condition=expr):
                yield from _shared(expr, known | lets, module)
            case Field():
                yield from _field_needs(item, place, known, known | lets)
                known |= {item.name, *(part.name for part in item.parts)}
            case Subsection(body=body):
                inner = Definition(module, body)
                yield from _needs(_Place(inner, place.bound, frozenset(known), frozenset(lets)))


def _field_needs(
    field: Field, place: _Place, outer: Set[str], known: Set[str]
) -> Iterator[Parameter]:
    """`outer` are the names that an `outer` within can be bound to."""
    module = place.definition.module
    presence = None if field.presence is None else field.presence.condition
    for expr in (presence, field.least, field.most, field.equals):
        if expr is not None:
            yield from _shared(expr, known, module)
    for expr in type_expressions(field.type):
        yield from _shared(expr, known, module)
    for use in _uses(field.type):
        yield from _used(use, place, outer, known)
    if field.sticky and isinstance(field.type, Named | Ordered):
        yield _from_type(field.name, field.type.name, sticky=True)


def _used(use: Named, place: _Place, outer: Set[str], known: Set[str]) -> Iterator[Parameter]:
    """What a description that is used leaves to its user."""
    module = place.definition.module
    definition = place.bound.get(use.name) or module.description(use.name)
    if definition is None:
        return
    bound: dict[str, Definition] = {}
    for name, argument in use.arguments.items():
        one = None
        if isinstance(argument, Name):
            one = place.bound.get(argument.name) or module.description(argument.name)
        if one is not None:
            bound[name] = one
        else:
            yield from _shared(argument, known, module)
    for need in _needs(_Place(definition, bound)):
        if need.name not in use.arguments and not (need.outer and need.name in outer):
            yield need


def _shared(expr: Expr, known: Set[str], module: Module) -> Iterator[Parameter]:
    """The parameters of files among the names of an expression."""
    for name in names_in(expr):
        if name not in known and (found := module.param(name)) is not None:
            where, param = found
            yield _from_domain(name, param.domain, param.default is not None, where)


def _from_domain(name: str, domain: Domain, has_default: bool, module: Module) -> Parameter:
    least = None if domain.least is None else number(evaluate_constant(domain.least, module))
    most = None if domain.most is None else number(evaluate_constant(domain.most, module))
    match domain.kind:
        case "bool":
            return Parameter(name, "bool", 0, 1, has_default=has_default)
        case "bits":
            return Parameter(name, "bits", 0, (1 << (most or 0)) - 1, has_default=has_default)
        case "words":
            return Parameter(name, "words", words=domain.words, has_default=has_default)
        case _:
            scalar = SCALARS[domain.type]
            low = scalar.least if least is None else least
            high = scalar.most if most is None else most
            return Parameter(name, "number", low, high, has_default=has_default)


def _from_type(name: str, word: str, *, sticky: bool = False, outer: bool = False) -> Parameter:
    if word in SCALARS:
        least, most = SCALARS[word].least, SCALARS[word].most
        return Parameter(name, "number", least, most, sticky=sticky, outer=outer)
    if word == "f64":
        return Parameter(name, "f64", sticky=sticky)
    limit = STRINGS[word][1] if word in STRINGS else 1 << 20
    return Parameter(name, "bytes", 0, limit, sticky=sticky, outer=outer)
