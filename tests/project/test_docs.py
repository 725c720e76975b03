"""The documentation says what is so: schemas compile, programs run, commands answer as shown.

Blocks fenced as vmsd are compiled. Those that are marked are run, in the order of the page and in
one folder:

    <!-- file: NAME -->     the block below is this file
    <!-- run -->            the block below is a program, or commands and their answers
    <!-- run: COMMAND -->   a command that the page does not show

In an answer a line `...` stands for any lines. `$ echo $?` shows the status of the command before.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import helpers
import pytest
from commands import BIN

from vmsc.hooks.host import Host
from vmsc.schema.diagnostics import Report
from vmsc.schema.syntax.loader import load_text

TREE = Path(__file__).parents[2]
DOCS = TREE / "docs"
PAGES = sorted(DOCS.glob("*.md"))
READ = [*PAGES, TREE / "README.md"]

_FENCE = re.compile(r"```(\w*)")
_MARK = re.compile(r"<!-- (file|run)(?:: (.+?))? -->")


@dataclass(frozen=True)
class Block:
    """A fenced block, or a hidden command. `mark`: file, run or nothing; `name`: the file's."""

    line: int
    language: str
    text: str
    mark: str = ""
    name: str = ""


def blocks(page: Path) -> Iterator[Block]:
    lines = iter(enumerate(page.read_text().split("\n"), 1))
    mark, name = "", ""
    for number, line in lines:
        if found := _FENCE.fullmatch(line):
            inside = []
            for _, text in lines:
                if text == "```":
                    break
                inside.append(text + "\n")
            yield Block(number, found[1], "".join(inside), mark, name)
            mark, name = "", ""
        elif found := _MARK.fullmatch(line):
            assert not mark, f"{page.name}:{number}: the mark before has no block"
            if found[1] == "run" and found[2]:
                yield Block(number, "console", f"$ {found[2]}\n...\n$ echo $?\n0\n", "run")
            else:
                mark, name = found[1], found[2] or ""
        elif line.strip():
            assert not mark, f"{page.name}:{number}: the mark before has no block"


# --- running --------------------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = os.pathsep.join([str(BIN), kept.get("PATH", "")])
    return {**kept, "PATH": path, "NO_COLOR": "1", "COLUMNS": "100", "HOME": str(folder)}


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines of its answer."""
    found: list[tuple[str, list[str]]] = []
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        else:
            assert found, f"an answer without a command: {line}"
            found[-1][1].append(line)
    return found


def answers(given: list[str], folder: Path) -> list[list[str]]:
    """What the commands answer, one after the other in one shell, errors included."""
    end = "--- the end of an answer ---"
    script = "exec 2>&1\n" + "".join(
        f"{command}\n_status=$?; printf '\\n{end}\\n'; (exit $_status)\n" for command in given
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    parts = done.stdout.split(f"\n{end}\n")[:-1]
    return [part.rstrip("\n").split("\n") if part.strip() else [] for part in parts]


def as_shown(found: list[str], shown: list[str]) -> bool:
    """Whether an answer is as shown, where a line `...` is any number of lines."""
    pattern = "".join(r"(?:.*\n)*?" if s == "..." else re.escape(s.rstrip()) + r"\n" for s in shown)
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in found)) is not None


def run_console(block: Block, folder: Path) -> None:
    given = commands(block.text)
    for (command, shown), found in zip(given, answers([c for c, _ in given], folder), strict=True):
        assert as_shown(found, shown), f"$ {command}\n" + "\n".join(found)


def run_python(block: Block, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        try:
            match block.mark, block.language:
                case "file", _:
                    (tmp_path / block.name).parent.mkdir(parents=True, exist_ok=True)
                    (tmp_path / block.name).write_text(block.text)
                case "run", "console":
                    run_console(block, tmp_path)
                case "run", "python":
                    run_python(block, tmp_path)
                case mark, language:
                    assert not mark, f"nothing runs a block of {language}"
        except AssertionError as fault:
            raise AssertionError(f"{page.name}:{block.line}: {fault}") from None


# --- schemas --------------------------------------------------------------------------------------


def assert_good(text: str, host: Host) -> None:
    report = Report()
    helpers.compiled(load_text(text, report), host, report)


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_the_schemas_on_a_page_compile(page: Path, host: Host) -> None:
    for block in blocks(page):
        if block.language == "vmsd" and block.mark != "file":
            assert_good(block.text, host)


def indented(page: Path) -> list[str]:
    """The indented blocks of a page."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", page.read_text(), flags=re.M)
    return [dedent(text) for text in found]


def test_the_sample_at_the_head_of_the_language_compiles(host: Host) -> None:
    sample = indented(DOCS / "language.md")[0]
    assert sample.lstrip().startswith("use std.pci")
    assert_good(sample, host)


def test_the_parameters_that_the_language_shows_are_taken(host: Host) -> None:
    (shown,) = (text for text in indented(DOCS / "language.md") if "one of" in text)
    assert_good(f"struct X {{\n{shown}\n}}", host)


# --- the pages themselves -------------------------------------------------------------------------


def test_everything_on_the_page_of_plugins_is_run() -> None:
    page = DOCS / "plugins.md"
    unmarked = [b.line for b in blocks(page) if b.language != "toml" and not b.mark]
    assert not unmarked


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in heads}


# --- the reader of pages is to be trusted ---------------------------------------------------------


def test_an_answer_that_is_not_as_shown_is_found(tmp_path: Path) -> None:
    good = Block(1, "console", "$ echo one; echo two\none\n...\n$ false\n$ echo $?\n1\n", "run")
    run_console(good, tmp_path)
    for text in (
        "$ echo one\ntwo\n",
        "$ echo one\n",
        "$ true\none\n",
        "$ echo a; echo b\n...\na\n",
    ):
        with pytest.raises(AssertionError):
            run_console(Block(1, "console", text, "run"), tmp_path)


def test_a_program_that_fails_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_python(Block(1, "python", "assert False", "run"), tmp_path)


def test_a_mark_without_a_block_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- run -->\ntext\n")
    with pytest.raises(AssertionError, match="the mark before has no block"):
        list(blocks(page))
