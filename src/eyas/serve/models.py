"""Which models there are, and whether the server lives."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from eyas.serve.served import NAME, Served
from eyas.store.names import resolve_model

router = APIRouter()


class Model(BaseModel):
    """A model as OpenAI's clients read it, and Anthropic's; `aliases` are the other names it answers to now."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "eyas"
    type: str = "model"
    display_name: str
    aliases: list[str]


class Models(BaseModel):
    """All models, the one that `eyas` means first."""

    object: str = "list"
    data: list[Model]
    has_more: bool = False
    first_id: str
    last_id: str


class Health(BaseModel):
    status: str = "ok"


@router.get("/health")
def health() -> Health:
    """Whether the server answers; needs no key."""
    return Health()


@router.get("/v1/models")
def models(request: Request) -> Models:
    """The models that can be asked for."""
    served: Served = request.app.state.eyas.served
    found = [_described(served, name) for name in served.names()]
    return Models(data=found, first_id=found[0].id, last_id=found[-1].id)


@router.get("/v1/models/{model}")
def model(request: Request, model: Annotated[str, Path(max_length=200)]) -> Model:
    """One model, by its name or by an alias such as `eyas` and `champion`."""
    served: Served = request.app.state.eyas.served
    return _described(served, served.resolve(model)).model_copy(update={"id": model})


def _described(served: Served, name: str) -> Model:
    aliases = [alias for alias, meant in served.aliases.items() if meant == name]
    loaded = next((one for one in served.loaded() if one.name == name), None)
    if loaded is not None:
        created = loaded.created
    else:
        assert served.life is not None  # a single model is always loaded
        created = int(resolve_model(served.life / name).stat().st_mtime)
    return Model(
        id=name,
        created=created,
        display_name=name,
        aliases=[*([NAME] if "champion" in aliases else []), *aliases],
    )
