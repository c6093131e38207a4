"""What the documents tell a reader to type is typed here.

The `sh` blocks of a page are run in order in one scratch folder, then its `python` blocks as one program; nothing is
replaced. The folder holds what a reader may be taken to have: a small life at `lives/first`, raised by `eyas raise`
itself, `book.txt`, the conversations `rows.jsonl` and the preferences `pairs.jsonl`. A block marked `no-test REASON` is
not run, but its `eyas` lines must still be commands that the program would accept, and its `make` lines targets that
exist.
"""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from eyas.cli.flags import StageCommand
from eyas.cli.main import cli
from tests.docs.fences import Block, blocks, command_lines

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
# Blocks in these languages are typed by readers; every one must stand under a name that is looked at here.
OTHER_NAMES = {"bash", "shell", "console", "zsh", "shell-session", "py", "python3", "pycon"}
SECONDS = 900


def pages() -> list[Path]:
    return [page for page in PAGES if page.is_file()]


def refuse_call(words: list[str]) -> None:
    """Raise what the program would answer to `eyas WORDS...`, without running it."""
    if not words or words[0] in ("--help", "--version"):
        return
    name, command, rest = cli.resolve_command(click.Context(cli), words)
    assert command is not None
    try:
        context = command.make_context(name, rest)
    except click.exceptions.Exit:
        return
    if isinstance(command, StageCommand):
        command.settings(context.params)


def check(block: Block) -> None:
    for words in command_lines(block.text):
        if words[0] == "eyas":
            refuse_call(words[1:])
        elif words[0] == "make":
            subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, check=True, capture_output=True)


def run(block: Block, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = ["bash", "-euo", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*program, block.text],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{block.place} exits with {done.returncode}\n{done.stdout}\n{done.stderr}"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_work_as_written(page: Path, doc_folder: Path) -> None:
    found = list(blocks(page))
    for block in found:
        if block.language == "sh" and block.reason is None:
            run(block, doc_folder)
        elif block.language == "sh":
            check(block)
    if program := [block.text for block in found if block.language == "python" and block.reason is None]:
        run(Block(page.name, "python", None, "\n".join(program)), doc_folder)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_command_hides_under_another_language(page: Path) -> None:
    hidden = [block.place for block in blocks(page) if block.language in OTHER_NAMES]
    assert hidden == [], "write `sh` or `python`, so that these are run"
    bare = [
        block.place
        for block in blocks(page)
        if block.language not in ("sh", "python") and block.text.lstrip("$ ").startswith(("eyas ", "make "))
    ]
    assert bare == [], "commands in a block that is not `sh`"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("eyas pretrian -o x", "there is no `eyas pretrian`"),
        ("eyas env --colour", "No such option"),
        ("eyas lineage", "Missing parameter: model"),
        ("eyas next lives/first/base 'a' --top none", "not a valid integer"),
        ("eyas pretrain --data world", "--out is required"),
    ],
)
def test_a_command_that_is_not_run_is_still_checked(text: str, why: str) -> None:
    with pytest.raises(Exception, match=why):
        check(Block("page.md:1", "sh", "takes minutes", text))


def test_a_make_target_that_does_not_exist_is_found() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        check(Block("page.md:1", "sh", "takes minutes", "make coffee"))
    check(Block("page.md:1", "sh", "takes minutes", "make raise\ncd x && eyas env --json\n"))


def test_a_command_that_fails_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="page.md:1 exits with 1"):
        run(Block("page.md:1", "sh", None, "eyas lineage nowhere | cat\necho unreached"), tmp_path)
    run(Block("page.md:1", "sh", None, "eyas --version"), tmp_path)
