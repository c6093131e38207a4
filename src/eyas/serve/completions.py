"""POST /v1/completions: a text goes on. With `echo` and `logprobs` the prompt's own tokens are scored too, which is how
evaluation harnesses ask for the probability of a text.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from eyas.model.checkpoint import end_ids
from eyas.runtime.engine import Engine
from eyas.serve.chat_completions import DONE
from eyas.serve.errors import STREAMED, ApiError
from eyas.serve.generation import Generation
from eyas.serve.inputs import Texts, ids_of
from eyas.serve.json_text import dumps
from eyas.serve.served import ServedModel
from eyas.serve.shapes import SamplingFields, StreamOptions
from eyas.serve.splitter import Splitter
from eyas.serve.state import State
from eyas.serve.stream import EventStream, together, while_connected
from eyas.text.stream import Utf8Stream

router = APIRouter()

_MAX_TOKENS = 16  # what a request without the field gets, as at OpenAI
_LEAST = -9999.0  # JSON knows no infinity


class CompletionsRequest(SamplingFields):
    """POST /v1/completions. Without a prompt a new document begins."""

    prompt: Texts | None = None
    model: str | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    n: Annotated[int, Field(ge=1, le=64)] | None = None
    best_of: int | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None


_Scored = tuple[bytes, float | None, list[tuple[bytes, float]]]
"""A token as `splitter.Token`; None as its log-probability where nothing foretells it."""


@dataclass
class _Part:
    """What came: text and its tokens (where log-probabilities are wanted), or why it ended."""

    text: str = ""
    tokens: list[_Scored] = field(default_factory=list)
    finish: str | None = None


@router.post("/v1/completions", responses=STREAMED)
async def create_completion(request: Request, body: CompletionsRequest) -> Response:
    """The text that follows a prompt, whole or as a stream of events."""
    state: State = request.app.state.eyas
    model = await state.served.get(body.model)
    choices = await _begin(state, model, body)
    head = {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model.name,
    }
    if body.stream:
        usage = body.stream_options is not None and bool(body.stream_options.include_usage)
        return EventStream(_events(choices, head, usage))
    made = await while_connected(request, _whole(choices))
    return Response(dumps(head | {"choices": made, "usage": _usage(choices)}), media_type="application/json")


class _Choice:
    """One text on its way; `number` is its place in the answer."""

    def __init__(
        self, state: State, model: ServedModel, body: CompletionsRequest, prompt: list[int], number: int
    ) -> None:
        self.state, self.model, self.prompt, self.number = state, model, prompt, number
        self.with_tokens = body.logprobs is not None
        self.echo: _Part | None = None
        self.said = 0
        self.generation: Generation | None = None
        self._splitter = Splitter(model.engine.tokenizer, body.stops(), self.with_tokens, raw=True)
        self._utf8, self._offset = Utf8Stream(), 0

    def cancel(self) -> None:
        if self.generation is not None:
            self.generation.cancel()

    async def parts(self) -> AsyncGenerator[_Part, None]:
        """The echo, what comes, and at last why it ended."""
        started, first = time.perf_counter(), 0.0
        generation, splitter = self.generation, self._splitter
        reason = "length" if generation is None else "cancelled"
        try:
            if self.echo is not None:
                yield self.echo
            if generation is not None:
                done, read = generation.done, 0
                while not splitter.stopped and await generation.more():
                    first = first or time.perf_counter() - started
                    upto = len(done.ids)
                    for delta in splitter.feed(done, read, upto):
                        yield _Part(delta.text, [*delta.tokens])
                    self.said = read = upto
                for delta in splitter.flush():
                    yield _Part(delta.text, [*delta.tokens])
                self.said = splitter.read
                reason = "stop" if splitter.stopped else str(done.finish_reason)
                if self.with_tokens and not splitter.stopped and done.stop_id is not None:
                    # harnesses cut off one answered token: an end that is not told would cost the prompt its last
                    end = self.model.engine.tokenizer.decode_bytes((done.stop_id,))
                    yield _Part(tokens=[(end, done.stop_logprob, [])])
        finally:
            self.cancel()
            self.state.metrics.answered(
                self.model.name, reason, len(self.prompt), self.said, first, time.perf_counter() - started
            )
        yield _Part(finish=reason)

    def logprobs(self, tokens: Sequence[_Scored]) -> dict[str, Any] | None:
        """Tokens as the field `logprobs` tells of them; offsets are characters of the choice's text."""
        if not self.with_tokens:
            return None
        offsets = []
        for data, _, _ in tokens:
            offsets.append(self._offset)
            self._offset += len(self._utf8.feed(data))
        return {
            "tokens": [_name(data) for data, _, _ in tokens],
            "token_logprobs": [value if value is None else max(value, _LEAST) for _, value, _ in tokens],
            "top_logprobs": [_top(token) for token in tokens],
            "text_offset": offsets,
        }


async def _begin(state: State, model: ServedModel, body: CompletionsRequest) -> list[_Choice]:
    """Start all choices, n for each prompt. Raises ApiError 400 for what cannot be done, 429 when the queue is full."""
    if body.suffix:
        raise ApiError(400, "this model writes at the end of a text alone; leave out `suffix`", param="suffix")
    n = body.n or 1
    if body.best_of not in (None, n):
        raise ApiError(400, "`best_of` must be left out or equal `n`", param="best_of")
    count = _MAX_TOKENS if body.max_tokens is None else body.max_tokens
    rows = ids_of("" if body.prompt is None else body.prompt, model.engine, "prompt", room=min(count, 1))
    if count and len(rows) * n > model.worker.limit:
        message = f"a request may ask for {model.worker.limit} texts at most, prompts times `n`, not {len(rows) * n}"
        raise ApiError(400, message, param="prompt")
    choices = [
        _Choice(state, model, body, row, number) for number, row in enumerate(row for row in rows for _ in range(n))
    ]
    own_ids = body.prompt is not None and not isinstance(body.prompt, str) and not isinstance(body.prompt[0], str)
    if body.echo:
        for first in choices[::n]:
            echo = await asyncio.to_thread(_echo, model.engine, first.prompt, 0 if own_ids else 1, body.logprobs)
            for choice in choices[first.number : first.number + n]:
                choice.echo = echo
    if count:
        sampling = body.sampling(count)
        try:
            for choice in choices:
                choice.generation = model.worker.submit(
                    choice.prompt,
                    sampling,
                    end_ids(model.engine.tokenizer),
                    row=choice.number,
                    alternatives=body.logprobs or 0,
                )
        except BaseException:
            for choice in choices:
                choice.cancel()
            raise
    return choices


def _echo(engine: Engine, prompt: list[int], hidden: int, alternatives: int | None) -> _Part:
    """The prompt as a part of the answer, its first `hidden` tokens left out, which the server put there."""
    decode = engine.tokenizer.decode_bytes
    part = _Part(engine.tokenizer.decode(prompt[hidden:]))
    if alternatives is not None:
        scores = engine.logprobs([prompt])[0].tolist()
        others = engine.alternatives([prompt], alternatives)[0] if alternatives else [[] for _ in scores]
        part.tokens = [] if hidden else [(decode(prompt[:1]), None, [])]
        for token, score, near in zip(prompt[1:], scores, others, strict=True):
            part.tokens.append((decode((token,)), score, [(decode((i,)), value) for i, value in near]))
    return part


async def _whole(choices: Sequence[_Choice]) -> list[dict[str, Any]]:
    whole = [_Part() for _ in choices]
    async for number, part in together([choice.parts() for choice in choices]):
        whole[number].text += part.text
        whole[number].tokens += part.tokens
        whole[number].finish = part.finish
    return [_shown(choice, part) for choice, part in zip(choices, whole, strict=True)]


async def _events(choices: Sequence[_Choice], head: dict[str, Any], with_usage: bool) -> AsyncGenerator[bytes, None]:
    more: dict[str, Any] = {"usage": None} if with_usage else {}
    async for number, part in together([choice.parts() for choice in choices]):
        yield f"data: {dumps(head | {'choices': [_shown(choices[number], part)]} | more)}\n\n".encode()
    if with_usage:
        yield f"data: {dumps(head | {'choices': [], 'usage': _usage(choices)})}\n\n".encode()
    yield DONE


def _shown(choice: _Choice, part: _Part) -> dict[str, Any]:
    logprobs = choice.logprobs(part.tokens) if part.tokens else None
    return {"index": choice.number, "text": part.text, "logprobs": logprobs, "finish_reason": part.finish}


def _usage(choices: Sequence[_Choice]) -> dict[str, int]:
    """Tokens read and said; a prompt with several answers is counted once."""
    read = sum(len(prompt) for prompt in {id(choice.prompt): choice.prompt for choice in choices}.values())
    said = sum(choice.said for choice in choices)
    return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


def _name(data: bytes) -> str:
    """A token as text; one that is half a character by its bytes, so that no two have one name."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def _top(token: _Scored) -> dict[str, float] | None:
    """The likeliest tokens; the token itself is always among them, with exactly its own value."""
    data, value, others = token
    if value is None:
        return None
    top = {_name(other): max(chance, _LEAST) for other, chance in reversed(others)}  # of one name the likelier stays
    return top | {_name(data): max(value, _LEAST)}
