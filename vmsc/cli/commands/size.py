"""vmsc size"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmsc.cli.exit import echo
from vmsc.cli.options import paths_argument, plugin_option, schemas_option, settle

if TYPE_CHECKING:
    from vmsc.schema.ir import Param

__all__ = ["command"]


@click.command("size")
@paths_argument
@schemas_option
@plugin_option
def command(paths: tuple[Path, ...], schemas: tuple[Path, ...], plugins: tuple[str, ...]) -> None:
    """Show, for each description at PATH, how its length is known.

    \b
    constant   always as many bytes
    computed   from fields and parameters, without walking elements
    bounded    by walking it, with a static limit
    measured   by walking it
    opaque     holds bytes that no description covers
    """
    from vmsc.compiler.driver import compile_paths
    from vmsc.hooks.host import load_host
    from vmsc.schema.diagnostics import Report

    report = Report()
    compiled = compile_paths(paths, load_host(plugins), report, schemas)
    settle(report)
    assert compiled is not None
    for one in compiled.program.plans.values():
        if one.module not in compiled.asked or one.kind == "subsection":
            continue
        most = "no limit" if one.most is None else str(one.most)
        limits = str(one.least) if one.most == one.least else f"{one.least} to {most}"
        line = f'{one.module}.{one.name}  {one.kind} "{one.wire}"  {one.size_class}  {limits} bytes'
        echo(line)
        for p in one.params:
            needs = "state" if p.sticky else "parameter"
            default = "" if p.default is None or p.sticky else f" = {p.default!s}"
            echo(f"    {needs} {p.name}: {p.kind}{_bounds(p)}{default}")


def _bounds(param: Param) -> str:
    """What values a number or a word may have; of a truth and of bytes there is nothing to say."""
    match param.kind:
        case "words":
            return " " + " | ".join(param.words)
        case "bool" | "bytes":
            return ""
        case "bits":
            return f" up to {param.high:#x}"
        case _:
            return f" {param.low} to {param.high}"
