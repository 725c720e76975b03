"""A plugin in one file: a backend that writes a C header of the fields whose place never changes.

Those are the fields of a description's first run: everything up to the first one of another length
or under a condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vmsc import plan
from vmsc.hooks import Artifact, Backend, BackendInput, Option, hook

__all__ = ["vmsc_backends"]


def _macro(*words: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", "_".join(words).upper())


def _lines(one: plan.Plan, prefix: str) -> Iterator[str]:
    match one.steps[:1]:
        case (plan.Run(fields=fields),):
            yield f'/* {one.kind} "{one.wire}" */'
            for field in fields:
                macro = _macro(prefix, one.name, field.name)
                yield f"#define {macro}_OFFSET {field.offset}"
                yield f"#define {macro}_SIZE {field.size}"
            yield ""


def generate(context: BackendInput) -> Iterable[Artifact]:
    prefix = context.options["prefix"]
    for module in context.modules:
        lines = [f"/* Offsets of {module.name}.vmsd */", "#pragma once", ""]
        for key in module.descriptions:
            lines += _lines(context.program.plans[key], prefix)
        yield Artifact(f"{module.name.replace('.', '/')}.h", "\n".join(lines).rstrip() + "\n")


@hook
def vmsc_backends() -> list[Backend]:
    prefix = Option("prefix", "VM", "what every macro begins with")
    return [Backend("offsets", "C headers of static field offsets", generate, (prefix,))]
