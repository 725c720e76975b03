"""Codecs of versions.vmsd, made by vmsc from it; changes belong there."""

from __future__ import annotations

import struct as _struct

from msgspec import Struct

from vmsc.runtime import wire as _w
from vmsc.runtime.codec import Codec, Param, Profile
from vmsc.runtime.errors import CodecError as _CodecError
from vmsc.runtime.errors import Truncated as _Truncated
from vmsc.runtime.types import Bytes, Text, U16, U32, U64, U8

__all__ = [
    "CODECS",
    "ExamplePresence",
    "Versioned",
    "decode_example_presence",
    "decode_example_presence_framed",
    "decode_example_presence_framed_from",
    "decode_example_presence_from",
    "decode_versioned",
    "decode_versioned_framed",
    "decode_versioned_framed_from",
    "decode_versioned_from",
    "encode_example_presence",
    "encode_example_presence_framed",
    "encode_versioned",
    "encode_versioned_framed",
    "measure_example_presence",
    "measure_example_presence_framed",
    "measure_versioned",
    "measure_versioned_framed",
    "scan_example_presence",
    "scan_example_presence_framed",
    "scan_versioned",
    "scan_versioned_framed",
]

_unpackable = (_struct.error, TypeError, OverflowError)
_Shape = (AttributeError, TypeError, IndexError, ValueError)
_S0 = _struct.Struct('>I')
_S1 = _struct.Struct('>IQ')
_S2 = _struct.Struct('>BII')
_S3 = _struct.Struct('>BIIQ')
_S4 = _struct.Struct('>B')
_S5 = _struct.Struct('>H')
_S6 = _struct.Struct('>BIB')
_S7 = _struct.Struct('>BIH')
_F0 = ((0, 'a'),)
_F1 = ((0, 'b'),)
_F2 = ((0, 'c'), (4, 'd'),)
_F3 = ((0, 'e'), (4, 'f'),)
_F4 = ((5, 'a'),)
_F5 = ((5, 'b'),)
_F6 = ((5, 'c'), (9, 'd'),)
_F7 = ((5, 'e'), (9, 'f'),)
_F8 = (('a', '>I'),)
_F9 = (('b', '>I'),)
_F10 = (('c', '>I'), ('d', '>Q'),)
_F11 = (('e', '>I'), ('f', '>Q'),)
_F12 = ((0, 'flags'),)
_F13 = ((0, 'legacy'),)
_F14 = ((0, 'wide'),)
_F15 = ((0, 'narrow'),)
_F16 = ((0, 'count'),)
_F17 = ((0, 'last'),)
_F18 = ((5, 'flags'),)
_F19 = ((5, 'legacy'),)
_F20 = ((5, 'wide'),)
_F21 = ((5, 'narrow'),)
_F22 = ((5, 'count'),)
_F23 = ((5, 'last'),)
_F24 = (('flags', '>B'),)
_F25 = (('legacy', '>H'),)
_F26 = (('wide', '>I'),)
_F27 = (('narrow', '>H'),)
_F28 = (('count', '>B'),)
_F29 = (('last', '>B'),)


class Versioned(Struct, gc=False):
    """VMSTATE_UINT32_V(b, ..., 2): the fields of test-vmstate.c's versioned vmsd."""

    a: U32
    b: U32 | None
    c: U32
    d: U64
    e: U32 | None = None
    f: U64 | None = None


class ExamplePresence(Struct, gc=False):
    """field_exists. It takes the place of the version test, and may read what came before."""

    flags: U8
    #: Gone since version 3.
    legacy: U16 | None
    wide: U32 | None
    narrow: U16 | None
    count: U8 | None
    #: An absent count reads as 0.
    data: Bytes
    extra: list[U8] | None = None
    label: Text | None = None
    last: U8 | None = None


def get_versioned(buf, pos, final, version):
    size = len(buf)
    end = pos + 4
    if end > size:
        _w.short(buf, pos, 4, _F0)
    v_a, = _S0.unpack_from(buf, pos)
    pos = end
    if version >= 2:
        end = pos + 4
        if end > size:
            _w.short(buf, pos, 4, _F1)
        v_b, = _S0.unpack_from(buf, pos)
        pos = end
    else:
        v_b = None
    end = pos + 12
    if end > size:
        _w.short(buf, pos, 12, _F2)
    v_c, v_d = _S1.unpack_from(buf, pos)
    pos = end
    if version >= 2:
        end = pos + 12
        if end > size:
            _w.short(buf, pos, 12, _F3)
        v_e, v_f = _S1.unpack_from(buf, pos)
        pos = end
    else:
        v_e = v_f = None
    if buf[pos] == 5 if pos < size else not final:
        peeked = _w.peek(buf, pos, b'example-versioned', final)
        if peeked:
            _w.unknown_subsection(pos, peeked[0], ())
    return Versioned(v_a, v_b, v_c, v_d, v_e, v_f), pos


def skip_versioned(buf, pos, final, version):
    size = len(buf)
    if pos + 16 > size:
        _w.short(buf, pos, 16)
    pos += 4
    if pos > size:
        _w.short(buf, pos - 4, 4)
    if version >= 2:
        pos += 4
        if pos > size:
            _w.short(buf, pos - 4, 4)
    pos += 12
    if pos > size:
        _w.short(buf, pos - 12, 12)
    if version >= 2:
        pos += 12
        if pos > size:
            _w.short(buf, pos - 12, 12)
    if buf[pos] == 5 if pos < size else not final:
        peeked = _w.peek(buf, pos, b'example-versioned', final)
        if peeked:
            _w.unknown_subsection(pos, peeked[0], ())
    return pos


def getf_versioned(buf, pos, version):
    size = len(buf)
    end = pos + 9
    if end > size:
        _w.short(buf, pos, 9, _F4)
    kind, length, v_a = _S2.unpack_from(buf, pos)
    if kind != 1 or length != 4:
        _w.item(buf, pos, 1, 4)
    pos = end
    if version >= 2:
        end = pos + 9
        if end > size:
            _w.short(buf, pos, 9, _F5)
        kind, length, v_b = _S2.unpack_from(buf, pos)
        if kind != 1 or length != 4:
            _w.item(buf, pos, 1, 4)
        pos = end
    else:
        v_b = None
    end = pos + 17
    if end > size:
        _w.short(buf, pos, 17, _F6)
    kind, length, v_c, v_d = _S3.unpack_from(buf, pos)
    if kind != 1 or length != 12:
        _w.item(buf, pos, 1, 12)
    pos = end
    if version >= 2:
        end = pos + 17
        if end > size:
            _w.short(buf, pos, 17, _F7)
        kind, length, v_e, v_f = _S3.unpack_from(buf, pos)
        if kind != 1 or length != 12:
            _w.item(buf, pos, 1, 12)
        pos = end
    else:
        v_e = v_f = None
    last = -1
    while pos < size:
        name, version_, sub, body, stop = _w.subsection_item(buf, pos)
        try:
            _w.unknown_subsection(pos, name, ())
        except _Truncated as fault:
            raise _w.overrun(fault, stop, 'the subsection') from None
        _w.leftover(pos, stop, 'the subsection') if pos != stop else None
    return Versioned(v_a, v_b, v_c, v_d, v_e, v_f), pos


def put_versioned(put, value, version):
    try:
        put(_S0.pack(value.a))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F8) from None
    if version >= 2:
        try:
            put(_S0.pack(value.b))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F9) from None
    elif value.b is not None:
        _w.not_here('b', value.b)
    try:
        put(_S1.pack(value.c, value.d))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F10) from None
    if version >= 2:
        try:
            put(_S1.pack(value.e, value.f))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F11) from None
    elif value.e is not None:
        _w.not_here('e', value.e)
    elif value.f is not None:
        _w.not_here('f', value.f)


def length_versioned(value, version):
    n = 0
    n += 4
    if version >= 2:
        n += 4
    n += 12
    if version >= 2:
        n += 12
    return n


def putf_versioned(put, value, version):
    try:
        put(_S2.pack(1, 4, value.a))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F8) from None
    if version >= 2:
        try:
            put(_S2.pack(1, 4, value.b))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F9) from None
    elif value.b is not None:
        _w.not_here('b', value.b)
    try:
        put(_S3.pack(1, 12, value.c, value.d))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F10) from None
    if version >= 2:
        try:
            put(_S3.pack(1, 12, value.e, value.f))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F11) from None
    elif value.e is not None:
        _w.not_here('e', value.e)
    elif value.f is not None:
        _w.not_here('f', value.f)


def get_example_presence(buf, pos, final, version):
    size = len(buf)
    end = pos + 1
    if end > size:
        _w.short(buf, pos, 1, _F12)
    v_flags, = _S4.unpack_from(buf, pos)
    pos = end
    if version < 3:
        end = pos + 2
        if end > size:
            _w.short(buf, pos, 2, _F13)
        v_legacy, = _S5.unpack_from(buf, pos)
        pos = end
    else:
        v_legacy = None
    if v_flags & 1:
        end = pos + 4
        if end > size:
            _w.short(buf, pos, 4, _F14)
        v_wide, = _S0.unpack_from(buf, pos)
        pos = end
    else:
        v_wide = None
    if not (v_flags & 1):
        end = pos + 2
        if end > size:
            _w.short(buf, pos, 2, _F15)
        v_narrow, = _S5.unpack_from(buf, pos)
        pos = end
    else:
        v_narrow = None
    if v_flags & 2:
        end = pos + 1
        if end > size:
            _w.short(buf, pos, 1, _F16)
        v_count, = _S4.unpack_from(buf, pos)
        pos = end
        if not (v_count <= 4):
            _w.broken(pos - 1, 'count', 'at most', 4, v_count)
    else:
        v_count = None
    try:
        end = pos + ((v_count or 0))
        if end > size:
            _w.short(buf, pos, ((v_count or 0)))
        v_data = bytes(buf[pos:end])
        pos = end
    except _CodecError as fault:
        fault.within('data')
        raise
    if version >= 3:
        try:
            v_extra, pos = _w.numbers(buf, pos, (v_count or 0), '>B', 1)
        except _CodecError as fault:
            fault.within('extra')
            raise
    else:
        v_extra = None
    if v_flags & 4 and version >= 2:
        try:
            v_label, pos = _w.text(buf, pos, 1, 255)
        except _CodecError as fault:
            fault.within('label')
            raise
    else:
        v_label = None
    if version >= 4:
        end = pos + 1
        if end > size:
            _w.short(buf, pos, 1, _F17)
        v_last, = _S4.unpack_from(buf, pos)
        pos = end
    else:
        v_last = None
    if buf[pos] == 5 if pos < size else not final:
        peeked = _w.peek(buf, pos, b'example-presence', final)
        if peeked:
            _w.unknown_subsection(pos, peeked[0], ())
    return ExamplePresence(
        v_flags, v_legacy, v_wide, v_narrow, v_count, v_data, v_extra, v_label, v_last,
    ), pos


def skip_example_presence(buf, pos, final, version):
    size = len(buf)
    end = pos + 1
    if end > size:
        _w.short(buf, pos, 1, _F12)
    v_flags = buf[pos]
    pos = end
    if version < 3:
        pos += 2
        if pos > size:
            _w.short(buf, pos - 2, 2)
    if v_flags & 1:
        pos += 4
        if pos > size:
            _w.short(buf, pos - 4, 4)
    if not (v_flags & 1):
        pos += 2
        if pos > size:
            _w.short(buf, pos - 2, 2)
    if v_flags & 2:
        end = pos + 1
        if end > size:
            _w.short(buf, pos, 1, _F16)
        v_count = buf[pos]
        pos = end
        if not (v_count <= 4):
            _w.broken(pos - 1, 'count', 'at most', 4, v_count)
    else:
        v_count = None
    try:
        end = pos + ((v_count or 0))
        if end > size:
            _w.short(buf, pos, ((v_count or 0)))
        pos = end
    except _CodecError as fault:
        fault.within('data')
        raise
    if version >= 3:
        try:
            pos = _w.place(buf, pos, ((v_count or 0)) * 1)
        except _CodecError as fault:
            fault.within('extra')
            raise
    if v_flags & 4 and version >= 2:
        try:
            _, pos = _w.text(buf, pos, 1, 255)
        except _CodecError as fault:
            fault.within('label')
            raise
    if version >= 4:
        pos += 1
        if pos > size:
            _w.short(buf, pos - 1, 1)
    if buf[pos] == 5 if pos < size else not final:
        peeked = _w.peek(buf, pos, b'example-presence', final)
        if peeked:
            _w.unknown_subsection(pos, peeked[0], ())
    return pos


def getf_example_presence(buf, pos, version):
    size = len(buf)
    end = pos + 6
    if end > size:
        _w.short(buf, pos, 6, _F18)
    kind, length, v_flags = _S6.unpack_from(buf, pos)
    if kind != 1 or length != 1:
        _w.item(buf, pos, 1, 1)
    pos = end
    if version < 3:
        end = pos + 7
        if end > size:
            _w.short(buf, pos, 7, _F19)
        kind, length, v_legacy = _S7.unpack_from(buf, pos)
        if kind != 1 or length != 2:
            _w.item(buf, pos, 1, 2)
        pos = end
    else:
        v_legacy = None
    if v_flags & 1:
        end = pos + 9
        if end > size:
            _w.short(buf, pos, 9, _F20)
        kind, length, v_wide = _S2.unpack_from(buf, pos)
        if kind != 1 or length != 4:
            _w.item(buf, pos, 1, 4)
        pos = end
    else:
        v_wide = None
    if not (v_flags & 1):
        end = pos + 7
        if end > size:
            _w.short(buf, pos, 7, _F21)
        kind, length, v_narrow = _S7.unpack_from(buf, pos)
        if kind != 1 or length != 2:
            _w.item(buf, pos, 1, 2)
        pos = end
    else:
        v_narrow = None
    if v_flags & 2:
        end = pos + 6
        if end > size:
            _w.short(buf, pos, 6, _F22)
        kind, length, v_count = _S6.unpack_from(buf, pos)
        if kind != 1 or length != 1:
            _w.item(buf, pos, 1, 1)
        pos = end
        if not (v_count <= 4):
            _w.broken(pos, 'count', 'at most', 4, v_count)
    else:
        v_count = None
    try:
        pos, end = _w.item(buf, pos, 2, (v_count or 0))
        v_data = bytes(buf[pos:end])
        pos = end
    except _CodecError as fault:
        fault.within('data')
        raise
    if version >= 3:
        try:
            pos, end, n = _w.array(buf, pos, (v_count or 0), 1, 4)
            v_extra, pos = _w.numbers(buf, pos, n, '>B', 1)
        except _CodecError as fault:
            fault.within('extra')
            raise
    else:
        v_extra = None
    if v_flags & 4 and version >= 2:
        try:
            pos, end = _w.item(buf, pos, 2)
            _w.text_limit(pos, end - pos, 255)
            v_label = bytes(buf[pos:end])
            pos = end
        except _CodecError as fault:
            fault.within('label')
            raise
    else:
        v_label = None
    if version >= 4:
        end = pos + 6
        if end > size:
            _w.short(buf, pos, 6, _F23)
        kind, length, v_last = _S6.unpack_from(buf, pos)
        if kind != 1 or length != 1:
            _w.item(buf, pos, 1, 1)
        pos = end
    else:
        v_last = None
    last = -1
    while pos < size:
        name, version_, sub, body, stop = _w.subsection_item(buf, pos)
        try:
            _w.unknown_subsection(pos, name, ())
        except _Truncated as fault:
            raise _w.overrun(fault, stop, 'the subsection') from None
        _w.leftover(pos, stop, 'the subsection') if pos != stop else None
    return ExamplePresence(
        v_flags, v_legacy, v_wide, v_narrow, v_count, v_data, v_extra, v_label, v_last,
    ), pos


def put_example_presence(put, value, version):
    try:
        put(_S4.pack(value.flags))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F24) from None
    if version < 3:
        try:
            put(_S5.pack(value.legacy))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F25) from None
    elif value.legacy is not None:
        _w.not_here('legacy', value.legacy)
    if value.flags & 1:
        try:
            put(_S0.pack(value.wide))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F26) from None
    elif value.wide is not None:
        _w.not_here('wide', value.wide)
    if not (value.flags & 1):
        try:
            put(_S5.pack(value.narrow))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F27) from None
    elif value.narrow is not None:
        _w.not_here('narrow', value.narrow)
    if value.flags & 2:
        try:
            put(_S4.pack(value.count))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F28) from None
        if not (value.count <= 4):
            _w.broken_value('count', 'at most', 4, value.count)
    elif value.count is not None:
        _w.not_here('count', value.count)
    try:
        if len(value.data) != (value.count or 0):
            _w.size(value.data, (value.count or 0), '', 'bytes')
        put(value.data)
    except _CodecError as fault:
        fault.within('data')
        raise
    if version >= 3:
        try:
            if len(value.extra) != (value.count or 0):
                _w.size(value.extra, (value.count or 0), '', 'elements')
            put(_w.put_numbers(value.extra, '>B'))
        except _CodecError as fault:
            fault.within('extra')
            raise
    elif value.extra is not None:
        _w.not_here('extra', value.extra)
    if value.flags & 4 and version >= 2:
        try:
            put(_w.put_text(value.label, 1, 255))
        except _CodecError as fault:
            fault.within('label')
            raise
    elif value.label is not None:
        _w.not_here('label', value.label)
    if version >= 4:
        try:
            put(_S4.pack(value.last))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F29) from None
    elif value.last is not None:
        _w.not_here('last', value.last)


def length_example_presence(value, version):
    n = 0
    n += 1
    if version < 3:
        n += 2
    if value.flags & 1:
        n += 4
    if not (value.flags & 1):
        n += 2
    if value.flags & 2:
        n += 1
    try:
        n += len(value.data)
    except _CodecError as fault:
        fault.within('data')
        raise
    if version >= 3:
        try:
            n += len(value.extra) * 1
        except _CodecError as fault:
            fault.within('extra')
            raise
    if value.flags & 4 and version >= 2:
        try:
            n += 1 + len(value.label)
        except _CodecError as fault:
            fault.within('label')
            raise
    if version >= 4:
        n += 1
    return n


def putf_example_presence(put, value, version):
    try:
        put(_S6.pack(1, 1, value.flags))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F24) from None
    if version < 3:
        try:
            put(_S7.pack(1, 2, value.legacy))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F25) from None
    elif value.legacy is not None:
        _w.not_here('legacy', value.legacy)
    if value.flags & 1:
        try:
            put(_S2.pack(1, 4, value.wide))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F26) from None
    elif value.wide is not None:
        _w.not_here('wide', value.wide)
    if not (value.flags & 1):
        try:
            put(_S7.pack(1, 2, value.narrow))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F27) from None
    elif value.narrow is not None:
        _w.not_here('narrow', value.narrow)
    if value.flags & 2:
        try:
            put(_S6.pack(1, 1, value.count))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F28) from None
        if not (value.count <= 4):
            _w.broken_value('count', 'at most', 4, value.count)
    elif value.count is not None:
        _w.not_here('count', value.count)
    try:
        if len(value.data) != (value.count or 0):
            _w.size(value.data, (value.count or 0), '', 'bytes')
        put(_w.bytes_item(value.data))
    except _CodecError as fault:
        fault.within('data')
        raise
    if version >= 3:
        try:
            if len(value.extra) != (value.count or 0):
                _w.size(value.extra, (value.count or 0), '', 'elements')
            put(_w.array_header(len(value.extra), 1))
            put(_w.put_numbers(value.extra, '>B'))
        except _CodecError as fault:
            fault.within('extra')
            raise
    elif value.extra is not None:
        _w.not_here('extra', value.extra)
    if value.flags & 4 and version >= 2:
        try:
            put(_w.bytes_item(value.label, 255))
        except _CodecError as fault:
            fault.within('label')
            raise
    elif value.label is not None:
        _w.not_here('label', value.label)
    if version >= 4:
        try:
            put(_S6.pack(1, 1, value.last))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F29) from None
    elif value.last is not None:
        _w.not_here('last', value.last)


def decode_versioned_from(buf, pos=0, final=True, *, version=2):
    """(Versioned, end) of the value that begins at `pos`."""
    if not 1 <= version <= 2:
        _w.check_version(version, 1, 2, pos)
    return get_versioned(buf, pos, final, version=version)


def decode_versioned(buf, *, version=2):
    """The Versioned that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_versioned_from(buf, version=version)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_versioned(buf, pos=0, final=True, *, version=2):
    """The end of the Versioned that begins at `pos`; builds nothing."""
    if not 1 <= version <= 2:
        _w.check_version(version, 1, 2, pos)
    return skip_versioned(buf, pos, final, version=version)


def encode_versioned(value, *, version=2):
    """The bytes of a Versioned."""
    if not 1 <= version <= 2:
        _w.check_version(version, 1, 2, None)
    out: list[bytes] = []
    try:
        put_versioned(out.append, value, version=version)
        return b"".join(out)
    except _Shape as fault:
        raise _w.unfit(fault, 'Versioned') from fault


def measure_versioned(value, *, version=2):
    """How many bytes encode_versioned makes of it."""
    if not 1 <= version <= 2:
        _w.check_version(version, 1, 2, None)
    try:
        return length_versioned(value, version=version)
    except _Shape as fault:
        raise _w.unfit(fault, 'Versioned') from fault


def decode_versioned_framed_from(buf, pos=0, final=True, *, version=2):
    """(Versioned, end) of the value that begins at `pos`."""
    if not 1 <= version <= 2:
        _w.check_version(version, 1, 2, pos)
    sub, start, end = _w.closed(buf, pos, _w.STRUCT)
    try:
        value, pos = getf_versioned(sub, start, version=version)
    except _Truncated as fault:
        raise _w.overrun(fault, end, 'the description') from None
    _w.leftover(pos, end, 'the description') if pos != end else None
    return value, end


def decode_versioned_framed(buf, *, version=2):
    """The Versioned that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_versioned_framed_from(buf, version=version)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_versioned_framed(buf, pos=0, final=True, *, version=2):
    """The end of the Versioned that begins at `pos`; builds nothing."""
    return _w.item(buf, pos, _w.STRUCT)[1]


def encode_versioned_framed(value, *, version=2):
    """The bytes of a Versioned."""
    if not 1 <= version <= 2:
        _w.check_version(version, 1, 2, None)
    out: list[bytes] = []
    try:
        putf_versioned(out.append, value, version=version)
        return _w.struct_item(out)
    except _Shape as fault:
        raise _w.unfit(fault, 'Versioned') from fault


def measure_versioned_framed(value, *, version=2):
    """How many bytes encode_versioned_framed makes of it."""
    return len(encode_versioned_framed(value, version=version))


def decode_example_presence_from(buf, pos=0, final=True, *, version=4):
    """(ExamplePresence, end) of the value that begins at `pos`."""
    if not 1 <= version <= 4:
        _w.check_version(version, 1, 4, pos)
    return get_example_presence(buf, pos, final, version=version)


def decode_example_presence(buf, *, version=4):
    """The ExamplePresence that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_example_presence_from(buf, version=version)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_example_presence(buf, pos=0, final=True, *, version=4):
    """The end of the ExamplePresence that begins at `pos`; builds nothing."""
    if not 1 <= version <= 4:
        _w.check_version(version, 1, 4, pos)
    return skip_example_presence(buf, pos, final, version=version)


def encode_example_presence(value, *, version=4):
    """The bytes of a ExamplePresence."""
    if not 1 <= version <= 4:
        _w.check_version(version, 1, 4, None)
    out: list[bytes] = []
    try:
        put_example_presence(out.append, value, version=version)
        return b"".join(out)
    except _Shape as fault:
        raise _w.unfit(fault, 'ExamplePresence') from fault


def measure_example_presence(value, *, version=4):
    """How many bytes encode_example_presence makes of it."""
    if not 1 <= version <= 4:
        _w.check_version(version, 1, 4, None)
    try:
        return length_example_presence(value, version=version)
    except _Shape as fault:
        raise _w.unfit(fault, 'ExamplePresence') from fault


def decode_example_presence_framed_from(buf, pos=0, final=True, *, version=4):
    """(ExamplePresence, end) of the value that begins at `pos`."""
    if not 1 <= version <= 4:
        _w.check_version(version, 1, 4, pos)
    sub, start, end = _w.closed(buf, pos, _w.STRUCT)
    try:
        value, pos = getf_example_presence(sub, start, version=version)
    except _Truncated as fault:
        raise _w.overrun(fault, end, 'the description') from None
    _w.leftover(pos, end, 'the description') if pos != end else None
    return value, end


def decode_example_presence_framed(buf, *, version=4):
    """The ExamplePresence that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_example_presence_framed_from(buf, version=version)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_example_presence_framed(buf, pos=0, final=True, *, version=4):
    """The end of the ExamplePresence that begins at `pos`; builds nothing."""
    return _w.item(buf, pos, _w.STRUCT)[1]


def encode_example_presence_framed(value, *, version=4):
    """The bytes of a ExamplePresence."""
    if not 1 <= version <= 4:
        _w.check_version(version, 1, 4, None)
    out: list[bytes] = []
    try:
        putf_example_presence(out.append, value, version=version)
        return _w.struct_item(out)
    except _Shape as fault:
        raise _w.unfit(fault, 'ExamplePresence') from fault


def measure_example_presence_framed(value, *, version=4):
    """How many bytes encode_example_presence_framed makes of it."""
    return len(encode_example_presence_framed(value, version=version))


CODECS = {
    'Versioned': Codec(
        'example-versioned', 'device', 2, 1, Versioned,
        'computed', bytes.fromhex('cc7a6fb4ddce71a8'),
        (
        ),
        Profile(
            encode_versioned, decode_versioned, decode_versioned_from, measure_versioned,
            scan_versioned,
        ),
        Profile(
            encode_versioned_framed, decode_versioned_framed, decode_versioned_framed_from,
            measure_versioned_framed, scan_versioned_framed,
        ),
    ),
    'ExamplePresence': Codec(
        'example-presence', 'device', 4, 1, ExamplePresence,
        'computed', bytes.fromhex('c01f8414a2437e9b'),
        (
        ),
        Profile(
            encode_example_presence, decode_example_presence, decode_example_presence_from,
            measure_example_presence, scan_example_presence,
        ),
        Profile(
            encode_example_presence_framed, decode_example_presence_framed,
            decode_example_presence_framed_from, measure_example_presence_framed,
            scan_example_presence_framed,
        ),
    ),
}
