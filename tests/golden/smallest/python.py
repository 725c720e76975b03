"""Codecs of smallest.vmsd, made by vmsc from it; changes belong there."""

from __future__ import annotations

import struct as _struct

from msgspec import Struct

from vmsc.runtime import wire as _w
from vmsc.runtime.codec import Codec, Param, Profile
from vmsc.runtime.errors import CodecError as _CodecError
from vmsc.runtime.errors import Truncated as _Truncated
from vmsc.runtime.types import U8

__all__ = [
    "CODECS",
    "One",
    "decode_one",
    "decode_one_framed",
    "decode_one_framed_from",
    "decode_one_from",
    "encode_one",
    "encode_one_framed",
    "measure_one",
    "measure_one_framed",
    "scan_one",
    "scan_one_framed",
]

_unpackable = (_struct.error, TypeError, OverflowError)
_Shape = (AttributeError, TypeError, IndexError, ValueError)
_S0 = _struct.Struct('>BIB')
_S1 = _struct.Struct('>B')
_F0 = ((5, 'a'),)
_F1 = (('a', '>B'),)
_F2 = ((0, 'a'),)


class One(Struct, gc=False):
    """One byte."""

    a: U8


def getf_one(buf, pos):
    size = len(buf)
    end = pos + 6
    if end > size:
        _w.short(buf, pos, 6, _F0)
    kind, length, v_a = _S0.unpack_from(buf, pos)
    if kind != 1 or length != 1:
        _w.item(buf, pos, 1, 1)
    pos = end
    return One(v_a), pos


def put_one(put, value):
    try:
        put(_S1.pack(value.a))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F1) from None


def length_one(value):
    n = 0
    n += 1
    return n


def putf_one(put, value):
    try:
        put(_S0.pack(1, 1, value.a))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F1) from None


def decode_one_from(buf, pos=0, final=True):
    """(One, end) of the value that begins at `pos`."""
    size = len(buf)
    end = pos + 1
    if end > size:
        _w.short(buf, pos, 1, _F2)
    v_a, = _S1.unpack_from(buf, pos)
    pos = end
    return One(v_a), pos


get_one = decode_one_from


def decode_one(buf):
    """The One that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_one_from(buf)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_one(buf, pos=0, final=True):
    """The end of the One that begins at `pos`; builds nothing."""
    size = len(buf)
    pos += 1
    if pos > size:
        _w.short(buf, pos - 1, 1)
    return pos


skip_one = scan_one


def encode_one(value):
    """The bytes of a One."""
    try:
        try:
            return _S1.pack(value.a)
        except _unpackable as fault:
            raise _w.outside(fault, value, _F1) from None
    except _Shape as fault:
        raise _w.unfit(fault, 'One') from fault


def measure_one(value):
    """How many bytes encode_one makes of it."""
    try:
        return length_one(value)
    except _Shape as fault:
        raise _w.unfit(fault, 'One') from fault


def decode_one_framed_from(buf, pos=0, final=True):
    """(One, end) of the value that begins at `pos`."""
    sub, start, end = _w.closed(buf, pos, _w.STRUCT)
    try:
        value, pos = getf_one(sub, start)
    except _Truncated as fault:
        raise _w.overrun(fault, end, 'the description') from None
    _w.leftover(pos, end, 'the description') if pos != end else None
    return value, end


def decode_one_framed(buf):
    """The One that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_one_framed_from(buf)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_one_framed(buf, pos=0, final=True):
    """The end of the One that begins at `pos`; builds nothing."""
    return _w.item(buf, pos, _w.STRUCT)[1]


def encode_one_framed(value):
    """The bytes of a One."""
    out: list[bytes] = []
    try:
        putf_one(out.append, value)
        return _w.struct_item(out)
    except _Shape as fault:
        raise _w.unfit(fault, 'One') from fault


def measure_one_framed(value):
    """How many bytes encode_one_framed makes of it."""
    return len(encode_one_framed(value))


CODECS = {
    'One': Codec(
        'One', 'struct', 1, 1, One,
        'constant', bytes.fromhex('193133cd7d0ca5ef'),
        (
        ),
        Profile(encode_one, decode_one, decode_one_from, measure_one, scan_one),
        Profile(
            encode_one_framed, decode_one_framed, decode_one_framed_from, measure_one_framed,
            scan_one_framed,
        ),
    ),
}
