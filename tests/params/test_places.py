"""What a section's place in the machine says of its parameters."""

from __future__ import annotations

import pytest

from vmsc.params.device_path import Earlier, path_of, placed

BUS = (("pci", "at", "[0-9a-f]*:*.[0-7]"), ("port", "at", "example-port@*"))
CONTROLLER = (("tagged", "under", "example-raid"), ("plain", "under", "*"))
DISK = "example-disk"


def earlier(*names: str) -> Earlier:
    found = Earlier()
    for name in names:
        found.add(name)
    return found


def test_path_is_what_stands_before_the_name() -> None:
    assert path_of("0000:00:03.0/virtio-net", "virtio-net") == "0000:00:03.0"
    assert path_of("virtio-net", "virtio-net") == ""


@pytest.mark.parametrize(
    ("section", "word"),
    [
        ("0000:00:03.0/example-disk", "pci"),
        ("0000:00:0c.0:00.1/example-disk", "pci"),
        ("example-port@1000/example-disk", "port"),
        ("example-disk", None),
        ("elsewhere/example-disk", None),
    ],
)
def test_word_is_known_by_the_path(section: str, word: str | None) -> None:
    assert placed(BUS, section, DISK, earlier()) == word


def test_word_is_known_by_the_section_that_it_hangs_under() -> None:
    before = earlier("timer", "0000:00:03.0/example-nic", "0000:00:04.0/example-raid")
    assert placed(CONTROLLER, "0000:00:04.0/0:1:0/example-disk", DISK, before) == "tagged"
    assert placed(CONTROLLER, "0000:00:03.0/0:1:0/example-disk", DISK, before) == "plain"
    assert placed(CONTROLLER, "0000:00:05.0/0:1:0/example-disk", DISK, before) is None


def test_nearest_holder_counts() -> None:
    before = earlier("0000:00:04.0/1/example-stick", "0000:00:04.0/example-raid")
    assert placed(CONTROLLER, "0000:00:04.0/1/0:1:0/example-disk", DISK, before) == "plain"
    assert placed(CONTROLLER, "0000:00:04.0/2/0:1:0/example-disk", DISK, before) == "tagged"


def test_section_does_not_hang_under_itself_or_a_neighbour() -> None:
    before = earlier("0000:00:04.0/example-raid")
    assert placed(CONTROLLER, "0000:00:04.0/example-disk", DISK, before) is None
    assert placed(CONTROLLER, "0000:00:04.01/2/example-disk", DISK, before) is None


def test_section_that_came_earlier_itself_is_no_holder_of_its_own() -> None:
    section = "0000:00:04.0/1/example-raid"
    before = earlier("0000:00:04.0/example-stick", section)
    assert placed(CONTROLLER, section, DISK, before) == "plain"
    twice = earlier("0000:00:04.0/example-stick", section, section)
    assert placed(CONTROLLER, section, DISK, twice) == "tagged"
