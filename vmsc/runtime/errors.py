"""The errors that generated codecs and stream readers raise.

Law: decoding raises `DecodeError` (or its kind `Truncated`) and nothing else, encoding
`EncodeError`, and a missing or unfit parameter is `ParamError`. Each knows where: a field path,
and a byte offset for input. An error is made where it is found, deep in a nested description;
each enclosing description adds its field's name in front with `within`, so that the good path
costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmsc import VmscError

__all__ = ["CodecError", "DecodeError", "EncodeError", "ParamError", "Truncated"]


class CodecError(VmscError):
    """What every codec error has: `message`, `path` (field names and indices), `code` (a word)."""

    def __init__(self, message: str, *, code: str, path: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.path: tuple[str | int, ...] = tuple(path)

    def within(self, *outer: str | int) -> CodecError:
        """The same error, seen from an enclosing description."""
        self.path = (*outer, *self.path)
        return self

    @property
    def field(self) -> str:
        """The path as `pci.config` or `rx[3].len`."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.path else self.message


class DecodeError(CodecError):
    """Input that is not what the description says.

    `offset` counts bytes from the start of the buffer that was being decoded. `section` and
    `instance` are set by a reader of streams, which also sets `base`, the buffer's offset in the
    file.
    """

    def __init__(
        self,
        message: str,
        *,
        offset: int,
        code: str = "bad-value",
        path: Sequence[str | int] = (),
    ) -> None:
        super().__init__(message, code=code, path=path)
        self.offset = offset
        self.section: str | None = None
        self.instance: int | None = None
        self.base: int | None = None

    def __str__(self) -> str:
        parts = []
        if self.section is not None:
            parts.append(f"section '{self.section}' instance {self.instance}: ")
        if self.path:
            parts.append(f"{self.field} ")
        if self.base is None:
            parts.append(f"at byte {self.offset}: ")
        else:
            parts.append(f"at byte {self.base + self.offset} [{self.offset}]: ")
        return "".join(parts) + self.message


class Truncated(DecodeError):
    """The input ends inside a value; `need` is how many more bytes can be used at once (at least
    1).
    """

    def __init__(self, need: int, *, offset: int, path: Sequence[str | int] = ()) -> None:
        super().__init__(
            f"the input ends here, {need} more byte{'s' if need != 1 else ''} expected",
            offset=offset,
            code="truncated",
            path=path,
        )
        self.need = need


class EncodeError(CodecError):
    """A value that its description cannot write."""

    def __init__(
        self, message: str, *, code: str = "bad-value", path: Sequence[str | int] = ()
    ) -> None:
        super().__init__(message, code=code, path=path)


class ParamError(CodecError):
    """A parameter that is missing or out of its bounds."""

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message, code="param")
        self.name = name
