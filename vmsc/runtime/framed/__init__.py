"""The framed container: frames, contexts and whole checkpoints (docs/framed-format.md).

No codec needs it: a generated module never loads it.
"""

from __future__ import annotations

__all__ = ["MAGIC"]

MAGIC = (
    b"VMSF"  # here, as who asks only what a file is needs no checksums, which take 30 ms to load
)
