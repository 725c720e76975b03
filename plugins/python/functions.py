"""A description's functions: the inner ones, which generated code calls, and the public ones, which
check what they are given. Where there is nothing to check but a device's version, one function is
both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vmsc import plan

from .code import Code, keyword_name, param_name, snake, wrapped
from .consts import Consts
from .linking import Linker, takes_version
from .reading import Reader
from .resuming import noted
from .writing import Writer

__all__ = ["codec_lines", "inner_functions", "public_functions"]


def _direct(one: plan.Plan) -> bool:
    """Whether the public functions that read QEMU's form are the inner ones as well. (A `vmsd` is
    mostly read within another, where its version needs no check.)
    """
    return one.kind in ("device", "struct", "loop") and not one.params and not takes_version(one)


def _inner_signature(one: plan.Plan, first: str) -> str:
    params = "".join(f", {param_name(p.name)}" for p in one.params)
    version = ", version" if takes_version(one) else ""
    return f"{first}{version}{params}"


def inner_functions(one: plan.Plan, link: Linker, consts: Consts) -> Iterable[list[str]]:
    """What reads and writes, called with all arguments by position and nothing checked."""
    name = snake(one.name)
    for stem, framed, build in (("get", False, True), ("skip", False, False), ("getf", True, True)):
        if _direct(one) and not framed:
            continue
        code = Code()
        final = "" if framed else ", final"
        final += ", notes" if stem == "skip" and noted(one, link) else ""
        with code.block(f"def {stem}_{name}({_inner_signature(one, f'buf, pos{final}')}):"):
            Reader(one, link, consts, code, framed, build).body()
        yield code.lines
    value = "rounds" if one.kind == "loop" else "value"
    for stem, framed, write in (
        ("put", False, True),
        ("length", False, False),
        ("putf", True, True),
    ):
        code = Code()
        first = f"put, {value}" if write else value
        with code.block(f"def {stem}_{name}({_inner_signature(one, first)}):"):
            Writer(one, link, consts, code, framed, write).body()
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


def _public_params(one: plan.Plan) -> _Params:
    heads, again, checks, passed = "", "", [], ""
    if one.kind in ("device", "vmsd"):
        heads, again = f", version={one.version}", ", version=version"
        if takes_version(one):
            passed += ", version=version"
    for param in one.params:
        name = keyword_name(param.name)
        heads += f", {name}={param.default!r}"
        again += f", {name}={name}"
        passed += f", {param_name(param.name)}={name}"
        if param.kind == "words":
            checks.append(f"{name} = _w.word_param({param.name!r}, {name}, {param.words!r})")
        elif param.kind != "bytes":
            bounds = f"{hex(param.low)}, {hex(param.high)}"
            checks.append(f"{name} = _w.param({param.name!r}, {name}, {bounds})")
    return _Params(heads, again, checks, passed)


def public_functions(one: plan.Plan, link: Linker, consts: Consts) -> Iterable[list[str]]:
    """What a program calls: a codec's functions, for both profiles."""
    for framed in (False, True):
        yield from _public_reading(one, framed, link, consts)
        yield from _public_writing(one, framed, link, consts)


def _version_check(one: plan.Plan, at: str) -> list[str]:
    if one.kind not in ("device", "vmsd"):
        return []
    return [
        f"if not {one.minimum} <= version <= {one.version}:",
        f"    _w.check_version(version, {one.minimum}, {one.version}, {at})",
    ]


def _whole(one: plan.Plan, passed: str) -> list[str]:
    """Decode a framed value: its head says where it ends."""
    kind, what = ("LIST", "loop") if one.kind == "loop" else ("STRUCT", "description")
    # A loop reads its own head.
    start = "pos" if one.kind == "loop" else "start"
    return [
        f"sub, start, end = _w.closed(buf, pos, _w.{kind})",
        "try:",
        f"    value, pos = getf_{snake(one.name)}(sub, {start}{passed})",
        "except _Truncated as fault:",
        f"    raise _w.overrun(fault, end, 'the {what}') from None",
        f"_w.leftover(pos, end, 'the {what}') if pos != end else None",
        "return value, end",
    ]


def _public_reading(
    one: plan.Plan, framed: bool, link: Linker, consts: Consts
) -> Iterable[list[str]]:
    name, tail = snake(one.name), "_framed" if framed else ""
    params = _public_params(one)
    star = ", *" if params.heads else ""
    code = Code()
    with code.block(f"def decode_{name}{tail}_from(buf, pos=0, final=True{star}{params.heads}):"):
        code(f'"""({one.name}, end) of the value that begins at `pos`."""')
        code.extend([*_version_check(one, "pos"), *params.checks])
        if framed:
            code.extend(_whole(one, params.passed))
        elif _direct(one):
            Reader(one, link, consts, code, False, True).body()
        else:
            code(f"return get_{name}(buf, pos, final{params.passed})")
    if _direct(one) and not framed:
        code.extend(["", "", f"get_{name} = decode_{name}_from"])
    yield code.lines
    code = Code()
    with code.block(f"def decode_{name}{tail}(buf{star}{params.heads}):"):
        code(f'"""The {one.name} that is all of `buf`."""')
        code(f"value, end = decode_{name}{tail}_from(buf{params.again})")
        code("_w.finished(end, len(buf))")
        code("return value")
    yield code.lines
    yield _scanning(one, framed, link, consts)


def _scanning(one: plan.Plan, framed: bool, link: Linker, consts: Consts) -> list[str]:
    name, tail = snake(one.name), "_framed" if framed else ""
    params = _public_params(one)
    code = Code()
    takes_notes = not framed and noted(one, link)
    head, notes = (", notes=None", ", notes") if takes_notes else ("", "")
    head += ", *" if params.heads else ""
    with code.block(f"def scan_{name}{tail}(buf, pos=0, final=True{head}{params.heads}):"):
        code(f'"""The end of the {one.name} that begins at `pos`; builds nothing."""')
        if framed:
            code(f"return _w.item(buf, pos, _w.{'LIST' if one.kind == 'loop' else 'STRUCT'})[1]")
            return code.lines
        code.extend([*_version_check(one, "pos"), *params.checks])
        if _direct(one):
            Reader(one, link, consts, code, False, False).body()
        else:
            code(f"return skip_{name}(buf, pos, final{notes}{params.passed})")
    if _direct(one):
        code.extend(["", "", f"skip_{name} = scan_{name}"])
    return code.lines


def _public_writing(
    one: plan.Plan, framed: bool, link: Linker, consts: Consts
) -> Iterable[list[str]]:
    name, tail = snake(one.name), "_framed" if framed else ""
    params = _public_params(one)
    star = f", *{params.heads}" if params.heads else ""
    code = Code()
    with code.block(f"def encode_{name}{tail}(value{star}):"):
        code(f'"""The bytes of a {one.name}."""')
        code.extend([*_version_check(one, "None"), *params.checks])
        writer = Writer(one, link, consts, code, False)
        run = None if framed else writer.only_run
        if run is None:
            code("out: list[bytes] = []")
        with code.block("try:"):
            if run is not None:
                writer.returned(run)
            else:
                code(f"{'putf' if framed else 'put'}_{name}(out.append, value{params.passed})")
                struct_item = framed and one.kind != "loop"
                code("return _w.struct_item(out)" if struct_item else 'return b"".join(out)')
        with code.block("except _Shape as fault:"):
            code(f"raise _w.unfit(fault, {one.name!r}) from fault")
    yield code.lines
    code = Code()
    with code.block(f"def measure_{name}{tail}(value{star}):"):
        code(f'"""How many bytes encode_{name}{tail} makes of it."""')
        if framed:
            code(f"return len(encode_{name}{tail}(value{params.again}))")
        else:
            code.extend([*_version_check(one, "None"), *params.checks])
            with code.block("try:"):
                code(f"return length_{name}(value{params.passed})")
            with code.block("except _Shape as fault:"):
                code(f"raise _w.unfit(fault, {one.name!r}) from fault")
    yield code.lines


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
    return [*lines, *(["    notes=True,"] if noted(one, link) else []), "),"]
