"""A small life that is served: through the application itself, or over a real port."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from eyas.serve.app import create_app
from eyas.serve.config import ServeConfig
from tests.serve.browser import running
from tests.serve.small import make_life


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
