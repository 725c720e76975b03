"""What a drawn number should be, by what the schema does with it: counts small, labels often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from vmsc.testing.interpreter.arithmetic import number
from vmsc.testing.interpreter.constants import evaluate_constant
from vmsc.testing.interpreter.modules import Definition, Module
from vmsc.testing.interpreter.parameters import inner_types, names_in, type_expressions
from vmsc.testing.interpreter.scope import Scope, evaluate
from vmsc.testing.interpreter.source import Wish
from vmsc.testing.interpreter.syntax import (
    Binary,
    Break,
    Call,
    Choice,
    Description,
    Expr,
    Field,
    Index,
    Let,
    Logic,
    Member,
    Name,
    Named,
    Number,
    Require,
    SchemaError,
    Subsection,
    Text,
    Type,
    Unary,
    Version,
)

__all__ = ["Hints", "hints_of", "wish_of"]


@dataclass(frozen=True)
class Hints:
    """`labels` are those of the choices over a field; `numbers` all that the description names.

    What follows is of the whole file and of those it uses; `counts` are the names in counts,
    lengths and arguments.
    """

    labels: Mapping[str, tuple[int, ...]]
    numbers: tuple[int, ...]
    texts: tuple[bytes, ...]
    counts: frozenset[str]
    has_capabilities: bool


def wish_of(field: Field | None, scope: Scope, *, is_count: bool = False) -> Wish:
    if field is None:
        return Wish(is_count=is_count)
    hints = hints_of(scope.definition)
    name = field.name
    if name in scope.wishes:
        left = scope.wishes[name]
        return Wish(name, 0, left, likely=(left,))
    labels = hints.labels.get(name, ())
    # The laws of a transformed field speak of its value, not of the number that is drawn.
    lawful = field.via is None
    return Wish(
        name,
        _bound(field.least if lawful else None, scope),
        _bound(field.most if lawful else None, scope),
        _bound(field.equals if lawful else None, scope),
        likely=hints.numbers,
        labels=labels,
        is_count=not labels and name in hints.counts,
    )


def _bound(expr: Expr | None, scope: Scope) -> int | None:
    return None if expr is None else number(evaluate(expr, scope))


@lru_cache(1024)
def hints_of(definition: Definition) -> Hints:
    module = definition.module
    found = list(_expressions(definition.description))
    labels: dict[str, list[int]] = {}
    for choice in _choices(definition.description):
        for arm in choice.arms:
            value = None if arm.label is None else evaluate_constant(arm.label, module)
            if isinstance(value, int):
                for name in names_in(choice.selector):
                    labels.setdefault(name, []).append(value)
    parts = [part for expr in found for part in _parts(expr)]
    numbers = {value for part in parts if isinstance(value := _constant(part, module), int)}
    return Hints(
        {name: tuple(values) for name, values in labels.items()},
        tuple(sorted({v for n in numbers for v in (n, n + 1, n - 1)})),
        *_file_hints(module),
    )


def _constant(expr: Expr, module: Module) -> object:
    """Its value; None where fields are in it, which may have the names of constants."""
    try:
        return evaluate_constant(expr, module)
    except (SchemaError, TypeError, ValueError, ArithmeticError):
        return None


def _parts(expr: Expr) -> Iterator[Expr]:
    """The expression, and all within it."""
    yield expr
    match expr:
        case Number() | Text() | Version() | Name():
            pass
        case Member(base=base):
            yield from _parts(base)
        case Index(base=base, at=at):
            yield from _parts(base)
            yield from _parts(at)
        case Call(operands=operands):
            for operand in operands:
                yield from _parts(operand)
        case Unary(operand=operand):
            yield from _parts(operand)
        case Binary(left=left, right=right) | Logic(left=left, right=right):
            yield from _parts(left)
            yield from _parts(right)


def _fields(description: Description) -> Iterator[Field]:
    for item in description.items:
        if isinstance(item, Field):
            yield item
        elif isinstance(item, Subsection):
            yield from _fields(item.body)


def _expressions(description: Description) -> Iterator[Expr]:
    for item in description.items:
        match item:
            case Let(value=expr) | Require(law=expr) | Break(condition=expr):
                yield expr
            case Field(presence=presence, least=least, most=most, equals=equals):
                condition = None if presence is None else presence.condition
                yield from (e for e in (condition, least, most, equals) if e is not None)
                yield from type_expressions(item.type)
            case Subsection(body=body):
                yield from _expressions(body)
            case _:
                pass
    for choice in _choices(description):
        yield from (arm.label for arm in choice.arms if arm.label is not None)


def _choices(description: Description) -> Iterator[Choice]:
    for field in _fields(description):
        yield from (t for t in _types(field.type) if isinstance(t, Choice))


def _types(type_: Type) -> Iterator[Type]:
    yield type_
    for inner in inner_types(type_):
        yield from _types(inner)


@lru_cache(1024)
def _file_hints(module: Module) -> tuple[tuple[bytes, ...], frozenset[str], bool]:
    texts: set[bytes] = set()
    counts: set[str] = set()
    has_capabilities = False
    for one in (module, *module.used):
        for description in one.file.descriptions:
            for field in _fields(description):
                counts |= {n for t in _types(field.type) for n in _counted(t)}
            for part in (p for e in _expressions(description) for p in _parts(e)):
                match part:
                    case Text(value=value):
                        texts.add(value)
                    case Call(function="pci_capability"):
                        has_capabilities = True
                    case Call(function="min" | "max" | "ceil_div" | "align"):
                        counts |= set(names_in(part))
                    case _:
                        pass
    return tuple(sorted(texts)), frozenset(counts), has_capabilities


def _counted(type_: Type) -> Iterator[str]:
    if isinstance(type_, Named):
        for argument in type_.arguments.values():
            yield from names_in(argument)
    elif not isinstance(type_, Choice):
        for expr in type_expressions(type_):
            yield from names_in(expr)
