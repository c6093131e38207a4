"""Which corrections may not be learnt from, because what they answer is asked in an examination of this life.

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
from eyas.files import read_json
from eyas.store.lineage import FILE_NAME, read_lineage
from eyas.store.names import models_of
from eyas.train.chats import WORLD, ChatSource, held_out
from eyas.world.people import World
from eyas.world.questions.rows import exam

ALONE, LONGEST = 5, 13
"""A question shorter than ALONE words is met only alone; of a longer one than LONGEST, any LONGEST words count."""

EXAM = "the world's exam"
_QUESTIONS = 500
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


def evaluation_sets(life: Path) -> list[EvaluationSet]:
    """Every examination of a life: its world's exam, `LIFE/evals/*.jsonl`, and rows that a finetuning held out.

    Raises EyasError when a file of `LIFE/evals` cannot be read.
    """
    lineages = {model.name: read_lineage(model) for model in models_of(life) if (model / FILE_NAME).is_file()}
    tuned = {name: one["config"] for name, one in lineages.items() if one["stage"] == "finetune"}
    worlds = {(one.get("seed") or 0, one.get("people")) for one in tuned.values() if WORLD in one.get("data", [])}
    sets = [_exam(life, seed, people) for seed, people in worlds]
    for file in sorted((life / "evals").glob("*.jsonl")):
        sets.append(EvaluationSet(f"evals/{file.name}", [question_of(row) for row in read_rows(file)]))
    for name, config in tuned.items():
        if questions := [question_of(row) for row in _held_out_rows(life, config)]:
            sets.append(EvaluationSet(f"rows held out from {name}", questions))
    return sets


def question_of(row: Row) -> list[str]:
    """What the user says in a row of any kind; a row of text is one question."""
    messages = row.get("messages") or row.get("prompt")
    return [str(row["text"])] if messages is None else user_texts(messages)


def user_texts(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The texts of a conversation's user."""
    return [str(message["content"]) for message in messages if message["role"] == "user"]


def _exam(life: Path, seed: int, people: int | None) -> EvaluationSet:
    world = World(seed) if people is None else World(seed, people)
    settings = read_json(life / "life.json", "life settings") if (life / "life.json").is_file() else {}
    sections = exam(world, max(_QUESTIONS, int(settings.get("questions", 0))))
    return EvaluationSet(EXAM, [user_texts(question.prompt) for question in chain(*sections.values())])


def _held_out_rows(life: Path, config: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of the user's own files; the world's are drawn like those trained on, and `curate` splits its own."""
    names = [str(name) for name in config.get("data", [])]
    own = {name for name in names if name != WORLD and not Path(name).resolve().is_relative_to(life.resolve())}
    if not own or not all(Path(name).exists() for name in own):
        return
    people, skip_bad = config.get("people"), bool(config.get("skip_bad"))
    sources = {name: ChatSource([name], int(config.get("seed") or 0), people, skip_bad) for name in names}
    rows = [(name, row) for name in names for row in sources[name].rows(Tally())]
    held = held_out(len(rows), float(config.get("val_fraction") or 0))
    yield from (row for index, (name, row) in enumerate(rows) if index in held and name in own)


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


def _grams(text: Words, n: int) -> Iterator[Words]:
    return (text[at : at + n] for at in range(len(text) - n + 1))
