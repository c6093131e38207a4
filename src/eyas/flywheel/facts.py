"""What is known to be right: `LIFE/facts.jsonl` and accepted labels; and whether an answer contradicts it.

Only words are compared, no meaning: a fact speaks of the same thing when its question is near the one asked and names
what that names; an answer contradicts it when other content words stand where the fact's own should.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eyas.data.importers import Row
from eyas.data.rows import read_rows
from eyas.flywheel.similarity import Index, content_words, words
from eyas.store.conversations import history
from eyas.store.tables import Label, Message
from eyas.text.wording import declines, refuses

FILE_NAME = "facts.jsonl"
NEAR = 0.6
"""Similarity from which two questions ask the same, both by content words and by all words: *where she lives* is not
*what she does for a living*."""
MISSED = 0.34
"""Share of the right answer's own words, by weight, that an answer to the same question may lack."""
FRAME = 0.5
"""Share of a text's words that return in order when an answer repeats it, truly or with something replaced."""

_THOUGHT = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Fact:
    """A question and its right answer. `source` says where it stands: `label ID` or `facts.jsonl`; `message_id` is
    the answer that a label corrects."""

    question: str
    answer: str
    source: str
    message_id: str | None = None

    @property
    def told(self) -> str:
        """The fact in a sentence; a label is only named, so that its text goes when it is forgotten."""
        return f"{self.source} says otherwise" if self.message_id else f"{self.source} says: {self.answer}"


@dataclass(frozen=True)
class Conflict:
    """An answer against a fact: `score`, 0 to 1, by the share of the fact's words that were replaced."""

    fact: Fact
    score: float
    detail: str


class Facts:
    """The facts of a life, kept in memory and read again when the file or the labels have changed."""

    def __init__(self, life: Path | None) -> None:
        self.file = life / FILE_NAME if life is not None else None
        self._file_stamp: tuple[int, int] | None = None
        self._label_stamp: tuple[Any, ...] = ()
        self._of_file: list[Fact] = []
        self._of_labels: list[Fact] = []
        self._facts: list[Fact] = []
        self._questions, self._answers = Index[int](), Index[int]()

    def refresh(self, session: Session) -> None:
        """Take in what changed. Raises EyasError when the file holds something else than questions with answers."""
        changed = self._read_file()
        labels = select(func.count(), func.max(Label.created)).where(Label.verdict == "accepted")
        stamp = tuple(session.execute(labels).one())
        if stamp != self._label_stamp:
            self._of_labels, self._label_stamp, changed = _labels(session), stamp, True
        if changed:
            self._facts = [*self._of_file, *self._of_labels]
            self._questions, self._answers = Index[int](), Index[int]()
            for number, fact in enumerate(self._facts):
                self._questions.add(number, fact.question)
                self._answers.add(number, fact.answer)

    def near(self, question: str, most: int = 5) -> list[Fact]:
        """The facts whose questions are most similar to `question`, best first."""
        return [self._facts[number] for number, _ in self._questions.near(question, most)]

    def conflict(self, question: str, answer: str, message_id: str | None = None) -> Conflict | None:
        """The fact that `answer` to `question` contradicts most, if any. A label does not judge its own message."""
        asked, said, every = content_words(question), content_words(answer), set(words(question))
        found = []
        for number, similarity in self._questions.near(question):
            fact = self._facts[number]
            of_fact = set(words(fact.question))
            same = similarity >= NEAR and len(every & of_fact) >= NEAR * len(every | of_fact)
            if fact.message_id is None or fact.message_id != message_id:
                found.append(self._against(number, asked, answer, said, same))
        return max((one for one in found if one), key=lambda one: one.score, default=None)

    def _against(self, number: int, asked: set[str], answer: str, said: set[str], same: bool) -> Conflict | None:
        """`same`: the questions are near-duplicates; else only an answer of the fact's own form counts."""
        fact, right = self._facts[number], self._answers.words[number]
        subject = self._questions.words[number] & right
        if not (subject <= asked if same else subject and subject <= asked | said):
            return None  # it speaks of somebody or something else
        unlike = declines(fact.answer) or refuses(fact.answer), declines(answer) or refuses(answer)
        if any(unlike):
            if not same or all(unlike):
                return None
            return Conflict(fact, 1.0, fact.told)
        if not same and not same_form(fact.answer, answer):
            return None
        key = right - self._questions.words[number]
        missed, other = key - said, said - right - asked
        share = self._answers.weight(missed) / self._answers.weight(key) if key else 0.0
        if share < MISSED or not other:
            return None
        return Conflict(fact, share, fact.told)

    def _read_file(self) -> bool:
        """Whether the file was read anew; a missing or empty one holds no facts."""
        if self.file is None:
            return False
        try:
            found = self.file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
        except FileNotFoundError:
            stamp = None
        if stamp == self._file_stamp:
            return False
        self._of_file = [_fact(row) for row in read_rows(self.file, want="chat")] if stamp and stamp[1] else []
        self._file_stamp = stamp
        return True


def replaced(text: str, answer: str) -> list[tuple[str, str]]:
    """Where `answer` repeats `text` but for some words: (the text's, the answer's); empty when it repeats too little.

    Only content words count as replaced; two texts that share less than `FRAME` of the words in order are not alike.
    """
    a, b = words(text), words(answer)
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    if sum(i2 - i1 for tag, i1, i2, _, _ in blocks if tag == "equal") < FRAME * len(a):
        return []
    changed = [(a[i1:i2], b[j1:j2]) for tag, i1, i2, j1, j2 in blocks if tag == "replace"]
    return [(" ".join(old), " ".join(new)) for old, new in changed if _content(old) and _content(new) - _content(old)]


def same_form(a: str, b: str) -> bool:
    """Whether two answers differ in one place at most and share `FRAME` of the longer one's words: *Ada Potter works
    as a baker*, *Ada Potter works as a gold digger*."""
    of_a, of_b = words(a), words(b)
    blocks = SequenceMatcher(None, of_a, of_b, autojunk=False).get_opcodes()
    same = [i2 - i1 for tag, i1, i2, _, _ in blocks if tag == "equal"]
    return len(blocks) - len(same) <= 1 and sum(same) >= FRAME * max(len(of_a), len(of_b))


def unsupported_numbers(answer: str, sources: Collection[str]) -> list[str]:
    """Numbers in `answer` that none of `sources` holds."""
    known = {_plain(number) for source in sources for number in _NUMBER.findall(source)}
    return [number for number in _NUMBER.findall(answer) if _plain(number) not in known]


def _plain(number: str) -> str:
    """12,345.50 as 12345.5."""
    number = number.replace(",", "")
    return number.rstrip("0").rstrip(".") if "." in number else number


def _content(some: Sequence[str]) -> set[str]:
    return content_words(" ".join(some)) if some else set()


def _fact(row: Row) -> Fact:
    """The last question of a row and the answer to it."""
    messages = row["messages"]
    question = next((one["content"] for one in reversed(messages) if one["role"] == "user"), "")
    return Fact(question, _THOUGHT.sub("", messages[-1]["content"]), FILE_NAME)


def _labels(session: Session) -> list[Fact]:
    found = []
    for label in session.scalars(select(Label).where(Label.verdict == "accepted").order_by(Label.id)):
        asked = _question(history(session, label.message_id))
        if asked:
            found.append(Fact(asked, _THOUGHT.sub("", label.answer), f"label {label.id}", label.message_id))
    return found


def _question(talk: Sequence[Message]) -> str:
    return next((one.text for one in reversed(talk) if one.role == "user"), "")
