"""Schemas that grow in one direction each, with bytes of what they describe: for the bench, which
takes the time, and for tests, which count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["SHAPES", "STREAMS", "Shape", "thirteen"]

Values = Sequence[tuple[str, bytes]]  # the name of a codec, and bytes that it decodes whole


@dataclass(frozen=True)
class Shape:
    """`text` and `values` of a size; `small` is the least that is looked at."""

    text: Callable[[int], str]
    values: Callable[[int], Values]
    small: int


def _none(_size: int) -> Values:
    return ()


def _copies(count: int, one: Callable[[int, int], str]) -> Callable[[int], str]:
    """As many schemas in one, told apart by their number: a small one takes too little time."""
    return lambda size: "".join(one(copy, size) for copy in range(count))


# --- descriptions ---------------------------------------------------------------------------------

_TYPES = ("u8", "u16", "u32", "u64", "s32", "bool", "u8", "little u16", "u64", "u32")


def thirteen(number: int) -> str:
    """A device of thirteen fields."""
    fixed = "".join(f"    f{i}: {type_}\n" for i, type_ in enumerate(_TYPES))
    rest = "    n: u8\n    data: bytes[n]\n    tail: u16 since 2\n"
    return f'device "d{number}" version 2 minimum 1 {{\n{fixed}{rest}}}\n'


_THIRTEEN = bytes(35) + b"\2abxy"


# --- depth ----------------------------------------------------------------------------------------


def _chain(bottom: str, level: str) -> Callable[[int, int], str]:
    """Structs within each other, as many as `size`; `level` is the body of each but the last."""

    def one(copy: int, size: int) -> str:
        structs = [f"struct C{copy}S0 {{ {bottom} }}\n"]
        for i in range(1, size):
            structs.append(f"struct C{copy}S{i} {{ {level.replace('S', f'C{copy}S{i - 1}')} }}\n")
        return "".join(structs)

    return one


_CHAINS = 20
_FIXED, _VARIABLE = "a: u8; b: u16", "a: u8; b: bytes[a]"


def _last_of_chains(inner: bytes, level: bytes) -> Callable[[int], Values]:
    def values(size: int) -> Values:
        return [(f"C{c}S{size - 1}", level * (size - 1) + inner) for c in range(_CHAINS)]

    return values


# --- expressions ----------------------------------------------------------------------------------


def _terms(joined: Callable[[int], str], field: str) -> Callable[[int], str]:
    """Fields whose condition or length has as many terms."""

    def text(size: int) -> str:
        fields = (field.format(i=i, terms=joined(size)) for i in range(20))
        return f'device "d" {{ a: u8 max 9; {"; ".join(fields)} }}'

    return text


def _nested(size: int) -> str:
    return "(a - " * (size - 1) + "a" + ")" * (size - 1)


def _lets(first: str, next_: str) -> Callable[[int], str]:
    def text(size: int) -> str:
        lets = (f"let l{i} = {next_.replace('L', f'l{i - 1}')}" for i in range(1, size))
        last = f"b: bytes[min(3, max(0, l{size - 1}))]"
        return f'device "d" {{ a: u8; {first}; {"; ".join(lets)}; {last} }}'

    return text


def _lengths(size: int) -> str:
    fields = (f"b{i}: bytes[min(length(b{i - 1}), length(b{i - 1}))]" for i in range(1, size))
    return f'device "d" {{ a: u8; b0: bytes[a]; {"; ".join(fields)} }}'


# --- a body ---------------------------------------------------------------------------------------


def _body(item: str, before: str = "", after: str = "") -> Callable[[int], str]:
    """A device of as many items, `#` being their number."""

    def text(size: int) -> str:
        items = "; ".join(item.replace("#", str(i)) for i in range(size))
        return f'device "d" {{ {before}{items}{after} }}'

    return text


def _device(data: Callable[[int], bytes]) -> Callable[[int], Values]:
    return lambda size: [("D", data(size))]


def _arms(type_: str) -> Callable[[int], str]:
    def text(size: int) -> str:
        arms = "; ".join(f"{i}: {type_.replace('#', str(i % 7))}" for i in range(size))
        structs = "".join(f"struct A{i} {{ a: u8; b: bytes[{i}] }} " for i in range(7))
        return f'{structs}device "d" {{ a: u16; c: choice a {{ {arms} }} }}'

    return text


def _members(size: int) -> str:
    fields = "; ".join(f"f{i}: u8" for i in range(size))
    lets = "; ".join(f"let l{i} = s.f{i}; b{i}: bytes[l{i}]" for i in range(size))
    return f'struct S {{ {fields} }} device "d" {{ s: S; {lets} }}'


def _subsections(size: int) -> str:
    found = (f'subsection "d/{i:05}" as s{i} {{ a: u8; b: bytes[a] }}' for i in range(size))
    return f'device "d" {{ a: u8; {"; ".join(found)} }}'


def _with_subsections(size: int) -> bytes:
    names = (f"d/{i:05}".encode() for i in range(size))
    return b"\0" + b"".join(b"\5" + bytes([len(name)]) + name + b"\0\0\0\1\1x" for name in names)


def _bound(size: int) -> str:
    declared = "; ".join(f"param p{i}: u8" for i in range(size))
    fields = "; ".join(f"b{i}: bytes[p{i}]" for i in range(size))
    bound = ", ".join(f"p{i} = {i % 2}" for i in range(size))
    return f'struct S {{ {declared}; {fields} }} device "d" {{ a: u8; s: S({bound}) }}'


# --- elements -------------------------------------------------------------------------------------


def _elements(type_: str, data: Callable[[int], bytes]) -> Shape:
    text = (
        f'struct E {{ n: u8; data: bytes[n] }} device "d" {{ count: u32 max 1000000; q: {type_} }}'
    )
    return Shape(
        lambda _size: text, lambda size: [("D", size.to_bytes(4, "big") + data(size))], 2000
    )


SHAPES: dict[str, Shape] = {
    "descriptions": Shape(
        lambda size: "".join(map(thirteen, range(size))),
        lambda size: [(f"D{size - 1 - i}", _THIRTEEN) for i in range(100)],
        100,
    ),
    "depth, fixed size": Shape(
        _copies(_CHAINS, _chain(_FIXED, "a: u8; x: S")), _last_of_chains(b"\1\0\2", b"\1"), 3
    ),
    "depth, variable size": Shape(
        _copies(_CHAINS, _chain(_VARIABLE, "a: u8; x: S")), _last_of_chains(b"\1x", b"\1"), 3
    ),
    "depth, two each, fixed": Shape(_copies(_CHAINS, _chain(_FIXED, "x: S; y: S")), _none, 3),
    "depth, two each, variable": Shape(_copies(_CHAINS, _chain(_VARIABLE, "x: S; y: S")), _none, 3),
    "terms of a condition": Shape(
        _terms(lambda n: " or ".join(f"a == {i}" for i in range(n)), "f{i}: u8 when {terms}"),
        _device(lambda size: b"\1" * 21),
        5,
    ),
    "terms of a length": Shape(
        _terms(lambda n: " + ".join(["a"] * n), "f{i}: bytes[{terms}]"), _device(lambda _: b"\0"), 5
    ),
    "terms, nested": Shape(
        _terms(_nested, "f{i}: u8 when {terms} == 0"), _device(lambda _: b"\0" * 21), 3
    ),
    "lets": Shape(_lets("let l0 = a", "(L + L) & 255"), _device(lambda _: b"\0"), 100),
    "lengths": Shape(_lengths, _device(lambda size: b"\1" + b"x" * size), 100),
    "fields, fixed": Shape(_body("f#: u16"), _device(lambda size: b"\0\1" * size), 500),
    "fields, variable": Shape(_body("n#: u8; f#: bytes[n#]"), _device(lambda n: b"\1x" * n), 200),
    "fields, conditional": Shape(
        _body("f#: u8 when a != #", "a: u16; "), _device(lambda n: b"\xff\xff" + b"x" * n), 200
    ),
    "fields, one condition": Shape(
        _body("f#: u8 when a != 1", "a: u16; "), _device(lambda n: b"\0\0" + b"x" * n), 500
    ),
    "fields, laws": Shape(
        _body("f#: u8 max 9; require f# != 3"), _device(lambda n: b"\1" * n), 200
    ),
    "paddings": Shape(_body("unused[1]"), _device(lambda n: b"\0" * n), 500),
    "split words": Shape(
        _body("w#: u16 split { p#: high 8; q#: low 8 }; b#: bytes[q#]"),
        _device(lambda n: b"\0\1x" * n),
        200,
    ),
    "members": Shape(_members, _device(lambda n: b"\1" * n + b"x" * n), 200),
    "parameters": Shape(_bound, _device(lambda n: b"\0" + b"x" * (n // 2)), 100),
    "subsections": Shape(_subsections, _device(_with_subsections), 60),
    "arms": Shape(_arms("bytes[#]"), _device(lambda n: b"\0\3xyz"), 100),
    "arms, structs": Shape(_arms("A#"), _device(lambda n: b"\0\3\0xyz"), 100),
    "elements of an array": _elements("E[count]", lambda n: b"\1x" * n),
    "elements, numbers": _elements("u16[count]", lambda n: b"\1x" * n),
    "elements of a list": _elements("list E", lambda n: b"\1\1x" * n + b"\0"),
    "elements of a tree": _elements(
        "tree u16 => E", lambda n: n.to_bytes(4, "big") + b"\1\0\0\1x" * n + b"\0"
    ),
}


# --- sections of a stream -------------------------------------------------------------------------

UNIT = 'device "unit" { a: u32; n: u8; data: bytes[n] }'
_SIZED = 'device "unit" { param size: u8; a: u32; n: u8; data: bytes[size] }'
_BODY = b"\0\0\0\7\3abc"


def _section(number: int, name: str) -> bytes:
    at = number.to_bytes(4, "big")
    head = b"\4" + at + bytes([len(name)]) + name.encode() + at + b"\0\0\0\1"
    return head + _BODY + b"\x7e" + at


def _stream(name: Callable[[int], str]) -> Callable[[int], bytes]:
    def data(size: int) -> bytes:
        return b"QEVM\0\0\0\3" + b"".join(_section(i, name(i)) for i in range(size)) + b"\0"

    return data


def _described(size: int) -> bytes:
    """As `_stream`, with QEMU's own description behind its end."""
    fields = [{"name": name, "type": type_, "size": length} for name, type_, length in
              (("a", "uint32", 4), ("n", "uint8", 1), ("data", "buffer", 3))]  # fmt: skip
    devices = [{"name": "unit", "instance_id": i, "vmsd_name": "unit", "version": 1,
                "fields": fields} for i in range(size)]  # fmt: skip
    text = json.dumps({"page_size": 4096, "devices": devices}).encode()
    return _stream(lambda _: "unit")(size) + b"\6" + len(text).to_bytes(4, "big") + text


STREAMS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "sections of one name": (UNIT, _stream(lambda _: "unit")),
    "sections of a name each": (UNIT, _stream(lambda i: f"0000:00:{i:x}/unit")),
    "sections that are described": (UNIT, _described),
    "sections with a parameter": (_SIZED, _described),
}
"""A schema, and the bytes of a stream of as many sections, by what they are."""
