"""Talks for other programs: JSON lines for training tools, and OpenTelemetry spans for tracing tools."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

import eyas
from eyas.store.conversations import conversation_of, history, messages_of
from eyas.store.tables import Base, Conversation, Feedback, Flag, Label, Message

# How the sampling settings of an answer are called in the semantic conventions of OpenTelemetry.
_SETTINGS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
    "top_k": ("gen_ai.request.top_k", int),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "seed": ("gen_ai.request.seed", int),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "stop": ("gen_ai.request.stop_sequences", list),
}
_SPAN_KIND_INTERNAL = 1


def jsonl_rows(session: Session, conversation_ids: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """A row for each branch of each conversation (of all when None): `messages` and `tools` as training rows have
    them, and beside these who, when, which model, and what people and the monitor thought of the last answer."""
    for conversation in _conversations(session, conversation_ids):
        messages = messages_of(session, conversation.id)
        parents = {message.parent_id for message in messages}
        feedback, flags, labels = (_of(session, table, conversation.id) for table in (Feedback, Flag, Label))
        for leaf in messages:
            if leaf.id in parents:
                continue
            yield {
                "messages": [message.content for message in history(session, leaf.id)],
                **({"tools": leaf.tools} if leaf.tools else {}),
                "conversation": conversation.id,
                "message": leaf.id,
                "created": leaf.created,
                "user": conversation.user,
                "source": conversation.source,
                "model": leaf.model,
                "shadow": leaf.shadow,
                "finish_reason": leaf.finish_reason,
                "mean_logprob": leaf.mean_logprob,
                "feedback": [
                    {"rating": one.rating, "comment": one.comment, "better": one.better} for one in feedback[leaf.id]
                ],
                "flags": [{"kind": one.kind, "score": one.score, "detail": one.detail} for one in flags[leaf.id]],
                "labels": [
                    {"person": one.person, "verdict": one.verdict, "answer": one.answer} for one in labels[leaf.id]
                ],
            }


def otel_lines(
    session: Session, conversation_ids: Sequence[str] | None = None, *, content: bool = True
) -> Iterator[dict[str, Any]]:
    """A span for each answer, as an OTLP/JSON export request by itself: one line of the collector's file format.

    Names follow the semantic conventions for generative AI (`gen_ai.*`). Without `content` no text leaves.
    """
    for conversation in _conversations(session, conversation_ids):
        feedback = _of(session, Feedback, conversation.id)
        for answer in messages_of(session, conversation.id):
            if answer.model is not None:
                yield _request(_span(session, conversation, answer, feedback[answer.id], content))


def _conversations(session: Session, ids: Sequence[str] | None) -> Iterator[Conversation]:
    if ids is None:
        yield from session.scalars(select(Conversation).order_by(Conversation.created, Conversation.id)).all()
    for one in ids or ():
        yield conversation_of(session, one)


def _of(session: Session, table: type[Base], conversation_id: str) -> defaultdict[str, list[Any]]:
    """The rows of a table about the messages of a conversation, by message."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    rows = select(table).join(Message).where(Message.conversation_id == conversation_id)
    for row in session.scalars(rows):
        found[row.message_id].append(row)  # type: ignore[attr-defined]
    return found


def _request(span: dict[str, Any]) -> dict[str, Any]:
    scope = {"name": "eyas", "version": eyas.__version__}
    resource = {"attributes": _attributes({"service.name": "eyas", "service.version": eyas.__version__})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": [span]}]}]}


def _span(
    session: Session, conversation: Conversation, answer: Message, feedback: list[Feedback], content: bool
) -> dict[str, Any]:
    sampling = answer.sampling or {}
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "eyas",
        "gen_ai.conversation.id": conversation.id,
        "gen_ai.request.model": answer.model,
        "gen_ai.response.model": answer.model,
        "gen_ai.response.id": answer.id,
        "gen_ai.response.finish_reasons": [answer.finish_reason],
        "gen_ai.usage.input_tokens": answer.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.completion_tokens,
        "gen_ai.response.time_to_first_chunk": answer.first_seconds,
        "user.id": conversation.user if content else None,
        **{name: kind(sampling[key]) for key, (name, kind) in _SETTINGS.items() if sampling.get(key) is not None},
    }
    if content:
        before = [one.content for one in history(session, answer.id)[:-1]]
        system = [part for one in before if one.get("role") == "system" for part in _parts(one)]
        asked = [{"role": one.get("role"), "parts": _parts(one)} for one in before if one.get("role") != "system"]
        said = {"role": "assistant", "parts": _parts(answer.content), "finish_reason": answer.finish_reason}
        attributes |= {
            "gen_ai.system_instructions": _json(system),
            "gen_ai.input.messages": _json(asked),
            "gen_ai.output.messages": _json([said]),
            "gen_ai.tool.definitions": _json(answer.tools),
        }
    # The row is written when the answer is complete.
    ended = answer.created
    return {
        "traceId": conversation.id,
        "spanId": answer.id[-16:],
        "name": f"chat {answer.model}",
        "kind": _SPAN_KIND_INTERNAL,
        "startTimeUnixNano": _nanoseconds(ended - (answer.seconds or 0.0)),
        "endTimeUnixNano": _nanoseconds(ended),
        "attributes": _attributes(attributes),
        "events": [_event(one, content) for one in feedback],
        "status": {},
    }


def _event(feedback: Feedback, content: bool) -> dict[str, Any]:
    attributes = {
        "gen_ai.evaluation.name": "thumb",
        "gen_ai.evaluation.score.value": None if feedback.rating is None else float(feedback.rating),
        "gen_ai.evaluation.explanation": (feedback.comment or None) if content else None,
    }
    return {
        "timeUnixNano": _nanoseconds(feedback.created),
        "name": "gen_ai.evaluation.result",
        "attributes": _attributes(attributes),
    }


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A message as the conventions spell it: parts of kind reasoning, text, tool_call and tool_call_response."""
    parts: list[dict[str, Any]] = []
    content = message.get("content")
    if message.get("role") == "tool":
        return [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}]
    if thought := message.get("reasoning_content"):
        parts.append({"type": "reasoning", "content": thought})
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []:
        parts.append({"type": "text", "content": part["text"]} if part.get("type") == "text" else part)
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        parts.append(
            {
                "type": "tool_call",
                "id": call.get("id"),
                "name": function.get("name"),
                "arguments": function.get("arguments"),
            }
        )
    return parts


def _json(value: list[Any] | None) -> str | None:
    return json.dumps(value, ensure_ascii=False) if value else None


def _nanoseconds(seconds: float) -> str:
    """OTLP/JSON writes 64-bit numbers as text."""
    return str(round(seconds * 1e9))


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [_value(one) for one in value if one is not None]}}
    return {"stringValue": str(value)}
