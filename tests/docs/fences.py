"""The fenced code blocks of a Markdown file, and the command lines in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})(?P<info>[^`]*)$")
NO_TEST = "no-test"


@dataclass(frozen=True)
class Block:
    """One fenced block: where it starts, its language, why it is not run (None when it is), its text."""

    place: str
    language: str
    reason: str | None
    text: str


def blocks(file: Path) -> Iterator[Block]:
    """The blocks of `file` in order. The info string reads `LANGUAGE` or `LANGUAGE no-test REASON`."""
    opened: re.Match[str] | None = None
    start, lines = 0, list[str]()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        match = FENCE.match(line)
        if opened is None:
            if match is not None:
                opened, start, lines = match, number, []
        elif match is not None and match["ticks"].startswith(opened["ticks"]) and not match["info"].strip():
            yield _block(f"{file.name}:{start}", opened["info"].split(), lines)
            opened = None
        else:
            lines.append(line.removeprefix(opened["indent"]))
    if opened is not None:
        raise ValueError(f"{file.name}:{start}: a fence is not closed")


def _block(place: str, info: list[str], lines: list[str]) -> Block:
    reason = " ".join(info[2:]).strip("() ") if info[1:2] == [NO_TEST] else None
    if info[1:] and reason is None:
        raise ValueError(f"{place}: after the language may stand only `{NO_TEST} REASON`, not `{' '.join(info[1:])}`")
    if reason == "":
        raise ValueError(f"{place}: `{NO_TEST}` needs a reason, such as: takes ten minutes")
    return Block(place, info[0] if info else "", reason, "\n".join(lines))


def command_lines(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell text as words: continuations joined, comments dropped, pipes and `&&` split."""
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if set(word) <= set("|&;"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words
