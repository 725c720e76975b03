"""Names of a file: its constants, parameters and descriptions, and those of the files it uses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from vmsc.runtime.kinds import ParamKind
from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Note, Report
from vmsc.schema.resolve.c_names import c_type_hint
from vmsc.schema.resolve.expressions import INVALID, resolve_expr, resolve_number, spoken
from vmsc.schema.source import Span

__all__ = [
    "ConstScope", "Described", "ModuleScope", "called", "camel", "file_names", "identifier", "once",
    "resolve_param",
]  # fmt: skip

MAX_BITS = 1 << 16  # of a set

TYPE_WORDS = frozenset({*ir.SCALARS, "bytes", "bitmap", "string8", "string32"})

Described = tuple[str, syntax.Description]  # a description and the module that it stands in


@dataclass(frozen=True)
class ModuleScope:
    """What a file knows by name.

    `own`: the names that stand in the file itself, which its users know too. `clashes`: names that
    two of the used files have, with both. `broken`: names whose errors were reported; and where a
    used file is missing (`partial`), any name might be one of its.
    """

    module: str
    consts: Mapping[str, int]
    params: Mapping[str, ir.Param]
    descriptions: Mapping[str, Described]
    own: Set[str]
    clashes: Mapping[str, tuple[str, str]]
    broken: Set[str]
    partial: bool
    generics: Mapping[str, str] = field(default_factory=dict)  # description parameter -> key


@dataclass
class ConstScope:
    """Where only constants are known."""

    consts: Mapping[str, int]
    broken: Set[str]
    later: Mapping[str, Span]
    report: Report

    def lookup(self, name: str, span: Span) -> ir.Expr | None:
        if name in self.consts:
            return ir.Number(self.consts[name])
        if name in self.broken:
            return None
        if name in self.later:
            message, where = (
                f"'{name}' is used before it is defined",
                Note("here", self.later[name]),
            )
            self.report.error("use-before-definition", message, span, where)
            return None
        hint = self.report.did_you_mean(name, span, self.consts)
        self.report.error("not-constant", f"'{name}' is no constant", span, *hint)
        return None

    def member(self, of: ir.Expr, name: syntax.Name) -> ir.Expr | None:
        self.report.error("not-constant", "a constant has no members", name.span)
        return None

    def version(self, span: Span) -> ir.Expr | None:
        self.report.error("not-constant", "'version' is no constant", span)
        return None

    def words(self, param: str) -> tuple[str, ...]:
        return ()


# --- names out of QEMU's names --------------------------------------------------------------------


def camel(wire: str) -> str:
    """A class name made of QEMU's name of a device."""
    words = [w for w in re.split(r"[^A-Za-z0-9]+", wire) if w]
    name = "".join(w[0].upper() + w[1:] for w in words) or "Device"
    return name if not name[0].isdigit() else f"Device{name}"


def identifier(wire: str) -> str:
    """A field name made of the last part of a subsection's name."""
    name = re.sub(r"\W", "_", wire.rsplit("/", 1)[-1], flags=re.ASCII) or "subsection"
    return name if not name[0].isdigit() else f"_{name}"


def called(described: syntax.Description) -> syntax.Name:
    """The description's name."""
    return described.name or syntax.Name(camel(described.wire), described.span)


def once(name: syntax.Name, places: dict[str, Span], report: Report, *notes: Note) -> None:
    """Report a second use of a name that may be given once; `places` grows."""
    if name.text in places:
        first = Note("the first is here", places[name.text])
        report.error("duplicate-name", f"a second '{name.text}'", name.span, first, *notes)
    places.setdefault(name.text, name.span)


# --- a file's names -------------------------------------------------------------------------------


@dataclass
class _Gathered:
    """The names of a file while they are gathered."""

    consts: dict[str, int] = field(default_factory=dict)
    params: dict[str, ir.Param] = field(default_factory=dict)
    descriptions: dict[str, Described] = field(default_factory=dict)
    giver: dict[str, str] = field(default_factory=dict)
    clashes: dict[str, tuple[str, str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def take(self, theirs: ModuleScope) -> None:
        """What a used file has; of two that have a name, neither gives it."""
        for name in sorted(theirs.own):
            other = self.giver.setdefault(name, theirs.module)
            if other != theirs.module:
                self.clashes[name] = other, theirs.module
            if name in theirs.consts:
                self.consts[name] = theirs.consts[name]
            elif name in theirs.params:
                self.params[name] = theirs.params[name]
            elif name in theirs.descriptions:
                self.descriptions[name] = theirs.descriptions[name]
            else:
                self.broken.add(name)

    def forget(self, name: str) -> None:
        """Make room for a name of the file's own."""
        for names in (self.consts, self.params, self.descriptions, self.clashes):
            names.pop(name, None)
        self.broken.discard(name)


def file_names(file: syntax.File, known: Mapping[str, ModuleScope], report: Report) -> ModuleScope:
    """All that the file knows; `known` holds the names of the modules before it."""
    names = _Gathered()
    for use in file.uses:
        if use.module in known:
            names.take(known[use.module])
    places: dict[str, Span] = {}
    for own in (*(c.name for c in file.consts), *(p.name for p in file.params)):
        once(own, places, report)
    for described in file.descriptions:
        way_out = f'`device Name as "{described.wire}"` gives it another name'
        notes = () if described.name else (Note(way_out, described.span),)
        once(called(described), places, report, *notes)
    for text in places:
        names.forget(text)
    later = {c.name.text: c.name.span for c in reversed(file.consts)}
    scope = ConstScope(names.consts, names.broken, later, report)
    for const in file.consts:
        value = resolve_number(const.value, scope)
        later.pop(const.name.text, None)
        if isinstance(value, ir.Number) and value is not INVALID:
            names.consts.setdefault(const.name.text, value.value)
        else:
            names.broken.add(const.name.text)
    for param in file.params:
        resolved = resolve_param(param, scope)
        if resolved is not None:
            names.params.setdefault(param.name.text, resolved)
        else:
            names.broken.add(param.name.text)
    for described in file.descriptions:
        name = called(described)
        if name.text in TYPE_WORDS:
            message = f"'{name.text}' is a type of the language"
            report.error("reserved-name", message, name.span)
        names.descriptions.setdefault(name.text, (file.source.module, described))
    return ModuleScope(
        file.source.module, names.consts, names.params, names.descriptions, frozenset(places),
        names.clashes, names.broken, any(use.module not in known for use in file.uses),
    )  # fmt: skip


# --- parameters -----------------------------------------------------------------------------------


def resolve_param(param: syntax.Param, scope: ConstScope) -> ir.Param | None:
    """The parameter's meaning, None after reporting what is wrong with it."""
    match param.domain:
        case syntax.DescriptionDomain():
            message = "a description parameter stands within the description that uses it"
            scope.report.error("description-param", message, param.span)
            return None
        case syntax.Words(words=written):
            return _words_param(param, written, scope)
        case syntax.NumberDomain(type=kind):
            if kind.text == "bits":
                return _bits_param(param, param.domain, scope)
            if kind.text in ir.SCALARS and kind.text not in ("f64", "timer"):
                return _number_param(param, param.domain, scope)
            known = [*(n for n in ir.SCALARS if n not in ("f64", "timer")), "bits"]
            message = f"a parameter cannot be a '{kind.text}'; possible are {', '.join(known)}"
            scope.report.error("param-type", message, kind.span, *c_type_hint(kind.text, kind.span))
            return None


def _words_param(
    param: syntax.Param, written: Sequence[syntax.Word], scope: ConstScope
) -> ir.Param | None:
    words = [w.text for w in written]
    for twice, count in Counter(words).items():
        if count > 1:
            scope.report.error("duplicate-name", f'a second "{twice}"', param.span)
    default = None if param.default is None else resolve_expr(param.default, scope)
    if default is INVALID:
        return None
    word = default.value if isinstance(default, ir.Text) else None
    if param.default is not None and word not in words:
        wanted = ", ".join(f'"{w}"' for w in words)
        scope.report.error("param-default", f"the default is none of {wanted}", param.default.span)
        return None
    places = tuple((w.text, w.relation, w.pattern) for w in written if w.relation)
    name, doc, span = param.name.text, param.doc, param.span
    return ir.Param(
        name, "words", words=tuple(words), default=word, places=places, doc=doc, span=span
    )


def _bound(expr: syntax.Expr | None, scope: ConstScope) -> int | None:
    """A constant bound; None where there is none, or after reporting."""
    value = None if expr is None else resolve_number(expr, scope)
    return value.value if isinstance(value, ir.Number) and value is not INVALID else None


def _bits_param(
    param: syntax.Param, domain: syntax.NumberDomain, scope: ConstScope
) -> ir.Param | None:
    if domain.low is not None:
        message = "a set has no `min`; `max` says how many bits it has"
        scope.report.error("param-bound", message, domain.low.span)
    if domain.high is None:
        message = f"how many bits has '{param.name.text}'? write: bits max n"
        scope.report.error("param-bound", message, param.span)
        return None
    bits = _bound(domain.high, scope)
    if bits is None:
        return None
    if not 1 <= bits <= MAX_BITS:
        message = f"a set of {spoken(bits)} bits; 1 to {MAX_BITS} are possible"
        scope.report.error("param-bound", message, domain.high.span)
        return None
    return _with_default(param, "bits", 0, (1 << bits) - 1, scope)


def _number_param(
    param: syntax.Param, domain: syntax.NumberDomain, scope: ConstScope
) -> ir.Param | None:
    kind = domain.type.text
    low, high = (0, 1) if kind == "bool" else ir.scalar_bounds(ir.SCALARS[kind])
    found = [low, high]
    for index, (word, expr) in enumerate((("min", domain.low), ("max", domain.high))):
        if expr is None:
            continue
        value = _bound(expr, scope)
        if value is None:
            return None
        if not low <= value <= high:
            message = f"`{word}` {spoken(value)} is outside {kind}'s {low} to {high}"
            scope.report.error("param-bound", message, expr.span)
            return None
        found[index] = value
    if found[0] > found[1]:
        message = f"`min` {found[0]} is above `max` {found[1]}"
        scope.report.error("param-bound", message, param.span)
        return None
    values: ParamKind = "bool" if kind == "bool" else "number"
    return _with_default(param, values, found[0], found[1], scope)


def _with_default(
    param: syntax.Param, kind: ParamKind, low: int, high: int, scope: ConstScope
) -> ir.Param | None:
    default = _bound(param.default, scope)
    if default is not None and not low <= default <= high:
        assert param.default is not None
        message = f"the default {default} is not within {spoken(low)} to {spoken(high)}"
        scope.report.error("param-default", message, param.default.span)
        default = None
    name, doc, span = param.name.text, param.doc, param.span
    return ir.Param(name, kind, low, high, default=default, doc=doc, span=span)
