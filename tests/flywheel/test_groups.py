"""Flagged answers to one question are one issue: together, apart, and as new ones come."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from eyas.errors import EyasError
from eyas.flywheel.flags import flag_turn
from eyas.flywheel.groups import CLOSED, OPEN, assign, issues, members, set_status
from eyas.store.conversations import Turn, record
from eyas.store.database import Store
from eyas.store.tables import Flag, Group, Label
from eyas.world.grammar import draw
from eyas.world.people import VALUES, World
from eyas.world.questions import people
from tests.flywheel.labelled import answered
from tests.flywheel.talks import new_store, say, turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = new_store(tmp_path / "life")
    yield opened
    opened.close()


def bad(store: Store, question: str, answer: str = "Hm.") -> str:
    """An answer with a thumb down."""
    return say(store, question, answer, thumb=-1)


def group_of(store: Store, message_id: str) -> str | None:
    with store.session() as session:
        assign(session)
        return session.scalar(select(Flag.group_id).where(Flag.message_id == message_id).limit(1))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("When does the inn open?",), ("When does the inn open today, please?",), True),
        (("When does the inn open?",), ("Hello! Can you tell me when the inn opens?",), True),
        (("When does the inn open?",), ("When does the mill open?",), False),
        (("Good morning!",), ("Good morning!",), True),
        (("旅馆什么时候开门？",), ("请问旅馆什么时候开门？",), True),
        (("旅馆什么时候开门？",), ("渡船从哪里出发？",), False),
        (("What is the job of Ada Potter?",), ("What is the job of Ada Cooper?",), False),
        (("What is the job of Ada Potter?",), ("What pet does Ada Potter have?",), False),
        (
            ("What is the job of Ada Potter?", "Ada Potter works as a miller."),
            ("How does Ada Potter earn money?", "Ada Potter works as a baker."),
            True,
        ),
        (
            ("What is the job of Ada Potter?", "Ada Potter works as a miller."),
            ("What pet does Ada Potter have?", "Ada Potter's pet is a goat."),
            False,
        ),
        (
            ("What is the job of Ada Potter?", "I don't know anyone called Ada Potter."),
            ("What pet does Ada Potter have?", "I don't know anyone called Ada Potter."),
            False,
        ),
    ],
)
def test_questions_come_together_by_what_they_ask(
    store: Store, one: tuple[str, ...], other: tuple[str, ...], same: bool
) -> None:
    for question in ("Who sells tea?", "Where does the tram stop?", "Is the ferry late?"):
        bad(store, question)
    assert (group_of(store, bad(store, *one)) == group_of(store, bad(store, *other))) == same


def test_groups_of_world_questions_are_pure_and_gather_most(store: Store) -> None:
    """Three ways of asking each of 90 facts, answered wrong in the answer's own form, in frames of the exam."""
    world = World(0, 60)
    facts: dict[str, str] = {}
    for number in range(270):
        d = draw(f"groups {number}")
        person, relation = world.people[number % 30], ("job", "street", "pet")[number // 30 % 3]
        question = people.fact(d, person, relation, "exam")
        value = VALUES[relation][number % len(VALUES[relation])]
        answer = str(question.answer[-1]["content"]).replace(question.truth, value)
        facts[answered(store, str(question.prompt[0]["content"]), answer)] = f"{person.name} {relation}"
    with store.session() as session:
        session.add_all(Flag(message_id=one, kind="thumbs_down") for one in facts)
    with store.session() as session:
        assert assign(session) == len(facts)
        group = {flag.message_id: flag.group_id for flag in session.scalars(select(Flag))}

    def pairs(names: list[object]) -> int:
        return sum(n * (n - 1) // 2 for n in Counter(names).values())

    both = pairs([(facts[one], group[one]) for one in facts])
    assert both / pairs([group[one] for one in facts]) >= 0.9
    assert both / pairs([facts[one] for one in facts]) >= 0.75


def test_an_answer_stays_in_its_group_as_others_come(store: Store) -> None:
    first = bad(store, "When does the inn open?")
    group = group_of(store, first)
    for number in range(12):
        bad(store, f"When does the inn number {number} open its doors?")
        bad(store, "When does the inn open?")
    assert group_of(store, first) == group
    with store.session() as session:
        assert assign(session) == 0
        assert session.get_one(Group, group).title == "When does the inn open?"
        assert members(session, str(group))[-1] == first and len(members(session, str(group))) == 13


def test_a_group_is_called_by_its_shortest_question(store: Store) -> None:
    first = bad(store, "Good morning! Can you tell me when the inn opens?")
    group = group_of(store, first)
    bad(store, "When does the inn open?")
    bad(store, "Hello, when does the inn open today?")
    assert group_of(store, first) == group
    with store.session() as session:
        assert [(one.title, one.count) for one in issues(session)] == [("When does the inn open?", 3)]


def test_a_flag_that_comes_later_joins_the_group_of_its_answer(store: Store) -> None:
    message = say(store, "When does the inn open?", "I don't know.")
    group = group_of(store, message)
    with store.session() as session:
        session.add(Flag(message_id=message, kind="thumbs_down"))
    with store.session() as session:
        assert assign(session) == 1
        assert set(session.scalars(select(Flag.group_id))) == {group}


def test_many_are_given_groups_in_several_turns_the_oldest_first(store: Store) -> None:
    inns = [bad(store, "When does the inn open?") for _ in range(3)]
    for expected in (2, 1, 0):
        with store.session() as session:
            assert assign(session, most=2) == expected
    with store.session() as session:
        assert members(session, issues(session)[0].id) == inns[::-1]


def test_what_answers_no_question_is_grouped_by_its_own_words(store: Store) -> None:
    for said in ("The town forbids moon salt.", "The town forbids moon salt.", "The inn opens at nine."):
        with store.session() as session:
            opening = turn("", said)
            place = record(session, Turn(**{**vars(opening), "messages": []}))
            session.add(Flag(message_id=place.message_id, kind="loop"))
    with store.session() as session:
        assert assign(session) == 3 and assign(session) == 0
        assert sorted(one.count for one in issues(session)) == [1, 2]


def test_what_was_said_in_the_shadow_is_no_issue(store: Store) -> None:
    with store.session() as session:
        place = record(session, turn("When does the inn open?", "I don't know.", shadow=True))
        flag_turn(session, place.message_id)
        assert assign(session) == 0 and issues(session) == []


def test_a_closed_issue_opens_again_on_evidence_only(store: Store) -> None:
    group = group_of(store, bad(store, "When does the inn open?"))
    with store.session() as session:
        set_status(session, str(group), CLOSED)
    assert group_of(store, say(store, "When does the inn open?", "I don't know.")) == group
    with store.session() as session:
        assert [one.count for one in issues(session, status=CLOSED)] == [2] and issues(session) == []
    assert group_of(store, bad(store, "When does the inn open?")) == group
    with store.session() as session:
        assert [(one.status, one.count) for one in issues(session)] == [(OPEN, 3)]


def test_issues_tell_how_many_how_new_and_what_is_done(store: Store) -> None:
    question = "When does the inn open?"
    old = say(store, question, "I don't know.", thumb=-1, days_ago=3.0, model="first")
    say(store, question, "I don't know.", days_ago=3.0)
    new = say(store, question, "I don't know.")
    say(store, "Who are you?", "I will not help.", thumb=-1)
    say(store, "Will it rain?", "I don't know.", days_ago=20.0)
    with store.session() as session:
        session.add(Label(message_id=old, person="eve", verdict="discarded"))
    with store.session() as session:
        assign(session)
        now = time.time()
        inn, *others = issues(session, now=now)
        assert [one.title for one in others] == ["Who are you?", "Will it rain?"]
        assert (inn.title, inn.count, inn.conversations, inn.labelled) == (question, 3, 3, 1)
        assert inn.kinds == {"refusal": 3, "thumbs_down": 1} and inn.models == ["assistant", "first"]
        assert inn.message_ids[0] == new and inn.message_ids[-1] == old
        assert sum(inn.trend) == 3 and inn.trend[-1] == 1 and inn.trend[-4] == 2
        assert sum(others[1].trend) == 0
        assert [one.count for one in issues(session, kind="thumbs_down", now=now)] == [1, 1]
        assert [one.count for one in issues(session, model="first", now=now)] == [1]
        assert [one.count for one in issues(session, since=now - 86400, now=now)] == [1, 1]
        assert [one.id for one in issues(session, ids=[inn.id], now=now)] == [inn.id]


def test_a_status_that_there_is_none_of_is_refused(store: Store) -> None:
    with store.session() as session:
        with pytest.raises(EyasError, match="a group is open or closed, not 'gone'"):
            set_status(session, "x", "gone")
        with pytest.raises(EyasError, match="there is no group x in this store"):
            set_status(session, "x", CLOSED)
