"""Documents: what `encode` refuses, because it is no document, or because nobody could read what
would come of it.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from streams_at_hand import DATA, answers, library, opened, state

from vmsc.compiler.library import Library
from vmsc.inspect.entry import Entry
from vmsc.inspect.file_reader import entries
from vmsc.inspect.json_document import SideFile, from_document, to_part
from vmsc.inspect.parameters import open_parameters
from vmsc.runtime.errors import EncodeError
from vmsc.stream.events import Section, SectionKind
from vmsc.stream.writer import write_stream

NONE = Library(())  # no schemas: sections are bytes
HEADER = {"part": "header", "version": 3}
EOF = {"part": "eof"}


def section(part: str, id_: int, name: str = "dev", data: str = "00", **more: Any) -> Any:
    numbers = {"id": id_, "name": name, "instance": 0, "version": 1, "footer": True}
    return {"part": part, **numbers, "bytes": data, **more}


def package(*parts: Any) -> tuple[Any, ...]:
    inside = [{**part, "inside": True} for part in parts]
    return ({"part": "command", "command": 7, "data": "00000000"}, *inside)


def written(*parts: Any, **more: Any) -> bytes:
    text = msgspec.json.encode({"vmsc-stream": 1, "parts": parts, **more})
    return b"".join(write_stream(from_document(text, NONE, SideFile())))


def refusal(*parts: Any, **more: Any) -> str:
    with pytest.raises(EncodeError) as caught:
        written(*parts, **more)
    return caught.value.message


GOOD = {
    "device state": (HEADER, section("full", 1), section("full", 2, data=""), EOF),
    "several parts": (
        HEADER, section("start", 1), section("part", 1), section("end", 1), EOF,
        {"part": "description", "text": "{}"}, {"part": "trailing", "bytes": "00"},
    ),
    "no footers": (HEADER, section("full", 1, footer=False), section("full", 2, footer=False), EOF),
    "a package": (HEADER, *package(section("full", 1), EOF), EOF),
    "a stored checkpoint": (
        {"part": "message", "message": 3}, section("part", 2, "ram"), EOF,
        {"part": "message", "message": 4, "value": "0"}, section("full", 5, inside=True),
        {**EOF, "inside": True},
    ),
    "a gap before all": ({"part": "gap", "bytes": "ffff"}, HEADER),
    "a gap": (HEADER, {"part": "gap", "bytes": "ffff"}, section("part", 9), EOF),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_read_is_written(name: str) -> None:
    assert written(*GOOD[name])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "parts: a stream begins with its header, or a stored checkpoint with a message"),
        ((EOF,), "parts[0]: a stream begins with its header"),
        (({"part": "header", "version": 2}, EOF),
         "parts[0]: no reader gets past it: version 3 expected, found 2 [bad-version]"),
        ((HEADER, HEADER, EOF), "parts[1]: no reader gets past it: a section type"),
        ((HEADER, section("full", 1)), "parts[1] (section 'dev'): no reader gets past it"),
        ((HEADER, section("part", 3, "x"), EOF),
         "parts[1] (section 'x'): no reader gets past it: part of section id 3, which was not"
         " started [not-started]"),
        ((HEADER, section("start", 1, "a"), section("part", 1, "b"), EOF),
         "parts[2] (section 'b'): it would be read as the part of section 'a' id 1 instance 0"
         " version 1, with a footer"),
        ((HEADER, section("full", 1), section("full", 2, footer=False), EOF),
         "parts[2] (section 'dev'): no reader gets past it: "),
        ((HEADER, *package(section("full", 1)), EOF, section("full", 2), EOF),
         "parts[4] (section 'dev'): it would be read as a part 'trailing' of"),
        ((HEADER, {"part": "command", "command": 99, "data": ""}, EOF),
         "parts[1]: no reader gets past it: command 1 to 11 expected, found 99 [unknown-command]"),
        ((HEADER, {"part": "command", "command": 2, "data": "00"}, EOF),
         "parts[1]: no reader gets past it: 4 bytes of ping expected, found 1 [bad-length]"),
        ((HEADER, EOF, {"part": "trailing", "bytes": "01"}, {"part": "trailing", "bytes": "02"}),
         "parts[2]: it would be read as a part 'trailing' of 2 bytes"),
        ((HEADER, {"part": "configuration", "bytes": "00000002ff"}, EOF),
         "parts[1]: it would be read as a part 'configuration' of 7 bytes"),
        ((HEADER, EOF, section("full", 1)),
         "parts[2] (section 'dev'): it would be read as a part 'trailing'"),
        ((HEADER, {**EOF, "inside": True}),
         "parts[1]: it would be read as a part 'eof' of 1 bytes"),
    ],
)  # fmt: skip
def test_what_nobody_could_read_is_refused_with_the_part(parts: Any, message: str) -> None:
    assert refusal(*parts).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON: Input data was truncated"),
        (b"\xff", "not JSON: "),
        (b"7", "not a document of `vmsc decode`"),
        (b"{}", "not a document of `vmsc decode`: it has no 'vmsc-stream'"),
        (b'{"vmsc-stream": 2, "new": 1}', "a document of format 2; vmsc reads format 1"),
        (b'{"vmsc-stream": 1}', "no 'parts'"),
        (b'{"vmsc-stream": 1, "parts": [], "part": 1}',
         "unknown key 'part'; there are vmsc-stream, partial, parts, incomplete"),
        (b'{"vmsc-stream": 1, "incomplete": true, "parts": []}', "the document is incomplete"),
        (b'{"vmsc-stream": 1, "partial": true, "parts": []}', "the document is partial"),
        (b"[" * 100_000, "not a document of `vmsc decode`"),
        (b'{"vmsc-stream": 1, "parts": ' + b"[" * 100_000, "it nests too deep"),
        (b'{"vmsc-stream": 1, "parts": [{"part": "full", "value": ' + b'{"a":' * 100_000,
         "it nests too deep"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        list(from_document(text, NONE, SideFile()))
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (7, "parts[1]: 7 found, expected an object"),
        ({}, "parts[1]: no 'part'"),
        ({"part": "hedder"}, 'parts[1]: part: "hedder" found, expected one of header, '),
        ({"part": "eof", "inside": 1}, "parts[1]: inside: 1 found, expected true or false"),
        (section("full", -1), "parts[1] (section 'dev'): id: -1 found, expected a whole number"),
        (section("full", 1, data="0"),
         "parts[1] (section 'dev'): 'bytes' is not hex digits, two for each byte"),
        (section("full", 1, value={}),
         "parts[1] (section 'dev'): 'value' and 'bytes' found, expected one of value, bytes, ram"),
        (section("full", 1, Footer=True),
         "parts[1] (section 'dev'): unknown key 'Footer'; there are part, id, name, name_bytes,"),
    ],
)  # fmt: skip
def test_a_part_that_is_wrong_is_refused_with_its_place(part: Any, message: str) -> None:
    assert refusal(HEADER, part, EOF).startswith(message)


def test_a_name_that_is_not_utf_8_comes_back() -> None:
    name = b"\xffdev/" + "ü".encode()
    numbers = (7, name.decode("utf-8", "surrogateescape"), 0, 1, 0, 1, True)
    entry = Entry(Section(0, SectionKind.FULL, *numbers), data=b"\5")
    part = msgspec.to_builtins(to_part(entry, SideFile()))
    assert (part["name"], part["name_bytes"]) == ("\\udcffdev/ü", name.hex())
    assert bytes([len(name)]) + name in written(HEADER, part, EOF)


def edited(parts: list[Any], draw: random.Random) -> list[Any]:
    """The parts after one thing that a hand may do to them."""
    one, other = draw.randrange(len(parts)), draw.randrange(len(parts))
    match draw.randrange(5):
        case 0:
            return parts[:one] + parts[one + 1 :]
        case 1:
            return [*parts[:one], parts[other], *parts[one:]]
        case 2:
            return parts[:one]
        case 3 if "id" in parts[one]:
            change = {"id": draw.randrange(3), "footer": draw.random() < 0.5}
            return [*parts[:one], {**parts[one], **change}, *parts[one + 1 :]]
        case _:
            kind = {"part": draw.choice(("start", "part", "end", "full"))}
            return [*parts[:one], {**parts[one], **kind}, *parts[one + 1 :]]


def test_sections_that_share_an_id_are_each_read_by_their_own_description() -> None:
    """QEMU finds a device by the section's name, and gives no id twice; a hand may."""
    known = open_parameters(b"", library(), (), DATA / "minimal.machine.json", "x86_64")
    parts = [to_part(entry, SideFile()) for entry in opened(state("minimal"), answers("minimal"))]
    plain = [{**part, "id": 7} if "id" in part else part for part in msgspec.to_builtins(parts)]
    text = msgspec.json.encode({"vmsc-stream": 1, "parts": plain})
    stream = b"".join(write_stream(from_document(text, library(), SideFile(), known)))
    again = [to_part(entry, SideFile()) for entry in entries(stream, library(), known)]
    assert msgspec.to_builtins(again) == plain


def test_a_machine_edited_at_random_is_refused_or_read_back_part_for_part() -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    known = open_parameters(b"", library(), (), DATA / "minimal.machine.json", "x86_64")
    parts = [to_part(entry, SideFile()) for entry in opened(state("minimal"), answers("minimal"))]
    plain = msgspec.to_builtins(parts)
    read, refused = 0, 0
    for _ in range(40):
        text = msgspec.json.encode({"vmsc-stream": 1, "parts": edited(plain, draw)})
        try:
            stream = b"".join(write_stream(from_document(text, library(), SideFile(), known)))
        except EncodeError:
            refused += 1
            continue
        read += 1
        again = [to_part(entry, SideFile()) for entry in entries(stream, library(), known)]
        assert msgspec.to_builtins(again) == msgspec.json.decode(text)["parts"]
    assert read and refused
