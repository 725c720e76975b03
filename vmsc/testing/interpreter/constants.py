"""Expressions where there are no fields: constants, labels, bounds and defaults of parameters."""

from __future__ import annotations

from functools import lru_cache

from vmsc.testing.interpreter.arithmetic import FUNCTIONS, binary, is_true, unary
from vmsc.testing.interpreter.modules import Module
from vmsc.testing.interpreter.syntax import (
    Binary,
    Call,
    Expr,
    Logic,
    Name,
    Number,
    SchemaError,
    Text,
    Unary,
)
from vmsc.testing.interpreter.values import Value

__all__ = ["evaluate_constant"]


@lru_cache(4096)
def evaluate_constant(expr: Expr, module: Module) -> Value:
    """Where there are no fields: constants, bounds and defaults of parameters."""
    match expr:
        case Number(value=value) | Text(value=value):
            return value
        case Name(name=name):
            found = module.constant(name)
            if found is None:
                raise SchemaError(f"'{name}' is not a constant")
            return evaluate_constant(found[1], found[0])
        case Unary(op=op, operand=operand):
            return unary(op, evaluate_constant(operand, module))
        case Binary(op=op, left=left, right=right):
            return binary(op, evaluate_constant(left, module), evaluate_constant(right, module))
        case Call(function=function, operands=operands):
            return FUNCTIONS[function]([evaluate_constant(o, module) for o in operands])
        case Logic(op=op, left=left, right=right):
            first = is_true(evaluate_constant(left, module))
            if first == (op == "or"):
                return int(first)
            return int(is_true(evaluate_constant(right, module)))
        case _:
            raise SchemaError(f"{expr} is not constant")
