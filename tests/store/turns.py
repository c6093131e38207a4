"""Turns as the server would hand them over."""

from typing import Any

from eyas.store.conversations import Turn


def talk(*texts: str) -> list[dict[str, Any]]:
    """User and assistant in turn, the user first."""
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]


def turn(*texts: str, **given: Any) -> Turn:
    """A turn whose last text is the answer and whose others are the history."""
    *messages, answer = talk(*texts)
    values: dict[str, Any] = {
        "messages": messages,
        "answers": [answer],
        "model": "assistant",
        "model_sha256": "ab" * 32,
        "sampling": {"temperature": 0.5, "max_tokens": 64},
        "tools": None,
        "tokens": [("a", -0.5), ("b", -1.5)],
        "prompt_tokens": 11,
        "completion_tokens": 2,
        "first_seconds": 0.25,
        "seconds": 1.0,
        "finish_reason": "stop",
    }
    return Turn(**values | given)
