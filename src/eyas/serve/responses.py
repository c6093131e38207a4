"""POST /v1/responses: the same turns, as OpenAI's newer interface has them; the stateless part of it."""

import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from typing_extensions import TypedDict

from eyas.serve.chat_completions import logprob, place_of
from eyas.serve.errors import STREAMED, ApiError
from eyas.serve.json_text import dumps
from eyas.serve.shapes import JsonObject, SamplingFields
from eyas.serve.state import State
from eyas.serve.stream import EventStream, while_connected
from eyas.serve.turns import ENDLESS, Answer, Delta, Token, TurnRequest, begin, conversation_key

router = APIRouter()

_PREFIXES = {"message": "msg", "reasoning": "rs"}
_LOGPROBS = "message.output_text.logprobs"  # what `include` holds when they are wanted


class TextFormat(TypedDict, total=False):
    format: JsonObject | None


class ResponsesRequest(SamplingFields):
    """POST /v1/responses. What would need a memory between requests is refused."""

    input: str | Annotated[list[JsonObject], Field(min_length=1)]
    model: str | None = None
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    tools: Annotated[list[JsonObject], Field(max_length=128)] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    text: TextFormat | None = None
    include: list[str] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    stream: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    user: str | None = None
    metadata: JsonObject | None = None


@router.post("/v1/responses", responses=STREAMED)
async def create_response(request: Request, body: ResponsesRequest) -> Response:
    """The assistant's answer to a chat, whole or as a stream of events."""
    state: State = request.app.state.eyas
    turn = _turn(body)
    model = await state.served.get(body.model, conversation_key(turn.messages, turn.user, None))
    (answer,) = await begin(state, model, turn)
    writing = _Writing(answer, body)
    if body.stream:
        return EventStream(_framed(writing))
    await while_connected(request, _whole(writing))
    return Response(dumps(writing.response()), media_type="application/json")


@dataclass
class _Writing:
    """An answer becoming items of a response; `events` tells of each step."""

    answer: Answer
    body: ResponsesRequest
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(16)}")
    created: int = field(default_factory=lambda: int(time.time()))
    items: list[dict[str, Any]] = field(default_factory=list)

    def response(self) -> dict[str, Any]:
        """The response with the items so far."""
        answer, body = self.answer, self.body
        ended = answer.finish_reason != "cancelled"
        cut = answer.finish_reason == "length"
        response: dict[str, Any] = {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": int(time.time()) if ended and not cut else None,
            "status": "in_progress" if not ended else "incomplete" if cut else "completed",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "model": answer.model.name,
            "output": self.items,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": answer.request.sampling.temperature,
            "text": {"format": (body.text or {}).get("format") or {"type": "text"}},
            "tool_choice": body.tool_choice or "auto",
            "tools": body.tools or [],
            "top_logprobs": body.top_logprobs or 0,
            "top_p": answer.request.sampling.top_p,
            "truncation": "disabled",
            "usage": None,
            "user": body.user,
        }
        if ended:
            read, said = answer.prompt_tokens, answer.completion_tokens
            response["usage"] = {
                "input_tokens": read,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": said,
                "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
                "total_tokens": read + said,
            }
            response["eyas"] = place_of([answer])
        return response

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """What happens, from response.created to response.completed or response.incomplete."""
        yield {"type": "response.created", "response": self.response()}
        yield {"type": "response.in_progress", "response": self.response()}
        async for delta in self.answer.deltas():
            for event in self._told(delta):
                yield event
        for event in self._close():
            yield event
        response = self.response()
        yield {"type": f"response.{response['status']}", "response": response}

    def _told(self, delta: Delta) -> list[dict[str, Any]]:
        events = []
        if delta.reasoning:
            events += self._grow("reasoning", delta.reasoning, [])
        if delta.text:
            events += self._grow("message", delta.text, delta.tokens)
        for call in delta.calls:
            events += self._call(call)
        return events

    def _grow(self, kind: str, text: str, tokens: Sequence[Token]) -> list[dict[str, Any]]:
        """More of a text or a thought: in the item that is open, or in a new one."""
        events = []
        if not self.items or self.items[-1]["type"] != kind:
            events += self._open(kind)
        part = self.items[-1]["content"][0]
        part["text"] += text
        event = {"type": f"response.{part['type']}.delta", **self._place(), "content_index": 0, "delta": text}
        if kind == "message":
            event["logprobs"] = [logprob(token) for token in tokens]
            part["logprobs"] += event["logprobs"]
        return [*events, event]

    def _open(self, kind: str) -> list[dict[str, Any]]:
        events = self._close()
        item: dict[str, Any] = {"id": f"{_PREFIXES[kind]}_{secrets.token_hex(16)}", "type": kind}
        part: dict[str, Any] = {"type": "reasoning_text", "text": ""}
        if kind == "message":
            item |= {"role": "assistant"}
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        else:
            item |= {"summary": []}
        self.items.append(item | {"status": "in_progress", "content": []})
        events.append({"type": "response.output_item.added", **self._at(), "item": _copy(self.items[-1])})
        self.items[-1]["content"].append(part)
        events.append({"type": "response.content_part.added", **self._place(), "content_index": 0, "part": _copy(part)})
        return events

    def _close(self) -> list[dict[str, Any]]:
        """The end of the item that is open, if one is."""
        if not self.items or self.items[-1]["status"] != "in_progress":
            return []
        item = self.items[-1]
        item["status"] = "incomplete" if self.answer.finish_reason == "length" else "completed"
        part = _copy(item["content"][0])
        here = {**self._place(), "content_index": 0}
        told = {"text": part["text"]} | ({"logprobs": part["logprobs"]} if item["type"] == "message" else {})
        return [
            {"type": f"response.{part['type']}.done", **here, **told},
            {"type": "response.content_part.done", **here, "part": part},
            {"type": "response.output_item.done", **self._at(), "item": _copy(item)},
        ]

    def _call(self, call: Mapping[str, Any]) -> list[dict[str, Any]]:
        events = self._close()
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        item = {"id": f"fc_{secrets.token_hex(16)}", "type": "function_call", "call_id": call["id"], "name": name}
        self.items.append(item | {"arguments": arguments, "status": "completed"})
        opened = item | {"arguments": "", "status": "in_progress"}
        done = {"name": name, "arguments": arguments}
        return [
            *events,
            {"type": "response.output_item.added", **self._at(), "item": opened},
            {"type": "response.function_call_arguments.delta", **self._place(), "delta": arguments},
            {"type": "response.function_call_arguments.done", **self._place(), **done},
            {"type": "response.output_item.done", **self._at(), "item": self.items[-1]},
        ]

    def _at(self) -> dict[str, Any]:
        return {"output_index": len(self.items) - 1}

    def _place(self) -> dict[str, Any]:
        return {"item_id": self.items[-1]["id"], **self._at()}


def _copy(value: Mapping[str, Any]) -> dict[str, Any]:
    """As it is now; the events of a stream are written later."""
    return {key: list(one) if isinstance(one, list) else one for key, one in value.items()}


async def _whole(writing: _Writing) -> bool:
    async for _ in writing.events():
        pass
    return True


async def _framed(writing: _Writing) -> AsyncGenerator[bytes, None]:
    number = 0
    async for event in writing.events():
        yield f"event: {event['type']}\ndata: {dumps(event | {'sequence_number': number})}\n\n".encode()
        number += 1


# -- the interface's shapes into ours


def _turn(body: ResponsesRequest) -> TurnRequest:
    """What the body asks for. Raises ApiError 400."""
    for name, value in (
        ("previous_response_id", body.previous_response_id),
        ("conversation", body.conversation),
        ("background", body.background),
    ):
        if value:
            raise ApiError(400, f"`{name}` needs a memory between requests; send the whole chat as `input`", param=name)
    messages = [{"role": "system", "content": body.instructions}] if body.instructions else []
    items = [{"role": "user", "content": body.input}] if isinstance(body.input, str) else body.input
    for place, item in enumerate(items):
        _add(messages, item, f"input[{place}]")
    wanted = _LOGPROBS in (body.include or []) or bool(body.top_logprobs)
    return TurnRequest(
        messages=messages,
        sampling=body.sampling(body.max_output_tokens or ENDLESS),
        tools=[_tool(tool) for tool in body.tools or []],
        tool_choice=_choice(body.tool_choice),
        response_format=_format((body.text or {}).get("format")),
        stop=body.stops(),
        alternatives=(body.top_logprobs or 0) if wanted else None,
        user=body.user or None,
    )


def _add(messages: list[dict[str, Any]], item: Mapping[str, Any], where: str) -> None:
    """Add an item of the input to the chat; thoughts and calls belong to one message of the assistant."""
    kind = item.get("type", "message")
    if kind == "message" and item.get("role") in ("user", "system", "developer", "assistant"):
        role = "system" if item["role"] == "developer" else item["role"]
        text = _text(item.get("content"), f"{where}.content")
        thinking = bool(messages) and role == "assistant" and set(messages[-1]) == {"role", "reasoning_content"}
        if thinking:
            messages[-1]["content"] = text
        else:
            messages.append({"role": role, "content": text})
    elif kind == "reasoning":
        thought = _text(item.get("content") or [], f"{where}.content")
        messages.append({"role": "assistant", "reasoning_content": thought})
    elif kind == "function_call":
        function = {"name": str(item.get("name", "")), "arguments": str(item.get("arguments") or "{}")}
        if not messages or messages[-1]["role"] != "assistant":
            messages.append({"role": "assistant", "content": ""})
        call = {"id": str(item.get("call_id", "")), "type": "function", "function": function}
        messages[-1].setdefault("tool_calls", []).append(call)
    elif kind == "function_call_output":
        text = _text(item.get("output"), f"{where}.output")
        messages.append({"role": "tool", "tool_call_id": str(item.get("call_id", "")), "content": text})
    else:
        raise ApiError(400, f"`{where}`: an item of type {kind!r} cannot be read", param=where)


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for part in content if isinstance(content, list) else [content]:
        text = part.get("refusal") or part.get("text") if isinstance(part, dict) else None
        if not isinstance(text, str):
            raise ApiError(400, f"`{where}` must be a string or a list of parts that hold text", param=where)
        texts.append(text)
    return "".join(texts)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function" or not isinstance(tool.get("name"), str):
        raise ApiError(400, "`tools`: only tools of type 'function' with a `name` are known", param="tools")
    named = {key: tool[key] for key in ("name", "description", "parameters", "strict") if tool.get(key) is not None}
    return {"type": "function", "function": named}


def _choice(choice: str | Mapping[str, Any] | None) -> str | dict[str, Any] | None:
    if choice is None or isinstance(choice, str):
        return choice
    if choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return dict(choice)


def _format(wanted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """{"type": "json_schema", "schema"...} as chat completions nest it."""
    if wanted is None or wanted.get("type") != "json_schema":
        return None if wanted is None else dict(wanted)
    return {"type": "json_schema", "json_schema": {key: value for key, value in wanted.items() if key != "type"}}
