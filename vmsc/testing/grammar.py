"""Schema text as the grammar sees it: which rules and words it uses, and where each part lies.

The same grammar file as the compiler's, read with all its tokens kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import lark

__all__ = ["Token", "Tree", "productions", "tree_of", "used_productions"]

Token = lark.Token
Tree = lark.Tree[Token]

_IGNORED = ("COMMENT", "SPACE")


@cache
def _grammar() -> lark.Lark:
    return lark.Lark.open(
        str(files("vmsc.grammars") / "vmsd.lark"),
        parser="lalr",
        propagate_positions=True,
        keep_all_tokens=True,
    )


def tree_of(text: str) -> Tree | None:
    """The text's tree; None where it does not follow the grammar."""
    try:
        return _grammar().parse(text)
    except lark.exceptions.UnexpectedInput:
        return None


def productions() -> frozenset[str]:
    """The names of the grammar's rules, as they appear in trees, and of its words and signs."""
    found: set[str] = set()
    for rule in _grammar().rules:
        name = str(rule.alias or rule.origin.name)
        inlined = rule.options.expand1 and not rule.alias and len(rule.expansion) == 1
        if not name.startswith("_") and not inlined:
            found.add(name)
    words = {terminal.name for terminal in _grammar().terminals} - {*_IGNORED}
    return frozenset(found | words)


def used_productions(tree: Tree) -> Counter[str]:
    """How often each rule, word and sign stands in the tree."""
    return Counter(_names(tree))


def _names(tree: Tree) -> Iterator[str]:
    for node in tree.iter_subtrees():
        yield str(node.data)
        for child in node.children:
            if isinstance(child, Token):
                yield child.type
