"""The cache of parameters solved from streams' descriptions."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vmsc.compiler.cache import forget, home_folder
from vmsc.files import write_file

__all__ = ["recalled", "remember"]


def recalled(key: str) -> dict[str, dict[str, bool | int | str]]:
    """Parameters that were solved before; none where nothing was kept."""
    try:
        text = (home_folder() / "solved" / key).read_bytes()
        return msgspec.json.decode(text, type=dict[str, dict[str, bool | int | str]])
    except (OSError, msgspec.DecodeError):
        return {}


def remember(key: str, values: Mapping[str, Mapping[str, int | str]]) -> None:
    """Keep solved parameters under what they hang on. If that cannot be, nothing is lost."""
    folder = home_folder() / "solved"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        forget(folder.iterdir(), 64)
        write_file(folder / key, msgspec.json.encode(values))
    except (OSError, OverflowError, UnicodeEncodeError):  # names may be no UTF-8
        pass
