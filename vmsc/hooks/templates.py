"""Templates: a template and a view -> text. Templates only lay out: an unknown name in one is a
fault, not an empty string.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

__all__ = ["render"]


@cache
def _environment(folder: Path, escape: bool) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(folder: Path, template: str, **view: object) -> str:
    """The text, ending with one newline. HTML templates escape what is put into them."""
    environment = _environment(folder, template.endswith((".html", ".html.jinja")))
    return environment.get_template(template).render(**view).rstrip("\n") + "\n"
