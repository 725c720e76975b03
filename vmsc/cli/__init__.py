"""The command line: a file a command, loaded when called. The only code that prints or exits."""

from __future__ import annotations

import importlib
import keyword
import os
import sys

import click

from vmsc import __version__

__all__ = ["main"]

# Group -> command -> help: it stands here so that `vmsc --help` loads no command.
_GROUPS = {
    "Schemas": {
        "check": "Parse, resolve and check schemas.",
        "compile": "Write codecs (or what another backend makes) for schemas.",
        "size": "Show each description's size class, parameters and limits.",
        "dump": "Show what the compiler makes of schemas: its ir or its plan.",
        "import": "Write descriptions from another source.",
    },
    "Streams": {
        "info": "List a stream's sections, one line each.",
        "decode": "Write a stream's device state as JSON.",
        "encode": "Write the stream that a JSON came from.",
        "verify": "Decode every section to its end and check every law.",
        "frame": "Write a stream as one framed checkpoint.",
        "unframe": "Write a framed checkpoint as the stream that it was.",
    },
    "The guard": {
        "guard": "Let a COLO secondary have whole, proven checkpoints, or none.",
    },
    "vmsc itself": {
        "plugins": "List plugins and what they add.",
        "cache": "Show or clear the cache of compiled schemas.",
    },
}
_COMMANDS = {name: text for group in _GROUPS.values() for name, text in group.items()}


def _module(command: str) -> str:
    """Its module's name: the command's own, which may not be one of Python's words."""
    return f"{command}_" if keyword.iskeyword(command) else command


class _Lazy(click.Group):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            from vmsc.cli.options import nearest

            ctx.fail(f"no command '{args[0]}'{nearest(args[0], _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"vmsc.cli.commands.{_module(name)}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _COMMANDS))
        for title, commands in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])


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
    from vmsc.cli.exit import guarded

    sys.exit(guarded(_run))


def _run() -> object:
    """What `cli.main` does, without its own view of errors: there, a reader that went away
    (`| head`) is exit 1.
    """
    if asked := os.environ.get("_VMSC_COMPLETE"):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "vmsc", "_VMSC_COMPLETE", asked)
    with cli.make_context("vmsc", sys.argv[1:]) as context:
        return cli.invoke(context)
