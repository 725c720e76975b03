"""Parse errors: what a syntax error says. Knows the grammar's terminals by name, and no parser.

A control character has no place in a schema, not even in a comment: editors, terminals and other
languages' parsers would see other lines, or another order of words, than vmsc does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Set

from vmsc.schema.diagnostics import Note, Report
from vmsc.schema.source import Source, Span

__all__ = ["report_character", "report_control", "report_end", "report_token"]

# All but tab, LF and CR LF: ASCII's and Latin-1's controls, and Unicode's line and paragraph
# separators and bidirectional embeddings, overrides and isolates (UAX #9).
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\r(?!\n)")
_CONTROL_NAMES = {
    "\0": "NUL", "\a": "bell", "\b": "backspace", "\v": "vertical tab", "\f": "form feed",
    "\r": "carriage return", "\x1b": "escape", "\x7f": "delete", "\x85": "next line",
}  # fmt: skip

_SPOKEN = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "$END": "the end of the file",
}

# What is expected, by kind: where all words of a kind are possible, the kind is named.
_KINDS = (
    ("a description", {"STRUCT", "DEVICE", "VMSD", "LOOP"}),
    ("a field or another item", {"LET", "REQUIRE", "SUBSECTION", "UNUSED", "OUTER", "NAME"}),
    ("a type", {"LIST", "TREE", "NULLABLE", "CHOICE", "WITHIN", "OPAQUE", "UNUSED", "NAME"}),
    ("an expression", {"NUMBER", "STRING", "TRUE", "FALSE", "LPAR", "NAME"}),
    ("a modifier", {"SINCE", "WHEN", "UNLESS", "EQUALS", "STICKY", "VIA"}),
    ("an operator", {"PLUS", "MINUS", "TIMES", "OVER", "REST", "LEFT", "RIGHT"}),
)
# What goes without saying where a kind is named.
_SILENT = {
    "a description": {"USE", "CONST", "PARAM", "DOC", "SEMICOLON"},
    "a field or another item": {
        "BREAK", "PARAM", "DOC", "SEMICOLON", "QUOTED", "WORD", "ELSE", "TRUE", "FALSE",
    },
    "a type": {"LITTLE", "HOST", "QUOTED"},
    "an expression": {"NOT", "MINUS", "TILDE", "VERSION", "QUOTED"},
    "a modifier": {"MIN", "MAX", "AS", "SPLIT", "VERSION", "LSQB", "LPAR"},
    "an operator": {
        "BELOW", "ABOVE", "LEAST", "UPPER", "EQUAL", "OTHER", "AND", "OR", "VBAR", "DOT", "LSQB",
        "CIRCUMFLEX", "AMPERSAND", "LPAR",
    },
}  # fmt: skip

_NEVER = {
    "QUOTED",
    "WORD",
    "DOC",
    "SEMICOLON",
    "AND",
    "OR",
    "VBAR",
}  # possible so often that it says nothing

# Other languages' ways, and ours.
_HABITS = {
    "=": "equality is written ==",
    "&": "'and' is a word here, not &&",
    "|": "'or' is a word here, not ||",
    "!": "'not' is a word here, not !",
    "'": "strings stand in double quotes",
    "#": "comments begin with //",
    "/": "comments begin with //",
    "*": "comments begin with //",
    ",": "items stand on lines of their own, or with ; between them",
}
_COMPARISONS = ("EQUAL", "OTHER", "LEAST", "UPPER", "BELOW", "ABOVE")


def _spoken(terminals: Set[str], literals: Mapping[str, str]) -> str:
    """The terminals in words, the most telling first."""
    left, words = set(terminals), []
    for kind, all_of in _KINDS:
        if all_of <= left:
            words.append(kind)
            left -= all_of | _SILENT[kind]
    for name in sorted((left - _NEVER) or left):
        words.append(_SPOKEN.get(name) or f"'{literals[name]}'")
    few = list(dict.fromkeys(words))
    if len(few) > 4:
        return ", ".join(few[:4]) + ", ..."
    return ", ".join(few[:-1]) + " or " + few[-1] if len(few) > 1 else "".join(few)


def _is_word(text: str, literals: Mapping[str, str]) -> bool:
    """Whether it is a word of the language."""
    return re.fullmatch("[a-z]+", text) is not None and text in literals.values()


def _notes(
    text: str, terminal: str, before: str, wanted: Set[str], literals: Mapping[str, str], span: Span
) -> list[Note]:
    """The way out, where one can be seen."""
    last = re.search(r"(:?)\s*\b(\w+)([ \t]*)\Z", before)
    if _is_word(text, literals) and "NAME" in wanted:
        note = f"'{text}' is a word of the language; as a name it is written `{text}`"
        return [Note(note, span)]
    if text == ":" and last and last[1]:
        place = span.column - len(last[2] + last[3])
        word = Span(span.source, span.line, place, len(last[2]))
        return [Note(f"'{last[2]}' was read as the type of what stands before it", word)]
    if wanted == {"COLON"} and terminal in ("NAME", "QUOTED"):
        return [Note("a field's name stands before its type, with a colon behind it", span)]
    if terminal in _COMPARISONS and "AND" in wanted:
        return [Note("comparisons do not chain: join two of them with 'and'", span)]
    return [Note(_HABITS[text], span)] if text in _HABITS else []


def report_token(
    text: str,
    terminal: str,
    before: str,
    wanted: Set[str],
    literals: Mapping[str, str],
    span: Span,
    report: Report,
) -> None:
    """A word that cannot stand here. `before`: what is in front of it.

    `wanted` names the terminals that could stand here; `literals` has what they stand for.
    """
    if terminal == "DOC":
        message = "a doc comment with nothing to speak of behind it; a plain comment begins with //"
        report.error("syntax", message, span)
        return
    message = f"unexpected '{text[:80]}'; expected {_spoken(wanted, literals)}"
    report.error("syntax", message, span, *_notes(text, terminal, before, wanted, literals, span))


def report_end(wanted: Set[str], literals: Mapping[str, str], span: Span, report: Report) -> None:
    """The file ends where it cannot."""
    message = f"the file ends here; expected {_spoken(wanted, literals)}"
    report.error("syntax", message, span)


def report_character(char: str, behind: str, span: Span, report: Report) -> None:
    """A character that begins no word. `behind`: what is behind it on its line."""
    if char == '"':
        control = '"' in behind
        message = "a string that does not end on its line"
        report.error("syntax", "a tab in a string" if control else message, span)
        return
    notes = [Note(_HABITS[char], span)] if char in _HABITS else []
    report.error("syntax", f"unexpected character {char!r}", span, *notes)


def report_control(source: Source, report: Report) -> bool:
    """Whether the text holds a control character; the first is reported."""
    found = _CONTROL.search(source.text)
    if found is None:
        return False
    char, start = found[0], found.start()
    name = _CONTROL_NAMES.get(char) or unicodedata.name(char, "control character").lower()
    message = f"the character U+{ord(char):04X} ({name}); of control characters only tabs and line "
    message += "ends (LF, CR LF) are allowed"
    line = source.text.count("\n", 0, start) + 1
    span = Span(source, line, start - source.text.rfind("\n", 0, start))
    report.error("control-character", message, span)
    return True
