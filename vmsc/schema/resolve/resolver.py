"""Resolve: syntax files -> ir.Schema. Reports unknown, doubled and misused names.

What takes the whole schema to tell is left to checks. Its rooms: names (of a file), scopes,
expressions, fieldtypes, bodies; here descriptions are put in order and made for their parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Note, Report
from vmsc.schema.resolve.body import Body, check_wire_name, resolve_versions, too_deep
from vmsc.schema.resolve.body_scope import BodyScope
from vmsc.schema.resolve.module_scope import Described, Names, called, file_names
from vmsc.schema.resolve.types import DIMENSIONED, STRINGS
from vmsc.schema.source import Span

__all__ = ["resolve"]


def _generic_params(described: syntax.Description) -> list[str]:
    """The names of its description parameters."""
    return sorted(
        item.name.text
        for item in described.items
        if isinstance(item, syntax.Param) and isinstance(item.domain, syntax.DescriptionDomain)
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


@dataclass
class _Resolver:
    """The state of one resolution: what is described already, and what is being described."""

    report: Report
    externals: Mapping[str, object]
    transforms: Mapping[str, object]
    module: str = ""
    names: dict[str, Names] = field(default_factory=dict)
    done: dict[str, ir.Description] = field(default_factory=dict)
    hollow: set[str] = field(default_factory=set)
    open: list[tuple[str, Span]] = field(default_factory=list)
    unused: list[syntax.Name] = field(default_factory=list)

    def find(self, key: str) -> ir.Description:
        return self.done[key]

    def keep(self, description: ir.Description) -> None:
        self.done[description.key] = description
        if ir.is_hollow(description, self.hollow):
            self.hollow.add(description.key)

    # --- by name ----------------------------------------------------------------------------------

    def describe(self, type_: syntax.Named, scope: BodyScope) -> ir.Description | None:
        """The description that the type names, made for its description parameters."""
        name, names = type_.name, scope.names
        if name.text in names.generics:
            bound = self.done[names.generics[name.text]]
            self._check_arguments(bound, type_.arguments, [])
            return bound
        found = names.descriptions.get(name.text)
        if found is None or name.text in names.clashes:
            self._unknown(name, scope)
            return None
        wanted = _generic_params(found[1])
        given = {a.name.text: a for a in type_.arguments}
        generics: dict[str, str] = {}
        for param in wanted:
            key = self._description_argument(param, given.get(param), name, scope)
            if key is None:
                return None
            generics[param] = key
        description = self.description(found, generics, name.span)
        if description is not None:
            self._check_arguments(description, type_.arguments, wanted)
        return description

    def _unknown(self, name: syntax.Name, scope: BodyScope) -> None:
        names = scope.names
        if name.text in names.clashes:
            first, second = names.clashes[name.text]
            message = f"both '{first}' and '{second}' have a '{name.text}'"
            self.report.error("ambiguous-name", message, name.span)
        elif name.text in names.consts or name.text in names.params:
            message = f"'{name.text}' is no type but a number"
            self.report.error("unknown-type", message, name.span)
        elif not (names.partial or name.text in names.broken):
            known = (names.descriptions, ir.SCALARS, DIMENSIONED, STRINGS, self.externals)
            hint = self.report.did_you_mean(name.text, name.span, *known)
            message = f"unknown type '{name.text}' in field '{scope.place}'"
            self.report.error("unknown-type", message, name.span, *hint)

    def _check_arguments(
        self,
        description: ir.Description,
        arguments: Sequence[syntax.Argument],
        generics: Sequence[str],
    ) -> None:
        known = [*(p.name for p in description.params), *generics]
        seen: set[str] = set()
        for argument in arguments:
            name = argument.name
            if name.text not in known:
                hint = self.report.did_you_mean(name.text, name.span, known)
                message = f"'{description.name}' has no parameter '{name.text}'"
                self.report.error("unknown-param", message, name.span, *hint)
            if name.text in seen:
                self.report.error("duplicate-name", f"'{name.text}' is bound twice", name.span)
            seen.add(name.text)

    def _description_argument(
        self, param: str, argument: syntax.Argument | None, user: syntax.Name, scope: BodyScope
    ) -> str | None:
        if argument is None:
            message = f"'{user.text}' needs a description: {user.text}({param} = ...)"
            self.report.error("unbound-description", message, user.span)
            return None
        if not isinstance(argument.value, syntax.Reference):
            message = f"'{param}' takes the name of a description"
            self.report.error("unbound-description", message, argument.value.span)
            return None
        span = argument.value.span
        named = syntax.Named(syntax.Name(argument.value.name, span), "", (), None, span)
        found = self.describe(named, scope)
        return None if found is None else found.key

    # --- by place ---------------------------------------------------------------------------------

    def description(
        self, found: Described, generics: dict[str, str], span: Span
    ) -> ir.Description | None:
        """A description of this schema; None after reporting that there can be none."""
        module, described = found
        name = called(described).text
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
        if too_deep(self.open, span, self.report):
            return None
        self.open.append((key, span))
        description = self._resolve(key, described, self.names[module], generics)
        self.open.pop()
        self.keep(description)
        return description

    def _resolve(
        self, key: str, described: syntax.Description, names: Names, generics: dict[str, str]
    ) -> ir.Description:
        """A description that is made for others belongs to the module that asked for it first."""
        module = self.module if generics else names.module
        suffix = "".join(self.done[k].name for _, k in sorted(generics.items()))
        name = called(described).text + suffix
        versioned = described.kind in ("device", "vmsd")
        wire = described.wire if versioned else name
        scope = BodyScope(replace(names, generics=generics), self.report, self.find, None)
        version, minimum = resolve_versions(described, scope)
        if versioned:
            scope.versions = minimum, version
            check_wire_name(wire, described.span, scope)
        body = Body(self, scope, key, name, module, described.kind, described.span)
        body.resolve(described.items)
        for param in scope.params.values():
            if param.kind == "bytes" and not param.sticky and described.kind == "device":
                message = f"nothing in '{wire}' binds `outer {param.name}: bytes`"
                self.report.error("unbound-outer", message, param.span)
        params = (*scope.params.values(), *_sticky_params(body.items))
        result = ir.Description(
            key, module, described.kind, name, wire, version, minimum, params, tuple(body.items),
            tuple(body.subsections), described.doc, described.span, described.target,
        )  # fmt: skip
        if described.kind == "loop" and ir.is_hollow(result, self.hollow):
            message = f"a round of '{name}' may take no byte: it need never end"
            self.report.error("endless-loop", message, described.span)
        return result


def resolve(
    files: Sequence[syntax.File],
    report: Report,
    externals: Mapping[str, object] = {},
    transforms: Mapping[str, object] = {},
) -> ir.Schema:
    """All descriptions of the files, what is used before its user.

    `externals` and `transforms` hold plugins' wire types and transforms by name.
    A description with a description parameter appears once for each thing it is bound to.
    """
    resolver = _Resolver(report, externals, transforms)
    for file in files:
        resolver.module = module = file.source.module
        resolver.names[module] = file_names(file, resolver.names, report)
        for described in file.descriptions:
            if not _generic_params(described):
                resolver.description((module, described), {}, described.span)
            elif described.kind == "device":
                message = "a device cannot have a description parameter: nothing would bind it"
                report.error("unbound-description", message, described.span)
    if not report.failed:  # else what uses them may be what is wrong
        for name in resolver.unused:
            report.warning("unused", f"'{name.text}' is never used", name.span)
    keys: dict[str, list[str]] = {file.source.module: [] for file in files}
    for key, description in resolver.done.items():
        keys[description.module].append(key)
    modules = []
    for file in files:
        uses = tuple(use.module for use in file.uses)
        module, path = file.source.module, file.source.path
        modules.append(ir.Module(module, path, file.doc, uses, tuple(keys[module])))
    return ir.Schema(tuple(modules), resolver.done)
