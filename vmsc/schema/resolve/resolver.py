"""The resolver: syntax files -> ir.Schema. Reports unknown, doubled and misused names.

What takes the whole schema to tell is left to checks. Its rooms: names (of a file), scopes,
expressions, fieldtypes, bodies; here descriptions are put in order and made for their parameters.

What a description names is made before it, whatever the order of the text, and without recursion:
how deep descriptions nest and how often one is made are limits of the language, said where they
are exceeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vmsc.schema import ir, syntax
from vmsc.schema.diagnostics import Note, Report
from vmsc.schema.resolve.body import Body, check_wire_name, resolve_versions
from vmsc.schema.resolve.body_scope import BodyScope
from vmsc.schema.resolve.c_names import c_type_hint
from vmsc.schema.resolve.module_scope import TYPE_WORDS, Described, ModuleScope, called, file_names
from vmsc.schema.resolve.types import DIMENSIONED, STRINGS
from vmsc.schema.source import Span

__all__ = ["MAX_MADE", "MAX_NESTING", "resolve"]

MAX_NESTING = 32  # descriptions and subsections within each other: a codec calls one a level
MAX_MADE = 1000  # times that one description is made for description parameters


def _generic_params(described: syntax.Description) -> tuple[str, ...]:
    """The names of its description parameters."""
    return tuple(
        sorted(
            item.name.text
            for item in described.items
            if isinstance(item, syntax.Param) and isinstance(item.domain, syntax.DescriptionDomain)
        )
    )


def _named_types(items: Sequence[syntax.Item]) -> Iterator[syntax.Named]:
    """The types with a name in a body, its subsections' included, in the order of the text."""
    todo: list[syntax.Item | syntax.Type] = list(reversed(items))
    while todo:
        match todo.pop():
            case syntax.Named() as named:
                yield named
            case syntax.Field(type=inner) | syntax.Split(type=inner):
                todo.append(inner)
            case syntax.Array(element=inner) | syntax.Until(element=inner):
                todo.append(inner)
            case syntax.UntilSum(element=inner) | syntax.ListOf(element=inner):
                todo.append(inner)
            case syntax.Nullable(element=inner) | syntax.Within(inner=inner):
                todo.append(inner)
            case syntax.Tree(key=key, value=value):
                todo += value, key
            case syntax.Choice(arms=arms):
                todo += (arm.type for arm in reversed(arms))
            case syntax.Subsection(items=inner_items):
                todo += reversed(inner_items)
            case _:
                pass


def _description_named(name: str, names: ModuleScope) -> Described | None:
    """The description of this name, where a type or an argument can mean one."""
    other = name in TYPE_WORDS or name in names.generics or name in names.clashes
    return None if other else names.descriptions.get(name)


def _uses(description: ir.Description) -> Iterator[tuple[str, Span]]:
    """The keys of what a description is made of, and where it names them."""
    for item in description.items:
        if isinstance(item, ir.Field):
            yield from ((use.key, item.span) for use in ir.type_uses(item.type))
    yield from ((sub.use.key, sub.span) for sub in description.subsections)


@dataclass(frozen=True)
class _Wanted:
    """A description that is to be made for description parameters; `span` is where it is named."""

    found: Described
    generics: Mapping[str, str]
    span: Span

    @property
    def name(self) -> str:
        return called(self.found[1]).text

    @property
    def key(self) -> str:
        key = f"{self.found[0]}:{self.name}"
        if self.generics:
            key += "[" + ",".join(f"{p}={k}" for p, k in sorted(self.generics.items())) + "]"
        return key


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
    """The state of one resolution: what is described already.

    `generics` holds the description parameters of each description by the key that it has without
    them, `depth` how many descriptions nest in one, itself included, `made` how often one was made.
    """

    report: Report
    externals: Mapping[str, object]
    transforms: Mapping[str, object]
    module: str = ""
    names: dict[str, ModuleScope] = field(default_factory=dict)
    generics: dict[str, tuple[str, ...]] = field(default_factory=dict)
    done: dict[str, ir.Description] = field(default_factory=dict)
    hollow: set[str] = field(default_factory=set)
    depth: dict[str, int] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)
    unused: list[syntax.Name] = field(default_factory=list)

    def find(self, key: str) -> ir.Description:
        return self.done[key]

    def keep(self, description: ir.Description) -> None:
        """Note a description, or a subsection's, once it and all that it names are resolved."""
        self.done[description.key] = description
        if ir.is_hollow(description, self.hollow):
            self.hollow.add(description.key)
        uses = list(_uses(description))
        if span := next((s for key, s in uses if self.depth[key] == MAX_NESTING), None):
            message = (
                f"'{description.name}' nests {MAX_NESTING + 1} descriptions deep, which exceeds the"
                f" limit of {MAX_NESTING}: move the fields of one into the one that holds it"
            )
            self.report.error("too-deep", message, span)
        deepest = max((self.depth[key] for key, _ in uses), default=0)
        self.depth[description.key] = min(deepest, MAX_NESTING) + 1  # what is too deep is said once

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
        wanted = self._params_of(found)
        given = {a.name.text: a for a in type_.arguments}
        generics: dict[str, str] = {}
        for param in wanted:
            key = self._description_argument(param, given.get(param), name, scope)
            if key is None:
                return None
            generics[param] = key
        description = self.done.get(_Wanted(found, generics, name.span).key)
        if description is not None:  # else it was reported before this body's turn
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
            hint = c_type_hint(name.text, name.span)
            hint = hint or self.report.did_you_mean(name.text, name.span, *known)
            message = f"unknown type '{name.text}' in field '{scope.place}'"
            self.report.error("unknown-type", message, name.span, *hint)

    def _check_arguments(
        self,
        description: ir.Description,
        arguments: Sequence[syntax.Argument],
        generics: Sequence[str],
    ) -> None:
        if not arguments:
            return
        known = {*(p.name for p in description.params), *generics}
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

    # --- in order ---------------------------------------------------------------------------------

    def _params_of(self, found: Described) -> tuple[str, ...]:
        return self.generics[f"{found[0]}:{called(found[1]).text}"]

    def _needed(self, by: _Wanted) -> Iterator[_Wanted]:
        """What a description names, as far as it is known; the rest is reported with its body."""
        names = replace(self.names[by.found[0]], generics=by.generics)
        for type_ in _named_types(by.found[1].items):
            found = None if type_.order else _description_named(type_.name.text, names)
            if found is None:
                continue
            given = {a.name.text: a.value for a in type_.arguments}
            bound: dict[str, str] = {}
            for param in self._params_of(found):
                match given.get(param):
                    case syntax.Reference(name=name, span=span):
                        other = _description_named(name, names)
                        if other is not None and not self._params_of(other):
                            yield _Wanted(other, {}, span)
                        key = names.generics.get(name) or (other and _Wanted(other, {}, span).key)
                        if key in self.done:
                            bound[param] = key
                    case _:
                        pass
            if len(bound) == len(self._params_of(found)):
                yield _Wanted(found, bound, type_.name.span)

    def make(self, wanted: _Wanted) -> None:
        """Resolve a description, after all that it names."""
        path: dict[str, tuple[_Wanted, Iterator[_Wanted]]] = {}
        if self._is_to_be_made(wanted, path):
            path[wanted.key] = wanted, self._needed(wanted)
        while path:
            last, needed = path[next(reversed(path))]
            inner = next(needed, None)
            if inner is None:
                path.popitem()
                self.keep(self._resolve(last))
            elif self._is_to_be_made(inner, path):
                path[inner.key] = inner, self._needed(inner)

    def _is_to_be_made(
        self, wanted: _Wanted, path: Mapping[str, tuple[_Wanted, Iterator[_Wanted]]]
    ) -> bool:
        """Whether it is still to be resolved; False also after reporting why it cannot be."""
        key = wanted.key
        if key in self.done:
            return False
        if key in path:
            way = [one.span for one, _ in path.values()]
            notes = [Note("by way of this", s) for s in way[list(path).index(key) + 1 :]]
            message = f"'{wanted.name}' holds itself: nothing bounds its depth"
            self.report.error("recursive", message, wanted.span, *notes[:MAX_NESTING])
            return False
        plain = f"{wanted.found[0]}:{wanted.name}"
        self.made[plain] += 1
        if self.made[plain] == MAX_MADE + 1:
            message = (
                f"'{wanted.name}' is bound to other descriptions in more than {MAX_MADE} ways,"
                " and made for each: bind fewer, or choose among them by a `choice` in it"
            )
            self.report.error("too-many-bindings", message, wanted.span)
        return self.made[plain] <= MAX_MADE

    def _resolve(self, wanted: _Wanted) -> ir.Description:
        """A description that is made for others belongs to the module that asked for it first."""
        key, (home, described), generics = wanted.key, wanted.found, wanted.generics
        names, module = self.names[home], self.module if generics else home
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
            key = f"{module}:{called(described).text}"
            resolver.generics.setdefault(key, _generic_params(described))
        for described in file.descriptions:
            if not _generic_params(described):
                resolver.make(_Wanted((module, described), {}, described.span))
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
