"""Figures of traffic, and what counts as a change against the week before."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from eyas.evals.intervals import wilson
from eyas.flywheel.traffic import compared, day_of, traffic
from eyas.store.conversations import record
from eyas.store.database import Store
from eyas.store.tables import Flag, Message
from tests.flywheel.talks import new_store, say, turn

Z = 2.575829


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = new_store(tmp_path / "life")
    yield opened
    opened.close()


def many(store: Store, days_ago: float, flagged: int, questions: list[str], tokens: int = 10) -> None:
    """Answers given at one time, the first `flagged` of them with a flag."""
    with store.session() as session:
        for number, question in enumerate(questions):
            place = record(session, turn(question, "So.", completion_tokens=tokens + number % 3))
            if number < flagged:
                session.add(Flag(message_id=place.message_id, kind="refusal"))
        session.execute(
            update(Message).where(Message.created > time.time() - 3600).values(created=time.time() - 86400 * days_ago)
        )


def test_nobody_asked_anything(store: Store) -> None:
    with store.session() as session:
        seen = traffic(session, days=3)
    assert seen.total.answers == 0 and seen.total.first is None and len(seen.days) == 3
    assert seen.models == {} and seen.drift == [] and seen.words == []


def test_figures_by_day_and_by_model(store: Store) -> None:
    for number in range(20):
        say(store, f"Question {number}?", "One two.", first_seconds=0.01 * (number + 1), seconds=0.5, days_ago=1.0)
    say(store, "Moon salt?", "I will not help.", model="fix-1", thumb=-1, first_seconds=9.0, seconds=10.0)
    say(store, "Moon salt?", "I will not help.", model="fix-1", shadow=True)
    with store.session() as session:
        seen = traffic(session, days=2)
        one = traffic(session, days=2, model="fix-1").total
    assert list(seen.days) == [day_of(time.time() - 86400), day_of(time.time())]
    assert [figures.answers for figures in seen.days.values()] == [20, 1]
    assert {name: figures.answers for name, figures in seen.models.items()} == {"assistant": 20, "fix-1": 1}
    figures = seen.models["assistant"]
    assert figures.first == pytest.approx((0.105, 0.1905, 0.1981)) and figures.whole == (0.5, 0.5, 0.5)
    assert figures.tokens_per_second == 4.0 and figures.completion_tokens == 40 and figures.users == 1
    assert (figures.flagged.hits, figures.flagged.n) == (0, 20)
    assert one == seen.models["fix-1"]
    assert one.kinds == {"thumbs_down": 1, "refusal": 1} and one.flagged.hits == 1 and one.thumbs_down == 1


def test_a_week_that_differs_is_told_with_its_interval(store: Store) -> None:
    inn, ferry = [f"When does inn {n} open?" for n in range(60)], [f"Is ferry {n} late?" for n in range(60)]
    many(store, 10.0, 3, inn, tokens=10)
    many(store, 2.0, 40, ferry, tokens=30)
    with store.session() as session:
        seen = traffic(session)
    found = {one.name: one for one in seen.drift}
    refusal = found["refusal"]
    assert refusal.changed and refusal.difference == pytest.approx(37 / 60)
    assert 0.35 < refusal.low < refusal.difference < refusal.high < 0.8
    length = found["answer length"]
    assert length.changed and length.difference == pytest.approx(20) and length.low < 20 < length.high
    assert not found["question length"].changed and not found["time to first token"].changed
    assert {one.word for one in seen.words} == {"inn", "open", "ferry", "lat"}
    assert {(one.word, one.now.hits, one.before.hits) for one in seen.words} >= {("ferry", 60, 0), ("inn", 0, 60)}


def test_a_week_like_the_other_is_no_news(store: Store) -> None:
    questions = [f"When does inn {n} open?" for n in range(40)]
    many(store, 10.0, 8, questions)
    many(store, 2.0, 9, questions)
    with store.session() as session:
        seen = traffic(session)
    assert seen.drift and [one.name for one in seen.drift if one.changed] == [] and seen.words == []


def test_weeks_that_are_alike_rarely_seem_to_differ() -> None:
    """The interval is one of 99 %: of equal shares at most some 2 % may look changed, and a real step must be seen."""
    rng = np.random.default_rng(0)
    alarms = {}
    for p, q in ((0.03, 0.03), (0.3, 0.3), (0.05, 0.15)):
        draws = zip(rng.binomial(400, p, 2000), rng.binomial(300, q, 2000), strict=True)
        pairs = [(wilson(int(a), 400, Z), wilson(int(b), 300, Z)) for a, b in draws]
        alarms[p, q] = np.mean([compared("x", "share", now, before).changed for now, before in pairs])
    assert alarms[0.03, 0.03] <= 0.02 and alarms[0.3, 0.3] <= 0.02 and alarms[0.05, 0.15] >= 0.9
