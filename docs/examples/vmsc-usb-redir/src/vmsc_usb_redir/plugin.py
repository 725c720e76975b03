"""The hook: what this package adds to vmsc."""

from __future__ import annotations

from vmsc.hooks import PythonName, WireType, hook

__all__ = ["vmsc_types"]

_CODEC = "vmsc_usb_redir.codec"


def _type(name: str, summary: str, decode: str, encode: str, type_: str) -> WireType:
    functions = {"decode": decode, "encode": encode, "type": type_}
    return WireType(name, summary, {k: PythonName(_CODEC, f) for k, f in functions.items()})


@hook
def vmsc_types() -> list[WireType]:
    return [
        _type("usb_redir_parser", "libusbredirparser's own state",
              "decode_parser", "encode_parser", "Parser"),
        _type("usb_redir_bufpq", "packets that the guest has not asked for yet",
              "decode_packets", "encode_packets", "Packets"),
        _type("usb_redir_packet_id_q", "ids of packets under way",
              "decode_ids", "encode_ids", "Ids"),
    ]  # fmt: skip
