"""vmsc compile"""

from __future__ import annotations

from pathlib import Path

import click

from vmsc.cli.exit import echo, stop
from vmsc.cli.options import (
    nearest,
    pairs,
    paths_argument,
    plugin_option,
    schemas_option,
    settle,
)

__all__ = ["command"]


@click.command("compile")
@paths_argument
@click.option(
    "-o", "--output", default="generated", type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR", show_default=True, help="Where the files go.",
)  # fmt: skip
@click.option("--backend", default="python", metavar="NAME", show_default=True,
              help="What to write; `vmsc plugins` lists the backends.")  # fmt: skip
@click.option("--option", "options", multiple=True, metavar="K=V", help="An option of the backend.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 if out of date.")
@schemas_option
@plugin_option
def command(
    paths: tuple[Path, ...],
    output: Path,
    backend: str,
    options: tuple[str, ...],
    only_check: bool,
    schemas: tuple[Path, ...],
    plugins: tuple[str, ...],
) -> None:
    """Compile the schemas at PATH, and what they use, to files in DIR."""
    from vmsc.compiler.artifacts import stale, write_artifacts
    from vmsc.compiler.driver import compile_paths, generate
    from vmsc.hooks.host import load_host
    from vmsc.schema.diagnostics import Report

    host = load_host(plugins)
    chosen = host.backends.get(backend)
    if chosen is None:
        raise click.UsageError(f"no backend '{backend}'{nearest(backend, host.backends)}")
    given = pairs(options, "--option")
    known = {o.name for o in chosen.options}
    for name in given:
        if name not in known:
            raise click.UsageError(
                f"backend '{backend}' has no option '{name}'{nearest(name, known)}"
            )
    report = Report()
    compiled = compile_paths(paths, host, report, schemas)
    artifacts = generate(compiled, chosen, host, report, given) if compiled else []
    settle(report)
    if only_check:
        old = stale(artifacts, output)
        if old:
            listed = "".join(f"\n  {output / path}" for path in old)
            stop(f"error: {len(old)} of {len(artifacts)} files are out of date:{listed}\n"
                 "run the same without --check")  # fmt: skip
        echo(f"{len(artifacts)} files in {output} are up to date")
        return
    changed = write_artifacts(artifacts, output)
    echo(f"{output}: {len(artifacts)} files, {len(changed)} written")
