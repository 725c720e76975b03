"""Codecs against the interpreter: right ones agree, and every kind of fault is seen and named."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from vmsc.runtime.codec import Codec
from vmsc.runtime.errors import DecodeError, EncodeError, Truncated
from vmsc.testing.comparison import NORMAL, compare, compare_codec, compared
from vmsc.testing.compilation import Refused, analysed, modules_of
from vmsc.testing.schemas import Texts
from vmsc.testing.subject import GeneratedCodec
from vmsc.testing.verdict import Mismatch, Verdict, agree

GOOD = """\
param ports: u8 max 4

struct Cell { kind: u8 max 3; weight: u16 }

vmsd Slot as "slot" version 2 minimum 1 {
    id: u8
    extra: u16 since 2
    subsection "slot/name" as label { text: string8 max 4 }
}

loop Rounds {
    k: u8
    bank: u16 sticky when k & 2
    break when k & 1
    data: bytes[k & 3]
}

device "good" version 3 minimum 2 {
    n: u8 max 5
    cells: Cell[n]
    level: s16 min -5 max 99
    ring: nullable u16[ports] marked
    list_of: list Cell
    body: choice n & 1 { 0: Slot; else: test24 }
    rounds: Rounds
    half: u16 via halved
    size: u8
    inner: within[size] list u16
    late: f64 when version == 3
    require n <= 5 "as many as there is room for"
}
"""

Change = Callable[[Codec], Codec]


def changed(**functions: Callable[..., Any]) -> Change:
    """A codec with some of its functions in QEMU's form replaced; each gets the right one first."""

    def change(codec: Codec) -> Codec:
        def wrapped(name: str, wrong: Callable[..., Any]) -> Callable[..., Any]:
            right = getattr(codec.qemu, name)
            return lambda *given, **named: wrong(right, *given, **named)

        made = {name: wrapped(name, wrong) for name, wrong in functions.items()}
        return msgspec.structs.replace(codec, qemu=msgspec.structs.replace(codec.qemu, **made))

    return change


def compared_with(change: Change) -> int:
    """The good device's codec, changed, and compared a few times with one seed."""
    texts = Texts({"main": GOOD})
    found = analysed(texts)
    assert not isinstance(found, Refused), found.text
    with modules_of(found) as modules:
        (oracle,) = (one for plan, one in compared(texts, found.program) if plan.wire == "good")
        subject = GeneratedCodec(change(modules["main"].CODECS["Good"]))
        return compare_codec(subject, oracle, False, random.Random(1), replace(NORMAL, values=12))


def test_right_codecs_agree_with_the_interpreter() -> None:
    found = analysed(Texts({"main": GOOD}))
    assert not isinstance(found, Refused), found.text
    tried = compare(Texts({"main": GOOD}), found, random.Random(1), replace(NORMAL, values=8))
    assert tried > 200


# --- planted faults -------------------------------------------------------------------------------


def late_end(right: Callable[..., Any], buf: Any, pos: int = 0, **given: Any) -> Any:
    value, end = right(buf, pos, **given)
    return value, end + 1


def deaf_to_laws(right: Callable[..., Any], buf: Any, pos: int = 0, **given: Any) -> Any:
    try:
        return right(buf, pos, **given)
    except DecodeError as fault:
        if fault.code == "law":
            raise DecodeError(fault.message, offset=fault.offset, code="other") from None
        raise


def greedy(right: Callable[..., Any], *args: Any, **given: Any) -> Any:
    try:
        return right(*args, **given)
    except Truncated as fault:
        raise Truncated(fault.need + 1000, offset=fault.offset, path=fault.path) from None


def raising(right: Callable[..., Any], *args: Any, **given: Any) -> Any:
    raise UnboundLocalError("v_x")


@pytest.mark.parametrize(
    ("change", "label"),
    [
        pytest.param(
            changed(decode_from=late_end), "decode within: another end", id="an end too late"
        ),
        pytest.param(
            changed(decode=raising), "decode raised UnboundLocalError", id="a fault of Python's"
        ),
        pytest.param(
            changed(decode_from=deaf_to_laws), "decode: other, expected law", id="another code"
        ),
        pytest.param(
            changed(decode_from=greedy), "decode: needs more than was cut", id="asks for too much"
        ),
        pytest.param(
            changed(scan=lambda right, *a, **k: right(*a, **k) - 1),
            "scan: another end",
            id="a scan that ends early",
        ),
        pytest.param(
            changed(encode=lambda right, *a, **k: right(*a, **k)[::-1]),
            "encode: other bytes",
            id="other bytes",
        ),
        pytest.param(
            changed(measure=lambda right, *a, **k: right(*a, **k) + 1),
            "measure: another length",
            id="another length",
        ),
    ],
)
def test_a_fault_is_seen_and_named(change: Change, label: str) -> None:
    with pytest.raises(Mismatch) as found:
        compared_with(change)
    assert found.value.label == label
    assert found.value.detail.startswith("good (version ")


def test_a_value_that_differs_in_a_bit_is_seen() -> None:
    def other(right: Callable[..., Any], *args: Any, **given: Any) -> Any:
        value = right(*args, **given)
        value.level ^= 1
        return value

    with pytest.raises(Mismatch) as found:
        compared_with(changed(decode=other))
    assert found.value.label == "decode: another value"


def test_a_framed_form_that_does_not_read_back_is_seen() -> None:
    def change(codec: Codec) -> Codec:
        framed = codec.framed

        def encode(value: Any, **given: Any) -> bytes:
            value.n ^= 1
            try:
                return framed.encode(value, **given)
            except EncodeError:
                return b""
            finally:
                value.n ^= 1

        return msgspec.structs.replace(codec, framed=msgspec.structs.replace(framed, encode=encode))

    with pytest.raises(Mismatch) as found:
        compared_with(change)
    assert found.value.label.startswith("framed")


# --- what counts as agreement ---------------------------------------------------------------------


def refused(code: str, offset: int, *path: str) -> Verdict:
    return Verdict(refusal=DecodeError("no", offset=offset, code=code, path=path))


def cut(need: int, offset: int = 4, *path: str) -> Verdict:
    return Verdict(refusal=Truncated(need, offset=offset, path=path))


@pytest.mark.parametrize(
    ("codec", "oracle", "left"),
    [
        (cut(9), cut(2), 9),
        (cut(9, 4, "pci"), cut(2, 4, "pci", "config"), None),
        (cut(9, 4, "pci.config"), cut(2, 4, "pci", "config"), None),
        (refused("law", 7), refused("law", 5), None),
    ],
)
def test_words_may_differ_where_both_are_right(
    codec: Verdict, oracle: Verdict, left: int | None
) -> None:
    agree("decode", codec, oracle, left)


@pytest.mark.parametrize(
    ("codec", "oracle", "left", "label"),
    [
        (cut(9), cut(2), 8, "needs more than was cut"),
        (cut(2, 5), cut(2, 4), None, "truncated at another offset"),
        (cut(2, 4, "a"), cut(2, 4, "b"), None, "truncated at another field"),
        (refused("law", 5), refused("law", 7), None, "law at another offset"),
        (refused("non-canonical", 5), cut(2, 5), None, "non-canonical, expected truncated"),
        (Verdict(1, 3), Verdict(1, 4), None, "another end"),
        (Verdict(0.0, 3), Verdict(0, 3), None, "another value"),
    ],
)
def test_what_is_wrong_is_said(
    codec: Verdict, oracle: Verdict, left: int | None, label: str
) -> None:
    with pytest.raises(Mismatch) as found:
        agree("decode", codec, oracle, left)
    assert found.value.label == f"decode: {label}"
