"""POST /v1/embeddings: the mean of a model's last states over a text, as a vector of length 1."""

import asyncio
import base64
from typing import Literal

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import BaseModel

from eyas.runtime.engine import Engine
from eyas.serve.errors import ApiError
from eyas.serve.inputs import Texts, ids_of
from eyas.serve.state import State

router = APIRouter()

_TOGETHER = 32


class EmbeddingsRequest(BaseModel):
    """What to turn into vectors. Fields not named here are ignored."""

    input: Texts
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class Embedding(BaseModel):
    """`embedding` is a list of numbers, or base64 of their little-endian float32."""

    object: str = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """A vector for each input, in order."""

    object: str = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage


@router.post("/v1/embeddings")
async def create_embeddings(request: Request, body: EmbeddingsRequest) -> Embeddings:
    """Vectors of texts; near ones for texts that the model reads alike."""
    state: State = request.app.state.eyas
    model = await state.served.get(body.model)
    engine = model.engine
    size = engine.backend.n_embd
    if body.dimensions not in (None, size):
        raise ApiError(400, f"`dimensions` must be {size} or left out: vectors are not cut", param="dimensions")
    rows = ids_of(body.input, engine, "input")
    vectors: list[NDArray[np.float32]] = []
    for start in range(0, len(rows), _TOGETHER):  # between them the engine speaks for others
        vectors += await asyncio.to_thread(_vectors, engine, rows[start : start + _TOGETHER])
    shown = [_base64(vector) if body.encoding_format == "base64" else vector.tolist() for vector in vectors]
    count = sum(map(len, rows))
    return Embeddings(
        data=[Embedding(index=i, embedding=one) for i, one in enumerate(shown)],
        model=model.name,
        usage=EmbeddingsUsage(prompt_tokens=count, total_tokens=count),
    )


def _vectors(engine: Engine, rows: list[list[int]]) -> list[NDArray[np.float32]]:
    means = [states.mean(axis=0) for states in engine.hidden(rows)]
    return [(mean / max(float(np.linalg.norm(mean)), 1e-12)).astype("<f4") for mean in means]


def _base64(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.tobytes()).decode()
