"""vmsc plugins"""

from __future__ import annotations

import click

from vmsc.cli.exit import echo
from vmsc.cli.options import plugin_option

__all__ = ["command"]


@click.command("plugins")
@plugin_option
def command(plugins: tuple[str, ...]) -> None:
    """List the plugins that are registered, where they come from, and what each adds."""
    from vmsc.hooks.host import load_host

    for plugin in load_host(plugins).plugins:
        echo(f"{plugin.name} ({plugin.origin})")
        for line in plugin.adds or ("nothing",):
            echo(f"    {line}")
