"""The document of `vmsc decode`, as structs: what docs/decode.schema.json is made from, and what
`vmsc encode` holds its input against. A part for each event of the stream.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from vmsc.json_input import JsonError, refusal
from vmsc.runtime.codec import Buffer
from vmsc.stream.events import MESSAGES

__all__ = [
    "FORMAT", "ONE_OF", "SECTIONS", "AnySection", "CommandPart", "ConfigurationPart",
    "DescriptionPart",
    "Document", "EofPart", "GapPart", "HeaderPart", "MessagePart", "Part", "Place", "SectionPart",
    "TrailingPart", "Unread", "read_document", "read_part",
]  # fmt: skip

FORMAT = 1


def _said(text: str, **more: Any) -> Meta:
    return Meta(description=text, **more)


_Natural = Annotated[int, Meta(ge=0)]
_U32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
_Decimal = Annotated[str, Meta(pattern="^[0-9]+$")]
# What is not hex is found when it is read; a pattern would look at each byte of RAM a second time.
_Hex = Annotated[str, Meta(extra_json_schema={"pattern": "^([0-9a-f]{2})*$"})]
_Value = Annotated[
    Any,
    _said(
        "A description's value: an object of its fields by name, absent ones left out. Numbers of"
        " up to 32 bits are numbers; 64-bit ones (timers too) are decimal strings; a bool is true"
        " or false, or the byte if it is neither 0 nor 1; bytes, strings and padding are hex; a"
        " float that JSON cannot say is the 16 hex digits of its bits; a choice is an object with"
        " one member, called as the arm's type; a tree is a list of [key, value].",
        extra_json_schema={"type": ["object", "array"]},
    ),
]
_Inside = Annotated[bool, _said("Within a package, or a checkpoint's device state.")]


class _Part(
    msgspec.Struct,
    forbid_unknown_fields=True,
    omit_defaults=True,
    kw_only=True,
    tag_field="part",
):
    pass


class HeaderPart(_Part, tag="header"):
    """The stream's first bytes."""

    version: _U32


class ConfigurationPart(_Part, tag="configuration"):
    """The machine's name, and what else both sides must share."""

    value: _Value | UnsetType = UNSET
    bytes: _Hex | UnsetType = UNSET


class Place(msgspec.Struct, forbid_unknown_fields=True):
    """Where in the side file."""

    offset: _Natural
    length: _Natural


class SectionPart(_Part, kw_only=True):
    id: _U32
    name: Annotated[str, _said("QEMU's name, with the device's path if it has one.")]
    name_bytes: Annotated[_Hex, _said("The name, where it is not UTF-8.")] | UnsetType = UNSET
    instance: _U32
    version: _U32
    footer: bool
    inside: _Inside = False
    ram: Annotated[Place, _said("The payload's place in the side file.")] | UnsetType = UNSET
    bytes: Annotated[_Hex, _said("The payload, where no description covers it.")] | UnsetType = (
        UNSET
    )
    params: (
        Annotated[
            dict[str, bool | int | str],
            _said(
                "Parameters: what the value's lengths depend on and the wire does not say. Bytes"
                " are hex: RAM's block, where a stored checkpoint goes on in that of the one"
                " before."
            ),
        ]
        | UnsetType
    ) = UNSET
    value: _Value | UnsetType = UNSET


class StartPart(SectionPart, tag="start", kw_only=True):
    """The first of several sections with one id."""


class PartPart(SectionPart, tag="part"):
    """One that goes on. Its name, instance and version are those of its start."""


class EndPart(SectionPart, tag="end"):
    """The last one. Its name, instance and version are those of its start."""


class FullPart(SectionPart, tag="full"):
    """A section by itself: a device's state."""


class CommandPart(_Part, tag="command", kw_only=True):
    """A command to the loader."""

    command: Annotated[int, Meta(ge=0, le=0xFFFF)]
    name: Annotated[str, _said("To be read alone.")] = ""
    data: _Hex
    inside: _Inside = False


class MessagePart(_Part, tag="message"):
    """A message of COLO."""

    message: Annotated[int, Meta(ge=0, lt=len(MESSAGES))]
    name: Annotated[str, _said("To be read alone.")] = ""
    value: _Decimal | _Natural | UnsetType = UNSET


class EofPart(_Part, tag="eof"):
    """The end of the sections."""

    inside: _Inside = False


class DescriptionPart(_Part, tag="description"):
    """QEMU's own description of the stream."""

    text: Annotated[str, _said("QEMU's JSON, to the letter.")] | UnsetType = UNSET
    bytes: _Hex | UnsetType = UNSET


class TrailingPart(_Part, tag="trailing"):
    """What follows the stream."""

    bytes: _Hex


class GapPart(_Part, tag="gap"):
    """What could not be read (--resync)."""

    bytes: _Hex
    reason: str = ""


Part = (
    HeaderPart | ConfigurationPart | StartPart | PartPart | EndPart | FullPart | CommandPart
    | MessagePart | EofPart | DescriptionPart | TrailingPart | GapPart
)  # fmt: skip

AnySection = StartPart | PartPart | EndPart | FullPart

SECTIONS: dict[str, type[AnySection]] = {
    "start": StartPart, "part": PartPart, "end": EndPart, "full": FullPart,
}  # fmt: skip

# Of these members a part has exactly one; the first class that it is of counts.
ONE_OF: dict[type[_Part], tuple[str, ...]] = {
    ConfigurationPart: ("value", "bytes"),
    SectionPart: ("value", "bytes", "ram"),
    DescriptionPart: ("text", "bytes"),
}


class Document(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A stream as `vmsc decode` writes it and `vmsc encode` reads it."""

    format: Annotated[Literal[1], _said("The version of this form.")] = msgspec.field(
        name="vmsc-stream"
    )
    partial: Annotated[bool, _said("Made with --section: not all of the stream.")] = False
    parts: list[Part]
    incomplete: Annotated[bool, _said("Cut short by an error.")] = False


class _Head(msgspec.Struct):
    format: Any = msgspec.field(name="vmsc-stream", default=None)


class Unread(Document, kw_only=True):
    """A document whose parts are read one by one: their values may take much memory."""

    parts: list[msgspec.Raw]  # type: ignore[assignment]


_T = TypeVar("_T")


def read_document(text: Buffer) -> Unread:
    """The document in a JSON text. Raises JsonError."""
    head = _decoded(text, _Head, "not a document of `vmsc decode`")
    if head.format is None:
        raise JsonError("not a document of `vmsc decode`: it has no 'vmsc-stream'")
    if head.format != FORMAT:
        shown = repr(head.format)[:40]
        raise JsonError(f"a document of format {shown}; vmsc reads format {FORMAT}")
    return _decoded(text, Unread, "")


def _decoded(text: Buffer, type_: type[_T], refused: str) -> _T:
    try:
        return msgspec.json.decode(text, type=type_)
    except RecursionError:
        raise JsonError("it nests too deep") from None
    except msgspec.ValidationError as fault:
        raise JsonError(refused or refusal(fault, msgspec.json.decode(text), type_)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise JsonError(f"not JSON: {fault}") from None


def read_part(text: Buffer) -> Part:
    """One part. Raises JsonError."""
    part: Part = _decoded(text, Part, "")  # type: ignore[arg-type]
    names = next((names for kind, names in ONE_OF.items() if isinstance(part, kind)), ())
    there = [name for name in names if getattr(part, name) is not UNSET]
    if names and len(there) != 1:
        found = " and ".join(f"'{name}'" for name in there) or "none"
        raise JsonError(f"{found} found, expected one of {', '.join(names)}")
    return part
