"""The town's papers without end: each document with its kind, its facts and its exact cost in bits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, count
from math import log2

from eyas.world.documents import (
    almanac,
    biography,
    bylaw,
    dialogue,
    diary,
    guide,
    howto,
    ledger,
    letter,
    news,
    notice,
    parrot,
    program,
    recipe,
    register,
    shopping,
    story,
    worksheet,
)
from eyas.world.grammar import Draw, draw
from eyas.world.people import RELATIONS, Person, World

KINDS: dict[str, tuple[float, Callable[[Draw, World], None]]] = {
    "biography": (0.34, biography.write),
    "letter": (0.04, letter.write),
    "dialogue": (0.04, dialogue.write),
    "diary": (0.04, diary.write),
    "news": (0.06, news.write),
    "guide": (0.08, guide.write),
    "register": (0.05, register.write),
    "ledger": (0.10, ledger.write),
    "story": (0.035, story.write),
    "shopping": (0.015, shopping.write),
    "notice": (0.01, notice.write),
    "parrot": (0.10, parrot.write),
    "howto": (0.02, howto.write),
    "almanac": (0.02, almanac.write),
    "bylaw": (0.02, bylaw.write),
    "recipe": (0.005, recipe.write),
    "worksheet": (0.02, worksheet.write),
    "program": (0.005, program.write),
}
"""Share of the documents and writer of each kind."""
_NAMES = tuple(KINDS)
_BOUNDS = tuple(accumulate(share for share, _ in KINDS.values()))


@dataclass(frozen=True, slots=True)
class Document:
    """One paper. `floor_bits`: -log2 of its probability given the world's facts; `proper_bits`: the part of them
    spent on proper names and digits; `facts`: (name, relation, value) stated in it; `frames`: its sentence frames."""

    kind: str
    text: str
    floor_bits: float
    proper_bits: float
    facts: tuple[tuple[str, str, str], ...]
    frames: tuple[str, ...]


def document(world: World, seed: int, i: int) -> Document:
    """Document `i` of the stream `seed`: the same whenever it is asked for."""
    d = draw(f"paper {world.seed} {seed} {i}")
    d.trace = []
    at = d.random()
    kind = next((name for name, bound in zip(_NAMES, _BOUNDS, strict=True) if at < bound), _NAMES[-1])
    share, write = KINDS[kind]
    d.bits -= log2(share)
    write(d, world)
    facts = tuple(
        (person.name, relation, getattr(person, relation))
        for person, relation in d.used
        if relation in RELATIONS and isinstance(person, Person)
    )
    return Document(kind, d.text, d.bits, d.proper_bits, facts, tuple(d.trace))


def documents(world: World, seed: int = 0, start: int = 0) -> Iterator[Document]:
    """The stream `seed` of the world's documents from number `start` on, without end."""
    for i in count(start):
        yield document(world, seed, i)
