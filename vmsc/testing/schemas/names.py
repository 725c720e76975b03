"""Names for random schemas: many of them are words of the language, of Python or of generated code.

A description, a field or a parameter may have any name; a backend has to see to it that none
collides with what its own code calls things.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from vmsc.testing.schemas.choices import Choices

__all__ = ["LANGUAGE_WORDS", "doc_lines", "fresh", "label", "pick_descriptions", "text", "written"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# The words of grammars/vmsd.lark: names only between back-quotes.
LANGUAGE_WORDS = frozenset(
    _words("""
    use const struct loop vmsd device as version minimum target split low high bits let
    require break when unless subsection outer since min max equals sticky via param one of at
    under description until sum list tag tree nullable present marked choice else within opaque
    little host or and not true false
""")
)

_PLAIN = _words("a b c d g h j k m n q r s t u w x y z")

# Words of Python, of msgspec and of what generated code may call its own things.
_HARD = _words("""
    pos buf size end value final notes self cls fault name body last peeked version_ out put rounds
    start _w _c _struct _field _Shape v_x v_a x_0 x_1 e_x n_1 i_1 t_1 l_a p_a w_x k_1 total count
    mask word left item items kind length data given state index key found
    None True False class def lambda import from global yield await async pass is in del
    int str list dict tuple bool bytes bytearray object type len range max min any all zip map sum
    print isinstance memoryview struct property super Exception ValueError None_ Struct Any
    __init__ __class__ __eq__ __hash__ __dict__ __slots__ __struct_fields__ __repr__ __doc__ _ __
    encode decode decode_from measure scan get skip append pack unpack_from CODECS int8_t goto
    """)

_DESCRIPTIONS = _words("""
    A B V W Slot Entry Ring Queue Row Cell Page
    A_from A_framed A_framed_from FooBar Foo_bar foo_bar Codec Param Profile Struct CODECS U8 Bytes
    Any Truncated CodecError int list bytearray max min len range isinstance struct memoryview str
    object type Exception ValueError None True class _w _c _struct wire msgspec annotations
    version subsection device tree list choice A_ _A __A X_0
    """)

_TYPE_WORDS = frozenset(
    _words("u8 u16 u32 u64 s8 s16 s32 s64 bool f64 timer bytes bitmap string8 string32")
)


def written(name: str, choices: Choices) -> str:
    """The name as it stands in a schema: between back-quotes where it has to be, or may be."""
    quoted = name in LANGUAGE_WORDS or choices.often(3)
    return f"`{name}`" if quoted else name


def label(name: str, choices: Choices) -> str:
    """The name where a colon follows it, or nothing but a name can stand: any word will do."""
    return name if choices.often(60) else written(name, choices)


def fresh(choices: Choices, taken: Container[str]) -> str:
    """A name that is not taken."""
    words: tuple[str, ...] = ()
    for _ in range(0 if choices.plain else 8):
        kind = choices.weighted(((6, "plain"), (5, "hard"), (1, "language"), (1, "longer")))
        match kind:
            case "plain":
                name = choices.one(_PLAIN)
            case "hard":
                name = choices.one(_HARD)
            case "language":
                words = words or tuple(sorted(LANGUAGE_WORDS))
                name = choices.one(words)
            case _:
                name = choices.one(_PLAIN) + choices.one(("_", "_0", "_1", "2", "_x"))
        if name not in taken and name not in _TYPE_WORDS:
            return name
    number = 1
    while f"f{number}" in taken:
        number += 1
    return f"f{number}"


def pick_descriptions(choices: Choices, taken: Iterable[str]) -> str:
    """A description's name that is not taken."""
    used = set(taken)
    for _ in range(0 if choices.plain else 6):
        name = choices.one(_DESCRIPTIONS)
        if name not in used and name not in _TYPE_WORDS:
            return name
    number = 1
    while f"D{number}" in used:
        number += 1
    return f"D{number}"


# --- texts ----------------------------------------------------------------------------------------

_TEXTS = (
    "a", "of the device", "it's", 'say \'\'\'x\'\'\'', "back\\slash", "\\", "\\n\\", "{{ x }}",
    "{% raw %}", "<b>&amp;</b>", "# x", "//", "é ü", "{x!r:>{y}}", "%s %(x)d", "`x`", "$(x)",
    "\u2603",
)  # fmt: skip


def text(choices: Choices) -> str:
    """Text for a string of the language: quotes and control characters cannot stand in one."""
    return choices.one(_TEXTS)


def doc_lines(choices: Choices) -> list[str]:
    """Doc comments for what follows, mostly none."""
    if not choices.often(12):
        return []
    found = [text(choices) for _ in range(choices.between(1, 2))]
    if choices.often(30):
        found.append(choices.one(('"""', '"', 'ends in "', '\\"""', "'''", "")))
    return [f"/// {line}".rstrip() for line in found]
