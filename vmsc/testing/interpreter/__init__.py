"""An interpreter of the language, written from docs/language.md: the oracle for compiled codecs.

Text in; values, bytes and refusals out. It has its own parser, its own arithmetic and its own idea
of a value, and imports nothing of vmsc but `runtime.errors`: what it and a compiled codec agree on,
two independent readings of the language agree on. It walks the syntax as it decodes, is slow, and
checks no schema: it is given text that `vmsc check` calls good.

    schema = load(text)
    codec = schema.codec("Nic")
    found = codec.decode_from(data, version=2, params={"ports": 4}, final=True)

Values are plain data: a description is a dict that has every field (None where it is absent), a
loop a list of its rounds, a tree a list of (key, value), a choice its arm's value, bytes are bytes,
f64 is `F64`, the bits. A subsection's dict has its version beside its fields, as "@version".
Refusals are the errors of `vmsc.runtime.errors`, with code, path and offset. Truncated names the
innermost field that is cut, and asks for what that field lacks: a codec may name what encloses it,
and may ask for more.
"""

from __future__ import annotations

from vmsc.testing.interpreter.codec import Codec, Decoded, Drawn, Schema, load
from vmsc.testing.interpreter.drawing import GiveUp
from vmsc.testing.interpreter.mutation import mutations
from vmsc.testing.interpreter.parameters import Parameter
from vmsc.testing.interpreter.scope import Transform, WireType
from vmsc.testing.interpreter.syntax import SchemaError
from vmsc.testing.interpreter.values import F64, Value, plain, same

__all__ = [
    "F64",
    "Codec",
    "Decoded",
    "Drawn",
    "GiveUp",
    "Parameter",
    "Schema",
    "SchemaError",
    "Transform",
    "Value",
    "WireType",
    "load",
    "mutations",
    "plain",
    "same",
]
