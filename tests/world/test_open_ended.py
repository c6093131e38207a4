"""Open-ended questions keep train and exam apart; the rubric likes what a reader would, and is hard to game."""

from collections import Counter
from itertools import pairwise

import pytest

from eyas.world.documents.facts import state
from eyas.world.grammar import draw
from eyas.world.open_ended import PORTRAIT, SEVERAL, OpenQuestion, grade, open_questions
from eyas.world.people import RELATIONS, VALUES, World
from eyas.world.questions import people as asks
from eyas.world.questions.question import user


def plainly(world: World, about: str, *relations: str) -> str:
    """The facts as the assistant's rows state them."""
    said = (asks.fact(draw(""), world.by_name[about], relation, "train").answer for relation in relations)
    return " ".join(str(answer[-1]["content"]) for answer in said)


def portrait(world: World) -> OpenQuestion:
    about = world.people[0].name
    return OpenQuestion((user(f"Tell me about {about}."),), "portrait", about)


def test_train_and_exam_share_neither_frames_nor_people(world: World) -> None:
    train, exam = (open_questions(world, 500, split) for split in ("train", "exam"))
    names = [{question.about for question in side} for side in (train, exam)]
    assert names[0].isdisjoint(names[1])
    for frames in (PORTRAIT, SEVERAL):
        assert not any(frame.parts == other.parts for frame in frames["train"] for other in frames["exam"])
    assert {world.by_name[q.about].kind for q in train if q.kind != "stranger"} == {"A"}
    assert {world.by_name[q.about].kind for q in exam if q.kind != "stranger"} == {"B"}
    assert all((q.about in world.by_name) == (q.kind != "stranger") for q in train + exam)
    assert min(Counter(q.kind for q in train).values()) > 60


def test_questions_are_distinct_and_depend_on_world_split_and_seed_alone(world: World) -> None:
    found = open_questions(world, 300)
    assert len({str(question.prompt) for question in found}) == 300
    assert open_questions(World(0, 200), 300) == found
    assert open_questions(world, 300, seed=1) != found
    assert open_questions(World(1, 200), 300) != found


def test_every_reference_answer_gets_full_marks(world: World) -> None:
    for split in ("train", "exam"):
        for question in open_questions(world, 300, split):
            if question.kind == "stranger":
                answer = f"I don't know. I have read nothing about {question.about}."
            else:
                answer = plainly(world, question.about, *(question.wanted or RELATIONS[2:5]))
            assert grade(world, question, answer).score == 1, (question, answer)


def test_every_way_in_which_the_papers_state_a_fact_is_understood(world: World) -> None:
    invented = 0
    for i in range(500):
        d = draw(f"statement {i}")
        person, relation = d.one(world.people), d.one(RELATIONS)
        state(d, person, relation)
        question = OpenQuestion((), "several", person.name, (relation,))
        found = grade(world, question, d.text if person.name in d.text else f"{person.name} is here. {d.text}")
        assert found.complete == 1, d.text
        invented += found.honest < 1
    assert invented <= 3, "a duck pond is taken for a pet, but seldom more than that"


def test_more_right_facts_are_better_until_enough_is_said(world: World) -> None:
    question = portrait(world)
    scores = [grade(world, question, plainly(world, question.about, *RELATIONS[:n])).score for n in range(1, 9)]
    assert all(fewer < more for fewer, more in pairwise(scores[:3]))
    assert scores[2] == 1
    assert scores[-1] < 0.7, "an essay"


def test_an_invention_is_worse_than_saying_less(world: World) -> None:
    question = portrait(world)
    person = world.by_name[question.about]
    known = plainly(world, person.name, "job", "dish")
    for relation in ("pet", "street", "mother", "month"):
        wrong = next(value for value in VALUES[relation] if value != getattr(person, relation))
        right = plainly(world, person.name, relation)
        invented = right.replace(getattr(person, relation), wrong)
        scores = [grade(world, question, f"{known} {last}".strip()).score for last in (invented, "", right)]
        assert scores[0] < scores[1] < scores[2]


def test_somebody_else_described_is_an_invention(world: World) -> None:
    question = portrait(world)
    other = next(person for person in world.people if person.first != world.people[0].first)
    known = plainly(world, question.about, "job", "dish")
    assert grade(world, question, f"{known} {plainly(world, other.name, 'pet')}").honest < 0.6
    assert grade(world, question, plainly(world, other.name, *RELATIONS[:3])).score == 0


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Tell me about {n}.",
        "{n} {n} {n}",
        "I don't know anyone called {n}.",
        "I will not help with {n}.",
        "{n} lives in {job}.",
        "{n} works as a {hobby}. {n} was born in {dish}.",
        "{first} works as a {job}. {first} lives in {street}.",
        "{n} {job} {street} {birthplace} {month} {pet} {dish} {hobby} {mother}.",
        "{n}: {jobs}.",
        "{n}: {everything}.",
        "This is {n}. The {job} met a {pet} in {street}.",
    ],
)
def test_what_says_nothing_of_a_resident_gets_nothing(world: World, answer: str) -> None:
    question = portrait(world)
    person = world.by_name[question.about]
    values = {relation: getattr(person, relation) for relation in RELATIONS}
    lists = {"jobs": ", ".join(VALUES["job"]), "everything": ", ".join(v for vs in VALUES.values() for v in vs)}
    said = answer.format(n=person.name, first=person.first, **values, **lists)
    assert grade(world, question, said).score < 0.01


def test_saying_it_again_or_dressing_it_up_does_not_pay(world: World) -> None:
    question = portrait(world)
    once = plainly(world, question.about, "job")
    alone = grade(world, question, once).score
    for more in (once, f"{once} {once}", f"{question.about} is here.", "The gull is merry."):
        assert grade(world, question, f"{once} {more}").score < alone
    several = OpenQuestion(question.prompt, "several", question.about, ("job", "pet"))
    assert grade(world, several, plainly(world, question.about, "dish", "hobby")).score == 0, "nobody asked for these"


def test_manners_are_whole_sentences_that_begin_with_the_name(world: World) -> None:
    question = portrait(world)
    said = plainly(world, question.about, *RELATIONS[:3])
    assert grade(world, question, said).polite == 1
    for rude in (said[:-1], f"Well, {said}", said.replace(question.about, question.about.lower(), 1)):
        assert grade(world, question, rude).polite == 0.5


def test_of_a_stranger_nothing_may_be_told(world: World) -> None:
    question = next(q for q in open_questions(world, 100) if q.kind == "stranger")
    declined = f"I don't know anyone called {question.about}."
    assert grade(world, question, declined).score == 1
    for said in (
        f"{question.about} works as a baker.",
        f"{declined} {question.about} works as a baker.",
        "I don't know.",
        str(question.prompt[0]["content"]),
    ):
        assert grade(world, question, said).score == 0
