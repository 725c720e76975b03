"""Text that a terminal shows and does not obey: names and messages hold what comes from outside.

What cannot be printed (str.isprintable: controls, line and paragraph separators, bidirectional
controls, lone surrogates) is written as an escape. Imports nothing, so that all may use it.
"""

from __future__ import annotations

import re

__all__ = ["json_text", "lines", "one_line"]

# In UTF-8: delete, C1, U+2028 to U+202E and U+2066 to U+2069. JSON itself escapes all below blank.
_OBEYED = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")


def one_line(text: str, keep: str = "") -> str:
    """The text on one line, with what cannot be printed escaped, but for the characters of
    `keep`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def lines(text: str) -> str:
    """The same for text of several lines, with tabs."""
    return one_line(text, "\n\t")


def json_text(data: bytes) -> bytes:
    """JSON in UTF-8, with the same meaning and nothing that a terminal obeys."""
    if data.isascii() and b"\x7f" not in data:
        return data
    return _OBEYED.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), data)
