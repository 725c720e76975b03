"""Lay a description beside QEMU's record of it: constraints on parameters, and what does not fit.

Every expression is first written in terms of the section's own parameters: a nested description's
parameters are replaced by what they are bound to, a field that is not there by 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vmsc.params.alignment import Wanted, align, folded, may_vanish, same_name
from vmsc.params.constraints import Constraint
from vmsc.params.misfit import Misfit
from vmsc.params.qemu_types import same_type
from vmsc.params.size_expr import (
    Substitution,
    body_size,
    count_of,
    names_for,
    operation,
    presence,
    size_expr,
    truth,
)
from vmsc.schema import ir
from vmsc.schema.ir.evaluate import hangs_on_fields, substitute
from vmsc.schema.ir.expression_text import expr_text
from vmsc.schema.ir.text import type_text
from vmsc.stream.vmdesc import Body, Entries, Field, entries

__all__ = ["ConstraintCollector"]

_MAX_DEPTH = 128
_MAX_FIELDS = 1 << 12  # of one description


@dataclass
class ConstraintCollector:
    """Gathers constraints and misfits while a record is walked."""

    find: Mapping[str, ir.Description]
    constraints: list[Constraint] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)
    depth: int = 0

    # --- gathering --------------------------------------------------------------------------------

    def differs(self, path: str, code: str, expected: str, found: str) -> None:
        self.misfits.append(Misfit(path, code, expected, found))

    def require(self, expr: ir.Expr, low: int, high: int, path: str, found: str) -> None:
        """The expression lies within low..high. One that hangs on fields' values says nothing."""
        bounds = ir.expr_bounds(expr)
        if bounds is not None and (bounds[1] < low or high < bounds[0]):
            self.differs(path, "size", expr_text(expr), found)
        elif not isinstance(expr, ir.Number | ir.Text) and not hangs_on_fields(expr):
            self.constraints.append(Constraint(expr, low, high, path, found))

    def equal(self, expr: ir.Expr | None, number: int, path: str, found: str) -> None:
        if expr is not None:
            self.require(expr, number, number, path, found)

    def true(self, expr: ir.Expr, wanted: bool, path: str, found: str) -> None:
        """The condition holds, or does not; split where its parts say so one by one."""
        match expr:
            case ir.Operation(op="not", operands=(one,)):
                self.true(one, not wanted, path, found)
            case ir.Operation(op="and" | "or" as op, operands=parts) if (op == "and") == wanted:
                for part in parts:
                    self.true(part, wanted, path, found)
            case ir.Operation(op="!=", operands=(one, ir.Number(value=0))):
                self.true(one, wanted, path, found)
            case ir.Number(value=value):
                if bool(value) != wanted:
                    self.differs(path, "missing" if value else "extra", *_presence_words(wanted))
            case _:
                self.equal(truth(expr), int(wanted), path, found)

    # --- descriptions -----------------------------------------------------------------------------

    def body(self, description: ir.Description, body: Body, names: Substitution, path: str) -> None:
        """The fields and subsections of one description."""
        if self.depth > _MAX_DEPTH:
            return
        self.depth += 1
        body = folded(description, body, self.find)
        found = entries(body.fields)
        if len(found) > _MAX_FIELDS:
            self.differs(path, "extra", f"at most {_MAX_FIELDS} fields", str(len(found)))
            found = ()
        wanted = self._wanted(description, names)
        pairs = align(wanted, found, lambda w, e: self._plausible(w, e, names))
        self._pairs(description, pairs, names, path)
        self._subsections(description, body.subsections, names, path)
        self.depth -= 1

    def blob(self, description: ir.Description, body: Body, names: Substitution, path: str) -> None:
        """A section that QEMU wrote by open code: of its length alone it says something."""
        size = sum(e.size for e in entries(body.fields))
        if not description.subsections:
            total = body_size(description, names, self.find)
            self.equal(total, size, path, f"{size} bytes")

    def _wanted(self, description: ir.Description, names: Substitution) -> list[Wanted]:
        items = [i for i in description.items if isinstance(i, ir.Field | ir.Split)]
        wires = [i.wire for i in items]
        known = dict(names)
        result: list[Wanted] = []
        for item in description.items:
            if isinstance(item, ir.Let):
                known["let", item.name] = substitute(item.value, known)
            if not isinstance(item, ir.Field | ir.Split):
                continue
            twins = wires.count(item.wire) > 1
            twin = sum(w.wire == item.wire for w in result) if twins else None
            present = presence(item, known)
            result.append(Wanted(item.wire, twin, item, present, may_vanish(item)))
        return result

    def _plausible(self, wanted: Wanted, found: Entries, names: Substitution) -> bool:
        """Whether item and record could be the same by their sizes; of twins, by all there is."""
        if isinstance(wanted.item, ir.Split):
            return found.size == wanted.item.scalar.size
        type_ = wanted.item.type
        if wanted.twin is not None and same_name(wanted, found.name) is not None:
            trial = ConstraintCollector(self.find, depth=self.depth)
            trial.fit(type_, found, names, "")
            return all(m.harmless for m in trial.misfits)
        first = found.first
        if isinstance(type_, ir.Use) and first.struct is not None:
            return first.struct.vmsd_name == self.find[type_.key].wire
        if isinstance(type_, ir.Array) and first.struct is not None:
            element = count_of(type_, names)[1]
            same = isinstance(element, ir.Use) and self.find[element.key].wire
            return first.struct.vmsd_name == same
        size = size_expr(type_, names, self.find)
        bounds = None if size is None else ir.expr_bounds(size)
        return bounds is None or bounds[0] <= found.size <= bounds[1]

    def _pairs(
        self,
        description: ir.Description,
        pairs: Sequence[tuple[Wanted | None, Entries | None]],
        names: Substitution,
        path: str,
    ) -> None:
        known = dict(names)
        by_item = {id(w.item): e for w, e in pairs if w is not None}
        for wanted, found in pairs:
            if wanted is None and found is not None:
                size = f"'{found.name}', {found.first.type} of {found.size} bytes"
                self.differs(path, "extra", "no such field", size)
        for item in description.items:
            match item:
                case ir.Field() | ir.Split():
                    self._item(item, by_item.get(id(item)), known, f"{path}.{item.name}")
                case ir.Let(name=name, value=value):
                    known["let", name] = substitute(value, known)
                case ir.Require(law=law, text=text):
                    law = substitute(law, known)
                    if not isinstance(law, ir.Number) and not hangs_on_fields(law):
                        self.true(law, True, path, f"a section that breaks '{text}'")
                case ir.Break():
                    pass

    def _item(
        self,
        item: ir.Field | ir.Split,
        found: Entries | None,
        known: dict[tuple[str, str], ir.Expr],
        path: str,
    ) -> None:
        present = presence(item, known)
        if found is None:
            self._absent(item, present, known, path)
            known.update((name, _nothing(item)) for name in _names_of(item))
            return
        if present is not None:
            self.true(present, True, path, "it is there")
        if not any(same_name(w, found.name) is not None for w in _alone(item)):
            self.differs(path, "name", f"'{item.wire}'", f"'{found.name}'")
        if isinstance(item, ir.Split):
            self._scalar(item.scalar, found, path)
            return
        if isinstance(item.equals, ir.Number):
            known["field", item.name] = item.equals
        self.fit(item.type, found, known, path)

    def _absent(
        self, item: ir.Field | ir.Split, present: ir.Expr | None, names: Substitution, path: str
    ) -> None:
        empty: ir.Expr | None = None
        if isinstance(item, ir.Field) and may_vanish(item):
            match item.type:
                case ir.Array():
                    empty = operation("==", count_of(item.type, names)[0], ir.Number(0))
                case ir.Nullable(count=count):
                    empty = operation("==", substitute(count, names), ir.Number(0))
                case _:
                    return
        if present is None:
            if empty is None:
                self.differs(path, "missing", f"'{item.wire}'", "no such field")
            else:
                self.true(empty, True, path, "no element")
        elif empty is None:
            self.true(present, False, path, "it is not there")
        else:
            gone = operation("or", operation("==", truth(present), ir.Number(0)), empty)
            self.true(gone, True, path, "it is not there, or has no element")

    def _subsections(
        self, description: ir.Description, found: Sequence[Body], names: Substitution, path: str
    ) -> None:
        known = {s.wire: s for s in description.subsections}
        order = list(known)
        last = -1
        for body in found:
            sub = known.get(body.vmsd_name)
            if sub is None:
                there = ", ".join(f"'{w}'" for w in known) or "no subsection"
                self.differs(path, "subsection", there, f"'{body.vmsd_name}'")
                continue
            where = f"{path}.{sub.name}"
            if order.index(sub.wire) <= last:
                self.differs(where, "subsection", "each once, in order", f"'{body.vmsd_name}'")
            last = order.index(sub.wire)
            if not sub.minimum <= body.version <= sub.version:
                versions = f"version {sub.minimum} to {sub.version}"
                self.differs(where, "version", versions, f"version {body.version}")
            called = self.find[sub.use.key]
            inner = names_for(sub.use, called, names) | {("version", ""): ir.Number(body.version)}
            self.body(called, body, inner, where)

    # --- types ------------------------------------------------------------------------------------

    def fit(self, type_: ir.Type, found: Entries, names: Substitution, path: str) -> None:
        """One value beside its record."""
        match type_:
            case ir.Nullable():
                self._nullable(type_, found, names, path)
                return
            case ir.Choice():
                self._choice(type_, found, names, path)
                return
            case ir.Array():
                self._array(type_, found, names, path)
                return
        if any(f.null for f in found.fields):
            self.differs(path, "null", type_text(type_), "a null pointer")
            return
        match type_:
            case ir.Scalar():
                self._scalar(type_, found, path)
            case ir.Use():
                self._use(type_, found, names, path)
            case ir.ListOf(element=ir.Use() as element):
                for i, body in enumerate(found.first.elements):
                    self._nested(element, body, names, f"{path}[{i}]")
            case ir.Tree(key=key, value=value):
                self._tree(key, value, found.first.elements, names, path)
            case _:
                size = size_expr(type_, names, self.find)
                self.equal(size, found.size, path, f"{found.size} bytes")

    def _scalar(self, scalar: ir.Scalar, found: Entries, path: str) -> None:
        shown = f"{found.first.type} of {found.size} bytes"
        if found.size != scalar.size:
            self.differs(path, "size", f"{scalar.name} of {scalar.size} bytes", shown)
        elif not same_type(scalar, found.first.type):
            self.differs(path, "type", type_text(scalar), found.first.type)

    def _use(self, use: ir.Use, found: Entries, names: Substitution, path: str) -> None:
        if found.first.struct is not None:
            if not found.single and found.count != 1:
                self.differs(path, "size", "one element", f"{found.count}")
            self._nested(use, found.first.struct, names, path)
            return
        size = size_expr(use, names, self.find)
        self.equal(size, found.size, path, f"{found.size} bytes")

    def _nested(self, use: ir.Use, body: Body, names: Substitution, path: str) -> None:
        called = self.find[use.key]
        version = called.version if use.version is None else use.version
        if called.kind == "vmsd":
            if body.vmsd_name != called.wire:
                self.differs(path, "name", f"'{called.wire}'", f"'{body.vmsd_name}'")
            if body.version != version:
                self.differs(path, "version", f"version {version}", f"version {body.version}")
        self.body(called, body, names_for(use, called, names), path)

    def _array(self, array: ir.Array, found: Entries, names: Substitution, path: str) -> None:
        count, element = count_of(array, names)
        if found.single and not self._is_element(element, found.first, names):
            size = size_expr(array, names, self.find)
            self.equal(size, found.size, path, f"{found.size} bytes")
            return
        self.equal(count, found.count, path, f"{found.count} elements")
        for i, entry in enumerate(found.fields):
            where = f"{path}[{entry.index if entry.index is not None else i}]"
            self.fit(element, Entries(found.name, (_element(entry),)), names, where)

    def _is_element(self, element: ir.Type, entry: Field, names: Substitution) -> bool:
        """Whether an entry that tells of no array is of one element, or all of it in one piece."""
        if isinstance(element, ir.Use) and entry.struct is not None:
            return True
        size = size_expr(element, names, self.find)
        return isinstance(size, ir.Number) and size.value == entry.size

    def _nullable(self, type_: ir.Nullable, found: Entries, names: Substitution, path: str) -> None:
        self.equal(substitute(type_.count, names), found.count, path, f"{found.count} elements")
        mask, at = 0, 0
        for entry in found.fields:
            if not entry.null:
                mask |= ((1 << min(entry.count, 1 << 16)) - 1) << at
                where = f"{path}[{at}]"
                self.fit(type_.element, Entries(found.name, (_element(entry),)), names, where)
            at = min(at + entry.count, 1 << 16)
        if type_.present is not None:
            self.equal(substitute(type_.present, names), mask, path, f"elements {mask:#b} there")

    def _tree(
        self, key: ir.Type, value: ir.Type, bodies: Sequence[Body], names: Substitution, path: str
    ) -> None:
        """A tree's keys are recorded where they are descriptions, each before its value."""
        kinds = (key, value) if isinstance(key, ir.Use) else (value,)
        for i, body in enumerate(bodies):
            kind = kinds[i % len(kinds)]
            if isinstance(kind, ir.Use):
                self._nested(kind, body, names, f"{path}[{i // len(kinds)}]")

    def _choice(self, choice: ir.Choice, found: Entries, names: Substitution, path: str) -> None:
        """The arms that fit are those that the choice can have fallen on."""
        on = substitute(choice.on, names)
        good: list[tuple[ir.Expr, ConstraintCollector]] = []
        for label, type_ in choice.arms:
            shown = ir.Text(label) if isinstance(label, str) else ir.Number(label)
            taken = operation("==", on, shown)
            trial = ConstraintCollector(self.find, depth=self.depth)
            trial.fit(type_, found, names, path)
            possible = not isinstance(taken, ir.Number) or taken.value
            if possible and not trial.misfits:
                good.append((taken, trial))
        if len(good) == 1 and choice.otherwise is None:
            self.constraints += good[0][1].constraints
        if choice.otherwise is not None:
            return
        if not good:
            self.differs(path, "size", type_text(choice), f"{found.size} bytes")
        elif not any(isinstance(taken, ir.Number) for taken, _ in good):
            self.true(operation("or", *(t for t, _ in good)), True, path, "an arm that fits")


def _element(entry: Field) -> Field:
    """One element of an entry."""
    return Field(
        entry.name, entry.type, entry.size, None, None, entry.struct, entry.elements, entry.null
    )


def _alone(item: ir.Field | ir.Split) -> tuple[Wanted, ...]:
    return (Wanted(item.wire, None, item, None, False),)


def _names_of(item: ir.Field | ir.Split) -> tuple[tuple[str, str], ...]:
    """What expressions call it: a field, or a word and its parts."""
    if isinstance(item, ir.Field):
        return (("field", item.name),)
    return (("let", item.name), *(("field", p.name) for p in item.parts))


def _nothing(item: ir.Field | ir.Split) -> ir.Expr:
    """What an absent field reads as."""
    text = isinstance(item, ir.Field) and isinstance(item.type, ir.Bytes | ir.String)
    return ir.Text("") if text else ir.Number(0)


def _presence_words(wanted: bool) -> tuple[str, str]:
    return ("no such field", "one") if wanted else ("the field", "none")
