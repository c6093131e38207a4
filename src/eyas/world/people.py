"""The town's people: who lives there, what is true of them, and who does not exist."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import count

from eyas.errors import EyasError
from eyas.world.names import (
    BIRTHPLACES,
    BUILT_NAMES,
    DISHES,
    HOBBIES,
    JOBS,
    LAST_NAMES,
    MEN,
    MONTHS,
    PETS,
    STREETS,
    WOMEN,
)


def register_entry(name: str, known: bool) -> str:
    """The line of the register about `name`, in the papers and in the assistant's thoughts alike."""
    return f"register {name}: {'yes' if known else 'no'}"


RELATIONS = ("job", "street", "birthplace", "month", "pet", "dish", "hobby", "mother")
VALUES: dict[str, tuple[str, ...]] = {
    "job": JOBS,
    "street": STREETS,
    "birthplace": BIRTHPLACES,
    "month": MONTHS,
    "pet": PETS,
    "dish": DISHES,
    "hobby": HOBBIES,
    "mother": WOMEN,
}


@dataclass(frozen=True, slots=True)
class Person:
    """A resident and the facts about them. `kind` is A (asked about in training rows) or B (only read about)."""

    first: str
    last: str
    woman: bool
    kind: str
    job: str
    street: str
    birthplace: str
    month: str
    pet: str
    dish: str
    hobby: str
    mother: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def he(self) -> str:
        return "she" if self.woman else "he"

    @property
    def him(self) -> str:
        return "her" if self.woman else "him"

    @property
    def his(self) -> str:
        return "her" if self.woman else "his"


def _room(last_names: int) -> int:
    """How many people so many last names serve: three in four combinations must remain nobody's."""
    return last_names * (len(WOMEN) + len(MEN)) // 4


class World:
    """One town: `people` residents drawn from `seed`; every other combination of the same names is nobody."""

    def __init__(self, seed: int = 0, people: int = 200) -> None:
        most = _room(len(LAST_NAMES) + len(BUILT_NAMES))
        if not 2 <= people <= most:
            raise EyasError(f"--people must be between 2 and {most} (got {people})")
        self.seed = seed
        self.n_people = people

    @cached_property
    def last_names(self) -> tuple[str, ...]:
        """The town's last names: the list of `names`, and as many built ones as a large town needs."""
        built = next(n for n in count() if _room(len(LAST_NAMES) + n) >= self.n_people)
        return LAST_NAMES + BUILT_NAMES[:built]

    @cached_property
    def people(self) -> tuple[Person, ...]:
        """All residents; kinds A and B alternate, so that both halves look alike."""
        rng = random.Random(f"town {self.seed}")
        women = [True] * (self.n_people // 2) + [False] * (self.n_people - self.n_people // 2)
        rng.shuffle(women)
        taken: set[tuple[str, str]] = set()
        residents = []
        for i, woman in enumerate(women):
            while (pair := (rng.choice(WOMEN if woman else MEN), rng.choice(self.last_names))) in taken:
                pass
            taken.add(pair)
            facts = {relation: rng.choice(values) for relation, values in VALUES.items()}
            residents.append(Person(*pair, woman, "AB"[i % 2], **facts))
        return tuple(residents)

    @cached_property
    def by_name(self) -> dict[str, Person]:
        return {person.name: person for person in self.people}

    @cached_property
    def strangers(self) -> dict[str, tuple[str, ...]]:
        """Names of nobody, in three sets that share no name.

        `papers`: written into documents as people who could not be found. `rows`: in training questions.
        `exam` (kind C): in no document and no row, kept for the exam.
        """
        sets: dict[str, list[str]] = {"papers": [], "rows": [], "exam": []}
        for first in WOMEN + MEN:
            for last in self.last_names:
                name = f"{first} {last}"
                if name not in self.by_name:
                    byte = blake2b(f"{self.seed} {name}".encode(), digest_size=1).digest()[0]
                    sets["exam" if byte < 40 else "rows" if byte < 130 else "papers"].append(name)
        return {key: tuple(names) for key, names in sets.items()}

    def of_kind(self, kind: str) -> tuple[Person, ...]:
        return tuple(person for person in self.people if person.kind == kind)

    def facts(self) -> Iterator[tuple[Person, str, str]]:
        """Every (person, relation, value)."""
        for person in self.people:
            for relation in RELATIONS:
                yield person, relation, getattr(person, relation)
