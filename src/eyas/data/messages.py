"""Chat messages as the many formats write them, brought to one shape: role, content, tool_calls, reasoning_content."""

import json
from typing import Any

Message = dict[str, Any]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
"""How ShareGPT, OpenAI, OpenAssistant and LLaMA-Factory name the speaker, and the role that this is here."""


class BadRow(ValueError):
    """A row that no importer understands; the text says why, without its place."""


def chat_message(raw: Any) -> Message:
    """One message of any of the formats. Raises BadRow."""
    if not isinstance(raw, dict):
        raise BadRow(f"a message is a {type(raw).__name__}, not an object with role and content")
    speaker = raw.get("role", raw.get("from"))
    role = ROLES.get(speaker.strip().lower()) if isinstance(speaker, str) else None
    if role is None:
        raise BadRow(f"a message has the role {shown(speaker)}; known are system, user, assistant and tool")
    content = text_of(raw.get("content", raw.get("value", raw.get("text"))))
    if isinstance(speaker, str) and speaker.strip().lower() in ("function_call", "tool_call"):
        calls = _parsed(content, "a function_call")
        return {"role": "assistant", "content": "", "tool_calls": [tool_call(c) for c in _listed(calls)]}
    message: Message = {"role": role, "content": content}
    calls = raw.get("tool_calls") or ([raw["function_call"]] if raw.get("function_call") else [])
    if calls:
        message["tool_calls"] = [tool_call(call) for call in _listed(calls)]
    reasoning = raw.get("reasoning_content") or raw.get("reasoning") or raw.get("thinking")
    if isinstance(reasoning, str):
        message["reasoning_content"] = reasoning
    if role == "tool" and isinstance(raw.get("name"), str):
        message["name"] = raw["name"]
    if raw.get("weight") in (0, 1):  # OpenAI fine-tuning: an answer with weight 0 is context, not a lesson
        message["weight"] = int(raw["weight"])
    return message


def chat_messages(raw: Any) -> list[Message]:
    """A conversation: a list of messages, or the JSON text of one (tables have text cells). Raises BadRow."""
    raw = _parsed(raw, "messages") if isinstance(raw, str) else raw
    if not isinstance(raw, list) or not raw:
        raise BadRow("its messages are not a list with at least one message")
    return [chat_message(message) for message in raw]


def turns(raw: Any, role: str) -> list[Message]:
    """A prompt or an answer: text or a number (said by `role`), one message, or a list of them. Raises BadRow."""
    if isinstance(raw, (str, int, float)):
        return [{"role": role, "content": str(raw)}]
    if isinstance(raw, dict):
        return [chat_message(raw)]
    return chat_messages(raw)


def text_of(content: Any) -> str:
    """The text of a message's content: text, nothing, or a list of text parts. Raises BadRow."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts: list[str] = []
        for part in content:
            text = part.get("text") if isinstance(part, dict) else part
            if not isinstance(text, str):
                raise BadRow("a message holds a part that is not text")
            parts.append(text)
        return "".join(parts)
    raise BadRow(f"a message's content is a {type(content).__name__}, not text")


def tool_call(raw: Any) -> dict[str, Any]:
    """One call as {"type": "function", "function": {"name", "arguments": {...}}}. Raises BadRow."""
    function = raw.get("function", raw) if isinstance(raw, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadRow("a tool call has no function name")
    arguments = function.get("arguments", function.get("parameters")) or {}
    arguments = _parsed(arguments, "a tool call's arguments") if isinstance(arguments, str) else arguments
    if not isinstance(arguments, dict):
        raise BadRow("a tool call's arguments are not an object")
    return {"type": "function", "function": {"name": function["name"], "arguments": arguments}}


def tool_list(raw: Any) -> list[dict[str, Any]]:
    """The tools of a row as OpenAI writes them; also from JSON text and from bare functions. Raises BadRow."""
    if raw is None or raw == "":
        return []
    tools = _listed(_parsed(raw, "tools") if isinstance(raw, str) else raw)
    out = []
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise BadRow("a tool has no name")
        out.append({"type": "function", "function": function})
    return out


def shown(value: Any) -> str:
    """A short spelling of a foreign value for an error sentence."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRow(f"{what} is not JSON: {error}") from error
