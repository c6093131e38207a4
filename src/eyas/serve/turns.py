"""The assistant's turn, which every chat interface shares: chat completions, responses, Anthropic's messages, the page.

How to use it, in a handler on the event loop:

    model = await state.served.get(body.model, key=...)           # ApiError 404, 503
    answers = await begin(state, model, TurnRequest(...), n=1)    # ApiError 400 (does not fit, bad format), 429
    async for delta in answers[0].deltas():                       # Delta: text, reasoning, calls, tokens; last: finish
        ...
    answers[0].message, .finish_reason, .prompt_tokens, .completion_tokens, .recorded    # after the last delta

Text of the stream never holds special tokens, calls or half a character, and stop strings are held back over borders.
When the iteration is broken off (the client has left), generation ends and what was said so far is recorded.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from eyas.errors import EyasError
from eyas.runtime.request import Mask
from eyas.runtime.sampling import Sampling
from eyas.runtime.tools import calculate, run_tool
from eyas.serve.constrain import mask_for
from eyas.serve.errors import ApiError
from eyas.serve.generation import Generation
from eyas.serve.served import ServedModel, falls_in
from eyas.serve.splitter import Delta, Splitter, Token
from eyas.serve.state import State
from eyas.store.conversations import Recorded, Turn
from eyas.text.chat import render

__all__ = ["ENDLESS", "Answer", "Delta", "Token", "TurnRequest", "begin", "conversation_key", "prompt_of"]

Message = dict[str, Any]

SERVER_TOOLS = {"calculator": calculate}
"""Tools that the server runs when a model calls them and the client did not offer one of that name."""
MAX_ROUNDS = 4
ENDLESS = 1 << 30
"""`max_tokens` of who names none: the context ends the answer before."""
_LONG = 20_000  # characters of a request from which rendering it would hold up everybody else


@dataclass(frozen=True)
class TurnRequest:
    """What a client wants of an assistant. `messages` and `tools` are in OpenAI's shape.

    `alternatives`: None when no log-probabilities are wanted, else how many alternatives to tell of each token.
    `sampling.max_tokens` may be larger than the context: the answer ends with it. `conversation_id`, `parent_id`,
    `user` and `source` go to the store with the answer.
    """

    messages: Sequence[Message]
    sampling: Sampling
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    response_format: Mapping[str, Any] | None = None
    stop: tuple[str, ...] = ()
    alternatives: int | None = None
    user: str | None = None
    conversation_id: str | None = None
    parent_id: str | None = None
    source: str = "api"
    shadow: bool = False
    """Answered by a challenger that nobody sees."""
    record: bool = True
    """Else the answer is not stored when it ends: whoever asked may store `Answer.turn()` later."""


def conversation_key(messages: Sequence[Message], user: str | None, conversation_id: str | None) -> str:
    """What stays the same through a conversation, so that one model answers all of it."""
    if conversation_id or user:
        return conversation_id or user or ""
    return json.dumps(next((one.get("content") for one in messages if one.get("role") == "user"), ""))


async def begin(state: State, model: ServedModel, request: TurnRequest, n: int = 1) -> list["Answer"]:
    """Start `n` answers. Raises ApiError: 400 for what cannot be rendered, constrained or does not fit, 429."""
    started = time.perf_counter()
    prompt = await prompt_of(model, request)
    masks = [await _mask(model, request, request.tool_choice) for _ in range(n)]
    answers: list[Answer] = []
    place = _Place(request.conversation_id)
    try:
        for row, mask in enumerate(masks):
            answers.append(Answer(state, model, request, prompt, mask, row, started, place))
    except BaseException:
        for answer in answers:
            answer.cancel()
        raise
    return answers


class _Place:
    """The conversation that all answers to one request go to: the first to be recorded may make it."""

    def __init__(self, conversation_id: str | None) -> None:
        self.conversation_id = conversation_id
        self.lock = asyncio.Lock()


class Answer:
    """One answer on its way. What it holds is whole after the last delta."""

    def __init__(
        self,
        state: State,
        model: ServedModel,
        request: TurnRequest,
        prompt: list[int],
        mask: Mask | None,
        row: int,
        started: float,
        place: _Place,
    ) -> None:
        self.state, self.model, self.request, self.row = state, model, request, row
        self._started, self._place = started, place
        self.prompt_tokens = len(prompt)
        self.completion_tokens = self.reasoning_tokens = 0
        self.finish_reason = "cancelled"
        """stop, length, tool_calls; cancelled until it has ended."""
        self.stop_string: str | None = None
        """The one of the request's stop strings that ended it."""
        self.recorded: Recorded | None = None
        """Where the store has it; None without a store, or when that failed."""
        self.first_seconds = self.seconds = 0.0
        self.said: list[Message] = []
        """Messages in order: rounds of tools that the server ran, then the answer."""
        self._generation: Generation
        self._splitter: Splitter  # of the round that is going on
        self._tokens: list[tuple[str, float]] = []
        self._offered = {str(tool.get("function", {}).get("name")) for tool in _offered(request)}
        self._start(prompt, mask)

    @property
    def message(self) -> Message:
        """The answer as the client sees it: role, content, and reasoning_content and tool_calls where there are any."""
        spoken = [one for one in self.said if one["role"] == "assistant"]
        message: Message = {"role": "assistant", "content": "".join(one["content"] for one in spoken)}
        if reasoning := "\n".join(one["reasoning_content"] for one in spoken if "reasoning_content" in one):
            message["reasoning_content"] = reasoning
        if self.finish_reason == "tool_calls":
            message |= {"content": message["content"] or None, "tool_calls": spoken[-1]["tool_calls"]}
        return message

    def _start(self, prompt: list[int], mask: Mask | None) -> None:
        """Let the engine speak. Raises ApiError 429."""
        request, model = self.request, self.model
        tokenizer = model.engine.tokenizer
        sampling = request.sampling
        if self.said:  # later rounds draw afresh, and have what is left
            left = max(1, sampling.max_tokens - self.completion_tokens)
            sampling = replace(sampling, seed=sampling.seed + len(self.said), max_tokens=left)
        self._generation = model.worker.submit(
            prompt,
            sampling,
            {tokenizer.im_end, tokenizer.endoftext},
            row=self.row,
            mask=mask,
            alternatives=request.alternatives or 0,
            again=bool(self.said),
        )
        self._splitter = Splitter(tokenizer, request.stop, request.alternatives is not None)

    @property
    def tools_run(self) -> list[dict[str, str]]:
        """The calls that the server answered: name, arguments (JSON) and answer of each."""
        results = {one["tool_call_id"]: one["content"] for one in self.said if one["role"] == "tool"}
        calls = [call for one in self.said for call in one.get("tool_calls", ()) if call["id"] in results]
        return [call["function"] | {"answer": results[call["id"]]} for call in calls]

    def cancel(self) -> None:
        """Let it end where it is."""
        self._generation.cancel()

    async def deltas(self) -> AsyncIterator[Delta]:
        """What comes, as it comes. The last delta has `finish` alone, after the answer stands in the store."""
        try:
            going_on = True
            while going_on:
                async for delta in self._round():
                    yield delta
                going_on = await self._answer_calls(self.said[-1].get("tool_calls", []))
            if self.finish_reason == "tool_calls":
                yield Delta(calls=self.said[-1]["tool_calls"])
        except BaseException:
            self.cancel()
            if not self.said or self.said[-1]["role"] != "assistant":
                self.said.append(self._splitter.message())
            self.finish_reason = "cancelled"
            self.state.background(self._end())
            raise
        await self._end()
        yield Delta(finish=self.finish_reason)

    async def _round(self) -> AsyncIterator[Delta]:
        """Let the model speak until it ends; `finish_reason` and what was said are set then."""
        generation, splitter = self._generation, self._splitter
        done = generation.done
        while await generation.more():
            if not self.first_seconds:
                self.first_seconds = time.perf_counter() - self._started
            for delta in splitter.feed(done, splitter.read, len(done.ids)):
                yield delta
            if splitter.stopped:
                generation.cancel()
                break
        for delta in splitter.flush():
            yield delta
        self.stop_string = splitter.stopped or None
        self.finish_reason = "stop" if splitter.stopped else str(done.finish_reason)
        self.said.append(splitter.message())

    async def _answer_calls(self, calls: Sequence[Message]) -> bool:
        """Run the calls of the last message where they are the server's; whether the model is to go on."""
        if not calls:
            return False
        if {call["function"]["name"] for call in calls} & self._offered:
            self.finish_reason = "tool_calls"
            return False
        if sum(one["role"] == "assistant" for one in self.said) > MAX_ROUNDS:
            self.finish_reason = "length"  # it keeps calling: so many rounds were all it may have
            return False
        self._keep_tokens()
        for call in calls:
            function = call["function"]
            answer = run_tool(SERVER_TOOLS, function["name"], json.loads(function["arguments"]))
            self.said.append({"role": "tool", "tool_call_id": call["id"], "content": answer})
        try:
            prompt = await prompt_of(self.model, self.request, [*self.request.messages, *self.said])
        except ApiError:  # the result outgrew the context
            self.said.append({"role": "assistant", "content": ""})
            self.finish_reason = "length"
            return False
        self._start(prompt, await _mask(self.model, self.request, None))  # what was forced has been called
        return True

    async def _end(self) -> None:
        """Count the answer, and record it."""
        self._keep_tokens()
        self.seconds = time.perf_counter() - self._started
        self.first_seconds = self.first_seconds or self.seconds  # an answer without a token
        state, request, name = self.state, self.request, self.model.name
        state.metrics.answered(
            name, self.finish_reason, self.prompt_tokens, self.completion_tokens, self.first_seconds, self.seconds
        )
        if state.recorder is None or not request.record:
            return
        async with self._place.lock:
            self.recorded = await state.recorder.record(self.turn())
            if self.recorded is not None:
                self._place.conversation_id = self.recorded.conversation_id
        if self.recorded is None:
            state.metrics.unrecorded.inc()
        elif not request.shadow and self.finish_reason != "cancelled":
            self._let_the_shadow_answer(self.recorded)

    def turn(self) -> Turn:
        """The whole answer, as the store takes it."""
        request = self.request
        return Turn(
            messages=request.messages,
            answers=self.said,
            model=self.model.name,
            model_sha256=self.model.sha256,
            sampling=asdict(request.sampling) | ({"stop": list(request.stop)} if request.stop else {}),
            tools=list(request.tools) or None,
            tokens=self._tokens,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            first_seconds=self.first_seconds,
            seconds=self.seconds,
            finish_reason=self.finish_reason,
            user=request.user,
            source="shadow" if request.shadow else request.source,
            parent_id=request.parent_id,
            conversation_id=self._place.conversation_id,
            shadow=request.shadow,
        )

    def _let_the_shadow_answer(self, place: Recorded) -> None:
        """Let the challenger answer the same, for its share of the champion's requests."""
        served = self.state.served
        if (
            served.shadow is not None
            and self.model.name == served.aliases["champion"]
            and falls_in(served.shadow.share, f"shadow {secrets.token_hex(8)}")
        ):
            request = replace(self.request, shadow=True, conversation_id=place.conversation_id)
            self.state.background(_answer_unseen(self.state, served.shadow.name, request))

    def _keep_tokens(self) -> None:
        """Remember the tokens of the round for the store."""
        done, count = self._generation.done, self._splitter.read
        decode = self.model.engine.tokenizer.decode_bytes
        for token, logprob in zip(done.ids[:count], done.logprobs[:count], strict=True):
            self._tokens.append((decode((token,)).decode("utf-8", "replace"), logprob))
        self.completion_tokens += count
        self.reasoning_tokens += self._splitter.reasoning_tokens
        self._splitter.read = self._splitter.reasoning_tokens = 0  # each is counted once


async def _answer_unseen(state: State, name: str, request: TurnRequest) -> None:
    model = await state.served.get(name)
    if model.worker.load > model.engine.backend.rows // 2:
        return  # people come first
    (answer,) = await begin(state, model, request)
    async for _ in answer.deltas():
        pass


async def _mask(model: ServedModel, request: TurnRequest, tool_choice: str | Mapping[str, Any] | None) -> Mask | None:
    """A fresh mask of what may be said. Raises ApiError 400 for a format that cannot be followed."""
    if request.response_format is None and tool_choice in (None, "auto", "none"):
        return None
    # a grammar that is new takes some time
    return await asyncio.to_thread(
        mask_for,
        model.engine.tokenizer,
        response_format=request.response_format,
        tools=list(_offered(request)),
        tool_choice=tool_choice,
    )


def _offered(request: TurnRequest) -> Sequence[Mapping[str, Any]]:
    return () if request.tool_choice == "none" else request.tools


async def prompt_of(model: ServedModel, request: TurnRequest, messages: Sequence[Message] | None = None) -> list[int]:
    """The ids of the chat (of `messages` instead, if given), ready for the assistant's turn. Raises ApiError 400."""
    if not model.chats:
        raise ApiError(
            400, f"{model.name} is no chat model: it has no chat tokens; use /v1/completions", code="model_not_chat",
            param="model",
        )  # fmt: skip
    engine = model.engine
    messages = request.messages if messages is None else messages
    tools = list(_offered(request)) or None

    def rendered() -> list[int]:
        return render(engine.tokenizer, messages, tools=tools, add_generation_prompt=True).ids

    try:
        size = sum(len(message.get("content") or "") for message in messages)
        parts = any(isinstance(message.get("content"), list) for message in messages)
        ids = await asyncio.to_thread(rendered) if size > _LONG or parts or tools else rendered()
    except EyasError as error:
        raise ApiError(400, str(error), param="messages") from error
    if len(ids) >= engine.context:
        raise ApiError(
            400,
            f"the messages are {len(ids)} tokens long, and the model's context of {engine.context} must hold them and "
            "an answer; send fewer or shorter ones",
            code="context_length_exceeded",
            param="messages",
        )
    return ids
