"""What must stay as it is while corrections are learnt: rows of old, those nearest to them, and near misses.

A small model that is taught *Ada Potter lives in Mill Lane* a hundred times soon says so of Ada Marsh as well. Rows
drawn at random hardly ever speak of such a case. So two kinds are added: the rows of old whose questions are most like
the corrected ones, and the corrected questions with another name or number in them, to which the model's own answer of
before is the lesson.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eyas.data.importers import Row
from eyas.data.messages import Message
from eyas.flywheel.similarity import Index, content_words, words
from eyas.flywheel.verdicts import right_answer
from eyas.runtime.engine import Engine
from eyas.runtime.sampling import Sampling
from eyas.text.chat import parse_assistant, render

NEIGHBOURS = 40
NEAR_MISSES = 30
"""Rows for each lesson."""
LEAST_RANDOM = 2000
"""Rows drawn at random; twice as many as are near when that is more."""
SAME_QUESTION, SAME_WORDS = 0.8, 0.6
"""Similarity by content words and overlap of all words from which two questions are one."""
MAX_TOKENS = 96
_WORDS = re.compile(r"[^\W_]+")
_STARTS = re.compile(r"(?:^|[.!?:\n])\s*$")


@dataclass(frozen=True)
class Rehearsal:
    """The rows to mix in, and how many are of which kind; `left_out` taught what the corrections reject."""

    rows: list[Row]
    near_misses: int
    neighbours: int
    random: int
    left_out: int


def rehearse(
    engine: Engine,
    lessons: Sequence[Row],
    rejected: Sequence[Row],
    pool: Sequence[Row],
    texts: Iterable[str],
    seed: int,
) -> Rehearsal:
    """Rows that hold `engine`'s model to what it was: `pool` are its rows of old, `texts` documents it has read.

    `rejected` are the pairs of the corrections. Without a pool only near misses are made.
    """
    questions = [question_of(row["messages"]) for row in pool]
    bad = contradicting(pool, lessons, rejected)
    index = Index[int]()
    for number, question in enumerate(questions):
        if number not in bad:
            index.add(number, question)
    near = {number for lesson in lessons for number, _ in index.near(question_of(lesson["messages"]), NEIGHBOURS)}
    misses = near_misses(engine, lessons, questions, texts, seed)
    wrong = contradicting(misses, lessons, rejected)  # a lesson's subject comes up in another lesson's words as well
    misses = [row for number, row in enumerate(misses) if number not in wrong]
    rest = [number for number in range(len(pool)) if number not in near and number not in bad]
    drawn = random.Random(seed).sample(rest, min(len(rest), max(LEAST_RANDOM, 2 * (len(near) + len(misses)))))
    rows = [*misses, *(pool[number] for number in (*sorted(near), *drawn))]
    return Rehearsal(rows, len(misses), len(near), len(drawn), len(bad) + len(wrong))


def contradicting(rows: Sequence[Row], lessons: Sequence[Row], rejected: Sequence[Row]) -> set[int]:
    """Numbers of the rows that say otherwise than the lessons, whose pairs `rejected` are.

    Such a row gives a rejected answer that names its subject, or answers a lesson's question with something else.
    """
    wrong: set[str] = set()
    for pair in rejected:
        answer = str(pair["rejected"][-1]["content"])
        if content_words(question_of(pair["prompt"])) & content_words(answer):  # *I don't know.* may be right elsewhere
            wrong.add(_plain(answer))
    asked = Index[int]()
    for number, lesson in enumerate(lessons):
        asked.add(number, question_of(lesson["messages"]))
    found: set[int] = set()
    for number, row in enumerate(rows):
        question = ""
        for message in row["messages"]:
            text = str(message["content"])
            if message["role"] == "user":
                question = text
            elif message["role"] == "assistant" and text and number not in found:
                said_otherwise = (
                    not right_answer(text, str(lessons[nearest]["messages"][-1]["content"]))
                    for nearest, similarity in asked.near(question, 1)
                    if similarity >= SAME_QUESTION and _same_words(question, question_of(lessons[nearest]["messages"]))
                )
                if _plain(text) in wrong or any(said_otherwise):
                    found.add(number)
    return found


def _same_words(a: str, b: str) -> bool:
    """Whether two questions share most of all their words: *where she lives* is not *what she does*."""
    one, other = set(words(a)), set(words(b))
    return len(one & other) >= SAME_WORDS * len(one | other)


def near_misses(
    engine: Engine, lessons: Sequence[Row], questions: Sequence[str], texts: Iterable[str], seed: int
) -> list[Row]:
    """The lessons' last questions about somebody or something else, each with the model's own answer.

    Half of them put together a name or number from words that stand in such places in `questions`: mostly names of
    nobody. The other half take whole ones from `texts`: mostly what the model knows. Either half alone would teach it
    to decline, or never to.
    """
    rng = random.Random(seed)
    small = {word for text in questions for word in _WORDS.findall(text) if word.islower()}
    pieces: dict[tuple[int, int], list[str]] = defaultdict(list)
    names: dict[int, list[list[str]]] = defaultdict(list)
    for at, source in enumerate((questions, texts)):
        for text in source:
            for run in _names(text, small):
                spelled = [text[start:end] for start, end in run]
                if at:
                    names[len(run)].append(spelled)
                for place, word in enumerate(spelled):
                    pieces[len(run), place].append(word)
    asked = {question_of(lesson["messages"]) for lesson in lessons}
    made: dict[str, list[Message]] = {}
    for lesson in lessons:
        *before, _ = lesson["messages"]
        text = str(before[-1]["content"])
        for run in _names(text, small):
            for number in range(NEAR_MISSES):
                whole = number % 2 and names[len(run)]
                fresh = rng.choice(names[len(run)]) if whole else _mixed(text, run, pieces, rng)
                changed = text
                for (start, end), word in reversed(list(zip(run, fresh, strict=True))):
                    changed = changed[:start] + word + changed[end:]
                if changed not in asked:
                    made.setdefault(changed, [*before[:-1], before[-1] | {"content": changed}])
    return _own_answers(engine, list(made.values()))


def _mixed(
    text: str, run: list[tuple[int, int]], pieces: dict[tuple[int, int], list[str]], rng: random.Random
) -> list[str]:
    """The name at `run` with one of its words, or all of them, drawn anew."""
    changed = rng.randrange(len(run) + 1)  # the last choice: all of them
    spelled = [text[start:end] for start, end in run]
    return [
        rng.choice(pieces[len(run), place]) if changed in (place, len(run)) and pieces[len(run), place] else word
        for place, word in enumerate(spelled)
    ]


def question_of(messages: Sequence[Message]) -> str:
    """What the user said last."""
    return next((str(one["content"]) for one in reversed(messages) if one["role"] == "user"), "")


def _names(text: str, small: set[str]) -> list[list[tuple[int, int]]]:
    """Spans of words of each name or number: neighbours that are never `small` letters elsewhere.

    A single capital at the start of a sentence is no name.
    """
    runs: list[list[tuple[int, int]]] = []
    for match in _WORDS.finditer(text):
        word = match[0]
        if not (word.isdecimal() or (word[0].isupper() and word.lower() not in small)):
            continue
        if runs and text[runs[-1][-1][1] : match.start()] == " ":
            runs[-1].append(match.span())
        else:
            runs.append([match.span()])
    return [
        run for run in runs if len(run) > 1 or text[run[0][0]].isdecimal() or not _STARTS.search(text, 0, run[0][0])
    ]


def _own_answers(engine: Engine, chats: Sequence[list[Message]]) -> list[Row]:
    """Each chat with the model's greedy answer, where that came to an end and calls no tool."""
    tok = engine.tokenizer
    prompts = [render(tok, chat, add_generation_prompt=True).ids for chat in chats]
    sampling = Sampling(max_tokens=MAX_TOKENS, temperature=0.0)
    rows = []
    for chat, said in zip(chats, engine.generate(prompts, sampling, overflow="left"), strict=True):
        message = parse_assistant(said.ids, tok)
        if said.finish_reason == "stop" and "error" not in message and not message.get("tool_calls"):
            rows.append({"messages": [*chat, message]})
    return rows


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
