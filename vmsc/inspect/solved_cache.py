"""The cache of parameters: what was solved from the JSON description at a stream's end, by a digest
of that description and of the schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import msgspec

from vmsc.compiler.cache_folder import CacheError, keep, open_kept

__all__ = ["recalled", "remember"]

_KIND = "parameters"
_MOST = 64  # streams; one takes a few kilobytes

Solved = dict[str, dict[str, bool | int | str]]


def recalled(key: str) -> Solved:
    """Parameters that were solved before; none where nothing was kept."""
    file = open_kept(_KIND, key)
    if file is None:
        return {}
    with file:
        try:
            return msgspec.json.decode(file.read(), type=Solved)
        except (OSError, msgspec.DecodeError):
            return {}


def remember(key: str, values: Mapping[str, Mapping[str, int | str]]) -> None:
    """Keep solved parameters. Where that cannot be, they are solved again the next time."""
    with suppress(CacheError, OverflowError, UnicodeEncodeError):  # a name may not be UTF-8
        keep(_KIND, key, [msgspec.json.encode(values)], _MOST)
