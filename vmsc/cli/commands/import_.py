"""vmsc import"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmsc.cli.exit import echo, stop
from vmsc.cli.input import file_argument, read_input
from vmsc.cli.options import nearest, pairs, plugin_option, schemas_option

if TYPE_CHECKING:
    from vmsc.hooks.host import Host
    from vmsc.hooks.records import Artifact, Importer
    from vmsc.inspect.infer_machine import Learned
    from vmsc.params.solver import Solved

__all__ = ["command"]

MACHINE_OF = "stream"  # the importer whose input records parameters
NOTES = 20  # lines that are shown of what does not fit


@click.command("import")
@click.argument("name", metavar="NAME")
@file_argument
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR", help="Where the .vmsd files go.",
)  # fmt: skip
@click.option(
    "--machine", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Also solve the parameters of the schemas there are, and write them by section.",
)  # fmt: skip
@click.option("--option", "options", multiple=True, metavar="K=V", help="For the importer.")
@schemas_option
@plugin_option
def command(
    name: str,
    file: str,
    output: Path,
    machine: Path | None,
    options: tuple[str, ...],
    schemas: tuple[Path, ...],
    plugins: tuple[str, ...],
) -> None:
    """Write descriptions from FILE, which is of the kind NAME.

    \b
    stream   a migration stream with its JSON description, or that description alone
    dump     the JSON of `qemu -dump-vmstate`: skeletons, whose doubtful lines say so

    Plugins may add others; `vmsc plugins` lists them.
    """
    from vmsc.compiler.artifacts import check_paths, write_artifacts
    from vmsc.hooks.host import load_host

    host = load_host(plugins)
    if name not in host.importers:
        raise click.UsageError(f"no importer '{name}'{nearest(name, host.importers)}")
    if machine is not None and name != MACHINE_OF:
        raise click.UsageError(f"--machine goes with `import {MACHINE_OF}`")
    given = pairs(options, "--option")
    data = bytes(read_input(file))
    shown = "standard input" if file == "-" else file
    artifacts = _imported(host, host.importers[name], data, given, shown)
    check_paths(artifacts)
    changed = write_artifacts(artifacts, output)
    echo(f"{output}: {len(artifacts)} files, {len(changed)} written")
    if machine is not None:
        _write_machine(machine, data, schemas, plugins)


def _imported(
    host: Host, importer: Importer, data: bytes, options: dict[str, str], shown: str
) -> list[Artifact]:
    """What the importer makes of the data, sorted by path."""
    from vmsc.hooks.records import ImporterError

    def run() -> list[Artifact] | ImporterError:
        try:
            return sorted(importer.run(data, options), key=lambda a: a.path)
        except ImporterError as fault:
            return fault

    found = host.call("importer", importer.name, run)
    if isinstance(found, ImporterError):
        stop(f"{shown}: error: {found}")
    return found


def _write_machine(
    path: Path, data: bytes, schemas: tuple[Path, ...], plugins: tuple[str, ...]
) -> None:
    """Solve the parameters of the given schemas and vmsc's own, and say what did not fit."""
    from vmsc.compiler.library import LibraryError, open_library
    from vmsc.files import write_file
    from vmsc.inspect.infer_machine import learned
    from vmsc.params.machine_file import machine_text
    from vmsc.params.solver import solve_stream
    from vmsc.stream.configuration import named_machine
    from vmsc.stream.events import MAGIC
    from vmsc.stream.vmdesc import read_vmdesc

    try:
        library = open_library(schemas, plugins)
        schema = library.schema
    except LibraryError as fault:
        stop(f"error: the schemas have errors\n{fault.text}")
    machine, solved = solve_stream(schema, read_vmdesc(data), named_machine(data))
    notes = [line for one in solved for line in _notes(one)]
    if data[:4] == MAGIC:
        more = learned(machine, data, library)
        machine = more.machine
        notes += _learned_notes(more)
    write_file(path, machine_text(machine).encode())
    for line in notes[:NOTES]:
        echo(f"vmsc: {line}", err=True)
    if len(notes) > NOTES:
        echo(f"vmsc: {len(notes) - NOTES} more are not shown", err=True)
    known = sum(bool(s.solution and s.solution.values) for s in solved)
    echo(f"{path}: {known} of {len(solved)} sections have parameters")


def _notes(one: Solved) -> Iterator[str]:
    """What a user should know of a section's solution."""
    section = f"section '{one.device.name}' instance {one.device.instance}"
    if one.solution is None:
        yield f"note: {section}: no schema describes it"
        return
    for misfit in one.solution.misfits:
        yield f"{'note' if misfit.harmless else 'warning'}: {section}: {misfit}"
    for guess in one.solution.guesses:
        among = f"{guess.among} fit; {guess.taken} is taken"
        yield f"note: {section}: parameter '{guess.name}': {among}"


def _learned_notes(more: Learned) -> Iterator[str]:
    """What was found by trial, and what hindered it."""
    for name, instance, param, value in more.found:
        yield f"note: section '{name}' instance {instance}: parameter '{param}': only {value} fits"
    if more.fault is not None:
        what = "what is not recorded could be tried only before the first error"
        yield f"warning: {what}: {more.fault}"
