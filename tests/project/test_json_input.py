"""JSON from outside: what is wrong with it is said with its place, what was found and expected."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest

from vmsc.json_input import JsonError, fitted, parsed


class Point(msgspec.Struct, forbid_unknown_fields=True, tag_field="part", tag="point"):
    x: Annotated[int, msgspec.Meta(ge=0, le=9)]
    words: dict[str, str | bool] = {}


class Line(msgspec.Struct, forbid_unknown_fields=True, tag_field="part", tag="line"):
    ends: tuple[Point, ...]
    long_name: str | None = msgspec.field(name="long-name", default=None)


class Drawing(msgspec.Struct, forbid_unknown_fields=True):
    parts: list[Point | Line]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], ""),
        ([{"part": "point", "x": 1, "words": {"a": "b", "c": True}}], ""),
        ([{"part": "point", "x": 10}],
         "parts[0].x: 10 found, expected a whole number of at most 9"),
        ([{"part": "point", "x": None}], "parts[0].x: null found, expected a whole number"),
        ([{"part": "point", "x": 1, "words": {"a": "b", "c.d": 2}}],
         "parts[0].words.c.d: 2 found, expected true or false or a string"),
        ([{"part": "point", "x": 1, "y": 2}],
         "parts[0]: unknown key 'y'; there are part, x, words"),
        ([{"part": "line", "ends": [{"part": "point", "x": 1}, {"part": "point", "X": 1}]}],
         "parts[0].ends[1]: unknown key 'X'; there are part, x, words"),
        ([{"part": "line", "ends": [], "long-name": 7}],
         "parts[0].long-name: 7 found, expected a string or null"),
        ([{"part": "circle"}], 'parts[0].part: "circle" found, expected one of point, line'),
        ([{}], "parts[0]: no 'part'"),
        ({}, "parts: {} found, expected an array"),
        (["x" * 100], f'parts[0]: "{"x" * 36}... found, expected an object'),
    ],
)  # fmt: skip
def test_each_fault_has_its_place(parts: Any, message: str) -> None:
    value = parsed(json.dumps({"parts": parts}).encode())
    if not message:
        assert msgspec.to_builtins(fitted(value, Drawing))["parts"] is not None
        return
    with pytest.raises(JsonError) as caught:
        fitted(value, Drawing)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": \xff}', "not JSON: 'utf-8' codec can't decode byte 0xff in position 6"),
        (b"[" * 100_000, "it nests too deep"),
        (b'{"\\udcff": 1}', "an unknown key that is not UTF-8: '\\udcff'"),
    ],
)
def test_what_is_no_json_is_said(text: bytes, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        fitted(parsed(text), Drawing)
    assert str(caught.value).startswith(message)
