"""How generated Python calls things. A schema's names are any. One that would stand in the way of
Python, of msgspec, of what generated code calls its own, or of another name of the schema gets a
trailing `_`, and more of them until it does not.

Law: what a module's things are called depends on the module's text alone, not on who uses it.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from vmsc import plan

from .standard_library import MODULES

__all__ = [
    "Spelled", "attribute", "is_private", "module_paths", "param_name", "public_names", "spelled",
    "sticky_name",
]  # fmt: skip

# --- what is taken --------------------------------------------------------------------------------

# What generated modules import and define, and what they take of Python's.
GLOBALS = frozenset({
    "Annotated", "Bitmap", "Bool", "Bytes", "CODECS", "Codec", "F64", "OneOf", "Opaque", "Padding",
    "Param", "Profile", "S16", "S32", "S64", "S8", "Struct", "Text", "Timer", "U16", "U32", "U64",
    "U8", "annotations",
    "AttributeError", "IndexError", "OverflowError", "TypeError", "ValueError", "bytes",
    "enumerate", "int", "len", "list", "max", "memoryview", "min", "range", "tuple", "type",
})  # fmt: skip
# The locals of functions that read and write, but for what has a prefix of its own.
LOCALS = frozenset({
    "body", "buf", "count", "end", "ended", "fault", "final", "index", "items", "kind", "last",
    "length", "more", "n", "name", "notes", "out", "outer", "peeked", "pos", "put", "rounds",
    "size", "start", "stop", "sub", "value", "version", "version_", "which",
})  # fmt: skip
# Fields, parameters, lets, elements and groups; temporaries.
LOCAL_PREFIX = re.compile(r"(v|p|l|e[vl]|e?g[0-9]+)_.*|[a-z]_[0-9]+")
# What the public functions of a description with parameters use: its keywords stand beside them.
PUBLIC_LOCALS = frozenset({
    "buf", "bytes", "end", "fault", "final", "len", "notes", "out", "pos", "start", "sub", "type",
    "value", "version",
})  # fmt: skip
_PRIVATE = re.compile(
    r"_(c|field|it|starmap|struct|unpackable|w|Shape|Truncated|Union|\w*Error|[SFT][0-9]+)_*"
)


def is_private(name: str) -> bool:
    """Whether generated code may use the name, which has an underscore in front, for its own."""
    return _PRIVATE.fullmatch(name) is not None or name.startswith("__")


def _is_taken(name: str) -> bool:
    """Whether a class may not be called so."""
    local = name in LOCALS or LOCAL_PREFIX.fullmatch(name) is not None
    return keyword.iskeyword(name) or name in GLOBALS or is_private(name) or local


# --- fields and parameters ------------------------------------------------------------------------

# What a class body may not hide from annotations: msgspec looks for names there before it does
# among builtins.
_IN_CLASSES = re.compile(r"[USF](8|16|32|64)|Bool|Struct|Text|Timer|bytes|float|int|list|tuple")


def attribute(name: str) -> str:
    """The attribute of a field. Each field has its own: that of `int_` is not that of `int`."""
    if name.startswith("__"):
        return f"{name}__"  # else it would be private to the class
    stem = name.rstrip("_")
    taken = keyword.iskeyword(stem) or _IN_CLASSES.fullmatch(stem)
    return f"{name}_" if taken or (stem == "version" and name != stem) else name


def param_name(name: str) -> str:
    """The local of a parameter within a function: like none of the function's own."""
    return f"p_{name}"


def sticky_name(name: str) -> str:
    """What a sticky field last was, within a function: the only element of a list, which all
    functions that read or write a section share.
    """
    return f"{param_name(name)}[0]"


# --- descriptions ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spelled:
    """A description's class, the stem of its functions' names, and its parameters' keywords."""

    name: str
    stem: str
    keywords: Mapping[str, str]


# How names of functions begin and end: of those that a program calls, and of the inner ones.
_PUBLIC = tuple(
    (verb, f"{tail}{end}")
    for tail in ("", "_framed")
    for verb, end in (
        ("encode", ""), ("decode", ""), ("decode", "_from"), ("measure", ""), ("scan", ""),
    )
)  # fmt: skip
_INNER = ("get", "getf", "length", "put", "putf", "skip")


def public_names(stem: str) -> list[str]:
    """The functions of a description that a program calls."""
    return [f"{verb}_{stem}{end}" for verb, end in _PUBLIC]


def _functions(stem: str) -> set[str]:
    return {*public_names(stem), *(f"{verb}_{stem}" for verb in _INNER)}


def _snake(name: str) -> str:
    """CamelCase in words: a function's part of the name of a class."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower()


def spelled(plans: Iterable[plan.Plan]) -> dict[str, Spelled]:
    """How one module's descriptions are called, by key. Of two that would be called the same, the
    first in the text is.
    """
    taken: set[str] = set()
    found: dict[str, Spelled] = {}
    for one in sorted(plans, key=lambda p: (p.span.line, p.span.column, p.key)):
        name, stem = one.name, _snake(one.name)
        while name in taken or _is_taken(name):
            name += "_"
        taken.add(name)
        while not taken.isdisjoint(_functions(stem)):
            stem += "_"
        taken |= _functions(stem)
        found[one.key] = Spelled(name, stem, _keywords(one, _functions(stem)))
    return found


def _keywords(one: plan.Plan, functions: Set[str]) -> dict[str, str]:
    """The keyword arguments of a description's parameters."""
    words: dict[str, str] = {}
    for param in one.params:
        word = f"{param.name}_" if param.name.startswith("_") else param.name
        while (
            keyword.iskeyword(word)
            or word in PUBLIC_LOCALS
            or word in functions
            or word in words.values()
        ):
            word += "_"
        words[param.name] = word
    return words


# --- modules --------------------------------------------------------------------------------------


def module_paths(modules: Iterable[str]) -> dict[str, str]:
    """The Python modules of a schema's, by name: dotted, from the output folder on."""
    names = sorted(set(modules))
    folders = {_python_path(n).rpartition(".")[0] for n in names}
    folders |= {folder[: end.start()] for folder in folders for end in re.finditer(r"\.", folder)}
    taken, found = set(folders), dict[str, str]()
    # Those that keep their names come first: another's new name is not one of theirs.
    for name in sorted(names, key=lambda n: (_python_path(n) != n or n in folders, n)):
        path = _python_path(name)
        while path in taken:
            path += "_"
        taken.add(path)
        found[name] = path
    return found


def _python_path(module: str) -> str:
    first, *rest = (
        f"{part}_" if keyword.iskeyword(part) or part.startswith("__") else part
        for part in module.split(".")
    )
    return ".".join([f"{first}_" if first in MODULES | {"msgspec", "vmsc"} else first, *rest])
