"""Which bytes of QEMU's form a decoded value's parts are: description and value -> leaves, in
order.

A leaf is the least that has a value of its own: a number, a buffer, a string's length, a mark.
Law: the leaves tile the payload. Each begins where the one before it ends, the first at 0; the last
one's end is what `measure` says of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, assert_never

from vmsc.runtime.errors import ParamError
from vmsc.schema import ir
from vmsc.schema.ir.evaluate import Known, member_of, number_of, value_of

__all__ = ["MARKS", "Leaf", "Path", "leaves"]

Path = tuple[str | int, ...]

MARKS = frozenset({"header", "tag", "count", "length", "marker", "stop"})
"""Types of the leaves that no field holds: a subsection's header; a list's tag before each element,
and behind the last; a tree's count; a string's length; a nullable array's marker; a sentinel."""


class Leaf(NamedTuple):
    """`path` has the schema's names and indices, `wire_path` the names that QEMU records.

    `type` is the language's word for a number, or bytes, padding, opaque, text, custom, or one of
    MARKS.
    """

    path: Path
    wire_path: Path
    type: str
    offset: int
    size: int


def leaves(
    schema: ir.Schema,
    key: str,
    value: object,
    params: Mapping[str, Any],
    version: int | None = None,
    custom: Callable[[str, Any], int] | None = None,
) -> Iterator[Leaf]:
    """The leaves of the description `key`'s value, decoded with these parameters.

    `custom` gives the size of a value of a plugin's wire type, by the type's name.
    """
    description = schema.descriptions[key]
    walk = _Walk(schema.descriptions, custom)
    own = description.version if version is None else version
    defaults = {p.name: p.default for p in description.params if p.default is not None}
    yield from walk.description(description, value, {**defaults, **params}, own, (), ())


@dataclass
class _Walk:
    """Where the walk is: `at` is the next leaf's offset."""

    find: Mapping[str, ir.Description]
    custom: Callable[[str, Any], int] | None
    at: int = 0
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def recorded(self, description: ir.Description) -> tuple[str, ...]:
        """The names of the items as QEMU records them: with `[k]` where several have one name."""
        if description.key not in self.names:
            wires = [i.wire for i in description.items if isinstance(i, ir.Field | ir.Split)]
            self.names[description.key] = tuple(
                f"{wire}[{wires[:i].count(wire)}]" if wires.count(wire) > 1 else wire
                for i, wire in enumerate(wires)
            )
        return self.names[description.key]

    def leaf(self, type_: str, size: int, path: Path, wire: Path) -> Leaf:
        leaf = Leaf(path, wire, type_, self.at, size)
        self.at += size
        return leaf

    # --- descriptions -----------------------------------------------------------------------------

    def description(
        self,
        description: ir.Description,
        value: Any,
        params: Mapping[str, Any],
        version: int,
        path: Path,
        wire: Path,
    ) -> Iterator[Leaf]:
        """The body, round by round if it is a loop, then the subsections."""
        if description.kind == "loop":
            for i, each in enumerate(value):
                known = _known(description, each, params, version)
                yield from self._items(description, known, (*path, i), (*wire, i))
            return
        known = _known(description, value, params, version)
        yield from self._items(description, known, path, wire)
        for sub in description.subsections:
            inside = member_of(value, sub.name)
            if inside is not None:
                yield from self._subsection(sub, inside, known, path, wire)

    def _items(
        self, description: ir.Description, known: Known, path: Path, wire: Path
    ) -> Iterator[Leaf]:
        lets: dict[str, int] = {}
        known = Known(known.fields, lets, known.params, known.version)
        names = iter(self.recorded(description))
        for item in description.items:
            match item:
                case ir.Field():
                    here, there = (*path, item.name), (*wire, next(names))
                    if _present(item, known):
                        yield from self.type(item.type, known.fields[item.name], known, here, there)
                case ir.Split(scalar=scalar):
                    here, there = (*path, item.name), (*wire, next(names))
                    if _present(item, known):
                        yield self.leaf(scalar.name, scalar.size, here, there)
                        lets[item.name] = sum(known.fields[p.name] for p in item.parts)
                case ir.Let(name=name, value=expr):
                    lets[name] = number_of(expr, known)
                case ir.Break(condition=condition):
                    if number_of(condition, known):
                        return
                case ir.Require():
                    pass
                case _:
                    assert_never(item)

    def _subsection(
        self, sub: ir.Subsection, value: Any, known: Known, path: Path, wire: Path
    ) -> Iterator[Leaf]:
        called = self.find[sub.use.key]
        here, there = (*path, sub.name), (*wire, sub.wire)
        yield self.leaf("header", 6 + len(sub.wire.encode()), here, there)
        kept = "@version" in type(value).__struct_encode_fields__
        version = member_of(value, "@version") if kept else sub.version
        params = _bound(sub.use.arguments, known)
        yield from self.description(called, value, params, version, here, there)

    # --- types ------------------------------------------------------------------------------------

    def type(
        self, type_: ir.Type, value: Any, known: Known, path: Path, wire: Path
    ) -> Iterator[Leaf]:
        """One value's leaves."""
        match type_:
            case ir.Scalar(name=name, size=size):
                yield self.leaf(name, size, path, wire)
            case ir.Bytes():
                yield self.leaf("bytes", len(value), path, wire)
            case ir.Padding():
                yield self.leaf("padding", len(value), path, wire)
            case ir.Opaque():
                yield self.leaf("opaque", len(value), path, wire)
            case ir.String(prefix=prefix):
                yield self.leaf("length", prefix, path, wire)
                yield self.leaf("text", len(value), path, wire)
            case ir.Bitmap():
                yield from self._each(ir.SCALARS["u64"], value, known, path, wire)
            case ir.Array():
                for i, (here, element, each) in enumerate(_elements(type_, value, path)):
                    yield from self.type(element, each, known, here, (*wire, i))
            case ir.UntilSum(element=element):
                yield from self._each(element, value, known, path, wire)
            case ir.Until(element=element, scalar=scalar):
                yield from self._each(element, value, known, path, wire)
                yield self.leaf("stop", scalar.size, path, wire)
            case ir.ListOf(element=element):
                yield from self._each(element, value, known, path, wire, tag="tag")
                yield self.leaf("tag", 1, path, wire)
            case ir.Tree():
                yield from self._tree(type_, value, known, path, wire)
            case ir.Nullable():
                yield from self._nullable(type_, value, known, path, wire)
            case ir.Choice():
                yield from self.type(_arm(type_, known), value, known, path, wire)
            case ir.Within(inner=inner):
                yield from self.type(inner, value, known, path, wire)
            case ir.Use(key=key, arguments=arguments, version=version):
                called = self.find[key]
                params = _bound(arguments, known)
                own = called.version if version is None else version
                yield from self.description(called, value, params, own, path, wire)
            case ir.External(name=name):
                if self.custom is None:
                    raise ValueError(f"{path}: the size of the wire type '{name}' is not known")
                yield self.leaf("custom", self.custom(name, value), path, wire)
            case ir.Invalid():
                raise AssertionError("an invalid type is reported and never compiled")
            case _:
                assert_never(type_)

    def _each(
        self, element: ir.Type, value: Sequence[Any], known: Known, path: Path, wire: Path,
        tag: str = "",
    ) -> Iterator[Leaf]:  # fmt: skip
        for i, each in enumerate(value):
            here, there = (*path, i), (*wire, i)
            if tag:
                yield self.leaf(tag, 1, here, there)
            yield from self.type(element, each, known, here, there)

    def _tree(
        self, tree: ir.Tree, value: Sequence[Any], known: Known, path: Path, wire: Path
    ) -> Iterator[Leaf]:
        yield self.leaf("count", 4, path, wire)
        for i, (key, each) in enumerate(value):
            here, there = (*path, i), (*wire, i)
            yield self.leaf("tag", 1, here, there)
            yield from self.type(tree.key, key, known, (*here, 0), (*there, 0))
            yield from self.type(tree.value, each, known, (*here, 1), (*there, 1))
        yield self.leaf("tag", 1, path, wire)

    def _nullable(
        self, type_: ir.Nullable, value: Sequence[Any], known: Known, path: Path, wire: Path
    ) -> Iterator[Leaf]:
        for i, each in enumerate(value):
            here, there = (*path, i), (*wire, i)
            if each is None or type_.present is None:
                yield self.leaf("marker", 1, here, there)
            if each is not None:
                yield from self.type(type_.element, each, known, here, there)


def _elements(
    array: ir.Array, value: Sequence[Any], path: Path
) -> Iterator[tuple[Path, ir.Type, Any]]:
    """The elements of an array, of all its dimensions in one row, as QEMU counts them."""
    for i, each in enumerate(value):
        if isinstance(array.element, ir.Array):
            yield from _elements(array.element, each, (*path, i))
        else:
            yield (*path, i), array.element, each


def _known(
    description: ir.Description, value: Any, params: Mapping[str, Any], version: int
) -> Known:
    names: list[str] = []
    for item in description.items:
        if isinstance(item, ir.Field):
            names.append(item.name)
        elif isinstance(item, ir.Split):
            names += [part.name for part in item.parts]
    fields = {name: member_of(value, name) for name in names}
    return Known(fields, {}, params, version)


def _bound(arguments: Iterable[tuple[str, ir.Expr]], known: Known) -> dict[str, Any]:
    """What parameters are bound to. One that hangs on a parameter that is not given has no value,
    and is asked for only where something is there that hangs on it.
    """
    found: dict[str, Any] = {}
    for name, expr in arguments:
        with suppress(ParamError):
            found[name] = value_of(expr, known)
    return found


def _present(item: ir.Field | ir.Split, known: Known) -> bool:
    if item.since is not None:
        return known.version >= item.since
    return item.when is None or bool(number_of(item.when, known))


def _arm(choice: ir.Choice, known: Known) -> ir.Type:
    """The type of the arm that the choice falls on."""
    on = value_of(choice.on, known)
    on = on.decode("utf-8", "surrogateescape") if isinstance(on, bytes) else on
    arms = dict(choice.arms)
    found = arms.get(on, choice.otherwise)
    if found is None:
        raise ValueError(f"{on!r} is none of {', '.join(map(str, arms))}")
    return found
