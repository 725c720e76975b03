"""What tests share: schema text -> generated module; `check_codec`, the one way to test a codec.

`check_codec` takes a value and the bytes that it stands for, and holds both profiles of the codec
against the laws of the design: whole, cut at every place, with bytes before and behind, damaged.
"""

from __future__ import annotations

import functools
import itertools
import re
import struct
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import framed_reader
import msgspec

from vmsc.compiler.driver import Compiled, analyse, generate, load_modules
from vmsc.hooks.host import Host
from vmsc.runtime.codec import Codec, Profile
from vmsc.runtime.errors import DecodeError, Truncated
from vmsc.runtime.notes import Kept, Notes
from vmsc.schema.diagnostics import Diagnostic, Report, as_text
from vmsc.schema.syntax.loader import Loaded, load_text

__all__ = [
    "NOISE", "arguments", "attempt", "build_text", "check_codec", "check_damage", "check_prefix",
    "check_resumed", "check_whole", "compiled", "damages", "hexed", "modules_of", "report_of",
    "same",
]  # fmt: skip

# Bytes to stand behind a value: no 05, which may begin a subsection.
NOISE = bytes.fromhex("a5 00 ff 31")

_packages = itertools.count()


# --- schemas --------------------------------------------------------------------------------------


def compiled(loaded: Loaded, host: Host, report: Report) -> Compiled:
    """What the text means; the test fails, with the messages, if it is not sound."""
    result = None if report.failed else analyse(loaded, host, report)
    assert result is not None, as_text(report)
    return result


def modules_of(schema: Compiled, host: Host) -> dict[str, types.ModuleType]:
    """The generated modules of a schema, by name; each call makes a package of its own."""
    report = Report()
    artifacts = generate(schema, host.backends["python"], host, report)
    assert not report.failed, as_text(report)
    return load_modules(artifacts, f"made_{next(_packages)}")


def build_text(text: str, host: Host) -> types.ModuleType:
    """The generated module of a schema that is given as text."""
    report = Report()
    return modules_of(compiled(load_text(text, report), host, report), host)["schema"]


def report_of(text: str, host: Host) -> list[Diagnostic]:
    """What vmsc has to say of a schema that is given as text."""
    report = Report()
    loaded = load_text(text, report)
    if not report.failed:
        analyse(loaded, host, report)
    return report.sorted()


# --- bytes and values -----------------------------------------------------------------------------


_WORD = re.compile(r'"([^"]*)"|x(\d+)|([0-9a-fA-F]+)|#.*|\s+')


def hexed(text: str) -> bytes:
    """Hex with blanks anywhere, "ASCII" in quotes, `00 x256` for a byte 256 times, `# words`."""
    found = bytearray()
    pos = 0
    while pos < len(text):
        word = _WORD.match(text, pos)
        assert word is not None, f"no hex: {text[pos:].splitlines()[0]}"
        pos = word.end()
        quoted, times, digits = word.groups()
        if quoted is not None:
            found += quoted.encode("ascii")
        elif times is not None:
            found += found[-1:] * (int(times) - 1)
        elif digits is not None:
            found += bytes.fromhex(digits)
    return bytes(found)


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit: a NaN is itself, and 0.0 is not -0.0."""
    try:
        if msgspec.msgpack.encode(one) == msgspec.msgpack.encode(other):
            return type(one) is type(other)
    except (TypeError, OverflowError):  # it has no place for numbers of over 64 bits
        pass
    return _same(one, other)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack(">d", one) == struct.pack(">d", other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, msgspec.Struct) and type(one) is type(other):
        names = (f.name for f in msgspec.structs.fields(type(one)))
        return all(_same(getattr(one, n), getattr(other, n)) for n in names)
    return type(one) is type(other) and bool(one == other)


def arguments(
    codec: Codec, version: int | None = None, params: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The keyword arguments of a codec's functions."""
    given = dict(params or {})
    if version is not None:
        assert codec.kind in ("device", "vmsd"), f"a {codec.kind} has no version"
        given["version"] = version
    return given


def attempt(run: Callable[[], Any]) -> Any:
    """What a decoder gives, or the DecodeError if it refuses; what else it raises is a fault."""
    try:
        return run()
    except DecodeError as refusal:
        return refusal


# --- the laws -------------------------------------------------------------------------------------


def check_codec(
    codec: Codec,
    value: Any,
    wire: bytes,
    *,
    version: int | None = None,
    params: Mapping[str, Any] | None = None,
    framed: bytes | None = None,
) -> None:
    """Hold a codec against all laws, for a value and its bytes (`framed`: in that profile)."""
    given = arguments(codec, version, params)
    for profile, expected in ((codec.qemu, wire), (codec.framed, framed)):
        data = check_whole(codec, profile, value, expected, given)
        for size in _places(len(data)):
            check_prefix(codec, profile, data, size, given)
        for damaged in damages(data):
            check_damage(codec, profile, damaged, given)
        if profile is codec.qemu and codec.notes:
            check_resumed(codec, data, given)
            for damaged in itertools.islice(damages(data), 0, None, 7):
                check_resumed(codec, damaged, given)


def check_whole(
    codec: Codec, profile: Profile, value: Any, wire: bytes | None, given: Mapping[str, Any]
) -> bytes:
    """The value's bytes; encode, decode, measure and scan agree on them, whatever stands behind."""
    data = profile.encode(value, **given)
    assert wire is None or data == wire, f"{data.hex(' ')}\nis not\n{wire.hex(' ')}"
    for kind in (bytes, bytearray, memoryview):
        back = profile.decode(kind(data), **given)
        assert same(back, value), f"{back!r}\nis not\n{value!r}"
    assert profile.measure(value, **given) == len(data)
    assert profile.scan(data, **given) == len(data)
    if profile is codec.framed:
        _check_items(codec, data)
    elif codec.size == "opaque":  # takes all there is
        return data
    for start, final in itertools.product((0, 3), (True, False)):
        buf = b"\5" * start + data + NOISE
        found, end = profile.decode_from(buf, start, final=final, **given)
        assert same(found, value) and end == start + len(data)
        assert profile.scan(buf, start, final=final, **given) == end
    assert attempt(lambda: profile.decode(data + NOISE, **given)).code == "trailing"
    return data


def _check_items(codec: Codec, data: bytes) -> None:
    """A reader that knows no descriptions can walk the framed value."""
    frame = framed_reader.Frame(3, 0, 0, 0, 0, bytes(8), 4, b"x", data)
    (whole,) = framed_reader.walk(frame).items
    assert whole.kind == (framed_reader.LIST if codec.kind == "loop" else framed_reader.STRUCT)


def check_prefix(
    codec: Codec, profile: Profile, data: bytes, size: int, given: Mapping[str, Any]
) -> None:
    """A value that is cut is Truncated, and asks for no more than what was cut off.

    In QEMU's form, where no more input comes, there is an exception: an end before a subsection is
    good; so is an 05, or an 05 and a length, that may be data of what follows a nested description.
    """
    part, left = data[:size], len(data) - size
    if profile is codec.qemu and codec.size == "opaque":
        return
    for final in (True, False):
        may_end = profile is codec.qemu and final
        arguments_ = {"final": final, **given}
        found = attempt(functools.partial(profile.decode_from, part, 0, **arguments_))
        end = attempt(functools.partial(profile.scan, part, 0, **arguments_))
        where = f"after {size} of {len(data)} bytes, {final = }: {found!r}, scan: {end!r}"
        for each in (found, end):
            if isinstance(each, Truncated):
                assert 1 <= each.need <= left, f"{where}; {left} are left"
            else:
                assert may_end and not isinstance(each, DecodeError), where
        if not isinstance(found, Truncated):
            assert profile.encode(found[0], **given) == part[: found[1]] and end == found[1], where
        elif not isinstance(end, Truncated):
            assert 5 in part[-2:], where  # a scan holds no laws: it takes the 05 for data
    whole = attempt(lambda: profile.decode(part, **given))
    if not isinstance(whole, Truncated):
        assert profile is codec.qemu and not isinstance(whole, DecodeError), f"{size}: {whole!r}"
        assert profile.encode(whole, **given) == part


def check_damage(codec: Codec, profile: Profile, damaged: bytes, given: Mapping[str, Any]) -> None:
    """Damaged bytes are refused, or stand for another value, which has these very bytes."""
    found = attempt(lambda: profile.decode(damaged, **given))
    end = attempt(lambda: profile.scan(damaged, **given))
    if not isinstance(found, DecodeError):
        again = profile.encode(found, **given)
        assert again == damaged, f"{damaged.hex(' ')}\ngives {found!r}\nwhich is {again.hex(' ')}"
        assert end == len(damaged) == profile.measure(found, **given)
    elif profile is codec.framed and isinstance(found, Truncated):
        # Its head says how long it is: if all that is there, more bytes are of no help.
        length = int.from_bytes(damaged[1:5], "big")
        assert length > len(damaged) - 5, f"{found} in {damaged.hex(' ')}"


def check_resumed(codec: Codec, data: bytes, given: Mapping[str, Any]) -> None:
    """A scan that goes on from its notes, as bytes come and the buffer moves, ends as one from the
    start, or raises the same.
    """
    kept: Kept = {}
    for size in (*_places(len(data)), len(data)):
        start = size % 3
        buf, notes = b"\5" * start + data[:size], Notes(start, kept)
        scan = functools.partial(codec.qemu.scan, buf, start, final=False, **given)
        found, whole = attempt(functools.partial(scan, notes=notes)), attempt(scan)
        assert _told(found) == _told(whole), f"after {size} of {len(data)} bytes"
        if not isinstance(found, Truncated):
            return
        kept = notes.fresh


def _told(found: Any) -> Any:
    return (found.code, found.offset, str(found)) if isinstance(found, DecodeError) else found


def _places(size: int) -> Iterable[int]:
    """All strict prefixes; of long ones the first and the last, and some between."""
    if size <= 600:
        return range(size)
    return sorted({*range(200), *range(200, size, size // 100), *range(size - 200, size)})


def damages(data: bytes) -> Iterator[bytes]:
    """Every flipped bit; of long values a few a place, and of very long ones not every place."""
    few = len(data) > 200
    for place in _places(len(data)):
        flips = (0x01, 0x80, 0xFF, data[place] ^ 5) if few else (*(1 << n for n in range(8)), 0xFF)
        for flip in flips:
            if flip:
                yield data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
