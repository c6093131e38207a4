"""The server as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import eyas
from eyas.serve import errors, guard, pages
from eyas.serve.config import ServeConfig
from eyas.serve.state import open_state


def create_app(config: ServeConfig) -> FastAPI:
    """The application that serves `config.model`. Raises EyasError for what cannot be opened."""
    guard.check_binding(config)
    state = open_state(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await state.close()

    app = FastAPI(
        title="eyas", version=eyas.__version__, lifespan=lifespan, responses=errors.RESPONSES, docs_url=None,
        redoc_url=None,
    )  # fmt: skip
    app.state.eyas = state
    errors.install(app)
    # TEMPORARY until all parts are there: B1 makes this a plain list of imports
    import importlib.util

    parts = "chat_completions metrics models completions embeddings responses messages sign_in page_chat page_monitor page_label page_lives"
    for name in parts.split():
        try:
            app.include_router(importlib.import_module(f"eyas.serve.{name}").router)
        except ImportError as error:
            print("not there yet:", error)
    pages.mount(app)
    try:
        from eyas.serve.sign_in import person_of
    except ImportError:
        person_of = lambda request: None
    guard.install(app, config, person_of)
    return app
