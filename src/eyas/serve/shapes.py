"""The body of a chat completion request, as clients send it. Unknown fields are ignored."""

import math
import secrets
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from eyas.runtime.sampling import Sampling
from eyas.serve.errors import ApiError


def _finite(value: Any) -> Any:
    """Refuse NaN and infinities, which Python's parser takes for JSON and nothing else does."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float) and not math.isfinite(one):
            raise ValueError("holds a number that JSON does not know")
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_finite)]


class Part(TypedDict, total=False):
    """A part of a message's content; only text can be read."""

    type: str
    text: str
    refusal: str


class CalledFunction(TypedDict):
    name: str
    arguments: str


class ToolCall(TypedDict, total=False):
    id: str
    type: str
    function: CalledFunction


class Message(TypedDict, total=False):
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None
    name: str | None
    refusal: str | None
    reasoning_content: str | None
    tool_calls: list[ToolCall] | None
    tool_call_id: str | None


class Function(TypedDict, total=False):
    name: str
    description: str | None
    parameters: JsonObject | None
    strict: bool | None


class Tool(TypedDict):
    type: Literal["function"]
    function: Function


class StreamOptions(BaseModel):
    include_usage: bool | None = None


class SamplingFields(BaseModel):
    """How tokens are chosen and where an answer ends: OpenAI's fields, and those that other servers add."""

    model_config = ConfigDict(allow_inf_nan=False)

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=100)] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None

    def sampling(self, max_tokens: int) -> Sampling:
        """How to choose tokens; without a seed a fresh one is drawn. Raises ApiError 400."""
        try:
            bias = tuple((int(token), value) for token, value in (self.logit_bias or {}).items())
        except ValueError as error:
            raise ApiError(400, "`logit_bias` must map token ids to numbers", param="logit_bias") from error
        return Sampling(
            max_tokens=max_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_k=max(0, self.top_k or 0),
            top_p=1.0 if self.top_p is None else max(self.top_p, 1e-6),  # 0 leaves the likeliest, as elsewhere
            min_p=self.min_p or 0.0,
            seed=secrets.randbelow(2**31) if self.seed is None else self.seed % 2**63,
            repetition_penalty=self.repetition_penalty or 1.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            presence_penalty=self.presence_penalty or 0.0,
            logit_bias=bias,
        )

    def stops(self) -> tuple[str, ...]:
        """The stop strings, empty ones left out."""
        return tuple(one for one in ([self.stop] if isinstance(self.stop, str) else self.stop or ()) if one)


class ChatRequest(SamplingFields):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    model: str | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=64)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: str | JsonObject | None = None
    response_format: JsonObject | None = None
    user: str | None = None
    metadata: JsonObject | None = None
