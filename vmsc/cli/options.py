"""Options that several commands share, and the ways they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from vmsc.cli.exit import WRONG, Stop, echo
from vmsc.schema.diagnostics import Report, as_json, as_text

__all__ = [
    "format_option", "nearest", "paths_argument", "plugin_option", "schemas_option", "settle",
    "show",
]  # fmt: skip

_F = TypeVar("_F", bound=Callable[..., Any])

plugin_option: Callable[[_F], _F] = click.option(
    "-p", "--plugin", "plugins", multiple=True, metavar="FILE|MODULE", help="Load a plugin."
)
schemas_option: Callable[[_F], _F] = click.option(
    "-s",
    "--schemas",
    "schemas",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="DIR",
    help="More schemas, before those that come with vmsc.",
)
format_option: Callable[[_F], _F] = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How errors are shown; json gives all of them, on standard output.",
)
paths_argument: Callable[[_F], _F] = click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(exists=True, path_type=Path),
)


def show(report: Report, form: str = "text") -> None:
    """Print what was found: text on stderr, JSON on stdout."""
    if form == "json":
        import json

        echo(json.dumps(as_json(report), indent=2))
    elif report.found:
        echo(as_text(report), err=True)


def settle(report: Report, form: str = "text") -> None:
    """Print what was found, and end the run if it has errors."""
    show(report, form)
    if report.failed:
        raise Stop(WRONG)


def nearest(name: str, known: Iterable[str]) -> str:
    """What a usage error says after a name that is not known: the nearest that is, or all."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there are: {', '.join(names)}" if names else "; there are none"


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """`name=value` texts as a dict."""
    found = {}
    for text in texts:
        name, equal, value = text.partition("=")
        if not equal or not name:
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", param_hint=option)
        found[name] = value
    return found
