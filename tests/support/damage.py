"""What an error about a damaged stream owes to its reader."""

from __future__ import annotations

from vmsc.runtime.errors import CodecError, DecodeError, ParamError

__all__ = ["clear"]


def clear(error: CodecError, data: bytes) -> bool:
    """Whether it says what and where."""
    if isinstance(error, ParamError):
        return "--param" in str(error)
    assert isinstance(error, DecodeError)
    place = error.offset + (error.base or 0)
    return 0 <= place <= len(data) and str(place) in str(error) and bool(error.code)
