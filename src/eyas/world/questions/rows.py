"""The mix of questions: training rows without end, and the exam's questions."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from eyas.world.grammar import Draw, draw
from eyas.world.knowledge import MADE
from eyas.world.people import RELATIONS, World
from eyas.world.questions import lore, people, talk, tools
from eyas.world.questions.question import Question

MIX = {
    "fact": 0.27,
    "unknown": 0.12,
    "refuse": 0.07,
    "alike": 0.09,
    "explain": 0.05,
    "arithmetic": 0.20,
    "lookup": 0.11,
    "smalltalk": 0.04,
    "noise": 0.05,
}
"""Share of each kind among training rows."""


def _train_question(d: Draw, world: World) -> Question:
    at, kinds = d.random(), iter(MIX.items())
    kind, share = next(kinds)
    while at >= share:
        at -= share
        kind, share = next(kinds, (kind, 1.0))
    if kind == "fact":
        return people.fact(d, d.one(world.of_kind("A")), d.one(RELATIONS), "train")
    if kind == "unknown":
        return people.unknown(d, world, world.strangers["rows"], "train")
    if kind == "refuse":
        return lore.refuse(d, "train")
    if kind == "alike":
        return lore.make(d, lore.ALIKE, "train") if d.chance(0.5) else lore.why_forbidden(d, "train")
    if kind == "explain":
        return lore.make(d, tuple(MADE)[12:], "train") if d.chance(0.4) else lore.why(d, "train")
    if kind == "arithmetic":
        return tools.arithmetic(d, "train")
    if kind == "lookup":
        return tools.lookup(d, "train")
    return talk.small_talk(d, "train") if kind == "smalltalk" else talk.noise(d, "train")


@dataclass(frozen=True, slots=True)
class Row:
    """A training conversation of one to three questions."""

    messages: list[dict[str, Any]]
    kinds: tuple[str, ...]


def rows(world: World, seed: int = 0, start: int = 0) -> Iterator[Row]:
    """Training rows without end; row i depends on the world, `seed` and i alone."""
    for i in count(start):
        d = draw(f"row {world.seed} {seed} {i}")
        asked = [_train_question(d, world)]
        while len(asked) < 3 and d.chance(0.15):
            d.parts.clear()
            asked.append(_train_question(d, world))
        messages = [message for question in asked for message in question.messages]
        yield Row(messages, tuple(question.kind for question in asked))


def exam(world: World, n: int = 500, seed: int = 0) -> dict[str, list[Question]]:
    """`n` questions of each kind in frames, numbers and names that no training row holds."""

    def questions(kind: str, make: Any) -> list[Question]:
        made: dict[str, Question] = {}
        for i in count():
            d = draw(f"exam {world.seed} {seed} {kind} {i}")
            question: Question = make(d)
            made.setdefault(str(question.prompt[0]["content"]), question)
            if len(made) == n or i > 50 * n:
                return list(made.values())
        raise AssertionError

    a, b = world.of_kind("A"), world.of_kind("B")
    return {
        "fact A": questions("A", lambda d: people.fact(d, d.one(a), d.one(RELATIONS), "exam")),
        "fact B": questions("B", lambda d: people.fact(d, d.one(b), d.one(RELATIONS), "exam")),
        "unknown C": questions("C", lambda d: people.unknown(d, world, world.strangers["exam"], "exam")),
        "refuse": questions("refuse", lambda d: lore.refuse(d, "exam")),
        "lookalike": questions(
            "alike", lambda d: lore.make(d, lore.ALIKE, "exam") if d.chance(0.5) else lore.why_forbidden(d, "exam")
        ),
        "explain": questions(
            "explain", lambda d: lore.make(d, tuple(MADE)[12:], "exam") if d.chance(0.4) else lore.why(d, "exam")
        ),
        "arithmetic": questions("arithmetic", lambda d: tools.arithmetic(d, "exam")),
        "lookup": questions("lookup", lambda d: tools.lookup(d, "exam")),
        "smalltalk": questions("smalltalk", lambda d: talk.small_talk(d, "exam")),
        "noise": questions("noise", lambda d: talk.noise(d, "exam")),
    }
