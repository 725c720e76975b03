"""Make a failing schema small: leave out and simplify what it can fail without.

Works on the text's tree, so that what is tried is mostly a schema, and on any text, drawn or not.
The parts that are tried first are the largest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from vmsc.testing.grammar import Token, Tree, tree_of
from vmsc.testing.schemas import Texts

__all__ = ["reduced"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_COMMENT = re.compile(r"(?<!/)//(?!/)[^\n]*")
_REMOVABLE = frozenset(
    _words("""
    use const struct vmsd device loop param field padding split let require break_when
    break_unless subsection outer part arm otherwise argument since when unless minimum maximum
    equals sticky via wire_name versions at_place under_place
""")
)
_LISTED = frozenset(("argument", "word"))  # with a comma between
_EXPRESSIONS = frozenset(
    _words("""
    or_ and_ not_ compare binary_or binary_xor binary_and operate negative invert member index
    number string true false version reference call atom
""")
)
_TYPES = frozenset(
    _words("""
    array until until_sum list_of tree nullable choice within pad opaque ordered named
""")
)


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str = ""


def _span(node: Tree | Token) -> tuple[int, int]:
    if isinstance(node, Token):
        return node.start_pos or 0, node.end_pos or 0
    return node.meta.start_pos, node.meta.end_pos


def _places(tree: Tree) -> Iterator[Tree]:
    for node in tree.iter_subtrees():
        if not node.meta.empty:
            yield node


def _edits(text: str, tree: Tree) -> list[_Edit]:
    """All ways to make the text a little smaller, those that take most away first."""
    found = {_Edit(each.start(), each.end()): None for each in _COMMENT.finditer(text)}
    for node in _places(tree):
        name, (start, end) = str(node.data), _span(node)
        if name in _REMOVABLE:
            found[_Edit(start, end)] = None
        if name in _LISTED:
            for comma in _commas(text, start, end):
                found[comma] = None
        for family, simple in ((_EXPRESSIONS, ("0", "1")), (_TYPES, ("u8",))):
            if name in family:
                for edit in _simpler(text, node, family, simple):
                    found[edit] = None
        for child in node.children:
            if isinstance(child, Token) and child.type in ("DOC", "STRING"):
                found[_Edit(*_span(child))] = None
    return sorted(found, key=lambda edit: (edit.start - edit.end + len(edit.text), edit.start))


def _commas(text: str, start: int, end: int) -> Iterator[_Edit]:
    """A member of a list is left out with the comma that stands after or before it."""
    after = len(text[end:]) - len(text[end:].lstrip())
    before = len(text[:start].rstrip())
    if text[end + after : end + after + 1] == ",":
        yield _Edit(start, end + after + 1)
    elif text[before - 1 : before] == ",":
        yield _Edit(before - 1, end)


def _simpler(
    text: str, node: Tree, family: frozenset[str], simple: tuple[str, ...]
) -> Iterator[_Edit]:
    """In the place of a node, one of its parts of the same kind, or the simplest there is."""
    start, end = _span(node)
    shorter = [_span(part) for part in _places(node) if str(part.data) in family]
    for left, right in shorter:
        if (left, right) != (start, end):
            yield _Edit(start, end, text[left:right])
    for each in simple:
        if len(each) < end - start or (each == "0" and text[start:end] not in ("0", "1")):
            yield _Edit(start, end, each)


def _applied(text: str, edit: _Edit) -> str:
    return text[: edit.start] + " " * (not edit.text) + edit.text + text[edit.end :]


def _tidied(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line.strip(" ;")) + "\n"


def reduced(texts: Texts, fails: Callable[[Texts], bool], tries: int = 3000) -> Texts:
    """The texts, made smaller as long as they fail, with at most so many tries."""
    left = tries
    changed = True
    while changed and left > 0:
        changed = False
        for module in sorted(texts.files, key=lambda name: name != texts.main):
            before = texts.files[module]
            texts, left = _reduced_file(texts, module, fails, left)
            changed = changed or texts.files.get(module) != before
    return texts


def _with(texts: Texts, module: str, text: str) -> Texts:
    files = {**texts.files, module: text}
    if not text.strip():
        del files[module]
    return replace(texts, files=files)


def _reduced_file(
    texts: Texts, module: str, fails: Callable[[Texts], bool], left: int
) -> tuple[Texts, int]:
    """One round over a file; what was tried in vain is not tried again in the same round."""
    done: set[str] = set()
    at = 0
    tree = tree_of(texts.files[module])
    edits = [] if tree is None else _edits(texts.files[module], tree)
    while at < len(edits) and left > 0:
        text = _tidied(_applied(texts.files[module], edits[at]))
        at += 1
        if text in done or len(text) > len(texts.files[module]):
            continue
        done.add(text)
        left -= 1
        tried = _with(texts, module, text)
        if texts.main in tried.files and fails(tried):
            if module not in tried.files:
                return tried, left
            texts, tree = tried, tree_of(text)
            edits = [] if tree is None else _edits(text, tree)
            at = max(0, at // 2)
    return texts, left
