"""The server as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import eyas
from eyas.serve import (
    chat_completions,
    completions,
    embeddings,
    errors,
    guard,
    messages,
    metrics,
    models,
    page_arena,
    page_chat,
    page_label,
    page_lives,
    page_monitor,
    pages,
    responses,
    sign_in,
)
from eyas.serve.config import ServeConfig
from eyas.serve.state import open_state

_PARTS = (
    chat_completions, completions, embeddings, responses, messages, models, metrics,
    page_chat, page_arena, page_monitor, page_label, page_lives, sign_in,
)  # fmt: skip


def create_app(config: ServeConfig) -> FastAPI:
    """The application that serves `config.model`. Raises EyasError for what cannot be opened."""
    guard.check_binding(config)
    state = open_state(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await state.close()

    # FastAPI's own pages of documentation load scripts from elsewhere
    app = FastAPI(
        title="eyas", version=eyas.__version__, lifespan=lifespan, responses=errors.RESPONSES, docs_url=None,
        redoc_url=None,
    )  # fmt: skip
    app.state.eyas = state
    errors.install(app)
    for part in _PARTS:
        app.include_router(part.router)
    pages.mount(app)
    guard.install(app, config, sign_in.person_of)
    return app
