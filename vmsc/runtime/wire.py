"""What generated codecs call for the rare and the awkward: headers, limits, refusals. The common
path is in the codecs.

Law: memory is asked for only after the input is known to hold the bytes; a length from the wire
is compared with what is left of the buffer first.
"""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, EncodeError, ParamError, Truncated
from vmsc.runtime.peeks import little16, little32, pci_capability

__all__ = [
    "ARRAY",
    "BYTES",
    "CUT",
    "FIXED",
    "LIST",
    "ITEM",
    "ITEM_HEAD",
    "NULL",
    "STRUCT",
    "SUBSECTION",
    "Missing",
    "array",
    "array_header",
    "bad_choice",
    "bad_choice_value",
    "bad_count",
    "bad_sum",
    "broken",
    "broken_value",
    "bytes_item",
    "check_buffer",
    "check_version",
    "closed",
    "count",
    "filled",
    "finished",
    "flag",
    "item",
    "item_header",
    "leftover",
    "listed",
    "little16",
    "little32",
    "loop_end",
    "marker",
    "masked",
    "no_stop",
    "not_here",
    "not_sticky",
    "numbers",
    "outside",
    "overrun",
    "param",
    "part",
    "pci_capability",
    "peek",
    "place",
    "put_list",
    "put_number",
    "put_numbers",
    "put_text",
    "renamed",
    "short",
    "size",
    "struct_item",
    "subsection_item",
    "sum_is",
    "tag",
    "text",
    "text_limit",
    "unfit",
    "unknown_subsection",
    "word_param",
]  # fmt: skip

# Kinds of items in the framed profile; docs/framed-format.md.
FIXED, BYTES, ARRAY, LIST, STRUCT, SUBSECTION, NULL = range(1, 8)
_KINDS = ("", "FIXED", "BYTES", "ARRAY", "LIST", "STRUCT", "SUBSECTION", "NULL")
ITEM = struct.Struct(">BI")  # an item's head: its kind and the length of what follows
ITEM_HEAD = ITEM.size
_ARRAY = struct.Struct(">BIII")
_LIST = struct.Struct(">BII")
_U32 = struct.Struct(">I")
ITEM_LIMIT = (1 << 32) - 1


# --- parameters and versions ----------------------------------------------------------------------


class Missing:
    """Stands for a parameter that was not given. Whatever reads it raises ParamError, so that
    one which this very input does not need is not asked for.
    """

    __slots__ = ("name", "wanted")

    def __init__(self, name: str, wanted: str) -> None:
        self.name = name
        self.wanted = wanted

    def _needed(self, *_: object) -> NoReturn:
        message = f"the parameter '{self.name}' is not given ({self.wanted})"
        raise ParamError(message, name=self.name)

    __bool__ = __index__ = __int__ = __hash__ = __eq__ = __ne__ = _needed
    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = _needed
    __mul__ = __rmul__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _needed
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __neg__ = __invert__ = _needed
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __format__ = _needed


def param(name: str, value: object, low: int, high: int) -> Any:
    """A number parameter within its bounds, or what stands for a missing one. Raises ParamError."""
    if value is None:
        return Missing(name, f"{low} to {high}")
    if isinstance(value, Missing):
        return value
    if not isinstance(value, int):
        raise ParamError(f"the parameter '{name}' is a number, not {value!r}", name=name)
    if not low <= value <= high:
        message = f"the parameter '{name}' is {value}; its bounds are {low} to {high}"
        raise ParamError(message, name=name)
    return value


def word_param(name: str, value: object, words: Sequence[str]) -> Any:
    """A word parameter, one of `words`, or what stands for a missing one. Raises ParamError."""
    wanted = ", ".join(words)
    if value is None:
        return Missing(name, f"one of {wanted}")
    if not isinstance(value, Missing) and value not in words:
        raise ParamError(f"the parameter '{name}' is {value!r}, not one of {wanted}", name=name)
    return value


def renamed(function: Callable[..., Any], words: Mapping[str, str]) -> Callable[..., Any]:
    """The function with its parameters' own names, where its keywords are other words."""

    @functools.wraps(function)
    def called(*args: Any, **given: Any) -> Any:
        return function(*args, **{words.get(name, name): value for name, value in given.items()})

    return called


def check_version(version: int, low: int, high: int, offset: int | None) -> None:
    """Refuse a version that the description does not have; `offset` None: on encoding."""
    if low <= version <= high:
        return
    message = f"version {version}; the description has {low} to {high}"
    if offset is None:
        raise EncodeError(message, code="version")
    raise DecodeError(message, offset=offset, code="version")


# --- decoding: ends and limits --------------------------------------------------------------------


def short(buf: Buffer, pos: int, size: int, fields: Sequence[tuple[int, str]] = ()) -> NoReturn:
    """Raise Truncated for `size` bytes wanted at `pos`, naming the field that the end cuts.

    `fields` holds (offset in the run, name), ascending.
    """
    have = max(0, len(buf) - pos)
    name: tuple[str, ...] = ()
    for start, field in fields:
        if start > have:
            break
        name = (field,)
    raise Truncated(size - have, offset=len(buf), path=name)


def overrun(fault: Truncated, end: int, what: str) -> DecodeError:
    """Input that ends inside a part whose length is known: more input would not help."""
    message = f"{what} ends at byte {end}, {fault.need} bytes too early"
    return DecodeError(message, offset=fault.offset, code="overrun", path=fault.path)


def leftover(pos: int, end: int, what: str) -> NoReturn:
    """Bytes left in a part whose length is known."""
    message = f"{what} has {end - pos} bytes more than its description"
    raise DecodeError(message, offset=pos, code="leftover")


def check_buffer(buf: object) -> None:
    """Refuse what is not bytes: not an error in the input, but of the caller."""
    if not isinstance(buf, bytes | bytearray | memoryview):
        message = f"bytes, a bytearray or a memoryview can be decoded, not {type(buf).__name__}"
        raise TypeError(message)


def finished(pos: int, size: int) -> None:
    """Refuse bytes behind a whole value."""
    if pos != size:
        message = f"the value ends here; {size - pos} bytes follow"
        raise DecodeError(message, offset=pos, code="trailing")


def place(buf: Buffer, pos: int, size: int) -> int:
    """The end of `size` bytes at `pos`; Truncated if they are not all there."""
    end = pos + size
    if end > len(buf):
        short(buf, pos, size)
    return end


def numbers(buf: Buffer, pos: int, count: int, code: str, size: int) -> tuple[list[int], int]:
    """`count` numbers of struct code `code` (with its byte order) and `size` bytes. A `bool`
    parameter may be the count, and be given as True: it is written as a number.
    """
    end = place(buf, pos, count * size)
    return list(struct.unpack_from(f"{code[0]}{count:d}{code[1]}", buf, pos)), end


def text(buf: Buffer, pos: int, prefix: int, limit: int) -> tuple[bytes, int]:
    """Bytes behind their length."""
    start = place(buf, pos, prefix)
    length = buf[pos] if prefix == 1 else _U32.unpack_from(buf, pos)[0]
    text_limit(pos, length, limit)
    end = place(buf, start, length)
    return bytes(buf[start:end]), end


def text_limit(offset: int, length: int, limit: int) -> None:
    """Refuse bytes longer than their type lets them be."""
    if length > limit:
        message = f"length {length} is over the limit {limit}"
        raise DecodeError(message, offset=offset, code="limit")


def tag(buf: Buffer, pos: int, wanted: int) -> bool:
    """Whether another list element follows; refuses a tag that QEMU takes and never writes."""
    place(buf, pos, 1)
    found = buf[pos]
    if found and found != wanted:
        message = f"list tag {found:#04x}, expected {wanted:#04x} or 0x00 [non-canonical]"
        raise DecodeError(message, offset=pos, code="non-canonical")
    return bool(found)


def marker(buf: Buffer, pos: int, wanted: int) -> None:
    """The byte 0x30 in the place of an absent element."""
    place(buf, pos, 1)
    if buf[pos] != wanted:
        message = f"marker {buf[pos]:#04x}, expected {wanted:#04x}"
        raise DecodeError(message, offset=pos, code="marker")


def flag(buf: Buffer, pos: int) -> bool:
    """A marker before an element that may be absent: 0x31 it is there, 0x30 it is not."""
    place(buf, pos, 1)
    if buf[pos] not in (0x30, 0x31):
        message = f"marker {buf[pos]:#04x}, expected 0x30 or 0x31"
        raise DecodeError(message, offset=pos, code="marker")
    return bool(buf[pos] == 0x31)


def bad_count(offset: int, count: int, found: int) -> NoReturn:
    raise DecodeError(f"the count says {count}, {found} follow", offset=offset, code="count")


def bad_sum(offset: int, total: int, found: int) -> NoReturn:
    message = f"the elements add up to {found}, expected {total}"
    raise DecodeError(message, offset=offset, code="sum")


def bad_choice(offset: int, found: object, known: str) -> NoReturn:
    raise DecodeError(f"{found!r} is none of {known}", offset=offset, code="choice")


def broken(
    offset: int, field: str, relation: str, bound: object, found: object, why: str = ""
) -> NoReturn:
    """A law does not hold on decoding."""
    path = (field,) if field else ()
    raise DecodeError(_law(relation, bound, found, why), offset=offset, code="law", path=path)


def _law(relation: str, bound: object, found: object, why: str) -> str:
    if relation:
        return f"{found} found, expected {relation} {bound}"
    values = f" ({found})" if found else ""
    return f"the law '{bound}' is broken{values}" + (f": {why}" if why else "")


# --- decoding: subsections ------------------------------------------------------------------------


FOLLOWED, WARY = 2, 4
CUT = 1 | WARY
"""What `final` is told of the input's end, beside that it is one (1): fields may follow what peeks
there (FOLLOWED); a header of which too little is there to tell is one that was cut (WARY)."""


def peek(buf: Buffer, pos: int, owner: bytes, final: bool | int) -> tuple[bytes, int, int] | None:
    """The (name, version, body) of a subsection of `owner` at `pos`, or None where there is none.

    QEMU looks for 0x05, a length and a name that begins with the owner's; anything else is not its
    own. A header that the end of the input cuts is Truncated, whether the input is `final` or not;
    but where it is, and more fields may follow the owner, an 05 and a length alone are those
    fields' data. If they turn out not to be, the input is read again, and then they are a header
    that was cut. Source: QEMU 7.2 migration/vmstate.c, vmstate_subsection_load.
    """
    size = len(buf)
    if pos >= size:
        if final:
            return None
        raise Truncated(1, offset=size)
    if buf[pos] != 5:
        return None
    start = pos + 2
    length = buf[pos + 1] if start <= size else 255
    if length <= len(owner):
        return None
    name = bytes(buf[start : start + length])
    if name[: len(owner)] != owner[: len(name)]:
        return None
    if not name and final & FOLLOWED and not final & WARY:
        return None
    if start + length + 4 > size:
        sure = len(name) >= len(owner)
        raise Truncated(start + length + 4 - size if sure else 1, offset=size)
    version = _U32.unpack_from(buf, start + length)[0]
    if version > 255:
        shown = name.decode("ascii", "backslashreplace")
        message = f"subsection '{shown}' version {version}, over 255 [non-canonical]"
        raise DecodeError(message, offset=start + length, code="non-canonical")
    return name, version, start + length + 4


def unknown_subsection(offset: int, name: bytes, known: Sequence[bytes]) -> NoReturn:
    """A subsection that the description has not, or has already had, or has before this one."""
    shown = name.decode("ascii", "backslashreplace")
    if name in known:
        message = f"subsection '{shown}' twice or out of order [non-canonical]"
        raise DecodeError(message, offset=offset, code="non-canonical")
    there = ", ".join(f"'{k.decode()}'" for k in known) or "none"
    message = f"unknown subsection '{shown}'; the description has {there}"
    raise DecodeError(message, offset=offset, code="unknown-subsection")


# --- decoding: framed items -----------------------------------------------------------------------


def item(buf: Buffer, pos: int, kind: int, length: int | None = None) -> tuple[int, int]:
    """The (start, end) of an item's content; its kind and, if given, its length are as expected."""
    if pos + 5 > len(buf):
        short(buf, pos, 5)
    found, size = ITEM.unpack_from(buf, pos)
    if found != kind:
        shown = _KINDS[found] if 0 < found < len(_KINDS) else f"{found:#04x}"
        message = f"item {shown} found, expected {_KINDS[kind]}"
        raise DecodeError(message, offset=pos, code="item-kind")
    if length is not None and size != length:
        message = f"item {_KINDS[kind]} of {size} bytes, expected {length}"
        raise DecodeError(message, offset=pos + 1, code="item-length")
    return pos + 5, place(buf, pos + 5, size)


def closed(buf: Buffer, pos: int, kind: int) -> tuple[memoryview, int, int]:
    """An item to be decoded on its own: (buffer that ends with it, start, end)."""
    start, end = item(buf, pos, kind)
    return memoryview(buf)[:end], start, end


def array(
    buf: Buffer, pos: int, count: int | None, element: int, limit: int
) -> tuple[int, int, int]:
    """The (start, end, count) of an ARRAY of elements of `element` bytes."""
    start, end = item(buf, pos, ARRAY)
    if end - start < 8:
        raise DecodeError("an ARRAY item too short for its head", offset=pos, code="item-length")
    found, width = struct.unpack_from(">II", buf, start)
    if width != element or found * width != end - start - 8:
        message = f"ARRAY of {found} x {width} bytes in {end - start - 8}, expected x {element}"
        raise DecodeError(message, offset=start, code="item-length")
    if count is not None and found != count:
        bad_count(start, count, found)
    if found > limit:
        message = f"count {found} is over the limit {limit}"
        raise DecodeError(message, offset=start, code="limit")
    return start + 8, end, found


def listed(buf: Buffer, pos: int, count: int | None) -> tuple[memoryview, int, int, int]:
    """A LIST: (buffer that ends with it, start of the first item, end, count)."""
    start, end = item(buf, pos, LIST)
    if end - start < 4:
        raise DecodeError("a LIST item too short for its head", offset=pos, code="item-length")
    found = _U32.unpack_from(buf, start)[0]
    if found * 5 > end - start - 4:
        message = f"LIST of {found} items in {end - start - 4} bytes"
        raise DecodeError(message, offset=start, code="item-length")
    if count is not None and found != count:
        bad_count(start, count, found)
    return memoryview(buf)[:end], start + 4, end, found


def subsection_item(buf: Buffer, pos: int) -> tuple[bytes, int, memoryview, int, int]:
    """A SUBSECTION: (name, version, buffer that ends with it, start of its items, end)."""
    start, end = item(buf, pos, SUBSECTION)
    head = 1 + buf[start] + 4 if end > start else 5
    if end - start < head:
        message = "a SUBSECTION item too short for its head"
        raise DecodeError(message, offset=pos, code="item-length")
    name = bytes(buf[start + 1 : start + head - 4])
    version = _U32.unpack_from(buf, start + head - 4)[0]
    return name, version, memoryview(buf)[:end], start + head, end


# --- encoding -------------------------------------------------------------------------------------


def item_header(kind: int, length: int) -> bytes:
    if length > ITEM_LIMIT:
        raise EncodeError(f"an item of {length} bytes; the limit is {ITEM_LIMIT}", code="limit")
    return ITEM.pack(kind, length)


def array_header(count: int, element: int) -> bytes:
    length = 8 + count * element
    if length > ITEM_LIMIT:
        raise EncodeError(f"an array of {length} bytes; the limit is {ITEM_LIMIT}", code="limit")
    return _ARRAY.pack(ARRAY, length, count, element)


def put_list(count: int, items: Sequence[bytes]) -> bytes:
    content = b"".join(items)
    if len(content) + 4 > ITEM_LIMIT:
        message = f"a list of {len(content)} bytes; the limit is {ITEM_LIMIT}"
        raise EncodeError(message, code="limit")
    return _LIST.pack(LIST, len(content) + 4, count) + content


def struct_item(parts: Sequence[bytes], kind: int = STRUCT) -> bytes:
    content = b"".join(parts)
    return item_header(kind, len(content)) + content


def bytes_item(value: bytes, limit: int = ITEM_LIMIT) -> bytes:
    if len(value) > limit:
        raise EncodeError(f"length {len(value)} is over the limit {limit}", code="limit")
    return item_header(BYTES, len(value)) + value


def put_text(value: bytes, prefix: int, limit: int) -> bytes:
    if len(value) > limit:
        raise EncodeError(f"length {len(value)} is over the limit {limit}", code="limit")
    return len(value).to_bytes(prefix) + value


def put_number(form: struct.Struct, value: object) -> bytes:
    try:
        return form.pack(value)
    except (struct.error, TypeError, OverflowError) as fault:
        raise EncodeError(f"{value!r} does not fit: {fault}", code="range") from None


def put_numbers(values: Sequence[int], code: str) -> bytes:
    try:
        return struct.pack(f"{code[0]}{len(values)}{code[1]}", *values)
    except (struct.error, TypeError, OverflowError) as fault:
        for index, value in enumerate(values):
            try:
                struct.pack(code, value)
            except (struct.error, TypeError, OverflowError) as own:
                message = f"{value!r} does not fit: {own}"
                raise EncodeError(message, code="range", path=(index,)) from None
        raise EncodeError(f"the numbers do not fit: {fault}", code="range") from None


def count(value: Sequence[Any]) -> bytes:
    """The be32 in front of a tree."""
    return put_number(_U32, len(value))


def no_stop(value: Sequence[Any], member: str, stop: int, offset: int | None = None) -> None:
    """No element may look like the end of its list; `offset` None: on encoding."""
    for index, each in enumerate(value):
        if getattr(each, member) == stop:
            message, path = f"{stop} is the end of the list, no element", (index, member)
            if offset is None:
                raise EncodeError(message, code="stop", path=path)
            raise DecodeError(message, offset=offset, code="stop", path=path)


def sum_is(value: Sequence[Any], member: str, total: int, offset: int | None = None) -> None:
    """The elements add up to `total`, and not before the last one; `offset` None: on encoding."""
    found, message = 0, ""
    for each in value:
        if found >= total:
            message = "the elements reach the total before the last one"
        found += getattr(each, member) or 0  # absent counts as 0
    if found != total:
        message = f"the elements add up to {found}, expected {total}"
    if message and offset is None:
        raise EncodeError(message, code="sum")
    if message and offset is not None:
        raise DecodeError(message, offset=offset, code="sum")


def masked(value: object, there: int) -> None:
    """An element is there where the mask says so."""
    if (value is not None) != bool(there):
        message = "an element that the mask says is absent" if not there else "no element"
        raise EncodeError(message, code="mask")


def filled(parts: Sequence[bytes], length: int) -> bytes:
    content = b"".join(parts)
    size(content, length, "", "bytes")
    return content


def bad_choice_value(found: object, known: str) -> NoReturn:
    raise EncodeError(f"{found!r} is none of {known}", code="choice")


def not_here(field: str, found: object) -> NoReturn:
    message = f"{found!r} has no place: the field is not present here"
    raise EncodeError(message, code="presence", path=(field,))


def size(value: Any, wanted: int, field: str, what: str = "elements") -> None:
    """Refuse bytes or a list of another length than the description says."""
    if len(value) != wanted:
        message = f"{len(value)} {what} found, expected {wanted}"
        raise EncodeError(message, code="length", path=(field,) if field else ())


def outside(fault: Exception, value: Any, fields: Sequence[tuple[str, str]]) -> EncodeError:
    """Name the field of a run whose value its code cannot hold; `fields`: (attributes, code)."""
    for name, code in fields:
        one = operator.attrgetter(name)(value)
        values = list(one) if isinstance(one, list | tuple) else [one]
        wanted = int(code[1:-1] or 1)
        if code[-1] != "s" and len(values) != wanted:
            message = f"{len(values)} elements found, expected {wanted}"
            return EncodeError(message, code="length", path=(name,))
        try:
            struct.pack(code, *values)
        except (struct.error, TypeError, OverflowError) as own:
            return EncodeError(f"{one!r} does not fit: {own}", code="range", path=(name,))
    return EncodeError(f"the value does not fit: {fault}", code="range")


def part(word: int, mask: int, field: str) -> int:
    """A part of a split word, which lies within its mask."""
    if word & ~mask:
        message = f"{word:#x} has bits outside {mask:#x}"
        raise EncodeError(message, code="range", path=(field,))
    return word


def unfit(fault: Exception, name: str) -> EncodeError:
    """A value of another shape than the class says."""
    return EncodeError(f"no value of {name}: {fault}", code="type")


def broken_value(
    field: str, relation: str, bound: object, found: object, why: str = ""
) -> NoReturn:
    """A law does not hold on encoding."""
    path = (field,) if field else ()
    raise EncodeError(_law(relation, bound, found, why), code="law", path=path)


def not_sticky(field: str, found: object, kept: object) -> NoReturn:
    message = f"{found!r} is not sent here and stays {kept!r} for the reader"
    raise EncodeError(message, code="sticky", path=(field,))


def loop_end(index: int, count: int, ended: bool) -> None:
    """The last round of a loop, and no other, breaks."""
    if ended and index != count - 1:
        message = f"round {index} ends the loop, {count - 1 - index} rounds follow"
        raise EncodeError(message, code="loop")
    if not ended:
        raise EncodeError("the last round does not end the loop", code="loop")
