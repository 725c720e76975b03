"""Every operator in every other: what a text of two or three of them means.

Trees of operators are written as text by rules of this test, with as few brackets as
docs/language.md allows and with all of them, and computed by its words. The parser, the printed
text, the bounds, the evaluator, the solver's substitution and generated Python must all agree.
"""

from __future__ import annotations

import itertools
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from helpers import build_text
from vmsc.plugins.python.expressions import Names, condition, expression

from vmsc.hooks.host import Host
from vmsc.runtime.errors import DecodeError
from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Report, as_text
from vmsc.schema.ir.evaluate import Known, substitute, value_of
from vmsc.schema.ir.expression_text import FULL, expr_text
from vmsc.schema.resolve.expressions import INVALID, as_written, resolve_expr
from vmsc.schema.source import NOWHERE, Source, Span
from vmsc.schema.syntax.parser import parse

SEED = 9

Tree = str | tuple[str, "Tree"] | tuple[str, "Tree", "Tree"]

# --- the language, from its page ------------------------------------------------------------------

# From the loosest to the tightest.
PRECEDENCE = (
    ("or",), ("and",), ("not",), ("==", "!=", "<", "<=", ">", ">="), ("|",), ("^",), ("&",),
    ("<<", ">>"), ("+", "-"), ("*", "/", "%"), ("neg", "~"),
)  # fmt: skip
LEVEL = {op: level for level, ops in enumerate(PRECEDENCE) for op in ops}
UNARY = ("neg", "~", "not")
FUNCTIONS = ("min", "max", "ceil_div", "align", "bit")
BINARY = tuple(op for op in LEVEL if op not in UNARY) + FUNCTIONS
OPERATORS = (*UNARY, *BINARY)

MEANING: dict[str, Callable[..., int]] = {
    "neg": lambda a: 0 - a,
    "~": lambda a: -1 - a,
    "not": lambda a: 1 if a == 0 else 0,
    "or": lambda a, b: 0 if a == 0 and b == 0 else 1,
    "and": lambda a, b: 0 if a == 0 or b == 0 else 1,
    "==": lambda a, b: 1 if a - b == 0 else 0,
    "!=": lambda a, b: 0 if a - b == 0 else 1,
    "<": lambda a, b: 1 if b - a > 0 else 0,
    "<=": lambda a, b: 1 if b - a >= 0 else 0,
    ">": lambda a, b: 1 if a - b > 0 else 0,
    ">=": lambda a, b: 1 if a - b >= 0 else 0,
    "|": lambda a, b: a + b - (a & b),
    "^": lambda a, b: (a | b) - (a & b),
    "&": lambda a, b: ~(~a | ~b),
    "<<": lambda a, b: a * 2**b,
    ">>": lambda a, b: a // 2**b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: (a - a % b) // b,
    "%": lambda a, b: a - b * (a // b),
    "min": lambda a, b: a if a < b else b,
    "max": lambda a, b: b if a < b else a,
    "ceil_div": lambda a, b: (a + b - 1) // b,
    "align": lambda a, b: a + (b - a % b) % b,
    "bit": lambda a, b: a // 2**b % 2,
}


def meaning(tree: Tree, values: Mapping[str, int]) -> int:
    if isinstance(tree, str):
        return values[tree]
    return MEANING[tree[0]](*(meaning(operand, values) for operand in tree[1:]))


def written(tree: Tree, *, full: bool) -> str:
    """The tree's text, with all brackets or with those that it needs (and after `not`)."""
    if isinstance(tree, str):
        return tree
    op, *operands = tree
    if op in FUNCTIONS:
        return f"{op}({', '.join(written(o, full=full) for o in operands)})"
    level = LEVEL[op]
    first = level + (op in LEVEL and PRECEDENCE[level] == PRECEDENCE[LEVEL["=="]])
    needs = (99,) if op == "not" else (level,) if len(operands) == 1 else (first, level + 1)
    texts = []
    for operand, need in zip(operands, needs, strict=True):
        text = written(operand, full=full)
        bare = isinstance(operand, str) or operand[0] in FUNCTIONS
        loose = not bare and (full or LEVEL[operand[0]] < need)
        texts.append(f"({text})" if loose else text)
    match op:
        case "neg":
            return f"-{texts[0]}"
        case "not" | "~":
            return f"{op}{' ' * (op == 'not')}{texts[0]}"
        case _:
            return f" {op} ".join(texts)


# --- trees ----------------------------------------------------------------------------------------

# Names by what they hold: shifts and divisors are bounded, so not every operand fits everywhere.
POOLS = {"a": (-9, 9), "x": (0, 200), "n": (0, 3), "d": (1, 4), "h": (8, 12)}
BOUNDS = {f"{pool}{i}": bounds for pool, bounds in POOLS.items() for i in range(4)}


@dataclass
class Numbers:
    """A scope of the names above."""

    report: Report = field(default_factory=Report)

    def lookup(self, name: str, span: Span) -> ir.Expr | None:
        return ir.Ref("param", name, *BOUNDS[name])

    def member(self, of: ir.Expr, name: syntax.Name) -> ir.Expr | None:
        raise AssertionError

    def version(self, span: Span) -> ir.Expr | None:
        raise AssertionError

    def words(self, param: str) -> tuple[str, ...]:
        return ()


def as_syntax(tree: Tree) -> syntax.Expr:
    if isinstance(tree, str):
        return syntax.Reference(tree, NOWHERE)
    op, operands = tree[0], tuple(as_syntax(operand) for operand in tree[1:])
    if op in FUNCTIONS:
        return syntax.Call(syntax.Name(op, NOWHERE), operands, NOWHERE)
    return syntax.Operation("-" if op == "neg" else op, operands, NOWHERE)


def as_tree(expr: syntax.Expr) -> Tree:
    match expr:
        case syntax.Reference(name=name):
            return name
        case syntax.Call(name=function, arguments=(left, right)):
            return function.text, as_tree(left), as_tree(right)
        case syntax.Operation(op=op, operands=(one,)):
            return "neg" if op == "-" else op, as_tree(one)
        case syntax.Operation(op=op, operands=(left, right)):
            return op, as_tree(left), as_tree(right)
        case _:
            raise AssertionError(expr)


def shapes(depth: int, outer: str) -> Iterator[Tree]:
    """Every chain of so many operators, and (of three) every pair of operands; leaves are ''."""
    if depth == 1:
        yield (outer, "") if outer in UNARY else (outer, "", "")
        return
    for inner in OPERATORS:
        for operand in shapes(depth - 1, inner):
            if outer in UNARY:
                yield outer, operand
            else:
                yield outer, operand, ""
                yield outer, "", operand
    if depth == 3 and outer not in UNARY:
        for left, right in itertools.product(OPERATORS, repeat=2):
            yield outer, next(shapes(1, left)), next(shapes(1, right))


def named(shape: Tree, chance: random.Random, count: Iterator[int]) -> Tree:
    match shape:
        case (op, operand):
            return op, named(operand, chance, count)
        case (op, left, right):
            return op, named(left, chance, count), named(right, chance, count)
        case _:
            return f"{chance.choice('aaxxndh')}{next(count)}"


@dataclass(frozen=True)
class Case:
    """A tree that the compiler accepts, its meaning to the compiler, and values for its names."""

    tree: Tree
    expr: ir.Expr
    values: Mapping[str, int]
    wanted: int


def cases(depth: int, outer: str, tries: int = 40) -> list[Case]:
    """The shapes with names that fit, as far as any do."""
    chance = random.Random(zlib.crc32(f"{SEED} {depth} {outer}".encode()))
    found = []
    for shape in shapes(depth, outer):
        for _ in range(tries):
            tree = named(shape, chance, itertools.count())
            expr = resolve_expr(as_syntax(tree), Numbers())
            if expr is not INVALID:
                values = {name: chance.randint(*bounds) for name, bounds in BOUNDS.items()}
                found.append(Case(tree, expr, values, meaning(tree, values)))
                break
    return found


def parsed(texts: list[str]) -> list[syntax.Expr]:
    """The expressions of many texts, parsed as one."""
    lines = [f"const C{i} = {text}" for i, text in enumerate(texts)]
    report = Report()
    file = parse(Source("trees.vmsd", "trees", "\n".join(lines)), report)
    assert file is not None, as_text(report)
    return [const.value for const in file.consts]


def computed(cases: list[Case], write: Callable[[ir.Expr], str]) -> list[object]:
    """What Python makes of the texts."""
    names = sorted(BOUNDS)
    head = ", ".join(f"p_{name}" for name in names)
    lines = [f"lambda {head}: ({write(case.expr)})," for case in cases]
    functions = eval("[\n" + "\n".join(lines) + "\n]")
    return [
        function(*(case.values[name] for name in names))
        for function, case in zip(functions, cases, strict=True)
    ]


NAMES = Names(str)


def check_parsed(found: list[Case], *, full: bool) -> None:
    texts = [written(case.tree, full=full) for case in found]
    for case, text, expr in zip(found, texts, parsed(texts), strict=True):
        assert as_tree(expr) == case.tree, text
        assert as_written(expr) == written(case.tree, full=False)


def check(found: list[Case]) -> None:
    values = computed(found, lambda expr: expression(expr, NAMES))
    truths = computed(found, lambda expr: condition(expr, NAMES))
    for case, value, truth in zip(found, values, truths, strict=True):
        text = written(case.tree, full=True)
        assert expr_text(case.expr, FULL) == text
        assert expr_text(case.expr) == written(case.tree, full=False)
        assert value_of(case.expr, Known(params=case.values)) == case.wanted, (text, case.values)
        assert type(value) is int
        assert value == case.wanted, (text, case.values)
        assert bool(truth) == bool(case.wanted), (text, case.values)
        low, high = ir.expr_bounds(case.expr) or (1, 0)
        assert low <= case.wanted <= high, (text, case.values)
        known = {("param", n): ir.Number(v) for n, v in case.values.items()}
        assert substitute(case.expr, known) == ir.Number(case.wanted), (text, case.values)


@pytest.mark.parametrize("outer", OPERATORS)
def test_every_three_operators_mean_what_the_language_says(outer: str) -> None:
    found = cases(3, outer)
    assert len(found) > 1000
    check_parsed(found, full=False)
    check(found)


def test_every_two_operators_mean_what_the_language_says() -> None:
    found = [case for outer in OPERATORS for case in cases(2, outer)]
    assert len(found) > 1000
    for full in (False, True):
        check_parsed(found, full=full)
    check(found)


def test_what_is_known_in_part_is_computed_in_part() -> None:
    chance = random.Random(SEED)
    for case in (case for outer in OPERATORS for case in cases(2, outer)):
        names = sorted(set(BOUNDS) & {name for _, name in ir.names_in(case.expr)})
        for name in chance.sample(names, len(names) - 1):
            left = substitute(case.expr, {("param", name): ir.Number(case.values[name])})
            assert value_of(left, Known(params=case.values)) == case.wanted, (case.tree, name)


# --- whole codecs ---------------------------------------------------------------------------------


def device(name: str, found: list[Case], *, full: bool) -> str:
    """A device whose every law compares an expression with what the wire says that it is, and
    whose every last field is there if the expression is not 0.
    """
    lines = [f"{n}: {'u8' if low >= 0 else 's8'} min {low} max {high}"
             for n, (low, high) in BOUNDS.items()]  # fmt: skip
    lines += [f"r{i}: s64" for i in range(len(found))]
    for i, case in enumerate(found):
        text = written(case.tree, full=full)
        lines += [f"let e{i} = {text}", f"require r{i} == e{i}"]
        if ir.expr_bounds(case.expr) != (0, 0):  # which is never there, and refused
            lines.append(f"f{i}: u8 when {text}")
    return f'device {name} as "{name}" {{\n' + "\n".join(lines) + "\n}\n"


def wire(found: list[Case]) -> bytes:
    values = found[0].values
    wanted = [case.wanted for case in found]
    signs = "".join("B" if low >= 0 else "b" for low, _ in BOUNDS.values())
    fixed = struct.pack(f">{signs}{len(found)}q", *(values[n] for n in BOUNDS), *wanted)
    return fixed + b"\x77" * sum(map(bool, wanted))


def test_a_codec_computes_every_two_operators_as_the_language_says(host: Host) -> None:
    values = cases(2, "+")[0].values
    found = [
        Case(case.tree, case.expr, values, meaning(case.tree, values))
        for outer in OPERATORS
        for case in cases(2, outer)
    ]
    pieces = [found[i : i + 120] for i in range(0, len(found), 120)]
    for full in (False, True):
        text = "".join(device(f"D{i}", piece, full=full) for i, piece in enumerate(pieces))
        made = build_text(text, host)
        for i, piece in enumerate(pieces):
            codec = made.CODECS[f"D{i}"]
            data = wire(piece)
            value = codec.qemu.decode(data)
            assert codec.qemu.encode(value) == data
            assert codec.qemu.scan(data) == len(data)
            assert codec.framed.decode(codec.framed.encode(value)) == value
            for j in range(0, len(piece), 7):  # and a wrong result is noticed
                wrong = bytearray(data)
                wrong[len(BOUNDS) + 8 * j + 7] ^= 1
                with pytest.raises(DecodeError, match=f"e{j}\\b"):
                    codec.qemu.decode(bytes(wrong))
