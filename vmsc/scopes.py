"""Scopes: what the words of one description's body mean at one place in it.

A body is resolved from top to bottom, and its scope grows with it. A subsection's body sees the enclosing one: what
it takes from there becomes a parameter of its own, bound by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from vmsc import ir, syntax
from vmsc.diag import Note, Report, did_you_mean
from vmsc.source import Span

__all__ = ["BodyScope", "ConstScope", "Names", "presence_optional"]


@dataclass(frozen=True)
class Names:
    """What a file knows by name: its own things and those of the modules it uses (own ones first)."""

    module: str
    consts: Mapping[str, int]
    params: Mapping[str, ir.Param]
    descriptions: Mapping[str, tuple[str, syntax.Description]]  # name -> (module, description)
    generics: Mapping[str, str] = field(default_factory=dict)  # description parameter -> key


@dataclass
class ConstScope:
    """Where only constants are known."""

    names: Names
    report: Report

    def lookup(self, name: str, span: Span) -> ir.Expr | None:
        if name in self.names.consts:
            return ir.Number(self.names.consts[name])
        hint = did_you_mean(name, self.names.consts, span)
        self.report.error("not-constant", f"'{name}' is no constant", span, *hint)
        return None

    def member(self, of: ir.Expr, name: syntax.Name) -> ir.Expr | None:
        self.report.error("not-constant", f"'{name.text}' is no constant", name.span)
        return None

    def version(self, span: Span) -> ir.Expr | None:
        self.report.error("not-constant", "'version' is no constant", span)
        return None


def presence_optional(item: ir.Field | ir.Split) -> bool:
    """Whether the field may be absent (a sticky one always has a value)."""
    sticky = isinstance(item, ir.Field) and item.sticky
    return not sticky and (item.since is not None or item.when is not None)


@dataclass
class BodyScope:
    """The names at one place of a body; `params` gathers what the description turns out to need."""

    names: Names
    report: Report
    find: Callable[[str], ir.Description]
    versions: tuple[int, int] | None
    later: dict[str, Span]
    parent: BodyScope | None = None
    own_params: dict[str, ir.Param] = field(default_factory=dict)
    params: dict[str, ir.Param] = field(default_factory=dict)
    known: dict[str, ir.Ref] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)

    def define(self, ref: ir.Ref, span: Span) -> None:
        self.known[ref.name] = ref
        self.later.pop(ref.name, None)
        self.places[ref.name] = span

    def use_param(self, param: ir.Param, span: Span) -> ir.Expr:
        """Make `param` one of this description's, and refer to it."""
        old = self.params.get(param.name)
        if old is not None and replace(old, outer=param.outer) != param:
            message = f"two different parameters are called '{param.name}' here; bind one"
            here = Note("one is declared here", old.span), Note("the other here", param.span)
            self.report.error("param-clash", message, span, *here)
        elif old is None or (old.outer and not param.outer):
            self.params[param.name] = param
        number = param.kind in ("number", "bool", "bits")
        low, high = (param.low, param.high) if number else (None, None)
        return ir.Ref("param", param.name, low, high)

    def lookup(self, name: str, span: Span) -> ir.Expr | None:
        found = self.quiet_lookup(name, span)
        if found is not None:
            return found
        if name in self.later:
            message = f"'{name}' is used before it is defined"
            self.report.error("use-before-definition", message, span, Note("here", self.later[name]))
            return None
        hint = did_you_mean(name, self._all_names(), span)
        self.report.error("unknown-name", f"unknown name '{name}'", span, *hint)
        return None

    def quiet_lookup(self, name: str, span: Span) -> ir.Expr | None:
        """Like lookup, but says nothing where the name is not known (yet)."""
        if name in self.known:
            return self.known[name]
        if name in self.later:
            return None
        if name in self.own_params:
            return self.use_param(self.own_params[name], span)
        if self.parent is not None and (outer := self.parent.quiet_lookup(name, span)):
            return self._from_parent(name, outer, span)
        if name in self.names.consts:
            return ir.Number(self.names.consts[name])
        if name in self.names.params:
            return self.use_param(self.names.params[name], span)
        return None

    def _from_parent(self, name: str, outer: ir.Expr, span: Span) -> ir.Expr | None:
        match outer:
            case ir.Ref(kind="param"):
                assert self.parent is not None
                return self.use_param(self.parent.params[name], span)
            case ir.Ref(low=int() as low, high=int() as high):
                param = ir.Param(name, "number", low, high, outer=True, span=span)
                return self.use_param(param, span)
            case ir.Number():
                return outer
            case _:
                message = f"'{name}' of the enclosing description is no number"
                self.report.error("not-a-number", message, span)
                return None

    def _all_names(self) -> set[str]:
        mine = {*self.known, *self.own_params, *self.names.consts, *self.names.params}
        return mine | (self.parent._all_names() if self.parent else set())

    def member(self, of: ir.Expr, name: syntax.Name) -> ir.Expr | None:
        type_ = of.type if isinstance(of, ir.Ref | ir.Member) else None
        if not isinstance(type_, ir.Use):
            if not isinstance(of, ir.Number):  # a stand-in: reported already
                message = f"no member '{name.text}': what stands before it is no nested description"
                self.report.error("no-member", message, name.span)
            return None
        description = self.find(type_.key)
        assert isinstance(of, ir.Ref | ir.Member)
        for item in description.items:
            if isinstance(item, ir.Field) and item.name == name.text:
                bounds = field_bounds(item) or (None, None)
                optional = of.optional or presence_optional(item)
                return ir.Member(of, name.text, *bounds, optional, item.type)
        fields = [i.name for i in description.items if isinstance(i, ir.Field)]
        hint = did_you_mean(name.text, fields, name.span)
        message = f"'{description.name}' has no field '{name.text}'"
        self.report.error("no-member", message, name.span, *hint)
        return None

    def version(self, span: Span) -> ir.Expr | None:
        if self.versions is None:
            message = "a struct has no version; make it a vmsd, or pass the version as a parameter"
            self.report.error("no-version", message, span)
            return None
        return ir.Version(*self.versions)


def field_bounds(item: ir.Field) -> tuple[int, int] | None:
    """The numbers that a field can hold, laws counted; None for what is no number."""
    if not isinstance(item.type, ir.Scalar) or item.type.name == "f64" or item.via:
        return None
    low, high = ir.scalar_bounds(item.type)
    if item.least is not None and (bound := ir.expr_bounds(item.least)):
        low = max(low, bound[0])
    if item.most is not None and (bound := ir.expr_bounds(item.most)):
        high = min(high, bound[1])
    if item.equals is not None and (bound := ir.expr_bounds(item.equals)):
        low, high = max(low, bound[0]), min(high, bound[1])
    if presence_optional(item):
        low, high = min(low, 0), max(high, 0)
    return (low, high) if low <= high else (low, low)
