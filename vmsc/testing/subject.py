"""What is tested: codecs of one description, whatever they are written in, by what they answer.

A subject has values of its own, and says what each is as plain data (`vmsc.testing.interpreter`).
What it is asked with is `Given`, what it answers a `Verdict`; of its profiles, QEMU's is always
there and the framed one if it is `framed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from vmsc.runtime.codec import Codec, Profile
from vmsc.runtime.errors import Truncated
from vmsc.runtime.notes import Kept, Notes
from vmsc.testing.interpreter import plain
from vmsc.testing.verdict import Verdict, judged, must

__all__ = ["GeneratedCodec", "Given", "Subject", "check_resumed"]


@dataclass(frozen=True)
class Given:
    """What the bytes do not say: the version (of a device or vmsd), the parameters."""

    version: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        version = "" if self.version is None else f"version {self.version} "
        return version + " ".join(f"{name}={value!r}" for name, value in self.params.items())


class Subject(Protocol):
    """A codec under test. `writes`: it encodes and measures, `scans`: it finds ends by scanning.

    `decode` reads at `pos` and says where it ends, `whole` takes all of the data or refuses it.
    `known` are those of the parameters that the codec reads.
    """

    @property
    def name(self) -> str: ...
    @property
    def writes(self) -> bool: ...
    @property
    def scans(self) -> bool: ...
    @property
    def framed(self) -> bool: ...

    def decode(
        self, data: bytes, given: Given, *, final: bool, pos: int = 0, framed: bool = False
    ) -> Verdict: ...
    def whole(self, data: bytes, given: Given, *, framed: bool = False) -> Verdict: ...
    def scan(self, data: bytes, given: Given, *, final: bool, framed: bool = False) -> Verdict: ...
    def encode(self, value: Any, given: Given, *, framed: bool = False) -> Verdict: ...
    def measure(self, value: Any, given: Given, *, framed: bool = False) -> Verdict: ...
    def plain(self, value: Any) -> Any: ...
    def known(self, params: Mapping[str, Any]) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class GeneratedCodec:
    """A codec of a Python module that vmsc generated."""

    codec: Codec
    writes: bool = True
    scans: bool = True
    framed: bool = True

    @property
    def name(self) -> str:
        return self.codec.name

    def _profile(self, framed: bool) -> Profile:
        return self.codec.framed if framed else self.codec.qemu

    def named(self, given: Given) -> dict[str, Any]:
        """The keyword arguments of its functions."""
        versioned = self.codec.kind in ("device", "vmsd") and given.version is not None
        return {**given.params, **({"version": given.version} if versioned else {})}

    def decode(
        self, data: bytes, given: Given, *, final: bool, pos: int = 0, framed: bool = False
    ) -> Verdict:
        read, named = self._profile(framed).decode_from, self.named(given)
        return judged(
            _said("decode", framed), lambda: Verdict(*read(data, pos, final=final, **named))
        )

    def whole(self, data: bytes, given: Given, *, framed: bool = False) -> Verdict:
        read, named = self._profile(framed).decode, self.named(given)
        return judged(_said("decode", framed), lambda: Verdict(read(data, **named), len(data)))

    def scan(self, data: bytes, given: Given, *, final: bool, framed: bool = False) -> Verdict:
        scan, named = self._profile(framed).scan, self.named(given)
        end = partial(scan, data, final=final, **named)
        return judged(_said("scan", framed), lambda: Verdict(None, end()))

    def encode(self, value: Any, given: Given, *, framed: bool = False) -> Verdict:
        write, named = self._profile(framed).encode, self.named(given)
        return judged(_said("encode", framed), lambda: Verdict(write(value, **named)))

    def measure(self, value: Any, given: Given, *, framed: bool = False) -> Verdict:
        measure, named = self._profile(framed).measure, self.named(given)
        return judged(_said("measure", framed), lambda: Verdict(measure(value, **named)))

    def plain(self, value: Any) -> Any:
        return plain(value)

    def known(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        names = {param.name for param in self.codec.params}
        return {name: value for name, value in params.items() if name in names}


def _said(what: str, framed: bool) -> str:
    return f"framed {what}" if framed else what


def check_resumed(subject: GeneratedCodec, data: bytes, given: Given, sizes: list[int]) -> None:
    """A scan that goes on from its notes, as bytes come and the buffer moves, says the same as one
    from the start.
    """
    kept: Kept = {}
    for size in [*sizes, len(data)]:
        start = size % 3
        buffer, notes = b"\5" * start + data[:size], Notes(start, kept)
        resumed = _scanned(subject, buffer, start, given, {"notes": notes})
        whole = _scanned(subject, buffer, start, given, {})
        same = (resumed.code, resumed.offset) == (whole.code, whole.offset)
        must(same, "resumed scan: another end", f"after {size} bytes", resumed, whole)
        if not isinstance(resumed.refusal, Truncated):
            return
        kept = notes.fresh


def _scanned(
    subject: GeneratedCodec, buffer: bytes, start: int, given: Given, more: Mapping[str, Any]
) -> Verdict:
    scan, named = subject.codec.qemu.scan, {**subject.named(given), **more}
    return judged("resumed scan", lambda: Verdict(None, scan(buffer, start, final=False, **named)))
