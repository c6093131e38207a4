"""Who lives in the town, who does not, and towns of every size."""

from itertools import islice

import pytest

from eyas.errors import EyasError
from eyas.world.names import BIRTHPLACES, BUILT_NAMES, LAST_NAMES, MEN, WOMEN
from eyas.world.people import RELATIONS, VALUES, World
from eyas.world.questions.rows import exam, rows
from eyas.world.stream import document


def test_the_same_seed_gives_the_same_town_and_another_seed_another() -> None:
    assert World(3, 40).people == World(3, 40).people
    assert World(3, 40).people != World(4, 40).people


@pytest.mark.parametrize("people", [2, 3, 200, 1746, 1747, 20_000])
def test_a_town_has_the_people_it_was_asked_for_each_with_a_name_of_their_own(people: int) -> None:
    town = World(0, people)
    assert len(town.people) == len(town.by_name) == people
    assert sum(person.woman for person in town.people) == people // 2
    assert all((person.first in WOMEN) == person.woman for person in town.people)
    kinds = [person.kind for person in town.people]
    assert kinds.count("A") - kinds.count("B") in (0, 1) and set(kinds) == {"A", "B"}


@pytest.mark.parametrize("people", [-1, 0, 1, 10**6])
def test_a_town_too_small_or_too_large_is_refused_in_one_sentence(people: int) -> None:
    with pytest.raises(EyasError, match=rf"^--people must be between 2 and \d+ \(got {people}\)$"):
        World(0, people)


def test_the_limit_that_is_named_is_the_limit() -> None:
    most = len(LAST_NAMES + BUILT_NAMES) * len(WOMEN + MEN) // 4
    assert most >= 50_000
    assert World(0, most).n_people == most
    with pytest.raises(EyasError, match=str(most)):
        World(0, most + 1)


def test_a_town_of_ordinary_size_has_no_built_names_and_a_larger_one_as_few_as_it_can() -> None:
    assert World(0, 1746).last_names == LAST_NAMES
    larger = World(0, 5000).last_names
    assert larger[: len(LAST_NAMES)] == LAST_NAMES
    assert len(larger) * len(WOMEN + MEN) // 4 >= 5000 > (len(larger) - 1) * len(WOMEN + MEN) // 4
    names = [*LAST_NAMES, *BUILT_NAMES]
    assert len(set(names)) == len(names)
    assert set(BUILT_NAMES).isdisjoint({*BIRTHPLACES, *WOMEN, *MEN})


def test_facts_are_of_the_relation_and_spread_over_its_values(world: World) -> None:
    told = list(world.facts())
    assert len(told) == 200 * len(RELATIONS)
    assert all(value in VALUES[relation] for _, relation, value in told)
    for relation, values in VALUES.items():
        used = {value for _, one, value in told if one == relation}
        assert len(used) > 0.9 * len(values), relation


@pytest.mark.parametrize("people", [2, 200, 5000])
def test_strangers_are_nobody_and_their_three_sets_share_no_name(people: int) -> None:
    town = World(0, people)
    sets = [set(town.strangers[key]) for key in ("papers", "rows", "exam")]
    assert sum(map(len, sets)) == len(set.union(*sets)) == len(town.last_names) * len(WOMEN + MEN) - people
    assert all(names.isdisjoint(town.by_name) for names in sets)
    assert min(map(len, sets)) > 700


def test_strangers_are_built_from_the_same_parts_as_residents(world: World) -> None:
    for names in world.strangers.values():
        firsts, lasts = zip(*(name.split() for name in names), strict=True)
        assert set(firsts) == {*WOMEN, *MEN}
        assert set(lasts) == set(LAST_NAMES)


@pytest.mark.parametrize("people", [2, 3, 20_000])
def test_papers_rows_and_exam_of_a_tiny_and_of_a_large_town(people: int) -> None:
    town = World(0, people)
    papers = [document(town, 0, i) for i in range(300)]
    assert len({paper.kind for paper in papers}) >= 12
    assert all(paper.text and paper.floor_bits > 0 for paper in papers)
    assert len(list(islice(rows(town), 60))) == 60
    questions = exam(town, n=5)
    assert all(1 <= len(section) <= 5 for section in questions.values()) and len(questions) == 10
