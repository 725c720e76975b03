"""A second opinion: draw a value of a description, and with it the bytes that QEMU would write.

It reads the schema's meaning (vmsc.schema.ir) and follows QEMU's rules (VMState's fields,
subsections, lists) as plainly as they can be said. It knows neither plans nor generated code, but
for the classes that the values are made of.
"""

from __future__ import annotations

import struct
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, assert_never

import msgspec
from hypothesis import assume
from hypothesis import strategies as st

from vmsc.schema import ir
from vmsc.schema.ir.arithmetic import evaluate

__all__ = ["Drawn", "Model"]

_NONE: Mapping[str, int] = types.MappingProxyType({})
_ENDED = "@ended"  # stands among the lets of a loop's last round

MANY, LONG = 40, 1 << 16  # elements, bytes: more of them prove no more
ROUNDS = 4
DRAWN = 6  # elements of an array; the others are as these


class Draw(Protocol):
    def __call__(self, strategy: st.SearchStrategy[Any], /) -> Any: ...


Drawn = tuple[Any, bytes]


@dataclass
class Scope:
    """What expressions read: parameters, the version, and the fields and lets so far."""

    params: Mapping[str, Any]
    version: int
    fields: dict[str, Any] = field(default_factory=dict)
    lets: dict[str, int] = field(default_factory=dict)


@dataclass
class Model:
    """Draws from one schema; `modules` are the generated ones."""

    draw: Draw
    schema: ir.Schema
    modules: Mapping[str, types.ModuleType]

    # --- what a description needs -----------------------------------------------------------------

    def params(self, description: ir.Description) -> dict[str, Any]:
        return {p.name: self._param(p) for p in description.params}

    def _param(self, param: ir.Param) -> Any:
        match param.kind:
            case "words":
                return self.draw(st.sampled_from(param.words))
            case "bytes":
                return self.draw(st.binary(max_size=4))
            case "bits":
                return self.draw(st.integers(0, param.high))
            case _:
                return self.draw(st.integers(param.low, min(param.high, param.low + 5)))

    def version(self, description: ir.Description) -> int:
        return int(self.draw(st.integers(description.minimum, description.version)))

    # --- expressions ------------------------------------------------------------------------------

    def eval(self, expr: ir.Expr, scope: Scope) -> Any:
        """The expression's value; what is absent is 0, or empty."""
        match expr:
            case ir.Number(value=value):
                return value
            case ir.Text(value=text):
                return text
            case ir.Version():
                return scope.version
            case ir.Ref(kind="param", name=name):
                return scope.params[name]
            case ir.Ref(kind="let", name=name):
                return scope.lets[name]
            case ir.Ref(name=name, type=type_):
                return _there(scope.fields[name], type_)
            case ir.Member(of=of, name=name, type=type_):
                whole = self.eval(of, scope)
                return _there(_attribute(whole, name) if whole else None, type_)
            case ir.At(of=of, index=index):
                whole = self.eval(of, scope)
                return whole[self.eval(index, scope)] if whole else 0
            case ir.Operation(op="length", operands=(of,)):
                return len(self.eval(of, scope))
            case ir.Operation(op=op, operands=operands):
                values = [self.eval(e, scope) for e in operands]
                if op in _PEEKS:
                    return _PEEKS[op](*values)
                if any(isinstance(e, ir.Text) for e in operands):
                    texts = [v.encode() if isinstance(v, str) else v for v in values]
                    return int((texts[0] == texts[1]) == (op == "=="))
                return evaluate(op, values)
            case _:
                assert_never(expr)

    def count(self, expr: ir.Expr, scope: Scope) -> int:
        """How many elements."""
        found = self.size(expr, scope)
        assume(found <= MANY or isinstance(expr, ir.Number))
        return found

    def size(self, expr: ir.Expr, scope: Scope) -> int:
        """How many bytes, or plain numbers."""
        found = int(self.eval(expr, scope))
        assume(found <= LONG or isinstance(expr, ir.Number))
        return found

    # --- descriptions -----------------------------------------------------------------------------

    def description(
        self,
        key: str,
        params: Mapping[str, Any],
        version: int,
        forced: Mapping[str, int] = _NONE,
        avoided: Mapping[str, int] = _NONE,
    ) -> Drawn:
        """A value and its bytes. `forced` fields have that value, `avoided` ones do not."""
        one = self.schema.descriptions[key]
        if one.kind == "loop":
            return self._loop(one, params)
        scope = Scope(params, version)
        wire = self._body(one, scope, forced, avoided)
        given = dict(scope.fields)
        for sub in one.subsections:
            given[sub.name] = None
            if self.draw(st.booleans()):
                given[sub.name], body = self._subsection(sub, scope)
                wire += body
        return self._made(one, given), wire

    def _subsection(self, sub: ir.Subsection, scope: Scope) -> Drawn:
        version = int(self.draw(st.integers(sub.minimum, sub.version)))
        bound = {name: self.eval(e, scope) for name, e in sub.use.arguments}
        value, body = self.description(sub.use.key, bound, version)
        if sub.minimum < sub.version:
            value.version_ = version
        name = sub.wire.encode()
        return value, b"\5" + bytes([len(name)]) + name + version.to_bytes(4, "big") + body

    def _made(self, one: ir.Description, given: Mapping[str, Any]) -> Any:
        cls = getattr(self.modules[one.module], one.name)
        names = {f.encode_name: f.name for f in msgspec.structs.fields(cls)}
        return cls(**{names[name]: value for name, value in given.items()})

    def _loop(self, one: ir.Description, params: Mapping[str, Any]) -> Drawn:
        state = dict(params)
        rounds, wire = [], b""
        for number in range(12 * ROUNDS):
            kept = dict(state)
            scope = Scope(state, 0)
            forced = _last_round(one) if number >= ROUNDS else _NONE
            body = self._body(one, scope, forced, _NONE)
            ended = _ENDED in scope.lets
            if not ended and number >= ROUNDS:
                state = kept  # try another round, which may be the last
                continue
            rounds.append(self._made(one, {n: scope.fields.get(n) for n in _names(one)}))
            wire += body
            if ended:
                return rounds, wire
        assume(False)
        raise AssertionError

    def _body(
        self,
        one: ir.Description,
        scope: Scope,
        forced: Mapping[str, int],
        avoided: Mapping[str, int],
    ) -> bytes:
        wire = b""
        small = _small(one)
        inner: dict[str, Drawn] = {}
        for index, item in enumerate(one.items):
            match item:
                case ir.Field():
                    self._ahead(one.items[index + 1 :], item, scope, inner)
                    rest = one.items[index + 1 :]
                    wire += self._field(item, scope, small, inner, forced, avoided, rest)
                case ir.Split():
                    wire += self._split(item, scope, small)
                case ir.Let(name=name, value=expr):
                    scope.lets[name] = self.eval(expr, scope)
                case ir.Require(law=law):
                    assume(self.eval(law, scope))
                case ir.Break(condition=condition):
                    if self.eval(condition, scope):
                        scope.lets[_ENDED] = 1
                        return wire
                case _:
                    assert_never(item)
        return wire

    def _ahead(
        self,
        rest: tuple[ir.Item, ...],
        item: ir.Field,
        scope: Scope,
        inner: dict[str, Drawn],
    ) -> None:
        """Where a field says how long a `within` is that follows, that is drawn first."""
        for later in rest:
            match later:
                case ir.Field(type=ir.Within(length=ir.Ref(kind="field", name=name), inner=what)):
                    if name == item.name:
                        inner[later.name] = self.type(what, scope, frozenset())
                        inner[name] = (len(inner[later.name][1]), b"")
                case _:
                    pass

    def _present(self, item: ir.Field | ir.Split, scope: Scope) -> bool:
        if item.when is not None:
            return bool(self.eval(item.when, scope))
        return item.since is None or scope.version >= item.since

    def _field(
        self,
        item: ir.Field,
        scope: Scope,
        small: frozenset[str],
        inner: Mapping[str, Drawn],
        forced: Mapping[str, int],
        avoided: Mapping[str, int],
        rest: tuple[ir.Item, ...],
    ) -> bytes:
        name = item.name
        if not self._present(item, scope):
            scope.fields[name] = scope.params[name] if item.sticky else None
            return b""
        if isinstance(item.type, ir.Scalar) and item.type.name != "f64":
            low, high = self._bounds(item, scope)
            found = forced.get(name, inner.get(name, (None,))[0])
            draw = partial(self._number, low, high, name in small)
            value = self._fitting(name, draw, scope, rest) if found is None else int(found)
            assume(low <= value <= high and avoided.get(name) != value)
            wire = _packed(item.type, value)
        elif name in inner:
            value, wire = inner[name]
        elif name in small and isinstance(item.type, ir.Array):
            value, wire = self._row_of_bits(item.type, scope)
        else:
            value, wire = self.type(item.type, scope, small)
        scope.fields[name] = value
        if item.sticky:
            assert isinstance(scope.params, dict)
            scope.params[name] = value
        return wire

    def _fitting(
        self, name: str, draw: Callable[[], int], scope: Scope, rest: tuple[ir.Item, ...]
    ) -> int:
        """A number that the choices that follow have arms for, half the time a likely one."""
        likely = self._likely(name, scope, rest)
        value = draw() if likely is None or self.draw(st.booleans()) else likely
        for _ in range(40):
            if self._has_arm(name, value, scope, rest):
                break
            value = draw() if likely is None else likely
        return value

    def _likely(self, name: str, scope: Scope, rest: tuple[ir.Item, ...]) -> int | None:
        """A number that what follows speaks of, where few others would do: one that a law says it
        equals, or that a choice by it has an arm for.
        """
        found: list[int] = []
        for item in rest:
            match item:
                case ir.Require(
                    law=ir.Operation(op="==", operands=(ir.Ref(kind="field", name=other), expr))
                ) if other == name and not any(k == "field" for k, _ in ir.names_in(expr)):
                    return int(self.eval(expr, scope))
                case ir.Field(type=ir.Choice(on=ir.Ref(kind="field", name=other), arms=arms)) if (
                    other == name
                ):
                    found += [label for label, _ in arms if isinstance(label, int)]
                case _:
                    pass
        return int(self.draw(st.sampled_from(found))) if found else None

    def _has_arm(self, name: str, value: int, scope: Scope, rest: tuple[ir.Item, ...]) -> bool:
        """Whether the choices that follow have arms, if the field has this value."""
        ahead = Scope(scope.params, scope.version, {**scope.fields, name: value}, dict(scope.lets))
        for item in rest:
            try:
                match item:
                    case ir.Let(name=let, value=expr):
                        ahead.lets[let] = self.eval(expr, ahead)
                    case ir.Break(condition=condition) if self.eval(condition, ahead):
                        return True
                    case ir.Field(type=ir.Choice(on=on, arms=arms, otherwise=None)):
                        labels = [x.encode() if isinstance(x, str) else x for x, _ in arms]
                        if self.eval(on, ahead) not in [*labels, *(x for x, _ in arms)]:
                            return False
                    case _:
                        pass
            except KeyError:  # a field that is not drawn yet
                pass
        return True

    def _bounds(self, item: ir.Field, scope: Scope) -> tuple[int, int]:
        assert isinstance(item.type, ir.Scalar)
        low, high = ir.scalar_bounds(item.type)
        low = max(low, *(self.eval(e, scope) for e in (item.least, item.equals) if e), low)
        high = min(high, *(self.eval(e, scope) for e in (item.most, item.equals) if e), high)
        assume(low <= high)
        return low, high

    def _number(self, low: int, high: int, counted: bool) -> int:
        if counted:
            low = max(low, min(-2, high))
            high = min(high, low + 8)
        elif self.draw(st.booleans()):
            bit = 1 << self.draw(st.integers(0, 63))
            low, high = (bit, bit) if low <= bit <= high else (low, high)
        return int(self.draw(st.integers(low, high)))

    def _split(self, item: ir.Split, scope: Scope, small: frozenset[str]) -> bytes:
        if not self._present(item, scope):
            scope.fields |= {part.name: None for part in item.parts}
            scope.lets[item.name] = 0
            return b""
        word = self._number(*ir.scalar_bounds(item.scalar), False)
        for part in item.parts:
            if part.name in small and word & part.mask > 8 * (part.mask & -part.mask):
                word &= ~part.mask
            scope.fields[part.name] = word & part.mask
        scope.lets[item.name] = word
        return _packed(item.scalar, word)

    # --- types ------------------------------------------------------------------------------------

    def type(self, type_: ir.Type, scope: Scope, small: frozenset[str]) -> Drawn:
        match type_:
            case ir.Scalar(name="f64"):
                raw = self._bytes(8)
                return struct.unpack(">d", raw)[0], raw if type_.order == "big" else raw[::-1]
            case ir.Scalar():
                number = self._number(*ir.scalar_bounds(type_), False)
                return number, _packed(type_, number)
            case ir.Bytes(length=length) | ir.Padding(length=length):
                return (raw := self._bytes(self.size(length, scope))), raw
            case ir.Opaque(length=length):
                size = 3 if length is None else self.size(length, scope)
                return (raw := self._bytes(size)), raw
            case ir.String(prefix=prefix, limit=limit):
                size = self.draw(st.one_of(st.integers(0, min(limit, 4)), st.just(min(limit, 80))))
                raw = self._bytes(size)
                return raw, len(raw).to_bytes(prefix, "big") + raw
            case ir.Bitmap(bits=bits):
                return self._row(ir.SCALARS["u64"], -(-self.size(bits, scope) // 64))
            case ir.Array(element=ir.Scalar() as element, count=count):
                return self._row(element, self.size(count, scope))
            case ir.Use():
                return self._use(type_, scope)
            case ir.Choice():
                return self.type(self._arm(type_, scope), scope, small)
            case ir.Within(length=length, inner=inner):
                value, wire = self.type(inner, scope, small)
                assume(self.eval(length, scope) == len(wire))
                return value, wire
            case _:
                return self._list(type_, scope, small)

    def _list(self, type_: ir.Type, scope: Scope, small: frozenset[str]) -> Drawn:
        match type_:
            case ir.Array(element=element, count=count):
                many = self.count(count, scope)
                drawn = [self.type(element, scope, small) for _ in range(min(many, DRAWN))]
                return _joined([drawn[i % DRAWN] for i in range(many)])
            case ir.ListOf(element=element, tag=tag):
                drawn = [self.type(element, scope, small) for _ in self._some()]
                return [v for v, _ in drawn], b"".join(bytes([tag]) + w for _, w in drawn) + b"\0"
            case ir.Tree(key=key, value=value):
                pairs = [
                    (self.type(key, scope, small), self.type(value, scope, small))
                    for _ in self._some()
                ]
                wire = b"".join(b"\1" + k + v for (_, k), (_, v) in pairs)
                head = len(pairs).to_bytes(4, "big")
                return [(k, v) for (k, _), (v, _) in pairs], head + wire + b"\0"
            case ir.Until(element=element, member=member, scalar=scalar, stop=stop):
                drawn = [self._use(element, scope, avoided={member: stop}) for _ in self._some()]
                values, wire = _joined(drawn)
                return values, wire + _packed(scalar, stop)
            case ir.UntilSum(element=element, member=member, total=total):
                left = self.eval(total, scope)
                drawn = []
                while left > 0 and len(drawn) < ROUNDS:
                    size = self.draw(st.integers(0, left)) if len(drawn) < ROUNDS - 1 else left
                    drawn.append(self._use(element, scope, forced={member: size}))
                    left -= size
                return _joined(drawn)
            case ir.Nullable(element=element, count=count, present=present):
                return self._nullable(element, self.count(count, scope), present, scope)
            case _:
                raise AssertionError(f"no model of {type_}")

    def _nullable(
        self, element: ir.Type, count: int, present: ir.Expr | None, scope: Scope
    ) -> Drawn:
        drawn: list[Drawn] = []
        for index in range(count):
            if present is None:
                there = self.draw(st.booleans())
            else:
                there = self.eval(present, scope) >> index & 1
            value, wire = self.type(element, scope, frozenset()) if there else (None, b"0")
            drawn.append((value, b"1" + wire if there and present is None else wire))
        return _joined(drawn)

    def _use(
        self,
        use: ir.Use,
        scope: Scope,
        forced: Mapping[str, int] = _NONE,
        avoided: Mapping[str, int] = _NONE,
    ) -> Drawn:
        bound = {name: self.eval(e, scope) for name, e in use.arguments}
        version = use.version or self.schema.descriptions[use.key].version
        return self.description(use.key, bound, version, forced, avoided)

    def _arm(self, choice: ir.Choice, scope: Scope) -> ir.Type:
        on = self.eval(choice.on, scope)
        for label, arm in choice.arms:
            if on in (label, label.encode() if isinstance(label, str) else label):
                return arm
        assume(choice.otherwise is not None)
        assert choice.otherwise is not None
        return choice.otherwise

    def _some(self) -> range:
        return range(self.draw(st.integers(0, 3)))

    def _bytes(self, size: int) -> bytes:
        """A few bytes are drawn, the rest is as the last of them."""
        some: bytes = self.draw(st.binary(min_size=min(size, 1), max_size=min(size, 8)))
        return some + some[-1:] * (size - len(some))

    def _row_of_bits(self, array: ir.Array, scope: Scope) -> Drawn:
        """An array that a law speaks of: of 0s and 1s if it is one of numbers."""
        if not isinstance(array.element, ir.Scalar):
            return self.type(array, scope, frozenset())
        count = self.count(array.count, scope)
        bits = [self.draw(st.integers(0, 1)) for _ in range(count)]
        return bits, b"".join(_packed(array.element, bit) for bit in bits)

    def _row(self, scalar: ir.Scalar, count: int) -> Drawn:
        drawn = [self.type(scalar, Scope({}, 0), frozenset()) for _ in range(min(count, DRAWN))]
        return _joined(drawn + drawn[-1:] * (count - len(drawn)))


def _joined(drawn: list[Drawn]) -> tuple[list[Any], bytes]:
    return [value for value, _ in drawn], b"".join(wire for _, wire in drawn)


def _packed(scalar: ir.Scalar, value: int) -> bytes:
    order: Any = scalar.order
    return value.to_bytes(scalar.size, order, signed=scalar.signed)


def _there(value: Any, type_: ir.Type | None) -> Any:
    if value is not None:
        return value
    match type_:
        case ir.Bytes() | ir.String() | ir.Padding() | ir.Opaque():
            return b""
        case ir.Array() | ir.ListOf() | ir.Until() | ir.UntilSum() | ir.Use():
            return ()
        case _:
            return 0


def _attribute(value: Any, name: str) -> Any:
    (found,) = (f.name for f in msgspec.structs.fields(type(value)) if f.encode_name == name)
    return getattr(value, found)


def _names(one: ir.Description) -> list[str]:
    names: list[str] = []
    for item in one.items:
        match item:
            case ir.Field(name=name):
                names.append(name)
            case ir.Split(parts=parts):
                names += [part.name for part in parts]
            case _:
                pass
    return names


def _little(size: int) -> Callable[[bytes, int], int]:
    """The number of so many bytes from a place on, as if zeros followed the end."""
    return lambda data, at: sum(byte << 8 * n for n, byte in enumerate(data[at : at + size]))


def _capability(config: bytes, wanted: int) -> int:
    """Where a PCI configuration space's list of capabilities has this number; 0: nowhere."""
    space = (config + bytes(256))[:256]
    seen: set[int] = set()
    at = space[0x34] & ~3 if space[6] & 0x10 else 0
    while 0x40 <= at <= len(config) - 2 and at not in seen:
        seen.add(at)
        if space[at] == wanted:
            return at
        at = space[at + 1] & ~3
    return 0


_PEEKS = {"little16": _little(2), "little32": _little(4), "pci_capability": _capability}


def _last_round(one: ir.Description) -> dict[str, int]:
    """The fields that a loop ends with, as far as its condition says that they equal numbers."""
    found: dict[str, int] = {}
    parts = [item.condition for item in one.items if isinstance(item, ir.Break)]
    while parts:
        match parts.pop():
            case ir.Operation(op="and", operands=operands):
                parts += operands
            case ir.Operation(op="==", operands=(ir.Ref(kind="field", name=name), ir.Number(n))):
                found[name] = n
            case _:
                pass
    return found


def _small(one: ir.Description) -> frozenset[str]:
    """The fields that had better be small: what counts others, and what laws speak of."""
    exprs = [e for item in one.items if isinstance(item, ir.Field) for e in _lengths(item.type)]
    exprs += [e for sub in one.subsections for _, e in sub.use.arguments]
    exprs += [item.law for item in one.items if isinstance(item, ir.Require)]
    lets = {item.name: item.value for item in one.items if isinstance(item, ir.Let)}
    found: set[str] = set()
    while exprs:
        for kind, name in ir.names_in(exprs.pop()):
            if kind == "let" and name in lets:
                exprs.append(lets.pop(name))
            found.add(name)
    return frozenset(found)


def _lengths(type_: ir.Type) -> tuple[ir.Expr, ...]:
    """A type's expressions, but for what a choice is made by, and what a sum is of."""
    match type_:
        case ir.Choice(arms=arms, otherwise=otherwise):
            types_ = [t for _, t in arms] + ([otherwise] if otherwise else [])
            return tuple(e for t in types_ for e in _lengths(t))
        case ir.UntilSum(element=element):
            return ir.type_exprs(element)
        case _:
            return ir.type_exprs(type_)
