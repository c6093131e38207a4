"""POST /v1/chat/completions, as OpenAI's clients expect it."""

import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from eyas.serve.errors import STREAMED, ApiError
from eyas.serve.json_text import dumps, string
from eyas.serve.served import ServedModel
from eyas.serve.shapes import ChatRequest
from eyas.serve.state import State
from eyas.serve.stream import EventStream, together, while_connected
from eyas.serve.turns import ENDLESS, Answer, Delta, Token, TurnRequest, begin, conversation_key

router = APIRouter()

DONE = b"data: [DONE]\n\n"


@router.post("/v1/chat/completions", responses=STREAMED)
async def create_chat_completion(request: Request, body: ChatRequest) -> Response:
    """The assistant's answer to a chat, whole or as a stream of events."""
    state: State = request.app.state.eyas
    turn = turn_request(body)
    model = await state.served.get(body.model, conversation_key(turn.messages, turn.user, turn.conversation_id))
    answers = await begin(state, model, turn, body.n or 1)
    head = _Head(model)
    if body.stream:
        usage = body.stream_options is not None and bool(body.stream_options.include_usage)
        return EventStream(_events(answers, head, usage))
    tokens_of = await while_connected(request, _whole(answers))
    choices = [
        {
            "index": answer.row,
            "message": answer.message | {"refusal": None},
            "logprobs": {"content": [logprob(token) for token in tokens], "refusal": None} if body.logprobs else None,
            "finish_reason": answer.finish_reason,
        }
        for answer, tokens in zip(answers, tokens_of, strict=True)
    ]
    made = head.fields("chat.completion") | {"choices": choices, "usage": usage_of(answers), "eyas": place_of(answers)}
    return Response(dumps(made), media_type="application/json")


def turn_request(body: ChatRequest) -> TurnRequest:
    """What the body asks for. Raises ApiError 400."""
    metadata = body.metadata or {}
    if body.top_logprobs is not None and not body.logprobs:
        raise ApiError(400, "`top_logprobs` needs `logprobs` to be true", param="top_logprobs")
    return TurnRequest(
        messages=[plain_message(message) for message in body.messages],
        sampling=body.sampling(body.max_completion_tokens or body.max_tokens or ENDLESS),
        tools=body.tools or (),
        tool_choice=body.tool_choice,
        response_format=body.response_format,
        stop=body.stops(),
        alternatives=(body.top_logprobs or 0) if body.logprobs else None,
        user=body.user or None,
        conversation_id=_text(metadata.get("conversation")),
        parent_id=_text(metadata.get("parent")),
        source="page" if metadata.get("source") == "page" else "api",
    )


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as the renderer knows them. Raises ApiError 400 for parts that are no text."""
    plain = {key: value for key, value in message.items() if value is not None and key != "refusal"}
    if plain.get("role") == "developer":
        plain["role"] = "system"
    if isinstance(content := message.get("content"), list):
        plain["content"] = "".join(_part(part) for part in content)
    elif message.get("refusal") and not content:
        plain["content"] = message["refusal"]
    return plain


def logprob(token: Token) -> dict[str, Any]:
    """A token as OpenAI tells of one; `bytes` are exact where the token is half a character."""
    told = _token(token.data, token.logprob)
    return told | {"top_logprobs": [_token(data, value) for data, value in token.alternatives]}


def usage_of(answers: Sequence[Answer]) -> dict[str, Any]:
    """Tokens read and said; of several answers to one prompt it is counted once."""
    read, said = answers[0].prompt_tokens, sum(answer.completion_tokens for answer in answers)
    thought = sum(answer.reasoning_tokens for answer in answers)
    return {
        "prompt_tokens": read,
        "completion_tokens": said,
        "total_tokens": read + said,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def place_of(answers: Sequence[Answer]) -> dict[str, Any]:
    """Where the store has the answers, for feedback: ids of conversation and message; of several answers all ids. And
    the tools that the server ran for them."""
    places = [answer.recorded for answer in answers if answer.recorded is not None]
    told: dict[str, Any] = {"stored": len(places) == len(answers)}
    if told["stored"]:
        told |= {"conversation": places[0].conversation_id, "message": places[0].message_id}
    if len(places) > 1:
        told["messages"] = [place.message_id for place in places]
    tools = [tool for answer in answers for tool in answer.tools_run]
    return told | {"tools": tools} if tools else told


async def _whole(answers: Sequence[Answer]) -> list[list[Token]]:
    """Let all answers come to their end; the tokens of each."""
    tokens: list[list[Token]] = [[] for _ in answers]
    async for number, delta in together([answer.deltas() for answer in answers]):
        tokens[number] += delta.tokens
    return tokens


class _Head:
    """What all chunks of an answer begin with."""

    def __init__(self, model: ServedModel) -> None:
        self.id, self.created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        self.model, self.fingerprint = model.name, f"eyas-{(model.sha256 or 'none')[:12]}"

    def fields(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }


async def _events(answers: Sequence[Answer], head: _Head, with_usage: bool) -> AsyncGenerator[bytes, None]:
    """The stream: the role first, then what comes, a last chunk for each choice, the usage if wanted, [DONE]."""
    fields = head.fields("chat.completion.chunk")
    start = f"data: {dumps(fields)[:-1]}".encode() + b',"choices":[{"index":'
    usage: dict[str, Any] = {"usage": None} if with_usage else {}
    no_usage = b',"usage":null' if with_usage else b""
    opened: set[int] = set()

    def chunk(index: int, delta: str, logprobs: str = "null", reason: str = "null", more: bytes = no_usage) -> bytes:
        choice = f'{index},"delta":{delta},"logprobs":{logprobs},"finish_reason":{reason}}}]'
        return start + choice.encode() + more + b"}\n\n"

    async for index, delta in together([answer.deltas() for answer in answers]):
        event = b""
        if index not in opened:
            opened.add(index)
            event = chunk(index, '{"role":"assistant","content":"","refusal":null}')
        if delta.finish:
            place = dumps(usage | {"eyas": place_of([answers[index]])})
            event += chunk(index, "{}", reason=string(delta.finish), more=b"," + place[1:-1].encode())
        elif delta.calls:
            event += b"".join(chunk(index, part) for part in _call_parts(delta))
        else:
            name, text = ("content", delta.text) if delta.text else ("reasoning_content", delta.reasoning)
            logprobs = dumps({"content": [logprob(token) for token in delta.tokens]}) if delta.tokens else "null"
            event += chunk(index, f'{{"{name}":{string(text)}}}', logprobs)
        yield event
    if with_usage:
        told = {"choices": [], "usage": usage_of(answers), "eyas": place_of(answers)}
        yield f"data: {dumps(fields | told)}\n\n".encode()
    yield DONE


def _call_parts(delta: Delta) -> list[str]:
    """Calls as clients put them together: id and name once, then the arguments."""
    parts = []
    for index, call in enumerate(delta.calls):
        function = {"name": call["function"]["name"], "arguments": ""}
        parts.append({"index": index, "id": call["id"], "type": "function", "function": function})
        parts.append({"index": index, "function": {"arguments": call["function"]["arguments"]}})
    return [dumps({"tool_calls": [part]}) for part in parts]


def _token(data: bytes, value: float) -> dict[str, Any]:
    return {"token": data.decode("utf-8", "replace"), "logprob": max(value, -9999.0), "bytes": list(data)}


def _part(part: Mapping[str, Any]) -> str:
    text = part.get("refusal") if part.get("type") == "refusal" else part.get("text")
    if not isinstance(text, str) or part.get("type") not in ("text", "refusal", "input_text", "output_text"):
        raise ApiError(400, f"this model reads text alone, not parts of type {part.get('type')!r}", param="messages")
    return text


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
