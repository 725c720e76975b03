"""Resolve: syntax files -> ir.Schema. Reports unknown, doubled and misused names; leaves whole-schema rules to checks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vmsc import ir, syntax
from vmsc.diag import Note, Report, did_you_mean
from vmsc.expressions import as_written, resolve_expr
from vmsc.scopes import BodyScope, ConstScope, Names, field_bounds, presence_optional
from vmsc.source import Span
from vmsc.types import resolve_type

__all__ = ["resolve"]

MAX_NAME = 255  # bytes: QEMU sends section and subsection names behind a length byte
MAX_VERSION = (1 << 32) - 1


def camel(wire: str) -> str:
    """A class name made of QEMU's name of a device."""
    words = [w for w in re.split(r"[^A-Za-z0-9]+", wire) if w]
    name = "".join(w[0].upper() + w[1:] for w in words) or "Device"
    return name if not name[0].isdigit() else f"Device{name}"


def identifier(wire: str) -> str:
    """A field name made of the last part of a subsection's name."""
    name = re.sub(r"\W", "_", wire.rsplit("/", 1)[-1], flags=re.ASCII) or "subsection"
    return name if not name[0].isdigit() else f"_{name}"


@dataclass
class _Resolver:
    """The state of one resolution: what is described already, and what is being described."""

    report: Report
    externals: Mapping[str, object]
    transforms: Mapping[str, object]
    names: dict[str, Names] = field(default_factory=dict)
    done: dict[str, ir.Description] = field(default_factory=dict)
    open: list[tuple[str, Span]] = field(default_factory=list)

    def find(self, key: str) -> ir.Description:
        return self.done[key]

    # --- names of a file --------------------------------------------------------------------------

    def add_file(self, file: syntax.File) -> None:
        module = file.source.module
        consts: dict[str, int] = {}
        params: dict[str, ir.Param] = {}
        descriptions: dict[str, tuple[str, syntax.Description]] = {}
        for use in file.uses:
            if (theirs := self.names.get(use.module)) is not None:
                consts |= theirs.consts
                params |= theirs.params
                descriptions |= theirs.descriptions
        places: dict[str, Span] = {}
        names = Names(module, consts, params, descriptions)
        constant = ConstScope(names, self.report)
        for const in file.consts:
            self._once(const.name, places)
            value = resolve_expr(const.value, constant)
            if isinstance(value, ir.Number):
                consts[const.name.text] = value.value
            else:
                self.report.error("not-a-number", "a constant is a number", const.value.span)
        for param in file.params:
            self._once(param.name, places)
            if (resolved := self._param(param, constant)) is not None:
                params[param.name.text] = resolved
        for description in file.descriptions:
            name = self._name_of(description)
            self._once(name, places)
            if name.text in ir.SCALARS or name.text in ("bytes", "bitmap", "string8", "string32"):
                message = f"'{name.text}' is a type of the language"
                self.report.error("reserved-name", message, name.span)
            descriptions[name.text] = (module, description)
        self.names[module] = names

    def _name_of(self, description: syntax.Description) -> syntax.Name:
        return description.name or syntax.Name(camel(description.wire), description.span)

    def _once(self, name: syntax.Name, places: dict[str, Span]) -> None:
        if name.text in places:
            first = Note("first here", places[name.text])
            self.report.error("duplicate-name", f"a second '{name.text}'", name.span, first)
        places[name.text] = name.span

    def _param(self, param: syntax.Param, scope: ConstScope) -> ir.Param | None:
        name, doc, span = param.name.text, param.doc, param.span
        default = None if param.default is None else resolve_expr(param.default, scope)
        match param.domain:
            case syntax.DescriptionDomain():
                message = "a description parameter stands within the description that uses it"
                self.report.error("description-param", message, span)
                return None
            case syntax.Words(words=words):
                word = default.value if isinstance(default, ir.Text) else None
                if default is not None and word not in words:
                    wanted = ", ".join(f'"{w}"' for w in words)
                    self.report.error("param-default", f"the default is none of {wanted}", span)
                return ir.Param(name, "words", words=words, default=word, doc=doc, span=span)
            case syntax.NumberDomain():
                return self._number_param(param, param.domain, default, scope)

    def _number_param(
        self,
        param: syntax.Param,
        domain: syntax.NumberDomain,
        default: ir.Expr | None,
        scope: ConstScope,
    ) -> ir.Param | None:
        kind = domain.type.text
        bounds = [None if e is None else resolve_expr(e, scope) for e in (domain.low, domain.high)]
        low, high = (b.value if isinstance(b, ir.Number) else None for b in bounds)
        if kind == "bits":
            if high is None:
                message = f"how many bits has '{param.name.text}'? write: bits max n"
                self.report.error("param-bound", message, param.span)
                return None
            full = (1 << min(high, 1 << 16)) - 1
            return self._checked_param(param, "bits", 0, full, default)
        if kind not in ir.SCALARS or kind in ("f64", "timer"):
            hint = did_you_mean(kind, ir.SCALARS, domain.type.span)
            message = f"a parameter cannot be a '{kind}'"
            self.report.error("unknown-type", message, domain.type.span, *hint)
            return None
        least, most = (0, 1) if kind == "bool" else ir.scalar_bounds(ir.SCALARS[kind])
        least, most = max(least, low or least), most if high is None else min(most, high)
        word = "bool" if kind == "bool" else "number"
        return self._checked_param(param, word, least, most, default)

    def _checked_param(
        self, param: syntax.Param, kind: str, low: int, high: int, default: ir.Expr | None
    ) -> ir.Param:
        value = default.value if isinstance(default, ir.Number) else None
        if low > high:
            self.report.error("param-bound", f"no number is within {low} to {high}", param.span)
        elif default is not None and (value is None or not low <= value <= high):
            message = f"the default is not within {low} to {high}"
            self.report.error("param-default", message, param.span)
        name, span = param.name.text, param.span
        return ir.Param(name, kind, low, high, default=value, doc=param.doc, span=span)

    # --- descriptions -----------------------------------------------------------------------------

    def describe(
        self, name: syntax.Name, arguments: tuple[syntax.Argument, ...], scope: BodyScope
    ) -> ir.Description | None:
        """The description of that name, made for its description parameters if it has any."""
        if name.text in scope.names.generics:
            return self.done[scope.names.generics[name.text]]
        found = scope.names.descriptions.get(name.text)
        if found is None:
            known = {*scope.names.descriptions, *ir.SCALARS, *self.externals, "bytes", "string8"}
            hint = did_you_mean(name.text, known, name.span)
            self.report.error("unknown-type", f"unknown type '{name.text}'", name.span, *hint)
            return None
        module, described = found
        generics: dict[str, str] = {}
        wanted = {
            i.name.text
            for i in described.items
            if isinstance(i, syntax.Param) and isinstance(i.domain, syntax.DescriptionDomain)
        }
        given = {a.name.text: a for a in arguments}
        for param in sorted(wanted):
            key = self._description_argument(param, given.get(param), name, scope)
            if key is None:
                return None
            generics[param] = key
        description = self._description(module, described, generics, name.span)
        if description is not None:
            self._check_arguments(description, arguments, wanted)
        return description

    def _check_arguments(
        self,
        description: ir.Description,
        arguments: tuple[syntax.Argument, ...],
        generics: set[str],
    ) -> None:
        known = {p.name for p in description.params} | generics
        seen: set[str] = set()
        for argument in arguments:
            name = argument.name
            if name.text not in known:
                hint = did_you_mean(name.text, known, name.span)
                message = f"'{description.name}' has no parameter '{name.text}'"
                self.report.error("unknown-param", message, name.span, *hint)
            if name.text in seen:
                self.report.error("duplicate-name", f"'{name.text}' is bound twice", name.span)
            seen.add(name.text)

    def _description_argument(
        self, param: str, argument: syntax.Argument | None, user: syntax.Name, scope: BodyScope
    ) -> str | None:
        if argument is None:
            message = f"'{user.text}' needs a description for its parameter '{param}'"
            self.report.error("unbound-description", message, user.span)
            return None
        if not isinstance(argument.value, syntax.Reference):
            message = f"'{param}' takes the name of a description"
            self.report.error("unbound-description", message, argument.value.span)
            return None
        named = syntax.Name(argument.value.name, argument.value.span)
        found = self.describe(named, (), scope)
        return None if found is None else found.key

    def _description(
        self, module: str, described: syntax.Description, generics: dict[str, str], span: Span
    ) -> ir.Description | None:
        name = self._name_of(described).text
        key = f"{module}:{name}"
        if generics:
            key += "[" + ",".join(f"{p}={k}" for p, k in sorted(generics.items())) + "]"
        if key in self.done:
            return self.done[key]
        way = [k for k, _ in self.open]
        if key in way:
            notes = [Note("by way of this", s) for _, s in self.open[way.index(key) + 1 :]]
            message = f"'{name}' holds itself: nothing bounds its depth"
            self.report.error("recursive", message, span, *notes)
            return None
        if len(way) >= 64:
            self.report.error("too-deep", "descriptions nest deeper than 64", span)
            return None
        self.open.append((key, span))
        suffix = "".join(self.done[k].name for _, k in sorted(generics.items()))
        description = self._resolve_description(key, name + suffix, module, described, generics)
        self.open.pop()
        self.done[key] = description
        return description

    def _resolve_description(
        self,
        key: str,
        name: str,
        module: str,
        described: syntax.Description,
        generics: dict[str, str],
    ) -> ir.Description:
        names = self.names[module]
        if generics:
            names = Names(module, names.consts, names.params, names.descriptions, generics)
        version, minimum = self._versions(described, described.span)
        versioned = described.kind in ("device", "vmsd")
        scope = BodyScope(
            names, self.report, self.find, (minimum, version) if versioned else None, {}
        )
        wire = described.wire or name
        if versioned:
            self._check_wire_name(wire, described.span)
        body = _Body(self, scope, key, name, module, described.kind)
        items, subsections = body.resolve(described.items)
        params = (*scope.params.values(), *_sticky_params(items))
        return ir.Description(
            key, module, described.kind, name, wire, version, minimum, params, items, subsections,
            described.doc, described.span,
        )  # fmt: skip

    def _check_wire_name(self, wire: str, span: Span) -> None:
        if not 1 <= len(wire.encode()) <= MAX_NAME:
            message = f"the name has {len(wire.encode())} bytes; 1 to {MAX_NAME} are possible"
            self.report.error("name-length", message, span)

    def _versions(
        self, described: syntax.Description | syntax.Subsection, span: Span
    ) -> tuple[int, int]:
        version = 1 if described.version is None else described.version
        minimum = version if described.minimum is None else described.minimum
        if minimum > version:
            message = f"the minimum version {minimum} is above the version {version}"
            self.report.error("version-range", message, span)
            minimum = version
        if version > MAX_VERSION:
            self.report.error("version-range", f"version {version} does not fit 32 bits", span)
        return version, minimum


@dataclass
class _Body:
    """Resolves one body, item by item; the scope grows with it."""

    resolver: _Resolver
    scope: BodyScope
    key: str
    class_name: str
    module: str
    kind: str
    items: list[ir.Item] = field(default_factory=list)
    subsections: list[ir.Subsection] = field(default_factory=list)

    @property
    def report(self) -> Report:
        return self.resolver.report

    def resolve(
        self, items: Sequence[syntax.Item]
    ) -> tuple[tuple[ir.Item, ...], tuple[ir.Subsection, ...]]:
        self._declare(items)
        for item in items:
            self._item(item)
        if self.kind == "loop" and not any(isinstance(i, ir.Break) for i in self.items):
            span = items[0].span if items else self.resolver.open[-1][1]
            self.report.error("endless-loop", "a loop without a `break` has no end", span)
        return tuple(self.items), tuple(self.subsections)

    def _declare(self, items: Sequence[syntax.Item]) -> None:
        """Note all names of the body, so that a use before the definition is called that."""
        places: dict[str, Span] = {}
        constant = ConstScope(self.scope.names, self.report)
        for item in items:
            match item:
                case syntax.Field(name=name) | syntax.Let(name=name):
                    declared = [name] if name.text else []
                case syntax.Split(name=name, parts=parts):
                    declared = [name, *(p.name for p in parts)]
                case syntax.Param(domain=domain) if not isinstance(
                    domain, syntax.DescriptionDomain
                ):
                    declared = [item.name]
                    if (param := self.resolver._param(item, constant)) is not None:
                        self.scope.own_params[param.name] = param
                case syntax.Outer(name=name):
                    declared = [name]
                    self.scope.own_params[name.text] = self._outer(item)
                case syntax.Subsection():
                    own = item.name or syntax.Name(identifier(item.wire), item.span)
                    declared = [own]
                case _:
                    declared = []
            for name in declared:
                self.resolver._once(name, places)
                if isinstance(item, syntax.Field | syntax.Let | syntax.Split):
                    self.scope.later[name.text] = name.span

    def _outer(self, item: syntax.Outer) -> ir.Param:
        kind = ir.SCALARS.get(item.type.text)
        if kind is None:
            message = f"'{item.name.text}' must be a number type, not '{item.type.text}'"
            self.report.error("unknown-type", message, item.type.span)
            kind = ir.SCALARS["u64"]
        low, high = ir.scalar_bounds(kind)
        return ir.Param(
            item.name.text, "number", low, high, outer=True, doc=item.doc, span=item.span
        )

    def _item(self, item: syntax.Item) -> None:
        match item:
            case syntax.Field():
                self._field(item)
            case syntax.Split():
                self._split(item)
            case syntax.Let(name=name, value=value):
                expr = resolve_expr(value, self.scope)
                bounds = ir.expr_bounds(expr)
                if bounds is None:
                    self.report.error("not-a-number", "a `let` names a number", value.span)
                low, high = bounds or (0, 0)
                self.items.append(ir.Let(name.text, expr, item.span))
                self.scope.define(ir.Ref("let", name.text, low, high), item.span)
            case syntax.Require(law=law, why=why):
                expr = self._condition(law, "never true")
                self.items.append(ir.Require(expr, as_written(law), why, item.span))
            case syntax.Break():
                self._break(item)
            case syntax.Subsection():
                self._subsection(item)
            case syntax.Param() | syntax.Outer():
                pass

    def _condition(self, expr: syntax.Expr, never: str) -> ir.Expr:
        value = resolve_expr(expr, self.scope)
        bounds = ir.expr_bounds(value)
        if bounds is None:
            message = f"'{as_written(expr)}' is no condition"
            self.report.error("not-a-number", message, expr.span)
            return ir.Number(1)
        if bounds == (0, 0):
            self.report.error("never-present", f"'{as_written(expr)}' is {never}", expr.span)
        return value

    def _presence(
        self, modifiers: dict[str, syntax.Modifier], span: Span
    ) -> tuple[int | None, ir.Expr | None]:
        chosen = [w for w in ("since", "when", "unless") if w in modifiers]
        if len(chosen) > 1:
            message = f"both `{chosen[0]}` and `{chosen[1]}`: one condition says it"
            self.report.error("presence-twice", message, modifiers[chosen[1]].span)
        if not chosen:
            return None, None
        modifier = modifiers[chosen[0]]
        if chosen[0] == "since":
            assert isinstance(modifier.operand, int)
            return self._since(modifier.operand, modifier.span), None
        condition = modifier.operand
        assert condition is not None and not isinstance(condition, int | str | syntax.Name)
        if chosen[0] == "unless":
            condition = syntax.Operation("not", (condition,), condition.span)
        return None, self._condition(condition, "never true: the field can never be present")

    def _since(self, version: int, span: Span) -> int | None:
        if self.scope.versions is None:
            message = "a struct has no version; make it a vmsd, or use `when`"
            self.report.error("no-version", message, span)
            return None
        if version > self.scope.versions[1]:
            message = f"never present: the version is at most {self.scope.versions[1]}"
            self.report.error("never-present", message, span)
        return version if version > self.scope.versions[0] else None

    def _modifiers(self, modifiers: Sequence[syntax.Modifier]) -> dict[str, syntax.Modifier]:
        found: dict[str, syntax.Modifier] = {}
        for modifier in modifiers:
            if modifier.word in found:
                message = f"a second `{modifier.word}`"
                self.report.error("duplicate-modifier", message, modifier.span)
            found[modifier.word] = modifier
        return found

    def _field(self, item: syntax.Field) -> None:
        modifiers = self._modifiers(item.modifiers)
        since, when = self._presence(modifiers, item.span)
        type_ = resolve_type(item.type, self.scope, self.resolver)
        if isinstance(type_, ir.String) and "max" in modifiers:
            most = self._bound(modifiers, "max")
            if isinstance(most, ir.Number) and 0 <= most.value <= type_.limit:
                type_ = ir.String(type_.prefix, most.value)
            elif most is not None:
                message = f"the longest string is a constant of at most {type_.limit}"
                self.report.error("bad-bound", message, modifiers["max"].span)
            del modifiers["max"]
        number = isinstance(type_, ir.Scalar) and type_.name != "f64"
        for word in ("min", "max", "equals", "via"):
            if word in modifiers and not number and not isinstance(type_, ir.Invalid):
                message = f"`{word}` is for numbers"
                self.report.error("not-a-number", message, modifiers[word].span)
        name = item.name.text or self._padding_name()
        wire = modifiers["as"].operand if "as" in modifiers else item.name.text or "unused"
        field_ = ir.Field(
            name, str(wire), type_, since, when,
            self._bound(modifiers, "min"), self._bound(modifiers, "max"),
            self._bound(modifiers, "equals"), self._sticky(modifiers, type_, since, when),
            self._via(modifiers), item.doc, item.span,
        )  # fmt: skip
        bounds = self._check_bounds(field_)
        self.items.append(field_)
        ref = ir.Ref("field", name, *(bounds or (None, None)), presence_optional(field_), type_)
        self.scope.define(ref, item.span)

    def _check_bounds(self, item: ir.Field) -> tuple[int, int] | None:
        bounds = field_bounds(item)
        if bounds is not None and isinstance(item.type, ir.Scalar):
            low, high = ir.scalar_bounds(item.type)
            for word, bound in (("min", item.least), ("max", item.most), ("equals", item.equals)):
                reach = ir.expr_bounds(bound) if bound is not None else None
                if reach and (reach[1] < low or reach[0] > high):
                    message = f"`{word}` {reach[0]} is outside {item.type.name}'s {low} to {high}"
                    self.report.error("bad-bound", message, item.span)
            least, most = (
                ir.expr_bounds(e) if e is not None else None for e in (item.least, item.most)
            )
            if least and most and least[0] > most[1]:
                message = f"`min` {least[0]} is above `max` {most[1]}"
                self.report.error("bad-bound", message, item.span)
        return bounds

    def _padding_name(self) -> str:
        used = sum(isinstance(i, ir.Field) and i.name.startswith("unused") for i in self.items)
        return f"unused{used + 1}" if used else "unused"

    def _bound(self, modifiers: dict[str, syntax.Modifier], word: str) -> ir.Expr | None:
        if word not in modifiers:
            return None
        expr = modifiers[word].operand
        assert expr is not None and not isinstance(expr, int | str | syntax.Name)
        value = resolve_expr(expr, self.scope)
        if ir.expr_bounds(value) is None:
            self.report.error("not-a-number", f"`{word}` takes a number", expr.span)
            return None
        return value

    def _via(self, modifiers: dict[str, syntax.Modifier]) -> str:
        if "via" not in modifiers:
            return ""
        name = modifiers["via"].operand
        assert isinstance(name, syntax.Name)
        if name.text not in self.resolver.transforms:
            hint = did_you_mean(name.text, self.resolver.transforms, name.span)
            message = f"no plugin has a transform '{name.text}'"
            self.report.error("unknown-transform", message, name.span, *hint)
            return ""
        return name.text

    def _sticky(
        self,
        modifiers: dict[str, syntax.Modifier],
        type_: ir.Type,
        since: int | None,
        when: ir.Expr | None,
    ) -> bool:
        if "sticky" not in modifiers:
            return False
        span = modifiers["sticky"].span
        if self.kind != "loop" or when is None:
            message = "`sticky` is for a field of a loop with `when` or `unless`"
            self.report.error("bad-sticky", message, span)
            return False
        if not isinstance(type_, ir.Scalar | ir.String):
            self.report.error("bad-sticky", "`sticky` is for numbers and strings", span)
            return False
        return True

    def _split(self, item: syntax.Split) -> None:
        modifiers = self._modifiers(item.modifiers)
        since, when = self._presence(modifiers, item.span)
        for word in ("min", "max", "equals", "via", "sticky"):
            if word in modifiers:
                message = f"`{word}` does not go with `split`"
                self.report.error("bad-split", message, modifiers[word].span)
        scalar = resolve_type(item.type, self.scope, self.resolver)
        if not isinstance(scalar, ir.Scalar) or scalar.signed or scalar.name == "bool":
            message = "`split` takes u8, u16, u32 or u64"
            self.report.error("bad-split", message, item.span)
            return
        wire = str(modifiers["as"].operand) if "as" in modifiers else item.name.text
        optional = since is not None or when is not None
        parts = self._parts(item, scalar)
        split = ir.Split(
            item.name.text, wire, scalar, parts, since, when, item.doc, item.span
        )
        self.items.append(split)
        bounds = ir.scalar_bounds(scalar)
        self.scope.define(ir.Ref("let", item.name.text, *bounds), item.span)
        for part in parts:
            ref = ir.Ref("field", part.name, 0, part.mask, optional, scalar)
            self.scope.define(ref, item.span)

    def _parts(self, item: syntax.Split, scalar: ir.Scalar) -> tuple[ir.Part, ...]:
        bits, covered, parts = scalar.size * 8, 0, []
        for part in item.parts:
            low = bits - part.width if part.low < 0 else part.low
            if part.width < 1 or low < 0 or low + part.width > bits:
                message = f"'{part.name.text}' reaches outside the {bits} bits"
                self.report.error("bad-split", message, part.span)
                continue
            mask = ((1 << part.width) - 1) << low
            if mask & covered:
                message = f"'{part.name.text}' overlaps another part"
                self.report.error("bad-split", message, part.span)
            covered |= mask
            parts.append(ir.Part(part.name.text, mask, part.doc))
        if covered != (1 << bits) - 1:
            missing = ((1 << bits) - 1) & ~covered
            message = f"the parts leave bits {missing:#x} uncovered"
            self.report.error("bad-split", message, item.span)
        return tuple(parts)

    def _break(self, item: syntax.Break) -> None:
        condition = item.condition
        if item.unless:
            condition = syntax.Operation("not", (condition,), condition.span)
        value = self._condition(condition, "never true: the loop has no end here")
        if self.kind != "loop":
            self.report.error("stray-break", "`break` is for loops", item.span)
            return
        if not any(isinstance(i, ir.Field | ir.Split) for i in self.items):
            message = "`break` before the round's first field: the round would have no bytes"
            self.report.error("stray-break", message, item.span)
            return
        self.items.append(ir.Break(value, item.span))

    def _subsection(self, item: syntax.Subsection) -> None:
        name = item.name.text if item.name else identifier(item.wire)
        if self.kind in ("struct", "loop"):
            message = f"a {self.kind} has no subsections; make it a vmsd"
            self.report.error("stray-subsection", message, item.span)
            return
        self.resolver._check_wire_name(item.wire, item.span)
        version, minimum = self.resolver._versions(item, item.span)
        key = f"{self.key}/{name}"
        class_name = self.class_name + camel(name)
        scope = BodyScope(
            self.scope.names, self.report, self.resolver.find, (minimum, version), {}, self.scope
        )
        body = _Body(self.resolver, scope, key, class_name, self.module, "subsection")
        items, subsections = body.resolve(item.items)
        params = tuple(scope.params.values())
        self.resolver.done[key] = ir.Description(
            key, self.module, "subsection", class_name, item.wire, version, minimum, params,
            items, subsections, item.doc, item.span,
        )  # fmt: skip
        bound = []
        for param in params:
            known = self.scope.known.get(param.name)
            value = known if param.outer and known is not None else None
            bound.append((param.name, value or self.scope.use_param(param, item.span)))
        use = ir.Use(key, tuple(bound))
        self.subsections.append(
            ir.Subsection(name, item.wire, use, version, minimum, item.doc, item.span)
        )


def _sticky_params(items: Sequence[ir.Item]) -> list[ir.Param]:
    """What a loop's sticky fields were before its first round: state that the caller carries on."""
    params = []
    for item in items:
        if not isinstance(item, ir.Field) or not item.sticky:
            continue
        if isinstance(item.type, ir.Scalar):
            low, high = ir.scalar_bounds(item.type)
            param = ir.Param(item.name, "number", low, high, default=0, sticky=True, span=item.span)
        else:
            param = ir.Param(item.name, "bytes", default=b"", sticky=True, span=item.span)
        params.append(param)
    return params


def _is_generic(described: syntax.Description) -> bool:
    return any(
        isinstance(i, syntax.Param) and isinstance(i.domain, syntax.DescriptionDomain)
        for i in described.items
    )


def resolve(
    files: Sequence[syntax.File],
    report: Report,
    externals: Mapping[str, object] = {},  # noqa: B006  (never written)
    transforms: Mapping[str, object] = {},  # noqa: B006
) -> ir.Schema:
    """All descriptions of the files, what is used before its user.

    `externals` and `transforms` hold plugins' wire types and transforms by name.
    A description with a description parameter appears once for each thing it is bound to.
    """
    resolver = _Resolver(report, externals, transforms)
    modules = []
    for file in files:
        resolver.add_file(file)
    for file in files:
        module = file.source.module
        for described in file.descriptions:
            if not _is_generic(described):
                resolver._description(module, described, {}, described.span)
            elif described.kind == "device":
                message = "a device cannot have a description parameter: nothing would bind it"
                report.error("unbound-description", message, described.span)
        uses = tuple(u.module for u in file.uses)
        modules.append((module, file, uses))
    return ir.Schema(
        tuple(
            ir.Module(
                name, file.source.path, file.doc, uses,
                tuple(k for k, d in resolver.done.items() if d.module == name),
            )  # fmt: skip
            for name, file, uses in modules
        ),
        resolver.done,
    )
