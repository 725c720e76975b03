"""A description's functions: the inner ones, which generated code calls, and the public ones, which
check what they are given. Where there is nothing to check but a device's version, one function is
both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vmsc import plan
from vmsc.plan.analysis import needed_by_scan

from .code import Code, keyword_name, param_name, snake, wrapped
from .consts import Consts
from .emit.framed_decode import FramedDecode
from .emit.framed_encode import FramedEncode
from .emit.function import Function, Tail
from .emit.qemu_decode import QemuDecode
from .emit.qemu_encode import QemuEncode
from .emit.qemu_measure import QemuMeasure
from .emit.qemu_scan import QemuScan
from .emit.reader import all_names
from .emit.writer import only_run, read_field, write_run
from .expressions import Names
from .linking import Linker, local

__all__ = ["codec_lines", "inner_functions", "public_functions"]


def _direct(one: plan.Plan, link: Linker) -> bool:
    """Whether the public functions that read QEMU's form are the inner ones as well. (A `vmsd` is
    mostly read within another, where its version needs no check.)
    """
    return (
        one.kind in ("device", "struct", "loop")
        and not one.params
        and not link.takes_version(one.key)
        and not link.is_peeked(one.key)
    )


@dataclass(frozen=True)
class _Inner:
    """An inner function's name, what it is given first, and what writes its body."""

    stem: str
    first: str
    body: Callable[[Code], None]


def _readers(one: plan.Plan, link: Linker, consts: Consts) -> Iterator[_Inner]:
    names, scanned, built = Names(local), needed_by_scan(one), all_names(one)
    notes = "notes" if link.is_resumable(one.key) else ""

    def function(code: Code, wanted: frozenset[str] = built) -> Function:
        return Function(one, link, consts, code, names, wanted)

    yield _Inner("get", "buf, pos, final", lambda code: QemuDecode(function(code)).body())
    yield _Inner(
        "skip",
        f"buf, pos, final{notes and ', notes'}",
        lambda code: QemuScan(function(code, scanned), Tail(notes=notes)).body(),
    )
    yield _Inner("getf", "buf, pos", lambda code: FramedDecode(function(code)).body())


def _writers(one: plan.Plan, link: Linker, consts: Consts) -> Iterator[_Inner]:
    names, measured, built = Names(read_field), needed_by_scan(one), all_names(one)
    value = "rounds" if one.kind == "loop" else "value"

    def function(code: Code, wanted: frozenset[str] = built) -> Function:
        return Function(one, link, consts, code, names, wanted)

    yield _Inner("put", f"put, {value}", lambda code: QemuEncode(function(code)).body())
    yield _Inner("length", value, lambda code: QemuMeasure(function(code, measured)).body())
    yield _Inner("putf", f"put, {value}", lambda code: FramedEncode(function(code)).body())


def _inner_signature(one: plan.Plan, link: Linker, first: str) -> str:
    params = "".join(f", {param_name(p.name)}" for p in one.params)
    version = ", version" if link.takes_version(one.key) else ""
    return f"{first}{version}{params}"


def inner_functions(one: plan.Plan, link: Linker, consts: Consts) -> Iterable[list[str]]:
    """What reads and writes, called with all arguments and nothing checked."""
    for inner in (*_readers(one, link, consts), *_writers(one, link, consts)):
        if inner.stem in ("get", "skip") and _direct(one, link):
            continue
        code = Code()
        signature = _inner_signature(one, link, inner.first)
        with code.block(f"def {inner.stem}_{snake(one.name)}({signature}):"):
            inner.body(code)
        yield code.lines


@dataclass(frozen=True)
class _Params:
    """The keywords of a description's public functions, with defaults and without; the lines that
    check them; and how they are handed to the inner functions.
    """

    heads: str
    again: str
    checks: list[str]
    passed: str

    @property
    def star(self) -> str:
        return f", *{self.heads}" if self.heads else ""


def _public_params(one: plan.Plan, link: Linker) -> _Params:
    heads, again, checks, passed = "", "", list[str](), ""
    if one.kind in ("device", "vmsd"):
        heads, again = f", version={one.version}", ", version=version"
        if link.takes_version(one.key):
            passed += ", version=version"
    for param in one.params:
        name = keyword_name(param.name)
        heads += f", {name}={param.default!r}"
        again += f", {name}={name}"
        value = f"[{name}]" if param.sticky else name
        passed += f", {param_name(param.name)}={value}"
        if param.kind == "words":
            checks.append(f"{name} = _w.word_param({param.name!r}, {name}, {param.words!r})")
        elif param.kind != "bytes":
            bounds = f"{hex(param.low)}, {hex(param.high)}"
            checks.append(f"{name} = _w.param({param.name!r}, {name}, {bounds})")
    return _Params(heads, again, checks, passed)


def public_functions(one: plan.Plan, link: Linker, consts: Consts) -> Iterable[list[str]]:
    """What a program calls: a codec's functions, for both profiles."""
    params = _public_params(one, link)
    get, skip, _ = _readers(one, link, consts)
    yield _qemu_decode_from(one, link, params, get)
    yield _decode_whole(one, params, "")
    yield _qemu_scan(one, link, params, skip)
    yield _encode(one, link, consts, params)
    yield _measure(one, params)
    yield _framed_decode_from(one, params)
    yield _decode_whole(one, params, "_framed")
    yield _framed_scan(one, params)
    yield _framed_encode(one, params)
    yield _framed_measure(one, params)


def _version_check(one: plan.Plan, at: str) -> list[str]:
    if one.kind not in ("device", "vmsd"):
        return []
    return [
        f"if not {one.minimum} <= version <= {one.version}:",
        f"    _w.check_version(version, {one.minimum}, {one.version}, {at})",
    ]


# --- reading --------------------------------------------------------------------------------------


def _qemu_decode_from(one: plan.Plan, link: Linker, params: _Params, get: _Inner) -> list[str]:
    name, code = snake(one.name), Code()
    with code.block(f"def decode_{name}_from(buf, pos=0, final=True{params.star}):"):
        code(f'"""({one.name}, end) of the value that begins at `pos`."""')
        code.extend([*_version_check(one, "pos"), *params.checks])
        if _direct(one, link):
            get.body(code)
        else:
            _call_inner(code, one, link, f"get_{name}", "", params.passed)
    if _direct(one, link):
        code.extend(["", "", f"get_{name} = decode_{name}_from"])
    return code.lines


def _call_inner(
    code: Code, one: plan.Plan, link: Linker, inner: str, notes: str, passed: str
) -> None:
    """Return what the inner function gives.

    Where another description's subsections may be peeked for within this one, an 05 that ends the
    input is taken for what follows them. If that cannot be, or leaves it over, it was a header that
    is cut: the input is read again so.
    """

    def call(final: str, told: str) -> str:
        return f"{inner}(buf, pos, {final}{notes and f', {told}'}{passed})"

    if not link.is_peeked(one.key):
        code(f"return {call('final', 'notes')}")
        return
    found = "end" if inner.startswith("skip") else "value, end"
    with code.block("try:"):
        code(f"{found} = {call('final', 'notes')}")
    with code.block("except _DecodeError:"):
        with code.block("if not final or 5 not in buf[-2:]:"):
            code("raise")
    with code.block("else:"):
        with code.block("if not final or end == len(buf) or 5 not in buf[-2:]:"):
            code(f"return {found}")
    code(f"return {call('_w.CUT', 'None')}")


def _decode_whole(one: plan.Plan, params: _Params, tail: str) -> list[str]:
    name, code = snake(one.name), Code()
    with code.block(f"def decode_{name}{tail}(buf{params.star}):"):
        code(f'"""The {one.name} that is all of `buf`."""')
        with code.block("if type(buf) is not bytes:"):
            code("_w.check_buffer(buf)")
        code(f"value, end = decode_{name}{tail}_from(buf{params.again})")
        with code.block("if end != len(buf):"):
            code("_w.finished(end, len(buf))")
        code("return value")
    return code.lines


def _qemu_scan(one: plan.Plan, link: Linker, params: _Params, skip: _Inner) -> list[str]:
    name, code = snake(one.name), Code()
    notes = "notes" if link.is_resumable(one.key) else ""
    head = f"{notes and ', notes=None'}{params.star}"
    with code.block(f"def scan_{name}(buf, pos=0, final=True{head}):"):
        code(f'"""The end of the {one.name} that begins at `pos`; builds nothing."""')
        code.extend([*_version_check(one, "pos"), *params.checks])
        if _direct(one, link):
            skip.body(code)
        else:
            _call_inner(code, one, link, f"skip_{name}", notes, params.passed)
    if _direct(one, link):
        code.extend(["", "", f"skip_{name} = scan_{name}"])
    return code.lines


def _framed_decode_from(one: plan.Plan, params: _Params) -> list[str]:
    """Decode a framed value: its head says where it ends."""
    name, code = snake(one.name), Code()
    kind, what = ("LIST", "loop") if one.kind == "loop" else ("STRUCT", "description")
    start = "pos" if one.kind == "loop" else "start"  # a loop reads its own head
    with code.block(f"def decode_{name}_framed_from(buf, pos=0, final=True{params.star}):"):
        code(f'"""({one.name}, end) of the value that begins at `pos`."""')
        code.extend([*_version_check(one, "pos"), *params.checks])
        code(f"sub, start, end = _w.closed(buf, pos, _w.{kind})")
        with code.block("try:"):
            code(f"value, pos = getf_{name}(sub, {start}{params.passed})")
        with code.block("except _Truncated as fault:"):
            code(f"raise _w.overrun(fault, end, 'the {what}') from None")
        code(f"_w.leftover(pos, end, 'the {what}') if pos != end else None")
        code("return value, end")
    return code.lines


def _framed_scan(one: plan.Plan, params: _Params) -> list[str]:
    name, code = snake(one.name), Code()
    with code.block(f"def scan_{name}_framed(buf, pos=0, final=True{params.star}):"):
        code(f'"""The end of the {one.name} that begins at `pos`; builds nothing."""')
        code(f"return _w.item(buf, pos, _w.{'LIST' if one.kind == 'loop' else 'STRUCT'})[1]")
    return code.lines


# --- writing --------------------------------------------------------------------------------------


def _unfit(code: Code, one: plan.Plan) -> None:
    with code.block("except _Shape as fault:"):
        code(f"raise _w.unfit(fault, {one.name!r}) from fault")


def _encode(one: plan.Plan, link: Linker, consts: Consts, params: _Params) -> list[str]:
    name, code, run = snake(one.name), Code(), only_run(one)
    with code.block(f"def encode_{name}(value{params.star}):"):
        code(f'"""The bytes of a {one.name}."""')
        code.extend([*_version_check(one, "None"), *params.checks])
        if run is None:
            code("out: list[bytes] = []")
        with code.block("try:"):
            if run is not None:  # there is no list of pieces to join
                function = Function(one, link, consts, code, Names(read_field), frozenset())
                write_run(function, run, "return ", framed=False)
            else:
                code(f"put_{name}(out.append, value{params.passed})")
                code('return b"".join(out)')
        _unfit(code, one)
    return code.lines


def _framed_encode(one: plan.Plan, params: _Params) -> list[str]:
    name, code = snake(one.name), Code()
    with code.block(f"def encode_{name}_framed(value{params.star}):"):
        code(f'"""The bytes of a {one.name}."""')
        code.extend([*_version_check(one, "None"), *params.checks])
        code("out: list[bytes] = []")
        with code.block("try:"):
            code(f"putf_{name}(out.append, value{params.passed})")
            code('return b"".join(out)' if one.kind == "loop" else "return _w.struct_item(out)")
        _unfit(code, one)
    return code.lines


def _measure(one: plan.Plan, params: _Params) -> list[str]:
    name, code = snake(one.name), Code()
    with code.block(f"def measure_{name}(value{params.star}):"):
        code(f'"""How many bytes encode_{name} makes of it."""')
        code.extend([*_version_check(one, "None"), *params.checks])
        with code.block("try:"):
            code(f"return length_{name}(value{params.passed})")
        _unfit(code, one)
    return code.lines


def _framed_measure(one: plan.Plan, params: _Params) -> list[str]:
    name, code = snake(one.name), Code()
    with code.block(f"def measure_{name}_framed(value{params.star}):"):
        code(f'"""How many bytes encode_{name}_framed makes of it."""')
        code(f"return len(encode_{name}_framed(value{params.again}))")
    return code.lines


# --- the entry of CODECS --------------------------------------------------------------------------


def _called(one: plan.Plan) -> dict[str, str]:
    """The parameters whose keyword is another word than their name."""
    names = {p.name: keyword_name(p.name) for p in one.params}
    return {name: word for name, word in names.items() if name != word}


def codec_lines(one: plan.Plan, link: Linker) -> list[str]:
    """The description's entry of CODECS."""
    name = snake(one.name)
    lines = [f"{one.name!r}: Codec("]
    lines.append(f"    {one.wire!r}, {one.kind!r}, {one.version}, {one.minimum}, {one.name},")
    lines.append(f"    {one.size_class!r}, bytes.fromhex({one.digest.hex()!r}),")
    lines.append("    (")
    for p in one.params:
        lines.append(f"        Param({p.name!r}, {p.doc!r}, {hex(p.low)}, {hex(p.high)},")
        places = f", {p.places!r}" if p.places else ""
        lines.append(f"              {p.words!r}, {p.default!r}, {p.kind!r}, {p.sticky}{places}),")
    lines.append("    ),")
    for tail in ("", "_framed"):
        functions = [f"encode_{name}{tail}", f"decode_{name}{tail}", f"decode_{name}{tail}_from",
                     f"measure_{name}{tail}", f"scan_{name}{tail}"]  # fmt: skip
        if renamed := _called(one):
            functions = [f"_w.renamed({function}, {renamed!r})" for function in functions]
        lines += ["    " + line for line in wrapped(functions, "Profile(", "),", 1)]
    return [*lines, *(["    notes=True,"] if link.is_resumable(one.key) else []), "),"]
