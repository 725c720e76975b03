"""A plugin in one file: a check, that every device says what it is.

A check sees the whole schema, after names and types are known to be good. Its codes are its own;
`error` fails the run, `warning` does not.
"""

from __future__ import annotations

from vmsc.hooks import Check, hook
from vmsc.schema import ir
from vmsc.schema.diagnostics import Report

__all__ = ["vmsc_checks"]


def devices_are_documented(schema: ir.Schema, report: Report) -> None:
    for description in schema.descriptions.values():
        if description.kind == "device" and not description.doc:
            message = f'device "{description.wire}" has no doc comment (///)'
            report.error("undocumented-device", message, description.span)


@hook
def vmsc_checks() -> list[Check]:
    summary = "every device has a doc comment"
    return [Check("documented", summary, ("undocumented-device",), devices_are_documented)]
