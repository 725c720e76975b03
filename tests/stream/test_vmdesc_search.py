"""Finding QEMU's JSON description: by its structure, whatever the order of its keys."""

from __future__ import annotations

import lzma
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from arrivals import bytewise, cuts, seen
from commands import run_vmsc
from streams_at_hand import DATA, library, state

from vmsc.inspect.file_reader import entries
from vmsc.inspect.parameters import open_parameters
from vmsc.inspect.pipe_reader import arriving
from vmsc.runtime.errors import DecodeError
from vmsc.stream import step, vmdesc_search
from vmsc.stream.reader import read_stream
from vmsc.stream.vmdesc_search import (
    MAX_DESCRIPTION,
    DescriptionWatch,
    find_vmdesc,
    recorded,
)

DEVICES = (
    b'"devices": [{"name": "x", "instance_id": 0, "vmsd_name": "x", "version": 1,'
    b' "fields": [{"name": "a", "type": "uint8", "size": 1}]}]'
)
CONFIGURATION = (
    b'"configuration": {"vmsd_name": "configuration", "version": 1, "fields": [{"name": "len",'
    b' "type": "uint32", "size": 4}, {"name": "name", "type": "buffer", "size": 2}]}'
)
# As QEMU writes it up to 8.1, from 8.2 on, before 2.7, and as nobody does.
OLD = b'{"page_size": 4096, ' + DEVICES + b"}"
NEW = b"{" + CONFIGURATION + b', "page_size": 4096, ' + DEVICES + b"}"
SPACED = b'{ "page_size": 4096, ' + DEVICES + b" }"
LAST = b"{\n " + DEVICES + b',\n "page_size": 4096\n}'
ORDERS = pytest.mark.parametrize("text", [OLD, NEW, SPACED, LAST], ids=["7.2", "8.2", "2", "last"])


def end(text: bytes) -> bytes:
    """A stream's end mark and the description."""
    return b"\0\6" + len(text).to_bytes(4) + text


def watched(pieces: list[bytes]) -> bytes | None:
    """What a pipe's reader finds in what it holds."""
    held, watch = bytearray(), DescriptionWatch()
    for piece in pieces:
        held += piece
        if (text := watch.found(held)) is not None:
            return text
    return None


# --- what is found --------------------------------------------------------------------------------


@ORDERS
def test_the_order_of_its_keys_does_not_matter(text: bytes) -> None:
    stream = b"QEVM\0\0\0\3" + bytes(5000) + end(text)
    assert find_vmdesc(stream) == text
    assert watched([stream]) == watched(bytewise(stream)) == text
    glance = recorded(text)
    assert glance is not None
    assert (glance.page_size, glance.sizes) == (4096, {("x", 0): [1]})


def test_a_page_size_within_the_configuration_is_not_the_pages_size() -> None:
    text = b'{"configuration": {"page_size": 1}, "page_size": 65536, "devices": []}'
    glance = recorded(text)
    assert glance is not None and glance.page_size == 65536


@pytest.mark.parametrize("id_", [b"\0\0\0\6", b"\0\6\0\6", b"\6\0\6\0"])
def test_the_last_footer_may_end_like_the_start_of_a_description(id_: bytes) -> None:
    """Of a length whose third byte is a brace: what begins two bytes earlier looks right, too."""
    text = OLD[:-1] + b" " * (0x7B00 - len(OLD)) + b"}"
    stream = b"\x7e" + id_ + end(text)
    assert find_vmdesc(stream) == text
    assert watched([stream]) == watched(bytewise(stream)) == text


@pytest.mark.parametrize("before", range(1 << 20, (1 << 20) + 12))
def test_a_description_is_found_wherever_it_lies(before: int) -> None:
    stream = end(OLD) + bytes(before)
    assert find_vmdesc(stream) == OLD
    assert find_vmdesc(memoryview(stream)) == OLD


def test_a_description_in_ram_does_not_count_where_the_stream_ends_with_one() -> None:
    assert find_vmdesc(end(OLD) + bytes(4096) + end(NEW)) == NEW


@pytest.mark.parametrize(
    "decoy",
    [
        end(b'{"devices": 3}'),
        end(b'{"page_size": 4096}'),
        end(b"{}"),
        end(NEW[:-1]),
        end(NEW)[:-1] + b"\0",
        end(NEW[:-1] + b"\xff}"),
        b"\0\6\0\0\0\0{",
        b"\0\6\xff\xff\xff\xff" + OLD,
        b"\0\6" + (MAX_DESCRIPTION + 1).to_bytes(4) + OLD,
        b"\0\6" + (len(OLD) + 500).to_bytes(4) + OLD,
        b"\1\6" + len(NEW).to_bytes(4) + NEW,
        b"\0\7" + len(NEW).to_bytes(4) + NEW,
    ],
)
def test_what_only_looks_like_a_description_is_passed_over(decoy: bytes) -> None:
    assert find_vmdesc(end(OLD) + decoy) == OLD
    assert find_vmdesc(decoy + end(OLD)) == OLD
    for pieces in ([decoy + end(OLD)], bytewise(decoy + end(OLD))):
        assert watched(pieces) == OLD


def test_what_ends_with_the_stream_and_cannot_be_read_is_handed_on_for_its_error() -> None:
    assert find_vmdesc(bytes(100) + end(NEW[:-1])) == NEW[:-1]


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\6", b"\0\6\0\0\0\1", end(NEW)[:-1]])
def test_where_there_is_none_none_is_found(data: bytes) -> None:
    assert find_vmdesc(data) is None
    assert watched([data]) is None


# --- limits ---------------------------------------------------------------------------------------


def test_a_description_over_the_limit_is_none_in_a_file_and_on_a_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_DESCRIPTION == 64 << 20
    for module in (vmdesc_search, step):
        monkeypatch.setattr(module, "MAX_DESCRIPTION", len(OLD) + 500)
    largest, over = (OLD[:-1] + b" " * n + b"}" for n in (500, 501))
    assert find_vmdesc(end(largest)) == largest and find_vmdesc(end(over)) is None
    assert watched([end(largest)]) == largest and watched([end(over)]) is None
    list(read_stream(b"QEVM\0\0\0\3" + end(largest), lambda *_: 0))
    with pytest.raises(DecodeError, match=f"over the limit {len(largest)}") as caught:
        list(read_stream(b"QEVM\0\0\0\3" + end(over), lambda *_: 0))
    assert caught.value.code == "limit"


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "starts that want all the rest": lambda n: b"\0\6\0\3\0\0{" * (n // 7),
    "starts in an array that goes on": lambda n: b'\0\6\0\3\0\0{"a":[[[[' * (n // 15),
    "starts that end with the stream": lambda n: b"".join(
        b"\0\6" + (n - at - 6).to_bytes(4) + b"{" for at in range(0, n - 6, 7)
    ),
    "good ones with another top": lambda n: end(b'{"device": []}') * (n // 20),
    "the first two bytes": lambda n: b"\0\6" * (n // 2),
    "strings that no quote ends": lambda n: end(b'{"' + b"x" * 100) * (n // 108),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_eight_times_the_bytes_take_no_more_than_twice_eight_times_as_long(kind: str) -> None:
    def seconds(data: bytes) -> float:
        start = time.process_time()
        find_vmdesc(data)
        watched([data[at : at + 65536] for at in range(0, len(data), 65536)])
        return time.process_time() - start

    few, many = HOSTILE[kind](1 << 15), HOSTILE[kind](1 << 18)
    assert min(seconds(many) for _ in range(2)) < 16 * min(seconds(few) for _ in range(3)) + 0.05


# --- whole streams --------------------------------------------------------------------------------


def test_a_stream_of_qemu_11_1_is_read_from_a_file_and_from_a_pipe(tmp_path: Path) -> None:
    """-M pc with no devices added: `max_cpus` is in no other place than the description."""
    data = lzma.decompress((DATA / "pc-11.1.stream.xz").read_bytes())
    whole = seen(entries(data, library(), open_parameters(data, library())))
    assert whole[1] == "" and len(whole[0]) == 38
    for pieces in ([data], cuts(data, seed=5, most=9000)):
        assert seen(arriving(pieces, open_parameters(None, library()))) == whole
    (tmp_path / "pc.mig").write_bytes(data)
    found = run_vmsc("import", "stream", tmp_path / "pc.mig", "-o", tmp_path / "schemas")
    assert (found.status, found.err) == (0, "")


@ORDERS
def test_a_stream_without_devices_is_listed_with_its_description(
    tmp_path: Path, text: bytes
) -> None:
    stream = b"QEVM\0\0\0\3\7\0\0\0\2pc" + end(text)
    (tmp_path / "s.mig").write_bytes(stream)
    found = run_vmsc("info", tmp_path / "s.mig")
    assert (found.status, found.err) == (0, "")
    assert found.out.split()[-3:] == ["16", str(5 + len(text)), "description"]


def test_a_description_in_the_new_order_tells_what_the_old_one_does() -> None:
    old = lzma.decompress((DATA / "usb.vmdesc.xz").read_bytes())
    assert old.startswith(b'{"page_size"')
    new = b"{" + CONFIGURATION + b", " + old[1:]
    device_state = state("usb")[:-1]
    told = [
        seen(entries(data, library(), open_parameters(data, library())))[0][:-1]
        for data in (device_state + end(old), device_state + end(new))
    ]
    assert told[0] == told[1] and len(told[0]) > 20


# --- damage in a whole stream ---------------------------------------------------------------------


def damaged(text: bytes) -> bytes:
    """A stream that needs its description, with another one."""
    data = lzma.decompress((DATA / "pc-11.1.stream.xz").read_bytes())
    found = find_vmdesc(data)
    assert found is not None
    return data[: -len(found) - 6] + end(text.replace(b"$", found[1:]))


TELLS = "the stream's JSON description would tell, but: the description"
NONE = "the stream has no JSON description that would tell"
DAMAGE = {
    "cut": (b'{"devices": [{"name": "t', f"{TELLS} is no JSON: Unterminated string"),
    "empty": (b"{}", f"{TELLS}, top: no 'devices'"),
    "another top": (b'{"devices": [3]}', f"{TELLS}, devices[0]: an object expected, found 3"),
    "deep": (b'{"devices": ' + b"[" * 100_000, f"{TELLS} nests too deep"),
    "a number too large": (
        b'{"devices": ' + b"9" * 5000 + b"}", f"{TELLS} is no JSON: Exceeds the limit",
    ),
    "a NUL": (b'{"devices": [], "\0": 1}', NONE),
    "an array": (b"[$", NONE),
    "a blank before it": (b" {$", NONE),
    "in 16 bits": ('{"devices": []}'.encode("utf-16-le"), NONE),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_description_that_is_needed_is_one_error_that_says_why(kind: str) -> None:
    text, why = DAMAGE[kind]
    data = damaged(text)
    events, error = seen(entries(data, library(), open_parameters(data, library())))
    assert "the parameter 'max_cpus' is not given" in error and f"; {why}" in error
    for pieces in ([data], cuts(data, seed=6, most=9000)):
        assert seen(arriving(pieces, open_parameters(None, library()))) == (events, error)


@pytest.mark.parametrize("missing", [1, 1000, 96_020, 96_022, 96_026])
def test_a_stream_that_is_cut_within_the_description_has_none(missing: int) -> None:
    data = damaged(b"{$")[:-missing]
    events, error = seen(entries(data, library(), open_parameters(data, library())))
    assert error.endswith(NONE)
    assert seen(arriving([data], open_parameters(None, library()))) == (events, error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"configuration": [], $', "at byte 136817: the description, configuration: an object"),
        (b'{"x": "\xff", $', "at byte 136824: the description is not UTF-8: invalid start byte"),
    ],
)
def test_a_damaged_description_that_is_not_needed_is_found_by_verify(
    tmp_path: Path, text: bytes, message: str
) -> None:
    file = tmp_path / "s.mig"
    file.write_bytes(damaged(text))
    found = run_vmsc("verify", file)
    assert (found.status, found.out) == (1, "")
    assert found.err.startswith(f"vmsc: {file}: error: {message}")
    assert found.err.endswith(" [bad-description]\n") and found.err.count("\n") == 1
