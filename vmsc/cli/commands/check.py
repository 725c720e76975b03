"""vmsc check"""

from __future__ import annotations

from pathlib import Path

import click

from vmsc.cli.exit import echo
from vmsc.cli.options import format_option, paths_argument, plugin_option, schemas_option, settle

__all__ = ["command"]


@click.command("check")
@paths_argument
@schemas_option
@plugin_option
@format_option
def command(
    paths: tuple[Path, ...], schemas: tuple[Path, ...], plugins: tuple[str, ...], form: str
) -> None:
    """Parse, resolve and check the schemas at PATH: files, or folders with all in them."""
    from vmsc.compiler.driver import compile_paths
    from vmsc.hooks.host import load_host
    from vmsc.schema.diagnostics import Report

    report = Report()
    compiled = compile_paths(paths, load_host(plugins), report, schemas)
    settle(report, form)
    assert compiled is not None
    if form == "text":
        asked = set(compiled.asked)
        count = sum(d.module in asked for d in compiled.schema.descriptions.values())
        echo(f"{len(asked)} files, {count} descriptions: good")
