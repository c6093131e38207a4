"""The labelling instructions of a life: one page of Markdown, its numbered points, and every version there was.

`LIFE/labelling.md` is the page. A life of the world starts with the world's own (`world/labelling.md`), any other with
`flywheel/labelling.md`. Whenever the page differs from the store's newest version, it becomes a new version.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.files import read_json, write_atomic
from eyas.store.tables import Guideline
from eyas.world import people as world

FILE_NAME = "labelling.md"
MAX_CHARACTERS = 100_000
_HEADING = re.compile(r"#{2,6}\s+(?:(\d+)[.)]?\s+)?(.+)")
_KIND = re.compile(r"\s*\(`([\w-]+)`\)\s*$")
_BULLET = re.compile(r"\s{0,3}(?:[-*+]|\d+[.)])\s+(.+)")


@dataclass(frozen=True)
class Point:
    """One instruction. `number` is "3.2", or "3" where a section is one paragraph; `kind` the questions it speaks of.

    `kind` stands in backticks at the end of the section's heading, as in "## 3. Sums (`arithmetic`)"; "" means all.
    """

    number: str
    section: str
    kind: str
    text: str


def points(text: str) -> list[Point]:
    """The points of a page, in its order: each item of a list below a heading, or else the section's paragraph.

    Sections without a number of their own go on counting. What stands above the first `##` is no instruction.
    """
    found: list[Point] = []
    number, section, kind = 0, "", ""
    items: list[list[str]] = []

    def close() -> None:
        texts = [" ".join(lines) for lines in items if lines]
        alone = len(texts) == 1
        found.extend(
            Point(str(number) if alone else f"{number}.{i}", section, kind, one) for i, one in enumerate(texts, 1)
        )

    for line in text.splitlines():
        if heading := _HEADING.match(line):
            close()
            number = int(heading[1]) if heading[1] else number + 1
            named = _KIND.search(heading[2])
            section, kind = _KIND.sub("", heading[2]).strip(), named[1] if named else ""
            items = [[]]
        elif number and (bullet := _BULLET.match(line)):
            items.append([bullet[1].strip()])
        elif number and line.strip():
            items[-1].append(line.strip())
    close()
    return found


def page_of(life: Path) -> Path:
    """The file that holds the instructions of `life`: its own, else the one that lives of its kind start with."""
    own = life / FILE_NAME
    if own.is_file():
        return own
    record = life / "life.json"
    sources = read_json(record, "life").get("data", []) if record.is_file() else []
    is_world = any(str(source).partition(":")[0] == "world" for source in sources)
    return Path(world.__file__).parent / FILE_NAME if is_world else Path(__file__).parent / FILE_NAME


def current(session: Session, life: Path, author: str = "") -> Guideline:
    """The version that holds: the newest, or a new one when the page has changed since. Raises EyasError."""
    path = page_of(life)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EyasError(f"the labelling instructions {path} cannot be read: {error}") from error
    newest = session.scalar(select(Guideline).order_by(Guideline.version.desc()).limit(1))
    if newest is not None and newest.text == text:
        return newest
    made = Guideline(version=newest.version + 1 if newest else 1, author=author, text=text)
    session.add(made)
    session.flush()
    return made


def change(session: Session, life: Path, text: str, author: str) -> Guideline:
    """Write new instructions to the life's page and give the version they became. Raises EyasError when they hold no
    point or more than `MAX_CHARACTERS`."""
    text = text.replace("\r\n", "\n").rstrip() + "\n"
    if len(text) > MAX_CHARACTERS:
        raise EyasError(
            f"the instructions have {len(text):,} characters; {MAX_CHARACTERS:,} are the most, shorten them"
        )
    if not points(text):
        raise EyasError("the instructions hold no point; write a heading like `## 1. Facts` and a sentence below it")
    write_atomic(life / FILE_NAME, text)
    return current(session, life, author)


def versions(session: Session) -> list[Guideline]:
    """Every version, newest first."""
    return list(session.scalars(select(Guideline).order_by(Guideline.version.desc())))
