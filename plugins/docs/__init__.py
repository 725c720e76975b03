"""The docs backend: one HTML page a schema file, and an index.

plan -> view (rows, widths, places, links) -> templates (layout). No script, and nothing is loaded
from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vmsc.hooks import Artifact, Backend, BackendInput, Option, hook
from vmsc.hooks.templates import render

from .pages import index_view, page_view
from .text import page_path

__all__ = ["vmsc_backends"]

_TEMPLATES = Path(__file__).parent / "templates"


def generate(context: BackendInput) -> Iterable[Artifact]:
    yield Artifact("index.html", render(_TEMPLATES, "index.html.jinja", view=index_view(context)))
    for module in context.modules:
        view = page_view(context, module)
        yield Artifact(page_path(module.name), render(_TEMPLATES, "page.html.jinja", view=view))


@hook
def vmsc_backends() -> list[Backend]:
    title = Option("title", "Device state", "what the index is headed with")
    summary = "HTML pages: every field, its place, its width, its laws"
    return [Backend("docs", summary, generate, (title,), _TEMPLATES)]
