"""POST /v1/messages: the same turns, as Anthropic's clients ask for them."""

import json
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from eyas.runtime.sampling import Sampling
from eyas.serve.chat_completions import place_of
from eyas.serve.errors import MESSAGES_RESPONSES, STREAMED, ApiError
from eyas.serve.json_text import dumps
from eyas.serve.shapes import JsonObject, SamplingFields
from eyas.serve.state import State
from eyas.serve.stream import EventStream, while_connected
from eyas.serve.turns import Answer, Delta, TurnRequest, begin, conversation_key, prompt_of

router = APIRouter(responses=MESSAGES_RESPONSES)

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class Block(TypedDict, total=False):
    """A block of content: text, thinking, tool_use or tool_result, each with its own fields."""

    type: str
    text: str
    thinking: str
    id: str
    name: str
    input: JsonObject
    tool_use_id: str
    content: "str | list[TextBlock] | None"
    is_error: bool | None


class TextBlock(TypedDict, total=False):
    type: str
    text: str


class MessageParam(TypedDict):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class AnthropicTool(TypedDict, total=False):
    name: str
    description: str | None
    input_schema: JsonObject


class ToolChoice(TypedDict, total=False):
    type: Literal["auto", "any", "tool", "none"]
    name: str


class Metadata(BaseModel):
    user_id: str | None = None


class CountRequest(BaseModel):
    """POST /v1/messages/count_tokens."""

    messages: Annotated[list[MessageParam], Field(min_length=1)]
    model: str | None = None
    system: str | list[TextBlock] | None = None
    tools: Annotated[list[AnthropicTool], Field(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None


class MessagesRequest(CountRequest):
    """POST /v1/messages."""

    model_config = ConfigDict(allow_inf_nan=False)

    max_tokens: Annotated[int, Field(ge=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    stop_sequences: Annotated[list[str], Field(max_length=16)] | None = None
    stream: bool | None = None
    metadata: Metadata | None = None


class Count(BaseModel):
    input_tokens: int


@router.post("/v1/messages/count_tokens")
async def count_tokens(request: Request, body: CountRequest) -> Count:
    """How many tokens a chat is for the model."""
    state: State = request.app.state.eyas
    turn = _turn(body, Sampling())
    model = await state.served.get(body.model)
    return Count(input_tokens=len(await prompt_of(model, turn)))


@router.post("/v1/messages", responses=STREAMED)
async def create_message(request: Request, body: MessagesRequest) -> Response:
    """The assistant's answer to a chat, whole or as a stream of events."""
    state: State = request.app.state.eyas
    fields = SamplingFields(temperature=body.temperature, top_p=body.top_p, top_k=body.top_k)
    turn = _turn(body, fields.sampling(body.max_tokens), body.stop_sequences or [], body.metadata)
    model = await state.served.get(body.model, conversation_key(turn.messages, turn.user, None))
    (answer,) = await begin(state, model, turn)
    writing = _Writing(answer)
    if body.stream:
        return EventStream(_framed(writing))
    await while_connected(request, _whole(writing))
    return Response(dumps(writing.message() | {"eyas": place_of([answer])}), media_type="application/json")


@dataclass
class _Writing:
    """An answer becoming blocks; `events` tells of each step."""

    answer: Answer
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(12)}")
    blocks: list[dict[str, Any]] = field(default_factory=list)

    def message(self) -> dict[str, Any]:
        """The message with the blocks so far."""
        answer, ended = self.answer, self.answer.finish_reason in _REASONS
        reason = "stop_sequence" if answer.stop_string is not None else _REASONS.get(answer.finish_reason)
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": answer.model.name,
            "content": self.blocks,
            "stop_reason": reason if ended else None,
            "stop_sequence": answer.stop_string if ended else None,
            "usage": {"input_tokens": answer.prompt_tokens, "output_tokens": answer.completion_tokens},
        }

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """message_start, the blocks with what comes in each, message_delta, message_stop."""
        yield {"type": "message_start", "message": self.message()}
        async for delta in self.answer.deltas():
            for event in self._told(delta):
                yield event
        if self.blocks:
            yield self._stop()
        ended = self.message()
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": ended["stop_reason"], "stop_sequence": ended["stop_sequence"]},
            "usage": ended["usage"],
            "eyas": place_of([self.answer]),
        }
        yield {"type": "message_stop"}

    def _told(self, delta: Delta) -> list[dict[str, Any]]:
        events = []
        if delta.reasoning:
            events += self._grow("thinking", delta.reasoning)
        if delta.text:
            events += self._grow("text", delta.text)
        for call in delta.calls:
            function = call["function"]
            events += self._open({"type": "tool_use", "id": call["id"], "name": function["name"], "input": {}})
            events.append(self._delta({"type": "input_json_delta", "partial_json": function["arguments"]}))
            self.blocks[-1] |= {"input": json.loads(function["arguments"])}
        return events

    def _grow(self, kind: str, text: str) -> list[dict[str, Any]]:
        """More of a text or a thought: in the block that is open, or in a new one."""
        events = []
        if not self.blocks or self.blocks[-1]["type"] != kind:
            events += self._open({"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {}))
        self.blocks[-1][kind] += text
        return [*events, self._delta({"type": f"{kind}_delta", kind: text})]

    def _open(self, block: dict[str, Any]) -> list[dict[str, Any]]:
        events = [self._stop()] if self.blocks else []
        self.blocks.append(block)
        start = {"type": "content_block_start", "index": len(self.blocks) - 1, "content_block": dict(block)}
        return [*events, start]

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": len(self.blocks) - 1, "delta": delta}

    def _stop(self) -> dict[str, Any]:
        return {"type": "content_block_stop", "index": len(self.blocks) - 1}


async def _whole(writing: _Writing) -> bool:
    async for _ in writing.events():
        pass
    return True


async def _framed(writing: _Writing) -> AsyncGenerator[bytes, None]:
    async for event in writing.events():
        yield f"event: {event['type']}\ndata: {dumps(event)}\n\n".encode()


# -- Anthropic's shapes into ours


def _turn(
    body: CountRequest, sampling: Sampling, stop: Sequence[str] = (), metadata: Metadata | None = None
) -> TurnRequest:
    """What the body asks for. Raises ApiError 400."""
    system = body.system if isinstance(body.system, str) else _joined(body.system or [], "system")
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for place, message in enumerate(body.messages):
        messages += _messages(message, f"messages[{place}].content")
    choice: ToolChoice = body.tool_choice or {"type": "auto"}
    kind = choice.get("type", "auto")
    forced: str | dict[str, Any] = {"any": "required"}.get(kind, kind)
    if kind == "tool":
        forced = {"type": "function", "function": {"name": choice.get("name")}}
    return TurnRequest(
        messages=messages,
        sampling=sampling,
        tools=[_tool(tool) for tool in body.tools or []],
        tool_choice=forced,
        stop=tuple(one for one in stop if one),
        user=metadata.user_id if metadata is not None else None,
    )


def _messages(message: MessageParam, where: str) -> list[dict[str, Any]]:
    """One message as OpenAI has them: results of tools are messages of their own."""
    content = message["content"]
    if isinstance(content, str):
        return [{"role": message["role"], "content": content}]
    results: list[dict[str, Any]] = []
    said: dict[str, Any] = {"role": message["role"], "content": ""}
    for block in content:
        kind = block.get("type")
        if kind == "text":
            said["content"] += block.get("text", "")
        elif kind == "thinking" and message["role"] == "assistant":
            said["reasoning_content"] = said.get("reasoning_content", "") + block.get("thinking", "")
        elif kind == "tool_use" and message["role"] == "assistant":
            function = {"name": block.get("name", ""), "arguments": dumps(block.get("input", {}))}
            call = {"id": block.get("id", ""), "type": "function", "function": function}
            said.setdefault("tool_calls", []).append(call)
        elif kind == "tool_result" and message["role"] == "user":
            result = block.get("content") or ""
            text = result if isinstance(result, str) else _joined(result, where)
            results.append({"role": "tool", "tool_call_id": block.get("tool_use_id", ""), "content": text})
        else:
            raise ApiError(400, f"`{where}`: a {message['role']}'s block of type {kind!r} cannot be read", param=where)
    empty = not (said["content"] or said.get("tool_calls") or said.get("reasoning_content"))
    return [*results, *([] if empty and results else [said])]


def _joined(blocks: Sequence[Mapping[str, Any]], where: str) -> str:
    if any(block.get("type") != "text" or "text" not in block for block in blocks):
        raise ApiError(400, f"`{where}`: only blocks of type 'text' can be read", param=where)
    return "".join(block["text"] for block in blocks)


def _tool(tool: AnthropicTool) -> dict[str, Any]:
    if not tool.get("name") or "input_schema" not in tool:
        raise ApiError(400, "`tools`: a tool needs `name` and `input_schema`; this server has no tools of its own kind")
    function = {"name": tool["name"], "description": tool.get("description"), "parameters": tool["input_schema"]}
    return {"type": "function", "function": {key: value for key, value in function.items() if value is not None}}
