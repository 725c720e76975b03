"""QEMU's JSON description: what QEMU writes there, and what nobody should."""

from __future__ import annotations

import json
import lzma
import mmap
import random
import time
from pathlib import Path

import oracle
import pytest
from streams_at_hand import DATA, MACHINES, state

from vmsc.stream.vmdesc import (
    Body,
    Device,
    Field,
    VmdescError,
    entries,
    find_vmdesc,
    read_device,
    read_vmdesc,
)


def desc(*fields: str, rest: str = "") -> bytes:
    """The description of one device, of these fields as QEMU writes them."""
    return (
        '{"page_size": 4096, "devices": [{"name": "0000:00:02.0/dev", "instance_id": 1, '
        f'"vmsd_name": "dev", "version": 3, "fields": [{", ".join(fields)}]{rest}}}]}}'
    ).encode()


def device(*fields: str, rest: str = "") -> Device:
    (found,) = read_vmdesc(desc(*fields, rest=rest)).devices
    return found


def text_of(name: str) -> bytes:
    """The description of a machine of the test data."""
    return lzma.decompress((DATA / f"{name}.vmdesc.xz").read_bytes())


# --- what QEMU writes -----------------------------------------------------------------------------


def test_a_device_has_its_name_instance_version_and_fields() -> None:
    found = device('{"name": "reg", "type": "uint32", "size": 4}')
    assert found == Device("0000:00:02.0/dev", 1, 3, "dev", (Field("reg", "uint32", 4),))
    assert read_vmdesc(desc()).page_size == 4096


def test_array_len_is_a_count_and_index_an_element_of_a_field() -> None:
    found = device(
        '{"name": "a", "array_len": 3, "type": "uint16", "size": 2}',
        '{"name": "b", "index": 0, "type": "uint8", "size": 1}',
        '{"name": "b", "index": 1, "type": "uint8", "size": 1}',
        '{"name": "c", "type": "uint8", "size": 1}',
    )
    a, b, c = entries(found.fields)
    assert (a.count, a.size, a.single) == (3, 6, False)
    assert (b.count, b.size, b.single) == (2, 2, False)
    assert (c.count, c.size, c.single) == (1, 1, True)


def test_equal_names_that_qemu_numbers_stay_apart() -> None:
    found = device(
        '{"name": "config[0]", "type": "pci config", "size": 256}',
        '{"name": "unused[1]", "type": "unused_buffer", "size": 4}',
    )
    assert [e.name for e in entries(found.fields)] == ["config[0]", "unused[1]"]


ELEMENT = '"vmsd_name": "e", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}]'


def test_the_elements_of_a_list_stand_in_its_own_object_key_after_equal_key() -> None:
    found = device(f'{{"name": "q", "type": "qtailq", {ELEMENT}, {ELEMENT}, "size": 5}}')
    element = Body("e", 1, (Field("x", "uint8", 1),))
    assert found.fields == (Field("q", "qtailq", 5, elements=(element, element)),)


@pytest.mark.parametrize("word", ["vstruct", "tmp"])
def test_a_nested_description_may_be_written_inline(word: str) -> None:
    found = device(f'{{"name": "s", "type": "{word}", {ELEMENT}, "size": 1}}')
    assert found.fields[0].struct == Body("e", 1, (Field("x", "uint8", 1),))
    assert found.fields[0].elements == ()


def test_an_inline_description_keeps_its_subsections() -> None:
    sub = '"subsections": [{"vmsd_name": "e/s", "version": 2, "fields": []}]'
    found = device(f'{{"name": "q", "type": "qlist", {ELEMENT}, {sub}, {ELEMENT}, "size": 14}}')
    assert [e.subsections for e in found.fields[0].elements] == [(Body("e/s", 2),), ()]


@pytest.mark.parametrize(
    "entry",
    [
        '{"name": "p", "type": "struct", "struct": {}, "size": 1}',
        '{"name": "p", "type": "timer", "size": 1}',
        '{"name": "p", "type": "uint64", "size": 1}',
        '{"name": "p", "type": "nullptr", "size": 1}',
        '{"name": "p", "array_len": 3, "type": "ptr-marker", "size": 1}',
    ],
)
def test_what_is_too_short_for_its_type_is_a_null_pointer(entry: str) -> None:
    assert device(entry).fields[0].null


def test_a_byte_is_no_null_pointer() -> None:
    for word in ("uint8", "int8", "bool", "buffer", "uint16_from_uint8"):
        assert not device(f'{{"name": "p", "type": "{word}", "size": 1}}').fields[0].null


def test_pointers_that_are_there_and_that_are_not_are_one_field() -> None:
    found = device(
        '{"name": "p", "array_len": 2, "type": "nullptr", "size": 1}',
        f'{{"name": "p", "index": 2, "type": "struct", "struct": {{{ELEMENT}}}, "size": 1}}',
        '{"name": "p", "array_len": 4, "type": "nullptr", "size": 1}',
    )
    (pointers,) = entries(found.fields)
    assert (pointers.count, [f.null for f in pointers.fields]) == (7, [True, False, True])


def test_a_section_of_open_code_has_no_description_and_one_field() -> None:
    text = (
        b'{"page_size": 4096, "devices": [{"name": "slirp", "instance_id": 0, "size": 131,'
        b' "fields": [{"name": "data", "size": 131, "type": "buffer"}]}]}'
    )
    (found,) = read_vmdesc(text).devices
    assert (found.vmsd_name, found.version) == ("", None)
    assert found.fields == (Field("data", "buffer", 131),)


def test_the_configuration_of_newer_qemus_is_read() -> None:
    text = (
        b'{"page_size": 4096, "configuration": {"vmsd_name": "configuration", "version": 1,'
        b' "fields": []}, "devices": []}'
    )
    assert read_vmdesc(text).configuration == Body("configuration", 1)


def test_a_name_that_is_no_text_survives() -> None:
    text = desc().replace(b"02.0", b"\xff.0")
    (found,) = read_vmdesc(text).devices
    assert found.name.encode("utf-8", "surrogateescape") == b"0000:00:\xff.0/dev"


@pytest.mark.parametrize("name", MACHINES)
def test_the_sizes_of_a_section_add_up_to_its_payload(name: str) -> None:
    text = text_of(name)
    like = b"\0\6" + len(text).to_bytes(4, "big") + text
    sections = list(oracle.sections(state(name), like=like))
    recorded = read_vmdesc(text).devices
    assert [d.size for d in recorded] == [s.end - s.payload for s in sections]


# --- one section of it ----------------------------------------------------------------------------


def sections(*names: tuple[str, int, str]) -> bytes:
    """The description of sections by name, instance and the name of their one field."""
    return json.dumps(
        {
            "devices": [
                {
                    "name": name,
                    "instance_id": instance,
                    "fields": [{"name": field, "type": "uint8", "size": 1}],
                }
                for name, instance, field in names
            ]
        }
    ).encode()


def test_one_section_is_read_by_its_name_instance_and_turn() -> None:
    text = sections(("d", 0, "a"), ("d", 1, "b"), ("e", 0, "c"), ("d", 0, "x"))
    found = [
        read_device(text, *at)
        for at in (("d", 0, 0), ("d", 0, 1), ("d", 0, 2), ("d", 1, 5), ("e", 1, 0), ("f", 0, 0))
    ]
    assert [d and d.fields[0].name for d in found] == ["a", "x", "a", "b", None, None]


@pytest.mark.parametrize("good", [True, False], ids=["readable", "unreadable"])
def test_all_sections_of_a_description_are_read_in_time_in_proportion_to_their_number(
    good: bool,
) -> None:
    def seconds(count: int) -> float:
        text = sections(*(("d", i, "a") for i in range(count)))
        text = text if good else text[:-1]
        start = time.process_time()
        for i in range(count):
            if good:
                assert read_device(text, "d", i, 0) is not None
            else:
                with pytest.raises(VmdescError):
                    read_device(text, "d", i, 0)
        return time.process_time() - start

    assert min(seconds(4000) for _ in range(2)) < 16 * min(seconds(500) for _ in range(3)) + 0.05


# --- finding it -----------------------------------------------------------------------------------


def behind(text: bytes) -> bytes:
    """The end of a stream with this description."""
    return b"\0\6" + len(text).to_bytes(4, "big") + text


def test_the_description_is_found_at_a_streams_end(tmp_path: Path) -> None:
    stream = b"QEVM" + bytes(1000) + behind(desc())
    assert find_vmdesc(stream) == desc()
    file = tmp_path / "stream"
    file.write_bytes(stream)
    with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as seen:
        with memoryview(seen) as view:
            assert find_vmdesc(view) == desc()
            assert read_vmdesc(view).devices[0].vmsd_name == "dev"


def test_of_several_descriptions_the_one_at_the_end_counts_and_else_the_last() -> None:
    first, last = behind(desc()), behind(desc('{"name": "a", "type": "bool", "size": 1}'))
    assert find_vmdesc(first + b"more" + last) == last[6:]
    assert find_vmdesc(first + b"more" + last + b"COLO goes on") == last[6:]


def test_what_only_looks_like_a_description_is_passed_over() -> None:
    decoy = behind(b'{"page_size": "none"}')
    cut = behind(desc())[:-1]
    assert find_vmdesc(behind(desc()) + decoy + b'"page_size"' + cut) == desc()


@pytest.mark.parametrize("data", [b"", b"QEVM", b'{"page_size"', behind(desc())[:-1]])
def test_a_stream_without_a_description_has_none(data: bytes) -> None:
    assert find_vmdesc(data) is None


# --- what nobody should write ---------------------------------------------------------------------

FIELD = '{"name": "a", "type": "uint8", "size": 1}'
NEST = '{"name": "s", "type": "struct", "size": 1, "struct": {"vmsd_name": "s", "version": 1, '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\0", "the stream has no JSON description: QEMU wrote none, or it is cut off"),
        (b"{", "the description is no JSON: Expecting property name"),
        (b"{}", "the description, top: no 'devices'"),
        (b'{"devices": 3}', "the description, devices: an array expected, found 3"),
        (b'{"devices": [3]}', "the description, devices[0]: an object expected, found 3"),
        (b'{"devices": [], "page_size": -1}',
         "the description, page_size: a number from 0 on expected, found -1"),
        (b'{"devices": [], "page_size": true}',
         "the description, page_size: a number from 0 on expected, found true"),
        (b'{"devices": [], "page_size": 1e400}',
         "the description, page_size: a number from 0 on expected, found Infinity"),
        (b'{"devices": NaN}', "the description is no JSON: NaN is no number of JSON"),
        (b'{"devices": [{"name": "x"}]}', "the description, devices[0]: no 'instance_id'"),
        (b'{"devices": [{"name": 1, "instance_id": 0}]}',
         "the description, devices[0].name: a string expected, found 1"),
        (desc('{"name": "a", "size": 1}'), "the description, devices[0].fields[0]: no 'type'"),
        (desc('{"name": "a", "type": "b"}'),
         "the description, devices[0].fields[0] 'a': no 'size'"),
        (desc('{"name": "a", "type": "b", "size": 1, "array_len": "9"}'),
         "the description, devices[0].fields[0] 'a'.array_len: a number from 0 on expected,"
         ' found "9"'),
        (desc('{"name": "a", "type": "struct", "size": 9, "struct": {}}'),
         "the description, devices[0].fields[0] 'a': an empty 'struct' of 9 bytes"),
        (desc('{"name": "a", "type": "struct", "size": 9, "struct": [1]}'),
         "the description, devices[0].fields[0] 'a'.struct: an object expected, found an array"),
        (desc(NEST + '"fields": [' * 1 + "[]" + "]}}"),
         "the description, devices[0].fields[0] 's'.struct.fields[0]: an object expected,"
         " found an array"),
        (b'{"devices": ' + b"[" * 100_000, "the description nests too deep"),
        (desc((NEST + '"fields": [') * 70 + FIELD + "]}}" * 70),
         "the description nests deeper than 64"),
        (b'{"devices": ' + b"9" * 5000 + b"}", "the description is no JSON: Exceeds the limit"),
    ],
)  # fmt: skip
def test_a_hostile_description_gives_one_clear_error(text: bytes, message: str) -> None:
    with pytest.raises(VmdescError) as caught:
        read_vmdesc(text)
    assert str(caught.value).startswith(message)


def test_a_damaged_description_gives_data_or_a_clear_error() -> None:
    seeded = random.Random(11)
    whole = text_of("minimal")
    json.loads(whole)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(seeded.randrange(1, 4)):
            at = seeded.randrange(len(damaged))
            damaged[at : at + seeded.randrange(2)] = seeded.choice(
                (b"", b"0", b'"', b"{", b"]", b"\xff", b"-1", b"null", b"[[[[", b"\\")
            )
        try:
            for device in read_vmdesc(bytes(damaged)).devices:
                assert device.size >= 0
        except VmdescError as fault:
            assert len(str(fault)) < 300
