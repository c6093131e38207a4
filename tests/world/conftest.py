"""The default town, a small one, and a handful of papers: drawn once for the folder."""

from itertools import islice

import pytest

from eyas.world.people import World
from eyas.world.questions.rows import Row, rows
from eyas.world.stream import Document, documents


@pytest.fixture(scope="session")
def world() -> World:
    return World(seed=0, people=200)


@pytest.fixture(scope="session")
def papers(world: World) -> list[Document]:
    """About one megabyte."""
    return list(islice(documents(world, seed=7), 1600))


@pytest.fixture(scope="session")
def training_rows(world: World) -> list[Row]:
    return list(islice(rows(world, seed=7), 5000))
