"""What the importers' tests share: schemas in a folder, and input that is damaged."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from vmsc.compiler.driver import compile_paths
from vmsc.hooks import Artifact, Importer, ImporterError
from vmsc.hooks.host import Host
from vmsc.schema.diagnostics import Report, as_text

__all__ = ["check", "check_damage", "squeezed", "write"]


def write(folder: Path, artifacts: Iterable[Artifact]) -> Path:
    folder.mkdir(exist_ok=True)
    for artifact in artifacts:
        (folder / artifact.path).write_text(artifact.text)
    return folder


def check(folder: Path, host: Host) -> None:
    """Nothing is to be said of the schemas in this folder, not even a warning."""
    report = Report()
    compile_paths([folder], host, report)
    assert report.found == [], as_text(report)


def squeezed(text: str) -> list[str]:
    """The lines without their columns."""
    return [" ".join(line.split()) for line in text.splitlines()]


def check_damage(importer: Importer, text: bytes) -> None:
    """Whatever is done to the text, it gives files or one clear error."""
    seeded = random.Random(23)
    for _ in range(300):
        damaged = bytearray(text)
        for _ in range(seeded.randrange(1, 3)):
            at = seeded.randrange(len(damaged))
            damaged[at : at + seeded.randrange(3)] = seeded.choice(
                (b"", b"0", b'"', b"{", b"]", b"\xff", b"-1", b"7", b'"a":', b"\\u0000")
            )
        try:
            assert list(importer.run(bytes(damaged), {}))
        except ImporterError as fault:
            assert str(fault)
