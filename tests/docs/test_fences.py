"""How the documents are read."""

from pathlib import Path

import pytest

from tests.docs.fences import Block, blocks, command_lines


def read(folder: Path, text: str) -> list[Block]:
    file = folder / "page.md"
    file.write_text(text)
    return list(blocks(file))


def test_blocks_are_found_with_their_language_and_place(tmp_path: Path) -> None:
    found = read(
        tmp_path, "Text\n\n```sh\neyas env\n```\n\n````text\n```sh\nnot a command\n```\n````\n\n    ```sh\n    code\n"
    )
    assert found == [
        Block("page.md:3", "sh", None, "eyas env"),
        Block("page.md:7", "text", None, "```sh\nnot a command\n```"),
    ]


def test_a_block_that_is_not_run_says_why(tmp_path: Path) -> None:
    assert read(tmp_path, "```sh no-test takes ten minutes\nmake raise\n```\n")[0].reason == "takes ten minutes"
    with pytest.raises(ValueError, match="page.md:1: `no-test` needs a reason"):
        read(tmp_path, "```sh no-test\nmake raise\n```\n")


def test_other_words_after_the_language_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="page.md:1: after the language"):
        read(tmp_path, "```sh notest slow\nmake raise\n```\n")


def test_a_fence_left_open_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="page.md:2: a fence is not closed"):
        read(tmp_path, "\n```sh\neyas env\n")


def test_commands_are_told_apart() -> None:
    text = (
        'eyas next m "a # b" --top 3  # a comment\n# another\necho "hi there" | eyas chat \\\n   m && eyas env; cd x\n'
    )
    assert list(command_lines(text)) == [
        ["eyas", "next", "m", "a # b", "--top", "3"],
        ["echo", "hi there"],
        ["eyas", "chat", "m"],
        ["eyas", "env"],
        ["cd", "x"],
    ]
