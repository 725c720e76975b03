"""vmsc cache"""

from __future__ import annotations

import click

from vmsc.cli.exit import echo, stop
from vmsc.plain_text import one_line

__all__ = ["command"]

_KINDS = {"codecs": "compiled schemas", "parameters": "solved parameters"}


@click.command("cache")
@click.option("--clear", "empty", is_flag=True, help="Remove all that is kept.")
def command(empty: bool) -> None:
    """Show the folder of what vmsc keeps to be faster the next time, and how large it is.

    It lies in XDG_CACHE_HOME, or where the system has such folders. It is used only if it is this
    user's alone, and it may be removed at any time; `vmsc cache --clear` does so.
    """
    from vmsc.compiler.cache_folder import CacheError, cache_folder, clear, usage

    try:
        folder, kept = cache_folder(), usage()
        removed = clear() if empty else 0
    except CacheError as fault:
        way = "mend that, or let XDG_CACHE_HOME name another folder"
        stop(f"no cache: {one_line(str(fault))}; {way}")
    where = one_line(str(folder))
    if empty:
        echo(f"{where}: {_size(removed)} removed")
        return
    echo(where)
    for one in kept:
        files = f"{one.files} file" + ("" if one.files == 1 else "s")
        echo(f"  {_KINDS[one.kind]}  {files:>8}  {_size(one.size):>12}")
    echo("`vmsc cache --clear` removes them")


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"
