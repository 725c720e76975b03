"""A failing schema is made small, and stays a schema that fails."""

from __future__ import annotations

from vmsc.schema.ir import Description, Field
from vmsc.testing.compilation import Refused, analysed
from vmsc.testing.reduction import reduced
from vmsc.testing.schemas import Texts, seeded_schema

LARGE = Texts(
    {
        "lib.a": "const N = 4\n\nstruct Other { a: u8; b: u16 }\n",
        "main": """\
use lib.a
param many: u8 max 9

/// What is looked for.
struct Wanted {
    a:    u8 max 3                  // a comment
    word: u32 split { low_part: low 12; high_part: high 20 } when a == 1 and (a + 2) * 3 > many
    c:    choice a { 0: u8; 1: list u16; else: bytes[N] } as "c c"
}

device "large" version 3 minimum 2 {
    first: Wanted
    more:  Other[max(many, 2)]
    subsection "large/late" { x: u8 when first.a == 1 }
}
""",
    }
)


def holds_a_split(texts: Texts) -> bool:
    found = analysed(texts)
    if isinstance(found, Refused):
        return False
    return any("split" in text for text in texts.files.values())


def descriptions(texts: Texts) -> list[Description]:
    found = analysed(texts)
    assert not isinstance(found, Refused)
    return list(found.schema.descriptions.values())


def test_all_that_the_failure_does_not_need_is_left_out() -> None:
    small = reduced(LARGE, holds_a_split)
    assert list(small.files) == ["main"]
    words = " ".join(small.files["main"].split())
    assert words == "struct Wanted { word: u32 split { low_part: low 12; high_part: high 20 } }"


def test_what_is_tried_is_never_larger_than_what_was_found() -> None:
    sizes: list[int] = []

    def fails(texts: Texts) -> bool:
        if holds_a_split(texts):
            sizes.append(sum(map(len, texts.files.values())))
            return True
        return False

    reduced(LARGE, fails)
    assert sizes == sorted(sizes, reverse=True) and len(sizes) > 5


def test_the_number_of_tries_is_kept() -> None:
    tried: list[Texts] = []

    def fails(texts: Texts) -> bool:
        tried.append(texts)
        return False

    assert reduced(LARGE, fails, tries=7) == LARGE
    assert len(tried) == 7


def has_sticky(texts: Texts) -> bool:
    found = analysed(texts)
    if isinstance(found, Refused):
        return False
    items = (item for one in found.schema.descriptions.values() for item in one.items)
    return any(isinstance(item, Field) and item.sticky for item in items)


def test_a_drawn_schema_shrinks_to_the_construct_that_is_looked_for() -> None:
    seed = next(s for s in map("shrink:{}".format, range(99)) if has_sticky(seeded_schema(s)))
    print(f"seed {seed}")
    (only,) = descriptions(reduced(seeded_schema(seed), has_sticky))
    assert only.kind == "loop" and len(only.items) <= 3
