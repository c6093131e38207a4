"""Who appears in a document: different residents, each chosen when first named."""

from math import log2

from eyas.world.grammar import Draw
from eyas.world.people import Person, World


class Cast:
    """The residents of one document. `one` is meant as a slot's value: the choice waits until it is due."""

    def __init__(self, d: Draw, world: World) -> None:
        self.draw = d
        self.people = world.people
        self.indices: list[int] = []

    def one(self) -> Person:
        """A resident not met before in this document (in a town too small for that, any who is not the last met)."""
        if len(self.indices) >= len(self.people):
            self.indices = self.indices[-1:]
        n = len(self.people) - len(self.indices)
        self.draw.proper_bits += log2(n)
        index = self.draw.index(n)
        # The first n residents stand for themselves, but those already met stand for the unmet among the last.
        unmet = (i for i in range(n, len(self.people)) if i not in self.indices)
        stand_in = dict(zip((i for i in sorted(self.indices) if i < n), unmet, strict=True))
        index = stand_in.get(index, index)
        self.indices.append(index)
        return self.people[index]
