"""Python text: indented lines, names, and expressions. Knows the plan's expressions and nothing
of its steps.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import assert_never

from vmsc.runtime.peeks import PEEKS
from vmsc.schema import ir

__all__ = [
    "Code", "Names", "attribute", "comment", "condition", "docstring", "expression",
    "keyword_name", "param_name", "snake", "struct_code", "wrapped",
]  # fmt: skip

_INDENT = "    "

# Words that the public functions use themselves.
_TAKEN_KEYWORDS = frozenset({
    "buf", "pos", "final", "version", "value", "end", "sub", "start", "out", "fault",
})  # fmt: skip

# What annotations and msgspec need unshadowed in a class body.
_TAKEN_FIELDS = frozenset({"int", "bytes", "list", "tuple", "float", "None", "Struct"})

_CODES = {(1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q",
          (1, True): "b", (2, True): "h", (4, True): "i", (8, True): "q"}  # fmt: skip


def struct_code(name: str, size: int, signed: bool) -> str:
    """The struct module's letter for a number."""
    return "d" if name == "f64" else _CODES[size, signed]


def attribute(name: str) -> str:
    """The attribute of a field: the name itself, but for what Python would misread."""
    if name.startswith("__"):
        return f"{name}__"  # else it would be private to the class
    taken = keyword.iskeyword(name) or name in _TAKEN_FIELDS
    return f"{name}_" if taken or re.fullmatch(r"[USF](8|16|32|64)|Bool|Text|Timer", name) else name


def keyword_name(name: str) -> str:
    """The keyword argument of a parameter in the public functions."""
    taken = keyword.iskeyword(name) or name in _TAKEN_KEYWORDS or name.startswith("_")
    return f"{name}_" if taken else name


def param_name(name: str) -> str:
    """The local of a parameter within a function: like none of the function's own."""
    return f"p_{name}"


def snake(name: str) -> str:
    """A function's part of the name of class `name`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower()


def _escaped(text: str) -> str:
    """The text with an escape for what is neither printable nor a tab."""
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)


def docstring(text: str) -> list[str]:
    """The lines of a literal that holds the text, whatever that is."""
    lines = text.strip().replace("\\", "\\\\").replace('"', '\\"').split("\n")
    # Quotes need no escape in front of anything but another quote and the literal's end.
    lines = [re.sub(r'\\"(?!\\"|$)', '"', _escaped(line)) for line in lines]
    return [f'"""{lines[0]}"""'] if len(lines) == 1 else [f'"""{lines[0]}', *lines[1:], '"""']


def comment(text: str) -> list[str]:
    """The text as comments for documentation."""
    return [f"#: {_escaped(line)}".rstrip() for line in text.split("\n")] if text else []


@dataclass
class Code:
    """Lines being written."""

    lines: list[str] = field(default_factory=list)
    depth: int = 0
    temporaries: int = 0

    def __call__(self, text: str) -> None:
        self.lines.append(_INDENT * self.depth + text if text else "")

    def extend(self, texts: Sequence[str]) -> None:
        for text in texts:
            self(text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self(head)
        before = len(self.lines)
        self.depth += 1
        yield
        if len(self.lines) == before:
            self("pass")
        self.depth -= 1

    @contextmanager
    def guard(self, error: str, *parts: str) -> Iterator[None]:
        """Errors of the block learn that they happened within the field (or index) `parts`."""
        before = len(self.lines)
        with self.block("try:"):
            yield
        if len(self.lines) == before + 1:
            self.lines.pop()
            return
        with self.block(f"except {error} as fault:"):
            self(f"fault.within({', '.join(parts)})")
            self("raise")

    def temporary(self, stem: str = "t") -> str:
        self.temporaries += 1
        return f"{stem}_{self.temporaries}"


def wrapped(items: Sequence[str], head: str, tail: str, depth: int = 0) -> list[str]:
    """`head item, item, ... tail` in lines of at most 100 columns; a comma that `tail` begins
    with is not doubled.
    """
    width = 98 - 4 * depth
    one = head + ", ".join(items) + tail
    if len(one) <= width:
        return [one]
    lines, row = [head], ""
    for each in items:
        if row and len(row) + len(each) + 2 > width - 4:
            lines.append(_INDENT + row.rstrip())
            row = ""
        row += f"{each}, "
    return [*lines, _INDENT + row.rstrip(), tail.removeprefix(",")]


@dataclass(frozen=True)
class Names:
    """How an expression reads what it names: by the function at hand."""

    field: Callable[[str], str]
    let: Callable[[str], str] = lambda name: f"l_{name}"


def expression(expr: ir.Expr, names: Names) -> str:
    """The number (or bytes, or word) in Python, with the meaning of evaluation.value_of."""
    return _number(expr, names, BIT_OR)


def condition(expr: ir.Expr, names: Names) -> str:
    """The expression where only its truth counts: behind `if` and `not`."""
    return _printed(expr, names).text


# Python's operators from the loosest to the tightest. An operand that binds looser than its place
# wants is bracketed; so is a comparison in a comparison, which Python would chain.
(OR, AND, NOT, COMPARED, BIT_OR, BIT_XOR, BIT_AND, SHIFTED, SUM, PRODUCT, SIGNED, WHOLE) = range(12)

_BINARY = {
    "|": BIT_OR, "^": BIT_XOR, "&": BIT_AND, "<<": SHIFTED, ">>": SHIFTED, "+": SUM, "-": SUM,
    "*": PRODUCT, "/": PRODUCT, "%": PRODUCT,
}  # fmt: skip


@dataclass(frozen=True)
class _Printed:
    """Python text, how tightly it binds, and whether its value is True or False."""

    text: str
    level: int = WHOLE
    truth: bool = False

    def within(self, level: int) -> str:
        """The text as an operand that must bind at least so tightly."""
        return self.text if self.level >= level else f"({self.text})"


def _number(expr: ir.Expr, names: Names, level: int) -> str:
    """The text as an operand that must be a number, not True or False: they are counts, too."""
    printed = _printed(expr, names)
    return f"int({printed.text})" if printed.truth else printed.within(level)


def _printed(expr: ir.Expr, names: Names) -> _Printed:
    match expr:
        case ir.Number(value=value):
            text = str(value) if abs(value) < 4096 else hex(value)
            return _Printed(text, WHOLE if value >= 0 else SIGNED)
        case ir.Text(value=text):
            return _Printed(repr(text))
        case ir.Version():
            return _Printed("version")
        case ir.Ref(kind="param", name=name):
            return _Printed(param_name(name))
        case ir.Ref(kind="let", name=name):
            return _Printed(names.let(name))
        case ir.Ref(name=name, optional=optional):
            read = names.field(name)
            return _Printed(f"({read} or {_absent(expr)})" if optional else read)
        case ir.Member(of=of, name=name, optional=optional):
            read = f"{_object(of, names)}.{attribute(name)}"
            if not optional:
                return _Printed(read)
            whole = _object(of, names)
            empty = _absent(expr)
            return _Printed(f"({empty} if {whole} is None else {read} or {empty})")
        case ir.At(of=of, index=index):
            read, at = expression(of, names), expression(index, names)
            if isinstance(of, ir.Ref | ir.Member) and of.optional:
                return _Printed(f"({read}[{at}] if {read} else 0)")
            return _Printed(f"{read}[{at}]")
        case ir.Operation():
            return _operation(expr, names)
        case _:
            assert_never(expr)


def _object(expr: ir.Expr, names: Names) -> str:
    """A nested description's value (None where it is absent)."""
    match expr:
        case ir.Ref(name=name):
            return names.field(name)
        case ir.Member(of=of, name=name):
            whole = _object(of, names)
            read = f"{whole}.{attribute(name)}"
            absent = isinstance(of, ir.Ref | ir.Member) and of.optional
            return f"({whole} and {read})" if absent else read
        case _:
            return expression(expr, names)


def _absent(expr: ir.Ref | ir.Member) -> str:
    match expr.type:
        case ir.Bytes() | ir.String():
            return 'b""'
        case ir.Array():
            return "()"
        case _:
            return "0"


def _operation(expr: ir.Operation, names: Names) -> _Printed:
    first = expr.operands[0]
    match expr.op:
        case "and" | "or" as op:
            level = AND if op == "and" else OR
            joined = f" {op} ".join(_printed(o, names).within(level + 1) for o in expr.operands)
            plain = all(ir.expr_bounds(o) in ((0, 1), (0, 0), (1, 1)) for o in expr.operands)
            return _Printed(joined if plain else f"bool({joined})", level if plain else WHOLE, True)
        case "not":
            return _Printed(f"not {_printed(first, names).within(NOT)}", NOT, True)
        case "~" | "-" as op if len(expr.operands) == 1:
            return _Printed(f"{op}{_number(first, names, SIGNED)}", SIGNED)
        case "min" | "max":
            return _Printed(f"{expr.op}({', '.join(expression(o, names) for o in expr.operands)})")
        case "length":
            return _Printed(f"len({_printed(first, names).text})")
        case op if op in PEEKS:
            return _Printed(f"_w.{op}({', '.join(expression(o, names) for o in expr.operands)})")
        case "ceil_div" | "align":
            by = _number(expr.operands[1], names, SIGNED)
            steps = f"-(-{_number(first, names, SIGNED)} // {by})"
            return (
                _Printed(steps, SIGNED)
                if op == "ceil_div"
                else _Printed(f"{steps} * {by}", PRODUCT)
            )
        case "bit":
            at = _number(expr.operands[1], names, SUM)
            return _Printed(f"{_number(first, names, SHIFTED)} >> {at} & 1", BIT_AND)
        case op if op in _BINARY:
            level = _BINARY[op]
            left, right = (_number(o, names, level + i) for i, o in enumerate(expr.operands))
            return _Printed(f"{left} {'//' if op == '/' else op} {right}", level)
        case op:
            left, right = (_comparable(o, names, expr.operands) for o in expr.operands)
            return _Printed(f"{left} {op} {right}", COMPARED, True)


def _comparable(operand: ir.Expr, names: Names, operands: Sequence[ir.Expr]) -> str:
    """An operand of a comparison; a string's is bytes on the wire, and a word as a parameter."""
    wire = any(isinstance(o, ir.Member) or (isinstance(o, ir.Ref) and o.kind != "param")
               for o in operands)  # fmt: skip
    if wire and isinstance(operand, ir.Text):
        return repr(operand.value.encode())
    return _printed(operand, names).within(COMPARED + 1)
