"""The command line: a file a command, loaded when called. The only code that prints or exits."""

from __future__ import annotations

import importlib
import sys

import click

from vmsc import __version__

__all__ = ["main"]

# name -> (module, help): the help stands here so that `vmsc --help` loads none of them.
_COMMANDS = {
    "check": "Parse, resolve and check schemas.",
    "compile": "Write codecs (or what another backend makes) for schemas.",
    "size": "Show each description's size class, parameters and limits.",
    "import": "Write descriptions from another source.",
    "info": "List a stream's sections, one line each.",
    "decode": "Write a stream's device state as JSON.",
    "encode": "Write the stream that a JSON came from.",
    "verify": "Decode every section to its end and check every law.",
    "frame": "Write a stream as one framed checkpoint.",
    "unframe": "Write a framed checkpoint as the stream that it was.",
    "guard": "Let a COLO secondary have whole, proven checkpoints, or none.",
    "plugins": "List plugins and what they add.",
}


class _Lazy(click.Group):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"vmsc.cli.{name}_")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="vmsc")
def cli() -> None:
    """The compiler for device state.

    It turns descriptions of device state (.vmsd) into codecs that know their own end, and
    opens, checks, edits and frames QEMU's migration streams with them.

    Exit status: 0 good; 1 the input is wrong; 2 usage, or a fault of vmsc or of a plugin.
    """


def main() -> None:
    """Run the command line; errors become one message and an exit status."""
    from vmsc.cli.faults import guarded

    sys.exit(guarded(lambda: cli.main(standalone_mode=False)))
