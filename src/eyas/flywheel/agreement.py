"""How much the people who label have done, and how far they agree on the answers that two of them have labelled."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eyas.arena.agreement import Agreement, measured
from eyas.evals.intervals import Share, wilson
from eyas.flywheel.labels import ACCEPTED, spoken
from eyas.flywheel.similarity import words
from eyas.store.tables import Label
from eyas.text.wording import declines, refuses

SORTS = ("answers", "declines", "refuses", "discards")
"""What a label wants done with a question: give an answer, say "I don't know", refuse, or nothing at all."""


@dataclass(frozen=True)
class PairOfPeople:
    """Two people on the same `items`: `sorts` is their agreement on what is to be done (one of `SORTS`), `same` how
    often their answers have the same words, where both gave one."""

    one: str
    other: str
    items: int
    sorts: Agreement
    same: Share


@dataclass(frozen=True)
class Work:
    """What one person has labelled; `last` in seconds since 1970."""

    person: str
    labels: int
    accepted: int
    last: float


def counts(session: Session) -> list[Work]:
    """Everybody who has labelled, those with the most labels first."""
    accepted = func.count().filter(Label.verdict == ACCEPTED)
    wanted = select(Label.person, func.count(), accepted, func.max(Label.created)).group_by(Label.person)
    return [Work(*one) for one in session.execute(wanted.order_by(func.count().desc(), Label.person))]


def sort_of(label: Label) -> str:
    """What a label wants done, one of `SORTS`."""
    if label.verdict != ACCEPTED:
        return "discards"
    answer = spoken(label.answer)
    return "refuses" if refuses(answer) else "declines" if declines(answer) else "answers"


def agreements(session: Session) -> list[PairOfPeople]:
    """Every two people who have labelled the same answers, those with the most first."""
    of_message: dict[str, list[Label]] = defaultdict(list)
    for label in session.scalars(select(Label).order_by(Label.person)):
        of_message[label.message_id].append(label)
    shared: dict[tuple[str, str], list[tuple[Label, Label]]] = defaultdict(list)
    for labels in of_message.values():
        for one, other in combinations(labels, 2):
            shared[one.person, other.person].append((one, other))
    found = [_pair(one, other, pairs) for (one, other), pairs in shared.items()]
    return sorted(found, key=lambda pair: (-pair.items, pair.one, pair.other))


def _pair(one: str, other: str, pairs: list[tuple[Label, Label]]) -> PairOfPeople:
    counts = np.zeros((len(pairs), len(SORTS), len(SORTS)))
    for number, (first, second) in enumerate(pairs):
        counts[number, SORTS.index(sort_of(first)), SORTS.index(sort_of(second))] = 1
    both = [(a.answer, b.answer) for a, b in pairs if a.verdict == b.verdict == ACCEPTED]
    same = sum(words(spoken(a)) == words(spoken(b)) for a, b in both)
    return PairOfPeople(one, other, len(pairs), measured(counts), wilson(same, len(both)))
