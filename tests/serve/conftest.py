"""A small life that is served: through the application itself, or over a real port."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from eyas.serve.app import create_app
from eyas.serve.config import ServeConfig
from tests.serve.browser import running
from tests.serve.small import make_life, make_pupil


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_life(tmp_path_factory.mktemp("served") / "life")


@pytest.fixture(scope="session")
def app(life: Path) -> FastAPI:
    return create_app(ServeConfig(model=str(life), api_key=[]))


@pytest.fixture(scope="session")
def url(app: FastAPI) -> Iterator[str]:
    """The address of the server."""
    with running(app) as address:
        yield address


@pytest.fixture(scope="session")
def http(url: str) -> Iterator[httpx2.Client]:
    """A client that is no library of anybody's interface."""
    with httpx2.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A client of a server with one model and no store; the model says what `small.LESSONS` taught it."""
    model = make_pupil(tmp_path_factory.mktemp("pupil") / "model")
    with (
        running(create_app(ServeConfig(model=str(model), api_key=[]))) as address,
        httpx2.Client(base_url=address, timeout=60) as client,
    ):
        yield client
