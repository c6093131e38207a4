"""How a server is started: every field is a flag of `eyas serve`."""

from typing import Literal, NamedTuple

from pydantic import Field, field_validator

from eyas.config import StageConfig

KEY_VARIABLE = "EYAS_API_KEY"
"""A key in the environment is not seen by the machine's other users, as one on the command line is."""


class Share(NamedTuple):
    """A model and the share of the champion's requests that go to it, above 0 and at most 1."""

    name: str
    share: float


class ServeConfig(StageConfig):
    """The settings of a server."""

    model: str = Field(description="A life (all its models, with a store), or one model, or a .gguf file.")
    host: str = Field("127.0.0.1", description="Address to listen on; any but this machine's own needs --api-key.")
    port: int = Field(8000, ge=0, le=65535, description="Port; 0 takes a free one.")
    api_key: list[str] = Field(
        [], description=f"A key that clients must send; repeatable. Another may stand in {KEY_VARIABLE}."
    )
    origin: list[str] = Field([], description="A site whose pages may call this server (CORS); repeatable.")
    queue: int = Field(64, ge=0, description="Requests that may wait; more are told to come again (429).")
    requests_per_minute: int | None = Field(None, ge=1, description="The most requests of one caller.")
    votes_per_day: int = Field(200, ge=1, description="The most votes of one person in the arena in 24 hours.")
    max_body: int = Field(4 << 20, ge=1024, description="The largest request, in bytes.")
    canary: str | None = Field(None, description="NAME:SHARE: it answers that share of the champion's requests.")
    shadow: str | None = Field(None, description="NAME:SHARE: it answers that share too, for the store alone.")
    content: bool = Field(True, description="Keep what was said; else only counts and times are recorded.")
    draft_url: str | None = Field(None, description="An OpenAI-compatible URL that drafts answers on /label.")
    draft_model: str | None = Field(None, description="The model to ask there.")
    engine: Literal["c", "torch"] | None = Field(None, description="What computes: the C engine or PyTorch.")
    threads: int = Field(0, ge=0, description="Threads of the CPU; 0: what suits the model.")

    @field_validator("canary", "shadow")
    @classmethod
    def _is_a_share(cls, value: str | None) -> str | None:
        share_of(value)
        return value


def share_of(text: str | None) -> Share | None:
    """NAME:SHARE as two values. Raises ValueError."""
    if text is None:
        return None
    name, _, number = text.rpartition(":")
    try:
        share = float(number)
    except ValueError:
        share = 0.0
    if not name or not 0 < share <= 1:
        raise ValueError("give NAME:SHARE with a share above 0 and at most 1, such as fix-2:0.1")
    return Share(name, share)
