"""The view of one module: what the template lays out. All decisions about names and imports are
made here; `functions` has the functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from vmsc import plan
from vmsc.hooks import BackendError, PythonName
from vmsc.plan.analysis import after_break, customs, versioned
from vmsc.schema import ir

from .code import attribute, comment, docstring, keyword_name, snake
from .consts import Consts
from .functions import codec_lines, inner_functions, public_functions
from .linking import Facts, Linker

__all__ = ["ClassView", "ModuleView", "module_view"]

_ANNOTATIONS = {
    "u8": "U8", "u16": "U16", "u32": "U32", "u64": "U64", "s8": "S8", "s16": "S16", "s32": "S32",
    "s64": "S64", "bool": "Bool", "timer": "Timer", "f64": "F64",
}  # fmt: skip

_CHAIN = 32  # types of a choice that are written as a chain of `|`

# What a generated module calls other things by.
_TAKEN_ALIAS = re.compile(
    r"_(w|c|struct|starmap|field|unpackable|Shape|Union|\w*Error|Truncated|[SF][0-9]+)"
)


@dataclass(frozen=True)
class ClassView:
    name: str
    doc: list[str]
    fields: list[str]


@dataclass(frozen=True)
class ModuleView:
    title: str
    doc: str
    imports: list[str]
    types: list[str]
    all_names: list[str]
    structs: list[str]
    tables: list[str]
    classes: list[ClassView]
    functions: list[list[str]]
    codecs: list[str]
    uses_starmap: bool
    uses_field: bool
    uses_union: bool
    uses_decode_error: bool


@dataclass
class _Module:
    """Gathers what one module needs while its code is written."""

    plans: Mapping[str, plan.Plan]
    module: ir.Module
    customs: Mapping[str, Mapping[str, PythonName]]
    imports: dict[str, str] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)

    def alias(self, module: str) -> str:
        """The name by which another generated module is known here."""
        name = "_" + module.replace(".", "_")
        here = self.module.name.split(".")[:-1]
        parent, _, last = module.rpartition(".")
        there = parent.split(".") if parent else []
        shared = 0
        while shared < min(len(here), len(there)) and here[shared] == there[shared]:
            shared += 1
        dots = "." * (len(here) - shared + 1)
        path = dots + ".".join(there[shared:])
        return self.imported(name, f"from {path} import {last}")

    def imported(self, name: str, source: str) -> str:
        """`source as name`; another name where that one stands for something else."""
        while _TAKEN_ALIAS.fullmatch(name) or self.imports.get(name, source) != source:
            name += "_"
        self.imports[name] = source
        return name

    def name(self, stem: str, key: str) -> str:
        called = self.plans[key]
        own = f"{stem}_{snake(called.name)}" if stem else called.name
        if called.module == self.module.name:
            return own
        return f"{self.alias(called.module)}.{own}"

    def custom(self, function: str, name: str) -> str:
        """A plugin's function (or type); all but types are called through vmsc.runtime.custom."""
        python = self.customs[name][function]
        parent, _, last = python.module.rpartition(".")
        source = f"from {parent} import {last}" if parent else f"import {last}"
        alias = self.imported("_" + python.module.replace(".", "_"), source)
        if function not in ("type", "value_type"):
            self.imports["_c"] = "from vmsc.runtime import custom"
        return f"{alias}.{python.function}"

    def annotation(self, node: plan.Node) -> str:
        """A value's Python type."""
        match node:
            case plan.Num(name=name):
                return self._type(_ANNOTATIONS[name])
            case plan.Blob(kind=kind):
                return self._type(kind.capitalize())
            case plan.Rest():
                return self._type("Opaque")
            case plan.Text():
                return self._type("Text")
            case plan.Words():
                return self._type("Bitmap")
            case plan.Rep(node=e) | plan.Tagged(node=e) | plan.Stop(call=e) | plan.Total(call=e):
                return f"list[{self.annotation(e)}]"
            case plan.Pairs(key=key, value=value):
                return f"list[tuple[{self.annotation(key)}, {self.annotation(value)}]]"
            case plan.Maybe(node=element):
                return f"list[{self.annotation(element)} | None]"
            case plan.Switch(arms=arms, otherwise=otherwise):
                types = [n for _, n in arms] + ([otherwise] if otherwise is not None else [])
                return self._one_of(list(dict.fromkeys(map(self.annotation, types))))
            case plan.Window(node=inner):
                return self.annotation(inner)
            case plan.Call(key=key):
                used = self.plans[key]
                name = self.name("", key)
                return f"list[{name}]" if used.kind == "loop" else name
            case plan.Custom(name=name):
                return self.custom("type", name)
            case _:
                assert_never(node)

    def _one_of(self, types: list[str]) -> str:
        """The types of a choice's arms; a long chain of `|` would be nested too deep for Python."""
        self.types |= {"OneOf"}
        if len(types) > _CHAIN:
            return f"Annotated[_Union[{', '.join(types)}], OneOf()]"
        return f"Annotated[{' | '.join(types)}, OneOf()]"

    def _type(self, name: str) -> str:
        self.types.add(name)
        return name


def _class_view(one: plan.Plan, module: _Module) -> ClassView:
    late, transforms = after_break(one), customs(one).transforms
    optional = [m.optional or m.name in late for m in one.members]
    needed = max((i + 1 for i, absent in enumerate(optional) if not absent), default=0)
    fields = []
    for index, member in enumerate(one.members):
        kind = module.annotation(member.node)
        transform = transforms.get(member.name, "")
        if "value_type" in module.customs.get(transform, {}):
            kind = module.custom("value_type", transform)
        kind += " | None" if optional[index] else ""
        name = attribute(member.name)
        trailing = index >= needed  # msgspec wants fields with a default at the end
        fields += comment(member.doc)
        if name != member.name:
            default = "default=None, " if trailing else ""
            fields.append(f"{name}: {kind} = _field({default}name={member.name!r})")
        else:
            fields.append(f"{name}: {kind}" + (" = None" if trailing else ""))
    if versioned(one):
        fields.append(f'version_: int = _field(default={one.version}, name="@version")')
    return ClassView(one.name, docstring(one.doc or _plain_doc(one)), fields)


def _plain_doc(one: plan.Plan) -> str:
    match one.kind:
        case "subsection":
            return f"Subsection '{one.wire}'."
        case "device" | "vmsd":
            return f"'{one.wire}', version {one.version}."
        case "loop":
            return "One round."
        case _:
            return f"{one.name}."


def _check_clashes(plans: list[plan.Plan]) -> None:
    seen: dict[str, plan.Plan] = {}
    for one in plans:
        other = seen.setdefault(snake(one.name), one)
        if other is not one:
            message = f"'{other.name}' and '{one.name}' both make functions ..._{snake(one.name)}"
            raise BackendError(message, one.span)
        attributes: dict[str, str] = {}
        for member in one.members:
            first = attributes.setdefault(attribute(member.name), member.name)
            if first != member.name:
                message = f"'{first}' and '{member.name}' are both called {attribute(member.name)}"
                raise BackendError(message, member.span)
        _check_keywords(one)


def _check_keywords(one: plan.Plan) -> None:
    seen: dict[str, str] = {}
    for param in one.params:
        word = keyword_name(param.name)
        first = seen.setdefault(word, param.name)
        if first != param.name:
            message = f"'{first}' and '{param.name}' are both called {word}"
            raise BackendError(message, param.span)
        if param.name in ("version", "final", "notes"):
            message = f"a parameter called '{param.name}': every codec has one of its own"
            raise BackendError(message, param.span)


def module_view(
    facts: Facts,
    module: ir.Module,
    customs_: Mapping[str, Mapping[str, PythonName]],
) -> ModuleView:
    """All that the template needs for one generated module. Raises BackendError for names that
    clash.
    """
    plans = [facts.plans[key] for key in module.descriptions]
    _check_clashes(plans)
    mine = _Module(facts.plans, module, customs_)
    link, consts = Linker(facts, mine.name, mine.custom), Consts()
    classes = [_class_view(one, mine) for one in plans]
    functions: list[list[str]] = []
    for one in plans:
        functions += inner_functions(one, link, consts)
    public: list[str] = []
    codecs: list[str] = []
    for one in plans:
        if one.kind == "subsection":
            continue
        functions += public_functions(one, link, consts)
        codecs += codec_lines(one, link)
        name = snake(one.name)
        public += [f"{verb}_{name}{tail}{end}" for tail in ("", "_framed") for verb, end in
                   (("encode", ""), ("decode", ""), ("decode", "_from"), ("measure", ""),
                    ("scan", ""))]  # fmt: skip
    text = "\n".join(line for lines in functions for line in lines)
    return ModuleView(
        title=f"{module.name.replace('.', '/')}.vmsd",
        doc=module.doc,
        imports=sorted(f"{source} as {name}" for name, source in mine.imports.items()),
        types=sorted(mine.types),
        all_names=sorted(["CODECS", *(c.name for c in classes), *public]),
        structs=[f"{name} = _struct.Struct({fmt!r})" for fmt, name in consts.structs.items()],
        tables=[f"{name} = {text}" for text, name in consts.tables.items()],
        classes=classes,
        functions=functions,
        codecs=codecs,
        uses_starmap="_starmap(" in text,
        uses_field=any("_field(" in line for c in classes for line in c.fields),
        uses_union=any("_Union[" in line for c in classes for line in c.fields),
        uses_decode_error="_DecodeError" in text,
    )
