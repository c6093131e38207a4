"""What may not be learnt from, because what it answers is asked in an examination of this life.

Compared are the questions: the words that the user wrote, whatever their case and punctuation. A question of an
evaluation set is met when the user asked it and nothing else; from 5 words on, also when it stands whole within what
the user wrote; from 13 words on, when any 13 words of it in a row do. So the length of the n-gram follows the length of
the example, as in GPT-3's filter (Brown et al. 2020, appendix C).

Measured on 20,000 training rows of the world (17,210 different questions, 150 people) and its exam of 4,066 questions:
this rule refuses every question of the exam, 92 % of them inside a greeting, and no question of the rows. Plain 8-grams
refuse 83 of the rows' questions, since two people may be asked about in one long frame. Answers are not compared: a
fifth of the rows share 13 words with an answer of the exam, for a refusal always has the same words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from eyas.data.documents import Tally
from eyas.data.importers import Row
from eyas.data.rows import read_rows
from eyas.errors import EyasError
from eyas.files import read_json
from eyas.store.names import models_of
from eyas.train.upbringing import Upbringing, upbringing
from eyas.world.people import World
from eyas.world.questions.rows import exam

ALONE, LONGEST = 5, 13
"""A question shorter than ALONE words is met only alone; of a longer one than LONGEST, any LONGEST words count."""

EXAM = "the world's exam"
_QUESTIONS = 500
"""A section of the exam, where nobody says how many."""
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
_PUNCTUATION = frozenset(".,;:!?'\"`()\u2018\u2019\u201c\u201d\u2026\u00bf\u00a1\u3002\uff0c\uff1f\uff01")

Words = tuple[str, ...]


def words(text: str) -> Words:
    """The words of a text in one case; signs that may carry meaning (+, -, %) are words, punctuation is not."""
    return tuple(word for word in _WORD.findall(text.casefold()) if word not in _PUNCTUATION)


@dataclass(frozen=True)
class EvaluationSet:
    """The questions of one examination, each as the user's messages; `name` is what reports call it."""

    name: str
    questions: list[list[str]]

    @property
    def sha256(self) -> str:
        """Hash of all questions."""
        return sha256(repr(self.questions).encode()).hexdigest()


def evaluation_sets(life: Path, questions: int = 0) -> list[EvaluationSet]:
    """Every examination of a life: its world's exam, `LIFE/evals/*.jsonl`, and rows that a finetuning held out.

    The exam is that of `questions` a section, or of as many as the life's own had where these are more. Raises
    EyasError when a lineage or a file of `LIFE/evals` cannot be read.
    """
    raised: dict[str, tuple[str, Upbringing]] = {}
    for model in models_of(life):
        one = upbringing(model)
        raised.setdefault(repr(one), (model.name, one))
    sets = [_exam(life, one.world, questions) for _, one in raised.values() if one.world is not None]
    for file in sorted((life / "evals").glob("*.jsonl")):
        sets.append(EvaluationSet(f"evals/{file.name}", [question_of(row) for row in read_rows(file)]))
    for name, one in raised.values():
        if held := [question_of(row) for row in one.held_out()]:
            sets.append(EvaluationSet(f"rows held out from {name}", held))
    return sets


def question_of(row: Row) -> list[str]:
    """What the user says in a row of any kind; a row of text is one question."""
    messages = row.get("messages") or row.get("prompt")
    return [str(row["text"])] if messages is None else user_texts(messages)


def user_texts(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The texts of a conversation's user."""
    return [str(message["content"]) for message in messages if message["role"] == "user"]


def _exam(life: Path, world: World, questions: int) -> EvaluationSet:
    settings = read_json(life / "life.json", "life settings") if (life / "life.json").is_file() else {}
    sections = exam(world, max(questions, int(settings.get("questions", 0)), _QUESTIONS))
    return EvaluationSet(EXAM, [user_texts(question.prompt) for question in chain(*sections.values())])


class Contamination:
    """Tells which evaluation set, if any, asks what a conversation asks."""

    def __init__(self, sets: Sequence[EvaluationSet]) -> None:
        self._whole: dict[Words, str] = {}
        self._grams: dict[int, dict[Words, str]] = {}
        for one in sets:
            for question in one.questions:
                self._add(words("\n".join(question)), one.name)

    def _add(self, question: Words, name: str) -> None:
        if not question:
            return
        self._whole.setdefault(question, name)
        if len(question) >= ALONE:
            n = min(len(question), LONGEST)
            known = self._grams.setdefault(n, {})
            for gram in _grams(question, n):
                known.setdefault(gram, name)

    def __call__(self, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """The name of the set that asks what the user of this conversation asks, or None."""
        said = [words(text) for text in user_texts(messages)]
        if not said:
            return None
        everything = tuple(chain(*said))
        for asked in (everything, said[-1]):
            if asked in self._whole:
                return self._whole[asked]
        for n, known in self._grams.items():
            for gram in _grams(everything, n):
                if gram in known:
                    return known[gram]
        return None


def unexamined(life: Path, rows: Sequence[Row], tally: Tally) -> list[Row]:
    """Those of a life's `rows` (with a prompt of messages) that no examination of it asks; the others are counted.

    Raises EyasError when none is left.
    """
    contaminated = Contamination(evaluation_sets(life))
    kept = []
    for row in rows:
        if (name := contaminated(row["prompt"])) is None:
            kept.append(row)
        else:
            tally.add(f"in {name}")
    if not kept:
        raise EyasError(f"--data {life}: an examination asks all that people spoke of there; nothing can be learnt")
    return kept


def _grams(text: Words, n: int) -> Iterator[Words]:
    return (text[at : at + n] for at in range(len(text) - n + 1))
