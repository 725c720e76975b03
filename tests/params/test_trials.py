"""Parameters that nothing gives, found by what fits."""

from __future__ import annotations

from collections.abc import Mapping

from vmsc.params.by_length import open_params, tried
from vmsc.runtime.codec import Param
from vmsc.runtime.errors import DecodeError

WIDE = Param("wide", low=0, high=1, default=0, kind="bool")
DEEP = Param("deep", low=0, high=1, default=0, kind="bool")
BUS = Param("bus", words=("pci", "isa", "usb"), kind="words")
COUNT = Param("count", low=0, high=9, default=1)
LENGTHS = {"pci": 10, "isa": 20, "usb": 20}


def scan(values: Mapping[str, int | str]) -> int:
    """Eight bytes more if wide, and as many as the bus says; deep makes no difference."""
    if values.get("bus") == "usb" and not values.get("wide"):
        raise DecodeError("no such thing", offset=0)
    return LENGTHS[str(values.get("bus", "pci"))] + 8 * int(values.get("wide", 0))


def test_only_truths_and_words_that_are_not_given_are_open() -> None:
    assert open_params((WIDE, BUS, COUNT), {"bus": "pci"}) == (WIDE,)


def test_nothing_is_changed_where_the_defaults_fit() -> None:
    assert tried((WIDE, DEEP), scan, 10) == {}


def test_the_one_change_that_fits_is_found() -> None:
    assert tried((WIDE, DEEP), scan, 18) == {"wide": 1}
    assert tried((WIDE, DEEP, BUS), scan, 20) == {"bus": "isa"}


def test_two_changes_are_tried_where_one_is_not_enough() -> None:
    assert tried((WIDE, DEEP, BUS), lambda v: scan(v) + 8 * (v.get("bus") == "isa"), 36) == {
        "wide": 1,
        "bus": "isa",
    }


def test_nothing_is_taken_where_more_than_one_thing_fits_or_none_does() -> None:
    assert tried((WIDE, BUS), scan, 28) == {}
    assert tried((WIDE, BUS), scan, 11) == {}


def test_the_number_of_trials_is_bounded() -> None:
    many = tuple(Param(f"p{i}", low=0, high=1, default=0, kind="bool") for i in range(40))
    calls = []

    def counted(values: Mapping[str, int | str]) -> int:
        calls.append(values)
        return 0

    assert tried(many, counted, 1) == {}
    assert len(calls) == 64
