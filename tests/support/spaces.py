"""Two network namespaces with a cable between them: hosts of the tests' own. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

__all__ = ["HERE", "THERE", "ip", "require_spaces", "two_spaces"]

HERE, THERE = "192.0.2.1", "192.0.2.2"  # the guard's side and the primary's


def require_spaces() -> None:
    """Skip the test without root or iproute2."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and Debian's iproute2")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


@contextmanager
def two_spaces() -> Iterator[tuple[str, str]]:
    """Two namespaces with a cable between: the primary's, and the guard's with the secondary."""
    ours, theirs = (f"vmsc-{side}-{os.getpid()}" for side in ("p", "g"))
    with ExitStack() as stack:
        for space in (ours, theirs):
            ip("netns", "add", space)
            stack.callback(ip, "netns", "del", space)
            ip("-n", space, "link", "set", "lo", "up")
        ip("link", "add", "cable", "netns", ours, "type", "veth", "peer", "cable", "netns", theirs)
        for space, address in ((ours, THERE), (theirs, HERE)):
            ip("-n", space, "address", "add", f"{address}/30", "dev", "cable")
            ip("-n", space, "link", "set", "cable", "up")
        yield ours, theirs
