"""Refusal: why the guard does not go on with a primary. One exception for all reasons, by name."""

from __future__ import annotations

from vmsc import VmscError
from vmsc.runtime.errors import CodecError

__all__ = ["Refusal", "refused"]


class Refusal(VmscError):
    """What is not taken from a primary, and why; `code` is a word for metrics and docs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def refused(fault: CodecError) -> Refusal:
    """The refusal of what did not decode; its message has section, field, offset and finding."""
    return Refusal(fault.code, str(fault))
