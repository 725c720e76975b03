"""The view of one module: what the template lays out. All decisions about names and imports are
made here; `functions` has the functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmsc import plan
from vmsc.hooks import BackendError, PythonName
from vmsc.schema import ir

from .code import attribute, comment, docstring, keyword_name, snake
from .consts import Consts
from .functions import codec_lines, inner_functions, public_functions
from .linking import Linker, step_names, versioned

__all__ = ["ClassView", "ModuleView", "module_view"]

_ANNOTATIONS = {
    "u8": "U8", "u16": "U16", "u32": "U32", "u64": "U64", "s8": "S8", "s16": "S16", "s32": "S32",
    "s64": "S64", "bool": "Bool", "timer": "Timer", "f64": "F64",
}  # fmt: skip

# What a generated module calls other things by.
_TAKEN_ALIAS = re.compile(
    r"_(w|c|struct|starmap|field|unpackable|Shape|\w*Error|Truncated|[SF][0-9]+)"
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


@dataclass
class _Module:
    """Gathers what one module needs while its code is written."""

    program: plan.Program
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
        called = self.program.plans[key]
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

    def annotation(self, type_: object) -> str:
        match type_:
            case ir.Scalar(name=name):
                return self._type(_ANNOTATIONS[name])
            case ir.Bytes():
                return self._type("Bytes")
            case ir.Padding():
                return self._type("Padding")
            case ir.Opaque():
                return self._type("Opaque")
            case ir.String():
                return self._type("Text")
            case ir.Bitmap():
                return self._type("Bitmap")
            case ir.Array(element=e) | ir.ListOf(element=e) | ir.Until(element=e):
                return f"list[{self.annotation(e)}]"
            case ir.UntilSum(element=e):
                return f"list[{self.annotation(e)}]"
            case ir.Tree(key=key, value=value):
                return f"list[tuple[{self.annotation(key)}, {self.annotation(value)}]]"
            case ir.Nullable(element=element):
                return f"list[{self.annotation(element)} | None]"
            case ir.Choice(arms=arms, otherwise=otherwise):
                types = [t for _, t in arms] + ([otherwise] if otherwise else [])
                names = dict.fromkeys(self.annotation(t) for t in types)
                self.types |= {"OneOf"}
                return f"Annotated[{' | '.join(names)}, OneOf()]"
            case ir.Within(inner=inner):
                return self.annotation(inner)
            case ir.Use(key=key):
                used = self.program.plans[key]
                name = self.name("", key)
                return f"list[{name}]" if used.kind == "loop" else name
            case ir.External(name=name):
                return self.custom("type", name)
            case _:
                raise AssertionError(type_)

    def _type(self, name: str) -> str:
        self.types.add(name)
        return name


def _after_break(one: plan.Plan) -> frozenset[str]:
    """In a loop, the fields that its last round may lack."""

    names: set[str] = set()
    seen = False
    for step in one.steps:
        if isinstance(step, plan.Break):
            seen = True
        elif seen:
            names |= set(step_names(step))
    return frozenset(names)


def _vias(steps: tuple[plan.Step, ...]) -> dict[str, str]:
    """The transforms of a description's fields, by field."""
    found: dict[str, str] = {}
    for step in steps:
        match step:
            case plan.Run(fields=fields):
                found |= {each.name: each.via for each in fields if each.via}
            case plan.Gate(steps=inner):
                found |= _vias(inner)
            case _:
                pass
    return found


def _class_view(one: plan.Plan, module: _Module) -> ClassView:
    late = _after_break(one)
    optional = [m.optional or m.name in late for m in one.members]
    fields = []
    vias = _vias(one.steps)
    for index, member in enumerate(one.members):
        kind = module.annotation(member.type_)
        if "value_type" in module.customs.get(vias.get(member.name, ""), {}):
            kind = module.custom("value_type", vias[member.name])
        kind += " | None" if optional[index] else ""
        name = attribute(member.name)
        trailing = all(optional[index:])  # msgspec wants fields with a default at the end
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
    program: plan.Program,
    module: ir.Module,
    customs: Mapping[str, Mapping[str, PythonName]],
) -> ModuleView:
    """All that the template needs for one generated module. Raises BackendError for names that
    clash.
    """
    plans = [program.plans[key] for key in module.descriptions]
    _check_clashes(plans)
    mine = _Module(program, module, customs)
    link, consts = Linker(program, mine.name, mine.custom), Consts()
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
    )
