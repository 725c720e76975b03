"""The views of whole pages: an index, and for each module its descriptions, subsections inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmsc import plan
from vmsc.hooks import BackendInput
from vmsc.plan.analysis import calls, customs
from vmsc.schema import ir

from .extent import span_text
from .rows import Row, rows_of
from .text import Piece, Writing, inline, number, page_path, paragraphs

__all__ = ["index_view", "page_view"]

_SIZES = {
    "constant": "always as many bytes",
    "computed": "from fields and parameters, without walking elements",
    "bounded": "by walking it, with a static limit",
    "measured": "by walking it",
    "opaque": "holds bytes that no description covers",
}
_KINDS = {
    "device": "a section's payload",
    "vmsd": "a nested description with subsections of its own",
    "struct": "a plain group",
    "loop": "rounds, until one ends it",
    "subsection": "optional, behind the body",
}


@dataclass(frozen=True)
class ParamView:
    name: str
    kind: str
    bounds: str
    default: str
    doc: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True)
class Section:
    """One description. `level`: that of its heading; `label`: what its owner calls a subsection."""

    name: str
    label: str
    level: int
    kind: str
    meaning: str
    wire: str
    versions: str
    size_class: str
    size_meaning: str
    size: str
    digest: str
    doc: tuple[tuple[Piece, ...], ...]
    params: tuple[ParamView, ...]
    rows: tuple[Row, ...]
    subsections: tuple[Section, ...]
    users: tuple[Piece, ...]


@dataclass(frozen=True)
class WireTypeView:
    name: str
    what: str
    summary: str


@dataclass(frozen=True)
class Page:
    title: str
    site: str
    file: str
    doc: tuple[tuple[Piece, ...], ...]
    uses: tuple[Piece, ...]
    sections: tuple[Section, ...]
    customs: tuple[WireTypeView, ...]


@dataclass(frozen=True)
class Entry:
    """A description in the index."""

    name: str
    href: str
    kind: str
    wire: str
    size_class: str
    size: str
    summary: tuple[Piece, ...]


@dataclass(frozen=True)
class IndexModule:
    name: str
    href: str
    summary: tuple[Piece, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Index:
    title: str
    modules: tuple[IndexModule, ...]
    size_words: tuple[tuple[str, str], ...]
    kind_words: tuple[tuple[str, str], ...]


# --- descriptions ---------------------------------------------------------------------------------


def _versions(version: int, minimum: int) -> str:
    return f"version {version}" if version == minimum else f"versions {minimum} to {version}"


def _plan_versions(one: plan.Plan) -> str:
    return "" if one.kind in ("struct", "loop") else _versions(one.version, one.minimum)


def _bytes(one: plan.Plan) -> str:
    text = span_text(one.least, one.most)
    return f"{text} byte" if text == "1" else f"{text} bytes"


def _param(param: ir.Param) -> ParamView:
    match param.kind:
        case "words":
            bounds = " | ".join(param.words)
        case "bits":
            bounds = f"{param.high.bit_length()} bits"
        case "bool":
            bounds = "0 or 1"
        case "bytes":
            bounds = ""
        case _:
            bounds = f"{number(param.low)} to {number(param.high)}"
    kind = "state" if param.sticky else param.kind
    default = "" if param.default is None or param.sticky else str(param.default)
    return ParamView(param.name, kind, bounds, default, paragraphs(param.doc))


def _used_by(plans: Iterable[plan.Plan]) -> Mapping[str, tuple[str, ...]]:
    """The keys of a description's users, in order; an owner is no user of its subsections."""
    found: dict[str, dict[str, None]] = {}
    for one in plans:
        for member in one.members:
            for call in calls(member.node):
                found.setdefault(call.key, {})[one.key] = None
    return {key: tuple(users) for key, users in found.items()}


def _section(
    one: plan.Plan, writing: Writing, users: Mapping[str, tuple[str, ...]], level: int, label: str
) -> Section:
    inner = tuple(
        _section(writing.plans[s.call.key], writing, users, level + 1, s.name)
        for s in one.subsections
    )
    return Section(
        name=one.name,
        label=label,
        level=min(level, 6),
        kind=one.kind,
        meaning=_KINDS[one.kind],
        wire="" if one.kind in ("struct", "loop") else one.wire,
        versions=_plan_versions(one),
        size_class=one.size_class,
        size_meaning=_SIZES[one.size_class],
        size=_bytes(one),
        digest=one.digest.hex(),
        doc=paragraphs(one.doc),
        params=tuple(map(_param, one.params)),
        rows=rows_of(one, writing),
        subsections=inner,
        users=() if one.kind == "subsection" else tuple(
            writing.link(key) for key in users.get(one.key, ())
        ),
    )  # fmt: skip


# --- pages ----------------------------------------------------------------------------------------


def _customs(context: BackendInput, plans: Iterable[plan.Plan]) -> tuple[WireTypeView, ...]:
    """What of plugins a module names."""
    named = [customs(one) for one in plans]
    types = {name for each in named for name in each.types}
    transforms = {name for each in named for name in each.transforms.values()}
    return (
        *(WireTypeView(n, "wire type", context.types[n].summary) for n in sorted(types)),
        *(WireTypeView(n, "transform", context.transforms[n].summary) for n in sorted(transforms)),
    )


def page_view(context: BackendInput, module: ir.Module) -> Page:
    """A module's page."""
    plans = context.program.plans
    writing = Writing(plans, module.name)
    users = _used_by(plans.values())
    own = [plans[key] for key in module.descriptions]
    return Page(
        title=module.name,
        site=context.options["title"],
        file=module.name.replace(".", "/") + ".vmsd",
        doc=paragraphs(module.doc),
        uses=tuple(Piece(name, f"{name}.html") for name in sorted(module.uses)),
        sections=tuple(
            _section(one, writing, users, 2, "") for one in own if one.kind != "subsection"
        ),
        customs=_customs(context, own),
    )


def _first(doc: str) -> tuple[Piece, ...]:
    """A doc comment's first sentence."""
    first = " ".join(doc.split("\n\n")[0].split())
    head, stop, _ = first.partition(". ")
    return inline(head + "." if stop else first)


def index_view(context: BackendInput) -> Index:
    """The page of all modules."""
    modules = []
    for module in sorted(context.modules, key=lambda m: m.name):
        href = page_path(module.name)
        plans = [context.program.plans[key] for key in module.descriptions]
        entries = tuple(
            Entry(
                one.name, f"{href}#{one.name}", one.kind,
                one.wire if one.kind in ("device", "vmsd") else "",
                one.size_class, _bytes(one), _first(one.doc),
            )
            for one in plans
            if one.kind != "subsection"
        )  # fmt: skip
        modules.append(IndexModule(module.name, href, _first(module.doc), entries))
    return Index(
        context.options["title"], tuple(modules), tuple(_SIZES.items()), tuple(_KINDS.items())
    )
