"""vmsc dump"""

from __future__ import annotations

from pathlib import Path

import click

from vmsc.cli.exit import echo
from vmsc.cli.options import paths_argument, plugin_option, schemas_option, settle

__all__ = ["command"]


@click.command("dump")
@click.argument("stage", metavar="ir|plan", type=click.Choice(["ir", "plan"]))
@paths_argument
@schemas_option
@plugin_option
def command(
    stage: str, paths: tuple[Path, ...], schemas: tuple[Path, ...], plugins: tuple[str, ...]
) -> None:
    """Show what the compiler makes of the schemas at PATH, as text.

    \b
    ir     what is meant: every name resolved, every expression bounded
    plan   the wire steps that every backend writes from

    A description stands before those that name it. What the schemas use of others is not shown.
    """
    from dataclasses import replace

    from vmsc.compiler.driver import compile_paths
    from vmsc.hooks.host import load_host
    from vmsc.plan.text import plan_text
    from vmsc.schema.diagnostics import Report
    from vmsc.schema.ir.text import ir_text

    report = Report()
    compiled = compile_paths(paths, load_host(plugins), report, schemas)
    settle(report)
    assert compiled is not None
    asked = [key for key, d in compiled.schema.descriptions.items() if d.module in compiled.asked]
    if stage == "ir":
        shown = {key: compiled.schema.descriptions[key] for key in asked}
        echo(ir_text(replace(compiled.schema, descriptions=shown)), end="")
        return
    for key in asked:
        echo(plan_text(compiled.program.plans[key]), end="")
