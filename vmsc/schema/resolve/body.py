"""Resolve bodies: the items of one description, from syntax to ir, from top to bottom.

Subsections come last, as they do on the wire, wherever they stand in the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vmsc.runtime.kinds import DescriptionKind
from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Note
from vmsc.schema.resolve.body_scope import BodyScope, outer_bytes
from vmsc.schema.resolve.c_names import c_type_hint
from vmsc.schema.resolve.expressions import INVALID, as_written, resolve_number, spoken
from vmsc.schema.resolve.module_scope import ConstScope, camel, identifier, once, resolve_param
from vmsc.schema.resolve.types import Descriptions, is_broken, resolve_type
from vmsc.schema.source import Span

__all__ = ["Body", "BodyContext", "check_wire_name", "resolve_versions"]

MAX_NAME = 255  # bytes: QEMU sends section and subsection names behind a length byte
MAX_VERSION = (1 << 32) - 1

_CONDITIONS = ("since", "when", "unless")
_LAWS = ("min", "max", "equals")

Modifiers = dict[str, syntax.Modifier]


class BodyContext(Descriptions, Protocol):
    """What a body asks of the resolver: descriptions, transforms, and to keep its subsections'.

    `unused` gathers names that nothing uses.
    """

    transforms: Mapping[str, object]
    unused: list[syntax.Name]

    def find(self, key: str) -> ir.Description: ...
    def keep(self, description: ir.Description) -> None: ...


def check_wire_name(wire: str, span: Span, scope: BodyScope) -> None:
    """QEMU sends a name's length in a byte."""
    size = len(wire.encode())
    if not 1 <= size <= MAX_NAME:
        message = f"the name has {size} bytes; 1 to {MAX_NAME} are possible"
        scope.report.error("name-length", message, span)


def resolve_versions(
    described: syntax.Description | syntax.Subsection, scope: BodyScope
) -> tuple[int, int]:
    """The version and the minimum version."""
    version = 1 if described.version is None else described.version
    minimum = version if described.minimum is None else described.minimum
    if version > MAX_VERSION:
        message = f"version {version} does not fit 32 bits"
        scope.report.error("version-range", message, described.span)
    if minimum > version:
        message = f"the minimum version {minimum} is above the version {version}"
        scope.report.error("version-range", message, described.span)
        minimum = version
    return version, minimum


@dataclass
class Body:
    """One body while it is resolved, item by item; the scope grows with it."""

    context: BodyContext
    scope: BodyScope
    key: str
    class_name: str
    module: str
    kind: DescriptionKind
    span: Span
    items: list[ir.Item] = field(default_factory=list)
    paddings: int = 0  # those without a name, so far
    subsections: list[ir.Subsection] = field(default_factory=list)

    def error(self, code: str, message: str, span: Span, *notes: Note) -> None:
        self.scope.report.error(code, message, span, *notes)

    def resolve(self, items: Sequence[syntax.Item]) -> None:
        """Resolve all items."""
        self._declare(items)
        for item in items:
            match item:
                case syntax.Field():
                    self._field(item)
                case syntax.Split():
                    self._split(item)
                case syntax.Let():
                    self._let(item)
                case syntax.Require():
                    self._require(item)
                case syntax.Break():
                    self._break(item)
                case syntax.Subsection() | syntax.Param() | syntax.Outer():
                    pass
        for item in items:
            if isinstance(item, syntax.Subsection):
                self._subsection(item)
        if self.kind == "loop" and not any(isinstance(i, syntax.Break) for i in items):
            self.error("endless-loop", "a loop without a `break` has no end", self.span)
        self._note_unused(items)

    # --- names ------------------------------------------------------------------------------------

    def _declare(self, items: Sequence[syntax.Item]) -> None:
        """Note all names of the body, so that a use before the definition is called that."""
        places: dict[str, Span] = {}
        for item in items:
            match item:
                case syntax.Field(name=name) | syntax.Let(name=name):
                    self._declare_later([name] if name.text else [], places)
                case syntax.Split(name=name, parts=parts):
                    self._declare_later([name, *(p.name for p in parts)], places)
                case syntax.Param():
                    once(item.name, places, self.scope.report)
                    self._declare_param(item)
                case syntax.Outer():
                    once(item.name, places, self.scope.report)
                    self._declare_outer(item)
                case syntax.Subsection():
                    own = item.name or syntax.Name(identifier(item.wire), item.span)
                    once(own, places, self.scope.report)
                case _:
                    pass

    def _declare_later(self, names: Sequence[syntax.Name], places: dict[str, Span]) -> None:
        for name in names:
            once(name, places, self.scope.report)
            self.scope.later.setdefault(name.text, name.span)

    def _declare_param(self, item: syntax.Param) -> None:
        if isinstance(item.domain, syntax.DescriptionDomain):
            return
        names = self.scope.names
        param = resolve_param(item, ConstScope(names.consts, names.broken, {}, self.scope.report))
        if param is not None:
            self.scope.own_params.setdefault(param.name, param)
        else:
            self.scope.define(item.name.text, INVALID, item.span)

    def _declare_outer(self, item: syntax.Outer) -> None:
        if item.type.text == "bytes":
            param = outer_bytes(item.name.text, item.doc, item.span)
            self.scope.own_params.setdefault(param.name, param)
            return
        scalar = ir.SCALARS.get(item.type.text)
        if scalar is None or scalar.name == "f64":
            message = f"'{item.name.text}' must be a number or bytes, not '{item.type.text}'"
            hint = c_type_hint(item.type.text, item.type.span)
            self.error("unknown-type", message, item.type.span, *hint)
            self.scope.define(item.name.text, INVALID, item.span)
            return
        low, high = ir.scalar_bounds(scalar)
        name, doc, span = item.name.text, item.doc, item.span
        param = ir.Param(name, "number", low, high, outer=True, doc=doc, span=span)
        self.scope.own_params.setdefault(name, param)

    def _note_unused(self, items: Sequence[syntax.Item]) -> None:
        """What is neither on the wire nor used is a slip."""
        for item in items:
            match item:
                case syntax.Param(domain=syntax.DescriptionDomain()):
                    pass
                case syntax.Let(name=name) | syntax.Param(name=name) | syntax.Outer(name=name):
                    if name.text not in self.scope.used:
                        self.context.unused.append(name)
                case _:
                    pass

    # --- conditions -------------------------------------------------------------------------------

    def _modifiers(self, modifiers: Sequence[syntax.Modifier]) -> Modifiers:
        found: Modifiers = {}
        for modifier in modifiers:
            if modifier.word in found:
                self.error("duplicate-modifier", f"a second `{modifier.word}`", modifier.span)
            found.setdefault(modifier.word, modifier)
        return found

    def _condition(self, expr: syntax.Expr, unless: bool, code: str, never: str) -> ir.Expr:
        """A condition; it is reported under `code` if it can never hold, `never` saying why not."""
        whole = syntax.Operation("not", (expr,), expr.span) if unless else expr
        value = resolve_number(whole, self.scope)
        if value is not INVALID and ir.expr_bounds(value) == (0, 0):
            truth = "always" if unless else "never"
            self.error(code, f"'{as_written(expr)}' is {truth} true{never}", expr.span)
        return value

    def _presence(self, modifiers: Modifiers) -> tuple[int | None, ir.Expr | None]:
        chosen = [m for word, m in modifiers.items() if word in _CONDITIONS]
        if len(chosen) > 1:
            both = " and ".join(_as_condition(modifier) for modifier in chosen)
            message = f"both `{chosen[0].word}` and `{chosen[1].word}`: write `when {both}`"
            self.error("presence-twice", message, chosen[1].span)
        if not chosen:
            return None, None
        operand = chosen[0].operand
        if isinstance(operand, int):
            return self._since(operand, chosen[0].span), None
        unless, never = chosen[0].word == "unless", ": the field can never be present"
        return None, self._condition(_expression(operand), unless, "never-present", never)

    def _since(self, version: int, span: Span) -> int | None:
        if self.scope.versions is None:
            message = f"a {self.kind} has no version; make it a vmsd, or use `when`"
            self.error("no-version", message, span)
            return None
        minimum, newest = self.scope.versions
        if version > newest:
            self.error("never-present", f"never present: the version is at most {newest}", span)
        return version if version > minimum else None

    # --- items ------------------------------------------------------------------------------------

    def _type(self, item: syntax.Field | syntax.Split) -> ir.Type:
        self.scope.place = f"{self.key.rpartition(':')[2]}.{item.name.text or 'unused'}"
        return resolve_type(item.type, self.scope, self.context)

    def _let(self, item: syntax.Let) -> None:
        value = resolve_number(item.value, self.scope)
        self.items.append(ir.Let(item.name.text, value, item.span))
        if value is not INVALID:
            low, high = ir.expr_bounds(value) or (0, 0)
            value = ir.Ref("let", item.name.text, low, high)
        self.scope.define(item.name.text, value, item.span)

    def _require(self, item: syntax.Require) -> None:
        law = self._condition(item.law, False, "never-true", "")
        self.items.append(ir.Require(law, as_written(item.law), item.why, item.span))

    def _field(self, item: syntax.Field) -> None:
        modifiers = self._modifiers(item.modifiers)
        since, when = self._presence(modifiers)
        type_ = self._type(item)
        if isinstance(type_, ir.String) and "max" in modifiers:
            type_ = self._string(type_, modifiers.pop("max"))
        self._check_number(type_, modifiers)
        name = item.name.text or self._padding_name()
        wire = modifiers["as"].operand if "as" in modifiers else item.name.text or "unused"
        least, most, equals = (self._bound(modifiers, word) for word in _LAWS)
        found = ir.Field(
            name, str(wire), type_, since, when, least, most, equals,
            self._sticky(modifiers, type_, when), self._via(modifiers), item.doc, item.span,
        )  # fmt: skip
        self.items.append(found)
        self._check_laws(found, modifiers)
        if is_broken(type_):
            self.scope.define(name, INVALID, item.span)
            return
        low, high = ir.field_bounds(found) or (None, None)
        ref = ir.Ref("field", name, low, high, ir.is_optional(found), type_)
        self.scope.define(name, ref, item.span)

    def _string(self, type_: ir.String, modifier: syntax.Modifier) -> ir.String:
        """The string with the limit that `max` gives."""
        most = resolve_number(_expression(modifier.operand), self.scope)
        if most is INVALID:
            return type_
        if isinstance(most, ir.Number) and 0 <= most.value <= type_.limit:
            return ir.String(type_.prefix, most.value)
        message = f"the longest string is a constant of at most {type_.limit}"
        self.error("bad-bound", message, modifier.span)
        return type_

    def _check_number(self, type_: ir.Type, modifiers: Modifiers) -> None:
        number = isinstance(type_, ir.Scalar) and type_.name != "f64"
        for word in (*_LAWS, "via"):
            if word in modifiers and not number and not isinstance(type_, ir.Invalid):
                self.error("not-a-number", f"`{word}` is for numbers", modifiers[word].span)

    def _padding_name(self) -> str:
        while True:
            self.paddings += 1
            name = f"unused{self.paddings}" if self.paddings > 1 else "unused"
            if name not in self.scope.known and name not in self.scope.later:
                return name

    def _bound(self, modifiers: Modifiers, word: str) -> ir.Expr | None:
        if word not in modifiers:
            return None
        value = resolve_number(_expression(modifiers[word].operand), self.scope)
        return None if value is INVALID else value

    def _check_laws(self, item: ir.Field, modifiers: Modifiers) -> None:
        """Whether any number of the type can keep the laws."""
        if ir.field_bounds(item) is None or not isinstance(item.type, ir.Scalar):
            return
        low, high = ir.scalar_bounds(item.type)
        bounds = {}
        for word, bound in zip(_LAWS, (item.least, item.most, item.equals), strict=True):
            reach = None if bound is None else ir.expr_bounds(bound)
            if reach is None:
                continue
            bounds[word] = reach
            if reach[1] < low or reach[0] > high:
                shown = spoken(reach[0] if reach[0] > high else reach[1])
                message = f"`{word}` {shown} is outside {item.type.name}'s {low} to {high}"
                self.error("bad-bound", message, modifiers[word].span)
                return
        if "min" in bounds and "max" in bounds and bounds["min"][0] > bounds["max"][1]:
            message = f"`min` {bounds['min'][0]} is above `max` {bounds['max'][1]}"
            self.error("bad-bound", message, modifiers["max"].span)

    def _via(self, modifiers: Modifiers) -> str:
        if "via" not in modifiers:
            return ""
        name = modifiers["via"].operand
        assert isinstance(name, syntax.Name)
        if name.text in self.context.transforms:
            return name.text
        hint = self.scope.report.did_you_mean(name.text, name.span, self.context.transforms)
        message = f"no plugin has a transform '{name.text}'"
        self.scope.report.error("unknown-transform", message, name.span, *hint)
        return ""

    def _sticky(self, modifiers: Modifiers, type_: ir.Type, when: ir.Expr | None) -> bool:
        if "sticky" not in modifiers:
            return False
        span = modifiers["sticky"].span
        if self.kind != "loop" or when is None:
            message = "`sticky` is for a field of a loop with `when` or `unless`"
            self.error("bad-sticky", message, span)
            return False
        if not isinstance(type_, ir.Scalar | ir.String | ir.Invalid):
            self.error("bad-sticky", "`sticky` is for numbers and strings", span)
            return False
        return True

    # --- split words ------------------------------------------------------------------------------

    def _split(self, item: syntax.Split) -> None:
        modifiers = self._modifiers(item.modifiers)
        since, when = self._presence(modifiers)
        for word in (*_LAWS, "via", "sticky"):
            if word in modifiers:
                message = f"`{word}` does not go with `split`"
                self.error("bad-split", message, modifiers[word].span)
        scalar = self._type(item)
        if not isinstance(scalar, ir.Scalar) or scalar.signed or scalar.name == "bool":
            if not isinstance(scalar, ir.Invalid):
                self.error("bad-split", "`split` takes u8, u16, u32 or u64", item.type.span)
            for name in (item.name, *(p.name for p in item.parts)):
                self.scope.define(name.text, INVALID, name.span)
            return
        wire = str(modifiers["as"].operand) if "as" in modifiers else item.name.text
        parts = self._parts(item, scalar)
        split = ir.Split(item.name.text, wire, scalar, parts, since, when, item.doc, item.span)
        self.items.append(split)
        word_ref = ir.Ref("let", item.name.text, *ir.scalar_bounds(scalar))
        self.scope.define(item.name.text, word_ref, item.span)
        for part in parts:
            ref = ir.Ref("field", part.name, 0, part.mask, ir.is_optional(split), scalar)
            self.scope.define(part.name, ref, item.span)

    def _parts(self, item: syntax.Split, scalar: ir.Scalar) -> tuple[ir.Part, ...]:
        bits, covered, parts = scalar.size * 8, 0, []
        sound = True
        for part in item.parts:
            low = bits - part.width if part.low < 0 else part.low
            if part.width < 1 or low < 0 or low + part.width > bits:
                message = f"'{part.name.text}' is not within the word's bits 0 to {bits - 1}"
                self.error("bad-split", message, part.span)
                self.scope.define(part.name.text, INVALID, part.span)
                sound = False
                continue
            mask = ((1 << part.width) - 1) << low
            if mask & covered:
                message = f"'{part.name.text}' overlaps another part"
                self.error("bad-split", message, part.span)
            covered |= mask
            parts.append(ir.Part(part.name.text, mask, part.doc))
        missing = ((1 << bits) - 1) & ~covered
        if missing and sound:
            message = f"the parts leave out bits {missing:#x}"
            self.error("bad-split", message, item.span)
        return tuple(parts)

    # --- ends and subsections ---------------------------------------------------------------------

    def _break(self, item: syntax.Break) -> None:
        never = ": the loop does not end here"
        value = self._condition(item.condition, item.unless, "never-true", never)
        if self.kind != "loop":
            self.error("stray-break", "`break` is for loops", item.span)
        elif not any(isinstance(i, ir.Field | ir.Split) for i in self.items):
            message = "`break` before the round's first field: the round would have no bytes"
            self.error("stray-break", message, item.span)
        else:
            self.items.append(ir.Break(value, item.span))

    def _subsection(self, item: syntax.Subsection) -> None:
        name = item.name.text if item.name else identifier(item.wire)
        if self.kind in ("struct", "loop"):
            message = f"a {self.kind} has no subsections; make it a vmsd"
            self.error("stray-subsection", message, item.span)
            return
        names, report = self.scope.names, self.scope.report
        scope = BodyScope(names, report, self.context.find, None, self.scope)
        check_wire_name(item.wire, item.span, scope)
        version, minimum = resolve_versions(item, scope)
        scope.versions = minimum, version
        key = f"{self.key}/{name}"
        class_name = self.class_name + camel(name)
        body = Body(self.context, scope, key, class_name, self.module, "subsection", item.span)
        body.resolve(item.items)
        params = tuple(scope.params.values())
        description = ir.Description(
            key, self.module, "subsection", class_name, item.wire, version, minimum, params,
            tuple(body.items), tuple(body.subsections), item.doc, item.span,
        )  # fmt: skip
        self.context.keep(description)
        bound = [(p.name, self.scope.bind(p, name, item.span)) for p in params]
        use = ir.Use(key, tuple(bound))
        self.subsections.append(
            ir.Subsection(name, item.wire, use, version, minimum, item.doc, item.span)
        )


def _as_condition(modifier: syntax.Modifier) -> str:
    """What `since`, `when` or `unless` says, as an expression."""
    if isinstance(modifier.operand, int):
        return f"version >= {modifier.operand}"
    text = as_written(_expression(modifier.operand))
    return f"not ({text})" if modifier.word == "unless" else text


def _expression(operand: int | str | syntax.Name | syntax.Expr | None) -> syntax.Expr:
    """A modifier's operand where the grammar has an expression."""
    assert operand is not None and not isinstance(operand, int | str | syntax.Name)
    return operand
