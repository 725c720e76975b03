"""The closed sets of words that schemas, plans and codecs share, so that types check them."""

from __future__ import annotations

from typing import Literal

__all__ = ["DescriptionKind", "Order", "ParamKind", "SizeClass"]

# What a description is in QEMU: a section, a nested VMStateDescription, a plain group of fields,
# the rounds of an open-coded loop, an optional tail of a section.
DescriptionKind = Literal["device", "vmsd", "struct", "loop", "subsection"]

# What a parameter's values are; a mask of `bits` stands for a set.
ParamKind = Literal["number", "bool", "bits", "words", "bytes"]

# How a description's length is known; docs/language.md, "Size classes".
SizeClass = Literal["constant", "computed", "bounded", "measured", "opaque"]

# The order of a number's bytes on the wire.
Order = Literal["big", "little"]
