"""A corrected question in other words: the frames of the world's exam, which no row, draft or label has."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from eyas.data.messages import Message
from eyas.world.grammar import Draw, Frames, draw
from eyas.world.knowledge import FORBIDDEN, MADE, WHY
from eyas.world.people import RELATIONS, VALUES, Person, World
from eyas.world.questions import lore, people, talk
from eyas.world.questions.question import DECLINES, REFUSALS, Question, Verdict, assistant, holds, user

_NAME = re.compile(r"(?=\b([A-Z][a-z]+ [A-Z][a-z]+)\b)")  # every two neighbours, overlapping: "Name Ada Potter"
_TRIES = 20

Maker = Callable[[Draw], Question]


def paraphrases(world: World, messages: Sequence[Message], n: int = 8) -> list[Question]:
    """At most `n` exam questions that ask what the last user message of a corrected chat asks.

    The correction's answer says what is asked and what is right, be it true in the world or not. Empty when it is no
    answer of the kinds that the world's labelling instructions know, or one that needs a tool.
    """
    question = next((str(one["content"]) for one in reversed(messages) if one["role"] == "user"), "")
    make = _maker(world, question, str(messages[-1]["content"]).strip())
    if make is None:
        return []
    made: dict[str, Question] = {}
    for i in range(_TRIES * n):
        one = make(draw(f"paraphrase {question} {i}"))
        made.setdefault(str(one.prompt[0]["content"]), one)
    return list(islice(made.values(), n))


def _maker(world: World, question: str, answer: str) -> Maker | None:
    """What draws questions that `answer` is right for."""
    lower = answer.lower()
    names = [name for name in _NAME.findall(question) if name.split()[1] in world.last_names]
    if any(mark in lower for mark in REFUSALS):
        goods = next((x for x in FORBIDDEN if holds(question, x)), None)
        return None if goods is None else _asked((*lore.MAKE["exam"], *lore.GET["exam"]), goods, answer, "refuse")
    if any(mark in lower for mark in DECLINES):
        return (lambda d: people.unknown(d, world, (names[-1],), "exam")) if names else None
    for name in names:
        if (found := _fact(name, answer)) is not None:
            person, relation = found
            return lambda d: people.fact(d, person, relation, "exam")
    for intent, (_, _, wanted) in talk.INTENTS.items():
        if answer == wanted:
            return _asked(talk.TALK[intent, "exam"], intent, answer, "smalltalk")
    for goods in MADE:
        if lower.startswith(f"people make {goods} "):
            return _asked(lore.MAKE["exam"], goods, answer, "explain", answer[len(f"people make {goods} ") :])
    for goods in FORBIDDEN:
        if lower.startswith(begin := f"the town forbids {goods} because "):
            return _asked(lore.WHY_FORBIDDEN["exam"], goods, answer, "explain", answer[len(begin) :])
    for habit in WHY:
        if lower.startswith(begin := f"{habit} because ".lower()):
            return _asked(lore.WHY_ASKS["exam"], habit, answer, "explain", answer[len(begin) :])
    return None


def _asked(frames: Frames, about: str, answer: str, kind: str, truth: str | None = None) -> Maker:
    """Questions about one thing, whose right answer holds `truth` (default: all of `answer`), or refuses."""
    wanted = "" if kind == "refuse" else (answer if truth is None else truth).rstrip(".")

    def make(d: Draw) -> Question:
        d.say(frames, x=about, k=about)
        right: Verdict = "refused" if kind == "refuse" else "right"
        return Question(kind, (user(d.text),), (assistant(answer),), truth=wanted, right=right, about=about)

    return make


def _fact(name: str, answer: str) -> tuple[Person, str] | None:
    """The person called `name` as `answer` has them, and the relation that it tells."""
    first, last = name.split()
    nobody = Person(first, last, True, "", **{relation: VALUES[relation][0] for relation in RELATIONS})
    for relation, values in VALUES.items():
        for value in values:
            person = replace(nobody, **{relation: value})  # type: ignore[arg-type]
            (d := draw(name)).say(people.ANSWERS[relation], p=person)
            if d.text == answer:
                return person, relation
    return None
