"""Codecs of everything.vmsd, made by vmsc from it; changes belong there."""

from __future__ import annotations

import struct as _struct
from itertools import starmap as _starmap

from msgspec import Struct

from vmsc.runtime import wire as _w
from vmsc.runtime.codec import Codec, Param, Profile
from vmsc.runtime.errors import CodecError as _CodecError
from vmsc.runtime.errors import DecodeError as _DecodeError
from vmsc.runtime.errors import Truncated as _Truncated
from vmsc.runtime.types import Bool, Bytes, Padding, U16, U32, U64, U8
from .std import pci as _std_pci

__all__ = [
    "CODECS",
    "Examplenic",
    "ExamplenicRss",
    "RxBuffer",
    "decode_examplenic",
    "decode_examplenic_framed",
    "decode_examplenic_framed_from",
    "decode_examplenic_from",
    "decode_rx_buffer",
    "decode_rx_buffer_framed",
    "decode_rx_buffer_framed_from",
    "decode_rx_buffer_from",
    "encode_examplenic",
    "encode_examplenic_framed",
    "encode_rx_buffer",
    "encode_rx_buffer_framed",
    "measure_examplenic",
    "measure_examplenic_framed",
    "measure_rx_buffer",
    "measure_rx_buffer_framed",
    "scan_examplenic",
    "scan_examplenic_framed",
    "scan_rx_buffer",
    "scan_rx_buffer_framed",
]

_unpackable = (_struct.error, TypeError, OverflowError)
_Shape = (AttributeError, TypeError, IndexError, ValueError)
_S0 = _struct.Struct('>BIQIB')
_S1 = _struct.Struct('>QIB')
_S2 = _struct.Struct('>H')
_S3 = _struct.Struct('>BIH')
_S4 = _struct.Struct('>6sI')
_S5 = _struct.Struct('>B')
_S6 = _struct.Struct('>4s')
_S7 = _struct.Struct('>I')
_S8 = _struct.Struct('>BI6sI')
_S9 = _struct.Struct('>BIB')
_S10 = _struct.Struct('>BI4s')
_F0 = ((5, 'addr'), (13, 'len'), (17, 'flags'),)
_F1 = (('addr', '>Q'), ('len', '>I'), ('flags', '>B'),)
_F2 = ((0, 'n'),)
_F3 = ((5, 'n'),)
_F4 = (('n', '>H'),)
_F5 = ((0, 'mac'), (6, 'rx_count'),)
_F6 = ((0, 'legacy'),)
_F7 = ((0, 'link_up'),)
_F8 = ((0, 'unused'),)
_F9 = ((5, 'mac'), (11, 'rx_count'),)
_F10 = ((5, 'legacy'),)
_F11 = ((5, 'link_up'),)
_F12 = ((5, 'unused'),)
_F13 = (('mac', '>6s'), ('rx_count', '>I'),)
_F14 = (('legacy', '>H'),)
_F15 = (('link_up', '>B'),)
_F16 = (('unused', '>4s'),)
_F17 = ((0, 'addr'), (8, 'len'), (12, 'flags'),)


class RxBuffer(Struct, gc=False):
    """One receive buffer."""

    addr: U64
    len: U32
    flags: U8


class ExamplenicRss(Struct, gc=False):
    """Subsection 'examplenic/rss'."""

    n: U16
    queue: list[U16]


class Examplenic(Struct, gc=False):
    """A network card, versions 2 and 3."""

    pci: _std_pci.PciDevice
    mac: Bytes
    rx_count: U32
    rx: list[RxBuffer]
    legacy: U16 | None
    link_up: Bool | None
    unused: Padding
    table: Bytes
    rss: ExamplenicRss | None = None


def getf_rx_buffer(buf, pos):
    size = len(buf)
    end = pos + 18
    if end > size:
        _w.short(buf, pos, 18, _F0)
    kind, length, v_addr, v_len, v_flags = _S0.unpack_from(buf, pos)
    if kind != 1 or length != 13:
        _w.item(buf, pos, 1, 13)
    pos = end
    return RxBuffer(v_addr, v_len, v_flags), pos


def put_rx_buffer(put, value):
    try:
        put(_S1.pack(value.addr, value.len, value.flags))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F1) from None


def length_rx_buffer(value):
    n = 0
    n += 13
    return n


def putf_rx_buffer(put, value):
    try:
        put(_S0.pack(1, 13, value.addr, value.len, value.flags))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F1) from None


def get_examplenic_rss(buf, pos, final):
    size = len(buf)
    end = pos + 2
    if end > size:
        _w.short(buf, pos, 2, _F2)
    v_n, = _S2.unpack_from(buf, pos)
    pos = end
    if not (v_n <= 128):
        _w.broken(pos - 2, 'n', 'at most', 128, v_n)
    try:
        v_queue, pos = _w.numbers(buf, pos, v_n, '>H', 2)
    except _CodecError as fault:
        fault.within('queue')
        raise
    if buf[pos] == 5 if pos < size else not final:
        peeked = _w.peek(buf, pos, b'examplenic/rss', final)
        if peeked:
            _w.unknown_subsection(pos, peeked[0], ())
    return ExamplenicRss(v_n, v_queue), pos


def skip_examplenic_rss(buf, pos, final):
    size = len(buf)
    end = pos + 2
    if end > size:
        _w.short(buf, pos, 2, _F2)
    v_n, = _S2.unpack_from(buf, pos)
    pos = end
    if not (v_n <= 128):
        _w.broken(pos - 2, 'n', 'at most', 128, v_n)
    try:
        pos = _w.place(buf, pos, (v_n) * 2)
    except _CodecError as fault:
        fault.within('queue')
        raise
    if buf[pos] == 5 if pos < size else not final:
        peeked = _w.peek(buf, pos, b'examplenic/rss', final)
        if peeked:
            _w.unknown_subsection(pos, peeked[0], ())
    return pos


def getf_examplenic_rss(buf, pos):
    size = len(buf)
    end = pos + 7
    if end > size:
        _w.short(buf, pos, 7, _F3)
    kind, length, v_n = _S3.unpack_from(buf, pos)
    if kind != 1 or length != 2:
        _w.item(buf, pos, 1, 2)
    pos = end
    if not (v_n <= 128):
        _w.broken(pos, 'n', 'at most', 128, v_n)
    try:
        pos, end, n = _w.array(buf, pos, v_n, 2, 128)
        v_queue, pos = _w.numbers(buf, pos, n, '>H', 2)
    except _CodecError as fault:
        fault.within('queue')
        raise
    last = -1
    while pos < size:
        name, version_, sub, body, stop = _w.subsection_item(buf, pos)
        try:
            _w.unknown_subsection(pos, name, ())
        except _Truncated as fault:
            raise _w.overrun(fault, stop, 'the subsection') from None
        _w.leftover(pos, stop, 'the subsection') if pos != stop else None
    return ExamplenicRss(v_n, v_queue), pos


def put_examplenic_rss(put, value):
    try:
        put(_S2.pack(value.n))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F4) from None
    if not (value.n <= 128):
        _w.broken_value('n', 'at most', 128, value.n)
    try:
        if len(value.queue) != value.n:
            _w.size(value.queue, value.n, '', 'elements')
        put(_w.put_numbers(value.queue, '>H'))
    except _CodecError as fault:
        fault.within('queue')
        raise


def length_examplenic_rss(value):
    n = 0
    n += 2
    try:
        n += len(value.queue) * 2
    except _CodecError as fault:
        fault.within('queue')
        raise
    return n


def putf_examplenic_rss(put, value):
    try:
        put(_S3.pack(1, 2, value.n))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F4) from None
    if not (value.n <= 128):
        _w.broken_value('n', 'at most', 128, value.n)
    try:
        if len(value.queue) != value.n:
            _w.size(value.queue, value.n, '', 'elements')
        put(_w.array_header(len(value.queue), 2))
        put(_w.put_numbers(value.queue, '>H'))
    except _CodecError as fault:
        fault.within('queue')
        raise


def get_examplenic(buf, pos, final, version, p_is_pcie, p_msix_vectors):
    size = len(buf)
    more = final and final | 2
    try:
        v_pci, pos = _std_pci.get_pci_device(buf, pos, more, version=2, p_is_pcie=p_is_pcie)
    except _CodecError as fault:
        fault.within('pci')
        raise
    end = pos + 10
    if end > size:
        _w.short(buf, pos, 10, _F5)
    v_mac, v_rx_count = _S4.unpack_from(buf, pos)
    pos = end
    if not (v_rx_count <= 0x1000):
        _w.broken(pos - 4, 'rx_count', 'at most', 0x1000, v_rx_count)
    try:
        n_1 = v_rx_count
        end = pos + n_1 * 13
        if end > size:
            _w.short(buf, pos, n_1 * 13)
        v_rx = list(_starmap(RxBuffer, _S1.iter_unpack(buf[pos:end])))
        pos = end
    except _CodecError as fault:
        fault.within('rx')
        raise
    if version < 3:
        end = pos + 2
        if end > size:
            _w.short(buf, pos, 2, _F6)
        v_legacy, = _S2.unpack_from(buf, pos)
        pos = end
    else:
        v_legacy = None
    if version >= 3:
        end = pos + 1
        if end > size:
            _w.short(buf, pos, 1, _F7)
        v_link_up, = _S5.unpack_from(buf, pos)
        pos = end
    else:
        v_link_up = None
    end = pos + 4
    if end > size:
        _w.short(buf, pos, 4, _F8)
    v_unused, = _S6.unpack_from(buf, pos)
    pos = end
    try:
        end = pos + (16 * p_msix_vectors)
        if end > size:
            _w.short(buf, pos, (16 * p_msix_vectors))
        v_table = bytes(buf[pos:end])
        pos = end
    except _CodecError as fault:
        fault.within('table')
        raise
    if not (v_rx_count > 0):
        _w.broken(pos, '', '', 'rx_count > 0', f'rx_count = {v_rx_count}', 'a ring has at least one buffer')
    v_rss = None
    last = -1
    while buf[pos] == 5 if pos < size else not final:
        if buf[pos:pos + 20] == b'\x05\x0eexamplenic/rss\x00\x00\x00\x01':
            name, version_, body = b'examplenic/rss', 1, pos + 20
        else:
            peeked = _w.peek(buf, pos, b'examplenic', final)
            if peeked is None:
                break
            name, version_, body = peeked
        if name == b'examplenic/rss' and last < 0:
            try:
                last = 0
                if not 1 <= version_ <= 1:
                    _w.check_version(version_, 1, 1, pos)
                v_rss, pos = get_examplenic_rss(buf, body, final)
            except _CodecError as fault:
                fault.within('rss')
                raise
        else:
            _w.unknown_subsection(pos, name, (b'examplenic/rss', ))
    return Examplenic(
        v_pci, v_mac, v_rx_count, v_rx, v_legacy, v_link_up, v_unused, v_table, v_rss,
    ), pos


def skip_examplenic(buf, pos, final, notes, version, p_is_pcie, p_msix_vectors):
    size = len(buf)
    more = final and final | 2
    if pos + 18 > size:
        _w.short(buf, pos, 18)
    try:
        pos = _std_pci.skip_pci_device(buf, pos, more, version=2, p_is_pcie=p_is_pcie)
    except _CodecError as fault:
        fault.within('pci')
        raise
    end = pos + 10
    if end > size:
        _w.short(buf, pos, 10, _F5)
    v_rx_count, = _S7.unpack_from(buf, pos + 6)
    pos = end
    if not (v_rx_count <= 0x1000):
        _w.broken(pos - 4, 'rx_count', 'at most', 0x1000, v_rx_count)
    try:
        n_1 = v_rx_count
        end = pos + n_1 * 13
        if end > size:
            _w.short(buf, pos, n_1 * 13)
        pos = end
    except _CodecError as fault:
        fault.within('rx')
        raise
    if version < 3:
        pos += 2
        if pos > size:
            _w.short(buf, pos - 2, 2)
    if version >= 3:
        pos += 1
        if pos > size:
            _w.short(buf, pos - 1, 1)
    pos += 4
    if pos > size:
        _w.short(buf, pos - 4, 4)
    try:
        end = pos + (16 * p_msix_vectors)
        if end > size:
            _w.short(buf, pos, (16 * p_msix_vectors))
        pos = end
    except _CodecError as fault:
        fault.within('table')
        raise
    last = -1
    while buf[pos] == 5 if pos < size else not final:
        if buf[pos:pos + 20] == b'\x05\x0eexamplenic/rss\x00\x00\x00\x01':
            name, version_, body = b'examplenic/rss', 1, pos + 20
        else:
            peeked = _w.peek(buf, pos, b'examplenic', final)
            if peeked is None:
                break
            name, version_, body = peeked
        if name == b'examplenic/rss' and last < 0:
            try:
                last = 0
                if not 1 <= version_ <= 1:
                    _w.check_version(version_, 1, 1, pos)
                pos = skip_examplenic_rss(buf, body, final)
            except _CodecError as fault:
                fault.within('rss')
                raise
        else:
            _w.unknown_subsection(pos, name, (b'examplenic/rss', ))
    return pos


def getf_examplenic(buf, pos, version, p_is_pcie, p_msix_vectors):
    size = len(buf)
    try:
        t_1, pos, n_2 = _w.closed(buf, pos, _w.STRUCT)
        try:
            v_pci, pos = _std_pci.getf_pci_device(t_1, pos, version=2, p_is_pcie=p_is_pcie)
        except _Truncated as fault:
            raise _w.overrun(fault, n_2, 'the description') from None
        _w.leftover(pos, n_2, 'the description') if pos != n_2 else None
    except _CodecError as fault:
        fault.within('pci')
        raise
    end = pos + 15
    if end > size:
        _w.short(buf, pos, 15, _F9)
    kind, length, v_mac, v_rx_count = _S8.unpack_from(buf, pos)
    if kind != 1 or length != 10:
        _w.item(buf, pos, 1, 10)
    pos = end
    if not (v_rx_count <= 0x1000):
        _w.broken(pos, 'rx_count', 'at most', 0x1000, v_rx_count)
    try:
        pos, end, n = _w.array(buf, pos, v_rx_count, 13, 4096)
        v_rx = list(_starmap(RxBuffer, _S1.iter_unpack(buf[pos:end])))
        pos = end
    except _CodecError as fault:
        fault.within('rx')
        raise
    if version < 3:
        end = pos + 7
        if end > size:
            _w.short(buf, pos, 7, _F10)
        kind, length, v_legacy = _S3.unpack_from(buf, pos)
        if kind != 1 or length != 2:
            _w.item(buf, pos, 1, 2)
        pos = end
    else:
        v_legacy = None
    if version >= 3:
        end = pos + 6
        if end > size:
            _w.short(buf, pos, 6, _F11)
        kind, length, v_link_up = _S9.unpack_from(buf, pos)
        if kind != 1 or length != 1:
            _w.item(buf, pos, 1, 1)
        pos = end
    else:
        v_link_up = None
    end = pos + 9
    if end > size:
        _w.short(buf, pos, 9, _F12)
    kind, length, v_unused = _S10.unpack_from(buf, pos)
    if kind != 1 or length != 4:
        _w.item(buf, pos, 1, 4)
    pos = end
    try:
        pos, end = _w.item(buf, pos, 2, 16 * p_msix_vectors)
        v_table = bytes(buf[pos:end])
        pos = end
    except _CodecError as fault:
        fault.within('table')
        raise
    if not (v_rx_count > 0):
        _w.broken(pos, '', '', 'rx_count > 0', f'rx_count = {v_rx_count}', 'a ring has at least one buffer')
    v_rss = None
    last = -1
    while pos < size:
        name, version_, sub, body, stop = _w.subsection_item(buf, pos)
        try:
            if name == b'examplenic/rss' and last < 0:
                try:
                    last = 0
                    if not 1 <= version_ <= 1:
                        _w.check_version(version_, 1, 1, pos)
                    v_rss, pos = getf_examplenic_rss(sub, body)
                except _CodecError as fault:
                    fault.within('rss')
                    raise
            else:
                _w.unknown_subsection(pos, name, (b'examplenic/rss', ))
        except _Truncated as fault:
            raise _w.overrun(fault, stop, 'the subsection') from None
        _w.leftover(pos, stop, 'the subsection') if pos != stop else None
    return Examplenic(
        v_pci, v_mac, v_rx_count, v_rx, v_legacy, v_link_up, v_unused, v_table, v_rss,
    ), pos


def put_examplenic(put, value, version, p_is_pcie, p_msix_vectors):
    try:
        _std_pci.put_pci_device(put, value.pci, version=2, p_is_pcie=p_is_pcie)
    except _CodecError as fault:
        fault.within('pci')
        raise
    if len(value.mac) != 6:
        _w.size(value.mac, 6, 'mac', 'bytes')
    try:
        put(_S4.pack(value.mac, value.rx_count))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F13) from None
    if not (value.rx_count <= 0x1000):
        _w.broken_value('rx_count', 'at most', 0x1000, value.rx_count)
    try:
        if len(value.rx) != value.rx_count:
            _w.size(value.rx, value.rx_count, '', 'elements')
        try:
            put(b''.join([_S1.pack(e_1.addr, e_1.len, e_1.flags) for e_1 in value.rx]))
        except _unpackable:
            for i_2, e_1 in enumerate(value.rx):
                try:
                    put_rx_buffer(put, e_1)
                except _CodecError as fault:
                    fault.within(i_2)
                    raise
    except _CodecError as fault:
        fault.within('rx')
        raise
    if version < 3:
        try:
            put(_S2.pack(value.legacy))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F14) from None
    elif value.legacy is not None:
        _w.not_here('legacy', value.legacy)
    if version >= 3:
        try:
            put(_S5.pack(value.link_up))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F15) from None
    elif value.link_up is not None:
        _w.not_here('link_up', value.link_up)
    if len(value.unused) != 4:
        _w.size(value.unused, 4, 'unused', 'bytes')
    try:
        put(_S6.pack(value.unused))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F16) from None
    try:
        if len(value.table) != 16 * p_msix_vectors:
            _w.size(value.table, 16 * p_msix_vectors, '', 'bytes')
        put(value.table)
    except _CodecError as fault:
        fault.within('table')
        raise
    if not (value.rx_count > 0):
        _w.broken_value('', '', 'rx_count > 0', '', 'a ring has at least one buffer')
    if value.rss is not None:
        try:
            put(b'\x05\x0eexamplenic/rss\x00\x00\x00\x01')
            put_examplenic_rss(put, value.rss)
        except _CodecError as fault:
            fault.within('rss')
            raise


def length_examplenic(value, version, p_is_pcie, p_msix_vectors):
    n = 0
    try:
        n += _std_pci.length_pci_device(value.pci, version=2, p_is_pcie=p_is_pcie)
    except _CodecError as fault:
        fault.within('pci')
        raise
    n += 10
    try:
        for i_2, e_1 in enumerate(value.rx):
            try:
                n += length_rx_buffer(e_1)
            except _CodecError as fault:
                fault.within(i_2)
                raise
    except _CodecError as fault:
        fault.within('rx')
        raise
    if version < 3:
        n += 2
    if version >= 3:
        n += 1
    n += 4
    try:
        n += len(value.table)
    except _CodecError as fault:
        fault.within('table')
        raise
    if value.rss is not None:
        try:
            n += 20 + length_examplenic_rss(value.rss)
        except _CodecError as fault:
            fault.within('rss')
            raise
    return n


def putf_examplenic(put, value, version, p_is_pcie, p_msix_vectors):
    try:
        t_1: list[bytes] = []
        _std_pci.putf_pci_device(t_1.append, value.pci, version=2, p_is_pcie=p_is_pcie)
        put(_w.struct_item(t_1))
    except _CodecError as fault:
        fault.within('pci')
        raise
    if len(value.mac) != 6:
        _w.size(value.mac, 6, 'mac', 'bytes')
    try:
        put(_S8.pack(1, 10, value.mac, value.rx_count))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F13) from None
    if not (value.rx_count <= 0x1000):
        _w.broken_value('rx_count', 'at most', 0x1000, value.rx_count)
    try:
        if len(value.rx) != value.rx_count:
            _w.size(value.rx, value.rx_count, '', 'elements')
        put(_w.array_header(len(value.rx), 13))
        try:
            put(b''.join([_S1.pack(e_2.addr, e_2.len, e_2.flags) for e_2 in value.rx]))
        except _unpackable:
            for i_3, e_2 in enumerate(value.rx):
                try:
                    put_rx_buffer(put, e_2)
                except _CodecError as fault:
                    fault.within(i_3)
                    raise
    except _CodecError as fault:
        fault.within('rx')
        raise
    if version < 3:
        try:
            put(_S3.pack(1, 2, value.legacy))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F14) from None
    elif value.legacy is not None:
        _w.not_here('legacy', value.legacy)
    if version >= 3:
        try:
            put(_S9.pack(1, 1, value.link_up))
        except _unpackable as fault:
            raise _w.outside(fault, value, _F15) from None
    elif value.link_up is not None:
        _w.not_here('link_up', value.link_up)
    if len(value.unused) != 4:
        _w.size(value.unused, 4, 'unused', 'bytes')
    try:
        put(_S10.pack(1, 4, value.unused))
    except _unpackable as fault:
        raise _w.outside(fault, value, _F16) from None
    try:
        if len(value.table) != 16 * p_msix_vectors:
            _w.size(value.table, 16 * p_msix_vectors, '', 'bytes')
        put(_w.bytes_item(value.table))
    except _CodecError as fault:
        fault.within('table')
        raise
    if not (value.rx_count > 0):
        _w.broken_value('', '', 'rx_count > 0', '', 'a ring has at least one buffer')
    if value.rss is not None:
        try:
            t_4: list[bytes] = [b'\x0eexamplenic/rss\x00\x00\x00\x01']
            putf_examplenic_rss(t_4.append, value.rss)
            put(_w.struct_item(t_4, 6))
        except _CodecError as fault:
            fault.within('rss')
            raise


def decode_rx_buffer_from(buf, pos=0, final=True):
    """(RxBuffer, end) of the value that begins at `pos`."""
    size = len(buf)
    end = pos + 13
    if end > size:
        _w.short(buf, pos, 13, _F17)
    v_addr, v_len, v_flags = _S1.unpack_from(buf, pos)
    pos = end
    return RxBuffer(v_addr, v_len, v_flags), pos


get_rx_buffer = decode_rx_buffer_from


def decode_rx_buffer(buf):
    """The RxBuffer that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_rx_buffer_from(buf)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_rx_buffer(buf, pos=0, final=True):
    """The end of the RxBuffer that begins at `pos`; builds nothing."""
    size = len(buf)
    pos += 13
    if pos > size:
        _w.short(buf, pos - 13, 13)
    return pos


skip_rx_buffer = scan_rx_buffer


def encode_rx_buffer(value):
    """The bytes of a RxBuffer."""
    try:
        try:
            return _S1.pack(value.addr, value.len, value.flags)
        except _unpackable as fault:
            raise _w.outside(fault, value, _F1) from None
    except _Shape as fault:
        raise _w.unfit(fault, 'RxBuffer') from fault


def measure_rx_buffer(value):
    """How many bytes encode_rx_buffer makes of it."""
    try:
        return length_rx_buffer(value)
    except _Shape as fault:
        raise _w.unfit(fault, 'RxBuffer') from fault


def decode_rx_buffer_framed_from(buf, pos=0, final=True):
    """(RxBuffer, end) of the value that begins at `pos`."""
    sub, start, end = _w.closed(buf, pos, _w.STRUCT)
    try:
        value, pos = getf_rx_buffer(sub, start)
    except _Truncated as fault:
        raise _w.overrun(fault, end, 'the description') from None
    _w.leftover(pos, end, 'the description') if pos != end else None
    return value, end


def decode_rx_buffer_framed(buf):
    """The RxBuffer that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_rx_buffer_framed_from(buf)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_rx_buffer_framed(buf, pos=0, final=True):
    """The end of the RxBuffer that begins at `pos`; builds nothing."""
    return _w.item(buf, pos, _w.STRUCT)[1]


def encode_rx_buffer_framed(value):
    """The bytes of a RxBuffer."""
    out: list[bytes] = []
    try:
        putf_rx_buffer(out.append, value)
        return _w.struct_item(out)
    except _Shape as fault:
        raise _w.unfit(fault, 'RxBuffer') from fault


def measure_rx_buffer_framed(value):
    """How many bytes encode_rx_buffer_framed makes of it."""
    return len(encode_rx_buffer_framed(value))


def decode_examplenic_from(buf, pos=0, final=True, *, version=3, is_pcie=None, msix_vectors=None):
    """(Examplenic, end) of the value that begins at `pos`."""
    if not 2 <= version <= 3:
        _w.check_version(version, 2, 3, pos)
    is_pcie = _w.param('is_pcie', is_pcie, 0x0, 0x1)
    msix_vectors = _w.param('msix_vectors', msix_vectors, 0x0, 0x800)
    try:
        value, end = get_examplenic(buf, pos, final, version=version, p_is_pcie=is_pcie, p_msix_vectors=msix_vectors)
    except _DecodeError:
        if not final or 5 not in buf[-2:]:
            raise
    else:
        if not final or end == len(buf) or 5 not in buf[-2:]:
            return value, end
    return get_examplenic(buf, pos, _w.CUT, version=version, p_is_pcie=is_pcie, p_msix_vectors=msix_vectors)


def decode_examplenic(buf, *, version=3, is_pcie=None, msix_vectors=None):
    """The Examplenic that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_examplenic_from(buf, version=version, is_pcie=is_pcie, msix_vectors=msix_vectors)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_examplenic(buf, pos=0, final=True, notes=None, *, version=3, is_pcie=None, msix_vectors=None):
    """The end of the Examplenic that begins at `pos`; builds nothing."""
    if not 2 <= version <= 3:
        _w.check_version(version, 2, 3, pos)
    is_pcie = _w.param('is_pcie', is_pcie, 0x0, 0x1)
    msix_vectors = _w.param('msix_vectors', msix_vectors, 0x0, 0x800)
    try:
        end = skip_examplenic(buf, pos, final, notes, version=version, p_is_pcie=is_pcie, p_msix_vectors=msix_vectors)
    except _DecodeError:
        if not final or 5 not in buf[-2:]:
            raise
    else:
        if not final or end == len(buf) or 5 not in buf[-2:]:
            return end
    return skip_examplenic(buf, pos, _w.CUT, None, version=version, p_is_pcie=is_pcie, p_msix_vectors=msix_vectors)


def encode_examplenic(value, *, version=3, is_pcie=None, msix_vectors=None):
    """The bytes of a Examplenic."""
    if not 2 <= version <= 3:
        _w.check_version(version, 2, 3, None)
    is_pcie = _w.param('is_pcie', is_pcie, 0x0, 0x1)
    msix_vectors = _w.param('msix_vectors', msix_vectors, 0x0, 0x800)
    out: list[bytes] = []
    try:
        put_examplenic(out.append, value, version=version, p_is_pcie=is_pcie, p_msix_vectors=msix_vectors)
        return b"".join(out)
    except _Shape as fault:
        raise _w.unfit(fault, 'Examplenic') from fault


def measure_examplenic(value, *, version=3, is_pcie=None, msix_vectors=None):
    """How many bytes encode_examplenic makes of it."""
    if not 2 <= version <= 3:
        _w.check_version(version, 2, 3, None)
    is_pcie = _w.param('is_pcie', is_pcie, 0x0, 0x1)
    msix_vectors = _w.param('msix_vectors', msix_vectors, 0x0, 0x800)
    try:
        return length_examplenic(value, version=version, p_is_pcie=is_pcie, p_msix_vectors=msix_vectors)
    except _Shape as fault:
        raise _w.unfit(fault, 'Examplenic') from fault


def decode_examplenic_framed_from(buf, pos=0, final=True, *, version=3, is_pcie=None, msix_vectors=None):
    """(Examplenic, end) of the value that begins at `pos`."""
    if not 2 <= version <= 3:
        _w.check_version(version, 2, 3, pos)
    is_pcie = _w.param('is_pcie', is_pcie, 0x0, 0x1)
    msix_vectors = _w.param('msix_vectors', msix_vectors, 0x0, 0x800)
    sub, start, end = _w.closed(buf, pos, _w.STRUCT)
    try:
        value, pos = getf_examplenic(sub, start, version=version, p_is_pcie=is_pcie, p_msix_vectors=msix_vectors)
    except _Truncated as fault:
        raise _w.overrun(fault, end, 'the description') from None
    _w.leftover(pos, end, 'the description') if pos != end else None
    return value, end


def decode_examplenic_framed(buf, *, version=3, is_pcie=None, msix_vectors=None):
    """The Examplenic that is all of `buf`."""
    if type(buf) is not bytes:
        _w.check_buffer(buf)
    value, end = decode_examplenic_framed_from(buf, version=version, is_pcie=is_pcie, msix_vectors=msix_vectors)
    if end != len(buf):
        _w.finished(end, len(buf))
    return value


def scan_examplenic_framed(buf, pos=0, final=True, *, version=3, is_pcie=None, msix_vectors=None):
    """The end of the Examplenic that begins at `pos`; builds nothing."""
    return _w.item(buf, pos, _w.STRUCT)[1]


def encode_examplenic_framed(value, *, version=3, is_pcie=None, msix_vectors=None):
    """The bytes of a Examplenic."""
    if not 2 <= version <= 3:
        _w.check_version(version, 2, 3, None)
    is_pcie = _w.param('is_pcie', is_pcie, 0x0, 0x1)
    msix_vectors = _w.param('msix_vectors', msix_vectors, 0x0, 0x800)
    out: list[bytes] = []
    try:
        putf_examplenic(out.append, value, version=version, p_is_pcie=is_pcie, p_msix_vectors=msix_vectors)
        return _w.struct_item(out)
    except _Shape as fault:
        raise _w.unfit(fault, 'Examplenic') from fault


def measure_examplenic_framed(value, *, version=3, is_pcie=None, msix_vectors=None):
    """How many bytes encode_examplenic_framed makes of it."""
    return len(encode_examplenic_framed(value, version=version, is_pcie=is_pcie, msix_vectors=msix_vectors))


CODECS = {
    'RxBuffer': Codec(
        'RxBuffer', 'struct', 1, 1, RxBuffer,
        'constant', bytes.fromhex('5c8bb3d2882bb81c'),
        (
        ),
        Profile(
            encode_rx_buffer, decode_rx_buffer, decode_rx_buffer_from, measure_rx_buffer,
            scan_rx_buffer,
        ),
        Profile(
            encode_rx_buffer_framed, decode_rx_buffer_framed, decode_rx_buffer_framed_from,
            measure_rx_buffer_framed, scan_rx_buffer_framed,
        ),
    ),
    'Examplenic': Codec(
        'examplenic', 'device', 3, 2, Examplenic,
        'bounded', bytes.fromhex('902a42443346dcc4'),
        (
            Param('is_pcie', 'The device is PCI Express: its configuration space has 4096 bytes, not 256.', 0x0, 0x1,
                  (), None, 'bool', False),
            Param('msix_vectors', '', 0x0, 0x800,
                  (), None, 'number', False),
        ),
        Profile(
            encode_examplenic, decode_examplenic, decode_examplenic_from, measure_examplenic,
            scan_examplenic,
        ),
        Profile(
            encode_examplenic_framed, decode_examplenic_framed, decode_examplenic_framed_from,
            measure_examplenic_framed, scan_examplenic_framed,
        ),
        notes=True,
    ),
}
