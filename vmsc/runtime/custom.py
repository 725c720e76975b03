"""What generated codecs call around plugins' functions: decode, encode, to_value and to_wire.

Law: a plugin's function may refuse (DecodeError, EncodeError; a transform with ValueError).
Whatever else it raises, and an end outside the input, becomes such an error too: it names the wire
type or transform, and its code is `plugin`. So no plugin makes a codec raise what codecs never do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, EncodeError

__all__ = ["decoded", "encoded", "to_value", "to_wire"]


def _raised(what: str, name: str, fault: Exception) -> str:
    return f"a fault of the {what} '{name}': {type(fault).__name__}: {fault}"


def decoded(
    function: Callable[[Buffer, int], tuple[Any, int]], name: str, buf: Buffer, pos: int
) -> tuple[Any, int]:
    """The value of a wire type that begins at `pos`, and its end."""
    try:
        value, end = function(buf, pos)
    except DecodeError:
        raise
    except Exception as fault:
        message = _raised("wire type", name, fault)
        raise DecodeError(message, offset=pos, code="plugin") from fault
    if not isinstance(end, int) or not pos <= end <= len(buf):
        wanted = f"not within {pos} to {len(buf)}"
        message = f"a fault of the wire type '{name}': it ends at {end!r}, {wanted}"
        raise DecodeError(message, offset=pos, code="plugin")
    return value, end


def encoded(function: Callable[[Any], bytes], name: str, value: Any) -> bytes:
    """The bytes of a wire type's value."""
    try:
        data = function(value)
    except EncodeError:
        raise
    except (AttributeError, TypeError, IndexError, ValueError) as fault:
        raise EncodeError(f"no value of the wire type '{name}': {fault}", code="type") from fault
    except Exception as fault:
        raise EncodeError(_raised("wire type", name, fault), code="plugin") from fault
    if not isinstance(data, bytes):
        message = f"a fault of the wire type '{name}': it gave {type(data).__name__}, not bytes"
        raise EncodeError(message, code="plugin")
    return data


def to_value(
    function: Callable[[Any], Any], name: str, number: Any, offset: int, field: str
) -> Any:
    """The value that a number on the wire stands for; `offset` is where the number lies."""
    try:
        return function(number)
    except ValueError as fault:
        message = f"{number} is no '{name}': {fault}"
        raise DecodeError(message, offset=offset, code="transform", path=(field,)) from fault
    except Exception as fault:
        message = _raised("transform", name, fault)
        raise DecodeError(message, offset=offset, code="plugin", path=(field,)) from fault


def to_wire(
    function: Callable[[Any], Any], name: str, value: Any, field: str, low: int, high: int
) -> int:
    """The number on the wire that stands for a value; the wire holds `low` to `high`."""
    try:
        number = function(value)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as fault:
        message = f"{value!r} is no '{name}': {fault}"
        raise EncodeError(message, code="transform", path=(field,)) from fault
    except Exception as fault:
        message = _raised("transform", name, fault)
        raise EncodeError(message, code="plugin", path=(field,)) from fault
    if not isinstance(number, int):
        message = f"a fault of the transform '{name}': it gave {number!r}, not a number"
        raise EncodeError(message, code="plugin", path=(field,))
    if not low <= number <= high:
        message = f"{value!r} does not fit: it is {number}, and the wire holds {low} to {high}"
        raise EncodeError(message, code="range", path=(field,))
    return number
