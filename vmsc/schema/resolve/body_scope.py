"""Scopes: what the words of one description's body mean at one place in it.

A body is resolved from top to bottom, and its scope grows with it. A subsection's body sees the
enclosing one: what it takes from there becomes a parameter of its own, bound by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Note, Report
from vmsc.schema.ir.functions import is_bytes
from vmsc.schema.resolve.expressions import INVALID, may_be, spoken
from vmsc.schema.resolve.module_scope import ModuleScope
from vmsc.schema.source import Span

__all__ = ["BodyScope", "outer_bytes"]

OUTER_LIMIT = (1 << 32) - 1  # what `outer` bytes may have at most: as much as any field


@dataclass
class BodyScope:
    """The names at one place of a body.

    `own_params` are declared in it; `params` gathers what the description turns out to need.
    `later` holds what is defined further down, `used` what was asked for; `place` is the field
    whose type is resolved, for messages.
    """

    names: ModuleScope
    report: Report
    find: Callable[[str], ir.Description]
    versions: tuple[int, int] | None
    parent: BodyScope | None = None
    own_params: dict[str, ir.Param] = field(default_factory=dict)
    params: dict[str, ir.Param] = field(default_factory=dict)
    known: dict[str, ir.Expr] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    later: dict[str, Span] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    place: str = ""

    def define(self, name: str, meaning: ir.Expr, span: Span) -> None:
        """From here on, `name` means this."""
        self.known.setdefault(name, meaning)
        self.places.setdefault(name, span)
        self.later.pop(name, None)

    # --- what expressions ask ---------------------------------------------------------------------

    def lookup(self, name: str, span: Span) -> ir.Expr | None:
        """What a name means; None after reporting, or where that was done before."""
        found = self._lookup(name, span)
        if found is not None:
            return None if found is INVALID else found
        if name in self.later:
            message, where = (
                f"'{name}' is used before it is defined",
                Note("here", self.later[name]),
            )
            self.report.error("use-before-definition", message, span, where)
        elif name in self.names.clashes:
            first, second = self.names.clashes[name]
            message = f"both '{first}' and '{second}' have a '{name}'"
            self.report.error("ambiguous-name", message, span)
        elif not (self.names.partial or name in self.names.broken):
            hint = self.report.did_you_mean(name, span, *self._all_names())
            self.report.error("unknown-name", f"unknown name '{name}'", span, *hint)
        return None

    def _lookup(self, name: str, span: Span) -> ir.Expr | None:
        """Like lookup, but says nothing where the name is not known (yet)."""
        self.used.add(name)
        if name in self.known:
            return self.known[name]
        if name in self.later or name in self.names.clashes:
            return None
        if name in self.own_params:
            return self.use_param(self.own_params[name], span)
        if self.parent is not None and (outer := self.parent._lookup(name, span)) is not None:
            return self._from_parent(name, outer, span)
        if name in self.names.consts:
            return ir.Number(self.names.consts[name])
        if name in self.names.params:
            return self.use_param(self.names.params[name], span)
        return None

    def _from_parent(self, name: str, outer: ir.Expr, span: Span) -> ir.Expr:
        match outer:
            case ir.Ref(kind="param"):
                assert self.parent is not None
                return self.use_param(self.parent.params[name], span)
            case ir.Ref(low=int() as low, high=int() as high):
                param = ir.Param(name, "number", low, high, outer=True, span=span)
                return self.use_param(param, span)
            case ir.Ref(type=ir.Bytes() | ir.String()):
                return self.use_param(outer_bytes(name, "", span), span)
            case ir.Number():
                return outer
            case _:
                message = f"'{name}' of the enclosing description is neither number nor bytes"
                self.report.error("not-a-number", message, span)
                return INVALID

    def _all_names(self) -> tuple[set[str], ...]:
        mine = {*self.known, *self.own_params, *self.names.consts, *self.names.params}
        return mine, *(self.parent._all_names() if self.parent else ())

    def member(self, of: ir.Expr, name: syntax.Name) -> ir.Expr | None:
        """A field of a nested description; None after reporting."""
        type_ = of.type if isinstance(of, ir.Ref | ir.Member) else None
        if not isinstance(type_, ir.Use):
            what = f"'{of.name}'" if isinstance(of, ir.Ref | ir.Member) else "what stands before it"
            message = f"{what} is no nested description: it has no field '{name.text}'"
            self.report.error("no-member", message, name.span)
            return None
        assert isinstance(of, ir.Ref | ir.Member)
        description = self.find(type_.key)
        item = description.fields.get(name.text)
        if item is None:
            hint = self.report.did_you_mean(name.text, name.span, description.fields)
            message = f"'{description.name}' has no field '{name.text}'"
            self.report.error("no-member", message, name.span, *hint)
            return None
        if isinstance(item.type, ir.Invalid):
            return None
        bounds = ir.field_bounds(item)
        optional = of.optional or ir.is_optional(item)
        if bounds is not None and optional:
            bounds = min(bounds[0], 0), max(bounds[1], 0)
        low, high = bounds or (None, None)
        return ir.Member(of, name.text, low, high, optional, item.type)

    def version(self, span: Span) -> ir.Expr | None:
        """The description's version; None after reporting that it has none."""
        if self.versions is None:
            message = "a struct or loop has no version; make it a vmsd, or pass the version to it"
            self.report.error("no-version", message, span)
            return None
        if "version" in self.known or "version" in self.own_params or "version" in self.later:
            message = "this is the description's version; what is called so here is `version`"
            self.report.warning("version-name", message, span)
        return ir.Version(*self.versions)

    def words(self, param: str) -> tuple[str, ...]:
        """The words that a parameter can be."""
        return self.params[param].words if param in self.params else ()

    # --- parameters -------------------------------------------------------------------------------

    def use_param(self, param: ir.Param, span: Span) -> ir.Expr:
        """Make `param` one of this description's, and refer to it."""
        own = self.own_params.get(param.name)
        old = own or self.params.get(param.name)
        if old is not None and replace(old, outer=param.outer, doc=param.doc) != param:
            message = f"two different parameters are called '{param.name}' here; bind one"
            notes = Note("one is declared here", old.span), Note("the other here", param.span)
            self.report.error("param-clash", message, span, *notes)
        elif own is not None or old is None or (old.outer and not param.outer):
            self.params[param.name] = own or param
        number = param.kind in ("number", "bool", "bits")
        low, high = (param.low, param.high) if number else (None, None)
        type_ = ir.String(4, OUTER_LIMIT) if param.kind == "bytes" else None
        return ir.Ref("param", param.name, low, high, type=type_)

    def bind(self, param: ir.Param, owner: str, span: Span) -> ir.Expr:
        """What a nested description's parameter is here, where nothing is said of it.

        One that it takes from outside is what its name means here; else it becomes ours too.
        """
        name = param.name
        self.used.add(name)
        if param.outer and (found := self._lookup(name, span)) is not None:
            return self.fit(found, param, span)
        field = None if param.sticky else self.places.get(name) or self.later.get(name)
        if field is None:
            return self.use_param(param, span)
        if param.outer:
            message = f"'{owner}' takes '{name}' from outside, where it is defined further down"
            self.report.error("use-before-definition", message, span, Note("here", field))
        else:
            message = f"'{owner}' has a parameter '{name}', and there is a field '{name}' here:"
            message += f" say which is meant, {owner}({name} = ...)"
            self.report.error("param-clash", message, span, Note("here", field))
        return INVALID

    def fit(self, value: ir.Expr, param: ir.Param, span: Span) -> ir.Expr:
        """The value as that of a parameter; INVALID after reporting why it cannot be."""
        if value is INVALID:
            return INVALID
        if param.kind == "words":
            return self._fit_word(value, param, span)
        bounds = ir.expr_bounds(value)
        if param.kind == "bytes":
            if is_bytes(value):
                return value
            self.report.error("param-type", f"'{param.name}' takes bytes", span)
        elif bounds is None:
            self.report.error("not-a-number", f"'{param.name}' takes a number", span)
        elif bounds[0] < param.low or bounds[1] > param.high:
            name = f"'{param.name}'"
            what = may_be(name, name, bounds, bounds[1] <= param.high)
            message = f"{what} here; its bounds are {spoken(param.low)} to {spoken(param.high)}"
            self.report.error("param-range", message, span)
        else:
            return value
        return INVALID

    def _fit_word(self, value: ir.Expr, param: ir.Param, span: Span) -> ir.Expr:
        match value:
            case ir.Text(value=word):
                given: tuple[str, ...] = (word,)
            case ir.Ref(kind="param", name=name):
                given = self.words(name)
            case _:
                given = ()
        unfit = next((word for word in given if word not in param.words), None)
        if given and unfit is None:
            return value
        wanted = ", ".join(f'"{w}"' for w in param.words)
        if unfit is None:
            self.report.error("unknown-word", f"'{param.name}' takes one of {wanted}", span)
        else:
            hint = self.report.did_you_mean(unfit, span, param.words)
            message = f"'{param.name}' cannot be \"{unfit}\"; it takes one of {wanted}"
            self.report.error("unknown-word", message, span, *hint)
        return INVALID


def outer_bytes(name: str, doc: str, span: Span) -> ir.Param:
    """Bytes of an enclosing description, of whatever length."""
    return ir.Param(name, "bytes", default=b"", outer=True, doc=doc, span=span)
