"""The meaning of a schema: `from vmsc.schema import ir`, then `ir.Field`.

Hands on `nodes` and `bounds`.
"""

from __future__ import annotations

from vmsc.schema.ir.bounds import (
    expr_bounds,
    field_bounds,
    is_hollow,
    is_optional,
    may_be_empty,
    names_in,
    scalar_bounds,
    type_exprs,
    type_parts,
    type_uses,
)
from vmsc.schema.ir.nodes import (
    SCALARS,
    Array,
    At,
    Bitmap,
    Break,
    Bytes,
    Choice,
    Description,
    Expr,
    External,
    Field,
    Invalid,
    Item,
    Let,
    ListOf,
    Member,
    Module,
    Nullable,
    Number,
    Opaque,
    Operation,
    Padding,
    Param,
    Part,
    Ref,
    Require,
    Scalar,
    Schema,
    Split,
    String,
    Subsection,
    Text,
    Tree,
    Type,
    Until,
    UntilSum,
    Use,
    Version,
    Within,
)

__all__ = [
    "Array", "At", "Bitmap", "Break", "Bytes", "Choice", "Description", "Expr", "External",
    "Field", "Invalid", "Item", "Let", "ListOf", "Member", "Module", "Nullable", "Number",
    "Opaque", "Operation", "Padding", "Param", "Part", "Ref", "Require", "SCALARS", "Scalar",
    "Schema", "Split", "String", "Subsection", "Text", "Tree", "Type", "Until", "UntilSum", "Use",
    "Version", "Within", "expr_bounds", "field_bounds", "is_hollow", "is_optional",
    "may_be_empty", "names_in", "scalar_bounds", "type_exprs", "type_parts", "type_uses",
]  # fmt: skip
